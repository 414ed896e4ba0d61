//! A server in this process, and its frames.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use stepcast_examples::flows;
use stepcast_server::{Server, ServerOptions};
use stepcast_sqlite::SqliteBackend;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What stands for the frame `[DONE]`.
pub const DONE: &str = "[DONE]";

/// The token that the tests' requests have.
pub const FULL: &str = "may-do-everything";
/// One that may only look.
pub const READER: &str = "may-only-look";

/// A test that hangs fails.
pub async fn bounded(test: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs");
}

#[event(start)]
pub struct Ask {
    pub question: String,
}

/// A piece of text on the log.
#[event]
pub struct Token {
    pub delta: String,
}

/// Shown only while it passes.
#[event]
pub struct Percent {
    pub percent: u32,
}

#[event(input_required)]
pub struct HowMany {
    pub prompt: String,
    #[event(secret)]
    pub account: String,
}

#[event(human_response)]
pub struct Number {
    pub number: u32,
}

#[event(stop)]
pub struct Told {
    pub number: u32,
}

/// Speaks, asks for a number, and speaks on.
#[step(waits(Number), streams(Token, Percent))]
pub async fn speak(ev: Ask, ctx: Context) -> Result<Told> {
    for word in [ev.question.as_str(), "?"] {
        ctx.write_event_to_stream(Token { delta: word.to_owned() });
    }
    let asked = HowMany { prompt: "How many?".to_owned(), account: "42".to_owned() };
    let answer = ctx.wait_for_event::<Number>().announce(asked).await?;
    ctx.write_ephemeral(Percent { percent: 50 });
    Ok(Told { number: answer.number })
}

flow!(pub Talk: Ask => Told { speak });

/// Has a child of a child ask.
#[step]
pub async fn hand_on(ev: Ask, ctx: Context) -> Result<Told> {
    Ok(ctx.run_child(Inner, ev).await?)
}

flow!(pub Outer: Ask => Told { hand_on });

#[step]
pub async fn hand_down(ev: Ask, ctx: Context) -> Result<Told> {
    Ok(ctx.run_child(Talk, ev).await?)
}

flow!(pub Inner: Ask => Told { hand_down });

/// Shows its state, asks, and shows what became of it.
#[step(waits(Number))]
pub async fn cook(_: Ask, ctx: Context) -> Result<Told> {
    ctx.store().set("ui", serde_json::json!({ "done": 0, "dishes": ["soup"] })).await?;
    ctx.store().set("recipe", "a secret").await?;
    let asked = HowMany { prompt: "How many?".to_owned(), account: "42".to_owned() };
    let answer = ctx.wait_for_event::<Number>().announce(asked).await?;
    ctx.store().set("ui.done", answer.number).await?;
    Ok(Told { number: answer.number })
}

flow!(pub Cooking: Ask => Told { cook });

/// Shows a draft until it is answered, and then asks once more.
#[step(waits(Number))]
pub async fn tidy(_: Ask, ctx: Context) -> Result<Told> {
    ctx.store().set("ui", serde_json::json!({ "draft": "Hello", "kept": true })).await?;
    let asked = || HowMany { prompt: "How many?".to_owned(), account: "42".to_owned() };
    ctx.wait_for_event::<Number>().announce(asked()).await?;
    ctx.store().set("ui", serde_json::json!({ "kept": true })).await?;
    let answer = ctx.wait_for_event::<Number>().announce(asked()).await?;
    Ok(Told { number: answer.number })
}

flow!(pub Tidying: Ask => Told { tidy });

#[event(start)]
pub struct Deploy {}

#[event(stop)]
pub struct Deployed {
    pub attempt: u32,
}

#[step(on_failure = "pause")]
pub async fn deploy(_: Deploy, attempt: Attempt) -> Result<Deployed> {
    match attempt.number() {
        1 => Err(StepError::msg("the disk is full")),
        attempt => Ok(Deployed { attempt }),
    }
}

flow!(pub Deploying: Deploy => Deployed { deploy });

/// A server. It ends with its value.
pub struct Served {
    pub name: &'static str,
    pub url: String,
    pub runtime: Runtime,
    http: reqwest::Client,
    task: JoinHandle<()>,
    _folder: Option<tempfile::TempDir>,
}

/// One on memory and one on a store.
pub async fn both() -> [Served; 2] {
    let folder = tempfile::tempdir().unwrap();
    let mut stored = Served::on(&folder.path().join("runs.db")).await;
    stored._folder = Some(folder);
    [Served::of("memory", Runtime::new()).await, stored]
}

impl Served {
    /// One on a store.
    pub async fn on(file: &Path) -> Self {
        Served::of("sqlite", Runtime::on(SqliteBackend::open(file).unwrap())).await
    }

    async fn of(name: &'static str, runtime: Runtime) -> Self {
        flows::register(&runtime).unwrap();
        runtime.register_as("talk", Talk, None).unwrap();
        runtime.register_as("deploy", Deploying, None).unwrap();
        runtime.register_as("outer", Outer, None).unwrap();
        runtime.register_as("cooking", Cooking, None).unwrap();
        runtime.register_as("tidying", Tidying, None).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options = ServerOptions::new().heartbeat(Duration::from_millis(20)).token(FULL).read_only_token(READER);
        let router = Server::new(runtime.clone()).with_options(options).router();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Served { name, url, runtime, http: reqwest::Client::new(), task, _folder: None }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_as(FULL, path, body).await
    }

    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> Reply {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(token);
        Reply::of(request.json(body).send().await.unwrap())
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.get_as(FULL, path).await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Reply {
        Reply::of(self.http.get(format!("{}{path}", self.url)).bearer_auth(token).send().await.unwrap())
    }

    /// Ends a run from elsewhere.
    pub async fn cancel(&self, run: &str) {
        let run = RunId::from(run);
        match self.runtime.get(&run) {
            Some(run) => run.cancel(),
            None => self.runtime.cancel_run(&run).await.unwrap(),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A reply that is read frame by frame.
pub struct Reply {
    pub status: u16,
    response: Option<reqwest::Response>,
    rest: String,
}

impl Reply {
    fn of(response: reqwest::Response) -> Self {
        Reply { status: response.status().as_u16(), response: Some(response), rest: String::new() }
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.response.as_ref()?.headers();
        Some(headers.get(name)?.to_str().unwrap().to_owned())
    }

    /// The body as JSON.
    pub async fn json(mut self) -> Value {
        self.response.take().unwrap().json().await.unwrap()
    }

    /// The next frame with data.
    pub async fn frame(&mut self) -> Option<Value> {
        loop {
            if let Some((frame, rest)) = self.rest.split_once("\n\n") {
                let data = frame.strip_prefix("data: ").map(str::to_owned);
                assert!(data.is_some() || frame == ": heartbeat", "{frame:?}");
                self.rest = rest.to_owned();
                match data.as_deref() {
                    None => continue,
                    Some(DONE) => return Some(DONE.into()),
                    Some(data) => return Some(serde_json::from_str(data).unwrap()),
                }
            }
            match self.response.as_mut()?.chunk().await.unwrap() {
                Some(chunk) => self.rest.push_str(std::str::from_utf8(&chunk).unwrap()),
                None => return None,
            }
        }
    }

    /// Every frame to the end.
    pub async fn frames(mut self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{:?}", self.response.take().unwrap().text().await);
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(frame);
        }
        assert_eq!(self.rest, "");
        frames
    }
}
