//! Drives the reducer as a host does, without an executor: a seed decides what happens next.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;
use stepcast::engine::{
    Command, Commands, ExecKey, Expected, FailureChoice, FilterQuery, InputReason, Judge, Matches, OpId, Outcome,
    RunState, StateSnapshot,
};
use stepcast::{Payload, Role, Taker};

use crate::{
    Act, Given, Graph, Kind, Op, POKE, POOL, Plan, Planned, REPLY, Rng, What, accepts, identify, make, mix, number,
    plan,
};

/// So many things are done to a run at most; then it is cancelled.
const MAX_ACTS: usize = 2_500;

/// A run and its host.
#[derive(Clone, Debug)]
pub struct Driver<'g> {
    /// The workflow.
    pub graph: &'g Graph,
    /// The run.
    pub state: RunState,
    /// Everything done to it so far.
    pub acts: Vec<Act>,
    /// How it ended, once it has.
    pub outcomes: Vec<Outcome>,
    /// Whether internal frames are wanted.
    pub observe: bool,
    world: u64,
    rng: Rng,
    now: u64,
    plans: BTreeMap<u64, Plan>,
    done: BTreeMap<u64, usize>,
    under_way: BTreeMap<ExecKey, UnderWay>,
    /// Kept events that the reducer wants offered: their type, and the wait they are for if it is one.
    offers: VecDeque<(u32, Option<u64>)>,
    /// Events that executions may still give before they become lean.
    budget: usize,
    from_outside: u64,
    most_from_outside: u64,
    /// `STEPCAST_TRACE` shows everything that is done.
    traced: bool,
}

/// An attempt with the step runner.
#[derive(Clone, Debug)]
struct UnderWay {
    step: usize,
    attempt: u32,
    started: u64,
    waiting: Option<OpId>,
    parked: bool,
}

impl<'g> Driver<'g> {
    /// A run that begins. The world decides what executions do, the seed in which order things happen.
    pub fn new(graph: &'g Graph, world: u64, seed: u64, timeout: Option<Duration>) -> Self {
        let mut rng = Rng::new(mix([seed, 77]));
        let most_from_outside = rng.below(8) as u64;
        Driver {
            graph,
            state: RunState::new(timeout),
            acts: Vec::new(),
            outcomes: Vec::new(),
            observe: false,
            world,
            rng,
            now: 1_000,
            plans: BTreeMap::new(),
            done: BTreeMap::new(),
            under_way: BTreeMap::new(),
            offers: VecDeque::new(),
            budget: 120,
            from_outside: 0,
            most_from_outside,
            traced: std::env::var_os("STEPCAST_TRACE").is_some(),
        }
    }

