use std::borrow::Cow;
use std::collections::BTreeMap;

use foldhash::HashSet;
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

pub use self::fresh::{FieldValue, Fields, FlatEvent, OneField};
pub use self::held::Given;
use self::held::Held;
pub use self::object::ObjectAt;
use super::path::kind_of;
use super::{EditError, StoreError, StorePath};
use crate::ErasedEvent;

mod fresh;
mod held;
mod object;

/// `serde_json` reads 127 levels of nesting; the rest is for the snapshot around a cell.
pub(crate) const MAX_CELL_DEPTH: usize = 100;

/// The store of a run: JSON values ("cells") by top-level key, with paths into them.
///
/// Setting a value costs what the value and its path cost, however many cells there are. The keys of changed cells are
/// remembered until they have been journaled. A cell nests at most 100 levels, so that a snapshot can be read back.
///
/// ```
/// use serde_json::json;
/// use stepcast_core::{CellMap, EditError, StorePath};
///
/// let mut cells = CellMap::new();
/// let count: StorePath = "stats.count".parse()?;
/// cells.set(&count, json!(1))?;
///
/// let doubled = cells.edit(&count, |value| {
///     *value = json!(value.as_i64().ok_or("not a number")? * 2);
///     Ok::<_, &str>(())
/// });
/// assert!(doubled.is_ok());
///
/// let failed = cells.edit(&count, |value| {
///     *value = json!("spoilt");
///     Err::<(), _>("changed my mind")
/// });
/// assert_eq!(failed, Err(EditError::Closure("changed my mind")));
/// assert_eq!(cells.get(&count), Some(&json!(2)));
/// assert_eq!(cells.to_json(), json!({ "stats": { "count": 2 } }));
/// # Ok::<(), stepcast_core::StoreError>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct CellMap {
    // By place as well: a path that is used again knows where its cell was.
    cells: IndexMap<String, Cell, RandomState>,
    changed: HashSet<String>,
}

/// A cell's value, and whether its key is among the changed ones: writing it again then costs one look-up, not two.
#[derive(Clone, Debug)]
struct Cell {
    held: Held,
    marked: bool,
}

impl CellMap {
    /// An empty store.
    pub fn new() -> Self {
        CellMap::default()
    }

    /// The value at a path, if there is one.
    pub fn get(&self, path: &StorePath) -> Option<&Value> {
        self.cell(path)?.held.at(path)
    }

    /// Puts a value at a path, as [`StorePath::set`] does.
    ///
    /// # Errors
    /// When the path does not fit what is there, or the cell would nest more than 100 levels. Nothing has changed then.
    pub fn set(&mut self, path: &StorePath, value: Value) -> Result<(), StoreError> {
        self.fits(path, &value)?;
        match self.cell_mut(path) {
            Some(cell) => {
                path.put(1, cell.held.as_value(), value)?;
                if !std::mem::replace(&mut cell.marked, true) {
                    self.mark(path.key());
                }
            }
            None => {
                let mut cell = Value::Null;
                path.put(1, &mut cell, value)?;
                self.cells.insert(path.key().to_owned(), Cell { held: Held::new(cell), marked: true });
                self.mark(path.key());
            }
        }
        Ok(())
    }

