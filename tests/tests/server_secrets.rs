//! What is marked secret is seen by whoever may do everything, and by nobody else: no reader, no log, no trace, no metric.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "support/served.rs"]
mod served;
#[path = "support/whole.rs"]
mod whole;

use std::fmt::{Debug, Write};
use std::sync::{Mutex, OnceLock};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use served::bounded;
use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_server::ServerOptions;
use stepcast_sqlite::SqliteBackend;
use tokio_tungstenite::tungstenite::Message;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event as TraceEvent, Metadata, Subscriber};
use whole::{Answer, Whole};

/// In every secret field, and nowhere else.
const SECRET: &str = "swordfish";

#[event(start)]
struct Login {
    user: String,
    #[event(secret)]
    password: String,
}

#[event]
struct Session {
    user: String,
    #[event(secret)]
    cookie: String,
}

#[event(input_required)]
struct CodeNeeded {
    prompt: String,
    #[event(secret)]
    seed: String,
}

#[event(human_response)]
struct Code {
    #[event(secret)]
    code: String,
}

#[event(stop)]
struct Entered {
    user: String,
    #[event(secret)]
    key: String,
}

#[step(streams(Session), waits(Code))]
async fn enter(ev: Login, ctx: Context) -> Result<Entered> {
    ctx.write_event_to_stream(Session { user: ev.user.clone(), cookie: ev.password.clone() });
    let question = CodeNeeded { prompt: "The code?".to_owned(), seed: ev.password };
    let answer = ctx.wait_for_event::<Code>().announce(question).await?;
    Ok(Entered { user: ev.user, key: answer.code })
}

flow!(Enter: Login => Entered { enter });

/// Everything that is told to `tracing` in this process, down to the last level.
#[derive(Default)]
struct Log(Mutex<String>);

static LOG: OnceLock<&'static Log> = OnceLock::new();

impl Log {
    fn note(&self, write: impl FnOnce(&mut Noting<'_>)) {
        let mut text = self.0.lock().unwrap();
        write(&mut Noting(&mut text));
        text.push('\n');
    }
}

struct Noting<'a>(&'a mut String);

impl Visit for Noting<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}

struct Listener(&'static Log);

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.note(|noting| {
            noting.0.push_str(span.metadata().name());
            noting.0.push(' ');
            span.record(noting);
        });
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        self.0.note(|noting| values.record(noting));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &TraceEvent<'_>) {
        self.0.note(|noting| event.record(noting));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn log() -> &'static Log {
    LOG.get_or_init(|| {
        let log: &'static Log = Box::leak(Box::default());
        tracing::subscriber::set_global_default(Listener(log)).unwrap();
        log
    })
}

fn options() -> ServerOptions {
    ServerOptions::new().token("full").read_only_token("look").record_internal(true)
}

