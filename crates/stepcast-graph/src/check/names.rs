//! Names of steps, keys of the context, and which steps are run by others.

use std::rc::Rc;

use super::{Check, Code};
use crate::document::{Action, Edge, GraphStep, StepType, Wanted};

/// The longest name.
const MAX_NAME: usize = 128;

/// Edges may lead to `end` without there being such a step.
pub(super) fn with_ends(mut steps: Vec<GraphStep>, edges: &[Edge]) -> Vec<GraphStep> {
    if edges.iter().any(|edge| edge.target == "end") && !steps.iter().any(|step| step.id == "end") {
        steps.push(GraphStep::new("end", StepType::End));
    }
    steps
}

impl Check<'_> {
    pub(super) fn names(&mut self) {
        let id = self.document.id.clone();
        if let Some(text) = fault_of(&id).filter(|_| !id.is_empty() || self.report.is_ok()) {
            self.report.error(Code::BadId, "/id", format!("The graph's name {text}."), NAME_HINT);
        }
        let steps = Rc::clone(&self.steps);
        for (at, step) in steps.iter().enumerate() {
            let id = &step.id;
            if let Some(text) = fault_of(id) {
                self.report.error(
                    Code::BadId,
                    self.at(at, "id"),
                    format!("The name `{}` {text}.", short(id)),
                    NAME_HINT,
                );
            } else if id == "input" || id == "context" {
                let text = format!("`{id}` has a meaning of its own in paths.");
                self.report.error(Code::BadId, self.at(at, "id"), text, "Give the step another name.");
            }
            if let Some(first) = self.by_id.get(id) {
                let text = format!("Two steps are named `{}`; the first is at {}.", short(id), self.at(*first, "id"));
                self.report.error(Code::DuplicateId, self.at(at, "id"), text, "Rename one of them.");
                continue;
            }
            self.by_id.insert(id.clone(), at);
            if step.step_type == StepType::Start {
                self.keys.insert(id.clone(), crate::path::START.to_owned());
                // The run's input has a key of its own, whatever the step says.
                continue;
            }
            let key = step.output_key.as_ref().or_else(|| self.task(at)?.output_key.as_ref()).cloned();
            let sets = step.action == Some(Action::Set) || step.values.is_some();
            let values: Vec<String> = match &step.values {
                Some(values) if sets => values.keys().cloned().collect(),
                _ => Vec::new(),
            };
            for key in key.iter().chain(&values) {
                if let Some(text) = fault_of(key) {
                    let text = format!("The key `{}` {text}.", short(key));
                    self.report.error(Code::BadId, self.at(at, "output_key"), text, NAME_HINT);
                } else if key == "input" || key == "context" || key == crate::path::START {
                    let text = format!("The key `{key}` has a meaning of its own in paths.");
                    self.report.error(Code::BadId, self.at(at, "output_key"), text, "Choose another one.");
                }
            }
            self.roots.extend(values);
            if let Some(key) = key {
                self.roots.insert(key.clone());
                self.keys.insert(id.clone(), key);
            }
        }
    }

    /// Which steps are run by which parallel ones.
    pub(super) fn tree(&mut self) {
        self.children = vec![Vec::new(); self.steps().len()];
        for at in 0..self.steps().len() {
            let Some(parent) = self.steps()[at].parent.clone() else { continue };
            let place = self.at(at, "parent");
            let Some(&above) = self.by_id.get(&parent) else {
                let text = format!("There is no step `{}` that could run this one.", short(&parent));
                self.report.error(Code::UnknownStep, place, text, "Name a step of the type `parallel`.");
                continue;
            };
            if self.steps()[above].step_type != StepType::Parallel {
                let text =
                    format!("`{parent}` is of the type `{}` and runs no steps.", self.steps()[above].step_type.word());
                self.report.error(Code::BadParallel, place, text, "Name a step of the type `parallel`.");
                continue;
            }
            let kind = self.steps()[at].step_type;
            if matches!(kind, StepType::Start | StepType::End | StepType::Join) {
                let text = format!("A step of the type `{}` cannot be run by a parallel one.", kind.word());
                self.report.error(Code::BadParallel, place, text, "Take its `parent` away.");
                continue;
            }
            self.children[above].push(at);
        }
        self.nested_in_itself();
        for at in 0..self.steps().len() {
            if self.steps()[at].step_type != StepType::Parallel {
                continue;
            }
            let (count, place) = (self.children[at].len(), self.at(at, "join"));
            if let Some(Wanted::Count(wanted)) = self.steps()[at].join
                && wanted as usize > count
            {
                let text = format!("It waits for {wanted} steps, but runs {count}.");
                self.report.error(Code::BadParallel, place, text, "Wait for as many as there are, or fewer.");
            } else if count == 0 {
                let text = format!("The parallel step `{}` runs nothing.", self.steps()[at].id);
                let hint = "Give the steps that it is to run its `id` as their `parent`.";
                self.report.warn(Code::BadParallel, self.at(at, "id"), text, hint);
            }
        }
    }

    /// A step whose parents lead back to it.
    fn nested_in_itself(&mut self) {
        let above = |at: usize, check: &Self| {
            let parent = check.steps()[at].parent.as_ref()?;
            check.by_id.get(parent).copied()
        };
        // 0: not looked at, 1: on the way up, 2: leads out.
        let mut seen = vec![0_u8; self.steps().len()];
        for from in 0..self.steps().len() {
            let (mut at, mut way) = (Some(from), Vec::new());
            while let Some(step) = at.filter(|step| seen[*step] == 0) {
                seen[step] = 1;
                way.push(step);
                at = above(step, self);
            }
            if let Some(step) = at.filter(|step| seen[*step] == 1) {
                let text = format!("The parallel step `{}` would run itself.", self.steps()[step].id);
                self.report.error(Code::BadParallel, self.at(step, "parent"), text, "Take a `parent` away.");
            }
            way.into_iter().for_each(|step| seen[step] = 2);
        }
    }
}

const NAME_HINT: &str = "Use up to 128 letters, digits, `_`, `-`, `:` and `/`.";

fn fault_of(name: &str) -> Option<&'static str> {
    let known = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | ':' | '/');
    if name.is_empty() {
        Some("is empty")
    } else if name.len() > MAX_NAME {
        Some("is too long")
    } else if !name.chars().all(known) {
        Some("has letters in it that it cannot have")
    } else {
        None
    }
}

/// A name as a message shows it.
pub(crate) fn short(name: &str) -> String {
    if name.chars().count() <= 64 { name.to_owned() } else { name.chars().take(60).chain("…".chars()).collect() }
}
