//! Invariant 1: the same definition, state and tick give byte-identical state and commands, also for a state that was
//! JSON in between and a definition that was built anew.

#![allow(clippy::expect_used)]

use std::time::Duration;

use stepcast::WorkflowDef;
use stepcast::engine::{Commands, RunState, StateSnapshot};
use stepcast_tests::{Act, Driver, Rng, for_seeds, lasting_text, random_graph, render_all, state_text};

/// What an act makes of a state: the state's bytes and the commands' bytes.
fn apply(def: &WorkflowDef, state: &mut RunState, act: &Act, observe: bool) -> (String, Vec<String>) {
    let mut out = Commands::new(observe);
    act.apply(def, state, &mut out);
    let commands: Vec<_> = out.drain().collect();
    (state_text(state), render_all(&commands))
}

fn restored(def: &WorkflowDef, state: &RunState) -> RunState {
    let text = serde_json::to_string(&StateSnapshot::of(def, state)).expect("it serializes");
    let snapshot: StateSnapshot = serde_json::from_str(&text).expect("it deserializes");
    snapshot.restore(def).expect("an unedited snapshot restores")
}

#[test]
fn the_same_tick_makes_the_same_of_the_same_state() {
    let (mut compared, mut commands) = (0, 0);
    for_seeds(600, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let again = graph.again();
        let timeout = rng.percent(30).then(|| Duration::from_micros(20_000));
        let observe = rng.percent(50);
        let mut driver = Driver::new(&graph, seed, seed, timeout);
        driver.observe = observe;
        while driver.outcomes.is_empty() {
            let act = driver.choose();
            let mut copy = driver.state.clone();
            let mut under_other_definition = driver.state.clone();
            let result = apply(&graph.def, &mut copy, &act, observe);
            assert_eq!(result, apply(&again, &mut under_other_definition, &act, observe), "{act:?}");
            let told = driver.perform(&act);
            assert_eq!(result, (state_text(&driver.state), render_all(&told)), "{act:?}");
            compared += 1;
            commands += told.len();
        }
    });
    assert!(compared > 0 && commands > 0, "nothing was compared");
}

#[test]
fn a_state_that_was_json_goes_the_same_way() {
    for_seeds(400, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let mut driver = Driver::new(&graph, seed, seed, None);
        while driver.outcomes.is_empty() {
            let act = driver.choose();
            if rng.percent(10) {
                let (mut one, mut other) = (restored(&graph.def, &driver.state), restored(&graph.def, &driver.state));
                assert_eq!(lasting_text(&one), lasting_text(&driver.state));
                assert_eq!(
                    apply(&graph.def, &mut one, &act, true),
                    apply(&graph.def, &mut other, &act, true),
                    "{act:?}"
                );
                // Twice through JSON is once through JSON.
                let twice = restored(&graph.def, &restored(&graph.def, &one));
                assert_eq!(lasting_text(&twice), lasting_text(&one));
            }
            driver.perform(&act);
        }
    });
}

#[test]
fn who_looks_on_changes_nothing() {
    for_seeds(600, |seed| {
        let graph = random_graph(&mut Rng::new(seed));
        let mut unseen = Driver::new(&graph, seed, seed, None);
        unseen.finish(|_, _, _| {});
        // The common hops take a short cut where nobody looks and no worker slot is held.
        let mut seen = RunState::new(None);
        let mut live = RunState::new(None);
        for act in &unseen.acts {
            let (seen, _) = apply(&graph.def, &mut seen, act, true);
            let (live, _) = apply(&graph.def, &mut live, act, false);
            assert_eq!(seen, live, "{act:?}");
        }
    });
}
