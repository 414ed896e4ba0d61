//! Invariant 6, of snapshots: one that was cut, mixed up or edited by hand is refused, or gives a run that goes on to an
//! end. Neither panics and neither hangs.

#![allow(clippy::expect_used)]

use serde_json::Value;
use stepcast::engine::{Commands, StateSnapshot, Tick, TickKind, Time, reduce};
use stepcast_tests::{Driver, Graph, Rng, for_seeds, garbage, random_graph, wind_up};

fn snapshot_of_some_run(graph: &Graph, rng: &mut Rng, seed: u64) -> Value {
    let mut driver = Driver::new(graph, seed, seed, None);
    for _ in 0..10 + rng.below(60) {
        if driver.outcomes.is_empty() {
            let act = driver.choose();
            driver.perform(&act);
        }
    }
    serde_json::to_value(StateSnapshot::of(&graph.def, &driver.state)).expect("it serializes")
}

/// Every place in a value, as the way to it.
fn places(value: &Value, at: &mut String, all: &mut Vec<String>) {
    let length = at.len();
    let mut inner = |key: &str, value: &Value| {
        at.push('/');
        at.push_str(&key.replace('~', "~0").replace('/', "~1"));
        all.push(at.clone());
        places(value, at, all);
        at.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| inner(key, value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(ix, value)| inner(&ix.to_string(), value)),
        _ => {}
    }
}

fn edit(rng: &mut Rng, snapshot: &mut Value) -> String {
    let mut all = Vec::new();
    places(&snapshot["state"], &mut "/state".to_owned(), &mut all);
    if rng.percent(15) {
        places(&snapshot["steps"], &mut "/steps".to_owned(), &mut all);
        places(&snapshot["events"], &mut "/events".to_owned(), &mut all);
    }
    let (at, from) = (rng.pick(&all).clone(), rng.pick(&all).clone());
    let other = snapshot.pointer(&from).cloned().unwrap_or_default();
    let place = snapshot.pointer_mut(&at).expect("it was listed");
    let numbers = [0, 1, 2, 3, 7, u64::from(u32::MAX), u64::MAX, u64::MAX - 1, u64::from(u32::MAX) - 1];
    *place = match (rng.below(8), place.take()) {
        (0, _) => other,
        (1, _) => Value::Null,
        (2..6, Value::Number(_)) => (*rng.pick(&numbers)).into(),
        (_, Value::Number(number)) => number.as_u64().map_or(0, |number| number.wrapping_add(1)).into(),
        (2..4, Value::Array(mut list)) => {
            let dropped = rng.below(list.len());
            if !list.is_empty() {
                list.remove(dropped);
            }
            list.into()
        }
        (4..6, Value::Array(mut list)) => {
            list.extend(list.first().cloned());
            list.into()
        }
        (_, Value::Array(mut list)) => {
            list.reverse();
            list.into()
        }
        (2..5, Value::String(_)) => {
            ["active", "delayed", "asked", "running", "created", "P1", "x"][rng.below(7)].into()
        }
        (_, kept) => kept,
    };
    format!("{at} is {}", snapshot.pointer(&at).unwrap_or(&Value::Null))
}

#[test]
fn an_edited_snapshot_is_refused_or_goes_on() {
    let (mut refused, mut accepted) = (0, 0);
    for_seeds(1_500, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let whole = snapshot_of_some_run(&graph, &mut rng, seed);
        for _ in 0..12 {
            let mut edited = whole.clone();
            let edits: Vec<String> = (0..1 + rng.below(3)).map(|_| edit(&mut rng, &mut edited)).collect();
            let restored =
                serde_json::from_value::<StateSnapshot>(edited).ok().map(|snapshot| snapshot.restore(&graph.def));
            let Some(Ok(mut state)) = restored else {
                refused += 1;
                continue;
            };
            accepted += 1;
            if std::env::var_os("STEPCAST_TRACE").is_some() {
                eprintln!("{edits:?}");
            }
            let mut out = Commands::new(true);
            state.pending_inputs(&graph.def);
            state.activity(&graph.def);
            for _ in 0..10 {
                let tick = garbage(&mut rng, &state, 50_000);
                reduce(&graph.def, &mut state, tick, &mut out);
                out.drain();
            }
            if !state.has_begun() {
                let start = TickKind::Start { event: stepcast_tests::make(stepcast_tests::BEGIN, 1) };
                reduce(&graph.def, &mut state, Tick { at: Time(1), kind: start }, &mut out);
            }
            if !state.has_ended() {
                wind_up(&graph.def, &mut state);
            }
        }
    });
    assert!(refused > 500 && accepted > 500, "{refused} refused, {accepted} accepted");
}
