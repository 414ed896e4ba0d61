//! What the steps do, by their types.

use std::borrow::Cow;
use std::future::Future;
use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use stepcast_core::{FlatValue, HumanResponseEvent, InputRequiredEvent, LogLevel, Outputs, StepError};
use stepcast_runtime::{Context, WaitError};

use super::body::Given;
use super::gather::UnderWay;
use super::node::{Nodes, Token};
use super::scope::RunScope;
use crate::condition::{Condition, is_true};
use crate::document::Missing;
use crate::events::Wake;
use crate::host::Job;
use crate::path::{Path, Scope};
use crate::plan::{HumanWork, Input, RunWork, Step, Transform, Work};
use crate::template::{JsonTemplate, MissingPath, look_up};

pub(super) fn as_given(
    doing: impl Future<Output = Result<Outputs, StepError>> + Send + 'static,
) -> impl Future<Output = Given> + Send + 'static {
    doing.map(Given)
}

/// What a step works on: at its place where that is all, else made of what there is.
pub(super) fn input<'s>(input: &Input, scope: &'s dyn Scope, missing: Missing) -> Result<Cow<'s, Value>, MissingPath> {
    static RUN: LazyLock<Option<Path>> = LazyLock::new(|| Path::parse("input").ok());
    let found = match input {
        Input::Run => RUN.as_ref().and_then(|path| scope.find(path)),
        Input::Path(path) => look_up(path, false, scope, missing)?,
        Input::Json(template) => match template.as_path() {
            Some((path, optional)) => look_up(path, optional, scope, missing)?,
            None => Some(Cow::Owned(template.value(scope, missing)?)),
        },
        Input::Bindings(bindings) => {
            let bound = bindings.iter().map(|(name, path)| (name.clone(), scope.look_up(path).unwrap_or_default()));
            Some(Cow::Owned(Value::Object(bound.collect())))
        }
    };
    Ok(found.unwrap_or_default())
}

/// Of how many parts an input is made, each of which has a name.
pub(super) fn parts(input: &Input) -> Option<usize> {
    match input {
        Input::Json(JsonTemplate::Object(fields)) => Some(fields.len()),
        Input::Bindings(bindings) => Some(bindings.len()),
        _ => None,
    }
}

/// The part with this name, if all of it is there, and nothing else than JSON would hold it.
pub(super) fn part(input: &Input, name: &str, scope: &dyn Scope, missing: Missing) -> Option<FlatValue<'static>> {
    let at = |path: &Path| {
        let mut value = None;
        scope.look_at(path, &mut |found| value = FlatValue::from_value(found.clone()));
        value
    };
    match input {
        Input::Json(JsonTemplate::Object(fields)) => {
            let (_, part) = fields.iter().find(|(known, _)| known == name)?;
            match part.as_path() {
                Some((path, _)) => at(path),
                None => part.value(scope, missing).ok().and_then(FlatValue::from_value),
            }
        }
        Input::Bindings(bindings) => bindings.iter().find(|(known, _)| known == name).and_then(|(_, path)| at(path)),
        _ => None,
    }
}

/// The field with what was picked.
pub(super) const PICKED: &str = "value";
/// The field that says whether a condition holds.
pub(super) const CONDITION: &str = "result";

/// Steps with this work give an object of this one field.
pub(super) fn only_field(work: &Work) -> Option<&'static str> {
    match work {
        Work::Pick { .. } => Some(PICKED),
        Work::Condition { .. } => Some(CONDITION),
        Work::Join => Some("joined"),
        _ => None,
    }
}

/// The output of a step, with that field around it.
pub(super) fn in_field(work: &Work, output: Value) -> Value {
    match only_field(work) {
        Some(name) => json!({ name: output }),
        None => output,
    }
}

