//! Runs that their own dispatcher cannot bring further: the store could not write them, or what is in memory of them is
//! not to be relied on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use stepcast_core::AnyEvent;
use stepcast_core::backend::*;
use stepcast_core::engine::Time;

use super::{AttachError, Host, ask, claim};
use crate::clock;
use crate::dispatch::status_of;
use crate::run::{RunEnd, RunError, RunId, RunShared, lock};
use crate::runtime::RuntimeLink;

/// How long after its first failed write a run is given back; longer each time it happens again.
const SOON: Duration = Duration::from_millis(500);

/// The longest that it takes.
const LATE: Duration = Duration::from_secs(30);

/// Runs that stopped here because they could not be written. Their leases are still ours, for a store that takes no
/// rows takes no release either.
#[derive(Default)]
pub(super) struct Stopped(HashMap<RunId, Trial>);

/// How often a run stopped, and when it is tried to give it back.
struct Trial {
    times: u32,
    last: Time,
    next: Option<Time>,
}

impl Stopped {
    fn note(&mut self, run: &RunId, now: Time) {
        // One that went well for long begins anew.
        self.0.retain(|_, trial| trial.next.is_some() || trial.last.after(2 * LATE) > now);
        let trial = self.0.entry(run.clone()).or_insert(Trial { times: 0, last: now, next: None });
        let wait = SOON.saturating_mul(1 << trial.times.min(6)).min(LATE);
        *trial = Trial { times: trial.times.saturating_add(1), last: now, next: Some(now.after(wait)) };
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.0.values().filter_map(|trial| trial.next).min()
    }

    fn take_due(&mut self, now: Time) -> Vec<RunId> {
        let due = self.0.iter_mut().filter(|(_, trial)| trial.next.is_some_and(|next| next <= now));
        due.map(|(run, trial)| {
            trial.next = None;
            run.clone()
        })
        .collect()
    }
}

impl Host {
    /// A run stopped here because it could not be written: whoever can go on with it may have it, once the store takes
    /// writes again.
    fn give_back_later(&self, run: &RunId) {
        lock(&self.stopped).note(run, clock::now());
        self.wake_up();
    }

    /// Gives leases back whose runs stopped, as far as the store takes it. Whether any was given back.
    pub(super) async fn give_back(&self, now: Time) -> bool {
        let runs = lock(&self.stopped).take_due(now);
        if runs.is_empty() {
            return false;
        }
        let _one_at_a_time = self.taking_up.lock().await;
        let tried = ask(self.backend(), move |backend| {
            let ids: Vec<&str> = runs.iter().map(RunId::as_str).collect();
            let claimed = backend.claim(&ids).into_iter();
            let released = claimed.zip(&runs).map(|(lease, run)| match lease {
                Ok(lease) => release(backend, run, lease),
                Err(ClaimError::Storage(error)) => Err(WriteError::Storage(error)),
                // It is somebody else's by now, or has ended.
                Err(_) => Ok(()),
            });
            let released: Vec<_> = released.collect();
            runs.into_iter().zip(released).collect::<Vec<_>>()
        });
        let mut any = false;
        for (run, released) in tried.await.unwrap_or_default() {
            match released {
                Ok(()) => any = true,
                Err(WriteError::Storage(StorageError::Closed)) => {}
                Err(error) => {
                    tracing::debug!(target: "stepcast", %run, %error, "a run that stopped could not be given back; it is tried again");
                    lock(&self.stopped).note(&run, clock::now());
                }
            }
        }
        any
    }
}

impl RuntimeLink {
    /// As [`Host::give_back_later`].
    pub(crate) fn give_back_later(&self, run: &RunId) {
        if let Some(host) = self.inner().and_then(|inner| inner.host.clone()) {
            host.give_back_later(run);
        }
    }
}

/// Gives a lease back, so that whoever can go on with the run may have it. Blocks.
pub(super) fn release(backend: &dyn Backend, run: &RunId, lease: Lease) -> Result<(), WriteError> {
    write(backend, Batch::releasing(Arc::from(run.as_str()), lease.fence, clock::now()))
}

