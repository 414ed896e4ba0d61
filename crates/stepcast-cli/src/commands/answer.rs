//! `stepcast answer INPUT`: answers what a run asks, wherever the run is.

use serde_json::{Value, json};
use stepcast::backend::{Backend, Holder, InputRecord, InputStatus};
use stepcast::{RunId, Runtime};

use super::run::MannerArgs;
use super::{Outcome, inputs, resume};
use crate::app::App;
use crate::codes::Coded;
use crate::drive::{Question, ask_all};
use crate::error::CliError;
use crate::exit::Exit;
use crate::input::{Given, SecretArgs};
use crate::out::{self, BOLD, DIM, GREEN, paint};
use crate::text::{now, relative};
use crate::{find, wire};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// RUN/NUMBER, or the run if it asks one thing only
    #[arg(default_value = "latest")]
    input: String,
    /// The whole answer as JSON; `@FILE` for a file, `-` for standard input
    #[arg(long, value_name = "JSON")]
    value: Option<String>,
    /// One field of the answer; may be given several times
    #[arg(long = "arg", short, value_name = "KEY=VALUE")]
    args: Vec<String>,
    #[command(flatten)]
    secrets: SecretArgs,
    /// One of the choices, for a failed step: retry, skip, continue, fail
    #[arg(long, conflicts_with_all = ["value", "args"])]
    choice: Option<String>,
    /// Who answers [default: the user]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Go on with the run here, if no other process drives it
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    manner: MannerArgs,
}

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    let found = find_input(&*app.store.read()?, &args.input)?;
    let id = format!("{}/{}", crate::text::short(&found.run), found.asked.input);
    if found.status != InputStatus::Pending {
        return Err(CliError::new(found.status.code(), over(&id, &found.status)));
    }
    let def = app.linked(&found.workflow).ok().flatten();
    let question = Question::of_stored(&found, def.as_ref());
    let terminal = args.manner.here(app, true).ask;
    let value = match given(args, &question, terminal)? {
        Some(value) => value,
        None if terminal => match ask_all(question.clone())? {
            Some(value) => value,
            None => return Ok(Exit::Waiting),
        },
        None => {
            let fields = question.prompts();
            let fields = fields.iter().map(|field| format!("{} ({})", field.name, field.kind.name()));
            let text = format!("The input {id} needs: {}.", fields.collect::<Vec<_>>().join(", "));
            let example = app.command(&format!("answer {id} {}", question.example()));
            return Err(CliError::new("SC0007", text).help(example.trim_end()));
        }
    };
    let store = app.store.change()?;
    let by = args.by.clone().or_else(user);
    // A runtime without workflows: the answer is held against its type here, and no run is taken up.
    let runtime = Runtime::on(store.clone());
    let run = RunId::from(found.run.clone());
    let answered = runtime.answer_input(&run, found.asked.input, value.clone(), by.clone()).await;
    app.close(Some(store));
    answered?;
    tell(app, &question, &value, by.as_deref())?;
    go_on(app, args, &found).await
}

/// The pending input that is meant: by its id, or as the only one of a run.
fn find_input(store: &dyn Backend, text: &str) -> Result<InputRecord, CliError> {
    if text.contains('/') {
        return inputs::one(store, text);
    }
    let run = find::run(store, text)?;
    let mut pending = inputs::of_run(store, &run.run, true)?;
    match pending.len() {
        1 => Ok(pending.swap_remove(0)),
        0 => {
            let text = format!("The run {} asks nothing.", crate::text::short(&run.run));
            Err(CliError::new("SC0051", text).help("`inputs` lists what is asked; `inspect` says what the run does"))
        }
        _ => {
            let ids = pending.iter().map(|input| Question::of_stored(input, None).short_id());
            let ids = ids.collect::<Vec<_>>().join(", ");
            Err(CliError::new("SC0052", format!("The run asks {} things: {ids}.", pending.len())))
        }
    }
}

/// The answer that the options give, held against the type that the input takes.
///
/// On a terminal the fields that are missing are asked for.
fn given(args: &Args, question: &Question, terminal: bool) -> Result<Option<Value>, CliError> {
    let choice = args.choice.clone().map(Value::from);
    let given = Given::read(args.value.as_deref(), &args.args)?.and_secrets(&args.secrets)?;
    if let Some(choice) = choice {
        if question.choices.is_empty() {
            let text = format!("The input {} has no choices.", question.short_id());
            return Err(CliError::new("SC0056", text).help("give its fields with --arg, or all of it with --value"));
        }
        return check_choice(question, choice).map(Some);
    }
    if given.is_empty() {
        return Ok(None);
    }
    match (question.choices.is_empty(), question.expects) {
        (false, _) => check_choice(question, given.value()?).map(Some),
        (true, Some(meta)) => {
            let mut rest = question.clone();
            rest.fields.retain(|field| !field.optional && given.lacks(&field.name));
            if !terminal || rest.fields.is_empty() {
                return given.value_for(meta, "SC0058").map(Some);
            }
            match ask_all(rest)? {
                Some(value) => given.or_base(value).value_for(meta, "SC0058").map(Some),
                None => Err(CliError::new("SC0007", "The answer was not finished; nothing was recorded.")),
            }
        }
        (true, None) => given.value().map(Some),
    }
}

fn check_choice(question: &Question, value: Value) -> Result<Value, CliError> {
    let word = value.get("choice").unwrap_or(&value).as_str().unwrap_or_default();
    if question.choices.iter().any(|choice| choice == word) {
        return Ok(value);
    }
    let text = format!("{value} is not one of the choices of {}.", question.short_id());
    Err(CliError::new("SC0056", text).help(format!("choose one of: {}", question.choices.join(", "))))
}

fn over(id: &str, status: &InputStatus) -> String {
    let when = |at| relative(now(), at);
    match status {
        InputStatus::Answered { by: Some(by), at, .. } => format!("The input {id} was answered {} by {by}.", when(*at)),
        InputStatus::Answered { by: None, at, .. } => format!("The input {id} was answered {}.", when(*at)),
        InputStatus::Expired { at } => format!("The input {id} expired {}.", when(*at)),
        InputStatus::Withdrawn { at } => format!("The input {id} was withdrawn {}.", when(*at)),
        _ => format!("The input {id} takes no answer."),
    }
}

/// Who is at the terminal.
pub(crate) fn user() -> Option<String> {
    let name = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).ok();
    name.filter(|name| !name.is_empty())
}

fn tell(app: &App, question: &Question, value: &Value, by: Option<&str>) -> Result<(), CliError> {
    if app.json {
        let value = wire::covered(value.clone(), question.expects);
        out::json(&json!({ "input_id": question.id().to_string(), "answer": value, "by": by, "recorded": true }))?;
    } else {
        out::line(format!("{} {}", paint(GREEN, "answered"), paint(BOLD, question.short_id())))?;
    }
    Ok(())
}

/// Goes on with the run, or says how.
async fn go_on(app: &App, args: &Args, found: &InputRecord) -> Outcome {
    // What is driven is the run that began it all, not the child that asked.
    let mut record = find::run(&*app.store.read()?, &found.run)?;
    while let Some(parent) = &record.parent {
        record = find::run(&*app.store.read()?, parent)?;
    }
    if record.holder != Holder::Nobody || record.status.is_end() {
        return Ok(Exit::Completed);
    }
    if args.resume {
        return resume::resume(app, &record, args.manner).await;
    }
    if !app.json {
        let resume = app.command(&format!("resume {}", crate::text::short(&record.run)));
        out::line(paint(DIM, format!("no process drives the run now; go on with: {resume}")))?;
    }
    Ok(Exit::Completed)
}
