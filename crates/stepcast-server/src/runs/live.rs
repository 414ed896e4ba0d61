//! Runs that live in memory alone: the server keeps a handle of each, and of the last that ended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use serde_json::Value;
use stepcast::journal::describe;
use stepcast::{
    AnyEvent, AnyRun, HeldRun, RunError, RunId, RunOptions, RunWatch, Runtime, StreamItem, StreamStart, TraceContext,
};

use super::live_run::{LiveRun, lock};
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

/// Runs in the order in which they were started.
#[derive(Debug, Default)]
struct Order {
    next: u64,
    runs: BTreeMap<u64, Arc<LiveRun>>,
    /// Those to ask next whether they have ended.
    queue: VecDeque<u64>,
    /// Those that are known to have ended, the first to go at the front.
    ended: VecDeque<u64>,
    /// Those that may have questions, open or answered, with the count of `told` when they were last told of.
    asking: BTreeMap<u64, u64>,
    told: u64,
    /// The last number that a question was shown under.
    next_input: u64,
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
        let number = order.next;
        order.next += 1;
        let live = Arc::new(LiveRun::new(run, workflow.to_owned(), number, start));
        order.runs.insert(number, Arc::clone(&live));
        order.queue.push_back(number);
        if let Some(former) = self.0.known.insert(id, Arc::clone(&live)) {
            order.runs.remove(&former.number);
        }
        let gone = self.forget(&mut order);
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
            let mut order = lock(&self.0.order);
            order.told += 1;
            let told = order.told;
            order.asking.insert(live.number, told);
        }
    }

    /// Ids of a run's children.
    pub(super) fn children(&self, run: &RunId, ended: bool, limit: usize) -> Vec<RunId> {
        self.look();
        let order = lock(&self.0.order);
        let children =
            order.runs.values().map(|live| &live.run).filter(|child| child.parent_id().as_ref() == Some(run));
        children.filter(|child| ended || !child.is_done()).map(|child| child.run_id().clone()).take(limit).collect()
    }

    /// Takes out old runs that have ended, if there are more of them than are kept. Each start asks two whether they have,
    /// so it keeps up.
    fn forget(&self, order: &mut Order) -> Vec<Arc<LiveRun>> {
        for _ in 0..2 {
            let Some(number) = order.queue.pop_front() else { break };
            match order.runs.get(&number) {
                None => {}
                Some(live) if live.run.is_done() => order.ended.push_back(number),
                Some(_) => order.queue.push_back(number),
            }
        }
        let mut gone = Vec::new();
        while order.ended.len() > self.0.keep_ended {
            let Some(number) = order.ended.pop_front() else { break };
            if let Some(live) = order.runs.remove(&number) {
                self.0.known.remove_if(live.run.run_id(), |_, known| known.number == number);
                gone.push(live);
            }
        }
        gone
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
            let some: Vec<_> = {
                let order = lock(&self.0.order);
                let older = order.runs.range(..below).rev();
                older.take(PAGE.max(limit - found.len())).map(|(_, live)| Arc::clone(live)).collect()
            };
            let Some(last) = some.last() else { break };
            below = last.number;
            let views = some.iter().map(|live| live.view()).filter(|view| query.takes(view));
            found.extend(views.take(limit - found.len()));
        }
        found
    }

    pub(super) fn newest(&self, is: impl Fn(&RunId) -> bool) -> Option<RunId> {
        let order = lock(&self.0.order);
        order.runs.values().rev().map(|live| live.run.run_id()).find(|id| is(id)).cloned()
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
                let mut order = lock(&self.0.order);
                let Order { runs, asking, .. } = &mut *order;
                asking.retain(|number, _| runs.contains_key(number));
                asking.iter().filter_map(|(number, told)| Some((Arc::clone(runs.get(number)?), Some(*told)))).collect()
            }
        };
        let mut found = Vec::new();
        for (live, told) in runs {
            let inputs = live.inputs().await;
            if let (true, Some(told)) = (inputs.is_empty(), told) {
                let mut order = lock(&self.0.order);
                // Unless it was told of anew meanwhile.
                if order.asking.get(&live.number) == Some(&told) {
                    order.asking.remove(&live.number);
                }
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
        lock(&self.0.order).runs.remove(&live.number);
        Ok(())
    }
}
