//! Random graphs against the levels written down the slow way: sets of pairs, repeated until nothing is added.

use std::collections::HashSet;

use proptest::prelude::*;

use super::agreement::workflow;
use super::*;
use crate::check::{GraphCatch, GraphOut, GraphParam, analyse};

/// `None` is the run itself, `Some(n)` inside the batches of the `n`-th opener.
type Level = Option<usize>;

#[derive(Default)]
struct Model {
    events: HashSet<(String, Level)>,
    steps: HashSet<(usize, Level)>,
    collected: HashSet<(usize, usize)>,
    openers: Vec<(usize, Level)>,
    /// Step, event and the opener it is given in.
    given: Vec<(usize, String, Level)>,
}

impl Model {
    fn of(graph: &GraphSpec) -> Self {
        let mut model = Model::default();
        for (at, step) in graph.steps.iter().enumerate() {
            model.walk(at, &step.out, None);
            model.given.extend(step.sends.iter().map(|event| (at, event.tag.to_string(), None)));
        }
        let mut roles = Vec::new();
        let mut known = |event: &crate::check::GraphEvent| {
            // The first type under a tag decides its role.
            if !roles.iter().any(|(tag, _)| *tag == event.tag) {
                roles.push((event.tag.to_string(), event.role));
            }
        };
        known(&graph.start);
        known(&graph.stop);
        for step in &graph.steps {
            step.params.iter().flat_map(GraphParam::events).for_each(&mut known);
            leaves(&step.out, &mut known);
            step.sends.iter().chain(&step.waits).for_each(&mut known);
        }
        for (tag, role) in &roles {
            if role.comes_from_outside() && *role != Role::Runtime {
                model.events.insert((tag.clone(), None));
            }
        }
        let caught = caught(graph);
        for (at, step) in graph.steps.iter().enumerate() {
            if step.catch != GraphCatch::None && !caught.iter().any(|(_, by)| *by == at) {
                model.steps.insert((at, None));
            }
        }
        loop {
            let size = model.size();
            model.round(graph, &roles, &caught);
            if model.size() == size {
                return model;
            }
        }
    }

    fn size(&self) -> usize {
        self.events.len() + self.steps.len() + self.collected.len()
    }

    fn walk(&mut self, step: usize, out: &GraphOut, opener: Level) {
        match out {
            GraphOut::None => {}
            GraphOut::One(event) => self.given.push((step, event.tag.to_string(), opener)),
            GraphOut::All(parts) | GraphOut::Either(parts) => {
                parts.iter().for_each(|part| self.walk(step, part, opener))
            }
            GraphOut::Optional(inner) => self.walk(step, inner, opener),
            GraphOut::Batch(inner) => {
                self.openers.push((step, opener));
                self.walk(step, inner, Some(self.openers.len() - 1));
            }
        }
    }

    fn levels_of(&self, event: &str) -> HashSet<Level> {
        self.events.iter().filter(|(tag, _)| tag == event).map(|(_, level)| *level).collect()
    }

    fn levels_of_step(&self, step: usize) -> Vec<Level> {
        self.steps.iter().filter(|(at, _)| *at == step).map(|(_, level)| *level).collect()
    }

    fn round(&mut self, graph: &GraphSpec, roles: &[(String, Role)], caught: &[(usize, usize)]) {
        let role = |tag: &str| roles.iter().find(|(known, _)| known == tag).map(|(_, role)| *role);
        for (step, event, opener) in self.given.clone() {
            for level in self.levels_of_step(step) {
                self.events.insert((event.clone(), opener.or(level)));
            }
        }
        let asked: Vec<Level> = self
            .events
            .iter()
            .filter(|(tag, _)| role(tag) == Some(Role::InputRequired))
            .map(|(_, level)| *level)
            .collect();
        for (tag, _) in roles.iter().filter(|(_, role)| *role == Role::HumanResponse) {
            self.events.extend(asked.iter().map(|level| (tag.clone(), *level)));
        }
        for (at, step) in graph.steps.iter().enumerate() {
            for event in step.waits.iter().filter(|event| role(&event.tag) == Some(Role::HumanResponse)) {
                for level in self.levels_of_step(at) {
                    self.events.insert((event.tag.to_string(), level));
                }
            }
            let slots: Vec<HashSet<Level>> = step
                .params
                .iter()
                .map(|param| param.events().iter().flat_map(|event| self.levels_of(&event.tag)).collect())
                .collect();
            let collecting = step.params.iter().filter(|param| !matches!(param, GraphParam::Event(_))).count();
            match (slots.len(), collecting) {
                (1, 1) => self.collect(at, &slots[0]),
                (_, 0) if slots.len() > 1 => {
                    let meet = slots[0].iter().filter(|level| slots.iter().all(|slot| slot.contains(level)));
                    self.steps.extend(meet.map(|level| (at, *level)));
                }
                _ => self.steps.extend(slots.iter().flatten().map(|level| (at, *level))),
            }
        }
        for (step, by) in caught {
            let levels = self.levels_of_step(*step);
            self.steps.extend(levels.into_iter().map(|level| (*by, level)));
        }
    }

