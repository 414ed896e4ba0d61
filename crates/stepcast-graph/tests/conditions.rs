//! Conditions: every decided case, as objects and as text.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use stepcast_graph::{Condition, ConditionError};

fn context() -> Value {
    json!({
        "a": { "output": { "n": 5, "s": "hello", "l": [1, 2, "x"], "d": { "k": true }, "none": null, "big": 9007199254740993_u64 } },
        "gate": { "output": { "response": " No ", "approved": false } },
        "bare": { "output": "yes" },
        "failed": { "error": { "message": "no luck" } },
        "start": { "output": { "input": { "topic": "pirates", "n": 0 } } }
    })
}

fn holds(condition: &Value) -> (bool, usize) {
    let mut mismatches = Vec::new();
    let holds = Condition::parse(condition).unwrap().holds(&context(), &mut mismatches);
    (holds, mismatches.len())
}

fn field(path: &str, op: &str, value: Value) -> Value {
    json!({ "type": "field", "path": path, "op": op, "value": value })
}

#[test]
fn comparisons_of_fields() {
    // The path, the operator, the value, whether it holds, and whether it is told of as a mismatch.
    let table = [
        ("a.output.n", "eq", json!(5.0), true, 0),
        ("a.output.n", "eq", json!("5"), false, 0),
        ("a.output.d.k", "eq", json!(1), false, 0),
        ("a.output.d.k", "eq", json!(true), true, 0),
        ("a.output.l", "eq", json!([1.0, 2, "x"]), true, 0),
        ("a.output.d", "eq", json!({ "k": true }), true, 0),
        ("a.output.big", "eq", json!(9007199254740992_u64), false, 0),
        ("a.output.none", "eq", json!(null), true, 0),
        ("a.output.zz", "eq", json!(1), false, 0),
        ("a.output.zz", "neq", json!(1), false, 0),
        ("a.output.zz", "not_in", json!([1]), false, 0),
        ("a.output.zz", "gt", json!(1), false, 0),
        ("a.output.n", "neq", json!(6), true, 0),
        ("a.output.n", "gt", json!(4.5), true, 0),
        ("a.output.n", "gte", json!(5), true, 0),
        ("a.output.n", "lt", json!(5), false, 0),
        ("a.output.n", "lte", json!(5), true, 0),
        ("a.output.s", "gt", json!(1), false, 1),
        ("a.output.none", "gt", json!(1), false, 1),
        ("a.output.s", "gt", json!("apple"), true, 0),
        ("a.output.d.k", "lt", json!(true), false, 1),
        ("a.output.n", "in", json!([4, 5.0]), true, 0),
        ("a.output.n", "in", json!([4]), false, 0),
        ("a.output.n", "not_in", json!([4]), true, 0),
        ("a.output.s", "in", json!("xhello"), true, 0),
        ("a.output.n", "in", json!("5"), false, 1),
        ("a.output.n", "in", json!(5), false, 1),
        ("a.output.n", "not_in", json!(5), false, 1),
        ("a.output.l", "contains", json!("x"), true, 0),
        ("a.output.l", "contains", json!("1"), false, 0),
        ("a.output.l", "contains", json!(1), true, 0),
        ("a.output.s", "contains", json!("ell"), true, 0),
        ("a.output.s", "contains", json!(1), false, 1),
        ("a.output.d", "contains", json!("k"), true, 0),
        ("a.output.n", "contains", json!(5), false, 1),
        ("a.output.none", "exists", json!(null), true, 0),
        ("a.output.zz", "exists", json!(null), false, 0),
        ("a.output.zz", "exists", json!(false), true, 0),
        // Without the word `output`, into the record where the output has nothing, and into lists.
        ("a.n", "eq", json!(5), true, 0),
        ("a.output.l.0", "eq", json!(1), true, 0),
        ("a.l.7", "exists", json!(null), false, 0),
        ("bare", "eq", json!("yes"), true, 0),
        ("bare.output", "eq", json!("yes"), true, 0),
        ("failed.error.message", "eq", json!("no luck"), true, 0),
        ("context.a.n", "eq", json!(5), true, 0),
        ("input.topic", "eq", json!("pirates"), true, 0),
        ("start.output.input.topic", "eq", json!("pirates"), true, 0),
    ];
    for (path, op, value, expected, told) in table {
        let condition = field(path, op, value);
        assert_eq!(holds(&condition), (expected, told), "{condition}");
    }
}

#[test]
fn combinations() {
    let (yes, no) = (field("a.n", "eq", json!(5)), field("a.n", "eq", json!(6)));
    let table = [
        (json!({ "type": "all", "conditions": [] }), true),
        (json!({ "type": "any", "conditions": [] }), false),
        (json!({ "type": "all", "conditions": [yes, no] }), false),
        (json!({ "type": "any", "conditions": [no, yes] }), true),
        (json!({ "type": "not", "conditions": [no] }), true),
        (json!({ "type": "not", "condition": yes }), false),
        (json!({ "type": "not", "conditions": [{ "type": "field", "path": "zz", "op": "exists" }] }), true),
        (json!({ "type": "condition", "value": "a.n == 5" }), true),
        (json!({ "type": "all", "conditions": ["a.n == 5", yes] }), true),
    ];
    for (condition, expected) in table {
        assert_eq!(holds(&condition), (expected, 0), "{condition}");
    }
}

