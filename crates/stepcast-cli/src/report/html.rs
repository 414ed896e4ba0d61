//! A run as one page of HTML: no script, nothing from elsewhere, readable on paper.

use std::fmt::Write;

use stepcast::WorkflowGraph;
use stepcast::backend::{Holder, InputStatus, RunStatus};
use stepcast::engine::Time;

use super::axis::offset;
use super::{MOST_ROWS, became, chart, usage, value_text, verdict};
use crate::commands::runs::words;
use crate::text::{between, date, short};
use crate::timeline::{Story, answer, event_data, overlay, question};

const STYLE: &str = include_str!("page.css");

/// The page. Writing to a `String` cannot fail, so nothing here looks at what `write!` gives.
pub(crate) fn html(story: &Story, graph: Option<&WorkflowGraph>) -> String {
    let record = &story.record;
    let title = format!("{} {}", record.workflow, short(&record.run));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&title)
    );
    head(&mut page, story);
    for gap in story.gaps() {
        _ = writeln!(page, "<p class=\"gap\">{}</p>", escape(&gap));
    }
    match graph {
        Some(graph) => {
            let drawn = graph.to_svg_with(&overlay(story));
            section(&mut page, "Graph", &format!("<div class=\"wide\">{drawn}</div>"));
        }
        None => {
            let text = format!(
                "<p class=\"soft\">The workflow <code>{}</code> is not in the binary that wrote this page.</p>",
                escape(&record.workflow)
            );
            section(&mut page, "Graph", &text);
        }
    }
    section(&mut page, "Timeline", &format!("<div class=\"wide\">{}</div>{}", chart::chart(story), attempts(story)));
    if !story.inputs.is_empty() {
        section(&mut page, "Questions and answers", &questions(story));
    }
    if !story.children.is_empty() {
        section(&mut page, "Runs that it started", &children(story));
    }
    if !story.calls.is_empty() {
        section(&mut page, "Calls", &calls(story));
    }
    section(&mut page, "Stream", &stream(story));
    _ = write!(
        page,
        "<footer>Written by stepcast {} on {}.</footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        date(crate::text::now())
    );
    page
}

fn section(page: &mut String, title: &str, content: &str) {
    _ = writeln!(page, "<section>\n<h2>{title}</h2>\n{content}</section>");
}

fn head(page: &mut String, story: &Story) {
    let record = &story.record;
    let word = words(record);
    let class = match (record.status, record.holder) {
        (RunStatus::Running, Holder::Nobody) => "bad",
        (RunStatus::Completed, _) => "good",
        (RunStatus::Running, _) => "busy",
        (RunStatus::Waiting | RunStatus::CompletedWithFailures, _) => "wait",
        (RunStatus::Cancelled, _) => "soft",
        _ => "bad",
    };
    _ = writeln!(
        page,
        "<header>\n<h1>{} <span class=\"badge {class}\">{word}</span></h1>\n<p class=\"run\"><code>{}</code></p>\n</header>",
        escape(&record.workflow),
        escape(&record.run)
    );
    _ = writeln!(page, "<div class=\"verdict {class}\"><p>The run {}</p>", prose(&verdict(story)));
    if let Some(failure) = &story.failure {
        if !failure.causes.is_empty() {
            page.push_str("<ul class=\"causes\">");
            for cause in &failure.causes {
                _ = write!(page, "<li>because {}</li>", escape(cause));
            }
            page.push_str("</ul>");
        }
        if let Some(kind) = &failure.kind {
            _ = write!(page, "<p class=\"soft\"><code>{}</code></p>", escape(kind));
        }
    }
    page.push_str("</div>\n<dl class=\"facts\">\n");
    let ended = if record.status.is_end() { record.changed } else { story.ended() };
    let failed = story.spans.iter().filter(|span| span.error().is_some()).count();
    let mut fact = |name: &str, text: String| {
        _ = writeln!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&text));
    };
    fact("started", date(record.created).replace('T', " "));
    fact(if record.status.is_end() { "took" } else { "for" }, between(record.created, ended));
    fact(
        "attempts",
        match failed {
            0 => story.spans.len().to_string(),
            failed => format!("{} ({failed} failed)", story.spans.len()),
        },
    );
    fact("events", story.events.len().to_string());
    if !story.inputs.is_empty() {
        fact("questions", story.inputs.len().to_string());
    }
    if !story.calls.is_empty() {
        fact("calls", story.calls.len().to_string());
    }
    if let Some(parent) = &record.parent {
        fact("child of", short(parent).to_owned());
    }
    page.push_str("</dl>\n<div class=\"pair\">\n");
    _ = writeln!(page, "<div><h3>Start event</h3>{}</div>", value(&story.start));
    if let Some(result) = story.result() {
        _ = writeln!(page, "<div><h3>Result</h3>{}</div>", value(&result));
    }
    page.push_str("</div>\n");
}

fn value(value: &serde_json::Value) -> String {
    format!("<pre>{}</pre>", escape(&value_text(value, true)))
}

fn short_value(value: &serde_json::Value) -> String {
    let text = value_text(value, false);
    match text.chars().count() {
        0..=140 => format!("<code>{}</code>", escape(&text)),
        _ => {
            let head: String = text.chars().take(120).collect();
            let whole = escape(&value_text(value, true));
            format!("<details><summary><code>{}…</code></summary><pre>{whole}</pre></details>", escape(&head))
        }
    }
}

