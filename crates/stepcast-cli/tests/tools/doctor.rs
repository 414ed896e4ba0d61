use serde_json::Value;

use crate::store::{Store, Stored, asking, greeted};

fn found(store: &Store) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = store.json(&["doctor"]);
    all.iter().map(|found| (text(&found["verdict"]), text(&found["check"]), text(&found["text"]))).collect()
}

#[test]
fn a_store_in_order_is_in_order() {
    let store = Store::with([greeted("good"), asking("open")]);
    let said = store.run(&["doctor"]);
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(said.out.ends_with("Everything is in order.\n"), "{}", said.out);
    assert!(said.out.contains("content    2 runs read, no damage"), "{}", said.out);
}

#[test]
fn what_nobody_drives_needs_attention() {
    let store = Store::with([Stored::of("cut", "greet"), Stored::of("lost", "elsewhere"), asking("late").due(100)]);
    let said = store.run(&["doctor"]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    let found = found(&store);
    let attention = |check: &str| {
        let of = found.iter().find(|(verdict, what, _)| verdict == "attention" && what == check);
        of.map(|(_, _, text)| text.clone()).unwrap_or_default()
    };
    assert_eq!(attention("runs"), "interrupted, with nobody to go on: lost, cut");
    assert_eq!(attention("timers"), "past their time, with nobody to wake them: late");
    assert!(attention("unclaimed").starts_with("`elsewhere` is not in this binary; 1 open run of it"), "{found:?}");
}

#[test]
fn damage_is_found() {
    let store = Store::with((0..50).map(|at| greeted(&format!("run-{at}"))));
    let mut bytes = std::fs::read(store.file()).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0x5a);
    std::fs::write(store.file(), bytes).unwrap();
    let said = store.run(&["doctor"]);
    assert!(said.code == Some(1) && said.out.contains("bad   content"), "{said:?}");
}

#[test]
fn a_file_that_is_no_store_is_called_so() {
    let store = Store::empty();
    std::fs::write(store.file(), "nothing of the kind, but long enough to be looked at".repeat(100)).unwrap();
    let said = store.run(&["doctor"]);
    assert!(said.code == Some(1) && said.out.contains("bad   file"), "{said:?}");
}

#[test]
fn without_a_file_there_is_nothing_to_do() {
    let store = Store::empty();
    let said = store.run(&["doctor"]);
    assert!(said.code == Some(0) && said.out.contains("no file yet"), "{said:?}");
    assert!(!store.file().exists());
}
