//! Runs that live in memory alone: the server keeps a handle of each, and of the last that ended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use serde_json::Value;
use stepcast::backend::RunStatus;
use stepcast::{
    AnyEvent, AnyRun, InputId, InputRecord, RespondError, RunError, RunId, RunOptions, Runtime, StreamItem, StreamStart,
};

use super::{InputQuery, InputState, InputView, Logged, RunFault, RunQuery, RunView};
use crate::error::ApiError;
use crate::wire::time;

/// Runs that live in memory. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct LiveRuns(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runtime: Runtime,
    keep_ended: usize,
    known: DashMap<RunId, Arc<LiveRun>>,
    order: Mutex<Order>,
}

/// Runs in the order in which they were started.
#[derive(Debug, Default)]
struct Order {
    next: u64,
    runs: BTreeMap<u64, Arc<LiveRun>>,
    /// Those to ask next whether they have ended.
    queue: VecDeque<u64>,
}

#[derive(Debug)]
struct LiveRun {
    run: AnyRun,
    workflow: String,
    number: u64,
    created: u64,
    /// Questions that were answered through this server.
    answered: Mutex<BTreeMap<u64, InputView>>,
}

impl LiveRuns {
    pub(super) fn of(runtime: Runtime, keep_ended: usize) -> Self {
        LiveRuns(Arc::new(Inner { runtime, keep_ended, known: DashMap::new(), order: Mutex::default() }))
    }

    pub(super) fn start(
        &self,
        workflow: &str,
        id: &RunId,
        start: Value,
        options: RunOptions,
    ) -> Result<AnyRun, ApiError> {
        let created = time::now();
        let refused = |error| ApiError::from(error).of_run(id);
        if self.0.known.get(id).is_some_and(|known| !known.run.is_done()) {
            return Err(ApiError::not_begun(id, &RunError::DuplicateRunId { id: id.to_string() }));
        }
        let run = self.0.runtime.start(workflow, start, options).map_err(refused)?;
        let mut order = lock(&self.0.order);
        let number = order.next;
        order.next += 1;
        let workflow = workflow.to_owned();
        let live = Arc::new(LiveRun { run: run.clone(), workflow, number, created, answered: Mutex::default() });
        order.runs.insert(number, Arc::clone(&live));
        order.queue.push_back(number);
        if let Some(former) = self.0.known.insert(id.clone(), live) {
            order.runs.remove(&former.number);
        }
        let gone = self.forget(&mut order);
        drop(order);
        drop(gone);
        Ok(run)
    }

    /// Takes out an old run that has ended, if there are more than are kept. Each start looks at two, so it keeps up.
    fn forget(&self, order: &mut Order) -> Vec<Arc<LiveRun>> {
        let mut gone = Vec::new();
        for _ in 0..2 {
            if order.runs.len() <= self.0.keep_ended {
                break;
            }
            let Some(number) = order.queue.pop_front() else { break };
            match order.runs.get(&number) {
                None => {}
                Some(live) if live.run.is_done() => {
                    self.0.known.remove_if(live.run.run_id(), |_, known| known.number == number);
                    gone.extend(order.runs.remove(&number));
                }
                Some(_) => order.queue.push_back(number),
            }
        }
        gone
    }

    fn get(&self, run: &RunId) -> Result<Arc<LiveRun>, ApiError> {
        self.0.known.get(run).map(|known| Arc::clone(&known)).ok_or_else(|| ApiError::no_run(run))
    }

    /// The run, or one that it started.
    pub(super) fn handle(&self, run: &RunId) -> Result<AnyRun, ApiError> {
        match self.get(run) {
            Ok(known) => Ok(known.run.clone()),
            Err(error) => self.0.runtime.get(run).ok_or(error),
        }
    }

    pub(super) async fn find(&self, run: &RunId) -> Result<RunView, ApiError> {
        Ok(self.get(run)?.view().await)
    }

    pub(super) async fn list(&self, query: &RunQuery, after: Option<u64>, limit: usize) -> Vec<RunView> {
        let all: Vec<_> = {
            let order = lock(&self.0.order);
            order.runs.range(..after.unwrap_or(u64::MAX)).rev().map(|(_, live)| Arc::clone(live)).collect()
        };
        let mut found = Vec::new();
        for live in all {
            if found.len() == limit {
                break;
            }
            let view = live.view().await;
            if query.takes(&view) {
                found.push(view);
            }
        }
        found
    }

    pub(super) async fn events(&self, run: &RunId, after: u64, limit: usize) -> Result<Vec<Logged>, ApiError> {
        let mut stream = self.handle(run)?.stream_from(StreamStart::After(after));
        let mut items = Vec::new();
        // What is there now is had at once; the rest is not waited for.
        tokio::select! {
            biased;
            _ = stream.recv_many(&mut items, limit) => {}
            () = std::future::ready(()) => {}
        }
        let logged = items.into_iter().filter_map(|item| match item {
            StreamItem::Event(item) => (item.kind == stepcast::EventKind::Logged).then_some(Logged {
                seq: item.seq,
                at: None,
                event: item.event,
            }),
            StreamItem::Lagged { .. } | StreamItem::Unreadable { .. } => None,
        });
        Ok(logged.collect())
    }

