use std::time::{SystemTime, UNIX_EPOCH};

use stepcast::backend::{Backend, StatusChange};
use stepcast::engine::Time;

use crate::store::{Store, Stored, asking, greeted};

fn now() -> Time {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time(u64::try_from(passed.as_micros()).unwrap())
}

fn store() -> Store {
    let done = StatusChange::Completed { result: "{}".into(), failures: 0 };
    Store::with([greeted("old"), asking("open"), Stored::of("new", "greet").ends(0, done).at(now())])
}

fn left(store: &Store) -> Vec<&'static str> {
    let backend = store.read();
    let there = ["old", "open", "new"].into_iter().filter(|run| backend.run(run).unwrap().is_some()).collect();
    backend.close().unwrap();
    there
}

#[test]
fn only_runs_that_ended_long_ago_go() {
    let store = store();
    let said = store.run(&["gc", "--older-than", "1d", "--vacuum"]);
    assert_eq!((said.code, said.out.lines().next().unwrap_or_default().starts_with("1 run removed")), (Some(0), true));
    assert_eq!(left(&store), ["open", "new"]);
}

#[test]
fn a_dry_run_removes_nothing() {
    let store = store();
    let said = store.run(&["gc", "--dry-run"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "1 run would be removed\n"), "{}", said.err);
    assert_eq!(left(&store), ["old", "open", "new"]);
}

#[test]
fn a_file_is_made_smaller() {
    let text = "x".repeat(100_000);
    let runs = (0..20).map(|at| greeted(&format!("run-{at}")).event(41, "Long", serde_json::json!(text)));
    let store = Store::with(runs);
    let before = std::fs::metadata(store.file()).unwrap().len();
    let said = store.json(&["gc", "--older-than", "0s", "--vacuum"]);
    assert_eq!(said[0]["runs"], 20);
    let after = std::fs::metadata(store.file()).unwrap().len();
    assert!(after < before / 4, "{before} to {after}");
}

#[test]
fn without_a_file_nothing_is_made() {
    let store = Store::empty();
    let said = store.run(&["gc"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "0 runs removed\n"));
    assert!(!store.file().exists());
    assert_eq!(store.run(&["gc", "--older-than", "soon"]).code, Some(2));
}
