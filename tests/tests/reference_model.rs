//! The reducer against a slow model of it, over random workflows, orders and interruptions: every event is taken, kept,
//! collected or reported, every collector runs once per batch, and nothing of a batch is left when its work is done.

#![allow(clippy::expect_used)]

use std::collections::BTreeMap;

use stepcast_tests::{Act, Driver, Graph, Model, Rng, What, for_seeds, random_graph, render_outcome, waiting_graph};

/// What the random cases have to come to, each of it often enough to mean something.
const REACHED: [&str; 23] = [
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
    "taken event dropped",
    "wait instead of a slot",
    "wait instead of an execution",
    "wait satisfied",
];

fn any_graph(rng: &mut Rng) -> Graph {
    if rng.percent(50) { waiting_graph(rng) } else { random_graph(rng) }
}

/// Does one thing to both, and whatever is offered again because of it.
fn step(driver: &mut Driver<'_>, model: &mut Model<'_>) -> Act {
    let act = driver.choose();
    let mut commands = driver.perform(&act);
    while driver.is_offering() {
        let kept = driver.choose();
        commands.extend(driver.perform(&kept));
    }
    model.apply(&act);
    model.compare(&driver.state, &commands);
    act
}

#[test]
fn the_engine_does_what_the_model_does() {
    let mut seen = BTreeMap::<&str, u64>::new();
    let mut ends = BTreeMap::<String, u64>::new();
    let all = for_seeds(4_000, |seed| {
        let graph = any_graph(&mut Rng::new(seed));
        let mut driver = Driver::new(&graph, seed, seed, None);
        let mut model = Model::new(&graph);
        while driver.outcomes.is_empty() {
            step(&mut driver, &mut model);
        }
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
    let (mut held, mut taken) = (0, 0);
    let all = for_seeds(1_000, |seed| {
        let mut rng = Rng::new(seed);
        let graph = any_graph(&mut rng);
        let mut driver = Driver::new(&graph, seed, seed, None);
        let mut model = Model::new(&graph);
        while driver.outcomes.is_empty() {
            let act = step(&mut driver, &mut model);
            if driver.outcomes.is_empty() && !matches!(act.what, What::Take(_)) && rng.percent(5) {
                driver = driver.restored(rng.number());
                model.restored();
                model.compare(&driver.state, &[]);
                restores += 1;
            }
        }
        let count = |what: &str| model.seen.get(what).copied().unwrap_or(0);
        held += count("event held");
        taken += count("held event taken");
    });
    if all {
        assert!(restores > 100 && held > 20 && taken > 5, "{restores} restores, {held} events held, {taken} taken");
    }
}
