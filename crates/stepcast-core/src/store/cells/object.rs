use serde_json::{Map, Value};

use super::held::Kind;
use crate::FlatValue;
use crate::store::FieldName;
use crate::store::place::same;

/// An object in a store, in whatever form it is kept there.
#[derive(Clone, Copy, Debug)]
pub struct ObjectAt<'a>(pub(super) Form<'a>);

/// No more than two words, which need not go through memory.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    Json(&'a Value),
    Put(&'a Kind),
}

impl<'a> ObjectAt<'a> {
    /// How many fields it has; `None` for what is no object.
    pub fn fields(&self) -> Option<usize> {
        match self.0 {
            Form::Put(Kind::Event { event, .. }) => Some(event.as_erased().meta().fields.len()),
            Form::Put(Kind::Fields { names, .. }) => Some(names.len()),
            Form::Put(Kind::Field { .. }) => Some(1),
            Form::Put(Kind::Value(value)) | Form::Json(value) => value.as_object().map(Map::len),
        }
    }

    /// One of its fields, if it has that, and nothing else than JSON would hold it.
    ///
    /// ```
    /// use serde_json::json;
    /// use stepcast_core::{CellMap, FieldName, FlatValue, StorePath};
    ///
    /// let cells = CellMap::from_json(json!({ "write": { "output": { "words": 7, "tags": [] } } }))?;
    /// let output = cells.object(&StorePath::new("write.output")?);
    /// let field = |name| output.and_then(|output| output.flat_field(&FieldName::new(name)));
    /// assert_eq!(field("words"), Some(FlatValue::Unsigned(7)));
    /// assert_eq!((field("tags"), field("other")), (None, None));
    /// # Ok::<(), stepcast_core::StoreError>(())
    /// ```
    #[inline]
    pub fn flat_field(&self, name: &FieldName) -> Option<FlatValue<'a>> {
        match self.0 {
            Form::Put(Kind::Event { event, .. }) => {
                let event = event.as_erased();
                event.flat_at(name.place_in(event.meta().fields)?)
            }
            Form::Put(Kind::Fields { names, values, .. }) => FlatValue::of(values.get(name.place_in(names)?)?),
            Form::Put(Kind::Field { name: known, value, .. }) if same(known, name.as_str()) => FlatValue::of(value),
            Form::Put(Kind::Value(Value::Object(fields))) | Form::Json(Value::Object(fields)) => {
                FlatValue::of(fields.get(name.as_str())?)
            }
            Form::Put(Kind::Field { .. } | Kind::Value(_)) | Form::Json(_) => None,
        }
    }
}
