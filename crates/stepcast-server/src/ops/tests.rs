//! What cannot be seen from outside: a server that drains while it is asked, and a handler that panics.

#![allow(clippy::unwrap_used)]

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use serde_json::Value;
use stepcast::Runtime;
use tower::ServiceExt;

use super::{around, description};
use crate::app::App;
use crate::options::ServerOptions;
use crate::server::routes;

async fn ask(router: &Router, method: &str, path: &str) -> (Response<()>, Value) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn a_server_that_drains_says_so_and_begins_nothing() {
    let app = App::new(Runtime::new(), ServerOptions::new());
    let router = routes(&app);
    assert_eq!(ask(&router, "GET", "/ready").await.0.status(), StatusCode::OK);
    app.draining.cancel();
    for path in ["/health", "/ready"] {
        let (response, body) = ask(&router, "GET", path).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(body["status"], "draining", "{path}");
    }
    let (response, body) = ask(&router, "POST", "/workflows/any").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["code"], "shutting_down");
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(ask(&router, "GET", "/metrics").await.0.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_panic_is_an_answer_without_its_text() {
    async fn panics() {
        panic!("the password is swordfish");
    }
    let app = App::new(Runtime::new(), ServerOptions::new());
    let router = Router::new().route("/panics", get(panics));
    let router = around(router, &description(), &app).with_state(app);
    let (response, body) = ask(&router, "GET", "/panics").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(body["code"], "internal");
    assert!(!body.to_string().contains("swordfish"), "{body}");
}
