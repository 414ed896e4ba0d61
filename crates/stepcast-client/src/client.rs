//! The client of one server.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepcast_core::{Event, WorkflowGraph};

use crate::error::{ClientError, RequestError};
use crate::http::wants_events;
use crate::model::{InputInfo, InputQuery, Page, RunInfo, RunQuery};
use crate::run::RemoteRun;
use crate::trace::{TraceHeaders, Traces};
use crate::views::{RemoteViews, ViewMode};

/// The client of one server. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    base: Url,
    http: reqwest::Client,
    pub(crate) answers_as: Option<String>,
    pub(crate) reconnects: u32,
    pub(crate) traces: Traces,
}

/// How a [`Client`] differs from the default one.
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    url: String,
    token: Option<String>,
    answers_as: Option<String>,
    reconnects: u32,
    connect: Duration,
    traces: Traces,
}

/// How a run is started.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StartOptions {
    /// The run's id; the server makes one otherwise. A request that is sent again under the same id starts no second run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The run fails once it was busy for so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
}

/// The body of a request to start.
#[derive(Serialize)]
struct Start {
    input: Value,
    #[serde(flatten)]
    options: StartOptions,
}

impl Client {
    /// A client of the server at this address, such as `http://localhost:8080`, or below a path of it.
    ///
    /// # Errors
    /// When the text is no address of a server.
    pub fn new(url: impl Into<String>) -> Result<Self, ClientError> {
        Client::builder(url).build()
    }

    /// The same with settings.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            token: None,
            answers_as: None,
            reconnects: 10,
            connect: Duration::from_secs(10),
            traces: Traces::None,
        }
    }

    /// The same client, whose requests belong to this trace: to begin a single run in it, or a few of them.
    #[must_use]
    pub fn in_trace(&self, trace: TraceHeaders) -> Client {
        Client { traces: Traces::One(Box::new(trace)), ..self.clone() }
    }

    /// Starts a run of a workflow.
    ///
    /// # Errors
    /// When the server is not reached, has no such workflow, or the event does not fit its start.
    pub async fn start<E: Event>(&self, workflow: &str, start: &E) -> Result<RemoteRun, RequestError> {
        let input = serde_json::to_value(start).map_err(|source| RequestError::Event { tag: E::META.tag, source })?;
        self.start_value(workflow, input, StartOptions::default()).await
    }

    /// Starts a run from the JSON form of its start event.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub async fn start_value(
        &self,
        workflow: &str,
        input: Value,
        options: StartOptions,
    ) -> Result<RemoteRun, RequestError> {
        #[derive(Deserialize)]
        struct Accepted {
            run_id: String,
        }
        let body = Start { input, options };
        let accepted: Accepted = self.post("the start of a run", &["workflows", workflow], &body).await?;
        Ok(self.run(accepted.run_id))
    }

    /// Starts a run and gives its views from the first step on: with [`ViewMode::Lifecycle`] the beginnings of all steps
    /// too, each once. When a connection breaks, those that come before the next one are missing, unless the server still has
    /// them: because it records the frames of runs, or for others who listen. The run is [`RemoteViews::run`].
    ///
    /// ```no_run
    /// # use serde_json::json;
    /// # async fn example(client: stepcast_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use stepcast_client::ViewMode;
    ///
    /// let mut views = client.start_views("review", json!({}), Default::default(), &[ViewMode::Lifecycle]).await?;
    /// println!("the run {}", views.run().run_id());
    /// while let Some(view) = views.next().await {
    ///     println!("{:?}", view?.step);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`start`](Self::start), and when there are no modes.
    pub async fn start_views(
        &self,
        workflow: &str,
        input: Value,
        options: StartOptions,
        modes: &[ViewMode],
    ) -> Result<RemoteViews, RequestError> {
        let request = self.request(Method::POST, &["workflows", workflow]).query(&[("modes", ViewMode::words(modes))]);
        let response = self.send(wants_events(request.json(&Start { input, options }))).await?;
        let named = response.headers().get("x-run-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let Some(id) = named else {
            let source = serde::de::Error::custom("its header `x-run-id` is missing");
            return Err(RequestError::Answer { what: "the start of a run", source });
        };
        Ok(RemoteViews::begun(self.run(id), modes, response))
    }

    /// A handle of a run; whether there is one shows with the first request.
    pub fn run(&self, run_id: impl Into<String>) -> RemoteRun {
        RemoteRun::of(self.clone(), run_id.into())
    }

    /// Names of the server's workflows, sorted.
    ///
    /// # Errors
    /// When the server is not reached or refuses.
    pub async fn workflows(&self) -> Result<Vec<String>, RequestError> {
        #[derive(Deserialize)]
        struct Workflows {
            workflows: Vec<String>,
        }
        let found: Workflows = self.get("the list of workflows", &["workflows"], &[(); 0]).await?;
        Ok(found.workflows)
    }

    /// A workflow as a graph of steps and events, for a drawing. A read-only token sees no conditions in it.
    ///
    /// # Errors
    /// When the server is not reached or refuses, has no such workflow, or that has no graph.
    pub async fn workflow_graph(&self, workflow: &str) -> Result<WorkflowGraph, RequestError> {
        #[derive(Deserialize)]
        struct Drawn {
            graph: WorkflowGraph,
        }
        let found: Drawn = self.get("a workflow", &["workflows", workflow, "representation"], &[(); 0]).await?;
        Ok(found.graph)
    }

    /// Runs, the newest first.
    ///
    /// # Errors
    /// When the server is not reached or refuses.
    pub async fn runs(&self, query: &RunQuery) -> Result<Page<RunInfo>, RequestError> {
        #[derive(Deserialize)]
        struct Runs {
            runs: Vec<RunInfo>,
            next_cursor: Option<String>,
        }
        let found: Runs = self.get("the list of runs", &["runs"], &query.pairs()).await?;
        Ok(Page { items: found.runs, next_cursor: found.next_cursor })
    }

    /// Questions to people, the oldest first.
    ///
    /// # Errors
    /// When the server is not reached or refuses.
    pub async fn inputs(&self, query: &InputQuery) -> Result<Page<InputInfo>, RequestError> {
        #[derive(Deserialize)]
        struct Inputs {
            inputs: Vec<InputInfo>,
            #[serde(default)]
            next_cursor: Option<String>,
        }
        let path = match &query.run {
            Some(run) => vec!["runs", run, "inputs"],
            None => vec!["inputs"],
        };
        let found: Inputs = self.get("a list of inputs", &path, &query.pairs()).await?;
        Ok(Page { items: found.inputs, next_cursor: found.next_cursor })
    }

    /// Whether the server is there and takes requests.
    ///
    /// # Errors
    /// When the server is not reached or says that it is not healthy.
    pub async fn health(&self) -> Result<(), RequestError> {
        self.get::<Value>("its health", &["health"], &json!({})).await.map(drop)
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The server's address, without a password that may be in it.
    pub fn address(&self) -> String {
        let mut url = self.base.clone();
        // Neither can fail for an address with a host.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        url.to_string()
    }
}

