use super::*;
use crate::check::analyse;

const FAN: StepSpec = step("fan", &[takes(START)], OutSpec::Batch(&gives(A)));
const WORK: StepSpec = step("work", &[takes(A)], gives(B));

/// Names of the collectors of every opener.
fn collectors(steps: &'static [StepSpec]) -> Vec<(&'static str, usize, Vec<&'static str>)> {
    let analysis = analyse(&GraphSpec::from(&flow(steps)));
    assert_eq!(analysis.faults(), []);
    let named = |opener: &crate::check::Opener| {
        let names = opener.collectors.iter().map(|step| steps[*step].name).collect();
        (steps[opener.step].name, opener.position, names)
    };
    analysis.openers().iter().map(named).collect()
}

#[test]
fn a_collector_of_a_batch_is_clean() {
    const STEPS: &[StepSpec] = &[FAN, WORK, step("all", &[collects(B)], gives(STOP))];
    assert_eq!(faults!(@ flow(STEPS)), []);
    assert_eq!(collectors(STEPS), [("fan", 0, vec!["all"])]);
}

#[test]
fn no_batch() {
    assert_eq!(
        faults!(step("a", &[takes(START)], gives(A)), WORK, step("all", &[collects(B)], gives(STOP))),
        [(FaultKind::StopUnreachable, None, Some("Stop")), of_step(FaultKind::NoBatch, "all", "B")]
    );
    const TAKE: ParamSpec = ParamSpec::Take(EventSet::One(A), 2);
    assert_eq!(
        faults!(step("a", &[takes(START)], OutSpec::All(&gives(A), &gives(STOP))), step("all", &[TAKE], OutSpec::None)),
        [of_step(FaultKind::NoBatch, "all", "A")]
    );
}

#[test]
fn a_collector_runs_outside_its_batch() {
    // What the first collector gives is outside the batch again, so the second has none.
    assert_eq!(
        faults!(FAN, step("all", &[collects(A)], gives(B)), step("again", &[collects(B)], gives(STOP))),
        [(FaultKind::StopUnreachable, None, Some("Stop")), of_step(FaultKind::NoBatch, "again", "B")]
    );
}

#[test]
fn nested_batches_are_collected_from_the_inside() {
    const STEPS: &[StepSpec] = &[
        step("fan", &[takes(START)], OutSpec::Batch(&OutSpec::Batch(&gives(A)))),
        step("inner", &[collects(A)], gives(B)),
        step("outer", &[collects(B)], gives(STOP)),
    ];
    assert_eq!(faults!(@ flow(STEPS)), []);
    assert_eq!(collectors(STEPS), [("fan", 0, vec!["outer"]), ("fan", 1, vec!["inner"])]);

    const STEPWISE: &[StepSpec] = &[
        FAN,
        step("split", &[takes(A)], OutSpec::Batch(&gives(B))),
        step("inner", &[collects(B)], gives(C)),
        step("outer", &[collects(C)], gives(STOP)),
    ];
    assert_eq!(faults!(@ flow(STEPWISE)), []);
    assert_eq!(collectors(STEPWISE), [("fan", 0, vec!["outer"]), ("split", 0, vec!["inner"])]);
}

#[test]
fn each_vec_opens_its_own_batch() {
    const STEPS: &[StepSpec] = &[
        step("fan", &[takes(START)], OutSpec::All(&OutSpec::Batch(&gives(A)), &OutSpec::Batch(&gives(B)))),
        step("as_", &[collects(A)], gives(C)),
        step("bs", &[collects(B)], gives(D)),
        step("both", &[takes(C), takes(D)], gives(STOP)),
    ];
    assert_eq!(faults!(@ flow(STEPS)), []);
    assert_eq!(collectors(STEPS), [("fan", 0, vec!["as_"]), ("fan", 1, vec!["bs"])]);
    let analysis = analyse(&GraphSpec::from(&flow(STEPS)));
    assert_eq!(analysis.opener_of_kind(0, gives(B).kind()), Some(1));
    assert_eq!(analysis.opener_of_kind(1, gives(B).kind()), None);
    assert_eq!(analysis.collectors_of(1), [2]);
    assert_eq!(analysis.openers_of(0).len(), 2);
    assert_eq!(analysis.openers_of(9), []);
}

