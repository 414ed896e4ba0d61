use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StoreError;
use super::place::{Place, same_bytes};

/// As LlamaIndex Workflows has it.
pub(super) const MAX_PATH_DEPTH: usize = 1_000;

/// The way to a value inside JSON: names and list indices with dots between them, as in `user.emails.0`.
///
/// A segment of digits is an index where it meets a list, and a key where it meets an object. At most 1,000 segments;
/// none of them empty. A key with a dot in it cannot be named.
///
/// ```
/// use serde_json::json;
/// use stepcast_core::StorePath;
///
/// let path: StorePath = "user.emails.0".parse()?;
/// let mut value = json!({ "user": { "emails": ["a@example.org"] } });
/// assert_eq!(path.get(&value), Some(&json!("a@example.org")));
///
/// path.set(&mut value, json!("b@example.org"))?;
/// assert_eq!(path.remove(&mut value), Some(json!("b@example.org")));
/// assert_eq!(value, json!({ "user": { "emails": [] } }));
/// # Ok::<(), stepcast_core::StoreError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath {
    text: String,
    /// Length of the first segment, which every look-up in a map of cells asks for.
    key_len: usize,
    /// Where the second segment ends.
    second_end: usize,
    // 1,000 at most.
    depth: u32,
    pub(super) place: Place,
    /// Where the third segment was among the fields that an output has.
    pub(super) field: Place,
}

impl StorePath {
    /// Reads a path.
    ///
    /// # Errors
    /// When it is empty, has an empty segment, or has more than 1,000 segments.
    pub fn new(text: impl Into<String>) -> Result<Self, StoreError> {
        let text = text.into();
        if text.is_empty() {
            return Err(StoreError::EmptyPath);
        }
        let (mut depth, mut key_len, mut second_end, mut begun, mut gap) = (1, text.len(), text.len(), 0, false);
        for (at, byte) in text.bytes().enumerate() {
            if byte == b'.' {
                gap |= at == begun;
                match depth {
                    1 => key_len = at,
                    2 => second_end = at,
                    _ => {}
                }
                depth += 1;
                begun = at + 1;
            }
        }
        if depth > MAX_PATH_DEPTH {
            return Err(StoreError::PathTooDeep { depth });
        }
        if gap || begun == text.len() {
            return Err(StoreError::EmptySegment { path: text });
        }
        Ok(StorePath {
            text,
            key_len,
            second_end,
            depth: depth as u32,
            place: Place::default(),
            field: Place::default(),
        })
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first segment: the top-level key.
    #[inline]
    pub fn key(&self) -> &str {
        &self.text[..self.key_len]
    }

    /// Whether this is its first segment.
    #[inline]
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.text.as_bytes().get(..self.key_len).is_some_and(|own| same_bytes(own, key.as_bytes()))
    }

