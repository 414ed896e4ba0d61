//! The debugger that LlamaIndex publishes for its workflow server, in a browser: as the page of an origin of its own, and as
//! the page of an application that a server is a part of.
//!
//! It and what drives the browser are looked for in `clients/debugger` of the target folder, where `.ci/run` installs them,
//! and Chromium on the path. Without them the tests say that they are skipped; with `STEPCAST_REQUIRE_CLIENTS=1` they fail.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/clients.rs"]
mod clients;
#[path = "support/program.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use axum::middleware::{self, Next};
use axum::response::Html;
use axum::routing::get;
use clients::installed;
use program::{Program, root};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepcast::prelude::*;
use stepcast::{Runtime, StopEvent};
use stepcast_examples::flows;
use stepcast_server::{Server, ServerOptions};
use stepcast_sqlite::SqliteBackend;
use tokio::net::TcpListener;
use tokio::process::Command;

/// The page that loads the bundle, as its server has it.
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Debugger</title><link rel="stylesheet" href="/app.css"></head>
<body><div id="root"></div><script type="module" src="/app.js"></script></body>
</html>"#;

/// What the test needs.
struct Debugger {
    chromium: PathBuf,
    folder: PathBuf,
}

impl Debugger {
    fn installed() -> Option<Debugger> {
        let package = installed("debugger", "node_modules/@llamaindex/workflow-debugger")?;
        let folder = package.ancestors().nth(3).unwrap().to_owned();
        Some(Debugger { chromium: clients::program("chromium")?, folder })
    }

    /// The page and its bundle.
    fn routes(&self) -> Router {
        let dist = self.folder.join("node_modules/@llamaindex/workflow-debugger/dist");
        let file = |name: &str, kind: &'static str| {
            let bytes = std::fs::read(dist.join(name)).unwrap();
            get(move || async move { ([(CONTENT_TYPE, kind)], bytes) })
        };
        Router::new()
            .route("/", get(async || Html(PAGE)))
            .route("/app.js", file("app.js", "text/javascript"))
            .route("/app.css", file("app.css", "text/css"))
    }

    /// Does with a page what its script says.
    async fn drive(&self, page: &str, more: &[&str]) {
        // Packages are looked for beside the script.
        let script = self.folder.join("drive.mjs");
        std::fs::copy(root().join("tests/clients/debugger/drive.mjs"), &script).unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("node");
        command.arg(&script).arg(&self.chromium).arg(profile.path()).arg(page).args(more);
        command.current_dir(&self.folder).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(300), command.output()).await;
        let output = output.expect("the browser hangs").unwrap();
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let folder = self.folder.display();
        assert!(output.status.success(), "{page}; what it showed is in {folder}:\n{out}\n{error}");
        assert!(out.contains("all good"), "{page}: {out}");
    }
}

/// A place to listen, and its origin.
async fn free() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_debugger_works_from_an_origin_of_its_own() {
    let Some(debugger) = Debugger::installed() else { return };
    let (listener, origin) = free().await;
    let page = tokio::spawn(axum::serve(listener, debugger.routes()).into_future());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    for store in [None, Some(file.as_path())] {
        let server = Program::with(0, store, &["--debugger", &origin]).await;
        debugger.drive(&format!("{origin}/?api={}", server.url), &[]).await;
    }
    page.abort();
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Place {
    lat: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Colour {
    Red,
    Green,
}

/// A field of every kind.
#[event(start)]
#[derive(JsonSchema)]
struct Form {
    name: String,
    note: Option<String>,
    count: u32,
    limit: Option<i64>,
    ratio: f64,
    urgent: bool,
    tags: Vec<String>,
    place: Place,
    colour: Colour,
}

#[event(input_required)]
#[derive(JsonSchema)]
struct Unsure {
    prompt: String,
}

#[event(human_response)]
#[derive(JsonSchema)]
struct Sure {
    why: String,
}

#[step(waits(Sure))]
async fn read(form: Form, ctx: Context) -> Result<StopEvent> {
    let Form { name, note, count, limit, ratio, urgent, tags, place, colour } = form;
    let sure = ctx.wait_for_event::<Sure>().announce(Unsure { prompt: "Why?".to_owned() }).await?;
    let (note, limit) =
        (note.unwrap_or("no note".to_owned()), limit.map_or("any".to_owned(), |limit| limit.to_string()));
    let read = format!("{name}, {note}, {count} of {limit}, {ratio}, {urgent}, {tags:?}, {}, {colour:?}", place.lat);
    Ok(StopEvent::new(format!("{read}: {}", sure.why)))
}

flow!(Forms: Form => StopEvent { read });

fn runtime(store: Option<&Path>) -> Runtime {
    let runtime = store.map_or_else(Runtime::new, |file| Runtime::on(SqliteBackend::open(file).unwrap()));
    flows::register(&runtime).unwrap();
    runtime.register_as("form", Forms, None).unwrap();
    runtime
}

#[tokio::test(flavor = "multi_thread")]
async fn the_debugger_is_the_page_of_an_application() {
    let Some(debugger) = Debugger::installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.db");
    for store in [None, Some(file.as_path())] {
        let (listener, origin) = free().await;
        let options = ServerOptions::new().default_cursor_start(true).record_internal(true);
        let app = tokio::spawn(axum::serve(listener, router(&debugger, store, options)).into_future());
        debugger.drive(&format!("{origin}/"), &["form"]).await;
        app.abort();
    }
}

/// An application with the debugger's page and a server.
fn router(debugger: &Debugger, store: Option<&Path>, options: ServerOptions) -> Router {
    debugger.routes().merge(Server::new(runtime(store)).with_options(options).router())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_debugger_is_the_page_of_an_application_whose_user_signs_in() {
    let Some(debugger) = Debugger::installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (listener, origin) = free().await;
    let (next_door, neighbour) = free().await;
    let page = Router::new().route("/", get(async || Html("<!doctype html>")));
    let next_door = tokio::spawn(axum::serve(next_door, page).into_future());
    let options = ServerOptions::new().default_cursor_start(true).record_internal(true);
    let options = options.token("t-full").browser_sign_in(Duration::from_secs(3600));
    // What comes from next door, and whether it brings the cookie: else nothing would be shown.
    let came: Arc<Mutex<Vec<(Method, bool)>>> = Arc::default();
    let (note, from) = (Arc::clone(&came), neighbour.clone());
    let noted = middleware::from_fn(move |request: Request, next: Next| {
        let cookie =
            request.headers().get(COOKIE).is_some_and(|cookie| cookie.as_bytes().starts_with(b"stepcast-session="));
        if request.headers().get(ORIGIN).is_some_and(|origin| origin.as_bytes() == from.as_bytes()) {
            note.lock().unwrap().push((request.method().clone(), cookie));
        }
        next.run(request)
    });
    let app = router(&debugger, Some(&folder.path().join("runs.db")), options).layer(noted);
    let app = tokio::spawn(axum::serve(listener, app).into_future());
    debugger.drive(&format!("{origin}/"), &["form", "t-full", &format!("{neighbour}/")]).await;
    assert_eq!(*came.lock().unwrap(), [(Method::POST, true), (Method::GET, true), (Method::GET, true)]);
    app.abort();
    next_door.abort();
}
