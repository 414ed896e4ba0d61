//! Files of graphs: checked, run, drawn, taken up by other processes, and served from a folder.
#![allow(clippy::unwrap_used)]

#[path = "graphs/served.rs"]
mod served;
mod support;

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};
use stepcast::Context;
use stepcast_cli::{Exit, Setup};
use stepcast_graph::{Host, Job};
use support::{Place, Ran, finish};

const REVIEW: &str = "\
id: review
start: topic
steps:
  - {id: topic, type: function, template: '{{input.topic}}'}
  - {id: ask, type: human, prompt: 'Publish {{topic}}?', choices: [approve, reject]}
  - {id: end, type: end, input: {topic: '{{topic}}', verdict: '{{ask.response}}'}}
edges:
  - {source: topic, target: ask}
  - {source: ask, target: end, when: ask.response == approve}
  - {source: ask, target: topic, when: otherwise}
";

fn place() -> Place {
    let place = Place::new();
    write(&place, "review.yaml", REVIEW);
    let hello =
        json!({ "id": "hello", "steps": [{ "id": "say", "type": "function", "template": "Hello, {{input.name}}!" }] });
    write(&place, "hello.json", &hello.to_string());
    let outer = json!({ "id": "outer", "steps": [{ "id": "run", "type": "subgraph", "graph": "hello", "input": { "name": "Ada" } }] });
    write(&place, "outer.json", &outer.to_string());
    let bad = json!({ "id": "bad", "colour": "red", "steps": [
        { "id": "a", "type": "agent", "agent": "writer", "prompt": "{{nobody}}" },
        { "id": "b", "type": "human" },
    ], "edges": [{ "source": "a", "target": "b" }, { "source": "b", "target": "c" }] });
    write(&place, "bad.json", &bad.to_string());
    place
}

fn write(place: &Place, name: &str, text: &str) {
    std::fs::write(place.file(name), text).unwrap();
}

fn result(ran: Ran) -> Value {
    let ran = ran.exits(0);
    // A run on a server shows its stream before.
    let last: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    last["result"].clone()
}

#[test]
fn a_file_is_run_like_a_workflow() {
    let place = place();
    let ran = place.run(&["--store", "memory", "run", "hello.json", "--arg", "name=Ada"]);
    assert_eq!(result(ran), json!({ "say": "Hello, Ada!" }));
    let ran = place.run(&["run", "outer.json", "--graph", "hello.json", "--id", "o1"]);
    assert_eq!(result(ran), json!({ "run": { "say": "Hello, Ada!" } }));
    let runs = place.run(&["runs", "--json"]).exits(0).json();
    assert!(runs.iter().any(|run| run["run_id"] == "o1" && run["workflow"] == "outer@1"), "{runs:?}");
    place.run(&["run", "outer.json"]).exits(2).says("error[SC0122]").says("[unknown_reference] /steps/0/graph");
    // What it was started with is in the store, with the graph that it runs.
    for file in ["hello.json", "outer.json"] {
        std::fs::remove_file(place.file(file)).unwrap();
    }
    assert_eq!(result(place.run(&["rerun", "o1"]))["run"]["say"], "Hello, Ada!");
    assert!(place.run(&["doctor"]).exits(0).out.contains("ok "), "its workflow is not missing");
}

