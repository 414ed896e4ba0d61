//! `stepcast explain`: an error code in full, or what a run did and why.

use serde_json::{Value, json};
use stepcast::Usage;
use stepcast::backend::InputStatus;

use super::Outcome;
use super::validate::count;
use crate::app::App;
use crate::codes::{CodeDoc, code_docs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, BOLD, CYAN, DIM, PLAIN, RED, Table, YELLOW, paint};
use crate::report::verdict;
use crate::text::{between, cut, nearest, short};
use crate::timeline::{CallRow, End, Story, question};
use crate::{codes, find};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An error code such as SC0030, or a run
    #[arg(required_unless_present = "list", value_name = "CODE|RUN")]
    what: Option<String>,
    /// Only the calls of the run: how each came by its result
    #[arg(long)]
    calls: bool,
    /// All error codes
    #[arg(long, conflicts_with_all = ["what", "calls"])]
    list: bool,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    match &args.what {
        None => list(app),
        Some(what) if is_code(what) && !args.calls => code(app, what),
        Some(what) => run(app, what, args.calls),
    }
}

/// Whether it can only be meant as a code: `SC` and digits.
fn is_code(what: &str) -> bool {
    let digits = what.get(..2).filter(|start| start.eq_ignore_ascii_case("sc")).map(|_| &what[2..]);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn list(app: &App) -> Outcome {
    if app.json {
        code_docs().try_for_each(|doc| out::json(&code_json(doc)))?;
        return Ok(Exit::Completed);
    }
    let mut table = Table::plain();
    for doc in code_docs() {
        table.row(vec![(doc.code.to_owned(), BOLD), (doc.title.to_owned(), PLAIN)]);
    }
    table.print()?;
    Ok(Exit::Completed)
}

fn code(app: &App, what: &str) -> Outcome {
    let Some(doc) = codes::find(what) else {
        let known: Vec<String> = code_docs().map(|doc| doc.code.to_owned()).collect();
        let error = CliError::new("SC0101", format!("There is no error code `{}`.", what.to_uppercase()));
        return Err(match nearest(what, &known) {
            Some(near) => error.help(format!("did you mean `{near}`? `stepcast explain --list` has all of them")),
            None => error.help("`stepcast explain --list` has all of them"),
        });
    };
    if app.json {
        out::json(&code_json(doc))?;
        return Ok(Exit::Completed);
    }
    let width = out::width().clamp(20, 80);
    out::line(format!("{} {}", paint(RED, format!("error[{}]:", doc.code)), paint(BOLD, doc.title)))?;
    out::line("")?;
    for line in wrapped(doc.explanation, width) {
        out::line(line)?;
    }
    if let Some(help) = doc.help {
        out::line("")?;
        for (at, line) in wrapped(help, width - 6).into_iter().enumerate() {
            out::line(if at == 0 { format!("{}: {line}", paint(CYAN, "help")) } else { format!("      {line}") })?;
        }
    }
    out::line("")?;
    for line in doc.example.lines() {
        out::line(format!("    {}", paint(DIM, line)))?;
    }
    out::line("")?;
    out::line(format!("A command that meets it ends with {}.", doc.exit.code()))?;
    Ok(Exit::Completed)
}

fn code_json(doc: &CodeDoc) -> Value {
    json!({
        "code": doc.code, "title": doc.title, "explanation": doc.explanation, "example": doc.example,
        "help": doc.help, "exit": doc.exit.code(),
    })
}

/// Lines of at most so many columns.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let used = lines[last].chars().count();
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            lines[last].push_str(if used > 0 { " " } else { "" });
            lines[last].push_str(word);
        }
    }
    lines
}

fn run(app: &App, what: &str, only_calls: bool) -> Outcome {
    let store = app.store.read()?;
    let story = Story::read(&*store, &find::run(&*store, what)?.run)?;
    if app.json {
        story.calls.iter().try_for_each(|call| out::json(&call_json(call)))?;
        return Ok(Exit::Completed);
    }
    if !only_calls {
        out::line(format!("{} {}", paint(BOLD, short(&story.record.run)), verdict(&story)))?;
        repeated(&story)?;
        waited(&story)?;
        out::line("")?;
    }
    story.gaps().iter().for_each(out::note);
    calls(&story)?;
    Ok(Exit::Completed)
}

