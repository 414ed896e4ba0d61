use super::*;

const RUN: StepSpec = step("run", &[takes(START)], gives(STOP));
const CATCH: StepSpec = step("catch", &[takes(FAILED)], gives(STOP));

#[test]
fn catch_steps_are_clean() {
    assert_eq!(faults!(RUN, CATCH.catching(&["run"])), []);
    assert_eq!(faults!(RUN, CATCH.catching_all(1)), []);
    assert_eq!(faults!(RUN, CATCH.catching_all(1), StepSpec { name: "one", ..CATCH }.catching(&["run"])), []);
}

#[test]
fn catch_input() {
    assert_eq!(
        faults!(RUN, step("catch", &[takes(FAILED), takes(START)], gives(STOP)).catching_all(1)),
        [(FaultKind::CatchInput, Some("catch"), None)]
    );
    assert_eq!(
        faults!(RUN, step("catch", &[takes(START)], gives(STOP)).catching_all(1)),
        [(FaultKind::CatchInput, Some("catch"), None)]
    );
    let found = faults!(RUN, step("catch", &[collects(FAILED)], gives(STOP)).catching_all(1));
    assert_eq!(found[0], (FaultKind::CatchInput, Some("catch"), None));
}

#[test]
fn failure_taken() {
    assert_eq!(faults!(RUN, CATCH), [of_step(FaultKind::FailureTaken, "catch", "StepFailedEvent")]);
}

#[test]
fn catch_unknown() {
    const STEPS: &[StepSpec] =
        &[RUN, CATCH.catching(&["rum"]), StepSpec { name: "other", ..CATCH }.catching(&["nothing"])];
    assert_eq!(
        faults!(@ flow(STEPS)),
        [(FaultKind::CatchUnknown, Some("catch"), None), (FaultKind::CatchUnknown, Some("other"), None)]
    );
    assert_eq!(
        texts(STEPS),
        [
            "step `catch` of workflow `Flow` catches the failures of `rum`, which is no step of this workflow; name one of its steps, \
             perhaps `run`",
            "step `other` of workflow `Flow` catches the failures of `nothing`, which is no step of this workflow; name one of its \
             steps",
        ]
    );
}

#[test]
fn catch_catch() {
    assert_eq!(
        faults!(RUN, CATCH.catching(&["run"]), StepSpec { name: "other", ..CATCH }.catching(&["catch"])),
        [(FaultKind::CatchCatch, Some("other"), None)]
    );
}

#[test]
fn catch_self() {
    assert_eq!(faults!(RUN, CATCH.catching(&["run", "catch"])), [(FaultKind::CatchSelf, Some("catch"), None)]);
}

#[test]
fn caught_twice() {
    assert_eq!(
        faults!(RUN, CATCH.catching(&["run"]), StepSpec { name: "other", ..CATCH }.catching(&["run"])),
        [(FaultKind::CaughtTwice, Some("other"), None)]
    );
    assert_eq!(faults!(RUN, CATCH.catching(&["run", "run"])), []);
}

#[test]
fn two_wildcards() {
    assert_eq!(
        faults!(RUN, CATCH.catching_all(1), StepSpec { name: "other", ..CATCH }.catching_all(1)),
        [(FaultKind::CatchAllTwice, Some("other"), None)]
    );
}

#[test]
fn no_recoveries() {
    assert_eq!(faults!(RUN, CATCH.catching_all(0)), [(FaultKind::NoRecoveries, Some("catch"), None)]);
}

#[test]
fn a_catch_step_of_what_never_runs_never_runs() {
    assert_eq!(
        faults!(RUN, step("idle", &[takes(A)], OutSpec::None), CATCH.catching(&["idle"])),
        [of_step(FaultKind::NotGiven, "idle", "A"), of_step(FaultKind::NeverRuns, "catch", "StepFailedEvent")]
    );
}
