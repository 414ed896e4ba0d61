//! A restore accepts a snapshot if everything the run still refers to exists unchanged in the definition at hand.

use std::collections::BTreeMap;

use super::exec::{Activity, Exec, Recovery, Status};
use super::inputs::Asked;
use super::snapshot::{StateSnapshot, StepShape, shapes};
use super::{ExecKey, RunState, Time};
use crate::Payload;
use crate::definition::WorkflowDef;

/// A snapshot's state cannot go on under the definition at hand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The workflow has changed in ways the run depends on.
    #[error(
        "The stored run does not fit the workflow `{workflow}` any more:{}\nKeep these as they were, or rewrite the snapshot with a `migrate` hook.",
        list(differences)
    )]
    Refused {
        /// The workflow at hand.
        workflow: String,
        /// Every difference found.
        differences: Vec<Difference>,
    },
    /// The state contradicts itself: it was cut or edited by hand.
    #[error("The stored run contradicts itself ({what}); take it from an unedited snapshot.")]
    Inconsistent {
        /// What does not fit.
        what: &'static str,
    },
}

/// One reason why a stored run does not fit a definition.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// A step that the run refers to is gone.
    #[error("the step `{step}` does not exist any more, but the run has work for it")]
    StepGone {
        /// The step.
        step: String,
    },
    /// A step that the run refers to takes or waits for other events.
    #[error("the step `{step}` has another signature than the run has work for: it took {was}, now it takes {now}")]
    StepChanged {
        /// The step.
        step: String,
        /// Its signature in the snapshot.
        was: String,
        /// Its signature now.
        now: String,
    },
    /// The workflow ends with another event than the run was to end with.
    #[error("the workflow ended with `{was}` when the run began, now it ends with `{now}`")]
    StopChanged {
        /// Tag of its stop event then.
        was: String,
        /// Tag of its stop event now.
        now: String,
    },
    /// An event that the run holds is of a type that is gone.
    #[error("the event `{tag}` does not exist any more, but the run holds one")]
    EventGone {
        /// The event's tag.
        tag: String,
    },
    /// An event that the run holds does not fit its type any more.
    #[error("a stored event `{tag}` does not fit its type any more: {source}")]
    EventData {
        /// The event's tag.
        tag: String,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
}

pub(crate) fn list(differences: &[Difference]) -> String {
    differences.iter().map(|difference| format!("\n  - {difference}")).collect()
}

impl StateSnapshot {
    /// Gives the state back under a definition, with every execution queued anew.
    ///
    /// # Errors
    /// [`RestoreError::Refused`] with every difference if the definition changed in what the run depends on,
    /// [`RestoreError::Inconsistent`] if the snapshot was damaged.
    pub fn restore(self, def: &WorkflowDef) -> Result<RunState, RestoreError> {
        self.restore_with(def, Vec::new())
    }

    /// As [`restore`](Self::restore), with differences that were found beside the state.
    ///
    /// # Errors
    /// As for [`restore`](Self::restore).
    pub fn restore_with(self, def: &WorkflowDef, beside: Vec<Difference>) -> Result<RunState, RestoreError> {
        let mut mapping = Mapping {
            def,
            old: &self.steps,
            new: shapes(def),
            events: &self.events,
            steps: BTreeMap::new(),
            differences: Vec::new(),
        };
        let mut state = self.state;
        mapping.state(&mut state)?;
        for difference in beside {
            let text = difference.to_string();
            if !mapping.differences.iter().any(|known| known.to_string() == text) {
                mapping.differences.push(difference);
            }
        }
        if !mapping.differences.is_empty() {
            return Err(RestoreError::Refused { workflow: def.name.clone(), differences: mapping.differences });
        }
        state.verify(def)?;
        // The run's time goes on with its first tick: that it was stored, or waited until then, does not count.
        if state.timeout_micros.is_some() {
            state.last_tick = Time(u64::MAX);
        }
        state.queue_all(def);
        state.index_waits(def);
        Ok(state)
    }
}

