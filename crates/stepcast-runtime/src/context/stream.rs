use std::sync::atomic::Ordering;

use serde_json::{Map, Value};
use stepcast_core::engine::OpKind;
use stepcast_core::{AnyEvent, Event, LogEvent, LogLevel, PhaseEvent};

use super::op::Gone;
use super::{Context, SendSet};
use crate::stream::EventKind;
use crate::wakers::WakerSet;

impl<S: SendSet> Context<S> {
    /// Writes an event to the run's stream: subscribers see it, no step does. It gets the next sequence number at
    /// once. A repeated execution does not write it again. After the run's end nothing is written.
    pub fn write_event_to_stream<E: Event>(&self, event: E) {
        if Gone::check(&self.exec).is_some() {
            return;
        }
        // Made before the log is locked, which readers wait for.
        let event = AnyEvent::new(event);
        let wakers = {
            let mut data = self.exec.run.data();
            let mut log = self.exec.log();
            if data.ended || !log.count(OpKind::Stream, E::META.tag) {
                return;
            }
            match self.exec.run.keeping() {
                None => {
                    let at = data.times.now();
                    data.log.push(event, at);
                    data.log.take_wakers()
                }
                Some(keeping) => {
                    keeping.write(event);
                    self.exec.touch(&mut log);
                    WakerSet::default()
                }
            }
        };
        wakers.wake();
        self.exec.nudge();
    }

    /// Shows a passing event, such as a token or a percentage, to those who listen at this moment. It is not kept, has
    /// no number of its own, and is shown again by a repeated execution.
    pub fn write_ephemeral<E: Event>(&self, event: E) {
        if Gone::check(&self.exec).is_none() {
            if let Some(keeping) = self.exec.run.keeping() {
                keeping.shows_passing.store(true, Ordering::Relaxed);
            }
            self.exec.run.frame(EventKind::Ephemeral, AnyEvent::new(event));
        }
    }

    /// Writes a line for people to the run's stream.
    pub fn log(&self, level: LogLevel, message: impl Into<String>) {
        self.log_with(level, message, Map::new());
    }

    /// Writes a line for people with further fields to the run's stream.
    pub fn log_with(&self, level: LogLevel, message: impl Into<String>, fields: Map<String, Value>) {
        let step = self.step_name().to_owned();
        self.write_event_to_stream(LogEvent { level, message: message.into(), fields, step });
    }

    /// Says on the run's stream that the step enters a phase of its work.
    pub fn phase(&self, name: impl Into<String>) {
        let step = self.step_name().to_owned();
        self.write_event_to_stream(PhaseEvent { name: name.into(), step });
    }
}
