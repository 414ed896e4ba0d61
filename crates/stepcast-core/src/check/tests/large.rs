use super::*;
use crate::check::FaultText;

const STEPS: usize = 128;

/// Three digits per event: tags must be static texts, and a constant can cut them out of one.
const DIGITS: [u8; 3 * STEPS] = {
    let mut digits = [b'0'; 3 * STEPS];
    let mut i = 0;
    while i < STEPS {
        digits[3 * i] += (i / 100) as u8;
        digits[3 * i + 1] += (i / 10 % 10) as u8;
        digits[3 * i + 2] += (i % 10) as u8;
        i += 1;
    }
    digits
};

const fn number(i: usize) -> &'static str {
    match std::str::from_utf8(DIGITS.split_at(3 * i).1.split_at(3).0) {
        Ok(text) => text,
        Err(_) => "",
    }
}

static EVENTS: [EventMeta; STEPS] = {
    let mut events = [*START; STEPS];
    let mut i = 1;
    while i < STEPS {
        events[i] = meta(number(i), Role::Plain, "");
        i += 1;
    }
    events
};

static OUTS: [OutSpec; STEPS] = {
    let mut outs = [gives(STOP); STEPS];
    let mut i = 1;
    while i < STEPS {
        outs[i - 1] = gives(&EVENTS[i]);
        i += 1;
    }
    outs
};

static PARAMS: [[ParamSpec; 1]; STEPS] = {
    let mut params = [[takes(START)]; STEPS];
    let mut i = 1;
    while i < STEPS {
        params[i] = [if i % 8 == 5 { collects(&EVENTS[i]) } else { takes(&EVENTS[i]) }];
        i += 1;
    }
    params
};

/// A chain in which every eighth step opens a batch that a later one collects, listed from the end: the worst order.
static CHAIN: [StepSpec; STEPS] = {
    let mut steps = [step("", &[], OutSpec::None); STEPS];
    let mut i = 0;
    while i < STEPS {
        let out = if i % 8 == 2 { OutSpec::Batch(&OUTS[i]) } else { OUTS[i] };
        steps[STEPS - 1 - i] = step(number(i), &PARAMS[i], out);
        i += 1;
    }
    steps
};

#[test]
fn a_hundred_steps_are_checked_by_the_compiler() {
    static SPEC: WorkflowSpec = flow(&CHAIN);
    const REPORT: Report<STEPS> = Report::of(&SPEC);
    const FIRST: Option<FaultText> = REPORT.first_fault();
    assert_eq!(FIRST.as_ref().map(FaultText::as_str), None);
    assert_eq!(agreed(&SPEC, &REPORT), []);
}

#[test]
fn a_hundred_steps_without_a_beginning() {
    static SPEC: WorkflowSpec = flow(CHAIN.split_at(STEPS - 1).0);
    const REPORT: Report<{ STEPS - 1 }> = Report::of(&SPEC);
    let found = agreed(&SPEC, &REPORT);
    assert_eq!(found.len(), STEPS + 1);
    assert_eq!(found[0], (FaultKind::StartNotTaken, None, Some("Start")));
    assert_eq!(found[STEPS], of_step(FaultKind::NotGiven, "001", "001"));
}

#[test]
fn a_graph_too_large_for_the_compiler_is_left_to_the_run() {
    const fn doubled(set: &'static EventSet) -> EventSet {
        EventSet::Both(set, set)
    }
    const S1: EventSet = doubled(&EventSet::One(A));
    const S3: EventSet = doubled(&const { doubled(&S1) });
    const S6: EventSet = doubled(&const { doubled(&const { doubled(&S3) }) });
    const S9: EventSet = doubled(&const { doubled(&const { doubled(&S6) }) });
    const S13: EventSet = doubled(&const { doubled(&const { doubled(&const { doubled(&S9) }) }) });
    const SPEC: WorkflowSpec = flow(&[step("a", &[takes(START)], OutSpec::None).emitting(S13)]);
    const REPORT: Report<1> = Report::of(&SPEC);
    assert!(REPORT.is_clean() && REPORT.too_large().is_some());
    assert_eq!(check(&GraphSpec::from(&SPEC)).len(), 2);
    // A step of many events fits: tables grow with the graph.
    const WIDE: WorkflowSpec = flow(&[step("a", &[takes(START)], gives(STOP)).emitting(S9).unconsumed()]);
    assert_eq!(faults!(@ WIDE), []);
}

#[test]
fn long_names_are_cut_at_a_character() {
    let name: &'static str = "ä".repeat(500).leak();
    let spec: &'static WorkflowSpec = Box::leak(Box::new(WorkflowSpec {
        name,
        ..flow(vec![step(name, const { &[takes(START)] }, OutSpec::None)].leak())
    }));
    let report = Report::<1>::of(spec);
    let text = report.stop_fault().map(|text| text.as_str().to_owned()).unwrap_or_default();
    assert!(text.starts_with("workflow `ä") && text.len() > 760, "{text}");
    assert!(check(&GraphSpec::from(spec))[0].text.contains("let one of its steps return it"));
}
