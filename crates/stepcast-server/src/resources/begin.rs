//! Starting runs, and replying with their id, their result or their stream.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepcast::{AnyRun, EventMeta, RunId, StreamStart, WorkflowDef};
use utoipa::ToSchema;

use super::json::{RunJson, Types};
use super::reply::about;
use super::stream::{self, Form};
use super::texts::chosen_id;
use super::views::{self, Modes, Shown};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::error::extract::{JsonBody, Path, Query};
use crate::runs::HeldStart;

/// The longest timeout of a run: 31 years.
const MAX_TIMEOUT: Duration = Duration::from_secs(1_000_000_000);

/// How a run is started.
#[derive(Debug, Default)]
pub(crate) struct Begin {
    /// Data of the start event, in its envelope or bare; none given is null.
    pub(crate) input: Value,
    pub(crate) run_id: Option<RunId>,
    pub(crate) timeout: Option<Duration>,
    /// Whether the runtime's own frames are kept from the first on, for who reads them later.
    pub(crate) record_internal: bool,
}

/// How the reply waits.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Manner {
    wait: Option<Wait>,
    timeout: Option<f64>,
    modes: Option<String>,
}

/// What the reply is.
#[derive(Debug)]
enum Reply {
    /// The run's stream, in views if it is to be.
    Stream(Form, Option<Modes>),
    /// The run once it has ended, or after so long.
    Result(Duration),
    /// Its id.
    Accepted,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wait {
    Result,
}

/// A run was started.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted<'a> {
    run_id: &'a str,
    /// `accepted`.
    status: &'static str,
    workflow: &'a str,
    /// The run that it repeats, in the reply to `rerun` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    rerun_of: Option<&'a str>,
}

