//! The handle of one run.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepcast_core::{AnyEvent, Event};

use crate::client::Client;
use crate::error::{RequestError, ResultError};
use crate::model::{Fault, InputInfo, InputQuery, RunDefinition, RunInfo};
use crate::stream::{Frame, RemoteEvent, RemoteStream};
use crate::trace::TraceHeaders;
use crate::views::{RemoteViews, ViewMode};

/// The handle of a run on a server. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct RemoteRun {
    pub(crate) client: Client,
    id: String,
}

impl RemoteRun {
    pub(crate) fn of(client: Client, id: String) -> Self {
        RemoteRun { client, id }
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.id
    }

    /// The same handle, whose requests belong to this trace: for an answer or an event from another place than the run's start.
    #[must_use]
    pub fn in_trace(&self, trace: TraceHeaders) -> RemoteRun {
        RemoteRun { client: self.client.in_trace(trace), id: self.id.clone() }
    }

    fn path<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["runs", &self.id], more].concat()
    }

    /// What the server knows of the run.
    ///
    /// # Errors
    /// When the server is not reached or has no such run.
    pub async fn info(&self) -> Result<RunInfo, RequestError> {
        self.client.get("a run", &self.path(&[]), &[(); 0]).await
    }

    /// What the run was started with: its own document, whatever became of its graph since.
    ///
    /// ```no_run
    /// # async fn example(run: stepcast_client::RemoteRun) -> Result<(), Box<dyn std::error::Error>> {
    /// if let Some(document) = run.definition().await?.document {
    ///     println!("{} steps", document["steps"].as_array().map_or(0, Vec::len));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the server is not reached or has no such run, or the token may not read documents.
    pub async fn definition(&self) -> Result<RunDefinition, RequestError> {
        self.client.get("a run's definition", &self.path(&["definition"]), &[(); 0]).await
    }

    /// The run's events from the first on. Every logged event comes exactly once, whatever the connection does; passing
    /// frames come if the connection is there when they pass.
    pub fn stream_events(&self) -> RemoteStream {
        self.stream_after(0)
    }

    /// The same after the event with this number.
    pub fn stream_after(&self, seq: u64) -> RemoteStream {
        RemoteStream::of(self.clone(), seq)
    }

    /// Views of a graph's run in place of its events, from the first on: what a user interface shows. What is made of the log
    /// comes exactly once, whatever the connection does; that steps begin is told if the connection is there.
    ///
    /// ```no_run
    /// # async fn example(run: stepcast_client::RemoteRun) -> Result<(), Box<dyn std::error::Error>> {
    /// use stepcast_client::ViewMode;
    ///
    /// let mut views = run.stream_views(&[ViewMode::Updates, ViewMode::Lifecycle]);
    /// while let Some(view) = views.next().await {
    ///     let view = view?;
    ///     println!("{:?} {:?}: {}", view.mode, view.step, view.payload);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream_views(&self, modes: &[ViewMode]) -> RemoteViews {
        self.stream_views_after(0, modes)
    }

    /// The same after the event with this number. The values are those of the whole run all the same.
    pub fn stream_views_after(&self, seq: u64, modes: &[ViewMode]) -> RemoteViews {
        RemoteViews::of(self.clone(), seq, modes)
    }

    /// Logged events after a number, at most `limit` (1 to 1,000), without waiting for more.
    ///
    /// # Errors
    /// When the server is not reached or has no such run.
    pub async fn events(&self, after: u64, limit: usize) -> Result<Vec<RemoteEvent>, RequestError> {
        #[derive(Deserialize)]
        struct Events {
            events: Vec<Frame>,
        }
        let query = [("after", after.to_string()), ("limit", limit.to_string())];
        let found: Events = self.client.get("the events of a run", &self.path(&["events"]), &query).await?;
        Ok(found.events.into_iter().map(RemoteEvent::from).collect())
    }

    /// Waits for the run's end.
    ///
    /// # Errors
    /// When the server cannot be asked any more.
    pub async fn ended(&self) -> Result<RunInfo, ResultError> {
        let mut events = self.stream_events();
        while let Some(item) = events.next().await {
            match item {
                Ok(_) | Err(crate::StreamError::Lagged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.info().await?)
    }

    /// Waits for the run's end and gives its stop event.
    ///
    /// # Errors
    /// When the run ended without one, or with one of another type.
    pub async fn result<S: Event>(&self) -> Result<S, ResultError> {
        let info = self.ended().await?;
        match info.result {
            Some(stop) => Ok(stop.decode()?),
            None => {
                let fault = Box::new(
                    info.error
                        .unwrap_or_else(|| Fault { message: "nothing is said of why".to_owned(), ..Fault::default() }),
                );
                Err(ResultError::Ended { run: self.id.clone(), status: info.status, fault })
            }
        }
    }

    /// Sends an event to the run; it is recorded when this returns.
    ///
    /// # Errors
    /// When the run has ended or takes no such event from outside.
    pub async fn send_event(&self, event: impl Into<AnyEvent>) -> Result<(), RequestError> {
        let envelope = event.into().to_envelope();
        let body = json!({ "event": { "type": envelope.tag, "value": envelope.value } });
        self.client.post::<Value>("an event", &self.path(&["events"]), &body).await.map(drop)
    }

    /// What the run asks of people and has asked before: its first 1,000 questions.
    ///
    /// # Errors
    /// When the server is not reached or has no such run.
    pub async fn inputs(&self) -> Result<Vec<InputInfo>, RequestError> {
        let query = InputQuery { run: Some(self.id.clone()), all: true, limit: Some(1_000), ..InputQuery::default() };
        Ok(self.client.inputs(&query).await?.items)
    }

    /// Answers a question of the run by its number. The first answer wins, and is recorded when this returns.
    ///
    /// # Errors
    /// When the answer does not fit (`answer_does_not_fit`, `answer_not_a_choice`) or another one was first
    /// (`input_already_resolved`, which names who).
    pub async fn answer(&self, input: u64, response: &impl Serialize) -> Result<InputInfo, RequestError> {
        self.answer_as(input, response, self.client.answers_as.as_deref()).await
    }

    /// As [`answer`](Self::answer), in the name of somebody.
    ///
    /// # Errors
    /// As for [`answer`](Self::answer).
    pub async fn answer_as(
        &self,
        input: u64,
        response: &impl Serialize,
        by: Option<&str>,
    ) -> Result<InputInfo, RequestError> {
        let mut body = json!({ "response": response });
        if let (Some(by), Some(fields)) = (by, body.as_object_mut()) {
            fields.insert("by".to_owned(), by.into());
        }
        let number = input.to_string();
        self.client.post("an answer", &self.path(&["inputs", &number]), &body).await
    }

    /// Asks the run to end.
    ///
    /// # Errors
    /// When the run has ended before or the server has none of this id.
    pub async fn cancel(&self) -> Result<(), RequestError> {
        self.client.post::<Value>("a cancellation", &self.path(&["cancel"]), &json!({})).await.map(drop)
    }

    /// Brings a sleeping run back to the server's memory.
    ///
    /// # Errors
    /// When the run has ended or cannot go on there.
    pub async fn resume(&self) -> Result<(), RequestError> {
        self.client.post::<Value>("a resumption", &self.path(&["resume"]), &json!({})).await.map(drop)
    }

    /// Starts a new run with the same input, or with another one.
    ///
    /// # Errors
    /// When there is no such run or its input is not known.
    pub async fn rerun(&self, input: Option<Value>) -> Result<RemoteRun, RequestError> {
        #[derive(Deserialize)]
        struct Accepted {
            run_id: String,
        }
        let body = match input {
            Some(input) => json!({ "input": input }),
            None => json!({}),
        };
        let accepted: Accepted = self.client.post("a rerun", &self.path(&["rerun"]), &body).await?;
        Ok(self.client.run(accepted.run_id))
    }

    /// Removes the run with everything of it; one that is alive is cancelled first.
    ///
    /// # Errors
    /// When there is no such run or it is held elsewhere.
    pub async fn purge(&self) -> Result<(), RequestError> {
        self.client.send(self.client.request(Method::DELETE, &self.path(&[]))).await.map(drop)
    }
}
