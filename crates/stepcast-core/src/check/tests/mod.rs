//! Every rule of the check, broken and kept, in a constant and at run time.

mod agreement;
mod batches;
mod catches;
mod large;
mod model;
mod names;
mod routes;
mod signatures;

use super::{FaultKind, GraphSpec, Report, check};
use crate::{
    CatchSpec, EventIdent, EventMeta, EventSet, Injected, Invocation, OnFailure, OutSpec, ParamSpec, Role, StepCall,
    StepSpec, StopEvent, WorkflowSpec,
};

/// One fault without its text.
type Found = (FaultKind, Option<&'static str>, Option<&'static str>);

const fn meta(tag: &'static str, role: Role, location: &'static str) -> EventMeta {
    EventMeta::new::<StopEvent>(EventIdent {
        tag,
        type_name: tag,
        qualified_name: tag,
        location,
        role,
        fields: &[],
        secret: &[],
    })
}

const START: &EventMeta = &meta("Start", Role::Start, "s");
const STOP: &EventMeta = &meta("Stop", Role::Stop, "s");
const A: &EventMeta = &meta("A", Role::Plain, "a");
const B: &EventMeta = &meta("B", Role::Plain, "b");
const C: &EventMeta = &meta("C", Role::Plain, "c");
const D: &EventMeta = &meta("D", Role::Plain, "d");
const ASK: &EventMeta = &meta("Ask", Role::InputRequired, "ask");
const ANSWER: &EventMeta = &meta("Answer", Role::HumanResponse, "answer");
const TICK: &EventMeta = &meta("Tick", Role::External, "tick");
const FAILED: &EventMeta = &<crate::StepFailedEvent as crate::Event>::META;

fn body(_: StepCall<'_>) -> Invocation {
    panic!("no test runs a step")
}

const fn step(name: &'static str, params: &'static [ParamSpec], out: OutSpec) -> StepSpec {
    StepSpec::new(name, params, out, body)
}

const fn takes(meta: &'static EventMeta) -> ParamSpec {
    ParamSpec::Event(EventSet::One(meta))
}

const fn collects(meta: &'static EventMeta) -> ParamSpec {
    ParamSpec::Collect(EventSet::One(meta))
}

const fn gives(meta: &'static EventMeta) -> OutSpec {
    OutSpec::One(meta)
}

impl StepSpec {
    const fn emitting(mut self, events: EventSet) -> Self {
        self.emits = events;
        self
    }

    const fn waiting(mut self, events: EventSet) -> Self {
        self.waits = events;
        self
    }

    const fn streaming(mut self, events: EventSet) -> Self {
        self.streams = events;
        self
    }

    const fn catching(mut self, names: &'static [&'static str]) -> Self {
        self.catch = CatchSpec::Steps { names, max_recoveries: 1 };
        self
    }

    const fn catching_all(mut self, max_recoveries: u32) -> Self {
        self.catch = CatchSpec::All { max_recoveries };
        self
    }

    const fn unconsumed(mut self) -> Self {
        self.allow_unconsumed = true;
        self
    }

    const fn endless(mut self) -> Self {
        self.allow_endless = true;
        self
    }
}

const fn flow(steps: &'static [StepSpec]) -> WorkflowSpec {
    WorkflowSpec {
        name: "Flow",
        start: START,
        stop: STOP,
        steps,
        on_failure: OnFailure::Fail,
        policy: crate::RunPolicy::new,
        doc: "",
    }
}

/// Checks steps in a constant and at run time; gives all faults when the two agree.
macro_rules! faults {
    ($($step:expr),* $(,)?) => { faults!(@ flow(&[$($step),*])) };
    (@ $spec:expr) => {{
        const SPEC: WorkflowSpec = $spec;
        const REPORT: Report<{ SPEC.steps.len() }> = Report::of(&SPEC);
        agreed(&SPEC, &REPORT)
    }};
}
use faults;

/// The faults at run time, once it is sure that the constant has the first of each place, in the same words.
fn agreed<const N: usize>(spec: &WorkflowSpec, report: &Report<N>) -> Vec<Found> {
    let all = check(&GraphSpec::from(spec));
    assert_eq!(report.is_clean(), all.is_empty());
    let words = |text: Option<super::FaultText>| text.map(|text| text.as_str().to_owned());
    let mut firsts = Vec::new();
    for found in [words(report.start_fault()), words(report.stop_fault())] {
        firsts.extend(found);
    }
    for (at, step) in spec.steps.iter().enumerate() {
        let first = all.iter().find(|fault| fault.text.starts_with(&format!("step `{}`", step.name)));
        if spec.steps.iter().filter(|other| other.name == step.name).count() == 1 {
            assert_eq!(words(report.step_fault(at)), first.map(|fault| fault.text.clone()));
        }
        firsts.extend(words(report.step_fault(at)));
    }
    assert_eq!(words(report.first_fault()), firsts.first().cloned());
    assert_eq!(report.faults().iter().map(ToString::to_string).collect::<Vec<_>>(), firsts);
    for text in &firsts {
        assert!(all.iter().any(|fault| fault.text == *text), "{text}");
    }
    let leak = |name: String| -> &'static str { name.leak() };
    all.into_iter().map(|fault| (fault.kind, fault.step.map(leak), fault.event.map(leak))).collect()
}

/// The texts of all faults.
fn texts(steps: &'static [StepSpec]) -> Vec<String> {
    check(&GraphSpec::from(&flow(steps))).into_iter().map(|fault| fault.text).collect()
}

const fn of_step(kind: FaultKind, step: &'static str, event: &'static str) -> Found {
    (kind, Some(step), Some(event))
}