async fn as_(token: &str, served: &Whole, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = served.request(method, path).bearer_auth(token);
    Answer::to(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

/// The run's first question, once it is asked.
async fn question(served: &Whole, run: &str) -> u64 {
    loop {
        let asked = as_("full", served, "GET", &format!("/runs/{run}/inputs?status=pending"), None).await;
        if let Some(number) = asked.body["inputs"][0]["input"].as_u64() {
            return number;
        }
        tokio::task::yield_now().await;
    }
}

/// What a reader gets of a run from every way there is, by the name of the way.
async fn all_ways(token: &str, served: &Whole, run: &str) -> Vec<(String, String)> {
    let api = as_(token, served, "GET", "/openapi.json", None).await;
    let mut seen = vec![("openapi".to_owned(), api.text.clone())];
    for (path, operations) in api.body["paths"].as_object().unwrap() {
        if operations.get("get").is_none() || path.ends_with("/ws") {
            continue;
        }
        let named = path.replace("{name}", "Enter").replace("{run_id}", run).replace("{handler_id}", run);
        let named = named.replace("{chat}", run).replace("{input}", "1");
        for query in ["", "?include_internal=true", "?after=0", "?after_sequence=-1", "?after_sequence=-1&sse=false"] {
            let answer = as_(token, served, "GET", &format!("{named}{query}"), None).await;
            if query.is_empty() {
                assert_ne!(answer.status, 403, "{path}");
            }
            seen.push((format!("{path}{query}"), answer.text));
        }
    }
    let (mut socket, _) = {
        let ticket = as_(token, served, "POST", "/tickets", None).await.body["ticket"].as_str().unwrap().to_owned();
        let url = format!("ws://{}/runs/{run}/ws?after=0&ticket={ticket}", served.address);
        tokio_tungstenite::connect_async(url).await.unwrap()
    };
    let mut frames = String::new();
    while let Some(Ok(frame)) = socket.next().await {
        let Message::Text(text) = frame else { continue };
        frames.push_str(&text);
        if text.contains("Entered") || text.contains("\"error\"") || text.contains("\"end\"") {
            break;
        }
    }
    let _ = socket.send(Message::Close(None)).await;
    seen.push(("/runs/{run_id}/ws".to_owned(), frames));
    seen
}

#[tokio::test]
async fn what_is_secret_is_shown_to_those_with_full_access_only() {
    bounded(async {
        let log = log();
        let folder = tempfile::tempdir().unwrap();
        let stored = Runtime::on(SqliteBackend::open(folder.path().join("runs.db")).unwrap());
        for (name, runtime) in [("memory", Runtime::new()), ("sqlite", stored)] {
            runtime.register(Enter).unwrap();
            let served = Whole::of(name, runtime, options()).await;
            let start = json!({ "user": "ada", "password": SECRET });
            let started = as_("full", &served, "POST", "/workflows/Enter", Some(start)).await;
            let run = started.header("x-run-id").to_owned();
            let input = question(&served, &run).await;
            // While it waits, what asks is a secret too.
            for path in ["/inputs".to_owned(), format!("/runs/{run}/inputs"), format!("/runs/{run}/events")] {
                let shown = as_("look", &served, "GET", &path, None).await;
                assert_eq!(shown.status, 200, "{path}");
                assert!(!shown.text.contains(SECRET), "{name}: {path}: {}", shown.text);
            }
            let path = format!("/runs/{run}/inputs/{input}");
            // A refusal says what did not fit, not what was sent.
            let misfit = as_("full", &served, "POST", &path, Some(json!({ "response": { "code": [SECRET] } }))).await;
            assert!((400..500).contains(&misfit.status), "{}", misfit.text);
            let answered = as_("full", &served, "POST", &path, Some(json!({ "response": { "code": SECRET } }))).await;
            assert_eq!(answered.status, 200, "{}", answered.text);
            let ended = as_("full", &served, "GET", &format!("/events/{run}?after_sequence=-1"), None).await;
            assert!(ended.text.contains("Entered"), "{}", ended.text);

            let full = all_ways("full", &served, &run).await;
            let shows = |way: &str| full.iter().any(|(name, text)| name == way && text.contains(SECRET));
            for way in [
                "/runs/{run_id}",
                "/runs/{run_id}/events",
                "/runs/{run_id}/stream?after=0",
                "/runs/{run_id}/ws",
                "/events/{handler_id}?after_sequence=-1",
            ] {
                assert!(shows(way), "{name}: {way} shows nothing, so that its silence to others says nothing");
            }
            for (way, text) in all_ways("look", &served, &run).await {
                assert!(!text.contains(SECRET), "{name}: {way}: {text}");
            }
            for (way, text) in full.iter().filter(|(way, _)| way.starts_with("/metrics")) {
                assert!(!text.contains(SECRET), "{name}: {way}: {text}");
            }
        }
        let told = log.0.lock().unwrap();
        assert!(told.contains("request ") && told.contains("route="), "the log is not listened to: {told}");
        assert!(told.contains("execution "), "{told}");
        assert!(!told.contains(SECRET), "{}", told.lines().find(|line| line.contains(SECRET)).unwrap());
    })
    .await;
}
