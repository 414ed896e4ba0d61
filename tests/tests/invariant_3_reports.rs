//! Invariant 3: any duplication of reports changes nothing. Any order of independent reports gives exactly one terminal
//! record, and the same result where there is no race.

#![allow(clippy::expect_used)]

use stepcast::engine::Command;
use stepcast_tests::{Act, Driver, Rng, What, for_seeds, race_free_graph, random_graph, render_all, state_text};

/// Whether a host may hand in this again: what has an id, or is told by what it answers.
fn is_told_by_its_id(act: &Act) -> bool {
    match &act.what {
        What::External { sender, .. } => sender.is_some(),
        What::Report { .. } | What::Commit { .. } | What::Answer { .. } | What::Kept { .. } => true,
        What::Start(_) | What::Cancel => true,
        What::Take(_) | What::Parked(_) | What::Timers | What::SendersGone => false,
    }
}

#[test]
fn repetitions_change_nothing() {
    let mut repeated = 0;
    for_seeds(1_000, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let mut driver = Driver::new(&graph, seed, seed, None);
        driver.observe = rng.percent(50);
        let mut ended = false;
        while !ended {
            let act = driver.choose();
            driver.perform(&act);
            ended = !driver.outcomes.is_empty();
            // Again at once, and whatever came before, at any later time.
            let times = if ended { 40 } else { rng.below(4) };
            for _ in 0..times {
                let past = &driver.acts[rng.below(driver.acts.len())];
                let mut act = if rng.percent(30) { act.clone() } else { past.clone() };
                if !is_told_by_its_id(&act) || (!ended && matches!(act.what, What::Cancel)) {
                    continue;
                }
                act.at = driver.now();
                let before = state_text(&driver.state);
                let mut out = stepcast::engine::Commands::new(driver.observe);
                act.apply(&graph.def, &mut driver.state, &mut out);
                let commands: Vec<Command> = out.drain().collect();
                assert!(commands.is_empty(), "{act:?} again gives {:?}", render_all(&commands));
                assert_eq!(before, state_text(&driver.state), "{act:?} again changed the state");
                repeated += 1;
            }
        }
    });
    assert!(repeated > 1_000, "only {repeated} repetitions");
}

#[test]
fn any_order_gives_one_terminal_record() {
    for_seeds(600, |seed| {
        let graph = random_graph(&mut Rng::new(seed));
        for order in 0..5 {
            let mut driver = Driver::new(&graph, seed, order, None);
            let mut finished = 0;
            driver.finish(|_, _, commands| {
                finished += commands.iter().filter(|command| matches!(command, Command::Finish(_))).count();
            });
            // An ended run takes nothing more.
            let ended = state_text(&driver.state);
            for act in driver.acts.clone().iter().rev().take(40) {
                driver.perform(act);
            }
            assert_eq!((finished, driver.outcomes.len()), (1, 1), "order {order}");
            assert_eq!(ended, state_text(&driver.state), "order {order}");
        }
    });
}

#[test]
fn without_a_race_any_order_gives_the_same_result() {
    let (mut completed, mut long) = (0, 0);
    for_seeds(500, |seed| {
        let graph = race_free_graph(&mut Rng::new(seed));
        let mut first = None;
        for order in 0..8 {
            let mut driver = Driver::new(&graph, seed, seed ^ (order << 32), None).alone().unbounded();
            driver.finish(|_, _, _| {});
            let result = driver.result();
            completed += u32::from(result.starts_with("completed"));
            long += u32::from(driver.acts.len() > 50);
            assert_eq!(first.get_or_insert(result.clone()), &result, "order {order}");
        }
    });
    assert!(completed > 0 && long > 0, "{completed} completed, {long} of them long");
}

#[test]
fn duplicates_and_any_order_together_give_the_same_result() {
    for_seeds(300, |seed| {
        let mut rng = Rng::new(seed);
        let graph = race_free_graph(&mut rng);
        let mut plain = Driver::new(&graph, seed, seed, None).alone().unbounded();
        plain.finish(|_, _, _| {});
        let mut doubled = Driver::new(&graph, seed, !seed, None).alone().unbounded();
        while doubled.outcomes.is_empty() {
            let act = doubled.choose();
            doubled.perform(&act);
            for _ in 0..rng.below(3) {
                let past = doubled.acts[rng.below(doubled.acts.len())].clone();
                if matches!(past.what, What::Report { .. }) {
                    doubled.perform(&past);
                }
            }
        }
        assert_eq!(plain.result(), doubled.result());
    });
}
