//! Every body parser, fed with whatever: it answers, and what is no JSON it refuses.

#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use proptest::prelude::*;
use serde_json::{Map, Value};
use stepcast::Runtime as Flows;
use stepcast::prelude::{Context, Result, event, flow, step};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::app::App;
use crate::options::ServerOptions;
use crate::server::routes;

#[event(start)]
struct Draft {
    text: String,
    #[serde(default)]
    rounds: Option<u8>,
}

#[event(human_response)]
struct Verdict {
    approved: bool,
}

#[event(stop)]
struct Published {
    text: String,
}

#[step(waits(Verdict))]
async fn review(draft: Draft, ctx: Context) -> Result<Published> {
    let verdict = ctx.wait_for_event::<Verdict>().await?;
    Ok(Published { text: format!("{} {} {:?}", draft.text, verdict.approved, draft.rounds) })
}

flow!(Review: Draft => Published { review });

/// A server with one run that waits, and its routes that take bodies.
struct Target {
    tokio: Runtime,
    router: Router,
    paths: Vec<(Method, String)>,
}

fn target() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (router, paths) = tokio.block_on(async {
            let flows = Flows::new();
            flows.register(Review).unwrap();
            let options = ServerOptions::new().max_body(64 << 10);
            #[cfg(feature = "graphs")]
            let options = options.graphs(stepcast_graph::Graphs::new(&flows, stepcast_graph::Host::new()));
            let router = routes(&App::new(flows, options));
            let api = router.clone().oneshot(Request::get("/openapi.json").body(Body::empty()).unwrap()).await.unwrap();
            let api = axum::body::to_bytes(api.into_body(), usize::MAX).await.unwrap();
            let api: Value = serde_json::from_slice(&api).unwrap();
            let start = Request::post("/workflows/Review").header(header::CONTENT_TYPE, "application/json");
            let start = start.body(Body::from(r#"{"input": {"text": "x"}, "run_id": "waits"}"#)).unwrap();
            assert_eq!(router.clone().oneshot(start).await.unwrap().status(), StatusCode::ACCEPTED);
            let named = |route: &String| {
                let path = route.replace("{name}", "Review").replace("{input}", "1").replace("{chat}", "waits");
                path.replace("{run_id}", "waits").replace("{handler_id}", "waits").replace("{id}", "graph")
            };
            let routes = api["paths"].as_object().unwrap();
            let with = |method: Method| {
                let word = method.as_str().to_lowercase();
                let all = routes.iter().filter(move |(_, path)| path.get(&word).is_some());
                all.map(move |(route, _)| (method.clone(), named(route)))
            };
            (router, with(Method::POST).chain(with(Method::PUT)).collect())
        });
        Target { tokio, router, paths }
    })
}

/// Words that the parsers look for, among others.
fn word() -> impl Strategy<Value = String> {
    let known = [
        "input",
        "start_event",
        "run_id",
        "timeout",
        "event",
        "type",
        "value",
        "data",
        "qualified_name",
        "types",
        "step",
        "response",
        "by",
        "approved",
        "text",
        "context",
        "handler_id",
        "id",
        "threadId",
        "runId",
        "messages",
        "role",
        "content",
        "parts",
        "tools",
        "state",
        "forwardedProps",
        "resume",
        "user",
        "Verdict",
        "Draft",
        "waits",
        "steps",
        "edges",
        "source",
        "target",
        "when",
        "template",
        "{\"type\":\"Verdict\",\"data\":{}}",
    ];
    prop_oneof![4 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((word(), inner), 0..6)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..512),
        1 => any::<String>().prop_map(String::into_bytes),
        4 => json().prop_map(|value| value.to_string().into_bytes()),
        // Cut off somewhere.
        1 => (json(), any::<proptest::sample::Index>()).prop_map(|(value, at)| {
            let text = value.to_string().into_bytes();
            text[..at.index(text.len())].to_vec()
        }),
    ]
}

/// What these take is in their path.
fn takes_no_body(path: &str) -> bool {
    ["/tickets", "/cancel", "/resume"].iter().any(|end| path.ends_with(end))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_body_is_answered(route in any::<proptest::sample::Index>(), body in body(), typed in any::<bool>()) {
        let target = target();
        let (method, path) = &target.paths[route.index(target.paths.len())];
        // Ending the run that waits would spare the others their parsers.
        prop_assume!(!path.ends_with("/cancel"));
        let mut request = Request::builder().method(method).uri(path);
        if typed {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let no_json = serde_json::from_slice::<Value>(&body).is_err();
        let request = request.body(Body::from(body.clone())).unwrap();
        let response = target.tokio.block_on(target.router.clone().oneshot(request)).unwrap();
        let status = response.status();
        prop_assert!(!status.is_server_error(), "{path}: {status}");
        if no_json && !body.is_empty() && !takes_no_body(path) {
            prop_assert!(status.is_client_error(), "{path}: {status}");
            prop_assert_eq!(&response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }
}