fn at(story: &Story, at: Time) -> String {
    format!("<td class=\"num\">{}</td>", offset(at.0.saturating_sub(story.began().0)))
}

fn more(rows: usize) -> String {
    match rows.saturating_sub(MOST_ROWS) {
        0 => String::new(),
        hidden => {
            format!("<p class=\"soft\">… and {hidden} more; <code>stepcast report --json</code> has all of them.</p>")
        }
    }
}

fn table(titles: &[&str], rows: impl Iterator<Item = String>) -> String {
    let titles: String = titles.iter().map(|title| format!("<th>{title}</th>")).collect();
    let rows: String = rows.map(|row| format!("<tr>{row}</tr>\n")).collect();
    format!("<div class=\"wide\"><table>\n<thead><tr>{titles}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n")
}

fn attempts(story: &Story) -> String {
    if story.spans.is_empty() {
        return "<p class=\"soft\">The journal tells of no attempt.</p>".to_owned();
    }
    let rows = story.spans.iter().take(MOST_ROWS).map(|span| {
        let class = if span.error().is_some() { "bad" } else { "" };
        let mut gave =
            span.outputs.iter().map(|tag| format!("<code>{}</code>", escape(tag))).collect::<Vec<_>>().join(" ");
        if let Some(error) = span.error() {
            gave = format!("<span class=\"bad\">{}</span>", escape(&error.exception_message));
            for cause in &error.causes {
                gave += &format!("<br><span class=\"soft\">because {}</span>", escape(cause));
            }
        }
        format!(
            "{}<td><b>{}</b></td><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td>\
             <td class=\"{class}\">{}</td><td>{gave}</td>",
            at(story, span.began),
            escape(&span.step),
            span.execution,
            span.attempt,
            between(span.began, span.ended()),
            span.word(),
        )
    });
    table(&["at", "step", "execution", "attempt", "took", "end", "gave"], rows) + &more(story.spans.len())
}

fn questions(story: &Story) -> String {
    let rows = story.inputs.iter().take(MOST_ROWS).map(|input| {
        let asked = &input.asked;
        let mut prompt = escape(&question(input));
        if let Some(choices) = &asked.choices {
            prompt += &format!("<br><span class=\"soft\">{}</span>", escape(choices));
        }
        let said = match &input.status {
            InputStatus::Answered { by, at, .. } => format!(
                "{}<br><span class=\"soft\">{}{} after {}</span>",
                short_value(&answer(input).unwrap_or_default()),
                by.as_deref().map(|by| format!("by {} ", escape(by))).unwrap_or_default(),
                date(*at).replace('T', " "),
                between(input.opened, *at)
            ),
            status => format!("<span class=\"badge wait\">{}</span>", became(status)),
        };
        format!(
            "{}<td class=\"num\">{}</td><td><b>{}</b></td><td>{prompt}</td><td>{said}</td>",
            at(story, input.opened),
            asked.input,
            escape(&asked.step)
        )
    });
    table(&["at", "input", "step", "question", "answer"], rows) + &more(story.inputs.len())
}

fn children(story: &Story) -> String {
    let rows = story.children.iter().rev().take(MOST_ROWS).map(|child| {
        let ended = if child.status.is_end() { between(child.created, child.changed) } else { String::new() };
        format!(
            "{}<td><b>{}</b></td><td><code>{}</code></td><td>{}</td><td class=\"num\">{ended}</td>",
            at(story, child.created),
            escape(&child.workflow),
            escape(&child.run),
            words(child)
        )
    });
    table(&["at", "workflow", "run", "status", "took"], rows) + &more(story.children.len())
}

fn calls(story: &Story) -> String {
    let rows = story.calls.iter().take(MOST_ROWS).map(|call| {
        let when = call.at.map_or("<td class=\"num\">earlier</td>".to_owned(), |time| at(story, time));
        let used = call.usage.map(|usage| usage.to_string()).unwrap_or_default();
        format!(
            "{when}<td><b>{}</b></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
            escape(call.step.as_deref().unwrap_or_default()),
            escape(&call.label),
            escape(&call.decision),
            escape(call.why),
            escape(&used),
            call.result.as_ref().map(short_value).unwrap_or_default()
        )
    });
    let used = usage(story);
    let sum = if used.is_zero() { String::new() } else { format!("<p>In all {}.</p>", escape(&used.to_string())) };
    table(&["at", "step", "call", "decision", "why", "used", "result"], rows) + &more(story.calls.len()) + &sum
}

fn stream(story: &Story) -> String {
    if story.events.is_empty() {
        return "<p class=\"soft\">Nothing was written to the stream.</p>".to_owned();
    }
    let rows = story.events.iter().take(MOST_ROWS).map(|row| {
        let data = short_value(&event_data(row));
        format!(
            "<td class=\"num\">{}</td>{}<td><b>{}</b></td><td>{data}</td>",
            row.seq,
            at(story, row.at),
            escape(&row.tag)
        )
    });
    table(&["seq", "at", "event", "data"], rows) + &more(story.events.len())
}

/// A sentence, in which `names` stand between backticks.
fn prose(text: &str) -> String {
    super::named(text, escape, |name| format!("<code>{}</code>", escape(name)))
}

/// Text that means nothing but itself, in content and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' => safe.push('\n'),
            c if c.is_control() => safe.push(' '),
            // What turns the direction of writing could make a text look like another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