/// Starts a run of a workflow.
///
/// The body is the start event's data. An object with a member `input` (or `start_event`) is a request instead: that member
/// is the data, `run_id` chooses the run's id and `timeout` bounds the seconds in which the run is busy.
/// With `Accept: text/event-stream` (or `application/x-ndjson`) the reply is the run's stream; with `wait=result` it is the
/// run once it has ended; else the run's id at once. A stream may show views in place of events, with `modes` as for
/// `GET /runs/{run_id}/stream`.
#[utoipa::path(
    post, path = "/workflows/{name}", tag = "runs",
    params(
        ("name" = String, Path, description = "The workflow"),
        ("wait" = Option<String>, Query, description = "`result` replies when the run has ended"),
        ("timeout" = Option<f64>, Query, description = "Seconds to wait for the end; then the reply is 202 with the run as it is"),
        ("modes" = Option<String>, Query, description = "Where the reply is a stream: views in place of events, of `values`, `updates`, `lifecycle`, `custom`, with commas between them. Where the server has graphs"),
    ),
    request_body = Option<Object>,
    responses(
        (status = 202, description = "The run is recorded and goes on", body = Accepted<'static>),
        (status = 200, description = "The run has ended, well or not; or its stream", body = RunJson),
        (status = 400, description = "The body is no start event"),
        (status = 404, description = "There is no such workflow"),
        (status = 409, description = "There is a run of the chosen id"),
        (status = 415, description = "The body is not JSON"),
    ),
)]
pub(super) async fn begin(
    State(app): State<App>,
    access: Access,
    Path(name): Path<String>,
    Query(manner): Query<Manner>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, ApiError> {
    access.may_change()?;
    let manner = manner.reply(&headers)?;
    // An unknown workflow is told before what is wrong with the body.
    app.runs.definition(&name)?;
    let held = hold(&app, &name, Begin::of(body)?.replied(&manner)).await?;
    reply(&app, access, manner, held, &name, None).await
}

/// Starts a run once more: the same workflow with the same start event, or with other members laid over it.
#[utoipa::path(
    post, path = "/runs/{run_id}/rerun", tag = "runs",
    params(
        ("run_id" = String, Path, description = "The run to repeat"),
        ("wait" = Option<String>, Query, description = "`result` replies when the run has ended"),
        ("timeout" = Option<f64>, Query, description = "Seconds to wait for the end"),
        ("modes" = Option<String>, Query, description = "Where the reply is a stream: views in place of events, of `values`, `updates`, `lifecycle`, `custom`, with commas between them. Where the server has graphs"),
    ),
    request_body = Option<Object>,
    responses(
        (status = 202, description = "The new run is recorded and goes on", body = Accepted<'static>),
        (status = 200, description = "The new run has ended, well or not; or its stream", body = RunJson),
        (status = 404, description = "There is no such run, or its workflow is not registered here"),
        (status = 409, description = "The run's start event is not known, or there is a run of the chosen id"),
    ),
)]
pub(super) async fn rerun(
    State(app): State<App>,
    access: Access,
    Path(before): Path<RunId>,
    Query(manner): Query<Manner>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, ApiError> {
    let named = |error: ApiError| error.of_run(&before);
    access.may_change().map_err(named)?;
    let manner = manner.reply(&headers).map_err(named)?;
    let (name, base) = app.runs.start_of(&before).await?;
    let def = app.runs.definition(&name).map_err(named)?;
    let meta = def.event(def.start());
    let mut begin = Begin::of(body).map_err(named)?.replied(&manner);
    let given = data_of(&def, begin.input).map_err(named)?;
    begin.input = laid_over(base, given);
    if begin.input.is_null() && meta.decode(Value::Null).is_err() {
        let detail = format!("The start event of the run `{before}` is not known; give it as `input`.");
        return Err(ApiError::conflict("start_not_known", detail).of_run(&before));
    }
    let held = start_bare(&app, &name, begin, &def).await?;
    reply(&app, access, manner, held, &name, Some(&before)).await
}

impl Manner {
    fn reply(&self, headers: &HeaderMap) -> Result<Reply, ApiError> {
        let patience = self.patience()?;
        let modes = self.modes.as_deref().map(Modes::read).transpose()?;
        match (Form::asked(headers), patience) {
            (Some(form), _) => Ok(Reply::Stream(form, modes)),
            (None, _) if modes.is_some() => {
                let detail = "`modes` are views of a stream; ask for one with `Accept: text/event-stream`.";
                Err(ApiError::bad_request("invalid_query_param", detail).with("param", "modes"))
            }
            (None, Some(patience)) => Ok(Reply::Result(patience)),
            (None, None) => Ok(Reply::Accepted),
        }
    }

    /// Whether to wait for the end, and for how long at most.
    fn patience(&self) -> Result<Option<Duration>, ApiError> {
        if self.wait.is_none() {
            return Ok(None);
        }
        match self.timeout.map(Duration::try_from_secs_f64) {
            None => Ok(Some(Duration::MAX)),
            Some(Ok(timeout)) => Ok(Some(timeout)),
            Some(Err(_)) => Err(super::texts::wrong(
                "timeout",
                &self.timeout.unwrap_or_default().to_string(),
                "a number of seconds, 0 or more",
            )),
        }
    }
}

impl Begin {
    const OPTIONS: [&'static str; 4] = ["input", "start_event", "run_id", "timeout"];

    /// Reads the body of a request to start.
    pub(crate) fn of(body: Value) -> Result<Self, ApiError> {
        let refused = |detail: String| Err(ApiError::bad_request("invalid_request", detail));
        let mut members = match body {
            Value::Null => return Ok(Begin::default()),
            Value::Object(members) if ["input", "start_event"].iter().any(|name| members.contains_key(*name)) => {
                members
            }
            Value::Object(members) => return Ok(Begin { input: members.into(), ..Begin::default() }),
            _ => {
                return refused("The body must be a JSON object: the start event's data, or `{\"input\": ..}`.".into());
            }
        };
        if let Some(other) = members.keys().find(|name| !Begin::OPTIONS.contains(&name.as_str())) {
            return refused(format!(
                "Beside `input` the body takes `run_id` and `timeout`, not `{other}`. Data that has a member `input` or \
                 `start_event` of its own is sent as `{{\"input\": {{..}}}}`."
            ));
        }
        let input = match (members.remove("input"), members.remove("start_event")) {
            (Some(_), Some(_)) => return refused("Give `input` or `start_event`, not both.".into()),
            (Some(input), None) | (None, Some(input)) => input,
            (None, None) => Value::Null,
        };
        let run_id = match members.remove("run_id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(chosen_id(&id)?),
            Some(_) => return refused("`run_id` must be a text.".into()),
        };
        let named = |error: ApiError| error.of_any_run(run_id.as_ref());
        let timeout = timeout_of(members.remove("timeout")).map_err(named)?;
        Ok(Begin { input, run_id, timeout, record_internal: false })
    }

    /// The same for a reply of this kind: the reader of a stream is there a moment after the run began.
    fn replied(mut self, reply: &Reply) -> Self {
        self.record_internal = matches!(reply, Reply::Stream(_, Some(modes)) if modes.are_internal());
        self
    }
}

/// The timeout of a run: seconds, more than 0.
pub(crate) fn timeout_of(given: Option<Value>) -> Result<Option<Duration>, ApiError> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(None) };
    let timeout = given.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match timeout.filter(|timeout| !timeout.is_zero() && *timeout <= MAX_TIMEOUT) {
        Some(timeout) => Ok(Some(timeout)),
        None => {
            let detail = "`timeout` must be a number of seconds, greater than 0 and at most 1,000,000,000.";
            Err(ApiError::bad_request("invalid_request", detail))
        }
    }
}

/// Starts a run; it is recorded when this returns.
pub(crate) async fn start(app: &App, workflow: &str, begin: Begin) -> Result<AnyRun, ApiError> {
    Ok(hold(app, workflow, begin).await?.begin().run)
}

