use super::*;

#[test]
fn duplicate_step() {
    assert_eq!(
        faults!(step("a", &[takes(START)], gives(STOP)), step("a", &[takes(START)], gives(STOP))),
        [(FaultKind::DuplicateStep, Some("a"), None)]
    );
    assert_eq!(faults!(step("a", &[takes(START)], gives(STOP)), step("b", &[takes(START)], gives(STOP))), []);
}

#[test]
fn two_types_under_one_tag() {
    const OTHER_A: &EventMeta = &meta("A", Role::Plain, "src/other.rs:3:1");
    const STEPS: &[StepSpec] = &[step("a", &[takes(START)], gives(A)), step("b", &[takes(OTHER_A)], gives(STOP))];
    assert_eq!(faults!(@ flow(STEPS)), [of_step(FaultKind::TagTwice, "b", "A")]);
    assert_eq!(
        texts(STEPS),
        [
            "step `b` of workflow `Flow` uses the event type written at src/other.rs:3:1 under the tag `A`, which the workflow already \
             uses for the type written at a; give one of them another tag by `#[event(tag = \"..\")]`"
        ]
    );
}

#[test]
fn a_stop_event_under_the_tag_of_the_start_event() {
    const STOP_TOO: &EventMeta = &meta("Start", Role::Stop, "t");
    let found = faults!(@ WorkflowSpec { stop: STOP_TOO, ..flow(&[step("a", &[takes(START)], gives(STOP_TOO))]) });
    assert!(found.contains(&(FaultKind::TagTwice, None, Some("Start"))), "{found:?}");
}

#[test]
fn two_tags_with_one_hash() {
    const COLLIDING: &EventMeta = &{
        let mut colliding = meta("B", Role::Plain, "b");
        colliding.hash = A.hash;
        colliding
    };
    const SPEC: WorkflowSpec = flow(&[
        step("a", &[takes(START)], OutSpec::All(&gives(A), &gives(COLLIDING))),
        step("b", &[takes(A)], gives(STOP)),
        step("c", &[takes(COLLIDING)], OutSpec::None),
    ]);
    // Only the constant form can be forged; at run time hashes are made from tags.
    const REPORT: Report<3> = Report::of(&SPEC);
    assert_eq!(REPORT.step_kind(0), Some(FaultKind::HashTwice));
    assert_eq!(REPORT.step_kind(1), None);
    assert_eq!(REPORT.step_kind(2), Some(FaultKind::HashTwice));
}

#[test]
fn an_event_known_by_its_tag_alone_is_any_type_of_that_tag() {
    use crate::check::{GraphEvent, GraphStep};
    let named = |tag: &'static str| GraphEvent::named(tag, Role::Plain);
    let graph = |first: GraphEvent, second: GraphEvent| {
        GraphSpec::new("Flow", START, STOP)
            .step(GraphStep::new("a").takes([START]).gives(GraphEvent::from(A)))
            .step(GraphStep::new("b").takes([first]).gives(GraphEvent::from(B)))
            .step(GraphStep::new("c").takes([second]).gives(GraphEvent::named("Stop", Role::Stop)))
    };
    assert_eq!(check(&graph(named("A"), named("B"))), []);
    let kinds: Vec<_> =
        check(&graph(named("A"), GraphEvent::named("Bee", Role::Plain))).iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [FaultKind::StopUnreachable, FaultKind::NotTaken, FaultKind::NotGiven]);
}
