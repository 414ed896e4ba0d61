//! Which events can be looked into without being written, and that both ways give the same.

#![allow(clippy::expect_used)]

use serde_json::{Map, Value, json};
use stepcast::prelude::*;
use stepcast_core::{AnyEvent, ErasedEvent, Event, FlatValue};
use stepcast_graph::{StepOver, StepStatus};

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
    let written = event.to_value();
    let Ok(Value::Object(fields)) = &written else { panic!("{written:?} is no object") };
    let erased: &dyn ErasedEvent = &event;
    assert!(erased.is_flat());
    let names = E::META.fields;
    assert_eq!(names.len(), fields.len());
    for (place, name) in names.iter().enumerate() {
        assert_eq!(erased.flat_at(place).map(Value::from).as_ref(), fields.get(*name), "{name}");
        assert_eq!(erased.flat_field(name), erased.flat_at(place), "{name}");
    }
    assert_eq!((erased.flat_at(names.len()), erased.flat_field("no such field")), (None, None));
    let mut text = b"before ".to_vec();
    erased.write_json(&mut text).expect("a text");
    let wanted = serde_json::to_string(&event).expect("a text");
    assert_eq!(String::from_utf8(text).expect("UTF-8"), format!("before {wanted}"));
    let made_of = |fields: &Map<String, Value>| {
        let event = E::META.made_of(&mut |place| FlatValue::of(fields.get(names[place])?))?;
        event.to_value().ok()
    };
    assert_eq!(made_of(fields), written.as_ref().ok().cloned());
    assert_eq!(
        E::META.made_of(&mut |place| erased.flat_at(place)).and_then(|event| event.to_value().ok()),
        made_of(fields)
    );
    for name in fields.keys() {
        let mut fewer = fields.clone();
        fewer.remove(name);
        assert_eq!(made_of(&fewer), None, "without {name}");
        for other in
            [json!(null), json!([]), json!({}), json!(1.5), json!(1.0), json!(-1), json!(300), json!("t"), json!(true)]
        {
            let mut changed = fields.clone();
            changed.insert(name.clone(), other.clone());
            let made = made_of(&changed);
            let read = E::META.decode_ref(&changed.into()).ok().and_then(|event| event.to_value().ok());
            assert_eq!(made, read, "{other} as {name}");
        }
    }
}

#[test]
fn fields_of_flat_events_are_what_serde_writes() {
    let one = Flat { yes: true, small: 200, large: u64::MAX, below: i64::MIN, r#type: "text".to_owned() };
    assert_eq!(one.to_value().ok().map(|value| value["type"].clone()), Some(json!("text")));
    flat(one.clone());
    flat(Flat { yes: false, small: 0, r#type: "\" \\ \u{1} \n \u{e9}\u{1f600}".repeat(20), ..one });
    flat(Nothing {});
}

#[test]
fn other_events_are_not_flat() {
    let events: [&dyn ErasedEvent; 9] = [
        &Shadowed { text: shadowed::String::new() },
        &Maybe { some: None },
        &Renamed { a: 1 },
        &AllRenamed { of_all: 1 },
        &Hidden { card: String::new() },
        &Float { half: 0.5 },
        &Tuple(1),
        &Either::A { a: 1 },
        &Generic { value: 1_u8 },
    ];
    for event in events {
        assert!(!event.is_flat(), "{event:?}");
        assert!(event.to_value().is_ok(), "{event:?}");
    }
}

/// What is written without a `Value` is what one would have made.
#[test]
fn the_end_of_a_step_is_written_in_the_order_of_its_names() {
    for output in
        [Value::Null, json!(7), json!({ "z": [1, { "b": 1, "a": "\u{1f}\"" }], "a": { "y": null, "x": 1.5 } })]
    {
        for status in [StepStatus::Completed, StepStatus::Failed, StepStatus::Skipped, StepStatus::Cancelled] {
            let over = StepOver { step: "turn".into(), key: "k\"ey".into(), status, output: output.clone() };
            assert!(ErasedEvent::is_sorted(&over));
            let any = AnyEvent::new(over);
            let (fields, envelope) = any.to_json();
            assert_eq!(fields, any.value().to_string());
            assert_eq!(serde_json::from_str::<AnyEvent>(&envelope).expect("an event").to_envelope(), any.to_envelope());
        }
    }
}
