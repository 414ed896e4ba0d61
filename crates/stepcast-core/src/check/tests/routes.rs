use super::*;

#[test]
fn a_plain_chain_is_clean() {
    assert_eq!(faults!(step("a", &[takes(START)], gives(A)), step("b", &[takes(A)], gives(STOP))), []);
}

#[test]
fn no_steps() {
    assert_eq!(faults!(), [(FaultKind::NoSteps, None, Some("Start"))]);
    assert_eq!(
        check(&GraphSpec::from(&flow(&[])))[0].text,
        "workflow `Flow` has no steps; add at least one step that takes its start event `Start`"
    );
}

#[test]
fn start_not_taken() {
    assert_eq!(faults!(step("a", &[takes(TICK)], gives(STOP))), [(FaultKind::StartNotTaken, None, Some("Start"))]);
}

#[test]
fn start_and_stop_must_be_marked() {
    const SWAPPED: WorkflowSpec = WorkflowSpec { start: A, stop: B, ..flow(&[step("a", &[takes(A)], gives(B))]) };
    assert_eq!(
        faults!(@ SWAPPED),
        [(FaultKind::StartNotMarked, None, Some("A")), (FaultKind::StopNotMarked, None, Some("B"))]
    );
}

#[test]
fn other_start() {
    const OTHER: &EventMeta = &meta("Other", Role::Start, "o");
    assert_eq!(
        faults!(step("a", &[takes(START)], gives(STOP)), step("b", &[takes(OTHER)], gives(STOP))),
        [of_step(FaultKind::OtherStart, "b", "Other")]
    );
    assert_eq!(
        faults!(step("a", &[takes(START)], OutSpec::Either(&gives(STOP), &gives(OTHER)))),
        [of_step(FaultKind::OtherStart, "a", "Other")]
    );
    // Giving the workflow's own start event begins again.
    assert_eq!(faults!(step("a", &[takes(START)], OutSpec::Either(&gives(STOP), &gives(START)))), []);
}

#[test]
fn stop_not_given() {
    assert_eq!(faults!(step("a", &[takes(START)], OutSpec::None)), [(FaultKind::StopNotGiven, None, Some("Stop"))]);
    assert_eq!(faults!(step("a", &[takes(START)], OutSpec::None).emitting(EventSet::One(STOP))), []);
}

#[test]
fn stop_unreachable() {
    let found = faults!(step("a", &[takes(START)], OutSpec::None), step("b", &[takes(A)], gives(STOP)));
    assert_eq!(found, [(FaultKind::StopUnreachable, None, Some("Stop")), of_step(FaultKind::NotGiven, "b", "A")]);
    // An event from outside may lead to the stop.
    assert_eq!(faults!(step("a", &[takes(START)], gives(ASK)), step("b", &[takes(ANSWER)], gives(STOP))), []);
}

#[test]
fn other_stop() {
    const OTHER: &EventMeta = &meta("Other", Role::Stop, "o");
    assert_eq!(
        faults!(step("a", &[takes(START)], OutSpec::Either(&gives(STOP), &gives(OTHER)))),
        [of_step(FaultKind::OtherStop, "a", "Other")]
    );
}

#[test]
fn stop_taken() {
    assert_eq!(
        faults!(step("a", &[takes(START)], gives(STOP)), step("b", &[takes(STOP)], OutSpec::None)),
        [of_step(FaultKind::StopTaken, "b", "Stop")]
    );
}

#[test]
fn not_taken() {
    assert_eq!(
        faults!(step("a", &[takes(START)], OutSpec::All(&gives(STOP), &gives(A)))),
        [of_step(FaultKind::NotTaken, "a", "A")]
    );
    assert_eq!(
        faults!(step("a", &[takes(START)], gives(STOP)).emitting(EventSet::One(A))),
        [of_step(FaultKind::NotTaken, "a", "A")]
    );
}

#[test]
fn not_taken_is_allowed_where_it_is_meant() {
    assert_eq!(faults!(step("a", &[takes(START)], OutSpec::All(&gives(STOP), &gives(A))).unconsumed()), []);
    assert_eq!(faults!(step("a", &[takes(START)], OutSpec::All(&gives(STOP), &gives(ASK)))), []);
    assert_eq!(
        faults!(
            step("a", &[takes(START)], gives(A)),
            step("b", &[takes(START)], gives(STOP)).waiting(EventSet::One(A))
        ),
        []
    );
    assert_eq!(
        faults!(step("a", &[takes(START)], OutSpec::All(&gives(STOP), &gives(A))).streaming(EventSet::One(A))),
        []
    );
}

#[test]
fn not_given() {
    assert_eq!(
        faults!(step("a", &[takes(START)], gives(STOP)), step("b", &[takes(A)], OutSpec::None)),
        [of_step(FaultKind::NotGiven, "b", "A")]
    );
    // A union runs through its other alternative, and is still wrong.
    const UNION: ParamSpec = ParamSpec::Event(EventSet::Both(&EventSet::One(START), &EventSet::One(A)));
    assert_eq!(faults!(step("a", &[UNION], gives(STOP))), [of_step(FaultKind::NotGiven, "a", "A")]);
    assert_eq!(faults!(step("a", &[takes(START)], gives(STOP)), step("b", &[takes(TICK)], OutSpec::None)), []);
}