/// What a step gives that only looks at the context, without the one field around it; `None` for the others.
pub(super) fn looked_at(
    nodes: &Nodes,
    step: &Step,
    scope: &dyn Scope,
    holds: &mut dyn FnMut(&Condition) -> bool,
) -> Option<Result<Value, MissingPath>> {
    Some(match &step.work {
        Work::End { input: Some(from) } | Work::Transform { transform: Transform::Identity, input: from, .. } => {
            input(from, scope, step.missing).map(Cow::into_owned)
        }
        Work::Transform { transform: Transform::Content, input: from, .. } => {
            input(from, scope, step.missing).map(|value| content(value.into_owned()))
        }
        Work::Pick { path } => Ok(scope.look_up(path).unwrap_or_default()),
        Work::Template { template } => template.value(scope, step.missing),
        Work::Condition { condition } => Ok(holds(condition).into()),
        Work::Join => {
            let joined = step.before.iter().map(|before| &nodes.step(*before).id);
            Ok(json!(joined.collect::<Vec<_>>()))
        }
        _ => return None,
    })
}

/// Does the work of a step that needs no waiting; `None` for the others.
pub(super) fn at_once(nodes: &Nodes, at: usize, ctx: &Context, token: Token) -> Option<Result<Outputs, StepError>> {
    let step = nodes.step(at);
    let scope = RunScope::of(ctx);
    if let Some(output) = looked_at(nodes, step, &scope, &mut |condition| scope.holds(condition, ctx)) {
        let output = output.map_err(StepError::from);
        return Some(output.and_then(|output| nodes.complete(at, ctx, token, in_field(&step.work, output))));
    }
    let output = match &step.work {
        Work::End { input: None } => {
            nodes.tell(at, ctx, crate::events::StepStatus::Completed, Value::Null);
            return Some(nodes.leave(at, ctx, crate::events::StepStatus::Completed, token.of));
        }
        Work::Set { values } => set(&scope, values),
        Work::Log { .. } => log(nodes, at, ctx, &scope),
        Work::Parallel { .. } if nodes.nodes[at].children.is_empty() => Ok(json!({})),
        Work::Parallel { .. } => return Some(fan_out(nodes, at, ctx, token)),
        _ => return None,
    };
    Some(output.and_then(|output| nodes.complete(at, ctx, token, output)))
}

/// The field `content` of an object; anything else as it is.
fn content(value: Value) -> Value {
    match value {
        Value::Object(mut fields) if fields.contains_key("content") => fields.remove("content").unwrap_or_default(),
        other => other,
    }
}

fn set(scope: &RunScope, values: &Map<String, Value>) -> Result<Value, StepError> {
    for (key, value) in values {
        scope.set(key, json!({ "output": value }))?;
    }
    Ok(Value::Object(values.clone()))
}

fn log(nodes: &Nodes, at: usize, ctx: &Context, scope: &RunScope) -> Result<Value, StepError> {
    let step = nodes.step(at);
    let Work::Log { message, paths } = &step.work else { return Ok(Value::Null) };
    let message = match message {
        Some(message) => message.text(scope, step.missing)?,
        None => step.id.clone(),
    };
    let values: Map<String, Value> = match paths {
        Some(paths) => {
            paths.iter().map(|path| (path.as_str().to_owned(), scope.look_up(path).unwrap_or_default())).collect()
        }
        None => match scope.outputs() {
            Value::Object(all) => all,
            _ => Map::new(),
        },
    };
    ctx.log_with(LogLevel::Info, message.clone(), values.clone());
    Ok(json!({ "message": message, "values": values }))
}

fn fan_out(nodes: &Nodes, at: usize, ctx: &Context, token: Token) -> Result<Outputs, StepError> {
    let of = ctx.execution();
    let run = UnderWay { of, parent: token.of, ended: Vec::new(), over: false };
    RunScope::of(ctx).set(&nodes.step(at).key, json!({ "run": run }))?;
    let mut outputs = Outputs::default();
    for meta in &nodes.nodes[at].children {
        outputs.push_payload(Token { skip: false, of: Some(of) }.payload(meta));
    }
    Ok(outputs)
}

