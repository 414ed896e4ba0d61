//! Journals that are damaged, or of another version or definition: an error, and never a panic.

#![allow(clippy::expect_used)]

use std::time::Duration;

use serde_json::Value;
use stepcast_core::journal::{JournalError, Kept, fold};
use stepcast_tests::{Driver, Graph, Journaled, Rng, for_seeds, random_graph};

fn timeout_of(rng: &mut Rng) -> Option<Duration> {
    rng.percent(30).then(|| Duration::from_micros(1 + rng.below(60_000) as u64))
}

/// A run of some rows that has not ended, and its rows.
fn some_rows(seed: u64) -> (Graph, Vec<Vec<u8>>) {
    let mut rng = Rng::new(seed);
    let graph = random_graph(&mut rng);
    let rows = {
        let mut journal = Journaled::new(Driver::new(&graph, seed, seed, timeout_of(&mut rng)), seed);
        let most = 5 + rng.below(60);
        while journal.driver.outcomes.is_empty() && journal.driver.acts.len() < most {
            journal.step();
        }
        journal.rows
    };
    (graph, rows)
}

#[test]
fn rows_that_are_missing_swapped_or_there_twice_are_refused() {
    let mut checked = 0;
    let all = for_seeds(200, |seed| {
        let (graph, rows) = some_rows(seed);
        if rows.len() < 4 {
            return;
        }
        let mut rng = Rng::new(seed);
        let at = 1 + rng.below(rows.len() - 2);
        let without: Vec<_> = rows.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, row)| row.clone()).collect();
        let error = fold(&graph.def, None, &without).expect_err("a row is missing");
        let (expected, found) = (at as u64 + 1, at as u64 + 2);
        assert!(matches!(error, JournalError::Gap { expected: e, found: f } if (e, f) == (expected, found)), "{error}");

        let mut twice = rows.clone();
        twice.insert(at + 1, rows[at].clone());
        let error = fold(&graph.def, None, &twice).expect_err("a row is there twice");
        assert!(matches!(error, JournalError::Repeated { row } if row == expected), "{error}");

        let mut swapped = rows.clone();
        swapped.swap(at, at + 1);
        let error = fold(&graph.def, None, &swapped).expect_err("two rows are swapped");
        assert!(matches!(error, JournalError::Gap { expected: e, .. } if e == expected), "{error}");

        let error = fold(&graph.def, None, &rows[1..]).expect_err("the start is missing");
        assert!(matches!(error, JournalError::Gap { expected: 1, found: 2 }), "{error}");
        checked += 1;
    });
    assert!(!all || checked > 100, "{checked} checked");
}

#[test]
fn a_report_that_is_there_under_two_numbers_is_refused() {
    let mut checked = 0;
    let all = for_seeds(100, |seed| {
        let (graph, rows) = some_rows(seed);
        let reports = rows.iter().position(|row| String::from_utf8_lossy(row).contains("\"report\""));
        let Some(at) = reports else { return };
        let mut again: Value = serde_json::from_slice(&rows[at]).expect("it is JSON");
        again["n"] = Value::from(at as u64 + 2);
        let mut rows = rows[..=at].to_vec();
        if fold(&graph.def, None, &rows).expect("it folds").outcome.is_some() {
            return;
        }
        rows.push(again.to_string().into_bytes());
        let error = fold(&graph.def, None, &rows).expect_err("it was applied");
        let stale = matches!(error, JournalError::UnknownExecution { .. } | JournalError::Inconsistent { .. });
        assert!(stale, "{error}");
        checked += 1;
    });
    assert!(!all || checked > 40, "{checked} checked");
}

#[test]
fn garbage_is_an_error_or_another_run_but_never_a_panic() {
    let (mut refused, mut taken) = (0, 0);
    let all = for_seeds(150, |seed| {
        let (graph, rows) = some_rows(seed);
        let mut rng = Rng::new(seed);
        for _ in 0..16 {
            let mut rows = rows.clone();
            for _ in 0..1 + rng.below(3) {
                spoil(&mut rows, &mut rng);
            }
            match fold(&graph.def, None, &rows) {
                Ok(folded) => {
                    taken += 1;
                    // Whatever it is, it can be ended.
                    let mut state = folded.take_over(&graph.def).state;
                    if !state.has_ended() && state.has_begun() {
                        stepcast_tests::wind_up(&graph.def, &mut state);
                    }
                }
                Err(error) => {
                    assert!(error.to_string().len() > 20, "{error}");
                    refused += 1;
                }
            }
        }
    });
    assert!(!all || (refused > 1_000 && taken > 40), "{refused} refused, {taken} taken");
}

