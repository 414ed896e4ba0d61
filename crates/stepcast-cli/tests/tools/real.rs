//! On runs that were really made.

use serde_json::{Value, json};

use crate::store::Store;

fn report(store: &Store) -> Value {
    store.json(&["report"])[0].clone()
}

#[test]
fn a_run_that_went_well_is_told_from_its_start_to_its_end() {
    let store = Store::empty();
    assert_eq!(store.run(&["run", "greet", "--arg", "name=Ada"]).code, Some(0));
    let report = report(&store);
    assert_eq!((&report["run"]["status"], &report["gaps"]), (&json!("completed"), &json!([])));
    let steps: Vec<&Value> = report["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["step"]).collect();
    assert_eq!(steps, ["write", "polish"]);
    assert_eq!(report["overlay"]["events"], json!({ "Guest": 1, "Draft": 1, "Greeting": 1 }));
    assert!(store.run(&["explain", "latest"]).out.contains(" completed in "));
    let trace: Value = serde_json::from_str(&store.run(&["export"]).out).unwrap();
    let slices = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "X").count();
    assert_eq!(slices, 3, "the run and two attempts");
    assert_eq!(store.run(&["doctor"]).code, Some(0));
}

#[test]
fn a_run_that_waits_is_told_by_what_it_waits_for() {
    let store = Store::empty();
    assert_eq!(store.run(&["run", "approval", "--no-input"]).code, Some(3));
    let told = report(&store);
    assert!(told["verdict"].as_str().unwrap().starts_with("waits for an answer to input 2 of `review`"), "{told}");
    assert_eq!(told["overlay"]["steps"]["review"]["waiting"], 1);
    assert_eq!(told["overlay"]["steps"]["review"]["running"], 0, "it is not counted twice");
    assert!(store.run(&["graph", "--run", "latest"]).out.contains("1 waiting"));

    assert_eq!(store.run(&["answer", "latest", "--arg", "approved=true"]).code, Some(0));
    let verdict = report(&store)["verdict"].clone();
    assert!(verdict.as_str().unwrap().starts_with("has an answer or event that nobody has taken yet"), "{verdict}");
    let said = store.run(&["doctor"]);
    assert!(said.code == Some(1) && said.out.contains("look  mail"), "{said:?}");

    assert_eq!(store.run(&["resume", "latest"]).code, Some(0));
    let told = report(&store);
    assert_eq!(told["run"]["status"], "completed");
    assert_eq!(told["inputs"][0]["answer"], json!({ "approved": true }));
    assert_eq!(store.run(&["gc", "--older-than", "0s"]).out, "1 run removed\n");
}
