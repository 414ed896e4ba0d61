//! What is said of a run in a sentence.

use std::collections::BTreeMap;

use stepcast::backend::{Holder, InputStatus, RunStatus};

use crate::text::between;
use crate::timeline::{Story, question};

/// How the run stands, and why.
pub(crate) fn verdict(story: &Story) -> String {
    let record = &story.record;
    let took = between(record.created, record.changed);
    match record.status {
        RunStatus::Completed => format!("completed in {took}."),
        RunStatus::CompletedWithFailures => {
            format!("completed in {took}, and gave up {} on the way.", failed(story))
        }
        RunStatus::Failed => match &story.failure {
            Some(failure) => {
                let step = failure.step.as_deref().map(|step| format!(" in the step `{step}`")).unwrap_or_default();
                let attempts = match failure.attempts {
                    Some(attempts) if attempts > 1 => format!(" after {attempts} attempts"),
                    _ => String::new(),
                };
                format!("failed{step}{attempts}: {}", failure.message)
            }
            None => format!("failed after {took}."),
        },
        RunStatus::Cancelled => format!("was cancelled after {took}."),
        RunStatus::TimedOut => match &story.failure {
            Some(failure) => format!("used up its time: {}", failure.message),
            None => format!("used up its time after {took}."),
        },
        _ if record.holder == Holder::Nobody && story.mail > 0 => {
            let what = if story.mail == 1 { "an answer or event" } else { "answers or events" };
            format!("has {what} that nobody has taken yet. `stepcast resume` goes on with it.")
        }
        RunStatus::Waiting => waits_for(story),
        RunStatus::Running if record.holder == Holder::Nobody => {
            "was interrupted: nobody drives it. `stepcast resume` goes on where it was.".to_owned()
        }
        _ => match under_way(story) {
            steps if steps.is_empty() => "is running.".to_owned(),
            steps => format!("is running; under way: {}.", steps.join(", ")),
        },
    }
}

fn waits_for(story: &Story) -> String {
    let mut pending = story.inputs.iter().filter(|input| input.status == InputStatus::Pending);
    if let Some(input) = pending.next() {
        let prompt = question(input);
        let more = match pending.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        return format!("waits for an answer to input {} of `{}`: {prompt}{more}", input.asked.input, input.asked.step);
    }
    let waits = story.spans.iter().flat_map(|span| span.waits.iter().map(move |wait| (span, wait)));
    match waits.rev().find(|(_, wait)| wait.open) {
        Some((span, wait)) => format!("waits for `{}` in the step `{}`.", wait.event, span.step),
        None => match story.record.due {
            Some(due) => format!("waits until {}.", crate::text::date(due)),
            None => "waits for an event from outside.".to_owned(),
        },
    }
}

/// The steps that have begun and not ended, with how many executions of each there are.
fn under_way(story: &Story) -> Vec<String> {
    let mut steps: BTreeMap<&str, usize> = BTreeMap::new();
    story.alive.values().for_each(|alive| *steps.entry(&alive.step).or_default() += 1);
    let named = |(step, many)| if many == 1 { format!("`{step}`") } else { format!("{many} of `{step}`") };
    steps.into_iter().map(named).collect()
}

fn failed(story: &Story) -> String {
    let last = story.spans.iter().filter(|span| span.word() == "failed").count();
    match last {
        0 => "some executions".to_owned(),
        1 => "1 execution".to_owned(),
        many => format!("{many} executions"),
    }
}
