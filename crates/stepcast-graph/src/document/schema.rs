use serde_json::Value;

use super::Document;

/// The JSON Schema of a document, for editors: in the words of this crate, without the other dialects' ones.
pub fn json_schema() -> Value {
    schemars::schema_for!(Document).to_value()
}
