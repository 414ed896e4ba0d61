//! Invariant 2 across definitions: a journal is folded by the definition that it was written under, and the run goes on
//! under another one exactly if a snapshot of it would.

#![allow(clippy::expect_used)]

use serde_json::Value;
use stepcast::OnFailure;
use stepcast::engine::{Difference, RestoreError, RunState, StateSnapshot, Time};
use stepcast_core::journal::{Checkpoint, JournalError, Opened, describe, fold, open, write_takeover};
use stepcast_tests::{Driver, Graph, Input, Journaled, Node, PLAIN, Rng, for_seeds, one, random_graph};

/// What lasts of a state: a restore forgets what only informs.
fn lasting(state: &RunState) -> String {
    let mut value = serde_json::to_value(state).expect("a state serializes");
    ["last_unhandled", "last_tick", "busy_micros"].iter().for_each(|field| value[*field] = Value::Null);
    value.to_string()
}

fn texts(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(Difference::to_string).collect()
}

/// A few changes of the kinds that somebody makes between two releases.
fn changed(rng: &mut Rng, graph: &Graph) -> Graph {
    loop {
        let mut nodes = graph.nodes.clone();
        let mut policy = graph.def.policy().clone();
        for change in 0..1 + rng.below(3) {
            let at = rng.below(nodes.len());
            let kind = PLAIN + rng.below(6);
            match rng.below(9) {
                0 | 1 => nodes.insert(at, Node::new(format!("new{change}"), Input::Any(vec![kind]), one(kind))),
                2 => drop(nodes.remove(at)),
                3 => {
                    let other = rng.below(nodes.len());
                    nodes.swap(at, other);
                }
                4 => nodes[at].on_failure = *rng.pick(&[OnFailure::Fail, OnFailure::Continue, OnFailure::Pause]),
                5 => (nodes[at].attempts, nodes[at].workers) = (3, Some(1)),
                6 => nodes[at].input = Input::Any(vec![kind]),
                7 => nodes[at].waits = if rng.percent(50) { Vec::new() } else { vec![kind] },
                _ => policy.max_mailbox += 1,
            }
        }
        if let Some(graph) = Graph::of(nodes, policy) {
            return graph;
        }
        if rng.percent(2) {
            return random_graph(rng);
        }
    }
}

/// A run that is somewhere in the middle, and a checkpoint of it with the place of the rows after it.
fn under_way<'g>(graph: &'g Graph, rng: &mut Rng, seed: u64) -> Option<(Journaled<'g>, Option<(Checkpoint, usize)>)> {
    let mut journal = Journaled::new(Driver::new(graph, seed, seed, None), seed);
    let mut checkpoint = None;
    for _ in 0..2 + rng.below(60) {
        journal.step();
        if !journal.driver.outcomes.is_empty() {
            return None;
        }
        if !journal.rows.is_empty() && rng.percent(5) {
            journal.crash();
        }
        if !journal.rows.is_empty() && rng.percent(5) {
            let kept = journal.folded().kept;
            checkpoint = Some((journal.checkpoint(kept), journal.rows.len()));
        }
    }
    Some((journal, checkpoint))
}

fn read_back(checkpoint: &Checkpoint) -> Checkpoint {
    let text = serde_json::to_string(checkpoint).expect("it serializes");
    serde_json::from_str(&text).expect("it deserializes")
}

/// The run under another definition as its snapshot gives it.
fn by_snapshot(from: &Graph, state: &RunState, to: &Graph) -> Result<RunState, RestoreError> {
    let text = serde_json::to_string(&StateSnapshot::of(&from.def, state)).expect("it serializes");
    serde_json::from_str::<StateSnapshot>(&text).expect("it deserializes").restore(&to.def)
}

/// Compares what was made of a journal with what a snapshot gives. The run, if both go on.
fn compared(
    opened: Result<Opened, JournalError>,
    expected: Result<RunState, RestoreError>,
    to: &Graph,
) -> Option<Opened> {
    match (opened, expected) {
        (Ok(mut opened), Ok(state)) => {
            opened.folded = opened.folded.take_over(&to.def);
            assert_eq!(lasting(&opened.folded.state), lasting(&state));
            Some(opened)
        }
        (Err(JournalError::Refused { differences, .. }), Err(RestoreError::Refused { differences: expected, .. })) => {
            assert_eq!(texts(&differences), texts(&expected));
            assert!(!differences.is_empty());
            None
        }
        (
            Err(JournalError::Checkpoint(RestoreError::Inconsistent { what })),
            Err(RestoreError::Inconsistent { what: expected }),
        ) => {
            assert_eq!(what, expected);
            None
        }
        (opened, expected) => panic!("{opened:?}\nis not\n{expected:?}"),
    }
}

