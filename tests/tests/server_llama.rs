//! The routes of the LlamaIndex workflow server: every route, every form of a request and every status, held against
//! what that server was seen to say; on runs in memory and on runs in a store.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "server_llama/events.rs"]
mod events;
#[path = "server_llama/handlers.rs"]
mod handlers;
#[path = "support/served.rs"]
mod served;
#[path = "server_llama/starts.rs"]
mod starts;
#[path = "server_llama/streams.rs"]
mod streams;

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use served::{Reply, Served, bounded};
use stepcast::prelude::*;
use stepcast::{RunOptions, Runtime, StartEvent, StopEvent};
use stepcast_examples::flows;
use stepcast_server::ServerOptions;
use stepcast_sqlite::SqliteBackend;

/// Workflows beside the example's.
mod more {
    use super::*;

    #[event(start)]
    pub struct Begin {}

    #[event(external)]
    pub struct Go {
        pub n: u32,
    }

    #[event(stop)]
    pub struct Done {
        pub by: String,
        pub n: u32,
    }

    #[step]
    pub async fn begin(_: Begin) {}

    #[step]
    pub async fn left(go: Go) -> Done {
        Done { by: "left".to_owned(), n: go.n }
    }

    #[step]
    pub async fn right(go: Go) -> Done {
        Done { by: "right".to_owned(), n: go.n }
    }

    flow!(
        /// Two steps that take the same event.
        pub Sides: Begin => Done { begin, left, right }
    );

    /// How often it ran under this id.
    #[step]
    pub async fn count(_: StartEvent, ctx: Context) -> Result<StopEvent> {
        let before = ctx.store().get_or("n", 0).await?;
        ctx.store().set("n", before + 1).await?;
        Ok(StopEvent::new(before + 1))
    }

    flow!(
        /// Counts its runs under one id.
        pub Counting: StartEvent => StopEvent { count }
    );

    #[derive(Default)]
    pub struct Slow;

    #[workflow(StartEvent => StopEvent)]
    impl Slow {
        #[step]
        async fn sleep(&self, _: StartEvent) -> StopEvent {
            tokio::time::sleep(Duration::from_secs(600)).await;
            StopEvent::default()
        }
    }
}

/// One server on memory and one on a store, with more workflows than the example has.
struct Both {
    servers: [Served; 2],
    _folder: tempfile::TempDir,
}

impl Both {
    async fn with(options: &ServerOptions) -> Both {
        let folder = tempfile::tempdir().unwrap();
        let backend = SqliteBackend::open(folder.path().join("runs.db")).unwrap();
        let mut servers = Vec::new();
        for (name, runtime) in [("memory", Runtime::new()), ("sqlite", Runtime::on(backend))] {
            flows::register(&runtime).unwrap();
            runtime.register_as("sides", more::Sides, None).unwrap();
            runtime.register_as("counting", more::Counting, None).unwrap();
            runtime.register_as("slow", more::Slow, None).unwrap();
            servers.push(Served::with(name, runtime, options.clone()).await);
        }
        Both { servers: servers.try_into().ok().unwrap(), _folder: folder }
    }

    async fn new() -> Both {
        Both::with(&ServerOptions::new()).await
    }

    fn each(&self) -> impl Iterator<Item = &Served> {
        self.servers.iter()
    }
}

/// A refusal with this status and exactly this detail.
fn refused(reply: &Reply, status: u16, detail: &str) {
    assert_eq!((reply.status, reply.body["detail"].as_str()), (status, Some(detail)), "{}", reply.text);
}

/// The text with every time in the form of Python replaced by `T`.
fn timeless(text: &str) -> String {
    const FORM: &str = "0000-00-00T00:00:00.000000+00:00";
    let is_time = |part: &str| {
        part.len() == FORM.len()
            && part.chars().zip(FORM.chars()).all(|(c, form)| if form == '0' { c.is_ascii_digit() } else { c == form })
    };
    text.split('"').map(|part| if is_time(part) { "T" } else { part }).collect::<Vec<_>>().join("\"")
}

