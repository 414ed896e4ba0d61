//! A server as a store that can be read, answered and told to end.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use stepcast::backend::*;
use stepcast::engine::Time;
use stepcast_client::{Client, InputQuery, Page, RequestError, RunQuery};
use tokio::runtime::Handle;

use super::records;
use crate::timeline::NO_JOURNAL;

/// The most that a server gives at once.
const MOST: usize = 1_000;

/// A server as a store.
#[derive(Debug)]
pub(crate) struct ServerStore {
    client: Client,
    runtime: Handle,
    /// Places in lists, as the server writes them, by the number under which they were given out.
    places: Mutex<HashMap<u64, String>>,
}

impl ServerStore {
    /// Called from within a tokio runtime that has threads of its own.
    pub(crate) fn new(client: Client) -> Self {
        ServerStore { client, runtime: Handle::current(), places: Mutex::default() }
    }

    /// Waits for an answer of the server's.
    fn wait<T: Send>(&self, asked: impl Future<Output = T> + Send) -> Result<T, StorageError> {
        std::thread::scope(|scope| scope.spawn(|| self.runtime.block_on(asked)).join())
            .map_err(|_| refused("the question to the server panicked"))
    }

    fn ask<T: Send>(&self, asked: impl Future<Output = Result<T, RequestError>> + Send) -> Result<T, StorageError> {
        self.wait(asked)?.map_err(failed)
    }

    /// A number for the place after a page.
    fn place(&self, next: Option<String>) -> u64 {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let number = places.len() as u64 + 1;
        places.insert(number, next.unwrap_or_default());
        number
    }

    /// The server's own word for a place; `Err` where nothing is behind it.
    fn behind(&self, after: Option<u64>) -> Result<Option<String>, ()> {
        let Some(number) = after else { return Ok(None) };
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(&number).filter(|place| !place.is_empty()).cloned().map(Some).ok_or(())
    }

    fn number<T, R>(&self, page: Page<T>, record: impl Fn(T, u64) -> R) -> Vec<R> {
        let place = self.place(page.next_cursor);
        page.items.into_iter().map(|item| record(item, place)).collect()
    }
}

impl Backend for ServerStore {
    fn write(&self, _: Box<Batch>, done: Done) {
        done.call(Err(refused("runs of a server are driven there").into()));
    }

    fn claim(&self, runs: &[&str]) -> Vec<Result<Lease, ClaimError>> {
        runs.iter().map(|_| Err(refused("runs of a server are driven there").into())).collect()
    }

    fn load(&self, run: &str) -> Result<StoredRun, LoadError> {
        let record = self.run(run)?.ok_or_else(|| LoadError::UnknownRun { run: run.into() })?;
        let last_seq = self.last_seq(run)?;
        // What only the store itself has is left out.
        let (description, start) = (NO_JOURNAL.to_owned(), "null".to_owned());
        Ok(StoredRun { record, description, start, snapshot: None, rows: Vec::new(), last_seq })
    }

