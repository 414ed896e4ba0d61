//! The instances of a generic event type share a tag and a place in the source: a workflow that uses two of them is
//! refused, by `build()` always and by constants where the sizes differ.

#![allow(clippy::unwrap_used)]

use stepcast::check::{FaultKind, GraphSpec, Report, check};
use stepcast::prelude::*;
use stepcast::{DefinitionError, OnFailure, Step, WorkflowBuilder, WorkflowDef, WorkflowSpec};

#[event(start)]
struct Begin;

#[event(tag = "wrapped")]
struct Wrapped<T> {
    inner: T,
}

#[event(stop)]
struct Done {
    text: String,
}

#[step]
async fn begin(_ev: Begin) -> (Wrapped<u32>, Wrapped<i32>) {
    (Wrapped { inner: 1 }, Wrapped { inner: -1 })
}

#[step]
async fn unsigned(ev: Wrapped<u32>) -> Done {
    Done { text: ev.inner.to_string() }
}

#[step]
async fn signed(ev: Wrapped<i32>) -> Done {
    Done { text: ev.inner.to_string() }
}

#[step]
async fn begin_one(_ev: Begin) -> Wrapped<u32> {
    Wrapped { inner: 7 }
}

#[step]
async fn wide(ev: Wrapped<u64>) -> Done {
    Done { text: ev.inner.to_string() }
}

// All that the compiler sees of these two is the same: their place, their tag and their size.
flow!(Same: Begin => Done { begin, unsigned, signed });
flow!(One: Begin => Done { begin_one, unsigned });

/// The steps with a fault.
fn refused(built: Result<WorkflowDef, DefinitionError>) -> Vec<String> {
    let Err(DefinitionError::Faults { faults, .. }) = built else { panic!("it is accepted") };
    for fault in &faults {
        assert_eq!((fault.kind, fault.event.as_deref()), (FaultKind::TagTwice, Some("wrapped")), "{fault}");
        assert!(fault.text.contains("made at the same place, "), "{fault}");
        assert!(fault.text.contains("events_of_generic_types.rs:14:8"), "{fault}");
    }
    faults.into_iter().filter_map(|fault| fault.step).collect()
}

#[test]
fn two_instances_of_one_size_are_told_apart_when_the_definition_is_built() {
    assert_eq!(refused(WorkflowDef::of::<Same>()), ["begin", "signed"]);
    let builder = WorkflowBuilder::new::<Begin, Done>("same").step::<begin>().step::<unsigned>().step::<signed>();
    assert_eq!(refused(builder.build()), ["begin", "signed"]);
    let faults = check(&GraphSpec::from(&Same::SPEC));
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[tokio::test]
async fn the_run_of_such_a_workflow_is_refused_with_the_fault() {
    let error = Same.run(Begin).await.unwrap_err();
    assert!(error.to_string().contains("the tag `wrapped`"), "{error}");
}

#[tokio::test]
async fn one_instance_is_an_event_like_any_other() {
    assert_eq!(One.run(Begin).await.unwrap().text, "7");
}

#[test]
fn instances_of_different_sizes_are_told_apart_by_the_compiler_too() {
    const STEPS: &[stepcast::StepSpec] = &[<begin_one as Step>::SPEC, <wide as Step>::SPEC];
    const SPEC: WorkflowSpec = WorkflowSpec { steps: STEPS, name: "Wide", on_failure: OnFailure::Fail, ..Same::SPEC };
    const REPORT: Report<2> = Report::of(&SPEC);
    assert_eq!(REPORT.faults().iter().map(|fault| fault.kind).collect::<Vec<_>>(), [FaultKind::TagTwice]);
    assert_eq!(REPORT.faults(), check(&GraphSpec::from(&SPEC)));
    let builder = WorkflowBuilder::new::<Begin, Done>("Wide").step::<begin_one>().step::<wide>();
    assert_eq!(refused(builder.build()), ["wide"]);
}