    pub(super) async fn inputs(
        &self,
        query: &InputQuery,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<InputView>, ApiError> {
        let runs: Vec<Arc<LiveRun>> = match &query.run {
            Some(run) => vec![self.get(&RunId::from(run.as_str()))?],
            None => lock(&self.0.order).runs.values().cloned().collect(),
        };
        let mut found = Vec::new();
        for live in runs {
            found.extend(live.inputs().await);
        }
        found.sort_by_key(|input| (input.created, input.input));
        for (number, input) in found.iter_mut().enumerate() {
            input.cursor = number as u64 + 1;
        }
        let after = after.unwrap_or(0);
        Ok(found.into_iter().filter(|input| input.cursor > after && query.takes(input)).take(limit).collect())
    }

    pub(super) async fn answer(
        &self,
        run: &RunId,
        input: u64,
        answer: Value,
        by: Option<String>,
    ) -> Result<InputView, ApiError> {
        let live = self.get(run)?;
        if let Some(before) = lock(&live.answered).get(&input) {
            return Err(resolved(run, before));
        }
        let asked = live.run.pending_inputs().await.into_iter().find(|asked| asked.id == id_of(run, input));
        let Some(asked) = asked else { return Err(ApiError::no_input(run, input)) };
        let mut view = live.input(&asked);
        match live.run.respond_value(&asked.id, answer.clone()).await {
            Ok(()) => {
                view.state = InputState::Answered { response: answer, by, at: time::now() };
                lock(&live.answered).insert(input, view.clone());
                Ok(view)
            }
            Err(error) => {
                if let (RespondError::Conflict { .. }, Some(before)) = (&error, lock(&live.answered).get(&input)) {
                    return Err(resolved(run, before));
                }
                Err(ApiError::of_respond(run, input, error))
            }
        }
    }

    pub(super) fn send(&self, run: &RunId, event: AnyEvent, step: Option<&str>) -> Result<(), ApiError> {
        let handle = self.handle(run)?;
        let sent = match step {
            Some(step) => handle.send_event_to(step, event),
            None => handle.send_event(event),
        };
        sent.map_err(|error| ApiError::of_live_send(run, &error))
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

    pub(super) fn purge(&self, run: &RunId) -> Result<(), ApiError> {
        let live = self.get(run)?;
        live.run.cancel();
        self.0.known.remove_if(run, |_, known| known.number == live.number);
        lock(&self.0.order).runs.remove(&live.number);
        Ok(())
    }
}

impl LiveRun {
    async fn view(&self) -> RunView {
        let mut view = RunView {
            id: self.run.run_id().clone(),
            workflow: self.workflow.clone(),
            parent: self.run.parent_id().map(String::from),
            status: RunStatus::Running,
            failures: 0,
            result: None,
            error: None,
            created: self.created,
            changed: self.created,
            cursor: self.number,
        };
        match self.run.terminal_event() {
            Some(event) => {
                view.changed = self.run.ended_at().unwrap_or(self.created);
                view.failures = self.run.failures();
                (view.status, view.error) = match RunFault::of_terminal(&event) {
                    Some((status, fault)) => (status, Some(fault)),
                    None if view.failures > 0 => (RunStatus::CompletedWithFailures, None),
                    None => (RunStatus::Completed, None),
                };
                view.result = view.error.is_none().then_some(event);
            }
            None if self.run.is_waiting() => view.status = RunStatus::Waiting,
            None => {}
        }
        view
    }

    async fn inputs(&self) -> Vec<InputView> {
        let pending = self.run.pending_inputs().await;
        let mut all: BTreeMap<u64, InputView> = lock(&self.answered).clone();
        for asked in pending.iter().filter(|asked| asked.id.run_id == *self.run.run_id()) {
            all.insert(asked.id.number, self.input(asked));
        }
        all.into_values().collect()
    }

    fn input(&self, asked: &InputRecord) -> InputView {
        let input = &asked.input;
        let reason = serde_json::to_value(input.reason).ok();
        let event = input.event.as_ref().and_then(|event| serde_json::to_value(event.to_envelope()).ok());
        let data = event.or_else(|| input.error.as_ref().and_then(|error| serde_json::to_value(error).ok()));
        let field = |name: &str| input.event.as_ref().and_then(|event| event.value().get(name).cloned());
        let choices: Vec<String> = input
            .choices
            .iter()
            .filter_map(|choice| Some(serde_json::to_value(choice).ok()?.as_str()?.to_owned()))
            .collect();
        InputView {
            run: asked.id.run_id.to_string(),
            workflow: self.workflow.clone(),
            input: asked.id.number,
            step: input.step.clone(),
            reason: reason.and_then(|reason| reason.as_str().map(str::to_owned)).unwrap_or_default(),
            expects: input.expects.clone(),
            prompt: field("prompt").and_then(|prompt| prompt.as_str().map(str::to_owned)),
            data: data.unwrap_or_default(),
            choices: match choices.is_empty() {
                true => field("choices").and_then(|choices| serde_json::from_value(choices).ok()),
                false => Some(choices),
            },
            schema: field("schema").filter(Value::is_object),
            state: InputState::Pending,
            created: input.created.0,
            expires: None,
            cursor: 0,
        }
    }
}

fn id_of(run: &RunId, number: u64) -> InputId {
    InputId { run_id: run.clone(), number }
}

fn resolved(run: &RunId, before: &InputView) -> ApiError {
    use stepcast::backend::InputStatus;
    use stepcast::engine::Time;
    let status = match &before.state {
        InputState::Answered { response, by, at } => {
            InputStatus::Answered { answer: response.to_string(), by: by.clone(), at: Time(*at) }
        }
        InputState::Withdrawn { at } => InputStatus::Withdrawn { at: Time(*at) },
        InputState::Expired { at } => InputStatus::Expired { at: Time(*at) },
        InputState::Pending => InputStatus::Pending,
    };
    ApiError::input_resolved(run, before.input, &status)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