impl ClientBuilder {
    /// The bearer token that the server asks for.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Who answers: kept with every answer that this client gives.
    #[must_use]
    pub fn answers_as(mut self, name: impl Into<String>) -> Self {
        self.answers_as = Some(name.into());
        self
    }

    /// How often in a row a stream connects again before it gives up. Default 10, which takes about half a minute.
    #[must_use]
    pub fn reconnects(mut self, times: u32) -> Self {
        self.reconnects = times;
        self
    }

    /// Which trace requests belong to: it is asked for each request, where that is made. [`Client::in_trace`] goes before it.
    /// None by default.
    ///
    /// In a process that has the runtime, that of the current span:
    ///
    /// ```
    /// use stepcast::TraceContext;
    /// use stepcast_client::{Client, TraceHeaders};
    ///
    /// let client = Client::builder("http://localhost:8080")
    ///     .trace_context(|| {
    ///         let context = TraceContext::current()?;
    ///         TraceHeaders::new(context.traceparent(), context.tracestate()).ok()
    ///     })
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), stepcast_client::ClientError>(())
    /// ```
    #[must_use]
    pub fn trace_context(mut self, current: impl Fn() -> Option<TraceHeaders> + Send + Sync + 'static) -> Self {
        self.traces = Traces::Asked(Arc::new(current));
        self
    }

    /// How long to wait for a connection. Default 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect = timeout;
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address or the token cannot be used.
    pub fn build(self) -> Result<Client, ClientError> {
        let base = Url::parse(&self.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(base) = base else { return Err(ClientError::Url { url: self.url }) };
        if base.scheme() == "https" && !cfg!(feature = "tls") {
            return Err(ClientError::NoTls { url: self.url });
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = self.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder().default_headers(headers).connect_timeout(self.connect);
        let http = http.build().map_err(ClientError::Http)?;
        let ClientBuilder { answers_as, reconnects, traces, .. } = self;
        Ok(Client { base, http, answers_as, reconnects, traces })
    }
}
