//! The example's workflows behind a server in this process, in memory and in a store.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use stepcast::Runtime;
use stepcast_examples::flows;
use stepcast_server::{Server, ServerOptions};
use stepcast_sqlite::SqliteBackend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A test that hangs fails.
pub async fn bounded(test: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs");
}

/// A server. It ends with its value.
pub struct Served {
    pub name: &'static str,
    pub url: String,
    pub runtime: Runtime,
    http: reqwest::Client,
    task: JoinHandle<()>,
    folder: Option<tempfile::TempDir>,
}

/// A runtime in memory, and one on a store with its folder.
pub fn runtimes() -> [(&'static str, Runtime, Option<tempfile::TempDir>); 2] {
    let folder = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(folder.path().join("runs.db")).unwrap();
    [("memory", Runtime::new(), None), ("sqlite", Runtime::on(backend), Some(folder))]
}

/// A server on each of them.
pub async fn both() -> [Served; 2] {
    let [memory, (name, stored, folder)] = runtimes();
    let mut stored = Served::of(name, stored).await;
    stored.folder = folder;
    [Served::of(memory.0, memory.1).await, stored]
}

impl Served {
    /// A server with the example's workflows.
    pub async fn of(name: &'static str, runtime: Runtime) -> Self {
        flows::register(&runtime).unwrap();
        Served::with(name, runtime, ServerOptions::new()).await
    }

    /// A server over a runtime as it is.
    pub async fn with(name: &'static str, runtime: Runtime, options: ServerOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Server::new(runtime.clone()).with_options(options).router();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Served { name, url, runtime, http: reqwest::Client::new(), task, folder: None }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request("GET", path).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        Reply::of(self.request("POST", path).json(&body).send().await.unwrap()).await
    }

    /// Starts a run and gives its id.
    pub async fn start(&self, workflow: &str, body: Value) -> String {
        let reply = self.post(&format!("/workflows/{workflow}"), body).await;
        assert_eq!(reply.status, 202, "{}: {}", self.name, reply.body);
        reply.run.expect("the header x-run-id")
    }

    /// The run once it has this status.
    pub async fn until(&self, run: &str, status: &str) -> Value {
        loop {
            let reply = self.get(&format!("/runs/{run}")).await;
            assert_eq!(reply.status, 200, "{}: {}", self.name, reply.body);
            if reply.body["status"] == status {
                return reply.body;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The first question that a run asks, once it does.
    pub async fn question(&self, run: &str) -> Value {
        loop {
            let reply = self.get(&format!("/runs/{run}/inputs?status=pending")).await;
            assert_eq!(reply.status, 200, "{}: {}", self.name, reply.body);
            if let Some(input) = reply.body["inputs"].get(0) {
                return input.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// The header `x-run-id`.
    pub run: Option<String>,
    pub content_type: String,
    pub allow: Option<String>,
    /// The body, if it is JSON.
    pub body: Value,
    pub text: String,
}

impl Reply {
    pub async fn of(response: Response) -> Self {
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (run, allow) = (header("x-run-id"), header("allow"));
        let content_type = header("content-type").unwrap_or_default();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        Reply { status, run, content_type, allow, body: serde_json::from_str(&text).unwrap_or_default(), text }
    }
}

/// A frame of server-sent events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    pub id: Option<u64>,
    pub data: Option<Value>,
    pub comment: Option<String>,
    pub retry: Option<String>,
}

/// Reads frames until there are so many with an id, or the stream ends.
pub async fn frames(response: Response, with_id: usize) -> Vec<Frame> {
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let mut bytes = response.bytes_stream();
    let (mut text, mut frames) = (String::new(), Vec::new());
    while let Some(chunk) = bytes.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        while let Some((frame, rest)) = text.split_once("\n\n") {
            frames.push(frame_of(frame));
            text = rest.to_owned();
            if frames.iter().filter(|frame: &&Frame| frame.id.is_some()).count() == with_id {
                return frames;
            }
        }
    }
    assert_eq!(text, "", "half a frame");
    frames
}

fn frame_of(text: &str) -> Frame {
    let mut frame = Frame::default();
    for line in text.lines() {
        match line.split_once(": ").unwrap_or((line, "")) {
            ("id", id) => frame.id = Some(id.parse().unwrap()),
            ("data", data) => frame.data = Some(serde_json::from_str(data).unwrap()),
            ("retry", retry) => frame.retry = Some(retry.to_owned()),
            ("", comment) => frame.comment = Some(comment.to_owned()),
            other => panic!("{other:?}"),
        }
    }
    frame
}

/// A way to the server on which every connection breaks after so many bytes of answers. Counts them.
pub async fn breaking(server: &str, bytes: usize) -> (String, Arc<AtomicUsize>) {
    let to: SocketAddr = server.strip_prefix("http://").unwrap().parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(pass_on(client, to, bytes));
        }
    });
    (url, count)
}

async fn pass_on(mut client: TcpStream, to: SocketAddr, mut left: usize) {
    let mut server = TcpStream::connect(to).await.unwrap();
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(read) if read > 0 => server.write_all(&up[..read]).await.unwrap(),
                _ => return,
            },
            read = server.read(&mut down) => {
                let read = read.unwrap_or(0).min(left);
                left -= read;
                if client.write_all(&down[..read]).await.is_err() || left == 0 || read == 0 {
                    return;
                }
            }
        }
    }
}
