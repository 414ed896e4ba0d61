//! Which events can be looked into without being written, and that both ways give the same.

use serde_json::{Value, json};
use stepcast::prelude::*;
use stepcast_core::{ErasedEvent, Event};

#[event]
/// A field of each kind.
struct Flat {
    yes: bool,
    small: u8,
    large: u64,
    below: i64,
    r#type: String,
}

#[event]
struct Nothing {}

mod shadowed {
    /// Not the usual one.
    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    pub(crate) struct String(Vec<u8>);

    impl String {
        pub(crate) fn new() -> Self {
            String(vec![1])
        }
    }
}

#[event]
struct Shadowed {
    text: shadowed::String,
}

#[event]
struct Maybe {
    some: Option<u8>,
}

#[event]
struct Renamed {
    #[serde(rename = "b")]
    a: u8,
}

#[event]
#[serde(rename_all = "camelCase")]
struct AllRenamed {
    of_all: u8,
}

#[event]
struct Hidden {
    #[event(secret)]
    card: String,
}

#[event]
struct Float {
    half: f64,
}

#[event]
struct Tuple(u8);

#[event]
enum Either {
    A { a: u8 },
}

#[event(tag = "flat_generic")]
struct Generic<T> {
    value: T,
}

fn flat<E: Event>(event: E) {
    let written = event.to_value().expect("an event that can be written");
    let Value::Object(fields) = &written else { panic!("{written} is no object") };
    let erased: &dyn ErasedEvent = &event;
    assert!(erased.is_flat());
    for (name, value) in fields {
        assert_eq!(erased.flat_field(name).as_ref(), Some(value), "{name}");
    }
    assert_eq!(erased.flat_field("no such field"), None);
}

#[test]
fn fields_of_flat_events_are_what_serde_writes() {
    let one = Flat { yes: true, small: 200, large: u64::MAX, below: i64::MIN, r#type: "text".to_owned() };
    assert_eq!(one.to_value().ok().map(|value| value["type"].clone()), Some(json!("text")));
    flat(one);
    flat(Nothing {});
}

#[test]
fn other_events_are_not_flat() {
    assert!(!<Shadowed as Event>::IS_FLAT && !<Maybe as Event>::IS_FLAT && !<Float as Event>::IS_FLAT);
    assert!(!<Renamed as Event>::IS_FLAT && !<AllRenamed as Event>::IS_FLAT && !<Hidden as Event>::IS_FLAT);
    assert!(!<Tuple as Event>::IS_FLAT && !<Either as Event>::IS_FLAT && !<Generic<u8> as Event>::IS_FLAT);
    // Each of them is an event all the same.
    let values = [
        Shadowed { text: shadowed::String::new() }.to_value(),
        Maybe { some: None }.to_value(),
        Renamed { a: 1 }.to_value(),
        AllRenamed { of_all: 1 }.to_value(),
        Hidden { card: String::new() }.to_value(),
        Float { half: 0.5 }.to_value(),
        Tuple(1).to_value(),
        Either::A { a: 1 }.to_value(),
        Generic { value: 1_u8 }.to_value(),
    ];
    assert!(values.iter().all(Result::is_ok));
}