/// Polls until the run has ended.
async fn ended(server: &Served, id: &str) -> Reply {
    loop {
        let reply = server.get(&format!("/handlers/{id}")).await;
        if reply.body["status"] != "running" {
            return reply;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the run's stream has so many events.
async fn streamed(server: &Served, id: &str, events: usize) {
    let path = format!("/events/{id}?after_sequence={}", events - 1);
    let response = server.request("GET", &path).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes_stream().next().await.unwrap().unwrap();
}

async fn begin(server: &Served, workflow: &str, body: Value) -> Reply {
    let reply = server.post(&format!("/workflows/{workflow}/run-nowait"), body).await;
    assert_eq!(reply.status, 200, "{}: {}", server.name, reply.text);
    reply
}

/// Starts a run that uses its time up, where the server shows runs that others started: in a store.
async fn late(server: &Served) -> bool {
    if server.runtime.backend().is_none() {
        return false;
    }
    let options = RunOptions::new().run_id("late").timeout(Duration::from_millis(50));
    server.runtime.start("slow", json!({}), options).unwrap().recorded().await.unwrap();
    true
}

#[tokio::test]
async fn workflows_are_described_as_forms_and_graphs_need_them() {
    bounded(async {
        for server in Both::new().await.each() {
            let list = server.get("/workflows").await;
            let names = r#"{"workflows":["approval","countdown","counting","failing","greet","sides","slow","typed"]}"#;
            assert_eq!((list.status, list.text.as_str()), (200, names));
            assert_eq!(list.content_type, "application/json");

            let schema = server.get("/workflows/typed/schema").await.body;
            assert_eq!(schema["start"]["title"], "Question");
            assert_eq!(schema["start"]["type"], "object");
            assert_eq!(schema["start"]["required"], json!(["topic"]));
            assert_eq!(schema["start"]["properties"]["topic"], json!({"title": "Topic", "type": "string"}));
            let n = &schema["start"]["properties"]["n"];
            assert_eq!((&n["title"], &n["type"], &n["default"]), (&json!("N"), &json!("integer"), &json!(1)));
            assert_eq!(schema["stop"]["required"], json!(["answer", "score"]));
            let dynamic = server.get("/workflows/greet/schema").await.body;
            assert_eq!(dynamic["start"], json!({"properties": {}, "title": "StartEvent", "type": "object"}));

            let events = server.get("/workflows/approval/events").await.body;
            let titles: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| &event["title"]).collect();
            assert_eq!(titles, ["Approval", "ApprovalNeeded", "Draft", "Published", "Revision"]);
            // What may be null is a choice, as pydantic has it; the form reads that.
            let comment = json!({"anyOf": [{"type": "string"}, {"type": "null"}], "default": null, "title": "Comment"});
            assert_eq!(events["events"][0]["properties"]["comment"], comment);

            let graph = &server.get("/workflows/approval/representation").await.body["graph"];
            let nodes = graph["nodes"].as_array().unwrap();
            let node = |id: &str| nodes.iter().find(|node| node["id"] == id).unwrap_or_else(|| panic!("no node {id}"));
            assert_eq!((&node("submit")["node_type"], &node("submit")["label"]), (&json!("step"), &json!("submit")));
            let draft = node("Draft");
            assert_eq!((&draft["node_type"], &draft["event_type"]), (&json!("event"), &json!("Draft")));
            assert_eq!(draft["event_types"], json!(["Draft", "StartEvent"]));
            assert_eq!(draft["event_schema"]["properties"]["text"], json!({"title": "Text", "type": "string"}));
            assert_eq!(node("Published")["produced_by"], json!(["approve"]));
            assert_eq!(node("ApprovalNeeded")["event_types"], json!(["ApprovalNeeded", "InputRequiredEvent"]));
            assert_eq!(node("external_step")["node_type"], "external");
            let edges = graph["edges"].as_array().unwrap();
            assert!(edges.contains(&json!({"source": "Draft", "target": "submit", "label": null})), "{edges:?}");

            for route in ["schema", "representation"] {
                refused(&server.get(&format!("/workflows/nope/{route}")).await, 404, "Workflow not found");
            }
            refused(&server.get("/workflows/nope/events").await, 404, "Workflow 'nope' not found");
        }
    })
    .await;
}

/// What `@llamaindex/workflow-debugger` 0.2.42 asks, in its order.
#[tokio::test]
async fn the_debuggers_calls_are_answered_in_their_order() {
    bounded(async {
        for server in Both::with(&ServerOptions::new().default_cursor_start(true)).await.each() {
            for _ in 0..2 {
                assert_eq!(server.get("/handlers").await.text, r#"{"handlers":[]}"#);
            }
            let workflows = server.get("/workflows").await.body;
            assert!(workflows["workflows"].as_array().unwrap().contains(&json!("approval")));
            let schema = server.get("/workflows/approval/schema").await.body;
            // The form is made of the properties' types.
            assert_eq!(schema["start"]["properties"], json!({"text": {"title": "Text", "type": "string"}}));
            let begun = begin(server, "approval", json!({"start_event": {"text": "a"}})).await;
            let id = begun.body["handler_id"].as_str().unwrap();
            assert!(server.get("/workflows/approval/representation").await.body["graph"]["nodes"].is_array());
            assert_eq!(server.get(&format!("/handlers/{id}")).await.body["status"], "running");
            let path = format!("/events/{id}?sse=true&include_internal=true");
            let stream = server.request("GET", &path).send().await.unwrap();
            let events = server.get("/workflows/approval/events").await.body;
            let approval =
                events["events"].as_array().unwrap().iter().find(|event| event["title"] == "Approval").unwrap();
            assert_eq!(approval["properties"]["approved"], json!({"title": "Approved", "type": "boolean"}));
            streamed(server, id, 1).await;
            let body = json!({"event": r#"{"type":"Approval","data":{"approved":true}}"#});
            assert_eq!(server.post(&format!("/events/{id}"), body).await.text, r#"{"status":"sent"}"#);
            let found = stream.text().await.unwrap();
            let events: Vec<Value> = found
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .map(|data| serde_json::from_str(data).unwrap())
                .filter(|event: &Value| event["types"] != json!(["InternalDispatchEvent"]))
                .collect();
            // Its first event is there, though it asked late and named no place.
            let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
            assert_eq!(kinds, ["ApprovalNeeded", "Published"], "{}: {found}", server.name);
            assert_eq!(ended(server, id).await.body["result"]["value"]["rounds"], 1);
        }
    })
    .await;
}