#[test]
fn a_changed_definition_takes_a_journal_as_it_takes_a_snapshot() {
    let (mut accepted, mut refused, mut with_checkpoint, mut came_back) = (0, 0, 0, 0);
    let all = for_seeds(600, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let other = changed(&mut rng, &graph);
        if describe(&graph.def) == describe(&other.def) {
            return;
        }
        let Some((journal, checkpoint)) = under_way(&graph, &mut rng, seed) else { return };
        let expected = || by_snapshot(&graph, &journal.driver.state, &other);
        let (described, rows) = (describe(&graph.def), &journal.rows);
        let opened = compared(open(&other.def, &described, None, rows), expected(), &other);
        // Rows alone are never read by another definition, nor with the description of a third.
        let plain = fold(&other.def, None, rows).expect_err("it is another definition");
        assert!(matches!(plain, JournalError::Changed { row: 1, .. }), "{plain}");
        for wrong in ["", "{}", &describe(&other.def)] {
            let error = open(&other.def, wrong, None, rows).expect_err("nothing says what it was written under");
            assert!(matches!(error, JournalError::Changed { row: 1, .. }), "{error}");
        }
        // A checkpoint brings its own description.
        if let Some((checkpoint, from)) = checkpoint {
            let later = open(&other.def, "", Some(checkpoint), &rows[from..]);
            let later = compared(later, expected(), &other);
            assert_eq!(later.is_some(), opened.is_some());
            with_checkpoint += 1;
        }
        let Some(opened) = opened else { return refused += 1 };
        accepted += 1;

        // The other definition goes on, behind a checkpoint of its own; what it writes is folded again.
        let standing = opened.checkpoint.expect("it was written under another definition");
        let covered = rows.len();
        assert_eq!(standing.row(), covered as u64);
        let mut journal = journal.clone();
        journal.driver = journal.driver.restored(seed);
        (journal.driver.graph, journal.driver.state) = (&other, opened.folded.state);
        let (mut row, at) = (Vec::new(), Time(journal.driver.now()));
        write_takeover(&mut row, &other.def, &journal.driver.state, covered as u64 + 1, at).expect("it can be written");
        journal.rows.push(row);
        for _ in 0..rng.below(30) {
            if !journal.driver.outcomes.is_empty() {
                break;
            }
            journal.step();
        }
        let again =
            open(&other.def, &described, Some(read_back(&standing)), &journal.rows[covered..]).expect("its own");
        assert!(again.checkpoint.is_none(), "it is the definition that wrote it");
        assert_eq!(lasting(&again.folded.state), lasting(&journal.driver.state), "{}", journal.text());
        if !journal.driver.outcomes.is_empty() {
            return;
        }
        // The program of before may come back: for it, the definition has changed.
        let back = open(&graph.def, &described, Some(read_back(&standing)), &journal.rows[covered..]);
        let expected = by_snapshot(&other, &journal.driver.state, &graph);
        came_back += usize::from(compared(back, expected, &graph).is_some());
    });
    let counts = (accepted, refused, with_checkpoint, came_back);
    assert!(!all || (accepted > 100 && refused > 25 && with_checkpoint > 70 && came_back > 40), "{counts:?}");
}

#[test]
fn damaged_descriptions_are_refused() {
    let mut checked = 0;
    let all = for_seeds(200, |seed| {
        let mut rng = Rng::new(seed);
        let graph = random_graph(&mut rng);
        let other = random_graph(&mut rng);
        let mut journal = Journaled::new(Driver::new(&graph, seed, seed, None), seed);
        journal.step();
        let mut text = describe(&graph.def).into_bytes();
        let at = rng.below(text.len());
        text[at] = *rng.pick(b"0123456789,:[]{}\"aSl");
        let text = String::from_utf8_lossy(&text).into_owned();
        if text == describe(&graph.def) || describe(&graph.def) == describe(&other.def) {
            return;
        }
        let error = open(&other.def, &text, None, &journal.rows).expect_err("the description is of no definition");
        assert!(matches!(error, JournalError::Changed { row: 1, .. }), "{error}");
        checked += 1;
    });
    assert!(!all || checked > 100, "{checked}");
}