/// Does the work of a step that may wait.
pub(super) async fn later(nodes: Arc<Nodes>, at: usize, ctx: Context, token: Token) -> Result<Outputs, StepError> {
    let step = nodes.step(at);
    let scope = RunScope::of(&ctx);
    let output = match &step.work {
        Work::Run(work) => run(work, &step.id, step.missing, &ctx, &scope).await?,
        Work::Human(work) => human(work, &step.id, step.missing, &ctx, &scope).await?,
        Work::Transform { transform, input: from, config } => {
            transformed(transform, input(from, &scope, step.missing)?.into_owned(), config).await?
        }
        Work::Delay { time } => {
            let woken = ctx.wait_for_event::<Wake>().where_field("step", step.id.as_str()).timeout(*time).await;
            match woken {
                Ok(_) | Err(WaitError::TimedOut { .. }) => json!({ "delayed": time.as_secs_f64() }),
                Err(error) => return Err(error.into()),
            }
        }
        Work::Child { flow, input: from } => {
            (flow.0)(ctx.clone(), input(from, &scope, step.missing)?.into_owned()).await?
        }
        _ => Value::Null,
    };
    nodes.complete(at, &ctx, token, output)
}

async fn run(
    work: &RunWork,
    step: &str,
    missing: Missing,
    ctx: &Context,
    scope: &RunScope,
) -> Result<Value, StepError> {
    let mut given = input(&work.input, scope, missing)?.into_owned();
    if let Some(before) = &work.before {
        given = transformed(before, given, &work.config).await?;
    }
    let job = Job {
        step: step.to_owned(),
        kind: work.kind,
        target: work.target.clone(),
        prompt: work.prompt.as_ref().map(|prompt| prompt.text(scope, missing)).transpose()?,
        input: given,
        config: work.config.clone(),
        attempt: ctx.attempt(),
    };
    let output = work.runner.run(job, ctx.clone()).await?;
    match &work.after {
        Some(after) => transformed(after, output, &work.config).await,
        None => Ok(output),
    }
}

async fn transformed(transform: &Transform, value: Value, config: &Map<String, Value>) -> Result<Value, StepError> {
    match transform {
        Transform::Identity => Ok(value),
        Transform::Content => Ok(content(value)),
        Transform::Custom(function) => function.call(value, config.clone()).await,
    }
}

async fn human(
    work: &HumanWork,
    step: &str,
    missing: Missing,
    ctx: &Context,
    scope: &RunScope,
) -> Result<Value, StepError> {
    let prompt = match &work.prompt {
        Some(prompt) => prompt.text(scope, missing)?,
        None => String::new(),
    };
    let mut question = InputRequiredEvent::default().with("prompt", prompt).with("step", step);
    if !work.choices.is_empty() {
        question = question.with("choices", work.choices.clone());
    }
    if let Some(schema) = &work.schema {
        question = question.with("schema", schema.clone());
    }
    if let Some(from) = &work.input {
        question = question.with("data", input(from, scope, missing)?.into_owned());
    }
    let mut wait = ctx.wait_for_event::<HumanResponseEvent>().announce(question);
    if let Some(timeout) = work.timeout {
        wait = wait.timeout(timeout);
    }
    Ok(answered(&wait.await?))
}

/// What a person said, as output: the fields of the answer, with `response` and `approved`.
fn answered(answer: &HumanResponseEvent) -> Value {
    let mut fields = answer.fields().clone();
    let response = match fields.get("response") {
        Some(response) => response.clone(),
        None if fields.len() == 1 && fields.contains_key("choice") => fields["choice"].clone(),
        None => Value::Object(fields.clone()),
    };
    if let Value::Object(said) = &response {
        for (key, value) in said {
            fields.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if !fields.contains_key("approved") {
        fields.insert("approved".to_owned(), is_true(&response).into());
    }
    fields.entry("response").or_insert(response);
    Value::Object(fields)
}