/// Writes a batch and waits until it is durable. Blocks.
fn write(backend: &dyn Backend, batch: Batch) -> Result<(), WriteError> {
    let (done, receipt) = sync_channel(1);
    backend.write(Box::new(batch), Done::new(move |result| drop(done.send(result))));
    receipt.recv().unwrap_or(Err(WriteError::Storage(StorageError::Closed)))
}

/// Ends a run with an error, from what the store has of it: its dispatcher is gone. The end is known once it is durable.
pub(crate) fn end_in_store(run: Arc<RunShared>, error: RunError) -> impl Future<Output = ()> {
    let waits = Unknown(Arc::clone(&run));
    async move {
        end(&run, error).await;
        drop(waits);
    }
}

/// The end of a run is not known yet. Who waits for it must not wait for ever if the tokio runtime goes away.
struct Unknown(Arc<RunShared>);

impl Drop for Unknown {
    fn drop(&mut self) {
        self.0.finish(RunEnd::refused(RunError::Dropped, clock::now()));
    }
}

async fn end(run: &Arc<RunShared>, error: RunError) {
    let Some(keeping) = run.keeping() else { return };
    let end = RunEnd::refused(error, clock::now());
    let (event, status, id) = (end.terminal_event(), status_of(&end), run.id().clone());
    let ended = ask(keeping.backend(), move |backend| end_stored(backend, &id, &event, status));
    let id = run.id();
    let end = match ended.await {
        Some(Ok(())) => end,
        // It had ended, or was never there: nothing is to be recorded.
        Some(Err(AttachError::Claim(ClaimError::Ended { .. } | ClaimError::UnknownRun { .. }))) => end,
        None => RunEnd::refused(RunError::ShuttingDown, clock::now()),
        Some(Err(error)) => {
            tracing::error!(target: "stepcast", run = %id, %error, "the end of a run could not be written; the run goes on from what is stored");
            if let Some(link) = run.link() {
                link.give_back_later(id);
            }
            let source = WriteError::Storage(StorageError::Other { source: Arc::new(error) });
            RunEnd::refused(RunError::Storage { source: Arc::new(source) }, clock::now())
        }
    };
    run.finish(end);
}

/// Ends a run that nobody drives. Blocks.
fn end_stored(backend: &dyn Backend, id: &RunId, event: &AnyEvent, status: StatusChange) -> Result<(), AttachError> {
    // What was still on its way is written by now, or fenced off.
    let lease = claim(backend, id)?;
    let stored = backend.load(id.as_str())?;
    let now = clock::now();
    let mut batch = Batch::of(Arc::from(id.as_str()), lease.fence, now);
    let json = serde_json::to_string(&event.to_envelope()).unwrap_or_else(|_| "null".to_owned());
    batch.events.push(StreamRow { seq: stored.last_seq + 1, tag: event.tag().to_owned(), json, at: now });
    batch.status = Some(status);
    batch.ends_children = true;
    batch.letters.extend(stored.record.parent.map(|parent| Letter::ended(parent, &batch.run, now)));
    write(backend, batch).map_err(|error| AttachError::Storage(StorageError::Other { source: Arc::new(error) }))
}

/// Whether a child's parent has ended. If the child was asked to end too, it does so here: its parent's step was the only
/// one that knew how it goes on. Blocks.
pub(super) fn end_orphan(backend: &dyn Backend, child: &RunRecord) -> Result<bool, AttachError> {
    let Some(parent) = &child.parent else { return Ok(false) };
    if backend.run(parent)?.is_some_and(|parent| !parent.status.is_end()) {
        return Ok(false);
    }
    if backend.mail(&child.run, 0)?.iter().any(|mail| mail.kind == MailKind::Cancel) {
        let end = RunEnd::refused(RunError::Cancelled, clock::now());
        match end_stored(backend, &RunId::from(Arc::clone(&child.run)), &end.terminal_event(), status_of(&end)) {
            // Another process ends it.
            Ok(()) | Err(AttachError::Claim(ClaimError::Ended { .. } | ClaimError::Held { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
