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

#[event]
struct Unit;

#[event]
struct Empty {}

#[event]
enum Choice {
    Left,
    Right(u32),
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

#[test]
fn a_type_without_fields_says_nothing_that_its_events_would_not_keep() {
    assert_eq!(Unit::META.schema(), json!({ "title": "Unit" }));
    assert_eq!(Empty::META.schema(), json!({ "title": "Empty" }));
    assert_eq!(Choice::META.schema(), json!({ "title": "Choice" }));
    assert!(Choice::META.decode(json!("Left")).is_ok() && Choice::META.decode(json!({ "Right": 1 })).is_ok());
}

#[test]
fn an_event_without_fields_comes_as_null_or_as_an_empty_object() {
    for meta in [Unit::META, Empty::META] {
        assert!(meta.decode(json!(null)).is_ok() && meta.decode(json!({})).is_ok(), "{}", meta.tag);
        for wrong in [json!(1), json!("x")] {
            assert!(meta.decode(wrong.clone()).is_err(), "{} from {wrong}", meta.tag);
        }
    }
    for wrong in [json!(null), json!({})] {
        assert!(Plain::META.decode(wrong.clone()).is_err(), "{wrong}");
        assert!(Choice::META.decode(wrong.clone()).is_err(), "{wrong}");
    }
}
