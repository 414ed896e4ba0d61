//! Internal frames, made only while somebody looks.

use super::Engine;
use crate::definition::{EventIx, StepIx, WorkflowDef};
use crate::engine::{Command, ExecKey, RunState, Time};
use crate::{
    AnyEvent, ErrorInfo, Event, OutToken, Outputs, StepFailedEvent, StepState, StepStateChanged, UnhandledEvent,
};

impl RunState {
    /// The frame that tells where an execution stands.
    pub fn state_frame(
        &self,
        def: &WorkflowDef,
        key: ExecKey,
        step_state: StepState,
        at: Time,
    ) -> Option<StepStateChanged> {
        let exec = self.exec_ref(key)?;
        Some(StepStateChanged {
            name: def.step(exec.step).name.clone(),
            step_state,
            worker_id: key.lane.to_string(),
            input_event_name: exec.input.as_slice().first().map(|payload| payload.meta().tag.to_owned()),
            output_event_name: None,
            execution: exec.serial,
            attempt: exec.attempt,
            at: at.0,
            cause: exec.causes(),
            outputs: Vec::new(),
            error: None,
        })
    }
}

impl Engine<'_> {
    pub(crate) fn frame(&mut self, key: ExecKey, state: StepState, error: Option<&ErrorInfo>) {
        if let Some(mut frame) = self.state.state_frame(self.def, key, state, self.now) {
            frame.error = error.cloned();
            self.out.push(Command::Frame(AnyEvent::new(frame)));
        }
    }

    /// A frame that names what an execution gives: the serials are those that delivery is about to assign.
    pub(crate) fn frame_outputs(&mut self, key: ExecKey, state: StepState, outputs: &Outputs) {
        let Some(mut frame) = self.state.state_frame(self.def, key, state, self.now) else { return };
        let mut serial = self.state.next_event;
        for token in outputs.iter() {
            if let OutToken::Event(event) = token {
                serial += 1;
                frame.outputs.push((serial, event.payload.meta().tag.to_owned()));
            }
        }
        frame.output_event_name = frame.outputs.first().map(|(_, tag)| tag.clone());
        self.out.push(Command::Frame(AnyEvent::new(frame)));
    }

    /// The last frame of an execution that failed for good and was recovered: it gives the failure to a `catch` step.
    pub(crate) fn frame_recovered(&mut self, key: ExecKey, serial: u64) {
        let Some(mut frame) = self.state.state_frame(self.def, key, StepState::NotRunning, self.now) else { return };
        let tag = <StepFailedEvent as Event>::META.tag.to_owned();
        frame.output_event_name = Some(tag.clone());
        frame.outputs.push((serial, tag));
        self.out.push(Command::Frame(AnyEvent::new(frame)));
    }

    /// Reports an event that reached nobody.
    pub(crate) fn unhandled(&mut self, ix: EventIx, step: Option<StepIx>) {
        self.state.last_unhandled = Some(ix);
        let meta = self.def.event(ix);
        let frame = UnhandledEvent {
            event_type: meta.tag.to_owned(),
            qualified_name: Some(meta.qualified_name.to_owned()),
            step_name: step.map(|step| self.def.step(step).name.clone()),
            idle: !self.state.is_busy(),
        };
        self.out.push(Command::Frame(AnyEvent::new(frame)));
    }
}
