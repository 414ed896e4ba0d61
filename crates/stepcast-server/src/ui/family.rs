//! A thread's run with everything that it runs: what the children ask is asked in the thread.

use std::collections::BTreeSet;
use std::sync::Arc;

use stepcast::{RunId, WorkflowDef};

use super::question::{Question, QuestionId};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::runs::{InputQuery, InputView};

/// How many runs of one thread are looked at.
const RUNS: usize = 1_000;
/// How deep a child may be.
const DEPTH: usize = 64;

/// A run and its children, and theirs, itself first. Without `ended` only those that are alive.
async fn family(app: &App, run: &RunId, ended: bool) -> Result<Vec<RunId>, ApiError> {
    let (mut all, mut seen) = (vec![run.clone()], BTreeSet::from([run.to_string()]));
    let mut at = 0;
    while at < all.len() && all.len() < RUNS {
        let children = app.runs.children(&all[at], ended, RUNS - all.len()).await?;
        all.extend(children.into_iter().filter(|child| seen.insert(child.to_string())));
        at += 1;
    }
    Ok(all)
}

/// What the run and its children ask of people, at most so many questions: those that are open, or all that ever were.
pub(super) async fn questions(
    app: &App,
    run: &RunId,
    access: Access,
    settled: bool,
    most: usize,
) -> Result<Vec<(InputView, Question)>, ApiError> {
    let mut all = Vec::new();
    for member in family(app, run, settled).await? {
        let query = InputQuery { run: Some(member.to_string()), pending: !settled, ..InputQuery::default() };
        let mut inputs = match app.runs.inputs(&query, None, most - all.len()).await {
            // A child that is gone meanwhile asks nothing.
            Err(error) if error.code() == "run_not_found" && member != *run => continue,
            inputs => inputs?,
        };
        inputs.sort_by_key(|input| input.input);
        let def = match inputs.first() {
            Some(input) => definition(app, &member, &input.workflow),
            None => continue,
        };
        all.extend(inputs.into_iter().map(|input| {
            let question = Question::of(&input, def.as_deref(), access);
            (input, question)
        }));
        if all.len() >= most {
            break;
        }
    }
    Ok(all)
}

/// The workflow of a run. That of a child may be registered nowhere.
pub(super) fn definition(app: &App, run: &RunId, workflow: &str) -> Option<Arc<WorkflowDef>> {
    let runtime = app.runs.runtime();
    runtime.definition(workflow).or_else(|| runtime.get(run).map(|run| run.definition()))
}

/// The question of this run, or of one of its children, that an id names.
pub(super) async fn named(app: &App, run: &RunId, id: &str) -> Result<QuestionId, ApiError> {
    let unknown = || {
        let detail = format!("`{id}` is no question of the run `{run}`, which has the form `{run}/<number>`.");
        ApiError::not_found("input_not_found", detail).of_run(run)
    };
    let named = QuestionId::parse(id).ok_or_else(unknown)?;
    let mut at = named.run.clone();
    for _ in 0..DEPTH {
        if at == *run {
            return Ok(named);
        }
        let parent = app.runs.find(&at).await.ok().and_then(|view| view.parent);
        at = RunId::from(parent.ok_or_else(unknown)?);
    }
    Err(unknown())
}
