use std::task::Waker;
use std::time::Duration;

use serde_json::Value;
use stepcast_core::engine::{ExecKey, FailureChoice, Filter, OpId, SenderSeq, Time};
use stepcast_core::{AnyEvent, BoxFuture, ErrorInfo, EventIx, Payload, StepIx, StepOutput};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{RespondError, RunError, Stepped};
use crate::dispatch::{PutAway, RunCore};
use crate::exec::Predicate;
use crate::snapshot::{RunSnapshot, SnapshotError};
use crate::view::PendingInputs;
use crate::wakers::WakerSet;

/// Where everything that is not the dispatcher leaves word for it.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) messages: Vec<Message>,
    /// Events from outside among the messages.
    pub(crate) external: usize,
    pub(crate) task: Task,
    /// Who waits for room in the mailbox.
    pub(crate) room: Option<Box<WakerSet>>,
    /// Who waits for the run's end.
    pub(crate) end: WakerSet,
}

/// Where the dispatcher is.
#[derive(Debug)]
pub(crate) enum Task {
    /// In its task, and going to look here.
    Active,
    /// In its task, asleep.
    Asleep(Waker),
    /// In its task, on the way to `Away`: it looks here once more when it is there.
    Leaving,
    /// Gone for now: the run has nothing to do.
    PutAway(Box<PutAway>),
    /// Not begun yet: somebody holds the run back.
    Held(Box<Held>),
    /// As `PutAway`, of a large run.
    Idle(Box<RunCore>),
    /// Nothing is left of it but the run's place in its journal: a kept run that is read anew where it goes on.
    Away(Handle),
    /// Gone with the run's end.
    Ended,
}

/// A run that is held back.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) start: Payload,
    /// Where it goes on.
    pub(crate) tokio: Handle,
}

/// Word for the dispatcher.
#[derive(Debug)]
pub(crate) enum Message {
    /// The run has its place among the concurrent ones and its resources: steps may start, so many at a time.
    Admitted { max_running: usize },
    /// What the run needs to begin cannot be had.
    Refused(RunError),
    /// An event from outside.
    External { event: Payload, to: Option<StepIx>, id: Option<SenderSeq> },
    /// A person's answer.
    Respond { input: u64, answer: Given, reply: oneshot::Sender<Result<(), RespondError>> },
    /// An attempt in a task of its own has ended.
    Ended { exec: ExecKey, attempt: u32, output: StepOutput },
    /// An attempt in a task of its own gives its future back: only the run can bring it on.
    Waits { exec: ExecKey, attempt: u32, future: Handed },
    /// An attempt that was asked to park, for its event has no room, stays where it is.
    Stays,
    /// An execution asks for something.
    Operation { exec: ExecKey, attempt: u32, request: Request },
    /// End the run.
    Cancel,
    /// Take a snapshot.
    Snapshot(oneshot::Sender<Result<RunSnapshot, SnapshotError>>),
    /// Letters of the store.
    Letters(Vec<stepcast_core::backend::Mail>),
    /// Somebody waits until what is on record by now is durable.
    Kept(oneshot::Sender<()>),
    /// Leave memory at the next rest.
    Leave,
    /// Go on no longer here, and why: in the store the run stays as it is.
    Stop(RunError),
    /// Let one dispatch happen, and stand still otherwise.
    Step(oneshot::Sender<Stepped>),
    /// Go on by itself.
    GoOn,
    /// List the pending inputs.
    Inputs(oneshot::Sender<PendingInputs>),
    /// The last handle is gone.
    HandleGone,
}

/// An attempt's future on its way back to the dispatcher.
pub(crate) struct Handed(pub(crate) BoxFuture<'static, StepOutput>);

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handed")
    }
}

/// A person's answer as it was given.
#[derive(Debug)]
pub(crate) enum Given {
    Event(AnyEvent),
    Value(Value),
    Choice(FailureChoice),
}

/// What an execution asks the dispatcher for.
pub(crate) enum Request {
    SendNow {
        id: OpId,
        event: Payload,
    },
    Wait {
        id: OpId,
        event: EventIx,
        filter: Filter,
        predicate: Option<Predicate>,
        shared: bool,
        announce: Option<Payload>,
        deadline: Option<Deadline>,
    },
    Collect {
        id: OpId,
        buffer: String,
        event: Payload,
        expected: Vec<EventIx>,
    },
    Child {
        id: OpId,
    },
    ChildDone {
        id: OpId,
        run_id: String,
        end: Result<Value, ErrorInfo>,
    },
    Withdraw {
        id: OpId,
    },
}

/// When a wait gives up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deadline {
    After(Duration),
    At(Time),
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Request::SendNow { .. } => "SendNow",
            Request::Wait { .. } => "Wait",
            Request::Collect { .. } => "Collect",
            Request::Child { .. } => "Child",
            Request::ChildDone { .. } => "ChildDone",
            Request::Withdraw { .. } => "Withdraw",
        })
    }
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Inbox { messages: Vec::new(), external: 0, task: Task::Active, room: None, end: WakerSet::default() }
    }
}
