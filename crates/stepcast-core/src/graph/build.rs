use std::collections::{HashMap, HashSet};

use super::{GraphEdge, GraphNode, NodeKind, WorkflowGraph};
use crate::{EventMeta, EventSet, OutSpec, ParamSpec, Role, StepSpec, WorkflowSpec};

pub(super) fn graph(spec: &WorkflowSpec) -> WorkflowGraph {
    let mut build = Build::default();
    // Steps take their ids first, so that a step's id is its name even where an event has the same.
    let ids: Vec<String> = spec.steps.iter().map(|step| build.free_id(step.name, "step")).collect();
    build.event(spec.start);
    for (step, id) in spec.steps.iter().zip(&ids) {
        build.step(step, id);
    }
    build.event(spec.stop);
    build.outside();
    WorkflowGraph { name: spec.name.to_owned(), description: text(spec.doc), nodes: build.nodes, edges: build.edges }
}

#[derive(Default)]
struct Build {
    nodes: Vec<GraphNode>,
    edges: Vec<GraphEdge>,
    ids: HashSet<String>,
    /// Where in `nodes` the event with this tag is.
    events: HashMap<&'static str, usize>,
    /// Events that go to the outside or come from it, by id, in order.
    asked: Vec<String>,
    answered: Vec<String>,
    resources: HashMap<std::any::TypeId, String>,
    drawn: HashSet<GraphEdge>,
}

impl Build {
    fn step(&mut self, step: &StepSpec, id: &str) {
        let kind = NodeKind::Step { description: text(step.doc) };
        self.nodes.push(GraphNode { id: id.to_owned(), label: step.name.to_owned(), kind });
        let event_params = step.params.iter().filter(|param| param.takes_events()).count();
        for param in step.params {
            match param {
                ParamSpec::Event(set) => self.takes(set, id, (event_params > 1).then(|| "join".to_owned())),
                ParamSpec::Collect(set) => self.takes(set, id, Some("collect".to_owned())),
                ParamSpec::Take(set, count) => self.takes(set, id, Some(format!("take {count}"))),
                ParamSpec::Injected(_) => {}
            }
        }
        self.takes(&step.waits, id, Some("waits".to_owned()));
        self.returns(&step.out, Way::default(), step, id);
        for param in step.params {
            if let ParamSpec::Injected(injected) = param {
                self.out_of_step(&injected.sends, step, id, "sends");
                if let (Some(need), "resource") = (injected.needs, injected.kind) {
                    self.resource((need.type_id)(), (need.type_name)(), id);
                }
            }
        }
        self.out_of_step(&step.emits, step, id, "sends");
        self.out_of_step(&step.streams, step, id, "streams");
    }

    fn takes(&mut self, set: &EventSet, id: &str, label: Option<String>) {
        set.for_each(&mut |meta| {
            let event = self.event(meta);
            let source = self.nodes[event].id.clone();
            self.edge(source, id.to_owned(), label.clone());
        });
    }

    fn out_of_step(&mut self, set: &EventSet, step: &StepSpec, id: &str, label: &str) {
        set.for_each(&mut |meta| self.produces(meta, step, id, Some(label)));
    }

    fn returns(&mut self, out: &OutSpec, way: Way, step: &StepSpec, id: &str) {
        match out {
            OutSpec::None => {}
            OutSpec::One(meta) => self.produces(meta, step, id, way.label()),
            OutSpec::All(a, b) | OutSpec::Either(a, b) => {
                self.returns(a, way, step, id);
                self.returns(b, way, step, id);
            }
            OutSpec::Optional(inner) => self.returns(inner, Way { optional: true, ..way }, step, id),
            OutSpec::Batch(inner) => self.returns(inner, Way { batch: true, ..way }, step, id),
        }
    }

