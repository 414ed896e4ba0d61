//! Texts and JSON with `{{placeholders}}`, parsed once.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::document::Missing;
use crate::path::{Path, PathError, Scope};

/// The longest text, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// The most placeholders in one text.
const MAX_PLACEHOLDERS: usize = 10_000;

/// A text with placeholders. One that is nothing but a placeholder gives the value itself; in between other text, texts are
/// put in as they are, `null` as nothing and everything else as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
    /// Nothing but one placeholder and white space.
    exact: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Value { path: Path, optional: bool },
}

/// A text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// What stands in a placeholder is not a path.
    #[error("{source}")]
    Path {
        /// Why.
        #[source]
        source: PathError,
        /// Where the placeholder begins, in bytes.
        offset: usize,
    },
    /// It is too long.
    #[error("The template is too long: {len} bytes. It may have 256 KiB and 10,000 placeholders")]
    TooLong {
        /// How long it is, in bytes.
        len: usize,
    },
    /// It nests too deep.
    #[error("The template nests lists and objects more than 100 deep")]
    TooDeep,
}

/// There is no value for a placeholder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "There is no value at `{path}`. Write `{{{{{path}?}}}}` where it may be missing, or say `\"missing\": \"empty\"`."
)]
pub struct MissingPath {
    /// The path.
    pub path: String,
}

impl Template {
    /// Reads a text. `{{}}` and `{{` without an end stand for themselves.
    ///
    /// # Errors
    /// When what stands in a placeholder is not a path, or it is too long.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEXT {
            return Err(TemplateError::TooLong { len: text.len() });
        }
        let (mut parts, mut plain, mut at, mut placeholders) = (Vec::new(), String::new(), 0, 0);
        while let Some(begin) = text[at..].find("{{").map(|begin| at + begin) {
            let Some(end) = text[begin + 2..].find("}}").map(|end| begin + 2 + end) else { break };
            plain.push_str(&text[at..begin]);
            at = end + 2;
            let inside = &text[begin + 2..end];
            if inside.is_empty() {
                plain.push_str(&text[begin..at]);
                continue;
            }
            placeholders += 1;
            if placeholders > MAX_PLACEHOLDERS {
                return Err(TemplateError::TooLong { len: text.len() });
            }
            let trimmed = inside.trim();
            let optional = trimmed.ends_with('?');
            let path = trimmed.strip_suffix('?').unwrap_or(trimmed);
            let path = Path::parse(path).map_err(|source| TemplateError::Path { source, offset: begin })?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Value { path, optional });
        }
        plain.push_str(&text[at..]);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        let blank = |part: &&Part| matches!(part, Part::Text(text) if text.trim().is_empty());
        let exact = parts.len() - parts.iter().filter(blank).count() == 1
            && parts.iter().filter(|part| matches!(part, Part::Value { .. })).count() == 1;
        Ok(Template { parts, exact })
    }

    /// The value it comes to: that of an exact placeholder as it is, else a text.
    ///
    /// # Errors
    /// When there is no value for a placeholder that has to have one.
    pub fn value(&self, scope: &dyn Scope, missing: Missing) -> Result<Value, MissingPath> {
        if !self.exact {
            return self.text(scope, missing).map(Value::String);
        }
        let placeholder = self.parts.iter().find_map(|part| match part {
            Part::Value { path, optional } => Some(look_up(path, *optional, scope, missing)),
            Part::Text(_) => None,
        });
        Ok(placeholder.unwrap_or(Ok(None))?.map(Cow::into_owned).unwrap_or_default())
    }

    /// The path, if the text is nothing but one placeholder, and whether it may be missing.
    pub(crate) fn as_path(&self) -> Option<(&Path, bool)> {
        if self.exact { self.paths().next() } else { None }
    }

    /// The text it comes to.
    ///
    /// # Errors
    /// As for [`value`](Self::value).
    pub fn text(&self, scope: &dyn Scope, missing: Missing) -> Result<String, MissingPath> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Value { path, optional } => match look_up(path, *optional, scope, missing)?.as_deref() {
                    None | Some(Value::Null) => {}
                    Some(Value::String(value)) => text.push_str(value),
                    Some(value) => text.push_str(&value.to_string()),
                },
            }
        }
        Ok(text)
    }

    /// Every path in it, and whether it may be missing.
    pub fn paths(&self) -> impl Iterator<Item = (&Path, bool)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value { path, optional } => Some((path, *optional)),
            Part::Text(_) => None,
        })
    }

    pub(crate) fn map(self, f: &impl Fn(Path) -> Path) -> Template {
        let part = |part| match part {
            Part::Value { path, optional } => Part::Value { path: f(path), optional },
            text => text,
        };
        Template { parts: self.parts.into_iter().map(part).collect(), exact: self.exact }
    }
}