    /// As [`get`](CellMap::get), where a part of what [`set_field`](CellMap::set_field) put is wanted: the rest of it need not
    /// be made JSON then.
    pub fn find(&self, path: &StorePath) -> Option<Cow<'_, Value>> {
        self.cell(path)?.held.find(path)
    }

    /// What `look` says of the value at a path, which is then not copied even where it is made for this.
    pub fn look_at<R>(&self, path: &StorePath, look: impl FnOnce(&Value) -> R) -> Option<R> {
        self.cell(path)?.held.look_at(path, look)
    }

    /// Puts an object with one field in place of the whole cell that a path leads into.
    ///
    /// # Errors
    /// When the cell would nest more than 100 levels. Nothing has changed then.
    ///
    /// ```
    /// use serde_json::json;
    /// use stepcast_core::{CellMap, Given, StorePath};
    ///
    /// let mut cells = CellMap::new();
    /// cells.set(&StorePath::new("write.error")?, json!("no ink"))?;
    /// cells.set_field(&StorePath::new("write")?, "output", Given::from(json!(1)))?;
    /// assert_eq!(cells.to_json(), json!({ "write": { "output": 1 } }));
    /// # Ok::<(), stepcast_core::StoreError>(())
    /// ```
    #[inline]
    pub fn set_field(&mut self, path: &StorePath, name: &'static str, new: impl FieldValue) -> Result<(), StoreError> {
        if !new.fits() {
            return Err(StoreError::CellTooDeep { key: path.key().to_owned() });
        }
        let Some(cell) = self.cell_mut(path) else {
            self.set_first(path.key(), name, new.into_given());
            return Ok(());
        };
        cell.held.put(name, new);
        if !std::mem::replace(&mut cell.marked, true) {
            self.mark(path.key());
        }
        Ok(())
    }

    #[cold]
    fn set_first(&mut self, key: &str, name: &'static str, given: Given) {
        let mut held = Held::new(Value::Null);
        held.put(name, given);
        self.cells.insert(key.to_owned(), Cell { held, marked: true });
        self.mark(key);
    }

    /// The object at a path, for those who look for several of its fields. There is none below what
    /// [`set_field`](CellMap::set_field) put.
    #[inline]
    pub fn object(&self, path: &StorePath) -> Option<ObjectAt<'_>> {
        self.cell(path)?.held.object(path)
    }

    /// The flat event that was put at this path with its field, if nobody else has written to the cell. It is in no snapshot.
    #[inline]
    pub fn event(&self, path: &StorePath) -> Option<&dyn ErasedEvent> {
        self.cell(path)?.held.event(path)
    }

    /// Changes the value at a path with a closure; `null` stands for a value that is not there. If the closure gives an
    /// error or panics, nothing has changed. Costs a copy of that value.
    ///
    /// # Errors
    /// [`EditError::Closure`] with the closure's error; [`EditError::Store`] when the path does not fit what is there
    /// (the closure is not called then) or the edited cell would nest more than 100 levels.
    pub fn edit<R, E>(
        &mut self,
        path: &StorePath,
        edit: impl FnOnce(&mut Value) -> Result<R, E>,
    ) -> Result<R, EditError<E>> {
        if let Some(cell) = self.cell(path) {
            path.check(1, cell.held.value())?;
        }
        let mut value = self.get(path).cloned().unwrap_or(Value::Null);
        let result = edit(&mut value).map_err(EditError::Closure)?;
        self.set(path, value)?;
        Ok(result)
    }

    /// Takes the value at a path out, if there is one. With a single segment that is the whole cell.
    pub fn delete(&mut self, path: &StorePath) -> Option<Value> {
        let removed = if path.key().len() == path.as_str().len() {
            self.cells.swap_remove(path.key()).map(|cell| cell.held.into_value())
        } else {
            let cell = self.cell_mut(path)?;
            let taken = path.take(1, cell.held.as_value());
            cell.marked |= taken.is_some();
            taken
        };
        if removed.is_some() {
            self.mark(path.key());
        }
        removed
    }

    /// Removes every cell.
    pub fn clear(&mut self) {
        self.changed.extend(self.cells.drain(..).map(|(key, _)| key));
    }

    /// The top-level keys, sorted.
    pub fn keys(&self) -> Vec<&str> {
        sorted(self.cells.keys())
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The cells written since [`clear_changed`](CellMap::clear_changed), sorted by key: with their value, or `None`
    /// for one that is gone. A cell written many times is there once.
    pub fn changed(&self) -> Vec<(&str, Option<&Value>)> {
        sorted(&self.changed).into_iter().map(|key| (key, self.cells.get(key).map(|cell| cell.held.value()))).collect()
    }

    /// Whether a cell was written since [`clear_changed`](CellMap::clear_changed).
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Forgets which cells were written, once they are in the journal.
    pub fn clear_changed(&mut self) {
        for key in self.changed.drain() {
            if let Some(cell) = self.cells.get_mut(&key) {
                cell.marked = false;
            }
        }
    }

    /// Puts a whole cell in place, or takes it away, as a journal recorded it; it does not count as changed.
    ///
    /// # Errors
    /// When no path could name the key, or the value nests more than 100 levels.
    pub fn load(&mut self, key: impl Into<String>, value: Option<Value>) -> Result<(), StoreError> {
        let key = key.into();
        match value {
            None => {
                self.cells.swap_remove(&key);
            }
            Some(_) if key.is_empty() || key.contains('.') => return Err(StoreError::BadKey { key }),
            Some(value) if nests_deeper(&value, MAX_CELL_DEPTH) => return Err(StoreError::CellTooDeep { key }),
            Some(value) => {
                let marked = self.changed.contains(&key);
                self.cells.insert(key, Cell { held: Held::new(value), marked });
            }
        }
        Ok(())
    }

    /// All cells as one JSON object with sorted keys: the same cells give the same bytes. What changed is not in it.
    pub fn to_json(&self) -> Value {
        self.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect::<Map<String, Value>>().into()
    }

    /// The store that [`to_json`](CellMap::to_json) described, with no cell changed.
    ///
    /// # Errors
    /// When it is no object, has a key that no path could name, or a cell that nests more than 100 levels.
    pub fn from_json(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Object(map) => CellMap::try_from(map),
            other => Err(StoreError::NotAnObject { found: kind_of(&other) }),
        }
    }

    /// The cells, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        let cells: BTreeMap<&str, &Value> =
            self.cells.iter().map(|(key, cell)| (key.as_str(), cell.held.value())).collect();
        cells.into_iter()
    }

    #[inline]
    fn cell(&self, path: &StorePath) -> Option<&Cell> {
        if let Some((key, cell)) = self.cells.get_index(path.place.last())
            && path.has_key(key)
        {
            return Some(cell);
        }
        self.look_for(path)
    }

    #[cold]
    fn look_for(&self, path: &StorePath) -> Option<&Cell> {
        let (place, _, cell) = self.cells.get_full(path.key())?;
        path.place.found(place);
        Some(cell)
    }

    #[inline]
    fn cell_mut(&mut self, path: &StorePath) -> Option<&mut Cell> {
        let last = path.place.last();
        let known = self.cells.get_index(last).is_some_and(|(key, _)| path.has_key(key));
        let place = if known { last } else { self.look_for_place(path)? };
        self.cells.get_index_mut(place).map(|(_, cell)| cell)
    }

    #[cold]
    fn look_for_place(&self, path: &StorePath) -> Option<usize> {
        let place = self.cells.get_index_of(path.key())?;
        path.place.found(place);
        Some(place)
    }

    fn fits(&self, path: &StorePath, value: &Value) -> Result<(), StoreError> {
        let above = path.depth() - 1;
        if above > MAX_CELL_DEPTH || nests_deeper(value, MAX_CELL_DEPTH - above) {
            return Err(StoreError::CellTooDeep { key: path.key().to_owned() });
        }
        Ok(())
    }

    fn mark(&mut self, key: &str) {
        if !self.changed.contains(key) {
            self.changed.insert(key.to_owned());
        }
    }
}

/// What is still to be journaled is not part of a store's value.
impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.held.value() == other.held.value()
    }
}

impl PartialEq for CellMap {
    fn eq(&self, other: &Self) -> bool {
        self.cells == other.cells
    }
}

impl TryFrom<Map<String, Value>> for CellMap {
    type Error = StoreError;

    fn try_from(map: Map<String, Value>) -> Result<Self, StoreError> {
        let mut cells = CellMap::new();
        map.into_iter().try_for_each(|(key, value)| cells.load(key, Some(value)))?;
        Ok(cells)
    }
}

impl Serialize for CellMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

fn sorted<'a>(keys: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let mut keys: Vec<&str> = keys.into_iter().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Whether a value holds containers inside one another to more than so many levels. Recurses no further than that.
pub(crate) fn nests_deeper(value: &Value, levels: usize) -> bool {
    let below = |item: &Value| (item.is_object() || item.is_array()) && nests_deeper(item, levels - 1);
    match value {
        Value::Array(list) => levels == 0 || list.iter().any(below),
        Value::Object(map) => levels == 0 || map.values().any(below),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
