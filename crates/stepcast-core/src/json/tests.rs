#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::put;

fn text<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = b"before ".to_vec();
    put(&mut out, value).unwrap();
    String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().to_owned()
}

fn check<T: Serialize + ?Sized>(value: &T) {
    assert_eq!(text(value), serde_json::to_string(value).unwrap());
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Shape {
    Dot,
    #[serde(rename = "a \"line\"")]
    Line(u8),
    Pair(i16, String),
    Named {
        left: Option<bool>,
        #[serde(rename = "näme\n")]
        right: (),
    },
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize, PartialEq, Eq, Hash)]
struct Wrapped(String);

#[derive(Serialize)]
struct Everything<'a> {
    bytes: &'a [u8],
    letter: char,
    floats: (f32, f64, f64, f64),
    wide: (i128, u128),
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u8>,
    shapes: Vec<Shape>,
    wrapped: Wrapped,
    empty: (Empty, Unit, [u8; 0], BTreeMap<u8, u8>),
    #[serde(flatten)]
    flat: BTreeMap<String, Value>,
}

#[test]
fn every_kind_of_value_is_written_as_serde_json_does() {
    let shapes = vec![
        Shape::Dot,
        Shape::Line(7),
        Shape::Pair(-3, "\u{1}\t\\\"".into()),
        Shape::Named { left: None, right: () },
        Shape::Named { left: Some(true), right: () },
    ];
    for bytes in [&b""[..], b"\x00\xff"] {
        check(&Everything {
            bytes,
            letter: '"',
            floats: (0.1, -1e300, f64::NAN, 5e-324),
            wide: (i128::MIN, u128::MAX),
            skipped: bytes.first().copied(),
            shapes: shapes.clone(),
            wrapped: Wrapped("w".into()),
            empty: (Empty {}, Unit, [], BTreeMap::new()),
            flat: [("f\u{7f}".to_owned(), serde_json::json!({"deep": [null, {}]}))].into(),
        });
    }
    for value in [u64::MAX, 0, u64::from(u32::MAX)] {
        check(&value);
    }
    for value in [i64::MIN, -1, i64::MAX] {
        check(&value);
    }
    check(&(i8::MIN, u8::MAX, u16::MAX, i32::MIN, u32::MAX, true, false));
}

#[test]
fn keys_are_what_serde_json_makes_of_them() {
    check(&BTreeMap::from([(1_u8, "a"), (2, "b")]));
    check(&BTreeMap::from([(true, 1), (false, 2)]));
    check(&BTreeMap::from([('x', 1), ('\n', 2)]));
    check(&BTreeMap::from([(Shape::Dot, 1)]));
    check(&BTreeMap::from([(i128::MIN, 1), (7, 2)]));
    check(&HashMap::from([(Wrapped("\"".into()), BTreeMap::from([("k", [1.5])]))]));
    for refused in [text_of_error(&BTreeMap::from([((1, 2), 3)])), text_of_error(&BTreeMap::from([(Some(1), 3)]))] {
        assert!(refused.0 == refused.1, "{refused:?}");
    }
}

fn text_of_error<T: Serialize>(value: &T) -> (Result<(), String>, Result<(), String>) {
    let ours = put(&mut Vec::new(), value).map_err(|error| error.to_string());
    (ours, serde_json::to_string(value).map(drop).map_err(|error| error.to_string()))
}

#[test]
fn special_letters_are_found_wherever_they_are() {
    for special in (0..0x20).chain([b'"', b'\\', 0x7f, b'a']) {
        for at in 0..80 {
            let mut text = "é".repeat(3) + &"x".repeat(80);
            text.insert(6 + at, char::from(special));
            check(&text);
            check(&text[6 + at..]);
            check(&text[..=6 + at]);
        }
    }
    check("");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_written_as_serde_json_does(value in value()) {
        check(&value);
    }
}
