//! What a `subgraph` step runs.

use super::{Check, Code, distance};
use crate::document::GraphStep;
use crate::plan::Work;

impl Check<'_> {
    pub(super) fn child(&mut self, at: usize, step: &GraphStep) -> Option<Work> {
        let (input, _) = self.input(at, step, None);
        let (field, name) = match (&step.graph, &step.workflow) {
            (Some(name), None) => ("graph", name),
            (None, Some(name)) => ("workflow", name),
            _ => {
                let text = format!("The step `{}` names a `graph` or a `workflow`, one of the two.", step.id);
                self.report.error(Code::MissingField, self.at(at, "graph"), text, "Name what it runs.");
                return None;
            }
        };
        let place = self.at(at, field);
        if field == "graph" && *name == self.document.id {
            let text = format!("The graph `{name}` would run itself.");
            self.report.error(Code::Recursion, place, text, "Let an edge lead back instead.");
            return None;
        }
        if self.host.allows_anything() {
            return None;
        }
        let flow = match field {
            "graph" => self.host.graph_named(name).map(crate::graph::Graph::child_flow),
            _ => self.host.workflow_named(name),
        };
        if flow.is_none() {
            let text = format!("There is no {field} `{name}`.");
            let hint = self.meant(field, name);
            self.report.error(Code::UnknownReference, place, text, &hint);
        }
        flow.map(|flow| Work::Child { flow, input })
    }

    /// What may have been meant by a name that stands for nothing.
    fn meant(&self, field: &str, name: &str) -> String {
        match field {
            "graph" if self.host.workflow_named(name).is_some() => {
                format!("Name the workflow as `workflow`: `{name}`.")
            }
            "workflow" if self.host.graph_named(name).is_some() => format!("Name the graph as `graph`: `{name}`."),
            "workflow" if self.host.is_only_linked(name) => {
                "It is linked, but cannot be made by its name: register it, derive `Default`, or name its constructor \
                     with `new = ..`."
                    .to_owned()
            }
            "graph" => near_or_all(name, self.host.graph_names()),
            _ => near_or_all(name, self.host.workflow_names().iter()),
        }
    }
}

/// What to do about a name that stands for nothing: the names that it may have been meant for, nearest first, else some of
/// all.
fn near_or_all<'n>(name: &str, names: impl Iterator<Item = &'n String>) -> String {
    let listed = |names: &[(usize, &String)]| -> String {
        names.iter().map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    // A long list is not searched: the check stays linear.
    let mut all: Vec<(usize, &String)> = names.take(256).map(|known| (distance(name, known), known)).collect();
    let near = name.chars().count().div_ceil(3);
    if all.iter().any(|(far, _)| *far <= near) {
        all.retain(|(far, _)| *far <= near);
        all.sort_by_key(|(far, known)| (*far, known.len(), *known));
        all.truncate(3);
        return format!("Did you mean {}?", listed(&all));
    }
    match all.len() {
        0 => "Add it to the `Host`.".to_owned(),
        1..=8 => format!("There are: {}.", listed(&all)),
        _ => format!("There are: {}, and more.", listed(&all[..8])),
    }
}
