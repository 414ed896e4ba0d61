//! A slow model of the engine: lists that are searched, batches that close when nothing of them is found any more.
//!
//! It reads the workflow as its maker wrote it down, gets the same acts as the reducer, and is compared with it after
//! each one: executions, questions, kept events, what reached nobody, what was handed to whom, and the end.

mod compare;
mod routing;
mod scopes;
mod waits;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use stepcast::OnFailure;
use stepcast::engine::{ExecKey, FailureChoice, Filter, OpId};

use self::waits::Choice;
use crate::{Act, BEGIN, Given, Graph, Kind, Op, POKE, REPLY, What, failure_id};

/// How often each catch step has recovered a lineage.
type Recovery = BTreeMap<usize, u32>;

/// What a join holds, per slot.
type Slots = Vec<VecDeque<(Ev, Recovery)>>;

/// A run as the model sees it.
#[derive(Debug)]
pub struct Model<'g> {
    graph: &'g Graph,
    lives: Vec<Live>,
    members: Vec<Member>,
    batches: Vec<Batch>,
    joins: BTreeMap<(usize, Option<usize>), Slots>,
    waiters: Vec<Waiter>,
    kept: BTreeMap<Kind, VecDeque<Kept>>,
    waits_begun: u64,
    questions: Vec<Question>,
    buffers: BTreeMap<(usize, String), Vec<(Kind, u64)>>,
    senders: BTreeMap<u64, u64>,
    arrivals: u64,
    failures: u32,
    begun: bool,
    ended: Option<Ending>,
    effects: Effects,
    /// How often what happened, so that a test can tell that its cases reach everything.
    pub seen: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Ev {
    kind: Option<Kind>,
    id: u64,
    arrival: u64,
}

/// An execution.
#[derive(Clone, Debug)]
struct Live {
    step: usize,
    inputs: Vec<Ev>,
    scope: Option<usize>,
    recovery: Recovery,
    attempt: u32,
    commits: u32,
    key: Option<ExecKey>,
    /// When its delayed retry is due.
    due: Option<u64>,
    asked: bool,
    children: u32,
}

#[derive(Debug)]
struct Member {
    batch: usize,
    index: usize,
    closed: bool,
}

#[derive(Debug)]
struct Batch {
    parent: Option<usize>,
    members: usize,
    collectors: Vec<Collector>,
    recovery: Recovery,
    closed: bool,
}

#[derive(Debug)]
struct Collector {
    step: usize,
    /// Events, with the position of their member.
    items: Vec<(usize, Ev, Recovery)>,
    fired: bool,
}

/// An event in the mailbox of its type.
#[derive(Clone, Debug)]
struct Kept {
    event: Ev,
    /// If it is held for an unarmed wait: how many waits had begun when it came.
    held: u64,
    /// A step has had it.
    taken: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Waiter {
    number: u64,
    exec: ExecKey,
    step: usize,
    op: OpId,
    kind: Kind,
    filter: Filter,
    shared: bool,
    after: u64,
    armed: bool,
    deadline: Option<u64>,
}

#[derive(Clone, Debug)]
struct Question {
    id: Option<u64>,
    step: usize,
    asked: Asked,
}

#[derive(Clone, Debug, PartialEq)]
enum Asked {
    Event { id: u64, scope: Option<usize>, recovery: Recovery },
    Wait { id: u64, exec: ExecKey, op: OpId },
    Failure { exec: ExecKey },
}

/// The end, as far as the model foretells it.
#[derive(Clone, Debug, PartialEq)]
enum Ending {
    Completed { stop: u64, failures: u32 },
    StepFailed { step: usize, attempts: u32 },
    Stuck,
    NobodyCanSend,
    Cancelled,
}

/// What one act led to, apart from the state.
#[derive(Debug, Default, PartialEq)]
struct Effects {
    /// Tags of events that reached nobody.
    unhandled: Vec<String>,
    published: Vec<u64>,
    resumed: Vec<(ExecKey, OpId, String)>,
}

/// Where an event comes from.
#[derive(Clone, Debug, Default)]
struct Source {
    scope: Option<usize>,
    recovery: Recovery,
    step: usize,
}

impl<'g> Model<'g> {
    /// A run that has not begun.
    pub fn new(graph: &'g Graph) -> Self {
        Model {
            graph,
            lives: Vec::new(),
            members: Vec::new(),
            batches: Vec::new(),
            joins: BTreeMap::new(),
            waiters: Vec::new(),
            kept: BTreeMap::new(),
            waits_begun: 0,
            questions: Vec::new(),
            buffers: BTreeMap::new(),
            senders: BTreeMap::new(),
            arrivals: 0,
            failures: 0,
            begun: false,
            ended: None,
            effects: Effects::default(),
            seen: BTreeMap::new(),
        }
    }

