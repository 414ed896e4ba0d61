//! Edges: where the graph begins, whether it can end, and what leads to what.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use super::names::short;
use super::{Check, Code, nearest};
use crate::condition::Condition;
use crate::document::{Route, StepType};
use crate::plan::{Way, When};

/// The most steps that a step waits for.
const MAX_BEFORE: usize = 1_000;

impl Check<'_> {
    pub(super) fn edges(&mut self) {
        let count = self.steps().len();
        self.ways = vec![Vec::new(); count];
        self.before = vec![Vec::new(); count];
        let mut last_seen = vec![usize::MAX; count];
        let mut by_source: Vec<Vec<(usize, Way)>> = vec![Vec::new(); count];
        let edges = Rc::clone(&self.edges);
        for (at, edge) in edges.iter().enumerate() {
            let source = self.end_of(&edge.source, |check| format!("{}/source", check.edge_at(at)));
            let target = self.end_of(&edge.target, |check| format!("{}/target", check.edge_at(at)));
            let when = edge.when.as_ref().map_or(Some(When::Plain), |when| self.when(&when.0, at));
            let (Some(source), Some(target), Some(when)) = (source, target, when) else { continue };
            if !self.edge_fits(source, target, at) {
                continue;
            }
            by_source[source].push((at, Way { to: target, when }));
        }
        for (source, ways) in by_source.into_iter().enumerate() {
            for (_, way) in ways {
                // Several edges between two steps are one way for who waits.
                if last_seen[way.to] != source {
                    last_seen[way.to] = source;
                    self.before[way.to].push(source);
                }
                self.ways[source].push(way);
            }
            self.fallback(source);
        }
        let last = (0..count).filter(|at| self.ways[*at].is_empty() && self.steps()[*at].parent.is_none()).count();
        if self.route() == Route::All && last > MAX_BEFORE {
            let text = format!("Nothing comes after {last} of the steps; a run would wait for all of them.");
            self.report.error(Code::TooLarge, "", text, "Let at most 1,000 steps be the last, with joins behind them.");
        }
        for at in 0..count {
            if self.route() == Route::All && self.before[at].len() > MAX_BEFORE {
                let text = format!("`{}` waits for {} steps.", self.steps()[at].id, self.before[at].len());
                let hint = "Let at most 1,000 edges lead to a step, with joins in between.";
                self.report.error(Code::TooLarge, self.at(at, "id"), text, hint);
            }
        }
    }

    /// Where an edge is written.
    fn edge_at(&self, edge: usize) -> &str {
        self.edge_places.get(edge).map(String::as_str).unwrap_or_default()
    }

    fn end_of(&mut self, id: &str, place: impl FnOnce(&Self) -> String) -> Option<usize> {
        let found = self.by_id.get(id).copied();
        if found.is_none() {
            let hint = match nearest(id, self.by_id.keys()) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "Name the `id` of a step.".to_owned(),
            };
            self.report.error(Code::UnknownStep, place(self), format!("There is no step `{}`.", short(id)), &hint);
        }
        found
    }

    fn edge_fits(&mut self, source: usize, target: usize, edge: usize) -> bool {
        let (from, to) = (&self.steps()[source], &self.steps()[target]);
        let (text, hint) = if from.step_type == StepType::End {
            (format!("`{}` is an end, nothing comes after it.", from.id), "Remove the edge.")
        } else if to.step_type == StepType::Start {
            (format!("`{}` is the start, nothing leads to it.", to.id), "Lead to the step after it.")
        } else if from.parent.is_some() || to.parent.is_some() {
            let child = if from.parent.is_some() { from } else { to };
            let parent = child.parent.clone().unwrap_or_default();
            (
                format!("`{}` is run by the parallel step `{parent}`, and has no edges of its own.", child.id),
                "Let the edge leave or reach the parallel step.",
            )
        } else {
            return true;
        };
        self.report.error(Code::BadEdge, self.edge_at(edge).to_owned(), text, hint);
        false
    }

    fn when(&mut self, when: &Value, edge: usize) -> Option<When> {
        let word = match when {
            Value::String(word) => Some(word.as_str()),
            Value::Object(fields) => fields.get("type").and_then(Value::as_str),
            _ => None,
        };
        match word {
            Some("always") => return Some(When::Always),
            Some("success" | "on_success") => return Some(When::Success),
            Some("failure" | "on_failure") => return Some(When::Failure),
            Some("otherwise") => return Some(When::Otherwise),
            _ => {}
        }
        let place = |check: &Self| format!("{}/when", check.edge_at(edge));
        let hint =
            "Write `always`, `success`, `failure`, `otherwise`, an object with `type`, or a text such as `a.n > 3`.";
        Some(When::Holds(Box::new(self.condition(when, place, hint)?)))
    }

    pub(super) fn condition(
        &mut self,
        source: &Value,
        place: impl Fn(&Self) -> String + Copy,
        hint: &str,
    ) -> Option<Condition> {
        let condition = match Condition::parse(source) {
            Ok(condition) => condition,
            Err(error) => {
                let place = format!("{}{}", place(self), error.at());
                self.report.error(Code::BadCondition, place, format!("{error}."), hint);
                return None;
            }
        };
        for path in condition.paths() {
            self.look_at(path, place);
        }
        let (keys, none) = (&self.keys, HashMap::new());
        Some(condition.map(&|path| path.bound(keys, &none)))
    }

    /// Where the first edge is taken: whether one always applies, and whether one never does.
    fn fallback(&mut self, source: usize) {
        if self.route() != Route::First || self.ways[source].is_empty() {
            return;
        }
        let count = |what: fn(&When) -> bool| self.ways[source].iter().filter(|way| what(&way.when)).count();
        let conditions = count(|when| matches!(when, When::Holds(_)));
        let plain = count(|when| matches!(when, When::Plain | When::Success));
        let others = count(|when| matches!(when, When::Always | When::Otherwise));
        let id = self.steps()[source].id.clone();
        if plain > 1 {
            let text = format!("{plain} edges of `{id}` have no condition; the last one of them is taken.");
            let hint = "Give the others a condition, or let the graph's `route` be `all`.";
            self.report.warn(Code::Shadowed, self.at(source, "id"), text, hint);
        }
        if conditions > 0 && plain + others == 0 {
            let text = format!("If no condition of the edges of `{id}` holds, the run fails there.");
            self.report.warn(Code::NoFallback, self.at(source, "id"), text, "Add an edge for `otherwise`.");
        }
    }

    /// The steps that a run begins with, if the graph can be run from there.
    pub(super) fn flow(&mut self) -> Option<Vec<usize>> {
        let start = self.begin()?;
        let forward: Vec<Vec<usize>> = self.ways.iter().map(|ways| ways.iter().map(|way| way.to).collect()).collect();
        let reached = spread(start.clone(), &forward);
        let ends = (0..self.steps().len()).filter(|at| self.ways[*at].is_empty() && self.steps()[*at].parent.is_none());
        let ending = spread(ends.collect(), &self.before);
        for at in 0..self.steps().len() {
            if self.steps()[at].parent.is_some() {
                continue;
            }
            let id = &self.steps()[at].id;
            if !reached[at] {
                let text = format!("Nothing leads from the start to `{id}`.");
                self.report.error(Code::Unreachable, self.at(at, "id"), text, "Add an edge to it, or remove it.");
            } else if !ending[at] && self.route() == Route::First {
                let text = format!("Nothing leads from `{id}` to an end: a run that comes here never ends.");
                self.report.error(Code::CannotEnd, self.at(at, "id"), text, "Add an edge that leaves the loop.");
            }
        }
        if self.route() == Route::All {
            self.cycles();
        }
        Some(start)
    }

    fn begin(&mut self) -> Option<Vec<usize>> {
        let starts: Vec<usize> =
            (0..self.steps().len()).filter(|at| self.steps()[*at].step_type == StepType::Start).collect();
        if starts.len() > 1 {
            let names: Vec<&str> = starts.iter().map(|at| self.steps()[*at].id.as_str()).collect();
            let text = format!("A graph has one start, this one has {}: {}.", starts.len(), names.join(", "));
            self.report.error(Code::Start, self.at(starts[1], "type"), text, "Keep one of them.");
            return None;
        }
        if starts.len() == 1 {
            return Some(starts);
        }
        if self.steps().is_empty() {
            let text = "The graph has no steps.".to_owned();
            self.report.error(Code::Start, "", text, "Add a step of the type `start`, and what follows.");
            return None;
        }
        if let Some(named) = self.document.start.clone().filter(|named| named != crate::path::START) {
            return self.end_of(&named, |_| "/start".to_owned()).map(|at| vec![at]);
        }
        let roots: Vec<usize> = (0..self.steps().len())
            .filter(|at| self.before[*at].is_empty() && self.steps()[*at].parent.is_none())
            .collect();
        match (roots.len(), self.route()) {
            (0, _) => {
                let text = "An edge leads to every step, so that the graph begins nowhere.".to_owned();
                self.report.error(Code::Start, "", text, "Add a step of the type `start`, or name one in `start`.");
                None
            }
            (1, _) | (_, Route::All) => Some(roots),
            (_, Route::First) => {
                let names: Vec<&str> = roots.iter().take(8).map(|at| self.steps()[*at].id.as_str()).collect();
                let text = format!("No edge leads to {}; the graph could begin with each of them.", names.join(", "));
                self.report.error(Code::Start, "", text, "Add a step of the type `start`, or name one in `start`.");
                None
            }
        }
    }

    /// Where all edges are taken, a loop would wait for itself.
    fn cycles(&mut self) {
        let mut open: Vec<usize> = self.before.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..open.len()).filter(|at| open[*at] == 0).collect();
        let mut last = vec![usize::MAX; open.len()];
        let mut done = 0;
        while let Some(at) = ready.pop() {
            done += 1;
            for way in &self.ways[at] {
                if std::mem::replace(&mut last[way.to], at) != at {
                    open[way.to] -= 1;
                    if open[way.to] == 0 {
                        ready.push(way.to);
                    }
                }
            }
        }
        if done == open.len() {
            return;
        }
        // From any step that still waits, backwards through such steps: it comes round.
        let Some(mut at) = (0..open.len()).find(|at| open[*at] > 0) else { return };
        let mut place = vec![usize::MAX; open.len()];
        let mut way = Vec::new();
        while place[at] == usize::MAX {
            place[at] = way.len();
            way.push(at);
            let Some(before) = self.before[at].iter().copied().find(|before| open[*before] > 0) else { return };
            at = before;
        }
        let mut names: Vec<&str> = way[place[at]..].iter().map(|at| self.steps()[*at].id.as_str()).collect();
        names.reverse();
        names.insert(0, names[names.len() - 1]);
        let shown = names.iter().take(12).copied().collect::<Vec<_>>().join(" -> ");
        let text = format!("The graph takes all edges, so that it cannot have a loop: {shown}.");
        let hint = "Let the graph's `route` be `first`, or remove an edge of the loop.";
        let (source, target) = (names[0], names[1]);
        let edge = self.edges.iter().position(|edge| edge.source == source && edge.target == target);
        let place = edge.map(|at| self.edge_at(at).to_owned()).unwrap_or_default();
        self.report.error(Code::Cycle, place, text, hint);
    }
}

/// All steps that can be come to from these.
fn spread(from: Vec<usize>, next: &[Vec<usize>]) -> Vec<bool> {
    let mut seen = vec![false; next.len()];
    let mut open = from;
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut seen[at], true) {
            open.extend(next[at].iter().filter(|to| !seen[**to]));
        }
    }
    seen
}
