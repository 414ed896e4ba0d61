//! The store of a run as data: paths into JSON values, and the map of cells they lead into. Pure: locks are the
//! runtime's.

mod cells;
mod error;
mod path;
mod place;

pub use cells::{CellMap, FieldValue, Fields, FlatEvent, Given, ObjectAt, OneField};
pub(crate) use cells::{MAX_CELL_DEPTH, nests_deeper};
pub use error::{EditError, StoreError};
pub use path::StorePath;
pub use place::FieldName;
