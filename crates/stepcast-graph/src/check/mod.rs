//! The check of a document: everything that is wrong with it at once, in a time linear in its size.

mod child;
mod flow;
mod issue;
mod names;
mod shape;
mod works;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value;

pub use issue::{Code, Issue, Report, Severity};

use crate::document::{Document, Edge, Failure, GraphStep, Retry, Route, StepType, Task, read};
use crate::host::Host;
use crate::path::Path;
use crate::plan::{Plan, Way, Work};

/// The most steps, and the most edges.
const MAX_SIZE: usize = 100_000;

/// What a check knows while it looks at a document.
pub(crate) struct Check<'h> {
    pub(crate) report: Report,
    /// Without its steps and edges.
    pub(crate) document: Document,
    // Held apart, so that they can be looked at while the check makes notes.
    pub(crate) steps: Rc<Vec<GraphStep>>,
    pub(crate) edges: Rc<Vec<Edge>>,
    pub(crate) step_places: Vec<String>,
    pub(crate) edge_places: Vec<String>,
    pub(crate) host: &'h Host,
    /// Steps by name.
    pub(crate) by_id: HashMap<String, usize>,
    /// Keys of the context that a step's name stands for.
    pub(crate) keys: HashMap<String, String>,
    /// All that a path may begin with, beside the names of steps.
    pub(crate) roots: HashSet<String>,
    pub(crate) ways: Vec<Vec<Way>>,
    pub(crate) before: Vec<Vec<usize>>,
    pub(crate) children: Vec<Vec<usize>>,
}

/// All that is to be said of a document.
pub(crate) fn report(source: &Value, host: &Host) -> Report {
    look(source, host).0.report
}

/// Checks a document for a host; a plan of it, unless there are errors.
pub(crate) fn check(source: &Value, host: &Host) -> (Report, Document, Option<Plan>) {
    let (mut check, found) = look(source, host);
    let plan = found.filter(|_| check.report.is_ok()).map(|(start, works)| check.plan(start, works));
    let Check { report, mut document, steps, edges, .. } = check;
    (document.steps, document.edges) = (Rc::unwrap_or_clone(steps), Rc::unwrap_or_clone(edges));
    (report, document, plan)
}

/// With which steps the graph begins, and what each of its steps does.
type Found = (Vec<usize>, Vec<Option<Work>>);

fn look<'h>(source: &Value, host: &'h Host) -> (Check<'h>, Option<Found>) {
    let mut read = read(source);
    let (steps, edges) = (std::mem::take(&mut read.document.steps), std::mem::take(&mut read.document.edges));
    let mut check = Check {
        report: Report::default(),
        document: read.document,
        steps: Rc::new(names::with_ends(steps, &edges)),
        edges: Rc::new(edges),
        step_places: read.step_places,
        edge_places: read.edge_places,
        host,
        by_id: HashMap::new(),
        keys: HashMap::new(),
        roots: HashSet::new(),
        ways: Vec::new(),
        before: Vec::new(),
        children: Vec::new(),
    };
    for fault in read.faults {
        if fault.ignored {
            let hint = "Remove it, or correct its name.";
            check.report.warn(Code::UnknownField, fault.pointer, fault.text, hint);
        } else {
            let hint = "The JSON Schema of graphs says what goes where.";
            check.report.error(Code::Form, fault.pointer, fault.text, hint);
        }
    }
    // An end that was not written counts for nothing.
    if check.step_places.len() > MAX_SIZE || check.edges.len() > MAX_SIZE {
        let text = format!("A graph has at most {MAX_SIZE} steps and as many edges.");
        check.report.error(Code::TooLarge, "", text, "Make several graphs of it, and run them as subgraphs.");
        return (check, None);
    }
    check.names();
    check.tree();
    check.edges();
    let works = check.works();
    let found = check.flow().map(|start| (start, works));
    (check, found)
}

