//! What a server's run did, as far as the server tells: its events, its open questions, and how it failed.

use std::collections::BTreeMap;

use stepcast::backend::{Backend, RunRecord};
use stepcast::{GraphOverlay, NodeKind, WorkflowGraph};
use stepcast_client::Client;
use stepcast_graph::{Document, Mode, ViewItem, Views};

use super::{graph_of, not_linked};
use crate::app::App;
use crate::commands::inputs;
use crate::error::CliError;
use crate::timeline::Failure;

/// How many events are asked for at once.
const PAGE: usize = 1_000;

/// A drawing, what the run did on it, and what is not told.
pub(super) struct Drawing {
    pub(super) graph: WorkflowGraph,
    pub(super) overlay: GraphOverlay,
    pub(super) gaps: Vec<String>,
}

pub(super) async fn drawing(
    app: &App,
    client: &Client,
    store: &dyn Backend,
    record: &RunRecord,
    workflow: Option<&str>,
) -> Result<Drawing, CliError> {
    let document = document_of(client, record).await?;
    let is_data = document.is_some();
    let graph = match (workflow, document) {
        (Some(name), _) => graph_of(app, name)?,
        (None, Some(document)) => document,
        (None, None) => graph_of_workflow(app, client, &record.workflow).await?,
    };
    let overlay = overlay(client, store, record, &graph).await?;
    let gaps = match is_data {
        true => "How long steps took is in the run's journal, which a server does not show.",
        false => {
            "What each step did is in the run's journal, which a server does not show: drawn are the run's events, its open \
             questions, and the step that failed."
        }
    };
    Ok(Drawing { graph, overlay, gaps: vec![gaps.to_owned()] })
}

/// The graph of the document that the run goes by, if it is one of data and the token may see it.
async fn document_of(client: &Client, record: &RunRecord) -> Result<Option<WorkflowGraph>, CliError> {
    match client.run(&*record.run).definition().await {
        Ok(found) => Ok(found.document.map(|document| Document::drawing(&document))),
        Err(error) if error.status() == Some(403) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The graph of the server's workflow, or where it has none any more, of the one that is linked here.
async fn graph_of_workflow(app: &App, client: &Client, name: &str) -> Result<WorkflowGraph, CliError> {
    match client.workflow_graph(name).await {
        Ok(graph) => Ok(graph),
        Err(error) if error.status() == Some(404) => graph_of(app, name).map_err(|error| not_linked(error, name)),
        Err(error) => Err(error.into()),
    }
}

async fn overlay(
    client: &Client,
    store: &dyn Backend,
    record: &RunRecord,
    graph: &WorkflowGraph,
) -> Result<GraphOverlay, CliError> {
    let mut overlay = GraphOverlay { events: started(graph), ..GraphOverlay::default() };
    let (run, mut after) = (client.run(&*record.run), 0);
    // The steps of a document say when they are over.
    let mut views = Views::new([Mode::Lifecycle]);
    loop {
        let page = run.events(after, PAGE).await?;
        for logged in &page {
            after = logged.seq.unwrap_or(after);
            *overlay.events.entry(logged.event.tag().to_owned()).or_default() += 1;
            views.see(&logged.event, after).iter().for_each(|view| add(&mut overlay, view));
        }
        if page.len() < PAGE {
            break;
        }
    }
    for input in inputs::of_run(store, &record.run, true)?.into_iter().filter(|input| input.run == record.run) {
        overlay.steps.entry(input.asked.step).or_default().waiting += 1;
    }
    if let Some(Failure { step: Some(step), attempts, .. }) = record.error.as_deref().and_then(Failure::parse) {
        let step = overlay.steps.entry(step).or_default();
        step.failures = step.failures.max(attempts.unwrap_or(1));
    }
    Ok(overlay)
}

/// The event that a run begins with is not on its stream.
fn started(graph: &WorkflowGraph) -> BTreeMap<String, u64> {
    let start = graph.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Event { event_type, event_types, .. } if event_types.iter().any(|name| name == "StartEvent") => {
            Some((event_type.clone(), 1))
        }
        _ => None,
    });
    start.collect()
}

fn add(overlay: &mut GraphOverlay, view: &ViewItem) {
    let Some(step) = view.step.as_deref().filter(|_| view.payload["phase"] == "complete") else { return };
    match view.payload["status"].as_str() {
        Some("completed") => overlay.steps.entry(step.to_owned()).or_default().runs += 1,
        Some("failed") => overlay.steps.entry(step.to_owned()).or_default().failures += 1,
        // It did not run.
        _ => {}
    }
}
