//! What steps hand on, and what the stream shows of it.

use super::*;

#[step]
async fn copied(issue: Issue) -> Issue {
    issue
}

/// Takes a context, and so a record of what it does.
#[step]
async fn counted(issue: Issue, ctx: Context) -> Result<Issue> {
    ctx.store().set("calls", ctx.store().get_or("calls", 0).await? + 1).await?;
    Ok(issue)
}

/// Writes to where the output of another step is kept.
#[step]
async fn rewritten(issue: Issue, ctx: Context) -> Result<Issue> {
    ctx.store().set("find.output.title", "written over").await?;
    Ok(issue)
}

#[tokio::test]
async fn an_output_that_was_written_over_is_handed_on_as_it_is_now() {
    let source = json!({
        "id": "over",
        "steps": [
            { "id": "find", "type": "step", "use": "copied", "input": "{{input}}" },
            { "id": "same", "type": "step", "use": "copied", "input": "{{find}}" },
            { "id": "write", "type": "step", "use": "rewritten", "input": "{{same}}" },
            { "id": "now", "type": "step", "use": "copied", "input": "{{ find.output }}" }
        ],
        "edges": [
            { "source": "find", "target": "same" }, { "source": "same", "target": "write" }, { "source": "write", "target": "now" }
        ]
    });
    let found = result(&source, json!({ "title": "as it was" })).await;
    assert_eq!(found["same"], json!({ "title": "as it was" }));
    assert_eq!(found["now"], json!({ "title": "written over" }));
}

/// What a run writes to its stream, and its end.
pub(super) async fn all_of(run: stepcast::AnyRun) -> (Vec<Value>, Value) {
    let mut stream = run.stream_events();
    let mut told = Vec::new();
    while let Some(item) = stream.next().await {
        told.extend(item.event().map(|event| json!([event.tag(), event.value()])));
    }
    let end = run.outcome().await.map_or_else(|error| error.to_string().into(), |stop| stop.value());
    (told, end)
}

/// In memory, steps that end at once have no record of what they did; kept runs have one of all.
#[tokio::test]
async fn runs_in_memory_show_what_kept_ones_show() {
    let edges = json!([
        { "source": "find", "target": "ask" }, { "source": "ask", "target": "copy", "when": "ask.value == 'critical'" },
        { "source": "ask", "target": "loud", "when": "otherwise" }, { "source": "copy", "target": "loud" },
        { "source": "loud", "target": "keep" }, { "source": "keep", "target": "odd" },
        { "source": "odd", "target": "end", "when": "keep.title > 3" }, { "source": "odd", "target": "over", "when": "always" }
    ]);
    let steps = json!([
        { "id": "find", "type": "step", "use": "triage_issue", "input": { "title": "{{input.title}}" } },
        { "id": "ask", "type": "switch", "path": "find.severity" },
        { "id": "copy", "type": "function", "template": { "again": "{{find}}", "none": "{{find.at.all?}}" } },
        { "id": "loud", "type": "step", "use": "shout", "input": { "title": "{{find.title}}" } },
        { "id": "keep", "type": "step", "use": "counted", "input": "{{loud}}" },
        { "id": "odd", "type": "condition", "condition": "keep.title > 3" },
        { "id": "over", "type": "function", "action": "pick", "path": "odd.result" }
    ]);
    let first = json!({ "id": "both-first", "steps": steps, "edges": edges });
    let all = json!({ "id": "both-all", "route": "all", "steps": steps, "edges": edges });
    let stuck = json!({
        "id": "both-stuck",
        "steps": [
            { "id": "find", "type": "step", "use": "triage_issue", "input": { "title": "{{input.title}}" } },
            { "id": "ask", "type": "switch", "path": "find.severity" }, { "id": "odd", "type": "function", "template": 1 }
        ],
        "edges": [{ "source": "find", "target": "ask" }, { "source": "ask", "target": "odd", "when": "ask.value > 3" }]
    });
    for source in [first, all, stuck] {
        for title in ["a crash", "a typo"] {
            let (graph, input) = (graph(&source), json!({ "title": title }));
            let kept = Runtime::on(MemoryBackend::new());
            kept.register_graph(&graph).unwrap();
            let kept = kept.start(graph.id(), input.clone(), RunOptions::new()).unwrap();
            let (in_memory, kept) = (all_of(graph.run(input).into_any()).await, all_of(kept).await);
            assert!(in_memory.0.len() > 2);
            assert_eq!(in_memory, kept, "{title} in {}", graph.id());
        }
    }
}
