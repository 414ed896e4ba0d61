//! Runs that live in memory alone: the server keeps a handle of each, and of the last that ended.

use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use serde_json::Value;
use stepcast::journal::describe;
use stepcast::{
    AnyEvent, AnyRun, HeldRun, RunError, RunId, RunOptions, RunWatch, Runtime, StreamItem, StreamStart, TraceContext,
};

use super::live_run::{LiveRun, lock};
use super::order::Order;
use super::{InputQuery, InputView, Logged, RunDefinition, RunQuery, RunView, StartData};
use crate::error::ApiError;

/// Runs that live in memory. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct LiveRuns(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runtime: Runtime,
    keep_ended: usize,
    known: DashMap<RunId, Arc<LiveRun>>,
    /// Tells of children, and of runs that ask.
    watch: RunWatch,
    order: Mutex<Order>,
}

/// How many runs of a list are looked at at once.
const PAGE: usize = 64;

impl LiveRuns {
    pub(super) fn of(runtime: Runtime, keep_ended: usize) -> Self {
        let watch = runtime.watch_runs();
        LiveRuns(Arc::new(Inner { runtime, keep_ended, known: DashMap::new(), watch, order: Mutex::default() }))
    }

    /// Starts a run, which is known when this returns. No other has an id that was not chosen.
    pub(super) fn hold(
        &self,
        workflow: &str,
        id: &RunId,
        chosen: bool,
        mut start: StartData,
        options: RunOptions,
    ) -> Result<(HeldRun, Option<Arc<LiveRun>>), ApiError> {
        if chosen && self.0.known.get(id).is_some_and(|known| !known.run.is_done()) {
            return Err(ApiError::not_begun(id, &RunError::DuplicateRunId { id: id.to_string() }));
        }
        let held = self.0.runtime.hold(workflow, start.with(), options);
        let held = held.map_err(|error| ApiError::from(error).of_run(id))?;
        // One that was refused is not the run of this id.
        let live = (held.run_id() == id).then(|| self.enter(AnyRun::clone(&held), held.kept_as(), Some(start.data)));
        Ok((held, live))
    }

    /// Keeps a handle of a run.
    fn enter(&self, run: AnyRun, workflow: &str, start: Option<Value>) -> Arc<LiveRun> {
        let mut order = lock(&self.0.order);
        let id = run.run_id().clone();
        // A child may have been entered by another request meanwhile.
        if start.is_none()
            && let Some(known) = self.0.known.get(&id)
        {
            return Arc::clone(&known);
        }
        let live = order.add(|number| LiveRun::new(run, workflow.to_owned(), number, start));
        if let Some(former) = self.0.known.insert(id, Arc::clone(&live)) {
            order.remove(former.number);
        }
        let gone = order.forget(self.0.keep_ended);
        for live in &gone {
            self.0.known.remove_if(live.run.run_id(), |_, known| known.number == live.number);
        }
        drop(order);
        drop(gone);
        live
    }

    /// Keeps handles of the children that are alive, and notes who asks.
    fn look(&self) {
        for run in self.0.watch.take() {
            let known = self.0.known.get(run.run_id()).map(|known| Arc::clone(&known));
            let live = match known {
                Some(live) => live,
                // The runtime may have runs that this server knows nothing of.
                None if !run.parent_id().is_some_and(|parent| self.0.known.contains_key(&parent)) => continue,
                None => {
                    let workflow = run.workflow().to_owned();
                    self.enter(run, &workflow, None)
                }
            };
            lock(&self.0.order).asks(live.number);
        }
    }

    /// Ids of a run's children.
    pub(super) fn children(&self, run: &RunId, ended: bool, limit: usize) -> Vec<RunId> {
        self.look();
        let children = lock(&self.0.order).children(run);
        let children = children.iter().filter(|child| ended || !child.run.is_done());
        children.map(|child| child.run.run_id().clone()).take(limit).collect()
    }

    /// The run, whether it was started here or is the child of one that was.
    fn get(&self, run: &RunId) -> Result<Arc<LiveRun>, ApiError> {
        if let Some(known) = self.0.known.get(run) {
            return Ok(Arc::clone(&known));
        }
        let child = self.0.runtime.get(run).filter(|found| found.parent_id().is_some());
        let child = child.ok_or_else(|| ApiError::no_run(run))?;
        let workflow = child.workflow().to_owned();
        Ok(self.enter(child, &workflow, None))
    }

    pub(super) fn handle(&self, run: &RunId) -> Result<AnyRun, ApiError> {
        Ok(self.get(run)?.run.clone())
    }

    /// The workflow and the start event's data of a run.
    pub(super) fn start_of(&self, run: &RunId) -> Result<(String, Value), ApiError> {
        let live = self.get(run)?;
        Ok((live.workflow.clone(), live.start.clone().unwrap_or_default()))
    }

    pub(super) fn definition_of(&self, run: &RunId) -> Result<RunDefinition, ApiError> {
        let live = self.get(run)?;
        let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
        Ok(RunDefinition {
            workflow: live.workflow.clone(),
            document: live.run.document().map(json),
            description: json(&describe(&live.run.definition())),
        })
    }

