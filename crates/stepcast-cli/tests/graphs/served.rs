//! Graphs of files on a server: put, run, checked, listed, read, removed.

use std::io::{BufRead, BufReader};
use std::process::Child;

use serde_json::{Value, json};

use super::support::{Place, Ran, finish};
use super::{place, result, write};

/// A server, and files to be put there.
struct Served {
    place: Place,
    url: String,
    child: Child,
}

impl Served {
    fn begin(options: &[&str]) -> Served {
        let place = place();
        let mut child = place.begin(&[&["serve", "--port", "0"], options].concat());
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Served { place, url: url.trim().to_owned(), child }
    }

    /// A command on the server, which has no store of its own.
    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.place.command(args);
        command.env_remove("STEPCAST_STORE").env("STEPCAST_SERVER", &self.url).env("HOME", "/nonexistent");
        finish(command.spawn().unwrap())
    }

    /// Each graph with its version and all of them.
    fn graphs(&self) -> Vec<(String, u64, Value)> {
        let list = self.run(&["graph", "list", "--json"]).exits(0).json();
        let graph = |graph: Value| {
            (graph["id"].as_str().unwrap().to_owned(), graph["version"].as_u64().unwrap(), graph["versions"].clone())
        };
        list.into_iter().map(graph).collect()
    }

    fn runs(&self) -> usize {
        self.run(&["runs", "--json"]).exits(0).json().len()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hello(version: Option<u64>, word: &str) -> Value {
    let mut document = json!({ "id": "hello", "steps": [
        { "id": "say", "type": "function", "template": format!("{word}, {{{{input.name}}}}!") },
    ] });
    if let Some(version) = version {
        document["version"] = version.into();
    }
    document
}

#[test]
fn a_file_is_put_on_the_server_and_run_there() {
    let server = Served::begin(&[]);
    let run = |more: &[&str]| server.run(&[&["run", "hello.json", "--arg", "name=Ada"], more].concat());
    let ran = run(&[]).says("put hello@1 on the server").says("hello@1");
    assert_eq!(result(ran), json!({ "say": "Hello, Ada!" }));
    assert_eq!(server.graphs(), [("hello".to_owned(), 1, json!([1]))]);
    // What is there is run as it is.
    let ran = run(&[]);
    assert!(!ran.err.contains("put"), "{ran:?}");
    assert_eq!(result(ran)["say"], "Hello, Ada!");

    // Another content under its name is nobody's to take away by running a file.
    for version in [None, Some(1), Some(2)] {
        write(&server.place, "hello.json", &hello(version, "Bye").to_string());
        let before = server.runs();
        run(&[]).exits(2).says("error[SC0126]").says("`hello`").says("--replace");
        assert_eq!((server.runs(), server.graphs()), (before, vec![("hello".to_owned(), 1, json!([1]))]));
    }
    // Its own version is free, then it is not.
    assert_eq!(result(run(&["--replace"]).says("put hello@2"))["say"], "Bye, Ada!");
    write(&server.place, "hello.json", &hello(None, "Servus").to_string());
    assert_eq!(result(run(&["--replace"]).says("put hello@3"))["say"], "Servus, Ada!");
    assert_eq!(server.graphs(), [("hello".to_owned(), 3, json!([1, 2, 3]))]);
    // The same again, but for the number it was given.
    let ran = run(&[]);
    assert!(!ran.err.contains("put"), "{ran:?}");
    assert_eq!(result(ran)["say"], "Servus, Ada!");
    // A version that the name does not stand for any more is run as it is, and stands for nothing by that.
    write(&server.place, "hello.json", &hello(None, "Hello").to_string());
    assert_eq!(result(run(&[]).says("hello@1"))["say"], "Hello, Ada!");
    assert_eq!(server.graphs()[0].1, 3);

    let detached = run(&["--detach", "--id", "d1", "--json"]).exits(0).json();
    assert_eq!(detached.last().unwrap()["run"]["workflow"], "hello@1");
    server.run(&["run", "review.yaml", "--arg", "topic=x", "--id", "r1"]).exits(3).says("answer r1/2");
}

#[test]
fn a_run_is_drawn_on_its_document() {
    let server = Served::begin(&["--token", "full", "--read-only-token", "look"]);
    let run = |args: &[&str]| server.run(&[&["--token", "full"], args].concat());
    run(&["run", "review.yaml", "--arg", "topic=x", "--id", "r1"]).exits(3);
    // The name stands for another one by now.
    run(&["graph", "remove", "review"]).exits(0);
    let here = server.place.run(&["graph", "review.yaml", "--json"]).exits(0).json().remove(0);
    for token in ["full", "look"] {
        let drawn = server.run(&["--token", token, "graph", "--run", "r1", "--json"]).exits(0).json().remove(0);
        let nodes = |drawn: &Value| drawn["graph"]["nodes"].clone();
        assert_eq!(nodes(&drawn), nodes(&here), "{token}");
        let steps = &drawn["overlay"]["steps"];
        let counts = |name: &str| {
            let steps = steps.as_object().unwrap().values();
            steps.map(|did| did[name].as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!((counts("waiting"), counts("running")), (1, 0), "{token}: {steps}");
        // What a step gave, and so that it is over, is for those who see everything.
        assert_eq!(counts("runs") > 0, token == "full", "{token}: {steps}");
    }
    assert!(run(&["graph", "--run", "r1", "--mermaid"]).exits(0).out.starts_with("flowchart TD\n"));
}

#[test]
fn a_file_that_the_server_cannot_run_is_refused_with_everything_that_is_wrong() {
    let server = Served::begin(&[]);
    let ran = server.run(&["run", "bad.json"]).exits(2).says("error[SC0122]");
    for told in
        ["[unknown_path] /steps/0/prompt", "[unknown_reference] /steps/0/agent", "[unknown_step] /edges/1/target"]
    {
        assert!(ran.err.contains(told), "{told}: {ran:?}");
    }
    server.run(&["run", "outer.json"]).exits(2).says("[unknown_reference] /steps/0/graph");
    write(&server.place, "nameless.json", &json!({ "steps": [] }).to_string());
    server.run(&["run", "nameless.json"]).exits(2).says("error[SC0122]").says("`id`");
    server.run(&["run", "none.json"]).exits(2).says("error[SC0120]");
    let taken = json!({ "id": "greet", "steps": [{ "id": "a", "type": "function", "template": 1 }] });
    write(&server.place, "greet.json", &taken.to_string());
    server.run(&["run", "greet.json"]).exits(2).says("error[SC0123]");
    assert!(server.graphs().is_empty() && server.runs() == 0);
    let place = &server.place;
    place.run(&["--server", "http://127.0.0.1:1", "run", "hello.json"]).exits(1).says("error[SC0110]");
}

#[test]
fn what_a_file_runs_is_put_before_it_and_with_what_changed() {
    let server = Served::begin(&[]);
    let run = |more: &[&str]| server.run(&[&["run", "outer.json", "--graph", "hello.json"], more].concat());
    assert_eq!(result(run(&[]).says("put hello@1").says("put outer@1"))["run"]["say"], "Hello, Ada!");
    assert_eq!(result(run(&[]))["run"]["say"], "Hello, Ada!");
    write(&server.place, "hello.json", &hello(None, "Bye").to_string());
    run(&[]).exits(2).says("error[SC0126]");
    // It runs the graph as it was, unless it is put anew too.
    assert_eq!(result(server.run(&["run", "outer.json"]))["run"]["say"], "Hello, Ada!");
    assert_eq!(result(run(&["--replace"]).says("put hello@2").says("put outer@2"))["run"]["say"], "Bye, Ada!");
    server.run(&["run", "greet", "--graph", "hello.json"]).exits(2).says("error[SC0112]");
    assert_eq!(server.graphs().len(), 2);
}

#[test]
fn graphs_of_a_server_are_listed_read_put_and_removed() {
    let server = Served::begin(&[]);
    assert!(server.run(&["graph", "list"]).exits(0).out.starts_with("No graphs on http://"));
    // In the order in which they need each other.
    server.run(&["graph", "put", "outer.json", "hello.json"]).exits(0).says("put hello@1").says("put outer@1");
    let again = server.run(&["graph", "put", "hello.json"]).exits(0);
    assert_eq!(again.out, "hello@1 is there already\n");
    let mut newer = hello(Some(2), "Bye");
    newer["name"] = json!("Says something");
    write(&server.place, "hello.json", &newer.to_string());
    let put = server.run(&["graph", "put", "hello.json", "--json"]).exits(0).json();
    assert_eq!(put, [json!({ "kind": "graph_put", "id": "hello", "version": 2 })]);
    write(&server.place, "hello.json", &hello(Some(2), "Servus").to_string());
    server.run(&["graph", "put", "hello.json"]).exits(2).says("error[SC0126]");
    let list = server.run(&["graph", "list"]).exits(0).out;
    assert!(list.contains("hello  2        1, 2      Says something"), "{list}");

    let read = |args: &[&str]| serde_json::from_str::<Value>(&server.run(args).exits(0).out).unwrap();
    assert_eq!(read(&["graph", "get", "hello"]), newer);
    assert_eq!(read(&["graph", "get", "hello", "--version", "1", "--json"]), hello(None, "Hello"));
    server.run(&["graph", "get", "hello", "-o", "got.json"]).exits(0).says("written to got.json");
    let got: Value = serde_json::from_str(&std::fs::read_to_string(server.place.file("got.json")).unwrap()).unwrap();
    assert_eq!(got, newer);
    server.run(&["graph", "get", "hello", "--version", "7"]).exits(4).says("error[SC0128]");
    server.run(&["graph", "get", "nobody"]).exits(4).says("error[SC0128]");

    server.run(&["graph", "put", "hello.json", "--replace"]).exits(0).says("put hello@3");
    assert_eq!(server.run(&["graph", "remove", "hello", "outer"]).exits(0).out, "removed hello\nremoved outer\n");
    assert!(server.graphs().is_empty());
    server.run(&["graph", "remove", "hello"]).exits(4).says("error[SC0128]");
    for here in
        [&["graph", "list"][..], &["graph", "get", "hello"], &["graph", "put", "hello.json"], &["graph", "rm", "a"]]
    {
        server.place.run(here).exits(2).says("error[SC0127]");
    }
}

#[test]
fn files_are_checked_against_what_the_server_has() {
    let server = Served::begin(&["--token", "full", "--read-only-token", "look"]);
    let run = |args: &[&str]| server.run(&[&["--token", "full"], args].concat());
    let ran = run(&["graph", "check", "bad.json", "hello.json"]).exits(1);
    for told in [
        "fault  bad@1  bad.json",
        "error[unknown_reference] /steps/0/agent: There is no runner `writer`.",
        "warning[unknown_field] /colour: ",
        "ok     hello@1  hello.json",
        "2 graphs, 4 errors, 1 warning",
    ] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
    assert!(!ran.err.contains("not looked up"), "{ran:?}");
    assert!(!run(&["graph", "check", "--no-names", "bad.json"]).exits(1).out.contains("writer"));
    let found = run(&["graph", "check", "outer.json", "--json"]).exits(1).json().remove(0);
    assert_eq!(found["errors"][0]["pointer"], "/steps/0/graph", "{found}");
    // Beside its file, and once the server has it.
    run(&["graph", "check", "outer.json", "hello.json"]).exits(0);
    run(&["graph", "put", "hello.json"]).exits(0);
    run(&["graph", "check", "outer.json"]).exits(0);
    server.run(&["graph", "check", "hello.json"]).exits(1).says("error[SC0111]");
    server.run(&["--token", "look", "run", "hello.json"]).exits(1).says("error[SC0111]");
    assert_eq!(server.run(&["--token", "look", "graph", "ls", "--json"]).exits(0).json().len(), 1);
}

#[test]
fn a_run_of_the_server_shows_its_document_after_its_graph_is_gone() {
    let server = Served::begin(&[]);
    let calls = json!({ "id": "calls", "steps": [
        { "id": "hi", "type": "subgraph", "workflow": "greet", "input": { "name": "Ada" } },
    ] });
    write(&server.place, "calls.json", &calls.to_string());
    // The server's compiled workflows are there for its graphs.
    let ran = server.run(&["run", "calls.json", "--id", "c1"]);
    assert_eq!(result(ran)["hi"]["text"], "Hello, Ada!");
    server.run(&["graph", "remove", "calls"]).exits(0);
    let shown = |run: &str| -> Value {
        serde_json::from_str(&server.run(&["graph", "--run", run, "--document"]).exits(0).out).unwrap()
    };
    assert_eq!(shown("c1"), calls);
    server.run(&["run", "greet", "--id", "g1"]).exits(0);
    assert_eq!(shown("g1")["name"], "greet");
    server.run(&["graph", "--run", "nobody", "--document"]).exits(4).says("error[SC0030]");
}
