use std::collections::BTreeMap;

use serde_json::Value;

use crate::store::{BEGAN, Store, Stored, asking, broken, greeted};

fn trace(store: &Store, run: &str) -> Vec<Value> {
    let said = store.run(&["export", run, "--perfetto"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let trace: Value = serde_json::from_str(&said.out).unwrap();
    trace["traceEvents"].as_array().unwrap().clone()
}

fn slices(trace: &[Value]) -> Vec<(u64, String, u64, u64)> {
    let slices = trace.iter().filter(|event| event["ph"] == "X");
    slices
        .map(|event| {
            let number = |name: &str| event[name].as_u64().unwrap();
            (number("tid"), event["name"].as_str().unwrap().to_owned(), number("ts"), number("ts") + number("dur"))
        })
        .collect()
}

/// Of two slices of one track, one lies in the other or they do not meet: else a viewer drops one.
fn assert_nested(trace: &[Value]) {
    let mut tracks: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    for (track, _, from, to) in slices(trace) {
        assert!(from >= BEGAN && to >= from);
        tracks.entry(track).or_default().push((from, to));
    }
    for spans in tracks.values() {
        for (at, one) in spans.iter().enumerate() {
            for other in &spans[..at] {
                let apart = one.0 >= other.1 || other.0 >= one.1;
                let within = (one.0 >= other.0 && one.1 <= other.1) || (other.0 >= one.0 && other.1 <= one.1);
                assert!(apart || within, "{one:?} and {other:?}");
            }
        }
    }
}

#[test]
fn a_run_is_a_trace() {
    let store = Store::with([greeted("good")]);
    let trace = trace(&store, "latest");
    assert_nested(&trace);
    let ms = |from: u64, to: u64| (BEGAN + from * 1_000, BEGAN + to * 1_000);
    let slices: Vec<(String, (u64, u64))> =
        slices(&trace).into_iter().map(|(_, name, from, to)| (name, (from, to))).collect();
    let expected = [("greet", ms(0, 40)), ("write", ms(1, 21)), ("polish", ms(21, 40))];
    assert_eq!(slices, expected.map(|(name, times)| (name.to_owned(), times)));
    let marks: Vec<&str> =
        trace.iter().filter(|event| event["ph"] == "i").map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(marks, ["Progress", "Greeting"]);
}

#[test]
fn attempts_at_the_same_time_have_lanes_of_their_own() {
    let mut run = Stored::of("fan", "greet");
    for exec in 1..=20 {
        run = run.attempt((exec, exec + 7), "write", exec, &["Draft"]);
    }
    let trace = trace(&Store::with([run]), "fan");
    assert_nested(&trace);
    let names: Vec<&str> = trace
        .iter()
        .filter(|event| event["name"] == "thread_name")
        .map(|event| event["args"]["name"].as_str().unwrap())
        .filter(|name| name.starts_with("write"))
        .collect();
    assert_eq!(names.len(), 7, "{names:?}");
}

#[test]
fn waits_lie_within_their_attempts_and_questions_are_marked() {
    let trace = trace(&Store::with([asking("open")]), "open");
    assert_nested(&trace);
    assert!(trace.iter().any(|event| event["name"] == "asked: May I <b>greet</b>?"));
}

#[test]
fn a_failure_says_why() {
    let trace = trace(&Store::with([broken("bad")]), "bad");
    let second = trace.iter().find(|event| event["name"] == "write (attempt 2)").unwrap();
    assert_eq!(second["args"]["error"], "no network");
}
