//! A graph written in Rust, whose steps are `#[step]` functions and data; the same could come from a file.

use serde::Deserialize;
use serde_json::json;
use stepcast::prelude::*;
use stepcast_graph::{Graph, GraphOutput, GraphStep, Host, Wanted};

#[event]
struct Issue {
    title: String,
}

#[event]
struct Triage {
    title: String,
    severity: String,
}

/// The graph calls it by its name. It is an ordinary function: it can be tested, and be a step of a compiled workflow.
#[step]
async fn triage_issue(issue: Issue) -> Triage {
    let severity = if issue.title.contains("crash") { "critical" } else { "low" };
    Triage { severity: severity.to_owned(), title: issue.title }
}

#[derive(Debug, Deserialize)]
struct Found {
    severity: String,
}

fn graph() -> Result<Graph> {
    let graph = Graph::builder("bug-triage")
        .step(GraphStep::call("triage", "triage_issue").with_input(json!({ "title": "{{input.title}}" })))
        .step(GraphStep::parallel("checks", Wanted::All))
        .step(GraphStep::template("owner", "team of {{triage.severity}} bugs").inside("checks"))
        .step(GraphStep::condition("security", "input.title contains password").inside("checks"))
        .step(GraphStep::template("wait", "next week"))
        .edge_when("triage", "checks", "triage.severity == critical")
        .edge_when("triage", "wait", "otherwise")
        .build(&Host::new())?;
    Ok(graph)
}

#[tokio::main]
async fn main() -> Result<()> {
    let graph = graph()?;
    for title in ["a crash when the password is empty", "a typo"] {
        let stop = graph.run(json!({ "title": title })).await?;
        let found: Option<Found> = stop.output("triage")?;
        println!("{title}: {}", found.map(|found| found.severity).unwrap_or_default());
        for key in ["checks", "wait"] {
            if let Some(output) = stop.output::<serde_json::Value>(key)? {
                println!("  {key}: {output}");
            }
        }
    }
    // It is a workflow like any other, and can be drawn.
    println!("{} steps for the dispatcher", graph.definition().steps().len());
    Ok(())
}
