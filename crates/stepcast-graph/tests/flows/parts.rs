//! Inputs that are made of parts of what other steps gave.

use super::outputs::all_of;
use super::*;

/// Nothing but whole numbers, bools and texts.
#[event]
struct Order {
    name: String,
    count: u8,
    change: i64,
    paid: bool,
}

#[event]
struct Loose {
    some: Option<u8>,
    #[serde(rename = "called")]
    name: String,
    #[serde(default)]
    count: u8,
    #[serde(skip)]
    hidden: u8,
}

#[event]
struct Left {
    left: u64,
}

#[step]
async fn order(order: Order) -> Order {
    order
}

#[step]
async fn loose(loose: Loose) -> Loose {
    Loose { hidden: loose.hidden + 7, ..loose }
}

#[step]
async fn one_less(left: Left) -> Left {
    Left { left: left.left.saturating_sub(1) }
}

/// Gives an event, an object of known fields, one of a single field, and JSON; then a step with this input follows.
fn source(function: &str, input: &Value) -> Value {
    json!({
        "id": "parts",
        "steps": [
            { "id": "event", "type": "step", "use": "order", "input": { "name": "ann", "count": 3, "change": -4, "paid": true } },
            { "id": "loose", "type": "step", "use": "loose", "input": { "called": "bob", "some": 5 } },
            { "id": "fields", "type": "function", "template": { "paid": false, "count": "{{input.count}}", "name": "{{event.name}} & co", "deep": { "count": 9 } } },
            { "id": "one", "type": "switch", "path": "event.change" },
            { "id": "json", "type": "function", "action": "custom", "function": "double", "input": 21 },
            { "id": "whole", "type": "function", "template": { "paid": true, "count": "{{input.count}}", "name": "cy", "change": -1 } },
            { "id": "more", "type": "function", "template": { "paid": true, "count": 1, "name": "di", "change": 2, "deep": [1] } },
            { "id": "few", "type": "function", "template": { "left": "{{event.count}}" } },
            { "id": "last", "type": "step", "use": function, "input": input }
        ],
        "edges": [
            { "source": "event", "target": "loose" }, { "source": "loose", "target": "fields" },
            { "source": "fields", "target": "one" }, { "source": "one", "target": "json" }, { "source": "json", "target": "whole" },
            { "source": "whole", "target": "more" }, { "source": "more", "target": "few" }, { "source": "few", "target": "last" }
        ]
    })
}

/// The output of the last step, in memory, where parts need not be JSON, as in a kept run, where they are.
async fn both(function: &str, input: &Value, count: u64) -> Result<Value, String> {
    let graph = graph(&source(function, input));
    let given = json!({ "count": count });
    let kept = Runtime::on(MemoryBackend::new());
    kept.register_graph(&graph).unwrap();
    let kept = kept.start(graph.id(), given.clone(), RunOptions::new()).unwrap();
    let (in_memory, kept) = (all_of(graph.run(given.clone()).into_any()).await, all_of(kept).await);
    assert_eq!(in_memory, kept, "{input}");
    let ended = graph.run(given).await.map_err(|error| error.to_string())?;
    Ok(ended.result().unwrap()["last"].clone())
}

#[tokio::test]
async fn parts_are_what_their_paths_lead_to_whatever_form_that_is_kept_in() {
    let all = json!({ "name": "ann", "count": 3, "change": -4, "paid": true });
    let with = |changes: Value| {
        let mut all = all.clone();
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        all
    };
    let parts = |changes: Value| {
        let mut parts = json!({ "name": "{{event.name}}", "count": "{{event.count}}", "change": "{{event.change}}", "paid": "{{event.paid}}" });
        parts.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        parts
    };
    for (changes, wanted) in [
        (json!({}), json!({})),
        (json!({ "name": "{{ event.output.name }}", "paid": "{{event.output.paid?}}" }), json!({})),
        (json!({ "name": "{{event.name?}}", "count": 200, "paid": false }), json!({ "count": 200, "paid": false })),
        (json!({ "name": "{{fields.name}}", "paid": "{{fields.paid}}" }), json!({ "name": "ann & co", "paid": false })),
        (json!({ "count": "{{fields.count}}" }), json!({ "count": 11 })),
        (json!({ "count": "{{fields.deep.count}}" }), json!({ "count": 9 })),
        (json!({ "change": "{{one.value}}" }), json!({})),
        (json!({ "change": "{{json}}", "count": "{{json.output?}}" }), json!({ "change": 42, "count": 42 })),
        (json!({ "count": "{{loose.count}}", "name": "{{loose.called}}" }), json!({ "count": 0, "name": "bob" })),
        (json!({ "count": "{{loose.some}}" }), json!({ "count": 5 })),
        (json!({ "count": "{{input.count}}", "name": "{{event.name}}!" }), json!({ "count": 11, "name": "ann!" })),
        (json!({ "more": "{{event.name}}" }), json!({})),
    ] {
        let given = both("order", &parts(changes.clone()), 11).await;
        match wanted {
            Value::Null => assert!(given.is_err(), "{changes}: {given:?}"),
            wanted => assert_eq!(given, Ok(with(wanted)), "{changes}"),
        }
    }
    // Other types than the fields have, values that are too large, and values that are not there.
    for changes in [
        json!({ "count": "{{event.name}}" }),
        json!({ "name": "{{event.count}}" }),
        json!({ "count": "{{event.change}}" }),
        json!({ "paid": "{{event}}" }),
        json!({ "count": "{{fields.deep}}" }),
        json!({ "count": "{{fields.count}}" }),
        json!({ "name": "{{loose.hidden}}" }),
        json!({ "name": "{{loose.name}}" }),
        json!({ "name": "{{event.nothing}}" }),
        json!({ "name": "{{event.nothing?}}" }),
        json!({ "count": null }),
        json!({ "count": 1.5 }),
    ] {
        let given = both("order", &parts(changes.clone()), 300).await;
        assert!(given.is_err(), "{changes}: {given:?}");
    }
}

