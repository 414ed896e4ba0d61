//! The attempts of a run as bars over time, in SVG.

use std::collections::BTreeMap;
use std::fmt::Write;

use stepcast::backend::InputStatus;
use stepcast::engine::Time;

use super::axis::{Axis, offset};
use super::html::escape;
use crate::text::{between, cut};
use crate::timeline::{End, Span, Story, question};

const LABELS: f64 = 170.0;
const WIDTH: f64 = 960.0;
/// For the last time on the axis, which is written around its mark.
const RIGHT: f64 = 28.0;
const ROW: f64 = 24.0;
const TOP: f64 = 26.0;
/// How narrow a bar may be.
const LEAST: f64 = 2.0;
/// More rows than that are no picture any more.
const MOST_LANES: usize = 60;

/// Writing to a `String` cannot fail, so nothing here looks at what `write!` gives. Nothing to show gives nothing.
pub(super) fn chart(story: &Story) -> String {
    if story.spans.is_empty() && story.events.is_empty() && story.inputs.is_empty() {
        return String::new();
    }
    let (began, ended) = (story.began(), story.ended());
    let axis = Axis::new((began, ended), busy(story), WIDTH - LABELS - RIGHT);
    let x = |at: Time| LABELS + axis.x(at);
    let mut lanes: BTreeMap<(Time, &str, usize), Vec<&Span>> = BTreeMap::new();
    let mut first: BTreeMap<&str, Time> = BTreeMap::new();
    for span in &story.spans {
        let first = *first.entry(&span.step).or_insert(span.began);
        lanes.entry((first, &span.step, span.lane)).or_default().push(span);
    }
    let hidden = lanes.len().saturating_sub(MOST_LANES);
    let more = usize::from(!story.events.is_empty()) + usize::from(!story.inputs.is_empty());
    let rows = more + lanes.len().min(MOST_LANES);
    let bottom = TOP + ROW * rows as f64;
    let mut svg = format!(
        "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" \
         aria-label=\"Timeline\">\n",
        bottom + 6.0
    );
    for (mark, text) in axis.marks(7) {
        let x = LABELS + mark;
        _ = writeln!(svg, "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>");
        _ = writeln!(svg, "<text class=\"tick\" x=\"{x:.1}\" y=\"16\">{text}</text>");
    }
    for stretch in axis.stretches.iter().filter(|stretch| stretch.skipped) {
        let (left, right) = (LABELS + stretch.left, LABELS + stretch.right);
        let pause = between(stretch.from, stretch.to);
        _ = writeln!(
            svg,
            "<rect class=\"pause\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"><title>nothing happened \
             for {pause}</title></rect><text class=\"tick pausing\" x=\"{:.1}\" y=\"16\">{pause}</text>",
            right - left,
            bottom - TOP,
            (left + right) / 2.0
        );
    }
    let mut y = TOP;
    for ((_, step, lane), spans) in lanes.into_iter().take(MOST_LANES) {
        label(&mut svg, y, &if lane == 0 { step.to_owned() } else { String::new() });
        // Of bars that would lie on each other one is drawn, and every one that failed.
        let mut last = f64::NEG_INFINITY;
        for span in spans {
            let left = x(span.began);
            if left >= last + LEAST || span.error().is_some() {
                bar(&mut svg, y, span, began, &x);
                last = left;
            }
        }
        y += ROW;
    }
    if !story.inputs.is_empty() {
        label(&mut svg, y, "questions");
        questions(&mut svg, y, story, &x);
        y += ROW;
    }
    if !story.events.is_empty() {
        label(&mut svg, y, "stream");
        for row in story.events.iter().take(super::MOST_ROWS) {
            let (x, y) = (x(row.at), y + ROW / 2.0);
            let when = offset(row.at.0.saturating_sub(began.0));
            _ = writeln!(
                svg,
                "<circle class=\"event\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{} {} at {when}</title></circle>",
                row.seq,
                escape(&row.tag)
            );
        }
    }
    svg.push_str("</svg>\n");
    if hidden > 0 {
        _ = writeln!(svg, "<p class=\"soft\">… and {hidden} more lanes of attempts at the same time.</p>");
    }
    svg
}

fn label(svg: &mut String, y: f64, text: &str) {
    _ = writeln!(
        svg,
        "<line class=\"row\" x1=\"0\" y1=\"{y:.1}\" x2=\"{WIDTH}\" y2=\"{y:.1}\"/><text class=\"lane\" x=\"{:.1}\" \
         y=\"{:.1}\">{}</text>",
        LABELS - 12.0,
        y + ROW / 2.0,
        escape(&cut(text, 24))
    );
}

fn bar(svg: &mut String, y: f64, span: &Span, began: Time, x: &impl Fn(Time) -> f64) {
    let (left, right) = (x(span.began), x(span.ended()));
    let class = match &span.end {
        End::Done(_) => "done",
        End::Failed { .. } => "failed",
        End::Open { .. } => "open",
    };
    let took = between(span.began, span.ended());
    let mut title = format!("{} {}: {}, {took}", span.step, span.attempt, span.word());
    if let Some(error) = span.error() {
        title += &format!(": {}", error.exception_message);
    }
    let title = format!("{} at {}", title, offset(span.began.0.saturating_sub(began.0)));
    let width = (right - left).max(LEAST);
    _ = writeln!(
        svg,
        "<g class=\"bar {class}\"><title>{}</title><rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" \
         rx=\"3\"/>",
        escape(&title),
        y + 4.0,
        ROW - 8.0
    );
    for wait in &span.waits {
        let (from, to) = (x(wait.from.max(span.began)), x(wait.to.min(span.ended())));
        if to - from >= 1.0 {
            _ = writeln!(
                svg,
                "<rect class=\"wait\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                y + 7.0,
                to - from,
                ROW - 14.0
            );
        }
    }
    if width > 8.0 * took.len() as f64 && span.waits.is_empty() {
        _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{took}</text>", left + width / 2.0, y + ROW / 2.0);
    }
    svg.push_str("</g>\n");
}

fn questions(svg: &mut String, y: f64, story: &Story, x: &impl Fn(Time) -> f64) {
    for input in &story.inputs {
        let closed = match &input.status {
            InputStatus::Answered { at, .. } | InputStatus::Withdrawn { at } | InputStatus::Expired { at } => *at,
            _ => story.ended(),
        };
        let (left, right) = (x(input.opened), x(closed));
        let word = super::became(&input.status);
        _ = writeln!(
            svg,
            "<g class=\"bar question {word}\"><title>input {}: {}, {word}</title><rect x=\"{left:.1}\" y=\"{:.1}\" \
             width=\"{:.1}\" height=\"{:.1}\" rx=\"3\"/></g>",
            input.asked.input,
            escape(&cut(&question(input), 200)),
            y + 7.0,
            (right - left).max(LEAST),
            ROW - 14.0
        );
    }
}

/// The stretches in which something ran or happened.
fn busy(story: &Story) -> Vec<(Time, Time)> {
    let mut all = Vec::new();
    for span in &story.spans {
        let mut from = span.began;
        for wait in &span.waits {
            all.push((from, wait.from.max(from)));
            from = wait.to.max(from);
        }
        // Of one without an end nothing is known after its last wait began.
        let open = span.is_open();
        all.push((from, if open { from } else { span.ended().max(from) }));
    }
    all.extend(story.events.iter().map(|row| (row.at, row.at)));
    all.extend(story.inputs.iter().map(|input| (input.opened, input.opened)));
    all
}
