//! Random workflows, by the two ways there are to their check: constants as the macros write them, read by the
//! compiler's `Report`; and declarations, read by `WorkflowBuilder::build`.

use std::collections::BTreeMap;

use stepcast::check::{FaultKind, Report};
use stepcast::prelude::*;
use stepcast::{
    CatchSpec, EventMeta, EventSet, Injected, Invocation, OnFailure, OutSpec, Outputs, ParamSpec, StepDecl, StepSpec,
    WorkflowBuilder, WorkflowSpec,
};
use stepcast_tests::{BEGIN, Begin, END, End, P0, PLAIN, POOL, Rng, for_seeds, leak};

use super::{built, firsts};

const NAMES: &[&str] = &["one", "two", "three", "four", "five", "six"];

/// Another type under a tag of the pool.
#[event(tag = "P1")]
struct Elsewhere;

#[event(start)]
struct ForeignStart;

#[event(stop)]
struct ForeignStop;

const ODD: &[&EventMeta] = &[
    const { &Elsewhere::META },
    const { &ForeignStart::META },
    const { &ForeignStop::META },
    const { &StepFailedEvent::META },
];

fn event(rng: &mut Rng) -> &'static EventMeta {
    match rng.below(20) {
        0 => rng.pick::<&EventMeta>(ODD),
        1 => POOL[rng.below(PLAIN)].meta,
        2..4 => POOL[BEGIN].meta,
        4..7 => POOL[END].meta,
        _ => POOL[PLAIN + rng.below(4)].meta,
    }
}

fn set(rng: &mut Rng) -> EventSet {
    match rng.below(12) {
        0 => EventSet::None,
        1 | 2 => EventSet::Both(leak(EventSet::One(event(rng))), leak(EventSet::One(event(rng)))),
        _ => EventSet::One(event(rng)),
    }
}

fn out(rng: &mut Rng, depth: usize) -> OutSpec {
    let inner = |rng: &mut Rng| leak(out(rng, depth.saturating_sub(1)));
    match rng.below(if depth == 0 { 6 } else { 11 }) {
        0 => OutSpec::None,
        1..6 => OutSpec::One(event(rng)),
        6 => OutSpec::All(inner(rng), inner(rng)),
        7 => OutSpec::Either(inner(rng), inner(rng)),
        8 => OutSpec::Optional(inner(rng)),
        _ => OutSpec::Batch(inner(rng)),
    }
}

fn param(rng: &mut Rng) -> ParamSpec {
    match rng.below(12) {
        0..8 => ParamSpec::Event(set(rng)),
        8 | 9 => ParamSpec::Collect(set(rng)),
        10 => ParamSpec::Take(set(rng), rng.below(3)),
        _ => ParamSpec::Injected(Injected { kind: "context", sends: set(rng), needs: None }),
    }
}

fn catch(rng: &mut Rng) -> CatchSpec {
    let max_recoveries = rng.below(4) as u32;
    match rng.below(12) {
        0 => CatchSpec::All { max_recoveries },
        1 => {
            let names: Vec<_> = (0..1 + rng.below(2)).map(|_| *rng.pick(NAMES)).collect();
            CatchSpec::Steps { names: names.leak(), max_recoveries }
        }
        _ => CatchSpec::None,
    }
}

fn step(rng: &mut Rng, at: usize) -> StepSpec {
    let catch = catch(rng);
    let mut params: Vec<_> = match (at, &catch) {
        (0, CatchSpec::None) if rng.percent(90) => vec![ParamSpec::Event(EventSet::One(POOL[BEGIN].meta))],
        (_, CatchSpec::None) => vec![param(rng)],
        _ if rng.percent(80) => vec![ParamSpec::Event(EventSet::One(const { &StepFailedEvent::META }))],
        _ => Vec::new(),
    };
    if rng.percent(15) {
        params.push(param(rng));
    }
    let name = if rng.percent(96) { NAMES[at] } else { rng.pick(NAMES) };
    let mut spec =
        StepSpec::new(name, params.leak(), out(rng, 2), |_| Invocation::Blocking(Box::new(|| Ok(Outputs::default()))));
    spec.catch = catch;
    match rng.below(10) {
        0 => spec.emits = set(rng),
        1 => spec.waits = set(rng),
        2 => spec.streams = set(rng),
        _ => {}
    }
    spec.allow_unconsumed = rng.percent(40);
    spec.allow_endless = rng.percent(40);
    spec
}

/// A workflow, as a constant and as a builder.
fn workflow(rng: &mut Rng) -> (&'static WorkflowSpec, WorkflowBuilder) {
    let (start, stop, builder) = match rng.below(20) {
        0 => (&P0::META, &End::META, WorkflowBuilder::new::<P0, End>("random")),
        1 => (&Begin::META, &P0::META, WorkflowBuilder::new::<Begin, P0>("random")),
        _ => (&Begin::META, &End::META, WorkflowBuilder::new::<Begin, End>("random")),
    };
    let (start, stop) = (leak(*start), leak(*stop));
    let steps: Vec<_> = (0..rng.below(NAMES.len() + 1)).map(|at| step(rng, at)).collect();
    let builder = steps.iter().fold(builder, |builder, step| builder.step_decl(StepDecl::from(step)));
    let on_failure = OnFailure::Fail;
    let spec = WorkflowSpec {
        name: "random",
        start,
        stop,
        steps: steps.leak(),
        on_failure,
        policy: stepcast::RunPolicy::new,
        doc: "",
    };
    (leak(spec), builder)
}

/// What was seen, so that nobody takes a test of nothing for a proof.
#[derive(Default)]
struct Seen {
    clean: u32,
    kinds: BTreeMap<String, u32>,
}

fn compare<const N: usize>(spec: &'static WorkflowSpec, builder: WorkflowBuilder, seen: &mut Seen) {
    let report = Report::<N>::of(spec);
    let all = built(builder);
    assert_eq!(report.is_clean(), all.is_empty(), "{all:?}");
    seen.clean += u32::from(all.is_empty());
    for fault in &all {
        *seen.kinds.entry(format!("{:?}", fault.kind)).or_default() += 1;
    }
    let constant = report.faults();
    for fault in &constant {
        assert!(all.contains(fault), "only the compiler finds: {fault}");
    }
    // Steps of one name cannot be told apart in a list of faults, nor can a tag of the start and one of the stop.
    if !all.iter().any(|fault| fault.step.is_none() && fault.kind == FaultKind::TagTwice)
        && spec.steps.iter().enumerate().all(|(at, step)| spec.steps[..at].iter().all(|other| other.name != step.name))
    {
        assert_eq!(constant.iter().collect::<Vec<_>>(), firsts(&all));
    }
}

#[test]
fn random_workflows_are_judged_alike() {
    let mut seen = Seen::default();
    let complete = for_seeds(20_000, |seed| {
        let (spec, builder) = workflow(&mut Rng::new(seed));
        match spec.steps.len() {
            0 => compare::<0>(spec, builder, &mut seen),
            1 => compare::<1>(spec, builder, &mut seen),
            2 => compare::<2>(spec, builder, &mut seen),
            3 => compare::<3>(spec, builder, &mut seen),
            4 => compare::<4>(spec, builder, &mut seen),
            5 => compare::<5>(spec, builder, &mut seen),
            _ => compare::<6>(spec, builder, &mut seen),
        }
    });
    if complete {
        assert!(seen.clean > 200, "only {} workflows were without a fault", seen.clean);
        // All kinds but `HashTwice`, for which two tags with one hash would have to be found.
        assert_eq!(seen.kinds.len(), 32, "{:?}", seen.kinds);
    }
}
