//! The routes of the LlamaIndex workflow server: every route, every form of a request and every status, held against
//! what that server was seen to say; on runs in memory and on runs in a store.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "support/served.rs"]
mod served;

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

/// Starts a run that uses its time up, where the server shows runs that others started: in a store.
async fn late(server: &Served) -> bool {
    if server.runtime.backend().is_none() {
        return false;
    }
    let options = RunOptions::new().run_id("late").timeout(Duration::from_millis(50));
    server.runtime.start("slow", json!({}), options).unwrap().recorded().await.unwrap();
    true
}

async fn begin(server: &Served, workflow: &str, body: Value) -> Reply {
    let reply = server.post(&format!("/workflows/{workflow}/run-nowait"), body).await;
    assert_eq!(reply.status, 200, "{}: {}", server.name, reply.text);
    reply
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

#[tokio::test]
async fn a_run_that_is_waited_for_says_all_in_that_servers_order() {
    bounded(async {
        for server in Both::new().await.each() {
            let body = json!({"start_event": {"topic": "x"}, "handler_id": "h"});
            let reply = server.post("/workflows/typed/run", body).await;
            let expected = concat!(
                r#"{"handler_id":"h","workflow_name":"typed","run_id":"h","error":null,"result":{"value":{"answer":"X","#,
                r#""score":0.5},"qualified_name":"stepcast_examples::flows::Answered","type":"Answered","#,
                r#""types":["StopEvent"]},"result_unreadable":false,"status":"completed","started_at":"T","#,
                r#""updated_at":"T","completed_at":"T"}"#
            );
            assert_eq!((reply.status, timeless(&reply.text).as_str()), (200, expected), "{}", server.name);
            assert_eq!((reply.content_type.as_str(), reply.run.as_deref()), ("application/json", Some("h")));
            assert_eq!(reply.body["updated_at"], reply.body["completed_at"]);
            assert_eq!(server.get("/handlers/h").await.text, reply.text);
            let bare = server.get("/results/h").await;
            let result = r#""result":{"answer":"X","score":0.5},"result_unreadable":false"#;
            assert!(bare.status == 200 && bare.text.contains(result), "{}", bare.text);

            let greeted = server.post("/workflows/greet/run", json!({"start_event": {"name": "Bob"}})).await;
            let envelope = concat!(
                r#""result":{"value":{"result":"Hello, Bob!"},"qualified_name":"workflows.events.StopEvent","#,
                r#""type":"StopEvent","types":null}"#
            );
            assert!(greeted.text.contains(envelope), "{}", greeted.text);
            let id = greeted.run.unwrap();
            assert_eq!(server.get(&format!("/results/{id}")).await.body["result"], "Hello, Bob!");

            let failed = server.post("/workflows/failing/run", json!({"handler_id": "f"})).await;
            let expected = concat!(
                r#"{"handler_id":"f","workflow_name":"failing","run_id":"f","error":"boom","result":null,"#,
                r#""result_unreadable":false,"status":"failed","started_at":"T","updated_at":"T","completed_at":"T"}"#
            );
            assert_eq!((failed.status, timeless(&failed.text).as_str()), (500, expected), "{}", server.name);
            if late(server).await {
                let late = ended(server, "late").await;
                assert_eq!((&late.body["status"], &late.body["result"]), (&json!("failed"), &Value::Null), "{}", late.text);
                assert_eq!(late.body["error"], "Workflow timed out after 0.05s");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_form_of_a_start_event_is_taken() {
    bounded(async {
        for server in Both::new().await.each() {
            let qualified = "stepcast_examples::flows::Question";
            let typed = [
                json!({"start_event": {"topic": "a"}}),
                json!({"start_event": {"topic": "a", "bogus": 1}, "context": {}}),
                json!({"start_event": {"topic": "a", "_data": {"bogus": 1}}, "context": null}),
                json!({"start_event": {"type": "Question", "value": {"topic": "a"}, "qualified_name": null}}),
                json!({"start_event": {"type": "Question", "data": {"topic": "a"}}}),
                json!({"start_event": {"qualified_name": qualified, "value": {"topic": "a"}}}),
                json!({"start_event": r#"{"topic": "a"}"#}),
                json!({"start_event": r#"{"type": "Question", "data": {"topic": "a"}}"#}),
                json!({"kwargs": {"topic": "a"}}),
                json!({"start_event": null, "kwargs": {"topic": "a"}}),
            ];
            for body in typed {
                let reply = server.post("/workflows/typed/run", body.clone()).await;
                assert_eq!(reply.body["result"]["value"]["answer"], "A", "{}: {body}: {}", server.name, reply.text);
            }
            let dynamic = [
                (json!({}), "World"),
                (json!({"start_event": {}, "context": {}}), "World"),
                (json!({"start_event": {"value": {}, "type": "StartEvent", "qualified_name": null}}), "World"),
                (json!({"start_event": {"_data": {"name": "Bob"}}}), "Bob"),
                (json!({"start_event": {"value": {"_data": {"name": "Bob"}}, "type": "StartEvent"}}), "Bob"),
                (
                    json!({"start_event": {"qualified_name": "workflows.events.StartEvent", "value": {"name": "Bob"}}}),
                    "Bob",
                ),
                (json!({"kwargs": {"name": "Kw"}}), "Kw"),
            ];
            for (body, name) in dynamic {
                let reply = server.post("/workflows/greet/run", body.clone()).await;
                let greeting = format!("Hello, {name}!");
                assert_eq!(reply.body["result"]["value"]["result"], greeting, "{body}: {}", reply.text);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_does_not_start_a_run_is_told_in_that_servers_words() {
    bounded(async {
        for server in Both::new().await.each() {
            let raw = |body: &'static str| async move {
                let request = server.request("POST", "/workflows/greet/run").body(body);
                Reply::of(request.send().await.unwrap()).await
            };
            refused(&raw("").await, 400, "Invalid JSON body: Expecting value: line 1 column 1 (char 0)");
            let malformed = raw("{bad").await;
            assert_eq!(malformed.status, 400);
            assert!(
                malformed.body["detail"].as_str().unwrap().starts_with("Invalid JSON body: "),
                "{}",
                malformed.text
            );
            for (body, kind) in
                [("[1]", "list"), ("7", "int"), ("null", "NoneType"), (r#""x""#, "str"), ("1.5", "float")]
            {
                let detail = format!("Error processing request body: '{kind}' object has no attribute 'get'");
                refused(&raw(body).await, 400, &detail);
            }
            refused(&server.post("/workflows/nope/run", json!({})).await, 404, "Workflow not found");
            let prefix = "Validation error for 'start_event': ";
            for (start, detail) in [
                (json!({"type": "Nope", "value": {}}), "Invalid event type: Nope. Expected one of Question, Answered"),
                (
                    json!({"type": "StartEvent", "value": {}}),
                    "Invalid event type: StartEvent. Expected one of Question, Answered",
                ),
                (json!({}), "Failed to deserialize event: Question: missing field `topic`"),
                (json!([1]), "Failed to deserialize event. Must be a json object, or stringified json object"),
                (json!("text"), "Failed to deserialize event. Must be a json object, or stringified json object"),
            ] {
                for route in ["run", "run-nowait"] {
                    let reply = server.post(&format!("/workflows/typed/{route}"), json!({"start_event": start})).await;
                    refused(&reply, 400, &format!("{prefix}{detail}"));
                }
            }
            let stop = json!({"start_event": {"type": "Answered", "value": {"answer": "", "score": 0}}});
            let detail = "Start event must be an instance of <class 'stepcast_examples::flows::Question'>";
            refused(&server.post("/workflows/typed/run", stop).await, 400, detail);
            let context = server.post("/workflows/greet/run", json!({"context": {"version": 2}})).await;
            assert!(
                context.body["detail"].as_str().unwrap().starts_with("Context API is disabled."),
                "{}",
                context.text
            );
            for id in [json!(7), json!("a\nb"), json!("x".repeat(257))] {
                let reply = server.post("/workflows/greet/run", json!({"handler_id": id})).await;
                assert_eq!((reply.status, &reply.body["code"]), (400, &json!("invalid_handler_id")), "{}", reply.text);
            }
            assert_eq!(server.get("/handlers?workflow_name=typed").await.text, r#"{"handlers":[]}"#);
        }
    })
    .await;
}

#[tokio::test]
async fn a_chosen_id_is_taken_while_its_run_lives_and_hands_its_state_on() {
    bounded(async {
        for server in Both::new().await.each() {
            let begun = begin(server, "approval", json!({"handler_id": "h1", "start_event": {"text": "a"}})).await;
            let expected = concat!(
                r#"{"handler_id":"h1","workflow_name":"approval","run_id":"h1","error":null,"result":null,"#,
                r#""result_unreadable":false,"status":"running","started_at":"T","updated_at":"T","completed_at":null}"#
            );
            assert_eq!(timeless(&begun.text), expected, "{}", server.name);
            assert_eq!(begun.body["started_at"], begun.body["updated_at"]);
            for workflow in ["approval", "greet"] {
                for route in ["run", "run-nowait"] {
                    let body = json!({"handler_id": "h1", "kwargs": {"text": "b"}});
                    let reply = server.post(&format!("/workflows/{workflow}/{route}"), body).await;
                    refused(&reply, 409, "Handler 'h1' is already running");
                }
            }
            for run in 1..=3 {
                let reply = server.post("/workflows/counting/run", json!({"handler_id": "again"})).await;
                assert_eq!(reply.body["result"]["value"]["result"], run, "{}: {}", server.name, reply.text);
                let events = server.get("/events/again?after_sequence=-1&sse=false").await;
                assert_eq!(events.text.lines().count(), 1, "{}: the earlier run's events are gone", server.name);
            }
            // Of another workflow, its state is none of this one's.
            let other = server.post("/workflows/greet/run", json!({"handler_id": "again"})).await;
            assert_eq!(other.status, 200, "{}", other.text);
            let back = server.post("/workflows/counting/run", json!({"handler_id": "again"})).await;
            assert_eq!(back.body["result"]["value"]["result"], 1, "{}: {}", server.name, back.text);
        }
    })
    .await;
}

#[tokio::test]
async fn a_query_can_be_read_whatever_became_of_the_run() {
    bounded(async {
        for mirror in [false, true] {
            for server in Both::with(&ServerOptions::new().mirror_outcome(mirror)).await.each() {
                let status = |mirrored: u16| if mirror { mirrored } else { 200 };
                begin(server, "approval", json!({"handler_id": "running", "start_event": {"text": "a"}})).await;
                begin(server, "approval", json!({"handler_id": "cancelled", "start_event": {"text": "a"}})).await;
                begin(server, "failing", json!({"handler_id": "failed"})).await;
                begin(server, "greet", json!({"handler_id": "completed"})).await;
                let cancelled = server.post("/handlers/cancelled/cancel", json!({})).await;
                assert_eq!((cancelled.status, cancelled.text.as_str()), (200, r#"{"status":"cancelled"}"#));
                ended(server, "failed").await;
                ended(server, "completed").await;
                let expected = [
                    ("running", 202, None),
                    ("completed", 200, None),
                    ("failed", 500, Some("boom")),
                    ("cancelled", 500, None),
                ];
                for (id, mirrored, error) in expected {
                    let handler = server.get(&format!("/handlers/{id}")).await;
                    assert_eq!(
                        (handler.status, &handler.body["status"]),
                        (status(mirrored), &json!(id)),
                        "{}",
                        handler.text
                    );
                    assert_eq!(handler.body["error"].as_str(), error, "{}", handler.text);
                    assert_eq!(handler.body["completed_at"].is_null(), id == "running", "{}", handler.text);
                    // Whoever still asks for a result reads the status code.
                    let result = server.get(&format!("/results/{id}")).await;
                    assert_eq!((result.status, &result.body["status"]), (mirrored, &json!(id)), "{}", result.text);
                }
                for path in ["/handlers/nope", "/results/nope"] {
                    refused(&server.get(path).await, 404, "Handler not found");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn handlers_are_listed_by_status_and_workflow() {
    bounded(async {
        for server in Both::new().await.each() {
            for id in ["a", "b"] {
                begin(server, "greet", json!({"handler_id": id})).await;
                ended(server, id).await;
            }
            begin(server, "failing", json!({"handler_id": "f"})).await;
            ended(server, "f").await;
            let late = if late(server).await { "late " } else { "" };
            ended(server, "late").await;
            begin(server, "approval", json!({"handler_id": "w", "start_event": {"text": "a"}})).await;
            for (query, expected) in [
                ("", "w LATEf b a"),
                ("?status=running", "w"),
                ("?status=failed", "LATEf"),
                ("?status=completed&status=failed", "LATEf b a"),
                ("?status=completed&status=bogus", "b a"),
                ("?status=bogus", ""),
                ("?status=", "w LATEf b a"),
                ("?workflow_name=greet&workflow_name=failing", "f b a"),
                ("?workflow_name=greet&status=failed", ""),
                ("?workflow_name=nope", ""),
            ] {
                let reply = server.get(&format!("/handlers{query}")).await;
                let handlers = reply.body["handlers"].as_array().unwrap();
                let ids: Vec<_> = handlers.iter().map(|handler| handler["handler_id"].as_str().unwrap()).collect();
                assert_eq!(ids.join(" "), expected.replace("LATE", late), "{}: {query}", server.name);
            }
            let one = server.get("/handlers/a").await.text;
            let listed = server.get("/handlers?workflow_name=greet").await.text;
            assert!(listed.ends_with(&format!(",{one}]}}")), "{listed}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_form_of_an_event_reaches_its_run() {
    bounded(async {
        for server in Both::new().await.each() {
            let qualified = "stepcast_examples::flows::Approval";
            let forms = [
                json!({"event": {"type": "Approval", "value": {"approved": true}}}),
                json!({"event": {"type": "Approval", "value": {"approved": true}, "qualified_name": null}, "step": null}),
                json!({"event": {"type": "Approval", "value": {"approved": true, "_data": {"more": 1}}}, "step": ""}),
                json!({"event": {"type": "Approval", "data": {"approved": true}}}),
                json!({"event": {"qualified_name": qualified, "value": {"approved": true}}}),
                json!({"event": r#"{"type":"Approval","value":{"approved":true}}"#}),
                // As the debugger sends it.
                json!({"event": r#"{"type":"Approval","data":{"approved":true}}"#}),
                json!({"event": {"type": "Approval", "value": {"approved": true}}, "step": "approve"}),
            ];
            for (number, body) in forms.into_iter().enumerate() {
                let id = format!("form-{number}");
                begin(server, "approval", json!({"handler_id": id, "start_event": {"text": "a"}})).await;
                // What comes before the question does not answer it.
                streamed(server, &id, 1).await;
                let sent = server.post(&format!("/events/{id}"), body.clone()).await;
                assert_eq!((sent.status, sent.text.as_str()), (200, r#"{"status":"sent"}"#), "{body}");
                assert_eq!(sent.run.as_deref(), Some(id.as_str()));
                let done = ended(server, &id).await;
                assert_eq!(done.body["result"]["value"], json!({"rounds": 1, "text": "a"}), "{body}: {}", done.text);
                refused(&server.post(&format!("/events/{id}"), body).await, 409, "Workflow already completed");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_that_does_not_fit_harms_nothing() {
    bounded(async {
        for server in Both::new().await.each() {
            begin(server, "approval", json!({"handler_id": "h", "start_event": {"text": "a"}})).await;
            streamed(server, "h", 1).await;
            let approval = json!({"type": "Approval", "value": {"approved": true}});
            let cases = [
                (json!({}), "Event data is required"),
                (json!({"event": null}), "Event data is required"),
                (json!({"event": {}}), "Event data is required"),
                (json!({"event": ""}), "Event data is required"),
                (json!({"event": {"type": "Nope", "value": {}}}), "Invalid event type: Nope. Expected one of Approval"),
                // Events of the workflow's own do not come from outside.
                (
                    json!({"event": {"type": "Revision", "value": {"text": "", "round": 1}}}),
                    "Invalid event type: Revision. Expected one of Approval",
                ),
                (
                    json!({"event": {"type": "Approval", "value": {}}}),
                    "Failed to deserialize event: Approval: missing field `approved`",
                ),
                (json!({"event": {"approved": true}}), "Invalid client data. Must have a type or a qualified name"),
                (
                    json!({"event": [1]}),
                    "Failed to deserialize event. Must be a json object, or stringified json object",
                ),
                (
                    json!({"event": "{"}),
                    "Failed to deserialize event. Must be a json object, or stringified json object",
                ),
                (json!({"event": approval, "step": "nope"}), "Failed to send event: Step nope does not exist"),
                (
                    json!({"event": approval, "step": "submit"}),
                    "Failed to send event: Step submit does not accept Approval",
                ),
                (json!({"event": approval, "step": 7}), "A step is named by a text."),
            ];
            for (body, detail) in cases {
                refused(&server.post("/events/h", body).await, 400, detail);
            }
            let raw = server.request("POST", "/events/h").body("[1]").send().await.unwrap();
            refused(&Reply::of(raw).await, 400, "Error processing request: 'list' object has no attribute 'get'");
            let raw = Reply::of(server.request("POST", "/events/h").body("{x").send().await.unwrap()).await;
            assert!(raw.body["detail"].as_str().unwrap().starts_with("Error processing request: "), "{}", raw.text);
            refused(&server.post("/events/nope", json!({"event": approval})).await, 404, "Handler not found");
            // After all that the run goes on as if nothing had been.
            assert_eq!(server.post("/events/h", json!({"event": approval})).await.status, 200);
            assert_eq!(ended(server, "h").await.body["status"], "completed", "{}", server.name);
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_for_one_step_reaches_that_one_alone() {
    bounded(async {
        for server in Both::new().await.each() {
            for side in ["left", "right"] {
                begin(server, "sides", json!({"handler_id": side})).await;
                let body = json!({"event": {"type": "Go", "value": {"n": 7}}, "step": side});
                assert_eq!(server.post(&format!("/events/{side}"), body).await.status, 200);
                let done = ended(server, side).await;
                assert_eq!(done.body["result"]["value"], json!({"by": side, "n": 7}), "{}", server.name);
            }
        }
    })
    .await;
}

/// A stream's whole text.
async fn text(server: &Served, path: &str, last_id: Option<&str>) -> (String, String) {
    let mut request = server.request("GET", path);
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{}: {path}", server.name);
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    (content_type, response.text().await.unwrap())
}

#[tokio::test]
async fn a_stream_is_written_as_that_server_writes_it_from_any_place() {
    bounded(async {
        for server in Both::new().await.each() {
            begin(server, "countdown", json!({"handler_id": "c", "start_event": {"from": 2, "delay_ms": 1}})).await;
            ended(server, "c").await;
            let tick = |left: u32| {
                format!(r#"{{"value":{{"left":{left}}},"qualified_name":"stepcast_examples::flows::Tick","type":"Tick","types":null}}"#)
            };
            let liftoff = r#"{"value":{},"qualified_name":"stepcast_examples::flows::Liftoff","type":"Liftoff","types":["StopEvent"]}"#;
            let lines = [tick(2), tick(1), tick(0), liftoff.to_owned()];
            let sse = |from: usize| -> String {
                lines.iter().enumerate().skip(from).map(|(at, line)| format!("id: {}\ndata: {line}\n\n", at + 1)).collect()
            };
            let nd = |from: usize| -> String { lines.iter().skip(from).map(|line| format!("{line}\n")).collect() };
            for (query, last, expected) in [
                ("after_sequence=-1", None, sse(0)),
                ("after_sequence=-7", None, sse(0)),
                ("after_sequence=0", None, sse(0)),
                ("after_sequence=2&sse=true", None, sse(2)),
                ("after_sequence=-1", Some("3"), sse(3)),
                ("after_sequence=now&sse=TRUE", Some("1"), sse(1)),
                ("after_sequence=1", Some("no number"), sse(1)),
                ("after_sequence=1&include_internal=true", None, sse(1)),
            ] {
                let (kind, found) = text(server, &format!("/events/c?{query}"), last).await;
                assert_eq!(kind, "text/event-stream; charset=utf-8");
                assert_eq!(found, expected, "{}: {query} {last:?}", server.name);
            }
            for (query, last, expected) in [
                ("after_sequence=-1", None, nd(0)),
                ("after_sequence=3", None, nd(3)),
                // It belongs to server-sent events.
                ("after_sequence=1", Some("3"), nd(1)),
            ] {
                let (kind, found) = text(server, &format!("/events/c?sse=false&{query}"), last).await;
                assert_eq!(kind, "application/x-ndjson");
                assert_eq!(found, expected, "{}: {query} {last:?}", server.name);
            }
            let (_, bare) = text(server, "/events/c?sse=false&after_sequence=3&include_qualified_name=false", None).await;
            assert_eq!(bare, "{\"value\":{},\"qualified_name\":null,\"type\":\"Liftoff\",\"types\":[\"StopEvent\"]}\n");

            for drained in ["", "?after_sequence=now", "?after_sequence=4", "?after_sequence=99", "?sse=false"] {
                let reply = server.get(&format!("/events/c{drained}")).await;
                assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{}: {drained}", server.name);
            }
            refused(&server.get("/events/c?after_sequence=abc").await, 400, "Invalid after_sequence: 'abc'");
            refused(&server.get("/events/nope").await, 404, "Handler not found");
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_without_a_place_begins_with_what_comes_now() {
    bounded(async {
        for from_start in [false, true] {
            for server in Both::with(&ServerOptions::new().default_cursor_start(from_start)).await.each() {
                begin(server, "approval", json!({"handler_id": "h", "start_event": {"text": "a"}})).await;
                streamed(server, "h", 1).await;
                let response = server.request("GET", "/events/h").send().await.unwrap();
                let body = json!({"event": {"type": "Approval", "value": {"approved": true}}});
                assert_eq!(server.post("/events/h", body).await.status, 200);
                let found = response.text().await.unwrap();
                let ids: Vec<_> = found.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
                assert_eq!(ids.join(" "), if from_start { "1 2" } else { "2" }, "{}: {found}", server.name);
                // What has ended has nothing more, unless it is shown from its start.
                let again = server.get("/events/h").await;
                assert_eq!(again.status, if from_start { 200 } else { 204 }, "{}", server.name);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ends_without_a_stop_event_are_events_of_the_stream() {
    bounded(async {
        for server in Both::new().await.each() {
            begin(server, "failing", json!({"handler_id": "f"})).await;
            let is_late = late(server).await;
            begin(server, "approval", json!({"handler_id": "c", "start_event": {"text": "a"}})).await;
            streamed(server, "c", 1).await;
            server.post("/handlers/c/cancel", json!({})).await;
            ended(server, "f").await;
            let last = async |id: &str| {
                let (_, found) = text(server, &format!("/events/{id}?sse=false&after_sequence=-1"), None).await;
                serde_json::from_str::<Value>(found.lines().last().unwrap()).unwrap()
            };
            let failed = last("f").await;
            assert_eq!((&failed["type"], &failed["types"]), (&json!("WorkflowFailedEvent"), &json!(["StopEvent"])));
            assert_eq!(failed["qualified_name"], "workflows.events.WorkflowFailedEvent");
            assert_eq!((&failed["value"]["step_name"], &failed["value"]["attempts"]), (&json!("fail"), &json!(1)));
            assert_eq!(failed["value"]["exception"]["exception_message"], "boom");
            if is_late {
                ended(server, "late").await;
                let expected = json!({"value": {"timeout": 0.05, "active_steps": ["sleep"]},
                    "qualified_name": "workflows.events.WorkflowTimedOutEvent",
                    "type": "WorkflowTimedOutEvent", "types": ["StopEvent"]});
                assert_eq!(last("late").await, expected);
            }
            let cancelled = json!({"value": {}, "qualified_name": "workflows.events.WorkflowCancelledEvent",
                "type": "WorkflowCancelledEvent", "types": ["StopEvent"]});
            assert_eq!(last("c").await, cancelled, "{}", server.name);
        }
    })
    .await;
}

#[tokio::test]
async fn internal_frames_are_shown_to_who_asks_and_carry_no_number() {
    bounded(async {
        for server in Both::with(&ServerOptions::new().record_internal(true)).await.each() {
            begin(server, "approval", json!({"handler_id": "h", "start_event": {"text": "a"}})).await;
            streamed(server, "h", 1).await;
            let path = "/events/h?after_sequence=-1&include_internal=true";
            let response = server.request("GET", path).send().await.unwrap();
            let body = json!({"event": {"type": "Approval", "value": {"approved": true}}});
            assert_eq!(server.post("/events/h", body).await.status, 200);
            let found = response.text().await.unwrap();
            let mut states = Vec::new();
            for frame in found.split_terminator("\n\n") {
                let (id, data) = match frame.split_once('\n') {
                    Some((id, data)) => (id.strip_prefix("id: "), data),
                    None => (None, frame),
                };
                let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                let internal = event["types"] == json!(["InternalDispatchEvent"]);
                assert_eq!(id.is_none(), internal, "{}: {frame}", server.name);
                if event["type"] == "StepStateChanged" {
                    assert_eq!(event["qualified_name"], "workflows.events.StepStateChanged");
                    let value = &event["value"];
                    assert!(value["worker_id"].is_string(), "{frame}");
                    states.push(format!(
                        "{} {}",
                        value["name"].as_str().unwrap(),
                        value["step_state"].as_str().unwrap()
                    ));
                }
            }
            let known = ["preparing", "running", "not_running"];
            assert!(states.iter().all(|state| known.contains(&state.split(' ').nth(1).unwrap())), "{states:?}");
            assert!(states.contains(&"submit running".to_owned()), "{}: {states:?}", server.name);
            assert_eq!(states.last().map(String::as_str), Some("approve not_running"), "{}: {states:?}", server.name);
            assert_eq!(found.lines().filter(|line| line.starts_with("id: ")).count(), 2, "{found}");
            let (_, plain) = text(server, "/events/h?after_sequence=-1", None).await;
            assert!(!plain.contains("InternalDispatchEvent"), "{plain}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_silent_stream_says_that_it_lives() {
    bounded(async {
        for server in Both::with(&ServerOptions::new().heartbeat(Duration::from_millis(20))).await.each() {
            begin(server, "approval", json!({"handler_id": "h", "start_event": {"text": "a"}})).await;
            streamed(server, "h", 1).await;
            let response = server.request("GET", "/events/h?after_sequence=1").send().await.unwrap();
            let mut bytes = response.bytes_stream();
            for _ in 0..3 {
                assert_eq!(bytes.next().await.unwrap().unwrap(), ": heartbeat\n\n", "{}", server.name);
            }
            // Lines of JSON have no comments: all they say is the end.
            let response = server.request("GET", "/events/h?after_sequence=1&sse=false").send().await.unwrap();
            bytes.next().await.unwrap().unwrap();
            bytes.next().await.unwrap().unwrap();
            let body = json!({"event": {"type": "Approval", "value": {"approved": true}}});
            assert_eq!(server.post("/events/h", body).await.status, 200);
            let found = response.text().await.unwrap();
            assert_eq!((found.lines().count(), found.contains("heartbeat")), (1, false), "{found}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_is_ended_and_removed() {
    bounded(async {
        for server in Both::new().await.each() {
            let cancel = async |id: &str, query: &str| {
                let request = server.request("POST", &format!("/handlers/{id}/cancel{query}"));
                Reply::of(request.send().await.unwrap()).await
            };
            begin(server, "countdown", json!({"handler_id": "c", "start_event": {"from": 100_000}})).await;
            let cancelled = cancel("c", "?purge=false").await;
            assert_eq!((cancelled.status, cancelled.text.as_str()), (200, r#"{"status":"cancelled"}"#));
            // Seen at once by whoever asks next.
            let handler = server.get("/handlers/c").await;
            assert_eq!((&handler.body["status"], &handler.body["error"]), (&json!("cancelled"), &Value::Null));
            refused(&cancel("c", "").await, 404, "Handler not found");
            refused(&cancel("nope", "").await, 404, "Handler not found");
            refused(&cancel("nope", "?purge=true").await, 404, "Handler not found");
            begin(server, "countdown", json!({"handler_id": "alive", "start_event": {"from": 100_000}})).await;
            for id in ["c", "alive"] {
                let deleted = cancel(id, "?purge=true").await;
                assert_eq!(
                    (deleted.status, deleted.text.as_str()),
                    (200, r#"{"status":"deleted"}"#),
                    "{}",
                    server.name
                );
                refused(&server.get(&format!("/handlers/{id}")).await, 404, "Handler not found");
                refused(&server.get(&format!("/events/{id}?after_sequence=-1")).await, 404, "Handler not found");
                refused(&server.get(&format!("/results/{id}")).await, 404, "Handler not found");
            }
            assert_eq!(server.get("/handlers").await.text, r#"{"handlers":[]}"#, "{}", server.name);
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
