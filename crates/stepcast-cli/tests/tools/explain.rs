use serde_json::{Value, json};

use crate::store::{Store, Stored, broken};

#[test]
fn a_code_is_explained() {
    let store = Store::empty();
    let said = store.run(&["explain", "sc0030"]);
    assert!(said.code == Some(0) && said.out.starts_with("error[SC0030]: "), "{said:?}");
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    let all = store.json(&["explain", "--list"]);
    assert!(all.len() > 40 && all.iter().all(|doc| doc["explanation"].is_string()));
}

#[test]
fn an_unknown_code_is_refused() {
    let said = Store::empty().run(&["explain", "SC9999"]);
    assert!(said.code == Some(4) && said.err.starts_with("error[SC0101]"), "{said:?}");
}

#[test]
fn calls_say_how_they_were_decided() {
    let between = json!({ "between": { "exec": 1, "step": "write" } });
    let about = json!({ "why": "not_cached", "key": "k", "usage": { "tokens_in": 20, "tokens_out": 60 } });
    let again = json!({ "why": "rerun" });
    let ops = |result: Value| json!([{ "k": "call", "l": "ask", "n": 1, "r": [[0, result]] }]);
    let run = Stored::of("paid", "greet")
        .whole_row(5, json!({ "do": between, "ops": ops(json!({ "json": 7 })) }))
        .whole_row(9, json!({ "do": between, "ops": ops(json!({ "call": { "value": 8, "about": about } })) }))
        .whole_row(10, json!({ "do": between, "ops": ops(json!({ "call": { "value": 9, "about": again } })) }));
    let store = Store::with([run]);
    let said = store.run(&["explain", "paid", "--calls"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 5, "{said:?}");
    let none = "no result was recorded yet, and without a key no cache is asked";
    assert!(lines[1].starts_with("write  1     ask   miss      ") && lines[1].contains(none), "{}", lines[1]);
    assert!(lines[2].contains("20 tokens in and 60 tokens out"), "{}", lines[2]);
    assert!(lines[3].contains("bypass    the call asks to be repeated with its execution"), "{}", lines[3]);
    assert_eq!(lines[4], "3 calls, 20 tokens in and 60 tokens out in all");
    let calls = store.json(&["explain", "paid"]);
    assert_eq!(
        (&calls[0]["result"], &calls[1]["key"], &calls[2]["decision"]),
        (&json!(7), &json!("k"), &json!("bypass"))
    );
    let page = store.run(&["report", "paid", "--html"]).out;
    assert!(page.contains("In all 20 tokens in and 60 tokens out."), "{page}");
}

#[test]
fn a_run_says_why_it_failed() {
    let said = Store::with([broken("bad")]).run(&["explain", "bad"]);
    assert_eq!(
        said.out,
        "bad failed in the step `write` after 2 attempts: no network\n  \
         attempt 1 of `write` failed after 5ms and is repeated: no network\n      \
         because the cable <out>\n  \
         attempt 2 of `write` failed after 5ms and was the last: no network\n      \
         because the cable <out>\n\n\
         No calls are on record.\n"
    );
}

#[test]
fn of_many_failures_the_last_are_told() {
    let run = (1..=25).fold(Stored::of("many", "greet"), |run, at| run.failed((at, at + 1), "write", 1, 1, true));
    let said = Store::with([run]).run(&["explain", "many"]);
    assert!(said.out.contains("  … 5 failed attempts before\n"), "{}", said.out);
    assert_eq!(said.out.matches("and is repeated").count(), 20);
}
