//! A workflow as data: a JSON document whose steps are run by the dispatcher, with a person in the middle.

use serde_json::json;
use stepcast::prelude::*;
use stepcast::{HumanResponseEvent, InputRequiredEvent};
use stepcast_graph::{Graph, Host, Job, StepOver};

const DOCUMENT: &str = r#"{
  "id": "content-review",
  "steps": [
    { "id": "start", "type": "start" },
    { "id": "draft", "type": "agent", "agent": "writer", "prompt": "{{input.topic}}", "retry": { "max_attempts": 3 } },
    { "id": "review", "type": "human", "prompt": "Publish \"{{draft.content}}\"?", "choices": ["approve", "reject"] },
    { "id": "end", "type": "end", "input": "{{draft.content}}" }
  ],
  "edges": [
    { "source": "start", "target": "draft" },
    { "source": "draft", "target": "review" },
    { "source": "review", "target": "end", "when": "review.response == approve" },
    { "source": "review", "target": "draft", "when": "otherwise" }
  ]
}"#;

/// What the document calls `writer`. A model would do it; this one fails at first.
async fn write(job: Job, _ctx: Context) -> Result<serde_json::Value> {
    match job.attempt {
        1 => Err(StepError::msg("the model is busy")),
        attempt => Ok(json!({ "content": format!("{}, attempt {attempt}", job.prompt.unwrap_or_default()) })),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let host = Host::new().runner("writer", ["write"], write);

    // Everything that is wrong with a document is found before it runs.
    let broken = DOCUMENT.replace("draft.content", "daft.content");
    for issue in Graph::check(&stepcast_graph::parse(&broken)?, &host).errors() {
        println!("{}: {}", issue.pointer, issue.hint);
    }

    let graph = Graph::parse(DOCUMENT, &host)?;
    let run = graph.run(json!({ "topic": "Pirates" }));
    let mut answers = ["reject", "approve"].into_iter();
    let mut events = run.stream_events();
    while let Some(item) = events.next().await {
        if let Some(over) = item.get::<StepOver>() {
            println!("{} is over: {}", over.step, over.output);
        }
        if item.get::<InputRequiredEvent>().is_none() {
            continue;
        }
        for input in run.pending_inputs().await {
            let answer = answers.next().unwrap_or("approve");
            println!("answer: {answer}");
            run.respond(&input.id, HumanResponseEvent::default().with("response", answer)).await?;
        }
    }
    let stop = run.await?;
    println!("published: {}", stop.result().cloned().unwrap_or_default());
    Ok(())
}