async fn hold(app: &App, workflow: &str, mut begin: Begin) -> Result<HeldStart, ApiError> {
    let named = |error: ApiError| error.of_any_run(begin.run_id.as_ref());
    let def = app.runs.definition(workflow).map_err(named)?;
    begin.input = data_of(&def, std::mem::take(&mut begin.input)).map_err(named)?;
    start_bare(app, workflow, begin, &def).await
}

async fn start_bare(app: &App, workflow: &str, begin: Begin, def: &WorkflowDef) -> Result<HeldStart, ApiError> {
    let data = bare_of(def.event(def.start()), begin.input);
    let mut options = app.run_options();
    if let Some(id) = &begin.run_id {
        // A run in memory that has ended does not hold its id, but can still be read under it.
        if Box::pin(app.runs.find(id)).await.is_ok() {
            let detail = format!("There is a run `{id}` already; choose another id, or none.");
            return Err(ApiError::conflict("run_exists", detail).of_run(id));
        }
        options = options.run_id(id.clone());
    }
    if let Some(timeout) = begin.timeout {
        options = options.timeout(timeout);
    }
    if begin.record_internal {
        options = options.record_internal();
    }
    app.runs.hold(workflow, data.into(), options).await
}

/// The data of a start event that came bare or in its envelope.
fn data_of(def: &WorkflowDef, given: Value) -> Result<Value, ApiError> {
    let meta = def.event(def.start());
    let Value::Object(mut members) = given else { return Ok(given) };
    let Some(tag) = envelope_tag(&members) else { return Ok(members.into()) };
    if [meta.tag, meta.type_name, meta.qualified_name].contains(&tag) {
        return Ok(members.remove("value").unwrap_or_default());
    }
    let detail = format!("`{}` starts with `{}`, not with `{tag}`.", def.name(), meta.tag);
    Err(ApiError::bad_request("invalid_start_event", detail).with("expected", meta.tag))
}

/// The type that an envelope names; an object with other members than those of an envelope is none.
pub(super) fn envelope_tag(members: &Map<String, Value>) -> Option<&str> {
    let known = ["value", "qualified_name", "type", "types"];
    let whole = members.contains_key("value") && members.keys().all(|name| known.contains(&name.as_str()));
    members.get("type").and_then(Value::as_str).filter(|_| whole)
}

/// Without data an event is `{}`, or null if it is written so for having no fields.
fn bare_of(meta: &EventMeta, data: Value) -> Value {
    let empty = || Value::Object(Map::new());
    match &data {
        Value::Null => {}
        Value::Object(members) if members.is_empty() => {}
        _ => return data,
    }
    let takes = |data: &Value| meta.decode_ref(data).is_ok();
    [empty(), Value::Null].into_iter().find(takes).unwrap_or_else(empty)
}

/// The first with the members of the second in place of its own.
fn laid_over(base: Value, given: Value) -> Value {
    match (base, given) {
        (base, Value::Null) => base,
        (Value::Object(mut base), Value::Object(given)) => {
            base.extend(given);
            base.into()
        }
        (_, given) => given,
    }
}

async fn reply(
    app: &App,
    access: Access,
    manner: Reply,
    held: HeldStart,
    workflow: &str,
    rerun_of: Option<&RunId>,
) -> Result<Response, ApiError> {
    let begun = if matches!(manner, Reply::Result(_)) { held.begin_here() } else { held.begin() };
    let id = begun.run.run_id();
    let patience = match manner {
        Reply::Stream(form, None) => {
            let streamed = stream::respond(app, access, id, StreamStart::Beginning, Types::default(), false, form);
            return Box::pin(streamed).await;
        }
        Reply::Stream(form, Some(modes)) => {
            let shown = Shown::new(modes, access, false);
            let follow = match shown.is_internal() {
                true => app.runs.follow_new(&begun.run),
                false => app.runs.follow(id, StreamStart::Beginning, false).await?,
            };
            return Ok(views::respond(app, id, follow, shown, form));
        }
        Reply::Accepted => {
            let rerun_of = rerun_of.map(RunId::as_str);
            let accepted = Accepted { run_id: id.as_str(), status: "accepted", workflow, rerun_of };
            return Ok(about(id, StatusCode::ACCEPTED, &accepted));
        }
        Reply::Result(patience) => patience,
    };
    let ended = tokio::select! {
        biased;
        () = begun.run.ended() => true,
        () = tokio::time::sleep(patience) => false,
        () = app.draining.cancelled() => false,
    };
    let status = if ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    let view = app.runs.view(&begun).await?;
    Ok(about(id, status, &RunJson::of(view, access).rerun_of(rerun_of)))
}

/// Whether the request asks for this content type.
pub(super) fn accepts(headers: &HeaderMap, content_type: &str) -> bool {
    let given = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split(',')).any(|one| {
        let essence = one.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(content_type)
    })
}
