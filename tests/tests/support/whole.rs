//! The example's workflows behind a server that listens by itself, with options of choice, until it is told to end.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use stepcast::Runtime;
use stepcast::backend::Backend;
use stepcast_examples::flows;
use stepcast_graph::{Graphs, Host};
use stepcast_server::{ServeError, Server, ServerOptions};
use stepcast_sqlite::SqliteBackend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server that listens by itself. It is cut off with its value.
pub struct Whole {
    pub name: &'static str,
    pub address: SocketAddr,
    pub url: String,
    pub runtime: Runtime,
    pub http: reqwest::Client,
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
    folder: Option<Arc<tempfile::TempDir>>,
}

/// One on memory and one on a store, with the same options.
pub async fn both(options: &ServerOptions) -> [Whole; 2] {
    [Whole::memory(options.clone()).await, Whole::sqlite(options.clone()).await]
}

impl Whole {
    pub async fn memory(options: ServerOptions) -> Self {
        let runtime = Runtime::new();
        flows::register(&runtime).unwrap();
        let options = options.graphs(Graphs::new(&runtime, Host::new()));
        Whole::of("memory", runtime, options).await
    }

    pub async fn sqlite(options: ServerOptions) -> Self {
        Whole::in_folder(Arc::new(tempfile::tempdir().unwrap()), options).await
    }

    /// A server on the store in a folder.
    pub async fn in_folder(folder: Arc<tempfile::TempDir>, options: ServerOptions) -> Self {
        let backend: Arc<dyn Backend> = Arc::new(SqliteBackend::open(folder.path().join("runs.db")).unwrap());
        let runtime = Runtime::on(backend);
        flows::register(&runtime).unwrap();
        let options = options.graphs(Graphs::new(&runtime, Host::new()));
        let mut served = Whole::of("sqlite", runtime, options).await;
        served.folder = Some(folder);
        served
    }

    /// A server over a runtime as it is.
    pub async fn of(name: &'static str, runtime: Runtime, options: ServerOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let server = Server::new(runtime.clone()).with_options(options);
        let task = tokio::spawn(server.serve_until(listener, async move { drop(ended.await) }));
        let http = reqwest::Client::new();
        Whole { name, address, url: format!("http://{address}"), runtime, http, end: Some(end), task, folder: None }
    }

    /// Tells the server to end, and does not wait for it.
    pub fn tell_to_end(&mut self) {
        drop(self.end.take());
    }

    /// Waits until the server has ended.
    pub async fn ended(&mut self) {
        self.tell_to_end();
        (&mut self.task).await.unwrap().unwrap();
    }

    /// Whether the server has ended.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// The folder of its store.
    pub fn folder(&self) -> Arc<tempfile::TempDir> {
        Arc::clone(self.folder.as_ref().expect("it has a store"))
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::to(self.request("POST", path).json(&body)).await
    }

    /// Starts a run and gives its id.
    pub async fn start(&self, workflow: &str, body: Value) -> String {
        let answer = self.post(&format!("/workflows/{workflow}"), body).await;
        assert_eq!(answer.status, 202, "{}: {}", self.name, answer.text);
        answer.header("x-run-id").to_owned()
    }

    /// The run once it has this status.
    pub async fn until(&self, run: &str, status: &str) -> Value {
        loop {
            let answer = self.get(&format!("/runs/{run}")).await;
            assert_eq!(answer.status, 200, "{}: {}", self.name, answer.text);
            if answer.body["status"] == status {
                return answer.body;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Answers the first question that a run asks, once it does.
    pub async fn approve(&self, run: &str) -> Answer {
        loop {
            let asked = self.get(&format!("/runs/{run}/inputs?status=pending")).await;
            assert_eq!(asked.status, 200, "{}: {}", self.name, asked.text);
            if let Some(number) = asked.body["inputs"][0]["input"].as_u64() {
                let answer = json!({ "response": { "approved": true } });
                return self.post(&format!("/runs/{run}/inputs/{number}"), answer).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// One sample of `/metrics`; 0 where there is none.
    pub async fn metric(&self, sample: &str) -> f64 {
        let text = self.get("/metrics").await.text;
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a sample has this value.
    pub async fn until_metric(&self, sample: &str, value: f64) {
        while self.metric(sample).await != value {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A bare connection.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes as they are, and reads until the server closes the connection.
    pub async fn exchange(&self, sent: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(sent).await.unwrap();
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got).await;
        String::from_utf8_lossy(&got).into_owned()
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    /// The body, if it is JSON.
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or_default(), text }
    }

    /// A header; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// It is a refusal with this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        self.is_problem();
    }

    /// It is a problem of RFC 9457, whole and of this server.
    #[track_caller]
    pub fn is_problem(&self) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        assert_eq!(self.body["status"], self.status, "{}", self.text);
        assert!(!self.body["detail"].as_str().unwrap().is_empty(), "{}", self.text);
        let code = self.body["code"].as_str().unwrap();
        assert_eq!(self.body["type"], format!("urn:stepcast:problem:{code}"));
        assert!(!self.header("x-request-id").is_empty());
    }
}
