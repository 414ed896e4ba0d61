use super::FaultText;
use super::fault::{Fault, FaultKind, Finding, Findings, Place};
use super::flatten::needs;
use super::graph::{CheckEdge, CheckEvent, CheckOpener, CheckStep, NONE};
use super::table::{Lengths, Tables};
use super::work::{Check, HINTS, Work};
use crate::WorkflowSpec;

/// What the levels of a graph may cost the compiler, which calls a constant long-running after two million loop turns
/// and calls, and that is an error.
const LIMIT: u64 = 1_200_000;

/// What the check found in a workflow of `N` steps, as a constant: the first fault of each step, of the start and of
/// the stop.
#[derive(Clone, Copy, Debug)]
pub struct Report<const N: usize> {
    workflow: &'static str,
    start: Option<Finding<'static>>,
    stop: Option<Finding<'static>>,
    steps: [Option<Finding<'static>>; N],
    faults: usize,
    too_large: bool,
}

impl<const N: usize> Report<N> {
    /// Checks a workflow.
    ///
    /// # Panics
    /// When `N` is not the number of its steps.
    pub const fn of(spec: &'static WorkflowSpec) -> Self {
        assert!(spec.steps.len() == N, "a `Report` is made for the number of steps that the workflow has");
        if N == 0 {
            let mut report = Report::empty(spec.name);
            report.start = Some(Finding::new(FaultKind::NoSteps, Place::Start).event(spec.start.tag));
            report.faults = 1;
            return report;
        }
        // Memory of a constant is cleared before use, so a small graph gets small tables.
        let needs = needs(spec);
        let events = needs.edges + 2;
        if events <= 96 && needs.openers < 64 {
            examine::<N, 96, 1>(spec)
        } else if events <= 1024 && needs.openers < 256 {
            examine::<N, 1024, 4>(spec)
        } else if events <= 8192 && needs.openers < 1024 {
            examine::<N, 8192, 16>(spec)
        } else {
            let mut report = Report::empty(spec.name);
            report.too_large = true;
            report
        }
    }

    const fn empty(workflow: &'static str) -> Self {
        Report { workflow, start: None, stop: None, steps: [None; N], faults: 0, too_large: false }
    }

    /// What is wrong with the step at this position, if anything.
    pub const fn step_fault(&self, step: usize) -> Option<FaultText> {
        if step < N { self.text(&self.steps[step]) } else { None }
    }

    /// What is wrong with the workflow as a whole or with its start event, if anything.
    pub const fn start_fault(&self) -> Option<FaultText> {
        self.text(&self.start)
    }

    /// What is wrong with the workflow's stop event, if anything.
    pub const fn stop_fault(&self) -> Option<FaultText> {
        self.text(&self.stop)
    }

    /// The first fault there is: of the workflow, then of its steps in order.
    pub const fn first_fault(&self) -> Option<FaultText> {
        if self.start.is_some() {
            return self.start_fault();
        }
        if self.stop.is_some() {
            return self.stop_fault();
        }
        let mut step = 0;
        while step < N {
            if self.steps[step].is_some() {
                return self.step_fault(step);
            }
            step += 1;
        }
        None
    }

    /// The kind of the first fault of the step at this position.
    pub const fn step_kind(&self, step: usize) -> Option<FaultKind> {
        if step < N { kind(&self.steps[step]) } else { None }
    }

    /// The kind of the first fault of the workflow as a whole or of its start event.
    pub const fn start_kind(&self) -> Option<FaultKind> {
        kind(&self.start)
    }

    /// The kind of the first fault of the workflow's stop event.
    pub const fn stop_kind(&self) -> Option<FaultKind> {
        kind(&self.stop)
    }

    /// Whether nothing is wrong.
    pub const fn is_clean(&self) -> bool {
        self.faults == 0
    }

    /// Said of a graph that is too large for the compiler: nothing was checked, `build()` decides.
    pub const fn too_large(&self) -> Option<&'static str> {
        if self.too_large {
            Some(
                "the workflow has more than 8190 event uses or 1023 batches, too many for the compiler; `build()` checks it",
            )
        } else {
            None
        }
    }

    /// The faults in words, for tests and tools.
    pub fn faults(&self) -> Vec<Fault> {
        [&self.start, &self.stop]
            .into_iter()
            .chain(&self.steps)
            .filter_map(|found| found.as_ref().map(|found| Fault::of(found, self.workflow)))
            .collect()
    }

    const fn text(&self, found: &Option<Finding<'static>>) -> Option<FaultText> {
        match found {
            Some(found) => Some(FaultText::of(found, self.workflow)),
            None => None,
        }
    }
}

const fn kind(found: &Option<Finding<'static>>) -> Option<FaultKind> {
    match found {
        Some(found) => Some(found.kind),
        None => None,
    }
}

/// Runs the check in arrays: `N` steps, up to `E` edges and event types, up to `64 * W - 1` batches.
const fn examine<const N: usize, const E: usize, const W: usize>(spec: &'static WorkflowSpec) -> Report<N> {
    let mut openers = [[CheckOpener::EMPTY; 64]; W];
    let (mut event_slots, mut name_slots) = ([[NONE; 2]; E], [[NONE; 2]; N]);
    let mut tables = Tables {
        steps: &mut [CheckStep::EMPTY; N],
        edges: &mut [CheckEdge::EMPTY; E],
        events: &mut [CheckEvent::EMPTY; E],
        openers: openers.as_flattened_mut(),
        event_slots: event_slots.as_flattened_mut(),
        name_slots: name_slots.as_flattened_mut(),
        len: Lengths::ZERO,
    };
    let (start, stop) = tables.workflow(spec);
    // The two places of the workflow and those of its steps: at least `N + 2`.
    let mut places = [[None; 3]; N];
    let (mut step_levels, mut event_levels, mut reached) = ([[0; W]; N], [[0; W]; E], [[0; W]; N]);
    let mut check = Check {
        graph: tables.graph(start, stop),
        work: Work {
            words: tables.len.openers / 64 + 1,
            step_levels: step_levels.as_flattened_mut(),
            event_levels: event_levels.as_flattened_mut(),
            reached: reached.as_flattened_mut(),
            asked: &mut [0; W],
            queue: &mut [NONE; N],
            queued: &mut [false; N],
            head: 0,
            waiting: 0,
            first_taker: &mut [NONE; E],
            first_giver: &mut [NONE; E],
            next_edge: &mut [NONE; E],
            uses: &mut [0; E],
            stamps: &mut [0; E],
            stamp: 0,
            first_collector: NONE,
            next_collector: &mut [NONE; N],
            catcher: &mut [NONE; N],
            leaves: &mut [false; N],
            step_degree: &mut [0; N],
            event_degree: &mut [0; E],
            spent: 0,
            limit: LIMIT,
            hints: HINTS,
        },
        findings: Findings {
            list: places.as_flattened_mut(),
            first_per_place: true,
            count: 0,
            explained: &mut [false; N],
        },
    };
    check.run();
    let mut report = Report::empty(spec.name);
    if check.work.is_exhausted() {
        report.too_large = true;
        return report;
    }
    report.faults = check.findings.count;
    let places = places.as_flattened();
    report.start = places[0];
    report.stop = places[1];
    let mut step = 0;
    while step < N {
        report.steps[step] = places[step + 2];
        step += 1;
    }
    report
}
