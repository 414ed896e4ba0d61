//! Invariant 2: folding the rows of a journal gives the run, and every prefix of it goes on to an end.

#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use stepcast::engine::{Command, OpId, OpKind, RunState};
use stepcast_core::journal::{Folded, Recorded};
use stepcast_tests::{Act, Driver, Graph, Journaled, Rng, What, for_seeds, race_free_graph, random_graph};

/// What lasts of a state. Time that passed without a row is not in the journal, and a restore forgets what only informs.
fn lasting(state: &RunState) -> String {
    let mut value = serde_json::to_value(state).expect("a state serializes");
    ["last_unhandled", "last_tick", "busy_micros"].iter().for_each(|field| value[*field] = Value::Null);
    value.to_string()
}

fn graph_of(rng: &mut Rng) -> Graph {
    if rng.percent(50) { random_graph(rng) } else { race_free_graph(rng) }
}

fn timeout_of(rng: &mut Rng) -> Option<Duration> {
    rng.percent(30).then(|| Duration::from_micros(1 + rng.below(60_000) as u64))
}

fn same(folded: &Folded, state: &RunState, journal: &Journaled<'_>) {
    assert_eq!(lasting(&folded.state), lasting(state), "{}", journal.text());
    assert_eq!(folded.row, journal.rows.len() as u64);
    assert_eq!(folded.outcome.is_some(), state.has_ended());
}

#[test]
fn folding_the_rows_gives_the_state() {
    let (mut ends, mut crashes, mut handed_out, mut cut_short) = (0, 0, 0, 0);
    let all = for_seeds(600, |seed| {
        let mut rng = Rng::new(seed);
        let graph = graph_of(&mut rng);
        let mut journal = Journaled::new(Driver::new(&graph, seed, seed, timeout_of(&mut rng)), seed);
        while journal.driver.outcomes.is_empty() {
            let rows = journal.rows.len();
            let (act, _) = journal.step();
            // Between the row that wants kept events offered and the one that hands them out is a moment too.
            let offers = journal.driver.is_offering();
            let hands_out = matches!(act.what, What::Kept { .. }) && rows < journal.rows.len();
            handed_out += usize::from(hands_out);
            if rng.below(rows + 10) < 3 || hands_out || offers || !journal.driver.outcomes.is_empty() {
                let folded = journal.folded();
                same(&folded, &journal.driver.state, &journal);
                // With a row, the time counted is the same to the microsecond.
                if rows < journal.rows.len() {
                    assert_eq!(folded.state.busy_time(), journal.driver.state.busy_time());
                }
            }
            let crashes_now = rng.below(rows + 50) < 1 || (offers && rng.percent(20));
            if crashes_now && journal.driver.outcomes.is_empty() && !journal.rows.is_empty() {
                journal.crash();
                same(&journal.folded(), &journal.driver.state, &journal);
                crashes += 1;
                cut_short += usize::from(offers);
            }
        }
        let outcome = journal.folded().outcome.map(|outcome| stepcast_tests::render_outcome(&outcome));
        let ended = journal.driver.outcomes.first().map(stepcast_tests::render_outcome);
        // Which steps were active, and what nobody took last, is told of the moment, not of the run.
        ends += usize::from(outcome == ended);
    });
    assert!(!all || (ends > 500 && crashes > 100), "{ends} ends as in the journal, {crashes} crashes");
    assert!(!all || handed_out > 8, "{handed_out} rows hand out kept events");
    assert!(!all || cut_short > 8, "{cut_short} crashes before kept events were handed out");
}

#[test]
fn a_checkpoint_and_the_rows_after_it_give_what_all_rows_give() {
    let mut compared = 0;
    let all = for_seeds(300, |seed| {
        let mut rng = Rng::new(seed);
        let graph = graph_of(&mut rng);
        let mut journal = Journaled::new(Driver::new(&graph, seed, seed, timeout_of(&mut rng)), seed);
        let mut checkpoint = None;
        while journal.driver.outcomes.is_empty() {
            journal.step();
            let alive = journal.driver.outcomes.is_empty() && !journal.rows.is_empty();
            let offers = journal.driver.is_offering();
            if alive && (offers || rng.below(journal.rows.len() + 10) < 2) {
                // Its text, and what a fold makes of itself, are the same.
                let kept = journal.folded().kept;
                checkpoint = Some((journal.checkpoint(kept), journal.rows.len()));
            }
            if alive && rng.below(journal.rows.len() + 50) < 1 {
                journal.crash();
            }
            if let (Some((checkpoint, from)), true) = (&checkpoint, rng.below(journal.rows.len() + 10) < 4) {
                // Rows that it holds already may still be there.
                let from = if rng.percent(50) { *from } else { rng.below(*from + 1) };
                let later = journal.fold_from(Some(checkpoint.clone()), from).expect("it folds");
                let whole = journal.folded();
                same(&later, &whole.state, &journal);
                assert_eq!(later.kept, whole.kept, "{}", journal.text());
                compared += 1;
            }
        }
    });
    assert!(!all || compared > 300, "{compared} compared");
}