#[test]
fn texts() {
    let table = [
        ("a.n == 5", true),
        ("context.a.n == 5.0", true),
        ("a.n == '5'", false),
        ("a.n != 5", false),
        ("a.zz != 5", false),
        ("a.n > 4 and a.n < 6", true),
        ("a.n > 9 or a.s == hello", true),
        ("a.n >= 5 && !(a.s == \"bye\")", true),
        ("not a.n == 5", false),
        ("a.s in ['hello']", false),
        ("a.s in [\"hello\", \"bye\"]", true),
        ("a.n not in [1, 2]", true),
        ("a.l contains x", true),
        ("exists a.none", true),
        ("exists(a.zz)", false),
        ("!exists(a.zz)", true),
        ("a.none == NULL", true),
        ("a.d.k == TRUE", true),
        ("a.s == \"he\\\"llo\"", false),
        ("gate.approved == true", false),
        ("gate.response", false),
        ("!gate.response", true),
        ("bare", true),
        ("a.n", true),
        ("input.n", false),
        ("a.l", true),
        ("a.none", false),
        ("a.zz", false),
        ("!a.zz", true),
    ];
    for (text, expected) in table {
        // A list in quotes of another kind is no JSON.
        let Ok(condition) = Condition::parse_text(text) else {
            assert_eq!(text, "a.s in ['hello']");
            continue;
        };
        assert_eq!(condition.holds(&context(), &mut Vec::new()), expected, "{text}");
    }
}

#[test]
fn what_counts_as_true() {
    let no = [
        json!(null),
        json!(false),
        json!(0),
        json!(0.0),
        json!(""),
        json!(" False "),
        json!("0"),
        json!("NO"),
        json!([]),
        json!({}),
    ];
    let yes = [json!(true), json!(1), json!(-0.5), json!("rejected"), json!("yes"), json!([0]), json!({ "a": null })];
    assert!(no.iter().all(|value| !stepcast_graph::is_true(value)));
    assert!(yes.iter().all(stepcast_graph::is_true));
}

#[test]
fn both_forms_are_one_tree() {
    let pairs = [
        (field("a.n", "eq", json!(5)), "a.n == 5"),
        (json!({ "type": "not", "conditions": [field("a.n", "gt", json!(5))] }), "!(a.n > 5)"),
        (
            json!({ "type": "any", "conditions": [field("a.n", "lt", json!(1)), field("a.s", "in", json!(["x"]))] }),
            "a.n < 1 or a.s in [\"x\"]",
        ),
        (json!({ "type": "field", "path": "a.n", "op": "exists" }), "exists a.n"),
    ];
    for (object, text) in pairs {
        assert_eq!(Condition::parse(&object).unwrap(), Condition::parse_text(text).unwrap());
    }
}

#[test]
fn what_is_no_condition() {
    let table = [
        (json!({ "type": "zz" }), "/type"),
        (json!({ "type": "field", "op": "eq", "value": 1 }), ""),
        (json!({ "type": "field", "path": "a b", "op": "eq", "value": 1 }), "/path"),
        (json!({ "type": "field", "path": "a", "op": "zz", "value": 1 }), "/op"),
        (
            json!({ "type": "all", "conditions": [{ "type": "field", "path": "", "op": "eq", "value": 1 }] }),
            "/conditions/0/path",
        ),
        (json!({ "type": "not", "conditions": [] }), ""),
        (json!(7), ""),
        (json!("a =="), ""),
        (json!("a == 1 b"), ""),
        (json!("(a == 1"), ""),
        (json!(""), ""),
        (json!("a == 'x"), ""),
    ];
    for (condition, at) in table {
        let error = Condition::parse(&condition).unwrap_err();
        assert_eq!(error.at(), at, "{condition}: {error}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn hostile_conditions_are_refused() {
    let mut deep = json!("a");
    for _ in 0..100 {
        deep = json!({ "type": "not", "conditions": [deep] });
    }
    assert_eq!(Condition::parse(&deep).unwrap_err(), ConditionError::TooLarge);
    assert_eq!(Condition::parse_text(&"!".repeat(10_000)).unwrap_err(), ConditionError::TooLarge);
    assert_eq!(Condition::parse_text(&"(".repeat(1_000)).unwrap_err(), ConditionError::TooLarge);
    assert_eq!(Condition::parse_text(&"a".repeat(1_000_000)).unwrap_err(), ConditionError::TooLarge);
    let wide = json!({ "type": "all", "conditions": vec![json!("a"); 20_000] });
    assert_eq!(Condition::parse(&wide).unwrap_err(), ConditionError::TooLarge);
}
