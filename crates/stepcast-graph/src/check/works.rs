//! What each step does, by its type.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};
use stepcast_core::{Catalogue, EventSet, ParamSpec, StepSpec};

use super::shape::duration;
use super::{Check, Code, nearest};
use crate::document::{Action, GraphStep, Route, StepType, Target, Task, Wanted};
use crate::host::Lookup;
use crate::path::Path;
use crate::plan::{HumanWork, Input, RunWork, Transform, Work};
use crate::template::{JsonTemplate, Template};

type Aliases = HashMap<String, Path>;

impl Check<'_> {
    pub(super) fn works(&mut self) -> Vec<Option<Work>> {
        let tasks: HashMap<String, usize> =
            self.document.tasks.iter().enumerate().map(|(at, task)| (task.id.clone(), at)).collect();
        for at in 0..self.document.tasks.len() {
            if let Some(fault) = self.document.tasks[at].retry.as_ref().and_then(|retry| retry.fault()) {
                self.report.error(
                    Code::BadValue,
                    format!("/tasks/{at}/retry"),
                    format!("{fault}."),
                    "Correct the number.",
                );
            }
        }
        if let Some(fault) = self.document.retry.as_ref().and_then(|retry| retry.fault()) {
            self.report.error(Code::BadValue, "/retry", format!("{fault}."), "Correct the number.");
        }
        (0..self.steps().len()).map(|at| self.work(at, &tasks)).collect()
    }

    fn work(&mut self, at: usize, tasks: &HashMap<String, usize>) -> Option<Work> {
        let steps = Rc::clone(&self.steps);
        let step = &steps[at];
        if let Some(fault) = step.retry.as_ref().and_then(|retry| retry.fault()) {
            self.report.error(Code::BadValue, self.at(at, "retry"), format!("{fault}."), "Correct the number.");
        }
        let task = match (&step.task, &step.task_id) {
            (Some(_), Some(_)) => {
                let text = "A step has a `task` or names one with `task_id`, not both.".to_owned();
                self.report.error(Code::BadValue, self.at(at, "task_id"), text, "Remove one of them.");
                None
            }
            (Some(task), None) => Some(task.clone()),
            (None, Some(id)) => match tasks.get(id) {
                Some(task) => Some(self.document.tasks[*task].clone()),
                None => {
                    let text = format!("There is no task `{id}`.");
                    self.report.error(Code::UnknownTask, self.at(at, "task_id"), text, "Add it to `tasks`.");
                    None
                }
            },
            (None, None) => None,
        };
        match step.step_type {
            StepType::Start => Some(Work::Start),
            StepType::End => {
                let given = step.input.is_some() || step.input_key.is_some() || !step.input_bindings.is_empty();
                let (input, _) = self.input(at, step, None);
                Some(Work::End { input: given.then_some(input) })
            }
            StepType::Step => self.function_step(at, step),
            StepType::Agent | StepType::Orchestration | StepType::Notification => {
                self.runner_step(at, step, task.as_ref())
            }
            StepType::Human => self.human(at, step),
            StepType::Function => self.transform_step(at, step),
            StepType::Condition => {
                let condition = self.required(at, "condition", step.condition.as_ref())?;
                let hint = "Write an object with `type`, or a text such as `a.n > 3`.";
                let condition = self.condition(condition, |check| check.at(at, "condition"), hint)?;
                Some(Work::Condition { condition })
            }
            StepType::Switch => {
                let path = self.required(at, "path", step.path.as_ref())?;
                self.path(at, "path", path, &Aliases::new()).map(|path| Work::Pick { path })
            }
            StepType::Log => {
                let message =
                    step.message.as_ref().and_then(|text| self.template(at, "message", text, &Aliases::new()));
                let paths = step.paths.as_ref().map(|paths| {
                    paths.iter().filter_map(|path| self.path(at, "paths", path, &Aliases::new())).collect()
                });
                Some(Work::Log { message, paths })
            }
            StepType::Parallel => Some(Work::Parallel { join: step.join.unwrap_or_default() }),
            StepType::Join => {
                if self.route() == Route::First {
                    let text = "A `join` waits for several steps, but this graph takes one edge at a time.".to_owned();
                    let hint = "Let the graph's `route` be `all`, or use a `parallel` step.";
                    self.report.error(Code::BadValue, self.at(at, "type"), text, hint);
                } else if self.before[at].is_empty() {
                    let text = "No edge leads to the `join`: it would wait for nothing.".to_owned();
                    self.report.error(
                        Code::BadEdge,
                        self.at(at, "id"),
                        text,
                        "Let the steps that it waits for lead to it.",
                    );
                }
                let before = self.before[at].len();
                Some(match step.join.unwrap_or_default() {
                    Wanted::All => Work::Join,
                    Wanted::Any => Work::First(1),
                    Wanted::Count(wanted) => {
                        let wanted = wanted as usize;
                        if wanted > before && before > 0 {
                            let text = format!("It waits for {wanted} steps, but {before} lead to it.");
                            let hint = "Wait for as many as there are, or fewer.";
                            self.report.error(Code::BadValue, self.at(at, "join"), text, hint);
                        }
                        Work::First(wanted)
                    }
                })
            }
            StepType::Subgraph => self.child(at, step),
        }
    }

    fn required<'v, T>(&mut self, at: usize, field: &str, value: Option<&'v T>) -> Option<&'v T> {
        if value.is_none() {
            let kind = self.steps()[at].step_type.word();
            let text = format!("The step `{}` is of the type `{kind}` and has no `{field}`.", self.steps()[at].id);
            let place = self.step_places.get(at).cloned().unwrap_or_default();
            self.report.error(Code::MissingField, place, text, &format!("Add `{field}`."));
        }
        value
    }

    fn function_step(&mut self, at: usize, step: &GraphStep) -> Option<Work> {
        let name = self.required(at, "use", step.uses.as_ref())?;
        let (input, _) = self.input(at, step, None);
        if self.host.allows_anything() {
            return None;
        }
        let place = self.at(at, "use");
        match self.host.step_named(name) {
            Ok(spec) => {
                if let Some(text) = not_callable(spec) {
                    let text = format!("The function `{name}` {text}.");
                    let hint = "Use a `#[step]` function that takes one event and returns what it has to say.";
                    self.report.error(Code::BadReference, place, text, hint);
                    return None;
                }
                Some(Work::Use { spec, input })
            }
            Err(Lookup::Several(names)) => {
                let text = format!("Several steps are named `{name}`: {}.", names.join(", "));
                self.report.error(Code::UnknownReference, place, text, "Write the path of the one that is meant.");
                None
            }
            Err(Lookup::Unknown) => {
                let text = format!("No `#[step]` function `{name}` is linked or added");
                match Catalogue::global() {
                    Ok(_) => self.unknown(place, &text, name, self.host.step_names().iter()),
                    Err(error) => {
                        let hint =
                            format!("Nothing that is linked can be looked up: {error} Add the step to the `Host`.");
                        self.report.error(Code::UnknownReference, place, format!("{text}."), &hint);
                    }
                }
                None
            }
        }
    }

    fn runner_step(&mut self, at: usize, step: &GraphStep, task: Option<&Task>) -> Option<Work> {
        let by_name = step.agent.clone().map(Target::Id);
        let target = step.target.clone().or(by_name).or_else(|| task?.target.clone());
        let target = self.required(at, "target", target.as_ref())?.clone();
        let (input, aliases) = self.input(at, step, task);
        let prompt = step.prompt.as_ref().or_else(|| task?.prompt.as_ref()).cloned();
        let prompt = prompt.and_then(|text| self.template(at, "prompt", &text, &aliases));
        let before = step.input_transform.as_ref().or_else(|| task?.input_transform.as_ref()).cloned();
        let before = before.and_then(|name| self.transform(at, "input_transform", &name));
        let after = step.output_transform.as_ref().or_else(|| task?.output_transform.as_ref()).cloned();
        let after = after.and_then(|name| self.transform(at, "output_transform", &name));
        if self.host.allows_anything() {
            return None;
        }
        let place = self.at(at, if step.target.is_none() && step.agent.is_some() { "agent" } else { "target" });
        let known = match &target {
            Target::Id(name) => {
                let known = self.host.runner_named(name);
                if known.is_none() {
                    let names = self.host.runner_names();
                    self.unknown(place, &format!("There is no runner `{name}`"), name, names);
                }
                known
            }
            Target::Capabilities(wanted) => match self.host.runner_capable(wanted) {
                Ok(known) => Some(known),
                Err(lookup) => {
                    let wanted = wanted.join(", ");
                    let text = match lookup {
                        Lookup::Unknown => format!("No runner is capable of {wanted}."),
                        Lookup::Several(names) => {
                            format!("Several runners are capable of {wanted}: {}.", names.join(", "))
                        }
                    };
                    let hint = "Ask for capabilities that exactly one runner has, or name the runner.";
                    self.report.error(Code::UnknownReference, place, text, hint);
                    None
                }
            },
        }?;
        Some(Work::Run(Box::new(RunWork {
            runner: std::sync::Arc::clone(&known.runner),
            kind: step.step_type.word(),
            target: known.name.clone(),
            prompt,
            input,
            before,
            after,
            config: step.config.clone(),
        })))
    }

    fn human(&mut self, at: usize, step: &GraphStep) -> Option<Work> {
        self.required(at, "prompt", step.prompt.as_ref())?;
        let given = step.input.is_some() || step.input_key.is_some() || !step.input_bindings.is_empty();
        let (input, aliases) = self.input(at, step, None);
        let prompt = step.prompt.as_ref().and_then(|text| self.template(at, "prompt", text, &aliases));
        let timeout = step.timeout.as_ref().and_then(|text| self.duration(at, "timeout", text));
        if step.schema.as_ref().is_some_and(|schema| !schema.is_object() && !schema.is_boolean()) {
            let text = "`schema` is a JSON Schema: an object.".to_owned();
            self.report.error(Code::BadValue, self.at(at, "schema"), text, "Write one, or remove it.");
        }
        let (choices, schema) = (step.choices.clone(), step.schema.clone());
        Some(Work::Human(Box::new(HumanWork { prompt, input: given.then_some(input), choices, schema, timeout })))
    }

    fn transform_step(&mut self, at: usize, step: &GraphStep) -> Option<Work> {
        let (input, aliases) = self.input(at, step, None);
        let config = step.config.clone();
        if let Some(name) = &step.transform_id {
            let transform = self.transform(at, "transform_id", name)?;
            return Some(Work::Transform { transform, input, config });
        }
        let action = match step.action {
            Some(action) => action,
            None if step.function.is_some() => Action::Custom,
            None if step.values.is_some() => Action::Set,
            None if step.template.is_some() => Action::Template,
            None if step.delay.is_some() => Action::Delay,
            None if step.path.is_some() => Action::Pick,
            None => {
                self.required::<Action>(at, "action", None);
                return None;
            }
        };
        match action {
            Action::Identity => Some(Work::Transform { transform: Transform::Identity, input, config }),
            Action::Pick => match &step.path {
                Some(path) => self.path(at, "path", path, &aliases).map(|path| Work::Pick { path }),
                None => Some(Work::Transform { transform: Transform::Content, input, config }),
            },
            Action::Template => {
                let template = step.template.as_ref().or(step.config.get("mapping"));
                let template = self.required(at, "template", template)?;
                self.json(at, "template", template, &aliases).map(|template| Work::Template { template })
            }
            Action::Set => {
                let values = self.required(at, "values", step.values.as_ref())?.clone();
                Some(Work::Set { values })
            }
            Action::Delay => {
                let text = self.required(at, "delay", step.delay.as_ref())?;
                self.duration(at, "delay", text).map(|time| Work::Delay { time })
            }
            Action::Custom => {
                let name = step.function.as_ref().or(step.name.as_ref());
                let name = self.required(at, "function", name)?;
                let transform = self.transform(at, "function", name)?;
                Some(Work::Transform { transform, input, config })
            }
        }
    }

    fn unknown<'n>(&mut self, place: String, text: &str, name: &str, known: impl Iterator<Item = &'n String>) {
        let hint = match nearest(name, known) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => "Add it to the `Host`.".to_owned(),
        };
        self.report.error(Code::UnknownReference, place, format!("{text}."), &hint);
    }

    /// What a step works on, and what its aliases stand for.
    pub(super) fn input(&mut self, at: usize, step: &GraphStep, task: Option<&Task>) -> (Input, Aliases) {
        let mut bindings: Cow<'_, Map<String, Value>> = Cow::Borrowed(&step.input_bindings);
        if let Some(task) = task.filter(|task| !task.input_bindings.is_empty()) {
            let mut both = task.input_bindings.clone();
            both.extend(bindings.into_owned());
            bindings = Cow::Owned(both);
        }
        let mut aliases = Aliases::new();
        let mut bound = Vec::new();
        for (name, path) in bindings.iter() {
            let Some(path) = path.as_str() else {
                let text = format!("The binding `{name}` is a path.");
                self.report.error(Code::BadPath, self.at(at, "input_bindings"), text, "Write a text.");
                continue;
            };
            let Ok(alias) = Path::parse(path) else {
                self.path(at, "input_bindings", path, &Aliases::new());
                continue;
            };
            if let Some(path) = self.path(at, "input_bindings", path, &Aliases::new()) {
                bound.push((name.clone(), path));
                aliases.insert(name.clone(), alias);
            }
        }
        let input = match (&step.input, &step.input_key) {
            (Some(input), _) => self.json(at, "input", input, &aliases).map_or(Input::Run, Input::Json),
            (None, Some(key)) => self.path(at, "input_key", key, &aliases).map_or(Input::Run, Input::Path),
            (None, None) if !bindings.is_empty() => Input::Bindings(bound),
            (None, None) => Input::Run,
        };
        (input, aliases)
    }

    fn path(&mut self, at: usize, field: &str, text: &str, aliases: &Aliases) -> Option<Path> {
        match Path::parse(text) {
            Ok(path) => {
                self.look_at(&path, |check| check.at(at, field));
                Some(path.bound(&self.keys, aliases))
            }
            Err(error) => {
                self.report.error(Code::BadPath, self.at(at, field), format!("{error}."), "Correct the path.");
                None
            }
        }
    }

    fn template(&mut self, at: usize, field: &str, text: &str, aliases: &Aliases) -> Option<Template> {
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(error) => {
                self.report.error(Code::BadTemplate, self.at(at, field), format!("{error}."), TEMPLATE_HINT);
                return None;
            }
        };
        for (path, _) in template.paths() {
            self.look_at(path, |check| check.at(at, field));
        }
        let keys = &self.keys;
        Some(template.map(&|path| path.bound(keys, aliases)))
    }

    fn json(&mut self, at: usize, field: &str, value: &Value, aliases: &Aliases) -> Option<JsonTemplate> {
        let template = match JsonTemplate::parse(value) {
            Ok(template) => template,
            Err((below, error)) => {
                let place = self.at(at, field);
                self.report.error(Code::BadTemplate, format!("{place}{below}"), format!("{error}."), TEMPLATE_HINT);
                return None;
            }
        };
        for (path, _) in template.paths() {
            self.look_at(path, |check| check.at(at, field));
        }
        let keys = &self.keys;
        Some(template.map(&|path| path.bound(keys, aliases)))
    }

    fn transform(&mut self, at: usize, field: &str, name: &str) -> Option<Transform> {
        match name {
            "identity" => return Some(Transform::Identity),
            "extract_content" => return Some(Transform::Content),
            _ if self.host.allows_anything() => return None,
            _ => {}
        }
        match self.host.function_named(name) {
            Some(function) => Some(Transform::Custom(std::sync::Arc::clone(function))),
            None => {
                let (place, names) = (self.at(at, field), self.host.function_names());
                self.unknown(place, &format!("There is no function `{name}`"), name, names);
                None
            }
        }
    }

    fn duration(&mut self, at: usize, field: &str, text: &str) -> Option<std::time::Duration> {
        match duration(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.report.error(
                    Code::BadValue,
                    self.at(at, field),
                    format!("`{text}`: {error}."),
                    "Write `30s`, say.",
                );
                None
            }
        }
    }
}

const TEMPLATE_HINT: &str = "Write paths between `{{` and `}}`, as in `{{triage.output.title}}`.";

/// Why a `#[step]` function cannot be called by a graph, if it cannot.
fn not_callable(spec: &StepSpec) -> Option<&'static str> {
    let mut events = 0;
    for param in spec.params {
        match param {
            ParamSpec::Event(_) => events += 1,
            ParamSpec::Collect(_) | ParamSpec::Take(..) => return Some("takes the events of a batch"),
            ParamSpec::Injected(injected) if !matches!(injected.sends, EventSet::None) => {
                return Some("sends events to other steps through its context");
            }
            ParamSpec::Injected(_) => {}
        }
    }
    if events != 1 {
        return Some("takes several events");
    }
    (!matches!(spec.emits, EventSet::None)).then_some("sends events to other steps through its context")
}
