//! The model against the engine, after every act.

use stepcast::engine::{Command, ExecKey, InputReason, OpResult, Outcome, RunFailure, RunState, StuckReason};
use stepcast::{InputExpiredEvent, UnhandledEvent};

use super::{Asked, Ending, Model};
use crate::{POOL, identify, identify_any, number};

impl Model<'_> {
    /// Compares the run, and what the last act led to, with the model.
    ///
    /// # Panics
    /// Where the two differ.
    pub fn compare(&mut self, state: &RunState, commands: &[Command]) {
        self.compare_end(state, commands);
        self.compare_effects(commands);
        if self.ended.is_some() {
            return;
        }
        self.compare_executions(state);
        self.compare_questions(state);
        for (kind, entry) in POOL.iter().enumerate().filter(|(kind, _)| number(&self.graph.def, *kind) != u32::MAX) {
            let kept: Vec<u64> =
                state.kept_events(number(&self.graph.def, kind)).map(|event| identify(event).1).collect();
            let expected: Vec<u64> = self.kept.get(&kind).into_iter().flatten().map(|kept| kept.event.id).collect();
            assert_eq!(kept, expected, "kept events of type {}", entry.meta.tag);
        }
    }

    fn compare_executions(&mut self, state: &RunState) {
        let mut keys: Vec<ExecKey> = state.exec_keys().collect();
        keys.sort_by_key(|key| key.serial);
        for key in keys {
            let view = state.exec(key).expect("it was listed");
            let ids: Vec<u64> = view.input.iter().map(|event| identify(event).1).collect();
            let is_it = |live: &&mut super::Live| {
                let same_key = live.key == Some(key) || live.key.is_none();
                same_key
                    && live.step == view.step as usize
                    && live.inputs.iter().map(|event| event.id).eq(ids.iter().copied())
            };
            let bound = self.lives.iter_mut().position(|live| live.key == Some(key));
            let live = match bound {
                Some(at) => Some(&mut self.lives[at]).filter(is_it),
                None => self.lives.iter_mut().find(is_it),
            };
            let live = live.unwrap_or_else(|| panic!("an execution of {} for {ids:x?} that should not be", view.step));
            live.key = Some(key);
            assert_eq!((view.attempt, view.commits), (live.attempt, live.commits), "attempt and commits of {key}");
        }
        let missing: Vec<_> =
            self.lives.iter().filter(|live| live.key.is_none_or(|key| state.exec(key).is_none())).collect();
        assert!(missing.is_empty(), "executions that should be: {missing:?}");
    }

    fn compare_questions(&mut self, state: &RunState) {
        let pending = state.pending_inputs(&self.graph.def);
        assert_eq!(pending.len(), self.questions.len(), "{pending:?} {:?}", self.questions);
        for (input, question) in pending.iter().zip(&mut self.questions) {
            assert!(question.id.is_none_or(|id| id == input.id), "{input:?} {question:?}");
            question.id = Some(input.id);
            let asked = input.event.as_ref().map(identify_any);
            let expected = match &question.asked {
                Asked::Event { id, .. } | Asked::Wait { id, .. } => (InputReason::InputRequired, Some(*id)),
                Asked::Failure { .. } => (InputReason::StepFailure, None),
            };
            assert_eq!((input.reason, asked), expected);
        }
    }

    fn compare_effects(&mut self, commands: &[Command]) {
        let (mut unhandled, mut published, mut resumed) = (Vec::new(), Vec::new(), Vec::new());
        for command in commands {
            match command {
                // That a question expired is seen in the result of its wait.
                Command::Publish(event) if event.is::<InputExpiredEvent>() => {}
                Command::Publish(event) => published.push(identify_any(event)),
                Command::Frame(event) => {
                    unhandled.extend(event.get::<UnhandledEvent>().map(|event| event.event_type.clone()));
                }
                Command::Resume { exec, op, result } => {
                    let result = match result {
                        OpResult::Event(event) => format!("event {}", identify(event).1),
                        OpResult::TimedOut => "timed out".to_owned(),
                        OpResult::Collected(set) => {
                            format!("collected {:?}", set.iter().map(|event| identify(event).1).collect::<Vec<_>>())
                        }
                        OpResult::Kept => "kept".to_owned(),
                        OpResult::BufferFull => "full".to_owned(),
                        OpResult::Delivered => "delivered".to_owned(),
                        OpResult::ChildStarted => "child started".to_owned(),
                        OpResult::ChildEnded => "child ended".to_owned(),
                        other => format!("{other:?}"),
                    };
                    resumed.push((*exec, op.clone(), result));
                }
                _ => {}
            }
        }
        let expected = &mut self.effects;
        unhandled.sort();
        expected.unhandled.sort();
        resumed.sort();
        expected.resumed.sort();
        // What happens in the tick that ends a run matters to nobody.
        if self.ended.is_none() {
            assert_eq!(unhandled, expected.unhandled, "events that reached nobody");
            assert_eq!(resumed, expected.resumed, "results handed out");
            assert_eq!(published, expected.published, "events published");
        }
    }

    fn compare_end(&self, state: &RunState, commands: &[Command]) {
        let ends: Vec<&Outcome> = commands
            .iter()
            .filter_map(|command| match command {
                Command::Finish(outcome) => Some(outcome),
                _ => None,
            })
            .collect();
        assert_eq!(state.has_ended(), self.ended.is_some(), "{ends:?}, but the model says {:?}", self.ended);
        let (Some(expected), Some(outcome)) = (&self.ended, ends.first()) else { return };
        let found = match outcome {
            Outcome::Completed { stop, failures } => Ending::Completed { stop: identify(stop).1, failures: *failures },
            Outcome::Failed(RunFailure::Step { step, attempts, .. }) => {
                let step = self.graph.nodes.iter().position(|node| node.name == *step).expect("a step of the workflow");
                Ending::StepFailed { step, attempts: *attempts }
            }
            Outcome::Failed(RunFailure::Stuck { reason: StuckReason::NoStopEvent { .. } }) => Ending::Stuck,
            Outcome::Failed(RunFailure::Stuck { reason: StuckReason::NobodyCanSend { .. } }) => Ending::NobodyCanSend,
            Outcome::Cancelled => Ending::Cancelled,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, *expected);
        assert_eq!(ends.len(), 1, "{ends:?}");
    }
}
