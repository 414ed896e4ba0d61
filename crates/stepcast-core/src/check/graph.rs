use crate::{EventMeta, Role, StepFailedEvent};

/// Stands for "no index" in the tables.
pub(super) const NONE: u32 = u32::MAX;

/// The event that catch steps take.
const FAILURE: EventMeta = <StepFailedEvent as crate::Event>::META;

/// An event type of the graph. Two entries may share a tag; then the later one names the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckEvent<'a> {
    pub(super) tag: &'a str,
    pub(super) hash: u64,
    /// Where the type is written, hashed; 0 for an event known by its tag alone.
    pub(super) origin: u64,
    pub(super) location: &'a str,
    pub(super) role: Role,
    /// The first entry with this tag, which stands for both in the analysis.
    pub(super) first: u32,
    /// An earlier entry with another tag and the same hash.
    pub(super) collides: u32,
}

/// A step of the graph. Its edges and openers are consecutive in their tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckStep<'a> {
    pub(super) name: &'a str,
    /// An earlier step of the same name.
    pub(super) same_name: u32,
    pub(super) first_edge: usize,
    pub(super) end_edge: usize,
    pub(super) first_opener: usize,
    pub(super) end_opener: usize,
    pub(super) event_params: u32,
    pub(super) collecting_params: u32,
    pub(super) empty_params: bool,
    pub(super) take_zero: bool,
    /// It may give nothing at all.
    pub(super) may_be_silent: bool,
    /// It may give nothing but batches, and these may be empty.
    pub(super) may_open_only: bool,
    pub(super) allow_unconsumed: bool,
    pub(super) allow_endless: bool,
    pub(super) catch: CheckCatch<'a>,
}

/// Whose failures a step takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum CheckCatch<'a> {
    None,
    All { max_recoveries: u32 },
    Steps { names: &'a [&'a str], max_recoveries: u32 },
}

/// How a step uses an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EdgeKind {
    /// One event parameter of perhaps several; the slot counts the event parameters.
    Takes {
        slot: u32,
    },
    /// A `Vec` or `Take` parameter.
    Collects {
        slot: u32,
    },
    /// In the return value: a member of this opener's batch, or `NONE` at the step's own level.
    Gives {
        opener: u32,
    },
    /// Through a context, at the step's own level.
    Sends,
    Waits,
    Streams,
}

/// One use of an event by a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckEdge {
    pub(super) step: u32,
    /// The event, by the first entry of its tag.
    pub(super) event: u32,
    /// The event as the step writes it; differs only where two types share a tag.
    pub(super) written: u32,
    pub(super) kind: EdgeKind,
}

/// A `Vec` in a step's return value: it opens a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckOpener {
    pub(super) step: u32,
    /// The opener around it in the same return value.
    pub(super) parent: u32,
    pub(super) kind: u64,
}

/// The whole graph in flat tables, as the algorithm reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Graph<'t, 'a> {
    pub(super) steps: &'t [CheckStep<'a>],
    pub(super) edges: &'t [CheckEdge],
    pub(super) events: &'t [CheckEvent<'a>],
    pub(super) openers: &'t [CheckOpener],
    pub(super) names: &'t [u32],
    pub(super) start: u32,
    /// By the first entry of its tag.
    pub(super) stop: u32,
    /// As the workflow writes it; differs only where another type has its tag.
    pub(super) stop_written: u32,
}

impl EdgeKind {
    pub(super) const fn takes(self) -> bool {
        matches!(self, EdgeKind::Takes { .. } | EdgeKind::Collects { .. })
    }

    pub(super) const fn gives(self) -> bool {
        matches!(self, EdgeKind::Gives { .. } | EdgeKind::Sends)
    }

    /// The slot of an event parameter; `NONE` for every other use.
    pub(super) const fn slot(self) -> u32 {
        match self {
            EdgeKind::Takes { slot } | EdgeKind::Collects { slot } => slot,
            _ => NONE,
        }
    }
}

impl CheckStep<'_> {
    pub(super) const EMPTY: Self = CheckStep {
        name: "",
        same_name: NONE,
        first_edge: 0,
        end_edge: 0,
        first_opener: 0,
        end_opener: 0,
        event_params: 0,
        collecting_params: 0,
        empty_params: false,
        take_zero: false,
        may_be_silent: false,
        may_open_only: false,
        allow_unconsumed: false,
        allow_endless: false,
        catch: CheckCatch::None,
    };

    pub(super) const fn is_catch(&self) -> bool {
        !matches!(self.catch, CheckCatch::None)
    }

    /// Whether it is a well-formed join.
    pub(super) const fn is_join(&self) -> bool {
        self.event_params > 1 && self.collecting_params == 0
    }

    /// Whether it is a well-formed collector.
    pub(super) const fn is_collector(&self) -> bool {
        self.event_params == 1 && self.collecting_params == 1
    }
}

impl CheckEvent<'_> {
    pub(super) const EMPTY: Self =
        CheckEvent { tag: "", hash: 0, origin: 0, location: "", role: Role::Plain, first: NONE, collides: NONE };

    /// Whether it is `StepFailedEvent`.
    pub(super) const fn is_failure(&self) -> bool {
        self.hash == FAILURE.hash && matches!(self.role, Role::Runtime)
    }
}

impl CheckEdge {
    pub(super) const EMPTY: Self = CheckEdge { step: NONE, event: NONE, written: NONE, kind: EdgeKind::Streams };
}

impl CheckOpener {
    pub(super) const EMPTY: Self = CheckOpener { step: NONE, parent: NONE, kind: 0 };
}
