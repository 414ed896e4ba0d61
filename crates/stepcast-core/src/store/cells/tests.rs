#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::store::place::same;
use crate::{Event, EventIdent, EventMeta, FieldName, FlatValue, Payload, Role};

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

fn cells(value: Value) -> CellMap {
    CellMap::from_json(value).unwrap()
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[test]
fn a_failed_edit_changes_and_marks_nothing() {
    let mut store = cells(json!({ "a": { "b": 1 }, "c": 2 }));
    let before = store.to_json();
    for text in ["a", "a.b", "a.new", "new.x"] {
        let failed = store.edit(&path(text), |value| {
            *value = json!({ "spoilt": true });
            Err::<(), _>("no")
        });
        assert_eq!(failed, Err(EditError::Closure("no")));
        assert_eq!(store.to_json(), before, "{text}");
        assert!(!store.has_changed());
    }
}

#[test]
fn a_panicking_edit_changes_nothing() {
    let mut store = cells(json!({ "a": 1 }));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        store.edit(&path("a"), |value| -> Result<(), ()> {
            *value = json!(2);
            panic!("in the closure")
        })
    }));
    assert!(caught.is_err());
    assert_eq!(store.to_json(), json!({ "a": 1 }));
}

#[test]
fn an_edit_that_could_not_be_stored_is_not_begun() {
    let mut store = cells(json!({ "a": "text" }));
    let mut called = false;
    let refused = store.edit(&path("a.b"), |_| {
        called = true;
        Ok::<(), ()>(())
    });
    assert!(matches!(refused, Err(EditError::Store(StoreError::NotAContainer { .. }))));
    assert!(!called);
}

#[test]
fn an_edit_sees_null_where_nothing_is() {
    let mut store = CellMap::new();
    let seen = store.edit(&path("a.b"), |value| Ok::<_, ()>(std::mem::replace(value, json!(1))));
    assert_eq!(seen, Ok(Value::Null));
    assert_eq!(store.to_json(), json!({ "a": { "b": 1 } }));
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Counted {
    n: u32,
}

impl Event for Counted {
    const META: EventMeta = EventMeta::new::<Counted>(EventIdent {
        tag: "Counted",
        type_name: "Counted",
        qualified_name: "Counted",
        location: "here",
        role: Role::Plain,
        fields: &["n"],
        secret: &[],
    });
    const IS_FLAT: bool = true;

    fn flat_at(&self, place: usize) -> Option<FlatValue<'_>> {
        (place == 0).then(|| FlatValue::Unsigned(self.n.into()))
    }
}

#[test]
fn an_event_is_given_back_until_somebody_writes_to_its_cell() {
    let output = path("a.output");
    let given = || FlatEvent::new(Payload::new(Counted { n: 1 })).unwrap();
    let mut fresh = cells(json!({ "a": { "error": 1 }, "b": 1 }));
    fresh.set_field(&path("a"), "output", given()).unwrap();
    assert_eq!(fresh.to_json(), json!({ "a": { "output": { "n": 1 } }, "b": 1 }));
    assert_eq!(fresh.changed(), [("a", Some(&json!({ "output": { "n": 1 } })))]);
    assert!(fresh.event(&output).is_some());
    assert!(fresh.event(&path("a")).is_none() && fresh.event(&path("a.output.n")).is_none());
    assert_eq!(fresh.get(&path("a.output.n")), Some(&json!(1)));
    assert_eq!(fresh.get(&path("a")), Some(&json!({ "output": { "n": 1 } })));
    assert!(fresh.get(&path("a.out")).is_none() && fresh.get(&path("a.outputs")).is_none());
    assert!(fresh.event(&path("a.error")).is_none() && fresh.event(&path("b")).is_none());

    let writes: [fn(&mut CellMap); 7] = [
        |cells| cells.set(&path("a.output.n"), json!(2)).unwrap(),
        |cells| cells.set_field(&path("a"), "output", Given::from(json!(2))).unwrap(),
        |cells| cells.edit(&path("a.more"), |_| Ok::<_, ()>(())).unwrap(),
        |cells| drop(cells.delete(&path("a.output"))),
        |cells| drop(cells.delete(&path("a"))),
        |cells| cells.load("a", Some(json!({ "output": 3 }))).unwrap(),
        CellMap::clear,
    ];
    for (at, write) in writes.into_iter().enumerate() {
        let mut cells = fresh.clone();
        write(&mut cells);
        assert!(cells.event(&output).is_none(), "{at}");
        assert_eq!(CellMap::from_json(cells.to_json()).unwrap(), cells, "{at}");
    }
    let mut cells = fresh.clone();
    assert!(cells.set_field(&path("a"), "output", Given::from(nested(100))).is_err());
    assert_eq!(cells, fresh);
}

