//! Killing the process between any two writes loses nothing acknowledged and does no recorded operation twice.
//!
//! Each seed starts a real process on an SQLite file, stops it at a fault point of the writer, kills it with SIGKILL, and
//! starts it again, until the run has ended. Result, stream, state and effects are then those of an undisturbed run.

#[allow(dead_code)]
mod crashes {
    pub mod flows;
    pub mod process;
}

use std::collections::BTreeMap;

use crashes::flows::FLOWS;
use crashes::process::{Ended, Outcome, Plan, Work};

/// Processes that are killed the first time, over all workflows; `STEPCAST_CRASH_SEEDS` asks for more.
const SEEDS: u64 = 240;

/// What a child process does; it does nothing unless it is started as one.
#[test]
fn child() {
    if let Some(plan) = Plan::from_env() {
        crashes::process::child(&plan);
    }
}

#[test]
fn a_kill_between_any_two_writes_changes_nothing() {
    let seeds = std::env::var("STEPCAST_CRASH_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let share = seeds.div_ceil(FLOWS.len() as u64);
    let mut kills = BTreeMap::new();
    for flow in FLOWS {
        let undisturbed = Work::new(flow).to_the_end(|_| None);
        let points = undisturbed.points;
        assert!(points > 3, "{flow}: only {points} fault points");
        for seed in 0..share {
            // The first kills go through all points evenly; what comes after one is chosen by the seed.
            let first = seed * points / share;
            let mut next = Some(first);
            let work = Work::new(flow);
            let found = work.to_the_end(|attempt| {
                let at = next.take();
                next = (attempt < 3).then(|| mix(seed, u64::from(attempt)) % (points * 2)).filter(|at| *at < points);
                at
            });
            *kills.entry(flow).or_insert(0) += found.kills;
            check(flow, seed, &undisturbed, &found);
        }
    }
    println!("kills: {kills:?}");
    assert!(kills.values().all(|kills| *kills >= share / 2), "few processes were killed: {kills:?}");
}

fn check(flow: &str, seed: u64, undisturbed: &Ended, found: &Ended) {
    let of = format!("workflow {flow}, seed {seed}, {} kill(s)", found.kills);
    assert_eq!(found.outcome, undisturbed.outcome, "{of}");
    assert!(matches!(found.outcome, Outcome::Completed(_)), "{of}: {:?}", found.outcome);
    assert_eq!(found.stream, undisturbed.stream, "{of}: the stream");
    assert_eq!(found.twice, Vec::<String>::new(), "{of}: recorded calls that were made again");
    for (label, expected) in &undisturbed.effects {
        let times = found.effects.get(label).copied().unwrap_or(0);
        assert!(times >= *expected, "{of}: the effect {label} is missing");
        assert!(times <= expected + found.kills, "{of}: the effect {label} happened {times} times");
    }
    assert_eq!(found.effects.len(), undisturbed.effects.len(), "{of}: other effects than undisturbed");
}

fn mix(seed: u64, attempt: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(attempt.wrapping_mul(0xBF58_476D_1CE4_E5B9));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 31)
}