#[test]
fn never_meet() {
    const JOIN: StepSpec = step("join", &[takes(B), takes(C)], gives(STOP));
    const SIDE: StepSpec = step("side", &[takes(START)], gives(C));
    assert_eq!(
        faults!(FAN, WORK, SIDE, JOIN),
        [(FaultKind::StopUnreachable, None, Some("Stop")), of_step(FaultKind::NeverMeet, "join", "B")]
    );
    // Members of two batches never meet either.
    assert_eq!(
        faults!(FAN, WORK, step("side", &[takes(START)], OutSpec::Batch(&gives(C))), JOIN),
        [(FaultKind::StopUnreachable, None, Some("Stop")), of_step(FaultKind::NeverMeet, "join", "B")]
    );
    // Collected first, they do.
    assert_eq!(faults!(FAN, step("all", &[collects(A)], gives(B)), SIDE, JOIN), []);
    // Within one member they do.
    assert_eq!(faults!(FAN, WORK, step("too", &[takes(A)], gives(C)), JOIN), []);
}

#[test]
fn three_slots_need_one_level_for_all() {
    assert_eq!(
        faults!(
            step(
                "a",
                &[takes(START)],
                OutSpec::All(&OutSpec::Batch(&OutSpec::All(&gives(A), &gives(B))), &gives(STOP))
            ),
            step("b", &[takes(START)], OutSpec::All(&gives(A), &gives(C))),
            step("join", &[takes(A), takes(B), takes(C)], OutSpec::None)
        ),
        [of_step(FaultKind::NeverMeet, "join", "A")]
    );
}

#[test]
fn an_answer_stays_in_the_batch_of_its_question() {
    const ASKING: StepSpec = step("ask", &[takes(A)], gives(ASK));
    assert_eq!(faults!(FAN, ASKING, step("all", &[collects(ANSWER)], gives(STOP))), []);
    const WAITING: StepSpec = step("wait", &[takes(A)], OutSpec::None).waiting(EventSet::One(ANSWER));
    assert_eq!(faults!(FAN, WAITING, step("all", &[collects(ANSWER)], gives(STOP))), []);
    assert_eq!(
        faults!(
            step("a", &[takes(START)], OutSpec::All(&gives(ASK), &gives(STOP))),
            step("all", &[collects(ANSWER)], OutSpec::None)
        ),
        [of_step(FaultKind::NoBatch, "all", "Answer")]
    );
}

#[test]
fn a_recovered_member_stays_in_its_batch() {
    const RECOVER: StepSpec = step("recover", &[takes(FAILED)], gives(C)).catching(&["work"]);
    const JOIN: StepSpec = step("join", &[takes(C), takes(D)], OutSpec::None);
    const SIDE: StepSpec = step("side", &[takes(START)], gives(D));
    const ALL: StepSpec = step("all", &[collects(B)], gives(STOP));
    assert_eq!(faults!(FAN, WORK, ALL, RECOVER, step("cs", &[collects(C)], OutSpec::None)), []);
    assert_eq!(faults!(FAN, WORK, ALL, RECOVER, JOIN, SIDE), [of_step(FaultKind::NeverMeet, "join", "C")]);
}

#[test]
fn batches_within_their_own_kind() {
    const STEPS: &[StepSpec] = &[
        step("first", &[takes(START)], OutSpec::Batch(&gives(A))),
        step("split", &[takes(A)], OutSpec::Either(&OutSpec::Batch(&gives(A)), &gives(B))),
        step("all", &[collects(B)], OutSpec::Either(&gives(B), &gives(STOP))),
    ];
    assert_eq!(faults!(@ flow(STEPS)), []);
    assert_eq!(collectors(STEPS), [("first", 0, vec!["all"]), ("split", 0, vec!["all"])]);
}
