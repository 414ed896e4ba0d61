//! What the meaning of a journal's rows rests on, part by part: whether a changed definition reads a row as the one did
//! that it was written under.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::definition::{StepDef, Taker, WorkflowDef};
use crate::hash;

/// A number for each part of a definition that rows refer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Of each step: what it takes, waits for and opens, and what becomes of its failures.
    pub(super) steps: BTreeMap<String, u64>,
    /// Of each event, by tag: its role, who takes it, and whether anybody may wait for it.
    pub(super) events: BTreeMap<String, u64>,
    /// Of what concerns every row.
    pub(super) whole: u64,
}

/// The parts of a definition as a text: what a store keeps of it with each run.
pub fn describe(def: &WorkflowDef) -> String {
    serde_json::to_string(&Shape::of(def)).unwrap_or_default()
}

impl Shape {
    /// The parts of a definition.
    pub fn of(def: &WorkflowDef) -> Self {
        let steps = def.steps.iter().map(|step| (step.name.clone(), number(&step_lines(def, step)))).collect();
        let events = (0..).zip(&def.events).map(|(ix, event)| {
            let mut lines = vec![format!("event {} {:?} {}", event.meta.tag, event.meta.role, event.waited)];
            for taker in def.takers(ix) {
                lines.push(match taker {
                    Taker::Single(step) => format!("single {}", def.step(*step).name),
                    other => format!("{other:?}"),
                });
            }
            (event.meta.tag.to_owned(), number(&lines))
        });
        Shape { steps, events: events.collect(), whole: number(&whole_lines(def)) }
    }
}

/// What the fingerprint of a definition is made of, for one step.
pub(super) fn step_lines(def: &WorkflowDef, step: &StepDef) -> Vec<String> {
    let tag = |ix: &u32| def.event(*ix).tag;
    let mut lines = vec![
        format!("step {} {:?} {:?}", step.name, step.shape, step.on_failure),
        format!("takes {:?}", step.inputs.iter().map(tag).collect::<Vec<_>>()),
        format!("waits {:?}", step.waits.iter().map(tag).collect::<Vec<_>>()),
    ];
    for opener in &step.openers {
        let collectors = opener.collectors.iter().map(|step| &def.steps[*step as usize].name);
        lines.push(format!("opens {} {:?}", opener.kind, collectors.collect::<Vec<_>>()));
    }
    let budget = step.catch.as_ref().map(|catch| catch.max_recoveries);
    let caught_by = step.caught_by.map(|step| &def.steps[step as usize].name);
    lines.push(format!("catches {budget:?}, caught by {caught_by:?}"));
    lines
}

/// What it is made of that concerns every row.
pub(super) fn whole_lines(def: &WorkflowDef) -> Vec<String> {
    let (start, stop) = (def.event(def.start()).tag, def.event(def.stop()).tag);
    let policy = &def.policy;
    vec![format!("start {start} stop {stop} keeps {} {}", policy.max_mailbox, policy.max_collect)]
}

fn number(lines: &[String]) -> u64 {
    lines.iter().fold(hash::fnv1a(""), |sum, line| hash::extend(hash::extend(sum, line.as_bytes()), b"\n"))
}