/// Spoils one row: by bits, by its length, or by what its fields say.
fn spoil(rows: &mut [Vec<u8>], rng: &mut Rng) {
    let other = rng.pick(rows).clone();
    let at = rng.below(rows.len());
    let row = &mut rows[at];
    if row.is_empty() {
        return;
    }
    let place = rng.below(row.len());
    match rng.below(6) {
        0 => row.truncate(place),
        1 => row[place] ^= 1 << rng.below(8),
        2 => row[place] = *rng.pick(b"0123456789\"[]{},:-.e\xff"),
        3 => row.extend_from_slice(&other[..place.min(other.len())]),
        4 => *row = ["[".repeat(5_000), "{\"v\":1,\"do\":".repeat(5_000)][rng.below(2)].clone().into_bytes(),
        _ => {
            let mut value: Value = match serde_json::from_slice(row) {
                Ok(value) => value,
                Err(_) => return,
            };
            scramble(&mut value, rng);
            *row = value.to_string().into_bytes();
        }
    }
}

/// Changes one value somewhere inside; the row's number stays in order.
fn scramble(value: &mut Value, rng: &mut Rng) {
    match value {
        Value::Object(fields) if !fields.is_empty() && rng.percent(90) => {
            let names: Vec<String> = fields.keys().filter(|name| *name != "n" && *name != "v").cloned().collect();
            if let Some(inner) = names.get(rng.below(names.len())).and_then(|name| fields.get_mut(name)) {
                scramble(inner, rng);
            }
        }
        Value::Array(items) if !items.is_empty() && rng.percent(90) => {
            let at = rng.below(items.len());
            scramble(&mut items[at], rng);
        }
        other => {
            let near = other.as_u64().unwrap_or(0);
            *other = match rng.below(9) {
                0 => Value::Null,
                1 => u64::MAX.into(),
                2 => u64::from(u32::MAX).into(),
                3 => "member".into(),
                4 => (-1).into(),
                5 => near.wrapping_add(1).into(),
                6 => Vec::<Value>::new().into(),
                _ => (rng.below(5) as u64).into(),
            };
        }
    }
}

#[test]
fn rows_of_another_version_or_definition_are_refused() {
    let (graph, rows) = some_rows(3);
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut row: Value = serde_json::from_slice(&rows[0]).expect("it is JSON");
        change(&mut row);
        fold(&graph.def, None, [row.to_string()]).expect_err("it is refused")
    };
    let error = edit(&|row| row["v"] = 2.into());
    assert!(matches!(error, JournalError::Version { found: 2 }), "{error}");
    let error = edit(&|row| {
        row["v"] = 2.into();
        row["do"] = serde_json::json!({ "unheard_of": 1 });
    });
    assert!(matches!(error, JournalError::Version { found: 2 }), "{error}");
    let error = edit(&|row| row["do"] = serde_json::json!({ "unheard_of": 1 }));
    assert!(matches!(error, JournalError::Undecodable { after: 0, .. }), "{error}");
    let error = edit(&|row| row["do"] = "timers".into());
    assert!(matches!(error, JournalError::NoStart { row: 1 }), "{error}");
    let error = edit(&|row| row["do"]["start"]["def"] = 7.into());
    assert!(matches!(error, JournalError::Changed { row: 1, .. }), "{error}");
    let error = edit(&|row| row["do"]["start"]["event"][0] = "Nobody".into());
    assert!(matches!(error, JournalError::Event { row: 1, .. }), "{error}");
    assert!(error.to_string().contains("`Nobody`"), "{error}");

    // What a later version may add without a new number is passed over.
    let mut row: Value = serde_json::from_slice(&rows[0]).expect("it is JSON");
    row["later"] = serde_json::json!({ "added": [1] });
    assert_eq!(fold(&graph.def, None, [row.to_string()]).expect("it folds").row, 1);
}

#[test]
fn a_checkpoint_alone_follows_a_changed_definition_but_rows_after_it_do_not() {
    // Two graphs of one pool: sometimes the few steps that a young run has work for are the same in both.
    let mut checked = 0;
    for_seeds(40, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let other = random_graph(&mut rng);
        let mut journal = Journaled::new(Driver::new(&graph, seed, seed, None), seed);
        journal.step();
        let checkpoint = journal.checkpoint(Kept::default());
        journal.step();
        while journal.rows.len() < 2 && journal.driver.outcomes.is_empty() {
            journal.step();
        }
        let Some(later) = journal.rows.get(1) else { return };
        match fold(&other.def, Some(checkpoint.clone()), [later]) {
            Err(JournalError::Changed { row: 1, .. }) => checked += 1,
            Err(JournalError::Checkpoint(_)) => {}
            other => panic!("{other:?}"),
        }
        fold(&graph.def, Some(checkpoint), [later]).expect("its own definition reads it");
    });
    assert!(checked > 0, "no checkpoint fits another definition");
}