/// The value for a placeholder.
pub(crate) fn look_up<'s>(
    path: &Path,
    optional: bool,
    scope: &'s dyn Scope,
    missing: Missing,
) -> Result<Option<Cow<'s, Value>>, MissingPath> {
    match scope.find(path) {
        None if optional || missing == Missing::Empty => Ok(None),
        None => Err(MissingPath { path: path.as_str().to_owned() }),
        value => Ok(value),
    }
}

/// Any JSON with placeholders in its texts.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonTemplate {
    /// JSON without any.
    Plain(Value),
    /// A text.
    Text(Template),
    /// A list.
    List(Vec<JsonTemplate>),
    /// An object; its keys are as they are.
    Object(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// The JSON pointer below the template, and what is wrong there.
    pub fn parse(value: &Value) -> Result<Self, (String, TemplateError)> {
        parse(value, "", 0)
    }

    /// The value it comes to.
    ///
    /// # Errors
    /// When there is no value for a placeholder that has to have one.
    pub fn value(&self, scope: &dyn Scope, missing: Missing) -> Result<Value, MissingPath> {
        Ok(match self {
            JsonTemplate::Plain(value) => value.clone(),
            JsonTemplate::Text(text) => text.value(scope, missing)?,
            JsonTemplate::List(items) => {
                Value::Array(items.iter().map(|item| item.value(scope, missing)).collect::<Result<_, _>>()?)
            }
            JsonTemplate::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| Ok((key.clone(), value.value(scope, missing)?)));
                Value::Object(fields.collect::<Result<Map<_, _>, _>>()?)
            }
        })
    }

    /// The path, if it is nothing but one placeholder, and whether it may be missing.
    pub(crate) fn as_path(&self) -> Option<(&Path, bool)> {
        match self {
            JsonTemplate::Text(text) => text.as_path(),
            _ => None,
        }
    }

    /// Every path in it, and whether it may be missing.
    pub fn paths(&self) -> Vec<(&Path, bool)> {
        match self {
            JsonTemplate::Plain(_) => Vec::new(),
            JsonTemplate::Text(text) => text.paths().collect(),
            JsonTemplate::List(items) => items.iter().flat_map(JsonTemplate::paths).collect(),
            JsonTemplate::Object(fields) => fields.iter().flat_map(|(_, value)| value.paths()).collect(),
        }
    }

    pub(crate) fn map(self, f: &impl Fn(Path) -> Path) -> JsonTemplate {
        match self {
            JsonTemplate::Plain(value) => JsonTemplate::Plain(value),
            JsonTemplate::Text(text) => JsonTemplate::Text(text.map(f)),
            JsonTemplate::List(items) => JsonTemplate::List(items.into_iter().map(|item| item.map(f)).collect()),
            JsonTemplate::Object(fields) => {
                JsonTemplate::Object(fields.into_iter().map(|(key, value)| (key, value.map(f))).collect())
            }
        }
    }
}

fn parse(value: &Value, at: &str, depth: usize) -> Result<JsonTemplate, (String, TemplateError)> {
    if depth > 100 {
        return Err((at.to_owned(), TemplateError::TooDeep));
    }
    let read = match value {
        Value::String(text) => {
            let template = Template::parse(text).map_err(|error| (at.to_owned(), error))?;
            if template.paths().next().is_none() {
                return Ok(JsonTemplate::Plain(value.clone()));
            }
            return Ok(JsonTemplate::Text(template));
        }
        Value::Array(items) => JsonTemplate::List(
            (0..).zip(items).map(|(i, item)| parse(item, &format!("{at}/{i}"), depth + 1)).collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                let at = format!("{at}/{}", crate::document::escape(key));
                Ok((key.clone(), parse(value, &at, depth + 1)?))
            };
            JsonTemplate::Object(fields.iter().map(field).collect::<Result<_, _>>()?)
        }
        plain => return Ok(JsonTemplate::Plain(plain.clone())),
    };
    let plain = match &read {
        JsonTemplate::List(items) => items.iter().all(|item| matches!(item, JsonTemplate::Plain(_))),
        JsonTemplate::Object(fields) => fields.iter().all(|(_, value)| matches!(value, JsonTemplate::Plain(_))),
        _ => false,
    };
    Ok(if plain { JsonTemplate::Plain(value.clone()) } else { read })
}
