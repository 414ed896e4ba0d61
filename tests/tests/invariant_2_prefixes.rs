//! Invariant 2, as far as it is in memory: folding the ticks of a run gives its state, and a run that was stored after
//! any of them goes on to an end; where there is no race, to the same one.

#![allow(clippy::expect_used)]

use std::collections::BTreeMap;

use stepcast::engine::{Commands, RunState};
use stepcast_tests::{Driver, Graph, Rng, What, for_seeds, lasting_text, race_free_graph, random_graph};

/// Folds what was done to a run, without giving out worker slots: starts are in no journal.
fn fold(graph: &Graph, driver: &Driver<'_>) -> RunState {
    let mut state = RunState::new(None);
    let mut out = Commands::new(false);
    for act in driver.acts.iter().filter(|act| !matches!(act.what, What::Take(_) | What::Parked(_))) {
        act.apply(&graph.def, &mut state, &mut out);
        out.drain();
    }
    state
}

#[test]
fn folding_the_ticks_gives_the_state() {
    for_seeds(800, |seed| {
        let mut rng = Rng::new(seed);
        let graph = if rng.percent(50) { random_graph(&mut rng) } else { race_free_graph(&mut rng) };
        let mut driver = Driver::new(&graph, seed, seed, None);
        while driver.outcomes.is_empty() {
            let act = driver.choose();
            driver.perform(&act);
            // Whether nobody is left to send is asked only by a host that has nothing to do, and journals do not say so.
            let asked = matches!(act.what, What::SendersGone);
            if !asked && (rng.percent(10) || !driver.outcomes.is_empty()) {
                assert_eq!(lasting_text(&fold(&graph, &driver)), lasting_text(&driver.state), "after {act:?}");
            }
        }
    });
}

#[test]
fn a_folded_run_goes_on() {
    for_seeds(800, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let mut driver = Driver::new(&graph, seed, seed, None);
        for _ in 0..rng.below(60) {
            if driver.outcomes.is_empty() {
                let act = driver.choose();
                driver.perform(&act);
            }
        }
        // Every report came while its execution was still queued there: its slots must not be lost.
        let mut folded = driver.restored(seed);
        folded.state = fold(&graph, &driver);
        folded.finish(|_, _, _| {});
        assert_eq!(folded.outcomes.len(), 1);
    });
}

#[test]
fn every_prefix_can_be_resumed_to_an_end() {
    let mut prefixes = 0;
    for_seeds(150, |seed| {
        let graph = random_graph(&mut Rng::new(seed));
        let mut driver = Driver::new(&graph, seed, seed, None);
        while driver.outcomes.is_empty() {
            let act = driver.choose();
            driver.perform(&act);
            if driver.outcomes.is_empty() && driver.acts.len() < 120 {
                let mut resumed = driver.restored(seed);
                resumed.finish(|_, _, _| {});
                assert_eq!(resumed.outcomes.len(), 1);
                assert!(resumed.state.exec_keys().next().is_none(), "an ended run has executions");
                prefixes += 1;
            }
        }
    });
    assert!(prefixes > 0, "no run was resumed");
}

#[test]
fn without_a_race_every_prefix_leads_to_the_same_end() {
    let mut ends = BTreeMap::<bool, u64>::new();
    for_seeds(200, |seed| {
        let mut rng = Rng::new(seed);
        let graph = race_free_graph(&mut rng);
        let mut driver = Driver::new(&graph, seed, seed, None).alone().unbounded();
        let mut resumed = Vec::new();
        while driver.outcomes.is_empty() {
            let act = driver.choose();
            driver.perform(&act);
            if driver.outcomes.is_empty() && rng.percent(15) && resumed.len() < 12 {
                resumed.push(driver.restored(rng.number()));
            }
        }
        *ends.entry(driver.result().starts_with("completed")).or_default() += 1;
        for mut other in resumed {
            other.finish(|_, _, _| {});
            assert_eq!(other.result(), driver.result(), "resumed after {} acts", other.acts.len());
        }
    });
    assert!(ends.get(&true).is_some_and(|completed| *completed > 0), "{ends:?}");
}