    /// The segments, outermost first.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('.')
    }

    /// The value at the path, if there is one.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        walk(self.segments(), value)
    }

    /// Puts `new` at the path, in place of what is there. Objects that are missing on the way (or `null`) are
    /// created; a list takes the index after its last item and grows by one.
    ///
    /// # Errors
    /// When the path leads into a scalar, into a list by a name, or past the end of a list. Nothing has changed then.
    ///
    /// ```
    /// use serde_json::{Value, json};
    /// use stepcast_core::{StoreError, StorePath};
    ///
    /// let mut value = Value::Null;
    /// StorePath::new("a.list")?.set(&mut value, json!([1]))?;
    /// StorePath::new("a.list.1")?.set(&mut value, json!(2))?;
    /// assert_eq!(value, json!({ "a": { "list": [1, 2] } }));
    ///
    /// let error = StorePath::new("a.list.7")?.set(&mut value, json!(8)).unwrap_err();
    /// assert!(matches!(error, StoreError::IndexPastEnd { index: 7, len: 2, .. }));
    /// # Ok::<(), StoreError>(())
    /// ```
    pub fn set(&self, value: &mut Value, new: Value) -> Result<(), StoreError> {
        self.put(0, value, new)
    }

    /// Takes the value at the path out, if there is one. Later items of a list move up.
    pub fn remove(&self, value: &mut Value) -> Option<Value> {
        self.take(0, value)
    }

    /// How many segments there are.
    pub(super) fn depth(&self) -> usize {
        self.depth as usize
    }

    /// [`get`](StorePath::get) inside a cell, that is below the first segment.
    pub(super) fn get_below<'v>(&self, cell: &'v Value) -> Option<&'v Value> {
        // Most paths are a key and no more.
        if self.depth == 1 { Some(cell) } else { walk(self.below(), cell) }
    }

    /// What the path says after `name` as its second segment: nothing, or further segments. `None` if it has another one.
    #[inline]
    pub(super) fn after(&self, name: &str) -> Option<Option<&str>> {
        // Bytes, as a text would be looked at for where its letters begin.
        let second = self.text.as_bytes().get(self.key_len + 1..self.second_end)?;
        same_bytes(second, name.as_bytes()).then(|| self.text.get(self.second_end + 1..))
    }

    /// The segments after the first one.
    fn below(&self) -> impl Iterator<Item = &str> {
        segments_of(self.text.get(self.key_len + 1..))
    }

    /// [`set`](StorePath::set) below the first `done` segments, which already led to `at`.
    pub(super) fn put(&self, done: usize, at: &mut Value, new: Value) -> Result<(), StoreError> {
        if done == self.depth() {
            *at = new;
            return Ok(());
        }
        let mut at = at;
        // What an error could strike is looked at before anything is created: below what was created all is new, and
        // nothing can be in the way. So a refused path has changed nothing.
        for (index, segment) in self.segments().enumerate().skip(done) {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            at = match at {
                Value::Object(map) => map.entry(segment).or_insert(Value::Null),
                Value::Array(list) => {
                    let item = self.index_in(list, index, segment)?;
                    if item == list.len() {
                        list.push(Value::Null);
                    }
                    &mut list[item]
                }
                scalar => return Err(self.not_a_container(scalar, index)),
            };
        }
        *at = new;
        Ok(())
    }

    /// Whether [`put`](StorePath::put) would be refused.
    pub(super) fn check(&self, done: usize, at: &Value) -> Result<(), StoreError> {
        let mut at = at;
        for (index, segment) in self.segments().enumerate().skip(done) {
            let next = match at {
                Value::Null => None,
                Value::Object(map) => map.get(segment),
                Value::Array(list) => list.get(self.index_in(list, index, segment)?),
                scalar => return Err(self.not_a_container(scalar, index)),
            };
            let Some(next) = next else { return Ok(()) };
            at = next;
        }
        Ok(())
    }

    /// [`remove`](StorePath::remove) below the first `done` segments, which already led to `at`.
    pub(super) fn take(&self, done: usize, at: &mut Value) -> Option<Value> {
        let mut at = at;
        let mut segments = self.segments().skip(done).peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            at = match at {
                Value::Object(map) if last => return map.remove(segment),
                Value::Object(map) => map.get_mut(segment)?,
                Value::Array(list) => {
                    let item = index(segment).filter(|item| *item < list.len())?;
                    if last {
                        return Some(list.remove(item));
                    }
                    &mut list[item]
                }
                _ => return None,
            };
        }
        None
    }

    /// The index that a segment means in a list, or one past it.
    fn index_in(&self, list: &[Value], position: usize, segment: &str) -> Result<usize, StoreError> {
        let item = index(segment).ok_or_else(|| StoreError::NotAnIndex {
            path: self.text.clone(),
            at: self.prefix(position),
            segment: segment.to_owned(),
        })?;
        if item > list.len() {
            let (path, at) = (self.text.clone(), self.prefix(position));
            return Err(StoreError::IndexPastEnd { path, at, index: item, len: list.len() });
        }
        Ok(item)
    }

    fn not_a_container(&self, found: &Value, position: usize) -> StoreError {
        StoreError::NotAContainer { path: self.text.clone(), at: self.prefix(position), found: kind_of(found) }
    }

    /// The first so many segments, for messages.
    fn prefix(&self, segments: usize) -> String {
        if segments == 0 {
            return "the value itself".to_owned();
        }
        self.segments().take(segments).collect::<Vec<_>>().join(".")
    }
}

/// The value at these segments, written with dots between them, inside another one.
pub(super) fn inside<'v>(value: &'v Value, segments: Option<&str>) -> Option<&'v Value> {
    walk(segments_of(segments), value)
}

fn segments_of(mut text: Option<&str>) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let rest = text?;
        // Segments are short: this is quicker than a search that sets out for long texts.
        let end = rest.bytes().position(|byte| byte == b'.');
        text = end.and_then(|end| rest.get(end + 1..));
        Some(end.map_or(rest, |end| &rest[..end]))
    })
}

fn walk<'p, 'v>(mut segments: impl Iterator<Item = &'p str>, value: &'v Value) -> Option<&'v Value> {
    segments.try_fold(value, |at, segment| match at {
        Value::Object(map) => map.get(segment),
        Value::Array(list) => list.get(index(segment)?),
        _ => None,
    })
}