#[test]
fn not_given_says_what_to_do() {
    const NEAR: &EventMeta = &meta("Joke", Role::Plain, "j");
    const TYPO: &EventMeta = &meta("Jokes", Role::Plain, "k");
    const STEPS: &[StepSpec] = &[
        step("a", &[takes(START)], OutSpec::All(&gives(NEAR), &gives(STOP))),
        step("b", &[takes(TYPO)], OutSpec::None),
    ];
    assert_eq!(
        texts(STEPS),
        [
            "step `a` of workflow `Flow` gives the event `Joke` but no step takes it; add a step with a parameter of this type, or \
             allow it with `#[step(allow(unconsumed))]`",
            "step `b` of workflow `Flow` can never run: no step gives the event `Jokes` it takes; let a step return `Jokes`, or \
             mark it `#[event(external)]`; a step gives `Joke`, which no step takes: is that the one meant?",
        ]
    );
}

#[test]
fn not_sent() {
    assert_eq!(
        faults!(step("a", &[takes(START)], gives(STOP)).waiting(EventSet::One(A))),
        [of_step(FaultKind::NotSent, "a", "A")]
    );
    assert_eq!(faults!(step("a", &[takes(START)], gives(STOP)).waiting(EventSet::One(ANSWER))), []);
}

#[test]
fn never_runs() {
    assert_eq!(
        faults!(
            step("a", &[takes(START)], gives(STOP)),
            step("b", &[takes(A)], OutSpec::Optional(&gives(B))),
            step("c", &[takes(B)], OutSpec::Optional(&gives(A)))
        ),
        [of_step(FaultKind::NeverRuns, "b", "A"), of_step(FaultKind::NeverRuns, "c", "B")]
    );
    assert_eq!(
        faults!(
            step("a", &[takes(START)], OutSpec::Either(&gives(STOP), &gives(A))),
            step("b", &[takes(A)], OutSpec::Optional(&gives(B))),
            step("c", &[takes(B)], OutSpec::Optional(&gives(A)))
        ),
        []
    );
}

#[test]
fn a_join_with_an_empty_slot_never_runs() {
    assert_eq!(
        faults!(
            step("a", &[takes(START)], OutSpec::Either(&gives(STOP), &gives(A))),
            step("b", &[takes(B)], OutSpec::Optional(&gives(B))),
            step("c", &[takes(A), takes(B)], OutSpec::None)
        ),
        [of_step(FaultKind::NeverRuns, "b", "B"), of_step(FaultKind::NeverRuns, "c", "B")]
    );
}

#[test]
fn endless_loop() {
    const OTHER_WAY: StepSpec = step("a", &[takes(START)], OutSpec::All(&gives(STOP), &gives(A)));
    assert_eq!(
        faults!(OTHER_WAY, step("b", &[takes(A)], gives(B)), step("c", &[takes(B)], gives(A))),
        [of_step(FaultKind::EndlessLoop, "b", "A"), of_step(FaultKind::EndlessLoop, "c", "B")]
    );
    // Only what is on the loop is named, not what leads to it.
    assert_eq!(
        faults!(OTHER_WAY, step("b", &[takes(A)], gives(B)), step("c", &[takes(B)], gives(B))),
        [of_step(FaultKind::EndlessLoop, "c", "B")]
    );
}

#[test]
fn a_loop_with_an_exit_is_clean() {
    const OTHER_WAY: StepSpec = step("a", &[takes(START)], OutSpec::All(&gives(STOP), &gives(A)));
    const TURN: StepSpec = step("b", &[takes(A)], gives(B));
    assert_eq!(faults!(OTHER_WAY, TURN, step("c", &[takes(B)], OutSpec::Optional(&gives(A)))), []);
    assert_eq!(faults!(OTHER_WAY, TURN, step("c", &[takes(B)], OutSpec::Either(&gives(A), &gives(STOP)))), []);
    assert_eq!(faults!(OTHER_WAY, TURN, step("c", &[takes(B)], OutSpec::All(&gives(A), &gives(ASK)))), []);
    assert_eq!(faults!(OTHER_WAY, TURN, step("c", &[takes(B)], gives(A)).waiting(EventSet::One(TICK))), []);
    assert_eq!(faults!(OTHER_WAY, TURN, step("c", &[takes(B)], gives(A)).endless()), []);
    assert_eq!(faults!(OTHER_WAY, TURN, step("c", &[takes(B)], gives(A)), step("d", &[takes(B)], OutSpec::None)), []);
    // A crawl ends where a page has no links.
    assert_eq!(faults!(OTHER_WAY, step("b", &[takes(A)], OutSpec::Batch(&gives(A)))), []);
}

#[test]
fn an_empty_batch_is_no_exit_where_it_is_collected() {
    assert_eq!(
        faults!(
            step("a", &[takes(START)], OutSpec::All(&gives(STOP), &gives(A))),
            step("b", &[takes(A)], OutSpec::Batch(&gives(B))),
            step("c", &[collects(B)], gives(A))
        ),
        [of_step(FaultKind::EndlessLoop, "b", "A"), of_step(FaultKind::EndlessLoop, "c", "B")]
    );
}
