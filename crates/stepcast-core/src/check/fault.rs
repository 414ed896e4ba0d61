use super::text::full_text;

/// What is wrong with a graph. Each kind has one sentence that names the step and the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The workflow has no steps.
    NoSteps,
    /// The workflow's start event is not marked as a start event.
    StartNotMarked,
    /// The workflow's stop event is not marked as a stop event.
    StopNotMarked,
    /// No step takes the start event.
    StartNotTaken,
    /// No step gives the stop event.
    StopNotGiven,
    /// The stop event is given only by steps that never run.
    StopUnreachable,
    /// Two steps have one name.
    DuplicateStep,
    /// Two event types have one tag.
    TagTwice,
    /// Two tags have one hash.
    HashTwice,
    /// A step takes or gives the start event of another workflow.
    OtherStart,
    /// A step gives the stop event of another workflow.
    OtherStop,
    /// A step takes a stop event.
    StopTaken,
    /// An event that no step takes is given.
    NotTaken,
    /// A step takes an event that nothing produces.
    NotGiven,
    /// A step waits for an event that nobody can send.
    NotSent,
    /// A step can never run.
    NeverRuns,
    /// A step is in a loop that nothing leaves.
    EndlessLoop,
    /// A step collects an event that never occurs inside a batch.
    NoBatch,
    /// The events of a join never occur at one batch level.
    NeverMeet,
    /// A slot of a join takes several event types.
    UnionInJoin,
    /// Two slots of a join take one event type.
    SlotTwice,
    /// A collecting parameter stands beside another event parameter.
    CollectMixed,
    /// A step has two collecting parameters.
    CollectTwice,
    /// A step takes no event.
    NoEventParam,
    /// `Take` of nothing.
    TakeZero,
    /// A catch step takes something other than one `StepFailedEvent`.
    CatchInput,
    /// A step that is not a catch step takes `StepFailedEvent`.
    FailureTaken,
    /// A catch step names a step that does not exist.
    CatchUnknown,
    /// A catch step names another catch step.
    CatchCatch,
    /// A catch step names itself.
    CatchSelf,
    /// Two catch steps name one step.
    CaughtTwice,
    /// Two catch steps take the failures of every step.
    CatchAllTwice,
    /// A catch step that may recover nothing.
    NoRecoveries,
}

impl FaultKind {
    /// Whether the fault already says why its step does not run.
    pub(super) const fn explains_idleness(self) -> bool {
        matches!(
            self,
            FaultKind::NoEventParam
                | FaultKind::NotGiven
                | FaultKind::NoBatch
                | FaultKind::NeverMeet
                | FaultKind::FailureTaken
                | FaultKind::CatchInput
                | FaultKind::StopTaken
        )
    }
}

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The workflow as a whole, or its start event.
    Start,
    /// The workflow's stop event.
    Stop,
    /// The step at this position.
    Step(usize),
}

impl Place {
    /// Position in a list of the workflow's two places followed by its steps.
    pub(super) const fn index(self) -> usize {
        match self {
            Place::Start => 0,
            Place::Stop => 1,
            Place::Step(step) => step + 2,
        }
    }
}

/// A fault before it is put into words: constants hold this, and the text is made only where it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding<'a> {
    pub(super) kind: FaultKind,
    pub(super) place: Place,
    /// Name of the step, if it is about a step.
    pub(super) step: &'a str,
    /// Tag of the event, if it is about an event.
    pub(super) event: &'a str,
    /// A second name: another step, another event, a location.
    pub(super) other: &'a str,
    /// A third one: a location, or the nearest name to a mistaken one.
    pub(super) extra: &'a str,
    /// Selects between two wordings of one kind.
    pub(super) variant: bool,
}

impl<'a> Finding<'a> {
    pub(super) const fn new(kind: FaultKind, place: Place) -> Self {
        Finding { kind, place, step: "", event: "", other: "", extra: "", variant: false }
    }

    pub(super) const fn event(mut self, tag: &'a str) -> Self {
        self.event = tag;
        self
    }

    pub(super) const fn other(mut self, name: &'a str) -> Self {
        self.other = name;
        self
    }

    pub(super) const fn extra(mut self, name: &'a str) -> Self {
        self.extra = name;
        self
    }

    pub(super) const fn variant(mut self, variant: bool) -> Self {
        self.variant = variant;
        self
    }
}

/// Where findings go: all of them at run time; in a constant the first of each place.
pub(super) struct Findings<'f, 'a> {
    pub(super) list: &'f mut [Option<Finding<'a>>],
    pub(super) first_per_place: bool,
    /// How many there were, also of those that found no room.
    pub(super) count: usize,
    /// Per step: a fault already says why it does not run.
    pub(super) explained: &'f mut [bool],
}

impl<'a> Findings<'_, 'a> {
    pub(super) const fn add(&mut self, finding: Finding<'a>) {
        if let Place::Step(step) = finding.place
            && finding.kind.explains_idleness()
        {
            self.explained[step] = true;
        }
        let at = if self.first_per_place { finding.place.index() } else { self.count };
        self.count += 1;
        if at < self.list.len() && self.list[at].is_none() {
            self.list[at] = Some(finding);
        }
    }
}

/// One fault of a graph, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The step it is about; `None` where it is the workflow's.
    pub step: Option<String>,
    /// Tag of the event it is about.
    pub event: Option<String>,
    /// One sentence: what is wrong, what was expected, what to do.
    pub text: String,
}

impl Fault {
    pub(super) fn of(finding: &Finding<'_>, workflow: &str) -> Self {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        Fault {
            kind: finding.kind,
            step: matches!(finding.place, Place::Step(_)).then(|| finding.step.to_owned()),
            event: named(finding.event),
            text: full_text(finding, workflow),
        }
    }
}