impl Check<'_> {
    pub(crate) fn steps(&self) -> &[GraphStep] {
        &self.steps
    }

    pub(crate) fn route(&self) -> Route {
        self.document.route.unwrap_or_default()
    }

    /// Where a field of a step is written.
    pub(crate) fn at(&self, step: usize, field: &str) -> String {
        match self.step_places.get(step) {
            Some(place) => format!("{place}/{field}"),
            None => String::new(),
        }
    }

    /// The task that a step names or has.
    pub(crate) fn task(&self, step: usize) -> Option<&Task> {
        let step = &self.steps[step];
        step.task.as_ref().or_else(|| {
            let id = step.task_id.as_ref()?;
            self.document.tasks.iter().find(|task| task.id == *id)
        })
    }

    fn retry(&self, step: usize) -> Option<Retry> {
        let own = self.steps[step].retry.as_ref();
        own.or_else(|| self.task(step)?.retry.as_ref()).or(self.document.retry.as_ref()).cloned()
    }

    /// What a step's failure does: as the step says, or its task, or the graph; else it goes on where there is a way for it.
    fn on_failure(&self, step: usize) -> Failure {
        let own = &self.steps[step];
        let said = own.on_failure.or_else(|| self.task(step)?.on_failure);
        if let Some(said) = said {
            return said;
        }
        // The parallel step decides what the failure of one of its steps means.
        if own.parent.is_some() {
            return Failure::Continue;
        }
        let handled = self.ways[step].iter().any(Way::takes_failures);
        self.document.on_failure.unwrap_or(if handled { Failure::Continue } else { Failure::Fail })
    }

    /// Takes what it can out of the check.
    fn plan(&mut self, start: Vec<usize>, works: Vec<Option<Work>>) -> Plan {
        let steps = Rc::clone(&self.steps);
        let steps = steps.iter().zip(works).enumerate().map(|(at, (step, work))| crate::plan::Step {
            id: step.id.clone(),
            key: self.keys.get(&step.id).cloned().unwrap_or_else(|| step.id.clone()),
            work: work.unwrap_or(Work::Join),
            retry: self.retry(at),
            on_failure: self.on_failure(at),
            timeout: match step.step_type {
                StepType::Human => None,
                _ => step.timeout.as_deref().and_then(|text| shape::duration(text).ok()),
            },
            missing: step.missing.or(self.document.missing).unwrap_or_default(),
            ways: std::mem::take(&mut self.ways[at]),
            before: std::mem::take(&mut self.before[at]),
            parent: step.parent.as_ref().and_then(|parent| self.by_id.get(parent).copied()),
            children: std::mem::take(&mut self.children[at]),
        });
        let steps = steps.collect();
        Plan { id: self.document.id.clone(), version: self.document.version, route: self.route(), start, steps }
    }

    /// Tells of a path that begins with nothing that there is.
    pub(crate) fn look_at(&mut self, path: &Path, place: impl FnOnce(&Self) -> String) {
        let root = path.root();
        let known =
            root == "input" || root == crate::path::START || self.by_id.contains_key(root) || self.roots.contains(root);
        if !known {
            let text = format!("The path `{path}` begins with `{root}`, which is no step and no key of this graph.");
            let hint = match nearest(root, self.by_id.keys().chain(&self.roots)) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => "Begin with a step's `id`, an `output_key`, or `input`.".to_owned(),
            };
            self.report.error(Code::UnknownPath, place(self), text, &hint);
        }
    }
}

/// The name that is most like a mistaken one, if one is like it at all.
pub(crate) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n String>) -> Option<&'n String> {
    // A long list is not searched: the check stays linear.
    let all = names.take(256).map(|known| (distance(name, known), known));
    let (far, near) = all.min_by_key(|(far, known)| (*far, known.len(), (*known).clone()))?;
    (far <= name.chars().count().div_ceil(3)).then_some(near)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut above = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (above + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            above = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}