    fn run(&self, run: &str) -> Result<Option<RunRecord>, StorageError> {
        match self.wait(self.client.run(run).info())? {
            Ok(info) => Ok(Some(records::run(info, 0))),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn runs(&self, filter: &RunFilter, after: Option<RunCursor>, limit: usize) -> Result<Vec<RunRecord>, StorageError> {
        let Ok(cursor) = self.behind(after.map(|after| after.0)) else { return Ok(Vec::new()) };
        let query = RunQuery {
            statuses: filter.statuses.clone(),
            workflows: filter.workflow.iter().cloned().collect(),
            parent: filter.parent.as_deref().map(str::to_owned),
            limit: Some(limit.min(MOST)),
            cursor,
        };
        let page = self.ask(self.client.runs(&query))?;
        Ok(self.number(page, records::run))
    }

    fn definition(&self, _: &str) -> Result<Option<Arc<str>>, StorageError> {
        // Not told by a server's records.
        Ok(None)
    }

    fn events(&self, run: &str, after: u64, limit: usize) -> Result<Vec<StreamRow>, LoadError> {
        let asked = self.wait(async {
            let page = self.client.run(run).events(after, limit.min(MOST)).await?;
            Ok::<_, RequestError>(page.iter().filter_map(records::event).collect())
        })?;
        match asked {
            Ok(events) => Ok(events),
            Err(error) if error.status() == Some(404) => Err(LoadError::UnknownRun { run: run.into() }),
            Err(error) => Err(failed(error).into()),
        }
    }

    // A server is asked for events alone: their pages end at the last.
    fn last_seq(&self, run: &str) -> Result<u64, LoadError> {
        let (mut last, mut more) = (0, true);
        while more {
            let events = self.events(run, last, MOST)?;
            more = events.len() == MOST;
            last = events.last().map_or(last, |event| event.seq);
        }
        Ok(last)
    }

    fn inputs(
        &self,
        filter: &InputFilter,
        after: Option<InputCursor>,
        limit: usize,
    ) -> Result<Vec<InputRecord>, StorageError> {
        let Ok(cursor) = self.behind(after.map(|after| after.0)) else { return Ok(Vec::new()) };
        let query = InputQuery {
            run: filter.run.as_deref().map(str::to_owned),
            workflow: filter.workflow.clone(),
            all: !filter.pending,
            limit: Some(limit.min(MOST)),
            cursor,
        };
        let page = self.ask(self.client.inputs(&query))?;
        let mut inputs = self.number(page, records::input);
        inputs.retain(|input| filter.input.is_none_or(|number| number == input.asked.input));
        Ok(inputs)
    }

    fn answer(&self, answer: Answer) -> Result<(), AnswerError> {
        let value: Value = serde_json::from_str(&answer.answer).unwrap_or_default();
        let run = self.client.run(&*answer.run);
        let error = match self.wait(run.answer_as(answer.input, &value, answer.by.as_deref()))? {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        if error.status() != Some(409) {
            return Err(failed(error).into());
        }
        // Who was first is in its record.
        let filter = InputFilter { run: Some(answer.run.clone()), input: Some(answer.input), ..InputFilter::default() };
        match self.inputs(&filter, None, MOST)?.pop() {
            Some(input) => {
                Err(AnswerError::Conflict { run: answer.run, input: answer.input, status: Box::new(input.status) })
            }
            None => Err(failed(error).into()),
        }
    }

    fn send(&self, letter: Letter) -> Result<Sent, SendError> {
        let run = self.client.run(&*letter.run);
        let sent = self.wait(async {
            match letter.kind {
                MailKind::Cancel => run.cancel().await,
                _ => {
                    let event = serde_json::from_str(&letter.json);
                    let event: stepcast::AnyEvent =
                        event.map_err(|source| RequestError::Event { tag: "event", source })?;
                    run.send_event(event).await
                }
            }
        })?;
        match sent {
            Ok(()) => Ok(Sent::New(0)),
            Err(error) if error.status() == Some(404) => Err(SendError::UnknownRun { run: letter.run }),
            Err(error) if error.code() == Some("run_ended") => Err(SendError::Ended { run: letter.run }),
            Err(error) => Err(failed(error).into()),
        }
    }

    fn mail(&self, _: &str, _: u64) -> Result<Vec<Mail>, LoadError> {
        Ok(Vec::new())
    }

    fn mailed(&self) -> Result<Vec<Arc<str>>, StorageError> {
        Ok(Vec::new())
    }

    fn purge(&self, run: &str) -> Result<(), PurgeError> {
        Ok(self.ask(self.client.run(run).purge())?)
    }

    fn purge_ended(&self, _: Time, _: usize) -> Result<usize, StorageError> {
        Err(refused("old runs are removed where the store is"))
    }

    fn cache_get(&self, _: &str) -> Result<Option<CacheRow>, StorageError> {
        Ok(None)
    }

    fn cache_put(&self, _: CacheRow) -> Result<(), StorageError> {
        Ok(())
    }

    fn cache_purge(&self, _: Time, _: usize) -> Result<usize, StorageError> {
        Ok(0)
    }

    fn watch(&self, _: Watcher) {}

    fn close(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// What the server said, where a store would have failed.
fn failed(error: RequestError) -> StorageError {
    StorageError::Other { source: Arc::new(error) }
}

fn refused(why: &'static str) -> StorageError {
    StorageError::ReadOnly { source: Arc::new(std::io::Error::new(std::io::ErrorKind::Unsupported, why)) }
}