    fn collect(&mut self, step: usize, levels: &HashSet<Level>) {
        for opener in levels.iter().flatten() {
            self.collected.insert((*opener, step));
            let (opened_by, parent) = self.openers[*opener];
            match parent {
                Some(parent) => {
                    self.steps.insert((step, Some(parent)));
                }
                None => {
                    let levels = self.levels_of_step(opened_by);
                    self.steps.extend(levels.into_iter().map(|level| (step, level)));
                }
            }
        }
    }
}

fn leaves(out: &GraphOut, f: &mut impl FnMut(&crate::check::GraphEvent)) {
    match out {
        GraphOut::None => {}
        GraphOut::One(event) => f(event),
        GraphOut::All(parts) | GraphOut::Either(parts) => parts.iter().for_each(|part| leaves(part, f)),
        GraphOut::Optional(inner) | GraphOut::Batch(inner) => leaves(inner, f),
    }
}

/// Pairs of a step and the catch step that takes its failures; the first to name a step has it.
fn caught(graph: &GraphSpec) -> Vec<(usize, usize)> {
    let position = |name: &str| graph.steps.iter().position(|step| step.name == name);
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (at, step) in graph.steps.iter().enumerate() {
        if let GraphCatch::Steps { names, .. } = &step.catch {
            for named in names.iter().filter_map(|name| position(name)) {
                if graph.steps[named].catch == GraphCatch::None && !pairs.iter().any(|(step, _)| *step == named) {
                    pairs.push((named, at));
                }
            }
        }
    }
    let all = graph.steps.iter().position(|step| matches!(step.catch, GraphCatch::All { .. }));
    for (at, step) in graph.steps.iter().enumerate() {
        if let Some(all) = all
            && step.catch == GraphCatch::None
            && !pairs.iter().any(|(step, _)| *step == at)
        {
            pairs.push((at, all));
        }
    }
    pairs
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn levels_are_those_of_the_model(spec in workflow()) {
        let graph = GraphSpec::from(spec);
        let model = Model::of(&graph);
        let analysis = analyse(&graph);
        for (at, opener) in analysis.openers().iter().enumerate() {
            prop_assert_eq!((opener.step, opener.parent), model.openers[at]);
            let mut expected: Vec<usize> =
                model.collected.iter().filter(|(by, _)| *by == at).map(|(_, step)| *step).collect();
            expected.sort_unstable();
            prop_assert_eq!(&opener.collectors, &expected);
        }
        let runs = |name: &str| {
            graph.steps.iter().enumerate().any(|(at, step)| step.name == name && !model.levels_of_step(at).is_empty())
        };
        for fault in analysis.faults() {
            let name = fault.step.clone().unwrap_or_default();
            let unique = graph.steps.iter().filter(|step| step.name == name).count() == 1;
            match fault.kind {
                FaultKind::NeverRuns | FaultKind::NeverMeet if unique => prop_assert!(!runs(&name), "{}", fault),
                FaultKind::EndlessLoop if unique => prop_assert!(runs(&name), "{}", fault),
                _ => {}
            }
        }
        for step in &graph.steps {
            let explained = analysis.faults().iter().any(|fault| fault.step.as_deref() == Some(&step.name));
            prop_assert!(runs(&step.name) || explained, "{}", step.name);
        }
        let ends = model.given.iter().any(|(_, event, _)| event == "Stop") && !model.levels_of("Stop").is_empty();
        let kinds: Vec<FaultKind> = analysis.faults().iter().map(|fault| fault.kind).collect();
        prop_assert_eq!(!ends, kinds.contains(&FaultKind::StopNotGiven) || kinds.contains(&FaultKind::StopUnreachable) || kinds.contains(&FaultKind::NoSteps));
    }
}
