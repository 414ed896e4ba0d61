use super::*;

/// Gives `A` and `B` at one level, and the stop.
const BOTH: StepSpec = step("a", &[takes(START)], OutSpec::All(&gives(STOP), &OutSpec::All(&gives(A), &gives(B))));
/// Gives a batch of `A` and of `B`.
const BATCHES: StepSpec =
    step("a", &[takes(START)], OutSpec::All(&gives(STOP), &OutSpec::Batch(&OutSpec::All(&gives(A), &gives(B)))));
const UNION: EventSet = EventSet::Both(&EventSet::One(A), &EventSet::One(B));

#[test]
fn a_join_is_clean() {
    assert_eq!(faults!(BOTH, step("b", &[takes(A), takes(B)], OutSpec::None)), []);
}

#[test]
fn union_in_join() {
    const MORE: StepSpec = step("c", &[takes(A)], gives(C));
    assert_eq!(
        faults!(BOTH, MORE, step("b", &[ParamSpec::Event(UNION), takes(C)], OutSpec::None)),
        [of_step(FaultKind::UnionInJoin, "b", "A")]
    );
    // Alone, a union is an ordinary parameter; so is one that is two names for one type.
    assert_eq!(faults!(BOTH, step("b", &[ParamSpec::Event(UNION)], OutSpec::None)), []);
    const SAME: EventSet = EventSet::Both(&EventSet::One(A), &EventSet::One(A));
    assert_eq!(faults!(BOTH, step("b", &[ParamSpec::Event(SAME), takes(B)], OutSpec::None)), []);
}

#[test]
fn slot_twice() {
    assert_eq!(
        faults!(BOTH, step("b", &[takes(A), takes(B), takes(A)], OutSpec::None)),
        [of_step(FaultKind::SlotTwice, "b", "A")]
    );
}

#[test]
fn collect_mixed() {
    assert_eq!(
        faults!(BATCHES, step("b", &[collects(A), takes(B)], OutSpec::None)),
        [of_step(FaultKind::CollectMixed, "b", "A")]
    );
}

#[test]
fn collect_twice() {
    assert_eq!(
        faults!(BATCHES, step("b", &[collects(A), ParamSpec::Take(EventSet::One(B), 2)], OutSpec::None)),
        [of_step(FaultKind::CollectTwice, "b", "A")]
    );
    assert_eq!(faults!(BATCHES, step("b", &[ParamSpec::Collect(UNION)], OutSpec::None)), []);
}

#[test]
fn no_event_param() {
    const CONTEXT: ParamSpec = ParamSpec::Injected(Injected::plain("context"));
    const LAST: StepSpec = step("a", &[CONTEXT, takes(START)], gives(STOP));
    assert_eq!(faults!(LAST, step("b", &[CONTEXT], OutSpec::None)), [(FaultKind::NoEventParam, Some("b"), None)]);
    assert_eq!(
        faults!(LAST, step("b", &[ParamSpec::Event(EventSet::None)], OutSpec::None)),
        [(FaultKind::NoEventParam, Some("b"), None)]
    );
    assert_eq!(faults!(LAST), []);
}

#[test]
fn take_zero() {
    assert_eq!(
        faults!(BATCHES, step("b", &[ParamSpec::Take(UNION, 0)], OutSpec::None)),
        [of_step(FaultKind::TakeZero, "b", "A")]
    );
    assert_eq!(faults!(BATCHES, step("b", &[ParamSpec::Take(UNION, 1)], OutSpec::None)), []);
}

#[test]
fn a_context_sends_what_it_declares() {
    const CONTEXT: ParamSpec = ParamSpec::Injected(Injected { kind: "context", sends: UNION, needs: None });
    assert_eq!(
        faults!(step("a", &[CONTEXT, takes(START)], gives(STOP)), step("b", &[takes(A), takes(B)], OutSpec::None)),
        []
    );
}