impl WorkflowDef {
    /// Gives a stored event its type.
    ///
    /// # Errors
    /// When the type is gone, or the data does not fit it any more.
    pub fn resolve_stored(&self, payload: &mut Payload) -> Result<(), Difference> {
        let Some(stored) = payload.stored() else { return Ok(()) };
        let found = self.event_by_tag(&stored.tag);
        let ix = found.ok_or_else(|| Difference::EventGone { tag: stored.tag.clone() })?;
        let event = self.decode(ix, stored.value.clone());
        let event = event.map_err(|source| Difference::EventData { tag: stored.tag.clone(), source })?;
        *payload = Payload::from_box(event);
        Ok(())
    }
}

/// From the numbers of a snapshot to those of a definition.
struct Mapping<'a> {
    def: &'a WorkflowDef,
    old: &'a [StepShape],
    new: Vec<StepShape>,
    events: &'a [String],
    steps: BTreeMap<u32, u32>,
    differences: Vec<Difference>,
}

const BAD_STEP: RestoreError = RestoreError::Inconsistent { what: "a step number without a name" };
const BAD_EVENT: RestoreError = RestoreError::Inconsistent { what: "an event number without a tag" };

impl Mapping<'_> {
    fn step(&mut self, ix: &mut u32) -> Result<(), RestoreError> {
        if let Some(new) = self.steps.get(ix) {
            *ix = *new;
            return Ok(());
        }
        let old = self.old.get(*ix as usize).ok_or(BAD_STEP)?;
        let found = self.new.iter().position(|new| new.name == old.name);
        let mapped = match found {
            None => {
                self.differences.push(Difference::StepGone { step: old.name.clone() });
                0
            }
            Some(at) => {
                let new = &self.new[at];
                let waits_kept = old.waits.iter().all(|tag| new.waits.contains(tag));
                if new.shape != old.shape || new.takes != old.takes || !waits_kept {
                    let (step, was, now) = (old.name.clone(), describe(old), describe(new));
                    self.differences.push(Difference::StepChanged { step, was, now });
                }
                at as u32
            }
        };
        self.steps.insert(*ix, mapped);
        *ix = mapped;
        Ok(())
    }

    fn event(&mut self, ix: &mut u32) -> Result<(), RestoreError> {
        let tag = self.events.get(*ix as usize).ok_or(BAD_EVENT)?;
        match self.def.event_by_tag(tag) {
            Some(new) => *ix = new,
            None => {
                *ix = 0;
                self.gone(tag.clone());
            }
        }
        Ok(())
    }

    fn gone(&mut self, tag: String) {
        let known = self
            .differences
            .iter()
            .any(|difference| matches!(difference, Difference::EventGone { tag: known } if *known == tag));
        if !known {
            self.differences.push(Difference::EventGone { tag });
        }
    }

    fn payload(&mut self, payload: &mut Payload) {
        match self.def.resolve_stored(payload) {
            Ok(()) => {}
            Err(Difference::EventGone { tag }) => self.gone(tag),
            Err(difference) => self.differences.push(difference),
        }
    }

    /// An announcement is typed again if the workflow declares its type, and else kept as it came.
    fn announcement(&mut self, event: &mut crate::AnyEvent) {
        let Some(ix) = self.def.event_by_tag(event.tag()) else { return };
        match self.def.decode(ix, event.value()) {
            Ok(typed) => *event = crate::AnyEvent::from_payload(Payload::from_box(typed)),
            Err(source) => self.differences.push(Difference::EventData { tag: event.tag().to_owned(), source }),
        }
    }

    fn recovery(&mut self, recovery: &mut Recovery) -> Result<(), RestoreError> {
        for (step, _) in recovery.iter_mut().flat_map(|counts| counts.iter_mut()) {
            self.step(step)?;
        }
        Ok(())
    }

    fn state(&mut self, state: &mut RunState) -> Result<(), RestoreError> {
        state.last_unhandled = None;
        for (_, exec) in state.execs.iter_mut() {
            self.step(&mut exec.step)?;
            exec.input.as_mut_slice().iter_mut().for_each(|payload| self.payload(payload));
            if let Some(more) = &mut exec.more {
                self.recovery(&mut more.recovery)?;
            }
        }
        if let Some(scopes) = &mut state.scopes {
            for (_, batch) in scopes.batches.iter_mut() {
                self.step(&mut batch.opener)?;
                self.recovery(&mut batch.recovery)?;
                for collector in &mut batch.collectors {
                    self.step(&mut collector.step)?;
                    for item in &mut collector.items {
                        self.payload(&mut item.event);
                    }
                    self.recovery(&mut collector.recovery)?;
                }
            }
        }
        if let Some(joins) = &mut state.joins {
            for ((mut step, scope), mut slots) in std::mem::take(&mut joins.0) {
                self.step(&mut step)?;
                for waiting in slots.iter_mut().flatten() {
                    self.payload(&mut waiting.event);
                    self.recovery(&mut waiting.recovery)?;
                }
                joins.0.insert((step, scope), slots);
            }
        }
        self.waits(state)?;
        if let Some(inputs) = &mut state.inputs {
            for input in inputs.0.values_mut() {
                self.step(&mut input.step)?;
                match &mut input.asked {
                    Asked::Event { event, recovery, .. } => {
                        self.payload(event);
                        self.recovery(recovery)?;
                    }
                    Asked::Wait { event, .. } => self.announcement(event),
                    Asked::Failure { .. } => {}
                }
            }
        }
        if let Some(buffers) = &mut state.buffers {
            for ((mut step, name), mut buffer) in std::mem::take(&mut buffers.0) {
                self.step(&mut step)?;
                for (mut ix, mut queue) in std::mem::take(&mut buffer.queues) {
                    self.event(&mut ix)?;
                    queue.iter_mut().for_each(|entry| self.payload(&mut entry.event));
                    buffer.queues.insert(ix, queue);
                }
                buffers.0.insert((step, name), buffer);
            }
        }
        Ok(())
    }

    fn waits(&mut self, state: &mut RunState) -> Result<(), RestoreError> {
        let Some(waits) = &mut state.waits else { return Ok(()) };
        for waiter in waits.waiters.values_mut() {
            self.event(&mut waiter.event)?;
        }
        for (mut ix, mut kept) in waits.kept.take() {
            self.event(&mut ix)?;
            kept.iter_mut().for_each(|kept| self.payload(&mut kept.event));
            waits.kept.insert(ix, kept);
        }
        Ok(())
    }
}