#[test]
fn every_prefix_goes_on_to_an_end() {
    let mut prefixes = 0;
    let all = for_seeds(30, |seed| {
        let graph = random_graph(&mut Rng::new(seed));
        let mut journal = Journaled::new(Driver::new(&graph, seed, seed, None), seed);
        while journal.driver.outcomes.is_empty() {
            journal.step();
            if journal.driver.outcomes.is_empty() && !journal.rows.is_empty() && journal.rows.len() < 50 {
                let mut other = journal.clone();
                other.crash();
                while other.driver.outcomes.is_empty() {
                    other.step();
                }
                assert_eq!(other.driver.outcomes.len(), 1);
                let folded = other.folded();
                same(&folded, &other.driver.state, &other);
                prefixes += 1;
            }
        }
    });
    assert!(!all || prefixes > 200, "{prefixes} prefixes");
}

#[test]
fn without_a_race_every_prefix_goes_on_to_the_same_end() {
    let mut compared = 0;
    let all = for_seeds(100, |seed| {
        let mut rng = Rng::new(seed);
        let graph = race_free_graph(&mut rng);
        let mut journal = Journaled::new(Driver::new(&graph, seed, seed, None).alone().unbounded(), seed);
        let mut others = Vec::new();
        while journal.driver.outcomes.is_empty() {
            journal.step();
            if journal.driver.outcomes.is_empty() && rng.percent(15) && others.len() < 8 && !journal.rows.is_empty() {
                others.push(journal.clone());
            }
        }
        for mut other in others {
            other.crash();
            while other.driver.outcomes.is_empty() {
                other.step();
            }
            assert_eq!(other.driver.result(), journal.driver.result(), "{}", other.text());
            compared += 1;
        }
    });
    assert!(!all || compared > 100, "{compared} compared");
}

/// What a host keeps of the reducer's commands, as its journal must give it back.
#[derive(Default)]
struct Host {
    /// Executions, and the operations whose results they have.
    results: BTreeMap<u64, BTreeSet<OpId>>,
    seq: u64,
}

impl Host {
    fn follow(&mut self, act: &Act, commands: &[Command]) {
        if let What::Report { exec, outcome: Ok(_), .. } = &act.what {
            self.results.remove(&exec.serial);
        }
        for command in commands {
            match command {
                Command::Publish(_) => self.seq += 1,
                Command::Resume { exec, op, result } if Recorded::of(result).is_some() => {
                    self.results.entry(exec.serial).or_default().insert(op.clone());
                }
                Command::Abort { exec } | Command::Forget { exec } => drop(self.results.remove(&exec.serial)),
                Command::Finish(_) => {
                    self.seq += 1;
                    self.results.clear();
                }
                _ => {}
            }
        }
    }

    fn check(&self, journal: &Journaled<'_>) -> usize {
        let kept = journal.folded().kept;
        assert_eq!(kept.seq, self.seq, "{}", journal.text());
        let serials: Vec<u64> = kept.logs.0.keys().copied().collect();
        assert_eq!(serials, self.results.keys().copied().collect::<Vec<_>>(), "{}", journal.text());
        for (serial, ops) in &self.results {
            for op in ops {
                let label =
                    kept.logs.0[serial].labels.iter().find(|label| (label.kind, &*label.label) == (op.kind, &op.label));
                let label = label.unwrap_or_else(|| panic!("{serial} has no {op:?}"));
                assert!(label.done > op.ordinal, "{serial} has not done {op:?}");
                let result = label.results.get(op.ordinal as usize).is_some_and(Option::is_some);
                assert!(result || op.kind == OpKind::SendNow, "{serial} has no result of {op:?}");
            }
        }
        self.results.len()
    }
}

#[test]
fn the_stream_and_the_results_of_operations_are_as_they_were() {
    let (mut published, mut records) = (0, 0);
    let all = for_seeds(100, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let mut journal = Journaled::new(Driver::new(&graph, seed, seed, None), seed);
        let mut host = Host::default();
        while journal.driver.outcomes.is_empty() {
            let (act, commands) = journal.step();
            host.follow(&act, &commands);
            if rng.below(journal.rows.len() + 10) < 3 {
                records += host.check(&journal);
            }
        }
        host.check(&journal);
        published += host.seq;
    });
    assert!(!all || (published > 100 && records > 100), "{published} published, {records} records");
}
