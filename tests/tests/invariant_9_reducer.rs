//! Invariant 9, of the reducer: it cannot fail. No tick on no state panics, leaves a state that does not fit together,
//! or wedges the run.

#![allow(clippy::expect_used)]

use std::time::Duration;

use stepcast::RunPolicy;
use stepcast::engine::{Commands, Outcome, RunFailure, RunState, StateSnapshot, reduce};
use stepcast_tests::{Driver, Graph, Rng, for_seeds, garbage, random_graph, random_graph_under, state_text, wind_up};

/// The consistency check of a restore, as the judge of a state.
fn fits_together(graph: &Graph, state: &RunState) -> RunState {
    let text = serde_json::to_string(&StateSnapshot::of(&graph.def, state)).expect("it serializes");
    let snapshot: StateSnapshot = serde_json::from_str(&text).expect("it deserializes");
    snapshot.restore(&graph.def).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A run in the middle of its life.
fn some_state<'g>(graph: &'g Graph, rng: &mut Rng, seed: u64) -> Driver<'g> {
    let timeout = rng.percent(20).then(|| Duration::from_micros(rng.number() >> rng.below(64)));
    let mut driver = Driver::new(graph, seed, seed, timeout);
    for _ in 0..rng.below(50) {
        if driver.outcomes.is_empty() {
            let act = driver.choose();
            driver.perform(&act);
        }
    }
    driver
}

#[test]
fn garbage_ticks_harm_nothing() {
    let mut unchanged = 0;
    for_seeds(3_000, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let mut driver = some_state(&graph, &mut rng, seed);
        let now = driver.now();
        let state = &mut driver.state;
        let mut out = Commands::new(rng.percent(50));
        let mut ends = driver.outcomes.len();
        for _ in 0..20 {
            let before = state_text(state);
            let tick = garbage(&mut rng, state, now);
            let shown = format!("{tick:?}");
            reduce(&graph.def, state, tick, &mut out);
            ends += out.drain().filter(|command| matches!(command, stepcast::engine::Command::Finish(_))).count();
            unchanged += u32::from(before == state_text(state));
            if !state.has_ended() {
                fits_together(&graph, state);
            }
            assert_eq!(ends, usize::from(state.has_ended()), "after {shown}");
        }
        if !state.has_ended() {
            assert_eq!(wind_up(&graph.def, &mut fits_together(&graph, state)), 1);
            assert_eq!(wind_up(&graph.def, state), 1);
        }
        assert!(state.exec_keys().next().is_none() && state.pending_inputs(&graph.def).is_empty());
    });
    assert!(unchanged > 1_000, "hardly any tick was refused");
}

#[test]
fn garbage_before_the_start_and_after_the_end_does_nothing() {
    for_seeds(500, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let mut driver = Driver::new(&graph, seed, seed, None);
        driver.finish(|_, _, _| {});
        let ended = state_text(&driver.state);
        let mut out = Commands::new(true);
        for _ in 0..40 {
            let tick = garbage(&mut rng, &driver.state, driver.now());
            reduce(&graph.def, &mut driver.state, tick, &mut out);
        }
        assert!(out.is_empty());
        assert_eq!(ended, state_text(&driver.state));
        let mut fresh = RunState::new(None);
        for _ in 0..40 {
            let tick = garbage(&mut rng, &fresh, 0);
            reduce(&graph.def, &mut fresh, tick, &mut out);
            out.drain();
            if !fresh.has_ended() {
                fits_together(&graph, &fresh);
            }
        }
    });
}

#[test]
fn a_full_queue_ends_the_run_and_leaves_nothing() {
    let mut full = 0;
    for_seeds(1_500, |seed| {
        let mut rng = Rng::new(seed);
        let mut policy = RunPolicy::default();
        policy.max_queued = 1 + rng.below(6);
        let graph = random_graph_under(&mut rng, &policy);
        let mut driver = Driver::new(&graph, seed, seed, None);
        driver.finish(|_, _, _| {});
        assert_eq!(driver.outcomes.len(), 1);
        full += u32::from(matches!(driver.outcomes[0], Outcome::Failed(RunFailure::QueueFull { .. })));
        // The tick that overflows goes no further: nothing is put into a run that has ended.
        let state: serde_json::Value = serde_json::from_str(&state_text(&driver.state)).expect("it is JSON");
        for part in ["scopes", "joins", "waits", "inputs", "buffers", "timers"] {
            assert!(state[part].is_null(), "{part}: {}", state[part]);
        }
        assert_eq!(state["execs"]["slots"].as_array().map(Vec::len), Some(0), "{state}");
        assert!(driver.state.take_ready(|_| 0).is_none() && !driver.state.is_busy());
    });
    assert!(full > 100, "only {full} queues were full");
}