fn describe(step: &StepShape) -> String {
    let takes: Vec<String> = step.takes.iter().map(|tag| format!("`{tag}`")).collect();
    let shape = serde_json::to_value(step.shape).ok().map(|shape| shape.to_string()).unwrap_or_default();
    match step.waits.is_empty() {
        true => format!("{} ({shape})", takes.join(", ")),
        false => format!("{} ({shape}, waits for {})", takes.join(", "), step.waits.join(", ")),
    }
}

impl RunState {
    /// Builds the index of the waits anew.
    fn index_waits(&mut self, def: &WorkflowDef) {
        let Some(mut waits) = self.waits.take() else { return };
        for (id, mut waiter) in waits.waiters.take() {
            waiter.own = self.exec_ref(waiter.exec).is_some_and(|exec| def.runs(exec.step, waiter.event));
            waits.add(id, waiter);
        }
        self.waits = Some(waits);
    }

    /// Queues every active execution, oldest first: what ran when the snapshot was taken runs again.
    pub(super) fn queue_all(&mut self, def: &WorkflowDef) {
        let mut keys: Vec<(ExecKey, u32)> = self
            .execs
            .iter()
            .filter(|(_, exec)| exec.status == Status::Active)
            .map(|(lane, exec): (u32, &Exec)| (exec.key(lane), exec.step))
            .collect();
        keys.sort_by_key(|(key, _)| key.serial);
        for (key, step) in keys {
            if let Some(exec) = self.exec_mut(key) {
                exec.activity = Activity::Queued;
            }
            self.enqueue(def, key, step);
        }
    }
}
