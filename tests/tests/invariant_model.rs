//! The reducer against a slow model of it, over random workflows, orders and interruptions: every event is taken, kept,
//! collected or reported, every collector runs once per batch, and nothing of a batch is left when its work is done.

#![allow(clippy::expect_used)]

use std::collections::BTreeMap;

use stepcast_tests::{Driver, Model, Rng, What, for_seeds, random_graph, render_outcome};

/// What the random cases have to come to, each of it often enough to mean something.
const REACHED: [&str; 21] = [
    "answer",
    "answer inside a batch",
    "answer to a wait",
    "batch",
    "batch in a batch",
    "deadline",
    "dynamic set",
    "empty collector",
    "event shared by waits",
    "execution given up",
    "filled collector",
    "full take",
    "join",
    "join dropped with its member",
    "kept event taken",
    "mailbox overflow",
    "recovery",
    "retry",
    "unhandled",
    "wait instead of an execution",
    "wait satisfied",
];

#[test]
fn the_engine_does_what_the_model_does() {
    let mut seen = BTreeMap::<&str, u64>::new();
    let mut ends = BTreeMap::<String, u64>::new();
    let all = for_seeds(4_000, |seed| {
        let graph = random_graph(&mut Rng::new(seed));
        let mut driver = Driver::new(&graph, seed, seed, None);
        let mut model = Model::new(&graph);
        driver.finish(|driver, act, commands| {
            model.apply(act);
            model.compare(&driver.state, commands);
        });
        let [outcome] = &driver.outcomes[..] else { panic!("{:?}", driver.outcomes) };
        let end = render_outcome(outcome);
        *ends.entry(end.split_whitespace().next().expect("a word").to_owned()).or_default() += 1;
        model.seen.iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    });
    if all {
        let rare: Vec<_> = REACHED.iter().filter(|what| seen.get(*what).is_none_or(|times| *times < 20)).collect();
        assert!(rare.is_empty(), "the cases hardly come to {rare:?}: {seen:?}");
        assert!(ends.len() >= 3 && ends.values().all(|times| *times > 100), "{ends:?}");
    }
}

#[test]
fn the_model_holds_across_restores() {
    let mut restores = 0;
    for_seeds(1_500, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let mut driver = Driver::new(&graph, seed, seed, None);
        let mut model = Model::new(&graph);
        while driver.outcomes.is_empty() {
            let act = driver.choose();
            let commands = driver.perform(&act);
            model.apply(&act);
            model.compare(&driver.state, &commands);
            if driver.outcomes.is_empty() && !matches!(act.what, What::Take(_)) && rng.percent(5) {
                driver = driver.restored(rng.number());
                model.restored();
                model.compare(&driver.state, &[]);
                restores += 1;
            }
        }
    });
    assert!(restores > 0, "no run was restored");
}