    pub(super) fn find(&self, run: &RunId) -> Result<RunView, ApiError> {
        Ok(self.get(run)?.view())
    }

    pub(super) fn list(&self, query: &RunQuery, after: Option<u64>, limit: usize) -> Vec<RunView> {
        self.look();
        let (mut found, mut below) = (Vec::new(), after.unwrap_or(u64::MAX));
        while found.len() < limit {
            let some = lock(&self.0.order).below(below, PAGE.max(limit - found.len()));
            let Some(last) = some.last() else { break };
            below = last.number;
            let views = some.iter().map(|live| live.view()).filter(|view| query.takes(view));
            found.extend(views.take(limit - found.len()));
        }
        found
    }

    pub(super) fn newest(&self, name: &str, is: impl Fn(&RunId) -> bool) -> Option<RunId> {
        lock(&self.0.order).newest(name, is)
    }

    pub(super) async fn events(&self, run: &RunId, after: u64, limit: usize) -> Result<Vec<Logged>, ApiError> {
        let mut stream = self.handle(run)?.stream_from(StreamStart::After(after));
        let (mut items, mut logged) = (Vec::new(), Vec::new());
        while logged.len() < limit {
            // What is there now is had at once; the rest is not waited for.
            let given = tokio::select! {
                biased;
                given = stream.recv_many(&mut items, limit - logged.len()) => given,
                () = std::future::ready(()) => 0,
            };
            if given == 0 {
                break;
            }
            logged.extend(items.drain(..).filter_map(|item| match item {
                StreamItem::Event(item) => (item.kind == stepcast::EventKind::Logged).then_some(Logged {
                    seq: item.seq,
                    at: item.at.map(|at| at.0),
                    event: item.event,
                }),
                StreamItem::Lagged { .. } | StreamItem::Unreadable { .. } => None,
            }));
        }
        Ok(logged)
    }

    pub(super) async fn inputs(
        &self,
        query: &InputQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<InputView>, ApiError> {
        let runs: Vec<(Arc<LiveRun>, Option<u64>)> = match &query.run {
            Some(run) => vec![(self.get(&RunId::from(run.as_str()))?, None)],
            None => {
                self.look();
                lock(&self.0.order).asking().map(|(live, told)| (live, Some(told))).collect()
            }
        };
        let mut found = Vec::new();
        for (live, told) in runs {
            let inputs = live.inputs().await;
            if let (true, Some(told)) = (inputs.is_empty(), told) {
                lock(&self.0.order).asks_nothing(live.number, told);
            }
            found.extend(inputs.into_iter().map(|input| (Arc::clone(&live), input)));
        }
        found.sort_by_key(|(_, input)| (input.created, input.input));
        // Each keeps the number that it is first shown under, so that pages do not shift.
        let mut order = lock(&self.0.order);
        let numbered = found.into_iter().map(|(live, mut input)| {
            input.cursor = live.cursor_of(input.input, &mut order.next_input);
            input
        });
        let mut inputs: Vec<InputView> = numbered.collect();
        drop(order);
        inputs.sort_by_key(|input| input.cursor);
        let after = after.unwrap_or(0);
        Ok(inputs.into_iter().filter(|input| input.cursor > after && query.takes(input)).take(limit).collect())
    }

    pub(super) async fn answer(
        &self,
        run: &RunId,
        input: u64,
        answer: Value,
        by: Option<String>,
    ) -> Result<InputView, ApiError> {
        let live = self.get(run)?;
        // On a task of its own: who answered is noted even if the client goes away before its reply.
        let trace = TraceContext::current();
        let answered = async move { live.answer(input, answer, by).await };
        let answered = match trace {
            None => tokio::spawn(answered).await,
            Some(trace) => tokio::spawn(trace.scope(answered)).await,
        };
        answered.unwrap_or_else(|_| Err(ApiError::no_input(run, input)))
    }

    pub(super) fn send(
        &self,
        run: &RunId,
        event: AnyEvent,
        step: Option<&str>,
        id: Option<String>,
    ) -> Result<(), ApiError> {
        self.get(run)?.send(event, step, id).map_err(|error| ApiError::of_live_send(run, &error))
    }

    pub(super) fn cancel(&self, run: &RunId) -> Result<(), ApiError> {
        let handle = self.handle(run)?;
        if handle.is_done() {
            let detail = format!("The run `{run}` has ended.");
            return Err(ApiError::conflict("run_ended", detail).of_run(run));
        }
        handle.cancel();
        Ok(())
    }

    pub(super) async fn purge(&self, run: &RunId) -> Result<(), ApiError> {
        let live = self.get(run)?;
        live.run.cancel();
        // While it is alive it would be found again.
        let _ = live.run.outcome().await;
        self.0.known.remove_if(run, |_, known| known.number == live.number);
        lock(&self.0.order).remove(live.number);
        Ok(())
    }
}