/// One spelling per index, so that two different paths never mean the same item.
fn index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || !segment.starts_with('0');
    (canonical && segment.bytes().all(|byte| byte.is_ascii_digit())).then(|| segment.parse().ok()).flatten()
}

/// What a JSON value is, for messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl FromStr for StorePath {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        StorePath::new(text)
    }
}

impl TryFrom<String> for StorePath {
    type Error = StoreError;

    fn try_from(text: String) -> Result<Self, StoreError> {
        StorePath::new(text)
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> String {
        path.text
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePath({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn path(text: &str) -> StorePath {
        StorePath::new(text).unwrap()
    }

    #[test]
    fn bad_paths_are_refused() {
        assert_eq!(StorePath::new(""), Err(StoreError::EmptyPath));
        for text in [".", ".a", "a.", "a..b"] {
            assert_eq!(StorePath::new(text), Err(StoreError::EmptySegment { path: text.to_owned() }));
        }
        let deepest = vec!["a"; 1_000].join(".");
        assert_eq!(path(&deepest).depth(), 1_000);
        assert_eq!(StorePath::new(deepest + ".a"), Err(StoreError::PathTooDeep { depth: 1_001 }));
    }

    #[test]
    fn the_deepest_path_can_be_set_read_and_removed() {
        let deepest = path(&vec!["a"; 1_000].join("."));
        let mut value = Value::Null;
        deepest.set(&mut value, json!(1)).unwrap();
        assert_eq!(deepest.get(&value), Some(&json!(1)));
        assert_eq!(deepest.remove(&mut value), Some(json!(1)));
        assert_eq!(deepest.get(&value), None);
    }

    #[test]
    fn digits_are_a_key_in_an_object_and_an_index_in_a_list() {
        let value = json!({ "map": { "0": "key" }, "list": ["item"] });
        assert_eq!(path("map.0").get(&value), Some(&json!("key")));
        assert_eq!(path("list.0").get(&value), Some(&json!("item")));
        for text in ["list.1", "list.00", "list.+0", "list.-1", "list.x", "list.0.x", "list.99999999999999999999999"] {
            assert_eq!(path(text).get(&value), None, "{text}");
        }
    }

    #[test]
    fn objects_on_the_way_are_created() {
        let mut value = json!({ "a": null });
        path("a.b.0").set(&mut value, json!(true)).unwrap();
        assert_eq!(value, json!({ "a": { "b": { "0": true } } }));
    }

    #[test]
    fn a_list_grows_by_one() {
        let mut value = json!([{ "n": 1 }]);
        path("1.n").set(&mut value, json!(2)).unwrap();
        assert_eq!(value, json!([{ "n": 1 }, { "n": 2 }]));
    }

    #[test]
    fn what_is_in_the_way_is_named_and_nothing_changes() {
        let start = json!({ "a": { "text": "x", "list": [1] } });
        let refused = |text: &str| {
            let mut value = start.clone();
            let error = path(text).set(&mut value, json!(9)).unwrap_err();
            assert_eq!(value, start, "{text}");
            assert_eq!(path(text).check(0, &start), Err(error.clone()), "{text}");
            error
        };
        assert_eq!(
            refused("a.text.b.c").to_string(),
            "`a.text.b.c` cannot be set because `a.text` holds a string, which has no parts; set `a.text` to an object or a list first."
        );
        assert_eq!(
            refused("a.list.x").to_string(),
            "`a.list.x` cannot be set because `a.list` holds a list and `x` is no index; use a number from 0."
        );
        assert_eq!(
            refused("a.list.2").to_string(),
            "`a.list.2` cannot be set because the list `a.list` has 1 items; the next index is 1, not 2."
        );
        assert!(matches!(refused("a.list.0.x"), StoreError::NotAContainer { found: "a number", .. }));
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let start = json!({ "a": [1, { "b": 2 }] });
        for text in ["b", "a.2", "a.x", "a.0.x", "a.1.c", "a.1.b.c"] {
            let mut value = start.clone();
            assert_eq!(path(text).remove(&mut value), None, "{text}");
            assert_eq!(value, start);
        }
        let mut value = start;
        assert_eq!(path("a.0").remove(&mut value), Some(json!(1)));
        assert_eq!(value, json!({ "a": [{ "b": 2 }] }));
    }

    #[test]
    fn a_path_is_a_string_in_json() {
        let text = serde_json::to_string(&path("a.0")).unwrap();
        assert_eq!(text, "\"a.0\"");
        assert_eq!(serde_json::from_str::<StorePath>(&text).unwrap().key(), "a");
        assert!(serde_json::from_str::<StorePath>("\"a..b\"").is_err());
    }
}
