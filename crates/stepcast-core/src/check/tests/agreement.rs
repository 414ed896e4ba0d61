//! Random graphs: the constant form and the run-time form find the same, and neither panics.

use proptest::prelude::*;

use super::*;

const EVENTS: [&EventMeta; 11] =
    [START, STOP, A, B, C, D, ASK, ANSWER, TICK, FAILED, &meta("A", Role::Plain, "elsewhere")];
const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "tow"];

fn event() -> impl Strategy<Value = &'static EventMeta> {
    // Plain events more often than the others, so that graphs connect.
    prop_oneof![6 => 2..6usize, 2 => 0..2usize, 1 => 6..EVENTS.len()].prop_map(|at| EVENTS[at])
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn set() -> impl Strategy<Value = EventSet> {
    let none_or_one = prop_oneof![1 => Just(EventSet::None), 12 => event().prop_map(EventSet::One)];
    none_or_one
        .prop_recursive(2, 3, 2, |inner| (inner.clone(), inner).prop_map(|(a, b)| EventSet::Both(leak(a), leak(b))))
}

pub(super) fn out() -> impl Strategy<Value = OutSpec> {
    let leaf = prop_oneof![1 => Just(OutSpec::None), 12 => event().prop_map(OutSpec::One)];
    leaf.prop_recursive(3, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| OutSpec::All(leak(a), leak(b))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| OutSpec::Either(leak(a), leak(b))),
            inner.clone().prop_map(|a| OutSpec::Optional(leak(a))),
            inner.prop_map(|a| OutSpec::Batch(leak(a))),
        ]
    })
}

fn param() -> impl Strategy<Value = ParamSpec> {
    prop_oneof![
        6 => set().prop_map(ParamSpec::Event),
        2 => set().prop_map(ParamSpec::Collect),
        1 => (set(), 0..3usize).prop_map(|(set, count)| ParamSpec::Take(set, count)),
        1 => set().prop_map(|sends| ParamSpec::Injected(Injected { kind: "context", sends, needs: None })),
    ]
}

fn catch() -> impl Strategy<Value = CatchSpec> {
    prop_oneof![
        8 => Just(CatchSpec::None),
        1 => (0..3u32).prop_map(|max_recoveries| CatchSpec::All { max_recoveries }),
        1 => (prop::collection::vec(0..NAMES.len(), 0..3), 0..3u32).prop_map(|(names, max_recoveries)| CatchSpec::Steps {
            names: names.into_iter().map(|at| NAMES[at]).collect::<Vec<_>>().leak(),
            max_recoveries,
        }),
    ]
}

fn any_step() -> impl Strategy<Value = StepSpec> {
    let sets = (set(), set(), set(), 0..4u8);
    (0..NAMES.len(), prop::collection::vec(param(), 0..4), out(), catch(), sets, any::<(bool, bool)>()).prop_map(
        |(name, params, out, catch, (emits, waits, streams, which), (unconsumed, endless))| {
            let mut spec = step(NAMES[name], params.leak(), out);
            spec.catch = catch;
            match which {
                1 => spec.emits = emits,
                2 => spec.waits = waits,
                3 => spec.streams = streams,
                _ => {}
            }
            spec.allow_unconsumed = unconsumed;
            spec.allow_endless = endless;
            spec
        },
    )
}

pub(super) fn workflow() -> impl Strategy<Value = &'static WorkflowSpec> {
    prop::collection::vec(any_step(), 0..6).prop_map(|steps| leak(flow(steps.leak())))
}

fn compare<const N: usize>(spec: &'static WorkflowSpec) {
    let report = Report::<N>::of(spec);
    let all = check(&GraphSpec::from(spec));
    assert_eq!(report.is_clean(), all.is_empty());
    let constant = report.faults();
    for fault in &constant {
        assert!(all.contains(fault), "{fault}");
        assert!(fault.text.len() < 768 && !fault.text.contains("``"), "{fault}");
    }
    // Every place with a fault has one in the constant, and it is the first there.
    let names = spec.steps.iter().map(|step| step.name).collect::<std::collections::HashSet<_>>();
    if names.len() == N {
        for place in names.into_iter().map(Some).chain([None]) {
            let first = all.iter().find(|fault| fault.step.as_deref() == place);
            assert_eq!(constant.iter().find(|fault| fault.step.as_deref() == place), first);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn constant_and_run_time_agree(spec in workflow()) {
        match spec.steps.len() {
            0 => compare::<0>(spec),
            1 => compare::<1>(spec),
            2 => compare::<2>(spec),
            3 => compare::<3>(spec),
            4 => compare::<4>(spec),
            _ => compare::<5>(spec),
        }
    }

    #[test]
    fn kinds_of_return_types_agree(out in out()) {
        prop_assert_eq!(crate::check::GraphOut::from(&out).kind(), out.kind());
    }
}