#[test]
fn a_run_of_a_file_goes_on_in_other_processes() {
    let place = place();
    let ran = place.run(&["run", "review.yaml", "--id", "r1", "--arg", "topic=pirates"]).exits(3);
    ran.says("waiting for an answer: Publish pirates?").says("stepcast answer r1/2 --choice approve");
    // Nobody has the file any more: the run has its document with it.
    std::fs::remove_file(place.file("review.yaml")).unwrap();
    place.run(&["resume", "r1"]).exits(3).says("Publish pirates?");
    let status = place.run(&["status", "r1", "--json"]).exits(0).json().remove(0);
    assert_eq!((&status["status"], &status["workflow"]), (&json!("waiting"), &json!("review@1")), "{status}");
    place.run(&["answer", "r1", "--choice", "perhaps"]).exits(2).says("error[SC0056]");
    // Sent back.
    let ran = place.run(&["answer", "r1", "--choice", "reject"]).exits(0);
    assert!(ran.out.contains("resume r1"), "{ran:?}");
    place.run(&["resume", "r1"]).exits(3).says("Publish pirates?");
    let ran = place.run(&["answer", "r1", "--choice", "approve", "--resume"]).exits(0);
    assert!(ran.out.contains(r#"{"topic":"pirates","verdict":"approve"}"#), "{ran:?}");
    place.run(&["resume", "r1"]).exits(1).says("error[SC0031]");
    place.run(&["rerun", "r1", "--id", "r2", "--arg", "topic=parrots"]).exits(3).says("Publish parrots?");
    let ran = place.run(&["cancel", "r2"]).exits(0);
    assert!(ran.out.contains("cancelled"), "{ran:?}");
}

#[test]
fn a_detached_run_of_a_file_goes_on_by_itself() {
    let place = place();
    let id = place.run(&["run", "outer.json", "--graph", "hello.json", "--detach"]).exits(0).out.trim().to_owned();
    let done = place.until(&["status", &id, "--json"], |status| status["status"] == "completed");
    assert_eq!(done["workflow"], "outer@1");
    place.run(&["run", "bad.json", "--detach"]).exits(2).says("error[SC0122]");
}

#[test]
fn every_error_and_warning_is_told_at_once() {
    let place = place();
    let ran = place.run(&["graph", "check", "bad.json", "hello.json"]).exits(1);
    for told in [
        "fault  bad@1  bad.json",
        "error[unknown_path] /steps/0/prompt: The path `nobody`",
        "error[missing_field] /steps/1: ",
        "error[unknown_step] /edges/1/target: There is no step `c`.",
        "warning[unknown_field] /colour: ",
        "ok     hello@1  hello.json",
        "2 graphs, 3 errors, 1 warning",
    ] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
    assert!(!ran.out.contains("writer"), "names are not looked up here: {}", ran.out);
    let named = place.run(&["graph", "check", "--names", "bad.json"]).exits(1);
    assert!(named.out.contains("error[unknown_reference] /steps/0/agent"), "{}", named.out);
    let found = place.run(&["graph", "check", "bad.json", "--json"]).exits(1).json().remove(0);
    assert_eq!((&found["ok"], &found["id"], &found["version"]), (&json!(false), &json!("bad"), &json!(1)));
    let error = found["errors"].as_array().unwrap().iter().find(|error| error["code"] == "unknown_step").unwrap();
    assert_eq!(error["pointer"], "/edges/1/target");
    assert!(error["message"].is_string() && error["hint"].is_string());
    assert_eq!(found["warnings"][0]["code"], "unknown_field");
    place.run(&["graph", "check", "hello.json", "outer.json", "--names"]).exits(0);
    place.run(&["graph", "check", "outer.json", "--names"]).exits(1);
    write(
        &place,
        "strange.json",
        r#"{ "id": "strange", "colour": 1, "steps": [{ "id": "a", "type": "function", "template": 1 }] }"#,
    );
    place.run(&["graph", "check", "strange.json"]).exits(0);
    place.run(&["graph", "check", "strange.json", "--strict"]).exits(1);
}

#[test]
fn files_that_are_no_graphs_are_refused() {
    let place = place();
    let deep = "[".repeat(10_000);
    let large = json!({ "id": "large", "steps": [{ "id": "a", "type": "function", "template": "x".repeat(1 << 20) }] });
    std::fs::write(place.file("bytes.json"), [0xff, 0xfe]).unwrap();
    std::fs::create_dir(place.file("folder.json")).unwrap();
    std::fs::File::create(place.file("huge.json")).unwrap().set_len(17 << 20).unwrap();
    for (name, text) in [
        ("half.json", "{"),
        ("half.yaml", "a: ["),
        ("deep.yaml", deep.as_str()),
        ("empty.json", ""),
        ("list.json", "[1]"),
        ("word.yml", "hello"),
        ("large.json", &large.to_string()),
    ] {
        write(&place, name, text);
    }
    for (name, code) in [
        ("none.json", "SC0120"),
        ("bytes.json", "SC0120"),
        ("folder.json", "SC0120"),
        ("huge.json", "SC0120"),
        ("half.json", "SC0121"),
        ("half.yaml", "SC0121"),
        ("deep.yaml", "SC0121"),
        ("empty.json", "SC0122"),
        ("list.json", "SC0122"),
        ("word.yml", "SC0122"),
        ("large.json", "SC0122"),
        ("bad.json", "SC0122"),
    ] {
        let said = format!("error[{code}]");
        place.run(&["run", name]).exits(2).says(&said);
        match code {
            "SC0122" => assert!(place.run(&["graph", "check", name]).exits(1).out.contains("fault")),
            _ => drop(place.run(&["graph", "check", name]).exits(2).says(&said)),
        }
        place.run(&["run", "greet", "--graph", name]).exits(2).says(&said);
    }
    assert!(!place.store().exists(), "nothing is made for what cannot run");
    place.run(&["graph", "check"]).exits(2);
    write(&place, "again.json", &std::fs::read_to_string(place.file("hello.json")).unwrap().replace("Hello", "Bye"));
    place.run(&["run", "hello.json", "--graph", "again.json"]).exits(2).says("error[SC0123]");
    let named = json!({ "id": "greet", "steps": [{ "id": "a", "type": "function", "template": 1 }] });
    write(&place, "greet.json", &named.to_string());
    // Demos are linked, not registered, so only who serves them has two of one name.
    assert_eq!(result(place.run(&["run", "greet.json"])), json!({ "a": 1 }));
}

#[test]
fn documents_are_drawn_and_described() {
    let place = place();
    let drawn = place.run(&["graph", "review.yaml", "--mermaid"]).exits(0).out;
    assert!(
        drawn.starts_with("flowchart TD\n") && drawn.contains(r#"step_ask -->|"ask.response == approve"| step_end"#),
        "{drawn}"
    );
    assert!(place.run(&["graph", "review.yaml"]).exits(0).out.contains("│ topic │"));
    assert!(place.run(&["graph", "bad.json", "--dot"]).exits(0).out.starts_with("digraph"), "as far as it goes");
    place.run(&["graph", "none.json"]).exits(2).says("error[SC0120]");
    place.run(&["run", "review.yaml", "--id", "r1", "--arg", "topic=x"]).exits(3);
    let drawn = place.run(&["graph", "review.yaml", "--run", "r1"]).exits(0).out;
    assert!(drawn.contains("1 waiting") && drawn.contains("1 run "), "{drawn}");
    assert_eq!(place.run(&["graph", "--run", "r1"]).exits(0).out, drawn, "from what the store has");
    assert!(place.run(&["report", "r1"]).exits(0).out.contains("step_ask"));
    let schema: Value = serde_json::from_str(&place.run(&["graph", "schema"]).exits(0).out).unwrap();
    assert!(schema["properties"]["steps"].is_object(), "{schema}");
    // A workflow's drawing is what it was.
    assert!(place.run(&["graph", "greet", "--mermaid"]).exits(0).out.starts_with("flowchart TD\n"));
    place.run(&["graph", "gret"]).exits(4).says("did you mean `greet`?");
    place.run(&["graph"]).exits(2);
}

#[test]
fn what_a_run_was_started_with_is_shown() {
    let place = place();
    let shown = |args: &[&str]| -> Value {
        let ran = place.run(&[&["graph", "--document", "--run"], args].concat()).exits(0);
        serde_json::from_str(&ran.out).unwrap()
    };
    place.run(&["run", "outer.json", "--graph", "hello.json", "--id", "o1"]).exits(0);
    let mut whole: Value = serde_json::from_str(&std::fs::read_to_string(place.file("outer.json")).unwrap()).unwrap();
    whole["$graphs"] =
        json!([serde_json::from_str::<Value>(&std::fs::read_to_string(place.file("hello.json")).unwrap()).unwrap()]);
    // Whatever the file says by now.
    write(&place, "outer.json", "{}");
    assert_eq!((shown(&["o1"]), shown(&["o1", "--json"])), (whole.clone(), whole.clone()));
    place.run(&["graph", "--run", "o1", "--document", "-o", "got.json"]).exits(0).says("written to got.json");
    let got: Value = serde_json::from_str(&std::fs::read_to_string(place.file("got.json")).unwrap()).unwrap();
    assert_eq!(got, whole);
    // It runs again from what was got.
    place.run(&["run", "got.json", "--graph", "hello.json"]).exits(0);
    place.run(&["run", "greet", "--id", "g1"]).exits(0);
    let structure = shown(&["g1"]);
    assert_eq!((&structure["name"], &structure["steps"][0]["name"]), (&json!("greet"), &json!("write")), "{structure}");
    place.run(&["graph", "--run", "nobody", "--document"]).exits(4).says("error[SC0030]");
    for wrong in [
        &["graph", "--document"][..],
        &["graph", "greet", "--run", "g1", "--document"],
        &["graph", "--run", "g1", "--document", "--dot"],
    ] {
        place.run(wrong).exits(2);
    }
}

#[test]
fn a_graph_runs_linked_workflows() {
    let place = place();
    let calls = |workflow: &str| {
        json!({ "id": "calls", "steps": [{ "id": "hi", "type": "subgraph", "workflow": workflow, "input": { "name": "Ada" } }] }).to_string()
    };
    write(&place, "calls.json", &calls("greet"));
    place.run(&["graph", "check", "--names", "calls.json"]).exits(0);
    assert_eq!(result(place.run(&["run", "calls.json"])), json!({ "hi": { "text": "Hello, Ada!" } }));
    write(&place, "typo.json", &calls("gret"));
    let found = place.run(&["graph", "check", "--names", "typo.json"]).exits(1).out;
    assert!(found.contains("There is no workflow `gret`.") && found.contains("Did you mean `greet`?"), "{found}");
    place.run(&["run", "typo.json"]).exits(2).says("/steps/0/workflow").says("Did you mean `greet`?");
}

#[test]
fn a_binary_of_ones_own_has_runners_for_graphs() {
    let place = place();
    let file = |name: &str| place.file(name).display().to_string();
    let agent = json!({ "id": "agent", "steps": [{ "id": "a", "type": "agent", "agent": "writer", "prompt": "{{input.topic}}" }] });
    write(&place, "agent.json", &agent.to_string());
    let own = |args: &[&str]| {
        let writer = |job: Job, _: Context| async move { Ok(json!({ "text": job.prompt })) };
        let setup = Setup::new().graph_host(Host::new().runner("writer", ["write"], writer));
        let args = [&["own", "--store", "memory"], args].concat();
        setup.run_from(args.into_iter().map(str::to_owned))
    };
    assert_eq!(own(&["run", &file("agent.json"), "--arg", "topic=x"]), Exit::Completed);
    assert_eq!(own(&["graph", "check", &file("agent.json")]), Exit::Completed);
    let other = std::fs::read_to_string(place.file("agent.json")).unwrap().replace("writer", "nobody");
    write(&place, "other.json", &other);
    // It has names, so they are looked up.
    assert_eq!(own(&["graph", "check", &file("other.json")]), Exit::Failed);
    assert_eq!(own(&["graph", "check", "--no-names", &file("other.json")]), Exit::Completed);
    assert_eq!(own(&["run", &file("other.json")]), Exit::Usage);
    // A run of it is started once more only where the runner is.
    let store = file("runs.db");
    let stored = |args: &[&str]| [&["--store", store.as_str()], args].concat().join(" ");
    let writer = |_: Job, _: Context| async move { Ok(Value::Null) };
    let setup = Setup::new().graph_host(Host::new().runner("writer", ["write"], writer));
    let begin = stored(&["run", &file("agent.json"), "--id", "a1", "--arg", "topic=x"]);
    assert_eq!(setup.run_from(["own"].into_iter().chain(begin.split(' '))), Exit::Completed);
    place.run(&["rerun", "a1"]).exits(1).says("error[SC0034]").says("There is no runner `writer`.");
}

#[test]
fn a_folder_of_graphs_is_served() {
    let place = place();
    std::fs::create_dir(place.file("graphs")).unwrap();
    for name in ["hello.json", "outer.json", "review.yaml", "bad.json"] {
        std::fs::copy(place.file(name), place.file("graphs").join(name)).unwrap();
    }
    let mut server = place.begin(&["serve", "--port", "0", "--graphs", "graphs"]);
    let mut url = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
    let url = url.trim();
    let ran = place.run(&["--server", url, "run", "outer"]).exits(0);
    assert_eq!(result(ran), json!({ "run": { "say": "Hello, Ada!" } }));
    place.run(&["--server", url, "run", "review", "--id", "r1", "--arg", "topic=x"]).exits(3);
    let ran = place.run(&["--server", url, "answer", "r1", "--choice", "approve", "--resume"]).exits(0);
    assert!(!ran.out.contains("--graph"), "{ran:?}");
    place.until(&["--server", url, "status", "r1", "--json"], |status| status["status"] == "completed");
    server.kill().unwrap();
    finish(server).says("not served:").says("bad.json");
    place.run(&["serve", "--port", "0", "--graphs", "hello.json"]).exits(1).says("error[SC0125]");
}
