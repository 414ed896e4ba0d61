//! Kept runs that rest for long while somebody holds a handle of them: they have left memory but for what a handle shows,
//! and are read anew where something calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use stepcast_core::backend::{Batch, Done, RunFilter, RunStatus};
use tokio::runtime::Handle;

use super::read_anew;
use crate::clock;
use crate::dispatch::{First, RunCore, RunTask};
use crate::run::{AnyRun, Message, RunId, RunShared, Task, lock};
use crate::runtime::RuntimeLink;

/// Starts the dispatcher of a run that is away. It finds nothing of the run but that it is being read.
pub(crate) fn come_back(run: &Arc<RunShared>, tokio: &Handle) {
    // It rests anew: whoever looks for idle runs before the dispatcher is there lets it be.
    if let Some(keeping) = run.keeping() {
        keeping.quiet_since.store(u64::MAX, Ordering::Relaxed);
    }
    let core = RunCore::to_be_read(run);
    tokio.spawn(read_anew(Arc::clone(run)));
    tokio.spawn(RunTask::new(Arc::clone(run), First::Core(core)));
}

impl RunShared {
    /// Asks a run that rests to leave memory. One that has left it, or is about to, is not called back for that: if nobody
    /// holds it any more, that is the last of it here, and its lease is given back.
    pub(crate) fn ask_to_leave(self: &Arc<Self>) {
        let mut inbox = lock(&self.inbox);
        match inbox.task {
            Task::Away(_) => {}
            Task::Leaving | Task::Ended => return,
            _ => {
                inbox.messages.push(Message::Leave);
                return self.rouse(inbox);
            }
        }
        if self.is_awaited() {
            return;
        }
        let Some(gone) = self.link().and_then(|link| link.forget_idle(self)) else { return };
        inbox.task = Task::Ended;
        drop(inbox);
        if let Some(journal) = self.keeping().and_then(|keeping| keeping.take_journal(self.id())) {
            self.write_last(journal.releasing(clock::now()));
        }
        drop(gone);
    }

    /// Brings children back that sleep in the store, and theirs, as far as their workflows are known here. Others come with
    /// the steps that wait for them. They stay as they are for as long as what this gives is held.
    pub(crate) async fn bring_children(self: &Arc<Self>) -> Vec<AnyRun> {
        let mut all = Vec::new();
        let mut parents = vec![Arc::clone(self)];
        while let Some(parent) = parents.pop() {
            if !parent.keeping().is_some_and(|keeping| keeping.has_children.load(Ordering::Relaxed)) {
                continue;
            }
            let Some(runtime) = parent.link().and_then(RuntimeLink::runtime) else { break };
            let of = Some(Arc::from(parent.id().as_str()));
            let statuses = vec![RunStatus::Running, RunStatus::Waiting];
            let filter = RunFilter { parent: of, statuses, ..RunFilter::default() };
            for child in runtime.list_runs(filter, None, usize::MAX).await.unwrap_or_default() {
                if let Ok(child) = runtime.attach(&RunId::from(child.run)).await {
                    parent.adopt_child(child.shared());
                    parents.push(Arc::clone(child.shared()));
                    all.push(child);
                }
            }
        }
        all
    }

    /// Writes a batch that gives the lease back, and holds the run until that is done.
    pub(crate) fn write_last(self: &Arc<Self>, batch: Box<Batch>) {
        let Some(keeping) = self.keeping() else { return };
        let run = Arc::clone(self);
        keeping.backend().write(
            batch,
            Done::new(move |result| {
                if let Err(error) = result {
                    tracing::warn!(target: "stepcast", run = %run.id(), %error, "a resting run could not be released");
                }
            }),
        );
    }
}