    fn produces(&mut self, meta: &'static EventMeta, step: &StepSpec, id: &str, label: Option<&str>) {
        let event = self.event(meta);
        let node = &mut self.nodes[event];
        let target = node.id.clone();
        if let NodeKind::Event { produced_by, .. } = &mut node.kind
            && !produced_by.iter().any(|name| name == step.name)
        {
            produced_by.push(step.name.to_owned());
        }
        self.edge(id.to_owned(), target, label.map(str::to_owned));
    }

    /// Where in `nodes` the event is; it is added when it is met for the first time.
    fn event(&mut self, meta: &'static EventMeta) -> usize {
        if let Some(at) = self.events.get(meta.tag) {
            return *at;
        }
        let id = self.free_id(meta.tag, "event");
        match meta.role {
            Role::InputRequired => self.asked.push(id.clone()),
            Role::HumanResponse | Role::External => self.answered.push(id.clone()),
            Role::Plain | Role::Start | Role::Stop | Role::Runtime => {}
        }
        let event_types = [Some(meta.tag), meta.ancestors()].into_iter().flatten().map(str::to_owned).collect();
        let kind = NodeKind::Event {
            event_type: meta.tag.to_owned(),
            event_types,
            event_schema: Some(meta.schema()),
            produced_by: Vec::new(),
        };
        self.nodes.push(GraphNode { id, label: meta.tag.to_owned(), kind });
        self.events.insert(meta.tag, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn resource(&mut self, type_id: std::any::TypeId, type_name: &str, step: &str) {
        let id = match self.resources.get(&type_id) {
            Some(id) => id.clone(),
            None => {
                let id = self.free_id(&format!("resource_{type_name}"), "resource");
                let kind = NodeKind::Resource { type_name: Some(type_name.to_owned()) };
                self.nodes.push(GraphNode { id: id.clone(), label: short(type_name), kind });
                self.resources.insert(type_id, id.clone());
                id
            }
        };
        self.edge(id, step.to_owned(), None);
    }

    fn outside(&mut self) {
        if self.asked.is_empty() && self.answered.is_empty() {
            return;
        }
        let id = self.free_id("external_step", "external");
        self.nodes.push(GraphNode { id: id.clone(), label: "external_step".to_owned(), kind: NodeKind::External });
        for event in std::mem::take(&mut self.asked) {
            self.edge(event, id.clone(), None);
        }
        for event in std::mem::take(&mut self.answered) {
            self.edge(id.clone(), event, None);
        }
    }

    fn edge(&mut self, source: String, target: String, label: Option<String>) {
        let edge = GraphEdge { source, target, label };
        if self.drawn.insert(edge.clone()) {
            self.edges.push(edge);
        }
    }

    /// The name itself where it is free; the rarer case says what it is, and counts if that is taken too.
    fn free_id(&mut self, name: &str, kind: &str) -> String {
        let others = (2..).map(|count| format!("{kind}:{name}:{count}"));
        let mut candidates = [name.to_owned(), format!("{kind}:{name}")].into_iter().chain(others);
        candidates.find(|id| self.ids.insert(id.clone())).unwrap_or_default()
    }
}

/// What stands between a step's return type and an event in it.
#[derive(Clone, Copy, Default)]
struct Way {
    optional: bool,
    batch: bool,
}

impl Way {
    fn label(self) -> Option<&'static str> {
        match (self.optional, self.batch) {
            (false, false) => None,
            (true, false) => Some("optional"),
            (false, true) => Some("batch"),
            (true, true) => Some("optional batch"),
        }
    }
}

fn text(doc: &str) -> Option<String> {
    (!doc.is_empty()).then(|| doc.to_owned())
}

/// A type's name without the modules it is in, also inside `<..>`.
fn short(type_name: &str) -> String {
    let mut short = String::with_capacity(type_name.len());
    let mut rest = type_name;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let (path, after) = rest.split_at(end);
        short.push_str(path.rsplit("::").next().unwrap_or(path));
        let mut chars = after.chars();
        short.extend(chars.next());
        rest = chars.as_str();
    }
    short
}
