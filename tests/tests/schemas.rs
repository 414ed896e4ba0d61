//! An event's schema is its own if it has one, else made from its fields' names; no feature changes what `#[event]` asks
//! of a type. Every other event of these tests is without one, and the feature `schemars` is on.

use serde_json::json;
use stepcast::Event;
use stepcast::prelude::*;

/// An order of books.
#[event]
#[derive(schemars::JsonSchema)]
struct Order {
    /// How many.
    #[schemars(range(min = 1))]
    copies: u32,
    note: Option<String>,
}

#[event]
struct Plain {
    copies: u32,
    note: Option<String>,
}

#[test]
fn a_type_with_a_schema_shows_it() {
    let schema = Order::META.schema();
    assert_eq!(schema, schemars::schema_for!(Order).to_value());
    assert_eq!(schema["description"], "An order of books.");
    assert_eq!(schema["properties"]["copies"]["minimum"], 1);
    assert_eq!(schema["required"], json!(["copies"]));
}

#[test]
fn any_other_type_shows_its_fields_names() {
    let properties = json!({ "copies": { "title": "copies" }, "note": { "title": "note" } });
    let expected = json!({ "title": "Plain", "type": "object", "properties": properties });
    assert_eq!(Plain::META.schema(), expected);
}