#[test]
fn an_event_that_is_not_flat_is_given_back() {
    let event = Payload::new(crate::StartEvent::default().with("n", json!([1])));
    assert_eq!(FlatEvent::new(event).unwrap_err().meta().tag, "StartEvent");
}

#[test]
fn every_form_of_a_value_is_as_its_json_and_takes_the_place_of_every_other() {
    let names: std::sync::Arc<[String]> = ["n", "ab"].map(str::to_owned).into();
    let others: std::sync::Arc<[String]> = ["n", "ab"].map(str::to_owned).into();
    let event = || FlatEvent::new(Payload::new(Counted { n: 1 })).unwrap();
    let one = || OneField::new("n", json!({ "x": [7] }));
    let fields = |names| Fields::new(names, vec![json!(2), json!({ "x": 3 })]);
    let whole = || Given::from(json!({ "n": { "x": [4] } }));
    macro_rules! check {
        ($new:expr, $at_hand:literal, $flat:literal, $json:tt, $bare:literal) => {{
            let json = json!($json);
            let mut text = Vec::new();
            $new.write_bare(&mut text).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), $bare);
            for at in ["n", "n.x", "n.x.0", "ab", "ab.x", "a", "n.x.y", ""] {
                let place = path(&format!("k.output{}{at}", if at.is_empty() { "" } else { "." }));
                let found = if at.is_empty() { Some(json.clone()) } else { path(at).get(&json).cloned() };
                assert_eq!($new.find("output", &place).map(Cow::into_owned), found, "{at} of {json}");
                let (new, name) = ($new, FieldName::new(at));
                new.look_at(&name, |field| assert_eq!(Some(field), json.get(at), "{at} of {json}"));
                let wanted = json.get(at).and_then(FlatValue::of);
                assert_eq!(new.flat_field(&name), wanted.clone().filter(|_| $flat), "{at} of {json}");
                let mut cells = CellMap::new();
                cells.set_field(&path("k"), "output", new).unwrap();
                for _ in 0..2 {
                    let object = cells.object(&path("k.output")).unwrap();
                    assert_eq!(object.flat_field(&name), wanted, "{at} of {json}");
                }
                assert!(cells.object(&path("k.other")).is_none() && cells.object(&path("k.output.n")).is_none());
            }
            assert_eq!($new.look_at(&FieldName::new("n"), Value::clone).is_some(), $at_hand);
            assert!($new.find("output", &path("k.out.n")).is_none() && $new.find("output", &path("k")).is_none());
            for before in 0..6 {
                for looked_at in [false, true] {
                    let mut cells = CellMap::new();
                    let k = path("k");
                    match before {
                        0 => cells.set(&k, json!({ "output": 1, "error": 2 })),
                        1 => cells.set_field(&k, "output", event()),
                        2 => cells.set_field(&k, "output", one()),
                        3 => cells.set_field(&k, "output", fields(&others)),
                        4 => cells.set_field(&k, "output", whole()),
                        _ => cells.set_field(&k, "other", fields(&names)),
                    }
                    .unwrap();
                    // What was made of the old value must not stay.
                    assert!(!looked_at || (cells.get(&path("k.output.n")), cells.to_json()).1.is_object());
                    cells.set_field(&k, "output", $new).unwrap();
                    assert_eq!(cells.look_at(&path("k.output.n"), Value::clone), json.get("n").cloned());
                    assert_eq!(cells.get(&path("k.output.n")).cloned(), json.get("n").cloned());
                    assert_eq!(cells.to_json(), json!({ "k": { "output": json } }));
                }
            }
        }};
    }
    check!(event(), false, true, { "n": 1 }, r#"{"n":1}"#);
    check!(one(), true, false, { "n": { "x": [7] } }, r#"{"x":[7]}"#);
    check!(fields(&names), true, false, { "n": 2, "ab": { "x": 3 } }, r#"[2,{"x":3}]"#);
    check!(whole(), false, false, { "n": { "x": [4] } }, r#"{"n":{"x":[4]}}"#);
}

#[test]
fn an_object_of_one_field_is_as_any_other() {
    let mut cells = CellMap::new();
    cells.set_field(&path("a"), "output", OneField::new("value", json!({ "n": [1] }))).unwrap();
    for made in [false, true] {
        if made {
            assert_eq!(cells.to_json(), json!({ "a": { "output": { "value": { "n": [1] } } } }));
        }
        for (at, found) in [
            ("a.output.value", Some(json!({ "n": [1] }))),
            ("a.output.value.n.0", Some(json!(1))),
            ("a.output", Some(json!({ "value": { "n": [1] } }))),
            ("a.output.val", None),
            ("a.output.values", None),
            ("a.output.value.m", None),
        ] {
            assert_eq!(cells.find(&path(at)).map(Cow::into_owned), found, "{at}");
            assert_eq!(cells.look_at(&path(at), Value::clone), found, "{at}");
            assert_eq!(cells.get(&path(at)).cloned(), found, "{at}");
        }
    }
    assert!(cells.set_field(&path("a"), "output", OneField::new("value", nested(98))).is_ok());
    assert!(cells.set_field(&path("a"), "output", OneField::new("value", nested(99))).is_err());
}

#[test]
fn an_object_of_known_fields_is_as_any_other() {
    let names: std::sync::Arc<[String]> = ["a", "ab", "b.c", ""].map(str::to_owned).into();
    let values = || vec![json!(1), json!({ "n": [2] }), json!(3), json!(null)];
    let whole = json!({ "a": 1, "ab": { "n": [2] }, "b.c": 3, "": null });
    let mut cells = CellMap::new();
    cells.set_field(&path("k"), "output", Fields::new(&names, values())).unwrap();
    let mut text = Vec::new();
    Fields::new(&names, values()).write_bare(&mut text).unwrap();
    assert_eq!(text, br#"[1,{"n":[2]},3,null]"#);
    for at in ["a", "a.x", "ab", "ab.n", "ab.n.0", "ab.n.1", "b", "b.c", "abc"] {
        let place = path(&format!("k.output.{at}"));
        let found = path(at).get(&whole).cloned();
        assert_eq!(cells.find(&place).map(Cow::into_owned), found, "{at}");
        assert_eq!(cells.get(&place).cloned(), found, "{at}");
    }
    assert_eq!(cells.to_json(), json!({ "k": { "output": whole } }));
    assert!(Fields::new(&names, vec![nested(98)]).fits());
    assert!(!Fields::new(&names, vec![json!(1), nested(99)]).fits());
}

#[test]
fn keys_are_the_same_where_all_of_their_bytes_are() {
    let text = "abcdefghijklmnopqrstuvwxyz";
    for len in 0..text.len() {
        let key = &text[..len];
        let copy: String = key.chars().collect();
        assert!(same(key, &copy));
        assert!(!same(key, &text[..len + 1]) && !same(&text[..len + 1], key));
        for at in 0..len {
            let other = format!("{}A{}", &key[..at], &key[at + 1..]);
            assert!(!same(key, &other), "{key} {other}");
        }
    }
}

#[test]
fn a_path_finds_its_cell_in_whatever_map() {
    let (a, b) = (path("a"), path("b.n"));
    let mut first = cells(json!({ "a": 1, "b": { "n": 2 }, "c": 3 }));
    let mut other = cells(json!({ "c": 3, "b": { "n": 4 } }));
    for _ in 0..2 {
        assert_eq!((first.get(&a), first.get(&b)), (Some(&json!(1)), Some(&json!(2))));
        assert_eq!((other.get(&a), other.get(&b)), (None, Some(&json!(4))));
    }
    first.set(&b, json!(5)).unwrap();
    assert_eq!(first.delete(&a), Some(json!(1)));
    // What was last is where the other one was.
    assert_eq!((first.get(&a), first.get(&b), first.get(&path("c"))), (None, Some(&json!(5)), Some(&json!(3))));
    other.set_field(&a, "output", Given::from(json!(6))).unwrap();
    other.set_field(&b, "output", Given::from(json!(7))).unwrap();
    assert_eq!(other.to_json(), json!({ "a": { "output": 6 }, "b": { "output": 7 }, "c": 3 }));
    first.clear();
    assert_eq!((first.get(&a), first.get(&b)), (None, None));
    assert_eq!(a, path("a"));
    assert!(a < b);
}

#[test]
fn changed_cells_are_remembered_once_and_until_journaled() {
    let mut store = cells(json!({ "old": 1, "gone": 2, "kept": 3 }));
    assert!(!store.has_changed());
    for n in 0..3 {
        store.set(&path("new.n"), json!(n)).unwrap();
    }
    store.set(&path("old"), json!(9)).unwrap();
    assert_eq!(store.delete(&path("gone")), Some(json!(2)));
    assert_eq!(store.delete(&path("kept.x")), None);
    assert_eq!(store.delete(&path("never")), None);
    assert!(store.set(&path("kept.x"), json!(1)).is_err());
    let changed = store.changed();
    assert_eq!(changed, [("gone", None), ("new", Some(&json!({ "n": 2 }))), ("old", Some(&json!(9)))]);
    store.clear_changed();
    assert_eq!(store.changed(), []);
    store.clear();
    assert_eq!(store.changed(), [("kept", None), ("new", None), ("old", None)]);
    assert!(store.is_empty());
}

#[test]
fn a_journal_of_changed_cells_rebuilds_the_store() {
    let mut store = cells(json!({ "a": 1, "b": { "c": [1] } }));
    let mut copy = store.clone();
    store.set(&path("b.c.1"), json!(2)).unwrap();
    store.delete(&path("a"));
    for (key, value) in store.changed() {
        copy.load(key, value.cloned()).unwrap();
    }
    assert_eq!(copy, store);
    assert!(!copy.has_changed());
}

#[test]
fn keys_and_bytes_are_sorted() {
    let mut store = CellMap::new();
    for n in (0..200).rev() {
        store.set(&path(&format!("k{n:03}")), json!(n)).unwrap();
    }
    let expected: Vec<String> = (0..200).map(|n| format!("k{n:03}")).collect();
    assert_eq!(store.keys(), expected);
    let text: Vec<String> = (0..200).map(|n| format!("\"k{n:03}\":{n}")).collect();
    assert_eq!(serde_json::to_string(&store).unwrap(), format!("{{{}}}", text.join(",")));
    assert_eq!(store.to_json().to_string(), serde_json::to_string(&store).unwrap());
}

#[test]
fn the_deepest_cell_survives_its_text_and_a_deeper_one_is_refused() {
    let too_deep = StoreError::CellTooDeep { key: "a".to_owned() };
    let mut store = CellMap::new();
    assert_eq!(store.set(&path("a"), nested(101)), Err(too_deep.clone()));
    assert_eq!(store.set(&path("a.b"), nested(100)), Err(too_deep.clone()));
    assert_eq!(store.set(&path(&vec!["a"; 1_000].join(".")), json!(1)), Err(too_deep.clone()));
    let edited = store.edit(&path("a"), |value| {
        *value = nested(101);
        Ok::<_, ()>(())
    });
    assert_eq!(edited, Err(EditError::Store(too_deep.clone())));
    assert!(store.is_empty() && !store.has_changed());
    store.set(&path("a"), nested(100)).unwrap();
    store.set(&path("b.c"), nested(99)).unwrap();
    let text = serde_json::to_string(&json!({ "run": { "store": store.to_json() } })).unwrap();
    let back: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(CellMap::from_json(back["run"]["store"].clone()).unwrap(), store);
    assert_eq!(CellMap::from_json(json!({ "a": nested(101) })), Err(too_deep));
}

#[test]
fn what_is_no_store_is_refused() {
    assert_eq!(CellMap::from_json(json!([])), Err(StoreError::NotAnObject { found: "a list" }));
    for key in ["", "a.b", "."] {
        assert_eq!(CellMap::from_json(json!({ key: 1 })), Err(StoreError::BadKey { key: key.to_owned() }));
    }
    assert!(serde_json::from_str::<CellMap>("{\"a.b\":1}").is_err());
    assert!(serde_json::from_str::<CellMap>("[]").is_err());
}

#[derive(Clone, Debug)]
enum Op {
    Set(String, Value),
    Delete(String),
    Edit(String, Value, bool),
    Clear,
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i8>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!([1, { "a": 2 }])),
        Just(json!({ "a": [1], "0": "zero" })),
    ]
}

fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("0"), Just("1"), Just("é")], 1..5)
        .prop_map(|segments| segments.join("."))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (paths(), leaf()).prop_map(|(path, value)| Op::Set(path, value)),
        2 => paths().prop_map(Op::Delete),
        3 => (paths(), leaf(), any::<bool>()).prop_map(|(path, value, ok)| Op::Edit(path, value, ok)),
        1 => Just(Op::Clear),
    ]
}

