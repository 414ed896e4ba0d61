//! Templates: every decided case.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use stepcast_graph::{JsonTemplate, Missing, Template, TemplateError};

fn context() -> Value {
    json!({
        "a": { "output": { "n": 5, "s": "hello", "l": [1, "x"], "d": { "k": true }, "none": null, "t": true } },
        "start": { "output": { "input": { "topic": "pirates" } } }
    })
}

#[test]
fn what_texts_come_to() {
    // The text, the value it comes to, and what it comes to as a text.
    let table = [
        ("{{a.output.n}}", json!(5), "5"),
        (" {{ a.output.n }} ", json!(5), " 5 "),
        ("{{a.output.d}}", json!({ "k": true }), r#"{"k":true}"#),
        ("d={{a.output.d}}", json!(r#"d={"k":true}"#), r#"d={"k":true}"#),
        ("{{a.output.none}}", json!(null), ""),
        ("x{{a.output.none}}y", json!("xy"), "xy"),
        ("{{a.output.l.0}}", json!(1), "1"),
        ("{{a.output.l}}!", json!(r#"[1,"x"]!"#), r#"[1,"x"]!"#),
        ("{{a.output.t}} {{a.s}}", json!("true hello"), "true hello"),
        ("{{a.s}}{{a.n}}", json!("hello5"), "hello5"),
        ("{{input.topic}}", json!("pirates"), "pirates"),
        ("{{start.output.input.topic}}", json!("pirates"), "pirates"),
        ("{{}}", json!("{{}}"), "{{}}"),
        ("{{}}{{a.n}}", json!("{{}}5"), "{{}}5"),
        ("open {{a.n", json!("open {{a.n"), "open {{a.n"),
        ("a }} b", json!("a }} b"), "a }} b"),
        ("", json!(""), ""),
        ("{{a.zz?}}", json!(null), ""),
        ("[{{a.zz?}}]", json!("[]"), "[]"),
    ];
    for (text, value, as_text) in table {
        let template = Template::parse(text).unwrap();
        assert_eq!(template.value(&context(), Missing::Error).unwrap(), value, "{text}");
        assert_eq!(template.text(&context(), Missing::Error).unwrap(), as_text, "{text}");
    }
}

#[test]
fn a_missing_path_is_an_error_unless_it_may_be_missing() {
    let template = Template::parse("so {{a.output.zz}}").unwrap();
    let error = template.value(&context(), Missing::Error).unwrap_err();
    assert_eq!(error.path, "a.output.zz");
    assert_eq!(template.value(&context(), Missing::Empty).unwrap(), json!("so "));
}

#[test]
fn json_keeps_its_types() {
    let source = json!({ "n": "{{a.n}}", "text": "n is {{a.n}}", "list": ["{{a.l}}", 1, null], "{{a.n}}": true });
    let template = JsonTemplate::parse(&source).unwrap();
    let expected = json!({ "n": 5, "text": "n is 5", "list": [[1, "x"], 1, null], "{{a.n}}": true });
    assert_eq!(template.value(&context(), Missing::Error).unwrap(), expected);
}

#[test]
fn what_is_no_template() {
    for text in ["{{ }}", "{{{a.output.n}}}", "{{a..b}}", "{{a b}}", "{{.a}}", "{{?}}"] {
        assert!(matches!(Template::parse(text), Err(TemplateError::Path { offset: 0, .. })), "{text}");
    }
    let (at, _) = JsonTemplate::parse(&json!({ "a": [1, { "b/c": "{{ }}" }] })).unwrap_err();
    assert_eq!(at, "/a/1/b~1c");
}

#[test]
fn hostile_templates_are_refused() {
    let long = "x".repeat(1_000_000);
    assert!(matches!(Template::parse(&long), Err(TemplateError::TooLong { len: 1_000_000 })));
    assert!(matches!(Template::parse(&"{{a}}".repeat(20_000)), Err(TemplateError::TooLong { .. })));
    let mut deep = json!(1);
    for _ in 0..110 {
        deep = json!([deep]);
    }
    assert!(matches!(JsonTemplate::parse(&deep), Err((_, TemplateError::TooDeep))));
    // Linear, whatever stands in it.
    assert!(Template::parse(&"{{".repeat(100_000)).is_ok());
}
