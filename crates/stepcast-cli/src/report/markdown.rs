//! A run as Markdown, for a ticket or a note.

use std::fmt::Write;

use stepcast::WorkflowGraph;
use stepcast::backend::InputStatus;
use stepcast::engine::Time;

use super::axis::offset;
use super::{MOST_ROWS, became, usage, value_text, verdict};
use crate::commands::runs::words;
use crate::text::{between, date};
use crate::timeline::{Story, answer, event_data, overlay, question};

/// So many characters of a value fit a cell.
const CELL: usize = 200;

/// The page. Writing to a `String` cannot fail, so nothing here looks at what `write!` gives.
pub(crate) fn markdown(story: &Story, graph: Option<&WorkflowGraph>) -> String {
    let record = &story.record;
    let mut page = format!("# {} ({})\n\n", plain(&record.workflow), words(record));
    _ = writeln!(page, "The run {} {}\n", code(&record.run), prose(&verdict(story)));
    if let Some(failure) = &story.failure {
        failure.causes.iter().for_each(|cause| _ = writeln!(page, "- because {}", plain(cause)));
        page.push_str(if failure.causes.is_empty() { "" } else { "\n" });
    }
    let ended = if record.status.is_end() { record.changed } else { story.ended() };
    _ = writeln!(page, "- started {}", date(record.created));
    _ = writeln!(page, "- {} {}", if record.status.is_end() { "took" } else { "for" }, between(record.created, ended));
    if let Some(parent) = &record.parent {
        _ = writeln!(page, "- child of {}", code(parent));
    }
    _ = writeln!(page, "- start event {}", code(&cell(&value_text(&story.start, false))));
    if let Some(result) = story.result() {
        _ = writeln!(page, "- result {}", code(&cell(&value_text(&result, false))));
    }
    for gap in story.gaps() {
        _ = writeln!(page, "\n> {}", plain(&gap));
    }
    if let Some(graph) = graph {
        _ = write!(page, "\n## Graph\n\n```mermaid\n{}```\n", graph.to_mermaid_with(&overlay(story)));
    }
    attempts(&mut page, story);
    questions(&mut page, story);
    children(&mut page, story);
    calls(&mut page, story);
    stream(&mut page, story);
    page
}

fn at(story: &Story, at: Time) -> String {
    offset(at.0.saturating_sub(story.began().0))
}

fn attempts(page: &mut String, story: &Story) {
    page.push_str("\n## Timeline\n\n");
    if story.spans.is_empty() {
        page.push_str("The journal tells of no attempt.\n");
        return;
    }
    let rows = story.spans.iter().map(|span| {
        let gave = match span.error() {
            Some(error) => plain(&error.exception_message),
            None => span.outputs.iter().map(|tag| code(tag)).collect::<Vec<_>>().join(" "),
        };
        vec![
            at(story, span.began),
            plain(&span.step),
            span.execution.to_string(),
            span.attempt.to_string(),
            between(span.began, span.ended()),
            span.word().to_owned(),
            gave,
        ]
    });
    table(page, &["at", "step", "execution", "attempt", "took", "end", "gave"], rows, story.spans.len());
}

fn questions(page: &mut String, story: &Story) {
    if story.inputs.is_empty() {
        return;
    }
    page.push_str("\n## Questions and answers\n\n");
    let rows = story.inputs.iter().map(|input| {
        let said = match &input.status {
            InputStatus::Answered { by, .. } => {
                let by = by.as_deref().map(|by| format!(" by {}", plain(by))).unwrap_or_default();
                format!("{}{by}", code(&cell(&answer(input).unwrap_or_default().to_string())))
            }
            status => became(status).to_owned(),
        };
        vec![
            at(story, input.opened),
            input.asked.input.to_string(),
            plain(&input.asked.step),
            plain(&question(input)),
            said,
        ]
    });
    table(page, &["at", "input", "step", "question", "answer"], rows, story.inputs.len());
}

fn children(page: &mut String, story: &Story) {
    if story.children.is_empty() {
        return;
    }
    page.push_str("\n## Runs that it started\n\n");
    let rows = story.children.iter().rev();
    let rows = rows.map(|run| vec![at(story, run.created), plain(&run.workflow), code(&run.run), words(run)]);
    table(page, &["at", "workflow", "run", "status"], rows, story.children.len());
}

fn calls(page: &mut String, story: &Story) {
    if story.calls.is_empty() {
        return;
    }
    page.push_str("\n## Calls\n\n");
    let rows = story.calls.iter().map(|call| {
        vec![
            call.at.map_or("earlier".to_owned(), |time| at(story, time)),
            plain(call.step.as_deref().unwrap_or_default()),
            plain(&call.label),
            plain(&call.decision),
            plain(call.why),
            call.usage.map(|usage| usage.to_string()).unwrap_or_default(),
            call.result.as_ref().map(|result| code(&cell(&result.to_string()))).unwrap_or_default(),
        ]
    });
    table(page, &["at", "step", "call", "decision", "why", "used", "result"], rows, story.calls.len());
    let used = usage(story);
    if !used.is_zero() {
        _ = writeln!(page, "\nIn all {used}.");
    }
}

fn stream(page: &mut String, story: &Story) {
    page.push_str("\n## Stream\n\n");
    if story.events.is_empty() {
        page.push_str("Nothing was written to the stream.\n");
        return;
    }
    let rows = story.events.iter().map(|row| {
        vec![row.seq.to_string(), at(story, row.at), plain(&row.tag), code(&cell(&event_data(row).to_string()))]
    });
    table(page, &["seq", "at", "event", "data"], rows, story.events.len());
}

fn table(page: &mut String, titles: &[&str], rows: impl Iterator<Item = Vec<String>>, all: usize) {
    _ = writeln!(page, "| {} |", titles.join(" | "));
    _ = writeln!(page, "|{}", "---|".repeat(titles.len()));
    rows.take(MOST_ROWS).for_each(|row| _ = writeln!(page, "| {} |", row.join(" | ")));
    if all > MOST_ROWS {
        _ = writeln!(page, "\n… and {} more.", all - MOST_ROWS);
    }
}

fn cell(text: &str) -> String {
    crate::text::cut(text, CELL)
}

/// A sentence, in which `names` stand between backticks.
fn prose(text: &str) -> String {
    super::named(text, plain, code)
}

/// Text that is neither markup nor the end of a cell.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// Text as code, within a cell: its fence is longer than any in it.
fn code(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}
