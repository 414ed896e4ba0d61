//! Invariant 7, of the state: what is over leaves nothing behind. The state of a run after a hundred thousand events is
//! as large as after a hundred, up to the digits of its counters.

#![allow(clippy::expect_used)]

use stepcast::engine::{Command, Commands, Matches, RunState};
use stepcast::{OutSpec, RunPolicy};
use stepcast_tests::{Act, BEGIN, END, Graph, Input, Node, Out, PLAIN, POKE, What, leak, one, state_text};

/// A loop through a batch, a join, a wait, a dynamic buffer, a retry and a recovery, round after round.
fn graph() -> Graph {
    let mut fail = Node::new("fail", Input::Any(vec![PLAIN + 3]), one(PLAIN + 4));
    fail.attempts = 2;
    let mut wait = Node::new("wait", Input::Any(vec![PLAIN + 4]), OutSpec::Either(leak(one(PLAIN)), leak(one(END))));
    wait.waits = vec![POKE];
    let nodes = vec![
        Node::new("begin", Input::Any(vec![BEGIN]), one(PLAIN)),
        Node::new(
            "fan",
            Input::Any(vec![PLAIN]),
            OutSpec::All(leak(OutSpec::Batch(leak(one(PLAIN + 1)))), leak(one(PLAIN + 5))),
        ),
        Node::new("gather", Input::Collect(vec![PLAIN + 1]), one(PLAIN + 2)),
        Node::new("join", Input::Join(vec![PLAIN + 2, PLAIN + 5]), one(PLAIN + 3)),
        fail,
        Node::new("catch", Input::Failure(Some(vec!["fail".into()]), u32::MAX), one(PLAIN + 4)),
        wait,
    ];
    Graph::of(nodes, RunPolicy::default()).expect("it checks")
}

/// A host that keeps nothing of the past.
struct Host<'g> {
    graph: &'g Graph,
    state: RunState,
    out: Commands,
    now: u64,
    events: u64,
}

impl Host<'_> {
    fn act(&mut self, what: What) -> Vec<Command> {
        self.now += 1;
        Act { at: self.now, what }.apply(&self.graph.def, &mut self.state, &mut self.out);
        self.out.drain().collect()
    }

    fn id(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    /// Runs what is ready until nothing is, and then answers the wait.
    fn round(&mut self) {
        while let Some(exec) = self.state.take_ready(|_| 0) {
            let view = self.state.exec(exec).expect("it was taken");
            let (step, attempt, commits) =
                (self.graph.nodes[view.step as usize].name.clone(), view.attempt, view.commits);
            let mut give = |kind: usize| Out::Event(kind, self.id());
            let outcome = match step.as_str() {
                "begin" => Ok(vec![give(PLAIN)]),
                "fan" => {
                    let members = vec![vec![give(PLAIN + 1)], vec![], vec![give(PLAIN + 1)]];
                    Ok(vec![Out::Batch(one(PLAIN + 1).kind(), members), give(PLAIN + 5)])
                }
                "gather" => Ok(vec![give(PLAIN + 2)]),
                "join" => Ok(vec![give(PLAIN + 3)]),
                "fail" => Err((attempt == 1).then_some(std::time::Duration::ZERO)),
                "catch" => Ok(vec![give(PLAIN + 4)]),
                _ if commits == 0 => {
                    let id = stepcast::engine::OpId {
                        kind: stepcast::engine::OpKind::Wait,
                        label: "poke".into(),
                        ordinal: 0,
                    };
                    let (filter, deadline) = (stepcast::engine::Filter::Any, Some(self.now + 1_000_000));
                    let op =
                        stepcast_tests::Op::Wait { id, kind: POKE, filter, shared: false, announce: None, deadline };
                    self.act(What::Commit { exec, attempt, seq: 1, outputs: vec![], matches: Matches::default(), op });
                    self.act(What::Parked(exec));
                    let (event, sender) = ((POKE, self.id()), Some((1, self.events)));
                    self.act(What::External { event, to: None, sender, matches: Matches::default() });
                    continue;
                }
                _ => Ok(vec![give(PLAIN)]),
            };
            let ends_the_round = step == "wait";
            self.act(What::Report { exec, attempt, started: self.now, outcome, matches: Matches::default() });
            if ends_the_round {
                return;
            }
        }
    }
}

#[test]
fn the_state_does_not_grow() {
    let graph = graph();
    let mut host = Host { graph: &graph, state: RunState::new(None), out: Commands::new(false), now: 0, events: 0 };
    host.act(What::Start(1));
    let mut sizes = Vec::new();
    for round in 1..=20_000 {
        host.round();
        if round == 20 || round == 20_000 {
            sizes.push(state_text(&host.state).len());
        }
    }
    assert!(host.events > 100_000, "only {} events", host.events);
    // A number has at most twenty digits, and a state without work has few numbers.
    assert!(sizes[1] <= sizes[0] + 100, "{sizes:?} bytes of JSON: {}", state_text(&host.state));
}
