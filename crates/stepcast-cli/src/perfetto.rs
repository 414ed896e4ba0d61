//! A run as trace events, the JSON that Perfetto and Chrome read: a track for each lane of a step with a slice for each
//! attempt, its waits within, and marks for what happened at an instant.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use stepcast::backend::InputStatus;
use stepcast::engine::Time;

use crate::text::cut;
use crate::timeline::{End, Span, Story, answer, event_data, question};

/// The process that all tracks are of.
const RUN: u64 = 1;
/// The tracks that are no steps.
const WHOLE: u64 = 1;
const STREAM: u64 = 2;
const QUESTIONS: u64 = 3;
const FIRST_STEP: u64 = 10;

pub(crate) fn trace(story: &Story) -> Value {
    let mut tracks = BTreeMap::new();
    for span in &story.spans {
        let next = FIRST_STEP + tracks.len() as u64;
        tracks.entry((span.step.as_str(), span.lane)).or_insert(next);
    }
    let record = &story.record;
    let mut all = vec![json!({
        "ph": "M", "name": "process_name", "pid": RUN, "tid": 0,
        "args": { "name": format!("{} {}", record.workflow, record.run) },
    })];
    name(&mut all, WHOLE, "run");
    name(&mut all, STREAM, "stream events");
    name(&mut all, QUESTIONS, "questions");
    let (began, ended) = (story.began(), story.ended());
    all.push(slice(&record.workflow, "run", WHOLE, (began, ended), json!({ "status": record.status.name() })));
    for ((step, lane), track) in &tracks {
        let name_of = if *lane == 0 { (*step).to_owned() } else { format!("{step} #{}", lane + 1) };
        name(&mut all, *track, &name_of);
    }
    for span in &story.spans {
        let track = tracks.get(&(span.step.as_str(), span.lane)).copied().unwrap_or(FIRST_STEP);
        attempt(&mut all, span, track);
    }
    for row in &story.events {
        all.push(instant(&row.tag, "stream", STREAM, row.at, json!({ "seq": row.seq, "event": event_data(row) })));
    }
    for input in &story.inputs {
        let prompt = question(input);
        let asked = json!({ "input": input.asked.input, "step": input.asked.step, "prompt": prompt });
        all.push(instant(&format!("asked: {}", cut(&prompt, 60)), "question", QUESTIONS, input.opened, asked));
        let closed = match &input.status {
            InputStatus::Answered { by, at, .. } => {
                Some((*at, "answered", json!({ "answer": answer(input), "by": by })))
            }
            InputStatus::Expired { at } => Some((*at, "expired", json!({}))),
            InputStatus::Withdrawn { at } => Some((*at, "withdrawn", json!({}))),
            _ => None,
        };
        if let Some((at, word, args)) = closed {
            all.push(instant(word, "question", QUESTIONS, at, args));
        }
    }
    let lanes: HashMap<u64, usize> = story.spans.iter().map(|span| (span.execution, span.lane)).collect();
    for call in &story.calls {
        // What only the snapshot has, has no time.
        let Some(at) = call.at else { continue };
        let step = call.step.as_deref().unwrap_or_default();
        let lane = lanes.get(&call.execution).copied().unwrap_or(0);
        let track = tracks.get(&(step, lane)).copied().unwrap_or(WHOLE);
        let args = json!({ "why": call.why, "usage": call.usage, "result": call.result });
        all.push(instant(&format!("{} {}", call.decision, call.label), "call", track, at, args));
    }
    json!({ "displayTimeUnit": "ms", "traceEvents": all })
}

fn attempt(all: &mut Vec<Value>, span: &Span, track: u64) {
    let (began, ended) = (span.began, span.ended());
    let name = if span.attempt > 1 { format!("{} (attempt {})", span.step, span.attempt) } else { span.step.clone() };
    let mut args = json!({ "execution": span.execution, "attempt": span.attempt, "end": span.word() });
    if !span.outputs.is_empty() {
        args["outputs"] = json!(span.outputs);
    }
    if let End::Failed { error, .. } = &span.end {
        args["error"] = json!(error.exception_message);
    }
    all.push(slice(&name, "attempt", track, (began, ended), args));
    for wait in &span.waits {
        // Within the attempt, whatever the clock did.
        let (from, to) = (wait.from.clamp(began, ended), wait.to.clamp(began, ended));
        all.push(slice(&format!("waits for {}", wait.event), "wait", track, (from, to), json!({})));
    }
}

fn name(all: &mut Vec<Value>, track: u64, name: &str) {
    all.push(json!({ "ph": "M", "name": "thread_name", "pid": RUN, "tid": track, "args": { "name": name } }));
    let order = json!({ "sort_index": track });
    all.push(json!({ "ph": "M", "name": "thread_sort_index", "pid": RUN, "tid": track, "args": order }));
}

/// A stretch of time. Times are microseconds, as a run has them.
fn slice(name: &str, kind: &str, track: u64, (from, to): (Time, Time), args: Value) -> Value {
    json!({
        "ph": "X", "name": name, "cat": kind, "pid": RUN, "tid": track,
        "ts": from.0, "dur": to.0.saturating_sub(from.0), "args": args,
    })
}

fn instant(name: &str, kind: &str, track: u64, at: Time, args: Value) -> Value {
    json!({ "ph": "i", "s": "t", "name": name, "cat": kind, "pid": RUN, "tid": track, "ts": at.0, "args": args })
}