/// So many failures and questions are told, the last ones.
const TOLD: usize = 20;

/// Says how many were left out before these.
fn earlier(all: usize, what: &str) -> std::io::Result<usize> {
    let skipped = all.saturating_sub(TOLD);
    if skipped > 0 {
        out::line(paint(DIM, format!("  … {} before", count(skipped, what))))?;
    }
    Ok(skipped)
}

/// Why attempts were made again.
fn repeated(story: &Story) -> std::io::Result<()> {
    let failed: Vec<_> = story.spans.iter().filter(|span| span.error().is_some()).collect();
    for span in &failed[earlier(failed.len(), "failed attempt")?..] {
        let End::Failed { error, again, .. } = &span.end else { continue };
        let then = if *again { "and is repeated" } else { "and was the last" };
        let head =
            format!("attempt {} of `{}` failed after {}", span.attempt, span.step, between(span.began, span.ended()));
        out::line(format!("  {} {then}: {}", paint(RED, head), error.exception_message))?;
        for cause in &error.causes {
            out::line(format!("      because {cause}"))?;
        }
    }
    Ok(())
}

/// What was asked, and what became of it.
fn waited(story: &Story) -> std::io::Result<()> {
    for input in &story.inputs[earlier(story.inputs.len(), "question")?..] {
        let became = match &input.status {
            InputStatus::Pending => "has no answer yet".to_owned(),
            InputStatus::Answered { by, at, .. } => {
                let by = by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
                format!("was answered{by} after {}", between(input.opened, *at))
            }
            InputStatus::Withdrawn { .. } => "was withdrawn".to_owned(),
            InputStatus::Expired { .. } => "expired".to_owned(),
            _ => "is closed".to_owned(),
        };
        out::line(format!(
            "  {} {became}: {}",
            paint(YELLOW, format!("input {}", input.asked.input)),
            cut(&question(input), 120)
        ))?;
    }
    Ok(())
}

/// Every recorded call with how it was decided.
fn calls(story: &Story) -> std::io::Result<()> {
    if story.calls.is_empty() {
        return out::line("No calls are on record.");
    }
    let mut table = Table::new(&["STEP", "EXEC", "CALL", "DECISION", "WHY", "USED", "RESULT"]);
    for call in &story.calls {
        let number = if call.ordinal > 0 { format!(" #{}", call.ordinal + 1) } else { String::new() };
        let word = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        table.row(vec![
            (word(call.step.clone()), PLAIN),
            (call.execution.to_string(), DIM),
            (format!("{}{number}", call.label), BOLD),
            (call.decision.clone(), CYAN),
            (call.why.to_owned(), PLAIN),
            (word(call.usage.map(|usage| usage.to_string())), PLAIN),
            (word(call.result.as_ref().map(Value::to_string)), DIM),
        ]);
    }
    table.print()?;
    let used: Usage = story.calls.iter().filter_map(|call| call.usage).sum();
    let used = if used.is_zero() { String::new() } else { format!(", {used} in all") };
    out::line(paint(DIM, format!("{}{used}", count(story.calls.len(), "call"))))
}

/// A call for scripts.
pub(crate) fn call_json(call: &CallRow) -> Value {
    json!({
        "at": call.at.map(crate::text::date), "step": call.step, "execution": call.execution, "label": call.label,
        "ordinal": call.ordinal, "decision": call.decision, "why": call.why, "key": call.key, "usage": call.usage,
        "result": call.result,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_runs() {
        for (what, is) in
            [("SC0030", true), ("sc1", true), ("latest", false), ("SC", false), ("scan", false), ("ä", false)]
        {
            assert_eq!(is_code(what), is, "{what}");
        }
    }

    #[test]
    fn text_is_wrapped_at_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("longerthanthat a", 4), ["longerthanthat", "a"]);
    }
}
