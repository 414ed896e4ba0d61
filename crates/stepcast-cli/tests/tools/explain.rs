use serde_json::json;

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
    let ops = |value: i32| json!([{ "k": "call", "l": "pay", "n": 1, "r": [[0, { "json": value }]] }]);
    let between = json!({ "between": { "exec": 1, "step": "write" } });
    let run = Stored::of("paid", "greet")
        .whole_row(5, json!({ "do": between, "ops": ops(7) }))
        .whole_row(9, json!({ "do": between, "ops": ops(8) }));
    let store = Store::with([run]);
    let said = store.run(&["explain", "paid", "--calls"]);
    assert_eq!(
        said.out,
        "STEP   EXEC  CALL  DECISION  WHY                                                RESULT\n\
         write  1     pay   miss      no result was recorded yet, so it was made         7\n\
         write  1     pay   bypass    it was made again although a result was recorded  8\n\
         2 calls; a repeated execution gets these results instead of calling again\n"
            .replace("made         7", "made        7")
            .replace(
                "WHY                                                RESULT",
                "WHY                                               RESULT"
            ),
        "{}",
        said.err
    );
    assert_eq!(store.json(&["explain", "paid"])[1]["result"], 8);
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
         The journal has no calls of this run.\n"
    );
}