    /// Nobody outside sends anything of its own accord.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.most_from_outside = 0;
        self
    }

    /// As many events as the plans ask for.
    #[must_use]
    pub fn unbounded(mut self) -> Self {
        self.budget = usize::MAX;
        self
    }

    /// The same run in another process: from its JSON, with every execution queued anew, in the order of another seed.
    ///
    /// # Panics
    /// When the snapshot does not fit.
    pub fn restored(&self, seed: u64) -> Self {
        let text = serde_json::to_string(&StateSnapshot::of(&self.graph.def, &self.state)).expect("it serializes");
        let snapshot: StateSnapshot = serde_json::from_str(&text).expect("it deserializes");
        let state = snapshot.restore(&self.graph.def).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let acts = self.acts.clone();
        Driver {
            state,
            acts,
            rng: Rng::new(mix([seed, 78])),
            under_way: BTreeMap::new(),
            offers: VecDeque::new(),
            ..self.clone()
        }
    }

    /// The time.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Does things until the run has ended; calls `after` with each and with what the reducer asked for.
    pub fn finish(&mut self, mut after: impl FnMut(&mut Self, &Act, &[Command])) {
        while self.outcomes.is_empty() {
            let act = self.choose();
            let commands = self.perform(&act);
            after(self, &act, &commands);
        }
    }

    /// Does one thing.
    pub fn perform(&mut self, act: &Act) -> Vec<Command> {
        let mut out = Commands::new(self.observe);
        let taken = act.apply(&self.graph.def, &mut self.state, &mut out);
        self.acts.push(act.clone());
        if let Some(key) = taken {
            self.start(key);
        }
        match &act.what {
            What::Report { exec, attempt, .. } => self.left(*exec, *attempt),
            What::Parked(exec) => {
                if let Some(under_way) = self.under_way.get_mut(exec) {
                    under_way.parked = true;
                }
            }
            What::Commit { exec, op: Op::Withdraw(op), .. } => self.op_done(*exec, op),
            _ => {}
        }
        let commands: Vec<Command> = out.drain().collect();
        if self.traced {
            eprintln!("{act:?}\n  => {:?}", crate::render_all(&commands));
        }
        for command in &commands {
            match command {
                Command::Resume { exec, op, .. } => {
                    let lives = self.state.exec(*exec).is_some() || self.state.has_ended();
                    assert!(lives, "{exec} is over, but gets a result");
                    self.op_done(*exec, op);
                }
                Command::OfferKept { event, waiter } => self.offers.push_back((*event, *waiter)),
                Command::Finish(outcome) => self.outcomes.push(outcome.clone()),
                _ => {}
            }
        }
        commands
    }

    fn start(&mut self, key: ExecKey) {
        if let Some(under_way) = self.under_way.get_mut(&key) {
            assert!(under_way.parked, "{key} started twice");
            under_way.parked = false;
            return;
        }
        let view = self.state.exec(key).expect("what started exists");
        let input: Vec<_> = view.input.iter().map(identify).collect();
        let (step, attempt) = (view.step as usize, view.attempt);
        if !self.plans.contains_key(&key.serial) {
            let plan = plan(self.graph, self.world, step, &input, self.budget == 0);
            self.budget = self.budget.saturating_sub(1 + crate::flat(&plan.outs).len());
            self.plans.insert(key.serial, plan);
        }
        self.under_way.insert(key, UnderWay { step, attempt, started: self.now, waiting: None, parked: false });
        let limit = self.graph.nodes[step].workers.unwrap_or(u32::MAX);
        let busy = self.under_way.values().filter(|other| other.step == step && !other.parked).count();
        assert!(busy <= limit as usize, "{busy} executions of step {step} at once");
    }

    fn left(&mut self, exec: ExecKey, attempt: u32) {
        if self.under_way.get(&exec).is_some_and(|under_way| under_way.attempt == attempt) {
            self.under_way.remove(&exec);
        }
    }

    /// An operation's result is recorded with its execution, whether that runs at the moment or not.
    fn op_done(&mut self, exec: ExecKey, op: &OpId) {
        let done = self.done.entry(exec.serial).or_default();
        if self.plans.get(&exec.serial).and_then(|plan| plan.ops.get(*done)).is_some_and(|next| next.id == *op) {
            *done += 1;
        }
        if let Some(under_way) = self.under_way.get_mut(&exec) {
            under_way.waiting = None;
        }
    }

    /// Whether the last act is not all done: kept events are to be offered.
    pub fn is_offering(&self) -> bool {
        !self.offers.is_empty()
    }

    /// What happens next.
    pub fn choose(&mut self) -> Act {
        if let Some((event, waiter)) = self.offers.pop_front() {
            let mut judge = judge();
            judge.kept(&self.state, event, waiter);
            return Act { at: self.now, what: What::Kept { event, matches: judge.into_matches() } };
        }
        self.now += self.rng.below(400) as u64;
        let what = if !self.state.has_begun() {
            What::Start(mix([self.world, 1]))
        } else if self.acts.len() > MAX_ACTS {
            What::Cancel
        } else {
            self.any_of_these()
        };
        Act { at: self.now, what }
    }

    fn any_of_these(&mut self) -> What {
        let mut ready: Vec<(usize, Next)> = Vec::new();
        if self.state.has_ready() {
            ready.push((6, Next::Take));
        }
        for (key, under_way) in self.under_way.iter().filter(|(_, under_way)| !under_way.parked) {
            ready.push(if under_way.waiting.is_some() { (2, Next::Leave(*key)) } else { (4, Next::Progress(*key)) });
        }
        if self.state.next_timer().is_some() {
            ready.push((1, Next::Timers));
        }
        for input in self.state.pending_inputs(&self.graph.def) {
            let asks = input.reason == InputReason::StepFailure;
            if asks
                || number(&self.graph.def, REPLY) != u32::MAX
                || self.state.expected(input.id) != Some(Expected::AnyResponse)
            {
                ready.push((1, Next::Answer(input.id)));
            }
        }
        if self.from_outside < self.most_from_outside {
            ready.push((1, Next::Outside));
        }
        let total: usize = ready.iter().map(|(weight, _)| weight).sum();
        let mut at = self.rng.below(total);
        let chosen = ready.into_iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        match chosen.map(|(_, next)| next) {
            None => What::SendersGone,
            Some(Next::Take) => What::Take(self.rng.below(64)),
            Some(Next::Progress(key)) => self.progress(key),
            Some(Next::Leave(key)) => self.leave(key),
            Some(Next::Timers) => {
                self.now = self.now.max(self.state.next_timer().map_or(0, |time| time.0));
                What::Timers
            }
            Some(Next::Answer(input)) => self.answer(input),
            Some(Next::Outside) => self.outside(),
        }
    }

    /// The next thing that an attempt does.
    fn progress(&mut self, key: ExecKey) -> What {
        let plan = self.plans[&key.serial].clone();
        let (step, attempt, started) = {
            let under_way = &self.under_way[&key];
            (under_way.step, under_way.attempt, under_way.started)
        };
        let done = self.done.get(&key.serial).copied().unwrap_or(0);
        if attempt <= plan.fails && done >= plan.fails_after {
            let again = attempt < self.graph.nodes[step].attempts;
            let outcome = Err(again.then_some(plan.delay));
            return What::Report { exec: key, attempt, started, outcome, matches: Matches::default() };
        }
        let Some(op) = plan.ops.get(done) else {
            let matches = self.verdicts(Some(key), &crate::flat(&plan.outs));
            return What::Report { exec: key, attempt, started, outcome: Ok(plan.outs), matches };
        };
        let id = op.id.clone();
        let operation = match op.what.clone() {
            Planned::Deliver => Op::Deliver(id.clone()),
            Planned::Child => Op::Child(id.clone()),
            Planned::ChildDone => Op::ChildDone(id.clone()),
            Planned::Collect { buffer, event, expected } => Op::Collect { id: id.clone(), buffer, event, expected },
            Planned::Wait { kind, filter, shared, announce, timeout } => {
                let deadline = timeout.map(|timeout| self.now + timeout);
                Op::Wait { id: id.clone(), kind, filter, shared, announce, deadline }
            }
        };
        // An attempt that comes back to an open wait has nothing to send again.
        let again = self.state.waiter_of(key, &id).is_some();
        let outputs = if again { Vec::new() } else { op.sends.clone() };
        let matches = self.verdicts(None, &crate::flat(&outputs));
        let seq = self.state.exec(key).expect("it is under way").commits + 1;
        if let Some(under_way) = self.under_way.get_mut(&key) {
            under_way.waiting = Some(id);
        }
        What::Commit { exec: key, attempt, seq, outputs, matches, op: operation }
    }

    /// What an attempt does that waits: park, give the wait up, or fail by its timeout.
    fn leave(&mut self, key: ExecKey) -> What {
        let under_way = &self.under_way[&key];
        let (attempt, started) = (under_way.attempt, under_way.started);
        let again = attempt < self.graph.nodes[under_way.step].attempts;
        match (self.rng.below(10), under_way.waiting.clone()) {
            (0, Some(op)) => {
                let seq = self.state.exec(key).expect("it is under way").commits + 1;
                let (outputs, matches) = (Vec::new(), Matches::default());
                What::Commit { exec: key, attempt, seq, outputs, matches, op: Op::Withdraw(op) }
            }
            (1, _) if again => {
                let outcome = Err(Some(Duration::ZERO));
                What::Report { exec: key, attempt, started, outcome, matches: Matches::default() }
            }
            _ => What::Parked(key),
        }
    }

    fn answer(&mut self, input: u64) -> What {
        let choices = [FailureChoice::Retry, FailureChoice::Skip, FailureChoice::Continue, FailureChoice::Fail];
        let answer = match self.state.expected(input) {
            Some(Expected::Choice) => Given::Choice(choices[self.rng.below(4)]),
            Some(Expected::Wait { event, waiter, .. }) => {
                let kind = self.kind_of(event);
                let filter = self.state.filter_of(waiter).map(|query| query.filter.clone());
                let mut id = self.outside_id();
                while filter.as_ref().is_some_and(|filter| !accepts(filter, id)) {
                    id += 1;
                }
                Given::Event((kind, id), Matches::default())
            }
            _ => {
                let id = self.outside_id();
                Given::Event((REPLY, id), self.verdicts(None, &[(REPLY, id)]))
            }
        };
        What::Answer { input, answer }
    }

    fn outside(&mut self) -> What {
        self.from_outside += 1;
        let kind = if self.rng.percent(70) { POKE } else { REPLY };
        let event = (kind, self.outside_id());
        let ix = self.graph.def.event_by_tag(POOL[kind].meta.tag);
        let takers = ix.map_or(&[][..], |ix| self.graph.def.takers(ix));
        let to = takers.iter().find_map(|taker| match taker {
            Taker::Single(step) => Some(*step),
            _ => None,
        });
        let to = to.filter(|_| self.rng.percent(20));
        let sender = self.rng.percent(80).then_some((9, self.from_outside));
        What::External { event, to, sender, matches: self.verdicts(None, &[event]) }
    }

    fn outside_id(&mut self) -> u64 {
        mix([self.world, 3, self.rng.number()])
    }

    fn kind_of(&self, ix: u32) -> Kind {
        let tag = self.graph.def.event(ix).tag;
        POOL.iter().position(|entry| entry.meta.tag == tag).expect("it is of the pool")
    }

    /// What the filters say to these events, which an execution gives that is over with that, or somebody else.
    pub fn verdicts(&self, leaving: Option<ExecKey>, events: &[(Kind, u64)]) -> Matches {
        let mut judge = judge();
        if let Some(exec) = leaving {
            judge.leaving(&self.state, exec);
        }
        for (position, (kind, id)) in (0..).zip(events) {
            if let Some(ix) = self.graph.def.event_by_tag(POOL[*kind].meta.tag) {
                judge.new_event(&self.state, ix, position, &make(*kind, *id));
            }
        }
        judge.into_matches()
    }

    /// The one end it had, as far as no race decides it.
    ///
    /// # Panics
    /// When it has not ended, or ended twice.
    pub fn result(&self) -> String {
        let [outcome] = &self.outcomes[..] else { panic!("{:?}", self.outcomes) };
        crate::essence(outcome)
    }

    /// Whether something could still be done without anybody outside.
    pub fn is_idle(&self) -> bool {
        !self.state.has_ready() && self.under_way.values().all(|under_way| under_way.parked)
    }

    /// Whether the workflow takes answers or events from outside.
    pub fn takes_from_outside(&self) -> bool {
        let outside = |ix: &u32| matches!(self.graph.def.event(*ix).role, Role::External | Role::HumanResponse);
        (0..self.graph.def.events().count() as u32).any(|ix| outside(&ix) && !self.graph.def.takers(ix).is_empty())
    }
}

/// Asks the filters as a host does; a predicate is told by what it accepts.
fn judge() -> Judge<impl FnMut(&Payload) -> Option<Value>, impl FnMut(FilterQuery<'_>, &Payload) -> bool> {
    let value = |event: &Payload| event.as_erased().to_value().ok();
    Judge::new(value, |query, event| accepts(query.filter, identify(event).1))
}

enum Next {
    Take,
    Progress(ExecKey),
    Leave(ExecKey),
    Timers,
    Answer(u64),
    Outside,
}
