//! `serve`, and every command that works on a server instead of a file.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::BufRead;
use std::net::TcpListener;

use serde_json::Value;
use support::Place;
use support::served::Served;

#[test]
fn runs_are_started_shown_and_repeated() {
    let server = Served::begin(&[]);
    let ran = server.run(&["run", "greet", "--arg", "name=Ada", "--id", "first"]).exits(0);
    assert_eq!(ran.out.trim(), r#"{"text":"Hello, Ada!"}"#, "{ran:?}");
    let ran = server.run(&["run", "countdown", "--arg", "from=3"]).exits(0);
    assert!(ran.out.contains("Tick") || ran.err.contains("Tick"), "{ran:?}");
    server.run(&["run", "failing"]).exits(1).says("error[SC0070]");
    server.run(&["run", "greet", "--id", "first"]).exits(1).says("error[SC0038]");
    server.run(&["run", "greeet"]).exits(4).says("error[SC0040]");

    let runs = server.run(&["runs", "--json"]).exits(0).json();
    let workflows: Vec<&str> = runs.iter().map(|run| run["workflow"].as_str().unwrap()).collect();
    assert_eq!(workflows, ["failing", "countdown", "greet"]);
    let status = server.run(&["status", "first", "--json"]).exits(0).json();
    assert_eq!((status[0]["run_id"].as_str(), status[0]["status"].as_str()), (Some("first"), Some("completed")));
    let logs = server.run(&["logs", "first", "--json"]).exits(0).json();
    assert_eq!(logs.last().unwrap()["seq"], logs.len());
    assert!(server.run(&["inspect", "latest"]).exits(0).out.starts_with("failed at `"), "latest is the failing one");
    server.run(&["status", "nobody"]).exits(4).says("error[SC0030]");

    let again = server.run(&["rerun", "first"]).exits(0);
    assert_eq!(again.out.trim(), r#"{"text":"Hello, Ada!"}"#, "{again:?}");
    server.run(&["cancel", "first"]).says("error[SC0031]");
    for only_here in [&["gc", "--older-than", "1d"][..], &["doctor"], &["report", "first"]] {
        server.run(only_here).exits(2).says("error[SC0112]");
    }
}

#[test]
fn a_run_is_drawn_on_its_workflow() {
    let server = Served::begin(&[]);
    server.run(&["run", "countdown", "--arg", "from=3", "--arg", "millis=1", "--id", "down"]).exits(0);
    let drawn = server.run(&["graph", "--run", "down", "--json"]).exits(0).says("which a server does not show").json();
    let (graph, overlay) = (&drawn[0]["graph"], &drawn[0]["overlay"]);
    assert_eq!(graph["name"], "countdown");
    let here: Value = server.place.run(&["graph", "countdown", "--json"]).exits(0).json().remove(0);
    let ids = |graph: &Value| -> Vec<Value> {
        graph["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect()
    };
    assert_eq!((ids(graph), &graph["edges"]), (ids(&here["graph"]), &here["graph"]["edges"]), "as it is drawn here");
    let events = serde_json::json!({ "From": 1, "Tick": 3, "Liftoff": 1 });
    assert_eq!(overlay["events"], events, "{overlay}");
    for (form, first) in [("--mermaid", "flowchart TD\n"), ("--dot", "digraph \"countdown\" {\n"), ("--svg", "<svg ")] {
        let said = server.run(&["graph", "--run", "down", form]).exits(0);
        assert!(said.out.starts_with(first), "{said:?}");
    }
    server.run(&["graph", "--run", "down", "--svg", "-o", "down.svg"]).exits(0).says("written to down.svg");
    assert!(server.run(&["graph", "--run", "latest"]).exits(0).out.contains("(Liftoff, once)"));

    // What waits and what failed is known too.
    server.run(&["run", "approval", "--arg", "topic=sea", "--id", "asks"]).exits(3);
    let drawn = server.run(&["graph", "--run", "asks", "--json"]).exits(0).json();
    let steps = drawn[0]["overlay"]["steps"].as_object().unwrap();
    let waiting: Vec<&String> = steps.iter().filter(|(_, did)| did["waiting"] == 1).map(|(step, _)| step).collect();
    let asked = server.run(&["inputs", "--json"]).exits(0).json();
    assert_eq!(waiting, [asked[0]["step"].as_str().unwrap()], "{steps:?}");
    server.run(&["run", "failing", "--id", "bad"]).exits(1);
    let drawn = server.run(&["graph", "--run", "bad", "--json"]).exits(0).json();
    let steps = drawn[0]["overlay"]["steps"].as_object().unwrap();
    assert_eq!(steps.values().filter(|did| did["failures"].as_u64() > Some(0)).count(), 1, "{steps:?}");

    server.run(&["graph", "--run", "nobody"]).exits(4).says("error[SC0030]");
}

#[test]
fn a_question_is_answered_from_elsewhere() {
    let server = Served::begin(&[]);
    let ran = server.run(&["run", "approval", "--arg", "topic=sea", "--id", "draft"]).exits(3);
    assert!(ran.err.contains("waiting for an answer"), "{ran:?}");
    let inputs = server.run(&["inputs", "--json"]).exits(0).json();
    assert_eq!(inputs.len(), 1, "{inputs:?}");
    server.run(&["answer", "draft", "--arg", "approved=perhaps"]).says("error[SC0058]");
    server.run(&["answer", "draft", "--arg", "approved=true", "--by", "ada"]).exits(0);
    let input = inputs[0]["input_id"].as_str().unwrap();
    server.run(&["answer", input, "--arg", "approved=true"]).says("by ada");
    let ran = server.run(&["logs", "draft", "--follow"]).exits(0);
    assert!(ran.out.contains("Published"), "{ran:?}");
}

#[test]
fn a_token_is_asked_for() {
    let server = Served::begin(&["--token", "secret", "--read-only-token", "look"]);
    server.run(&["runs"]).exits(1).says("error[SC0111]");
    server.run(&["run", "greet"]).says("error[SC0111]");
    server.run(&["--token", "look", "run", "greet"]).says("error[SC0111]");
    server.run(&["--token", "look", "runs"]).exits(0);
    server.run(&["--token", "secret", "run", "greet"]).exits(0);
}

#[test]
fn a_token_may_come_from_the_environment() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--port", "0"]);
    command.env("STEPCAST_TOKEN", "secret").env("STEPCAST_READ_ONLY_TOKEN", "look");
    let server = Served::by(place, command);
    server.run(&["runs"]).exits(1).says("error[SC0111]");
    server.run(&["--token", "look", "run", "greet"]).says("error[SC0111]");
    server.run(&["--token", "look", "runs"]).exits(0);
    server.run(&["--token", "secret", "run", "greet"]).exits(0);
}

#[cfg(unix)]
#[test]
fn people_sign_in_where_it_is_told() {
    let tokens = ["--token", "secret"];
    for (options, status) in [(&[][..], 401), (&["--browser-sign-in"][..], 200)] {
        let server = Served::begin(&[&tokens, options].concat());
        let reply = server.reply("/sign-in", "host: localhost\r\n");
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{options:?}: {reply}");
    }
    let open = Served::begin(&["--browser-sign-in"]);
    assert!(open.reply("/sign-in", "host: localhost\r\n").starts_with("HTTP/1.1 404"), "nobody is asked for a token");
    open.end().exits(0).says("nobody has to sign in");
}

#[test]
fn it_listens_where_it_is_told_to() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let place = Place::new();
    place.run(&["serve", "--port", &port]).exits(1).says("error[SC0113]");
    drop(taken);
    let command = place.command(&["serve", "-p", &port]);
    let server = Served::by(place, command);
    assert_eq!(server.url, format!("http://127.0.0.1:{port}"));
    server.run(&["run", "greet"]).exits(0);
    let elsewhere = Served::begin(&["--host", "127.0.0.2"]);
    assert!(elsewhere.url.starts_with("http://127.0.0.2:"), "{}", elsewhere.url);
    elsewhere.run(&["run", "greet"]).exits(0);
}

#[test]
fn an_open_server_is_asked_for() {
    let server = Served::begin(&["--host", "0.0.0.0", "--insecure"]);
    assert!(server.url.starts_with("http://0.0.0.0:"), "{}", server.url);
    let reply = server.reply("/runs", "host: flows.example\r\n");
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
}

#[test]
fn pages_of_named_origins_come_in() {
    let closed = Served::begin(&[]);
    let open = Served::begin(&["--allow-origin", "https://a.example", "--allow-origin", "https://b.example"]);
    for (server, origin, status) in [
        (&closed, "https://a.example", 403),
        (&open, "https://a.example", 200),
        (&open, "https://b.example", 200),
        (&open, "https://c.example", 403),
    ] {
        let reply = server.reply("/runs", &format!("host: localhost\r\norigin: {origin}\r\n"));
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{origin}: {reply}");
    }
}

#[test]
fn streams_begin_where_it_is_told() {
    for (options, status) in [(&[][..], 204), (&["--from-start"][..], 200)] {
        let server = Served::begin(options);
        server.run(&["run", "countdown", "--arg", "from=1", "--id", "past"]).exits(0);
        let reply = server.reply("/events/past", "host: localhost\r\n");
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{options:?}: {reply}");
        assert_eq!(reply.contains("Liftoff"), status == 200, "{options:?}: {reply}");
    }
}

#[test]
fn frames_of_steps_are_kept_where_it_is_told() {
    for (options, first) in [(&[][..], "Review"), (&["--record-internal"][..], "StepStateChanged")] {
        let server = Served::begin(options);
        server.run(&["run", "approval", "--arg", "topic=sea", "--id", "draft"]).exits(3);
        let path = "/events/draft?include_internal=true&after_sequence=-1";
        let mut lines = server.ask(path, "host: localhost\r\n").lines().map(Result::unwrap);
        let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
        let event: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(event["type"], first, "{options:?}: {data}");
    }
}

#[test]
fn it_says_where_it_is_and_what_it_serves() {
    let place = Place::new();
    let other = place.file("other.db");
    let command = place.command(&["--store", other.to_str().unwrap(), "--json", "serve", "--port", "0"]);
    let mut server = Served::by(place, command);
    let told: Value = serde_json::from_str(&server.url).unwrap();
    assert!(told["workflows"].as_array().unwrap().contains(&"greet".into()), "{told}");
    assert!(told["store"].as_str().unwrap().ends_with("other.db"), "{told}");
    server.url = told["url"].as_str().unwrap().to_owned();
    server.run(&["run", "greet", "--id", "first"]).exits(0);
    let there = server.place.run(&["--store", other.to_str().unwrap(), "runs", "--json"]).exits(0).json();
    assert_eq!(there[0]["run_id"], "first", "{there:?}");
    assert!(server.place.run(&["runs", "--json"]).json().is_empty(), "nothing is in the other store");
}

#[test]
fn nobody_is_there() {
    let place = Place::new();
    place.run(&["--server", "http://127.0.0.1:1", "run", "greet"]).exits(1).says("error[SC0110]");
    place.run(&["--server", "localhost", "runs"]).exits(1).says("error[SC0110]");
    place.run(&["serve", "--host", "0.0.0.0", "--port", "0"]).exits(1).says("error[SC0113]").says("--token");
}

/// With the feature it works: see `serve_otlp.rs`.
#[cfg(not(feature = "otel"))]
#[test]
fn without_opentelemetry_nobody_is_told_that_spans_are_sent() {
    let ran = Place::new().run(&["serve", "--port", "0", "--otlp", "http://localhost:4318"]).exits(2);
    let ran = ran.says("error[SC0114]").says("the feature `otel`");
    assert_eq!(ran.out, "", "it serves nothing: {ran:?}");
}