    /// The process was left: executions begin again, and predicates are gone with it.
    pub fn restored(&mut self) {
        self.effects = Effects::default();
        self.waiters.iter_mut().for_each(|waiter| waiter.armed = false);
    }

    /// Does what was done to the run.
    pub fn apply(&mut self, act: &Act) {
        self.effects = Effects::default();
        if self.ended.is_some() {
            return;
        }
        match &act.what {
            What::Take(_) | What::Parked(_) | What::Kept { .. } => return,
            What::Start(id) => {
                if !std::mem::replace(&mut self.begun, true) {
                    self.deliver(BEGIN, *id, &Source::default());
                }
            }
            What::External { event, to, sender, .. } => self.external(*event, *to, *sender),
            What::Report { exec, attempt, outcome, .. } => {
                if let Some(at) = self.active(*exec, *attempt) {
                    match outcome {
                        Ok(outs) => self.succeed(at, outs),
                        Err(retry) => self.attempt_failed(at, retry.map(|delay| (delay, act.at))),
                    }
                }
            }
            What::Commit { exec, attempt, seq, outputs, op, .. } => {
                if let Some(at) = self.active(*exec, *attempt).filter(|at| self.lives[*at].commits + 1 == *seq) {
                    self.lives[at].commits = *seq;
                    let source = self.source(at);
                    self.deliver_all(outputs, &source);
                    if self.ended.is_none() {
                        self.operation(*exec, source.step, op);
                    }
                }
            }
            What::Timers => self.timers(act.at),
            What::Answer { input, answer } => self.answer(*input, answer),
            What::Cancel => self.ended = Some(Ending::Cancelled),
            What::SendersGone => self.senders_gone(),
        }
        if self.ended.is_none() && self.begun {
            self.offer_kept();
            self.close_what_is_done();
            let outside = |node: &crate::Node| match &node.input {
                crate::Input::Any(kinds) | crate::Input::Join(kinds) => kinds.contains(&POKE) || kinds.contains(&REPLY),
                crate::Input::Collect(kinds) | crate::Input::Take(kinds, _) => {
                    kinds.contains(&POKE) || kinds.contains(&REPLY)
                }
                crate::Input::Failure(..) => false,
            };
            let nobody = self.lives.is_empty() && self.questions.is_empty();
            if nobody && !self.graph.nodes.iter().any(outside) {
                self.ended = Some(Ending::Stuck);
            }
        }
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn position(&self, exec: ExecKey) -> Option<usize> {
        self.lives.iter().position(|live| live.key == Some(exec))
    }

    fn active(&self, exec: ExecKey, attempt: u32) -> Option<usize> {
        let at = self.position(exec)?;
        let live = &self.lives[at];
        (live.attempt == attempt && live.due.is_none() && !live.asked).then_some(at)
    }

    fn source(&self, at: usize) -> Source {
        let live = &self.lives[at];
        Source { scope: live.scope, recovery: live.recovery.clone(), step: live.step }
    }

    /// Takes an execution away, with everything it still waits for.
    fn remove(&mut self, at: usize) -> Live {
        let live = self.lives.remove(at);
        self.waiters.retain(|waiter| Some(waiter.exec) != live.key);
        self.questions.retain(|question| match &question.asked {
            Asked::Wait { exec, .. } | Asked::Failure { exec } => Some(*exec) != live.key,
            Asked::Event { .. } => true,
        });
        live
    }

    fn succeed(&mut self, at: usize, outs: &[crate::Out]) {
        let source = self.source(at);
        self.remove(at);
        self.deliver_all(outs, &source);
    }

    fn attempt_failed(&mut self, at: usize, retry: Option<(Duration, u64)>) {
        let key = self.lives[at].key;
        self.waiters.iter_mut().filter(|waiter| Some(waiter.exec) == key).for_each(|waiter| waiter.armed = false);
        if let Some((delay, now)) = retry {
            self.saw("retry");
            self.lives[at].attempt += 1;
            self.lives[at].due = (!delay.is_zero()).then(|| now + delay.as_micros() as u64);
            return;
        }
        let step = self.lives[at].step;
        let catcher = self.graph.catcher_of(step);
        let budget = |catcher: usize| match &self.graph.nodes[catcher].input {
            crate::Input::Failure(_, most) => *most,
            _ => 0,
        };
        let used = |catcher: usize| self.lives[at].recovery.get(&catcher).copied().unwrap_or(0);
        if let Some(catcher) = catcher.filter(|catcher| used(*catcher) < budget(*catcher)) {
            self.saw("recovery");
            let failed = self.remove(at);
            let mut recovery = failed.recovery;
            *recovery.entry(catcher).or_default() += 1;
            let first = failed.inputs.first().map_or(0, |event| event.id);
            self.arrivals += 1;
            let id = failure_id(&self.graph.nodes[step].name, first);
            let event = Ev { kind: None, id, arrival: self.arrivals };
            self.begin(catcher, vec![event], failed.scope, recovery);
            return;
        }
        match self.graph.nodes[step].on_failure {
            OnFailure::Continue => self.give_up(at),
            OnFailure::Pause => {
                self.lives[at].asked = true;
                let exec = self.lives[at].key.expect("it has reported");
                self.questions.push(Question { id: None, step, asked: Asked::Failure { exec } });
            }
            _ => self.ended = Some(Ending::StepFailed { step, attempts: self.lives[at].attempt }),
        }
    }

    /// The larger count of each, where lineages meet.
    fn merge(into: &mut Recovery, other: &Recovery) {
        for (catcher, count) in other {
            let known = into.entry(*catcher).or_default();
            *known = (*known).max(*count);
        }
    }

    fn give_up(&mut self, at: usize) {
        self.saw("execution given up");
        self.remove(at);
        self.failures += 1;
    }

    fn answer(&mut self, input: u64, answer: &Given) {
        let Some(at) = self.questions.iter().position(|question| question.id == Some(input)) else { return };
        match (self.questions[at].asked.clone(), answer) {
            (Asked::Event { scope, recovery, .. }, Given::Event((kind, id), _)) => {
                self.saw(if scope.is_some() { "answer inside a batch" } else { "answer" });
                self.questions.remove(at);
                self.deliver(*kind, *id, &Source { scope, recovery, step: 0 });
            }
            (Asked::Wait { exec, op, .. }, Given::Event((_, id), _)) => {
                self.saw("answer to a wait");
                self.satisfy(exec, &op, format!("event {id}"));
            }
            (Asked::Failure { exec }, Given::Choice(choice)) => {
                let question = self.questions.remove(at);
                let Some(at) = self.position(exec) else { return };
                match choice {
                    FailureChoice::Retry => {
                        self.lives[at].asked = false;
                        self.lives[at].attempt += 1;
                    }
                    FailureChoice::Skip => self.succeed(at, &[]),
                    FailureChoice::Continue => self.give_up(at),
                    _ => {
                        self.ended = Some(Ending::StepFailed { step: question.step, attempts: self.lives[at].attempt })
                    }
                }
            }
            _ => {}
        }
    }

    fn external(&mut self, event: (Kind, u64), to: Option<u32>, sender: Option<(u64, u64)>) {
        if let Some((sender, seq)) = sender {
            let last = self.senders.entry(sender).or_default();
            if seq <= *last {
                return;
            }
            *last = seq;
        }
        if crate::number(&self.graph.def, event.0) == u32::MAX {
            return;
        }
        let mut source = Source::default();
        let coming = Ev { kind: Some(event.0), id: event.1, arrival: self.arrivals + 1 };
        if event.0 == REPLY && (to.is_some() || self.chosen(&coming, u64::MAX) == Choice::Nobody) {
            let asked = |question: &Question| matches!(question.asked, Asked::Event { .. });
            if let Some(at) = self.questions.iter().position(asked)
                && let Asked::Event { scope, recovery, .. } = self.questions.remove(at).asked
            {
                source = Source { scope, recovery, step: 0 };
            }
        }
        match to {
            Some(step) => {
                self.arrivals += 1;
                self.begin(step as usize, vec![coming], source.scope, source.recovery);
            }
            None => self.deliver(event.0, event.1, &source),
        }
    }

    fn operation(&mut self, exec: ExecKey, step: usize, op: &Op) {
        let mut resume = |what: &str| self.effects.resumed.push((exec, op.id().clone(), what.to_owned()));
        match op {
            Op::Deliver(_) => resume("delivered"),
            Op::Child(_) => {
                resume("child started");
                self.children(exec, 1);
            }
            Op::ChildDone(_) => {
                resume("child ended");
                self.children(exec, -1);
            }
            Op::Withdraw(op) => self.withdraw(exec, op),
            Op::Wait { .. } => self.wait(exec, step, op),
            Op::Collect { id, buffer, event, expected } => {
                let bound = self.graph.def.policy().max_collect;
                let held = self.buffers.entry((step, buffer.clone())).or_default();
                let result = if held.len() >= bound {
                    "full".to_owned()
                } else {
                    held.push(*event);
                    let mut left = held.clone();
                    let take = |kind: &Kind| left.iter().position(|(held, _)| held == kind).map(|at| left.remove(at).1);
                    match expected.iter().map(take).collect::<Option<Vec<u64>>>() {
                        Some(set) => {
                            *self.seen.entry("dynamic set").or_default() += 1;
                            *held = left;
                            format!("collected {set:?}")
                        }
                        None => "kept".to_owned(),
                    }
                };
                self.effects.resumed.push((exec, id.clone(), result));
            }
        }
    }

    fn children(&mut self, exec: ExecKey, change: i32) {
        if let Some(at) = self.position(exec) {
            self.lives[at].children = self.lives[at].children.saturating_add_signed(change);
        }
    }
}