/// What the store should do, by recursion on owned values: gives the new value, or `None` where it must refuse.
fn model_set(value: Value, segments: &[&str], new: Value) -> Option<Value> {
    let Some((first, rest)) = segments.split_first() else { return Some(new) };
    match value {
        Value::Null => Some(json!({ *first: model_set(Value::Null, rest, new)? })),
        Value::Object(mut map) => {
            let inner = map.get(*first).cloned().unwrap_or(Value::Null);
            map.insert((*first).to_owned(), model_set(inner, rest, new)?);
            Some(Value::Object(map))
        }
        Value::Array(mut list) => {
            let index: usize = first.parse().ok()?;
            let inner = list.get(index).cloned().unwrap_or(Value::Null);
            let inner = model_set(inner, rest, new)?;
            match index.cmp(&list.len()) {
                std::cmp::Ordering::Less => list[index] = inner,
                std::cmp::Ordering::Equal => list.push(inner),
                std::cmp::Ordering::Greater => return None,
            }
            Some(Value::Array(list))
        }
        _ => None,
    }
}

fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_store_does_what_a_plain_value_would(ops in prop::collection::vec(op(), 1..30)) {
        let mut store = CellMap::new();
        let mut model = json!({});
        for op in ops {
            let before = model.clone();
            store.clear_changed();
            match op {
                Op::Set(text, value) => {
                    let expected = model_set(model.clone(), &text.split('.').collect::<Vec<_>>(), value.clone());
                    let done = store.set(&path(&text), value);
                    prop_assert_eq!(done.is_ok(), expected.is_some());
                    model = expected.unwrap_or(model);
                }
                Op::Edit(text, value, succeeds) => {
                    let expected = model_set(model.clone(), &text.split('.').collect::<Vec<_>>(), value.clone());
                    let at = model.pointer(&pointer(&text)).cloned().unwrap_or(Value::Null);
                    let done = store.edit(&path(&text), |slot| {
                        let seen = std::mem::replace(slot, value);
                        if succeeds { Ok(seen) } else { Err(()) }
                    });
                    prop_assert_eq!(done.is_ok(), expected.is_some() && succeeds);
                    if let Ok(seen) = done {
                        prop_assert_eq!(seen, at);
                        model = expected.unwrap_or(model);
                    }
                }
                Op::Delete(text) => {
                    let (parent, last) = text.rsplit_once('.').unwrap_or(("", &text));
                    let parent = if parent.is_empty() { String::new() } else { pointer(parent) };
                    let removed = model.pointer_mut(&parent).and_then(|parent| match parent {
                        Value::Object(map) => map.remove(last),
                        Value::Array(list) => {
                            last.parse().ok().filter(|index: &usize| *index < list.len()).map(|index| list.remove(index))
                        }
                        _ => None,
                    });
                    prop_assert_eq!(store.delete(&path(&text)), removed);
                }
                Op::Clear => {
                    store.clear();
                    model = json!({});
                }
            }
            prop_assert_eq!(store.to_json(), model.clone());
            // Every cell that differs is marked, and no cell of another key is.
            for key in [&before, &model].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys()) {
                let marked = store.changed().iter().any(|(changed, _)| changed == key);
                prop_assert!(marked || before.get(key) == model.get(key), "{key}");
            }
        }
        let text = serde_json::to_string(&store).unwrap();
        prop_assert_eq!(serde_json::from_str::<CellMap>(&text).unwrap(), store);
    }

    #[test]
    fn no_text_breaks_a_path(text in ".{0,12}", value in leaf()) {
        if let Ok(path) = StorePath::new(text.clone()) {
            prop_assert_eq!(path.as_str(), text.as_str());
            let mut store = CellMap::new();
            store.set(&path, value.clone()).unwrap();
            prop_assert_eq!(store.get(&path), Some(&value));
            prop_assert_eq!(store.delete(&path), Some(value));
        } else {
            prop_assert!(text.split('.').any(str::is_empty));
        }
    }
}