#[tokio::test]
async fn all_of_an_output_is_handed_on_whatever_form_that_is_kept_in() {
    let order =
        |name: &str, count: u8, change: i64| json!({ "name": name, "count": count, "change": change, "paid": true });
    for (function, input, wanted) in [
        ("order", "{{event}}", Some(order("ann", 3, -4))),
        ("order", "{{whole.output}}", Some(order("cy", 11, -1))),
        ("order", "{{more?}}", Some(order("di", 1, 2))),
        ("order", "{{fields}}", None),
        ("order", "{{few}}", None),
        ("order", "{{one}}", None),
        ("order", "{{json}}", None),
        ("order", "{{event.nothing?}}", None),
        ("one_less", "{{few}}", Some(json!({ "left": 2 }))),
        ("one_less", "{{one}}", None),
        ("one_less", "{{event}}", None),
        ("loose", "{{loose}}", Some(json!({ "some": 5, "called": "bob", "count": 0 }))),
    ] {
        assert_eq!(both(function, &json!(input), 11).await.ok(), wanted, "{function} {input}");
    }
    // It would not fit the field.
    assert!(both("order", &json!("{{whole}}"), 300).await.is_err());
}

#[tokio::test]
async fn parts_of_an_event_that_is_not_flat() {
    let hidden_and_unsaid = json!({ "some": null, "called": "ann", "count": 0 });
    let given = both("loose", &json!({ "called": "{{event.name}}" }), 1).await;
    assert_eq!(given, Ok(hidden_and_unsaid.clone()));
    let given = both("loose", &json!({ "called": "{{event.name}}", "some": "{{event.nothing?}}" }), 1).await;
    assert_eq!(given, Ok(hidden_and_unsaid));
    let given = both(
        "loose",
        &json!({ "called": "{{event.name}}", "some": "{{event.count}}", "count": "{{fields.count}}" }),
        1,
    )
    .await;
    assert_eq!(given, Ok(json!({ "some": 3, "called": "ann", "count": 1 })));
}

/// What a part is taken of changes its form from turn to turn, and its fields their places.
#[tokio::test]
async fn a_step_is_run_again_with_parts_of_another_form() {
    let source = json!({
        "id": "turns",
        "steps": [
            { "id": "begin", "type": "function", "template": { "other": "x", "more": 1, "left": "{{input.left}}" }, "output_key": "turn" },
            { "id": "turn", "type": "step", "use": "one_less", "input": { "left": "{{turn.left}}" }, "output_key": "turn" },
            { "id": "again", "type": "function", "template": { "more": "{{turn.left}}", "left": "{{turn.left}}" }, "output_key": "turn" },
        ],
        "edges": [
            { "source": "begin", "target": "turn" },
            { "source": "turn", "target": "end", "when": "turn.left == 0" },
            { "source": "turn", "target": "turn", "when": "turn.left > 4" },
            { "source": "turn", "target": "again", "when": "otherwise" },
            { "source": "again", "target": "turn" }
        ]
    });
    assert_eq!(result(&source, json!({ "left": 9 })).await["turn"], json!({ "left": 0 }));
}

/// The first turn finds an event, and the others what somebody else wrote in its place.
#[tokio::test]
async fn parts_of_what_was_written_over_are_what_is_there_now() {
    #[step]
    async fn written_over(left: Left, ctx: Context) -> Result<Left> {
        ctx.store().set("turn.output.left", 1).await?;
        Ok(left)
    }
    let source = json!({
        "id": "over",
        "steps": [
            { "id": "turn", "type": "step", "use": "one_less", "input": { "left": "{{input.left}}" } },
            { "id": "write", "type": "step", "use": "written_over", "input": { "left": "{{turn.left}}" } },
            { "id": "now", "type": "step", "use": "one_less", "input": { "left": "{{turn.left}}" } },
        ],
        "edges": [{ "source": "turn", "target": "write" }, { "source": "write", "target": "now" }]
    });
    let given = result(&source, json!({ "left": 9 })).await;
    assert_eq!(given, json!({ "turn": { "left": 1 }, "write": { "left": 8 }, "now": { "left": 0 } }));
}
