//! Paths into the context of a run.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use stepcast_core::StorePath;

/// The most segments of a path.
const MAX_SEGMENTS: usize = 64;
/// Under which key the run's input is kept.
pub(crate) const START: &str = "start";

/// A path such as `triage.output.severity` or `input.topic`, parsed once.
///
/// Its first segment is a step, an output key or `input`. What follows leads into the step's output, with or without the
/// word `output`; where the output has nothing there, into the step's record, which has `error` and `event` as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    written: String,
    root: String,
    rest: Vec<String>,
    /// Into the store: the output first, then the record.
    first: Option<StorePath>,
    second: Option<StorePath>,
}

/// A text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a path: write names with dots between them, as in `triage.output.severity`")]
pub struct PathError {
    /// The text.
    pub path: String,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// When it is empty, has an empty segment, a segment with white space, quotes or brackets in it, or more than 64.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let trimmed = text.trim();
        let error = || PathError { path: trimmed.to_owned() };
        let plain = |segment: &str| !segment.is_empty() && !segment.contains(is_special);
        if trimmed.split('.').count() > MAX_SEGMENTS || !trimmed.split('.').all(plain) {
            return Err(error());
        }
        let mut segments = trimmed.strip_prefix("context.").unwrap_or(trimmed).split('.').map(str::to_owned);
        let Some(root) = segments.next() else { return Err(error()) };
        let rest = segments.collect();
        Ok(Path { written: trimmed.to_owned(), root, rest, first: None, second: None }.resolved())
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Its first segment.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The same path where names of steps stand for other keys, and aliases for other paths behind `input`.
    pub(crate) fn bound(mut self, keys: &HashMap<String, String>, aliases: &HashMap<String, Path>) -> Path {
        if self.root == "input"
            && let Some(alias) = self.rest.first().and_then(|name| aliases.get(name))
        {
            let mut path = alias.clone();
            path.rest.extend(self.rest[1..].iter().cloned());
            path.written = self.written;
            return path.resolved().bound(keys, &HashMap::new());
        }
        match keys.get(&self.root) {
            Some(key) if *key != self.root => {
                self.root.clone_from(key);
                self.resolved()
            }
            _ => self,
        }
    }

    fn resolved(mut self) -> Self {
        let to = |parts: &[&str]| {
            let rest = self.rest.iter().map(String::as_str);
            let (size, mut path) = (parts.iter().map(|part| part.len() + 1), String::new());
            path.reserve(size.chain(rest.clone().map(|part| part.len() + 1)).sum());
            for part in parts.iter().copied().chain(rest) {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(part);
            }
            path
        };
        let root = self.root.as_str();
        let (first, second) = match self.rest.first().map(String::as_str) {
            _ if root == "input" => (to(&[START, "output", "input"]), None),
            Some("output") => (to(&[root]), Some(to(&[root, "output"]))),
            Some(_) => (to(&[root, "output"]), Some(to(&[root]))),
            None => (to(&[root, "output"]), None),
        };
        // Segments were looked at when the path was read.
        self.first = StorePath::new(first).ok();
        self.second = second.and_then(|second| StorePath::new(second).ok());
        self
    }

    /// The field that it leads to, if it leads to a field of the output under this key.
    pub(crate) fn field_of(&self, key: &str) -> Option<&str> {
        let field = self.first.as_ref()?.as_str().strip_prefix(key)?.strip_prefix(".output.")?;
        (!field.contains('.')).then_some(field)
    }

    /// Where in the store the output is whose field it leads to, and that field, if it leads to a field of an output.
    pub(crate) fn output_and_field(&self) -> Option<(StorePath, &str)> {
        let (output, field) = self.first.as_ref()?.as_str().rsplit_once('.')?;
        let (key, _) = output.split_once(".output").filter(|(_, rest)| rest.is_empty())?;
        let output = StorePath::new(output).ok()?;
        (output.key() == key).then_some((output, field))
    }

    /// Where to look in the store, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = &StorePath> {
        self.first.iter().chain(&self.second)
    }
}

fn is_special(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '{' | '}' | '"' | '\'' | '(' | ')' | '[' | ']' | '!' | '=' | '<' | '>' | '&' | '|' | ',')
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.written)
    }
}

/// Where paths lead.
pub trait Scope {
    /// The value at the path; `None` where there is none, which is not the same as `null`.
    fn look_up(&self, path: &Path) -> Option<Value>;

    /// As [`look_up`](Self::look_up), without a copy where the scope has the value at hand.
    fn find(&self, path: &Path) -> Option<Cow<'_, Value>> {
        self.look_up(path).map(Cow::Owned)
    }

    /// Lets `look` see the value at the path, and says whether there is one. It is called once at most.
    fn look_at(&self, path: &Path, look: &mut dyn FnMut(&Value)) -> bool {
        self.find(path).map(|value| look(&value)).is_some()
    }
}

/// A context as JSON: `{"triage": {"output": ..}, "start": {"output": {"input": ..}}}`.
impl Scope for Value {
    fn look_up(&self, path: &Path) -> Option<Value> {
        path.places().find_map(|place| place.get(self)).cloned()
    }

    fn find(&self, path: &Path) -> Option<Cow<'_, Value>> {
        path.places().find_map(|place| place.get(self)).map(Cow::Borrowed)
    }
}
