//! Filters of waits are user code or read users' events, so they are asked here, before a tick is made.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stepcast_core::engine::{ExecKey, Filter, Matches, OpId};
use stepcast_core::store::StorePath;
use stepcast_core::{EventIx, OutToken, Outputs, Payload};

use super::Dispatch;
use super::core::RunCore;
use crate::exec::Predicate;

impl Dispatch {
    /// Which filtered waiters the outputs satisfy, by position.
    pub(crate) fn match_outputs(&self, core: &mut RunCore, outputs: &Outputs) -> Matches {
        let mut matches = Matches::default();
        let mut position = 0;
        for token in outputs.iter() {
            if let OutToken::Event(event) = token {
                if let Some(ix) = self.env.run.def().event_by_hash(event.payload.meta().hash) {
                    self.match_event(core, ix, &event.payload, position, &mut matches);
                }
                position += 1;
            }
        }
        matches
    }

    pub(crate) fn match_event(
        &self,
        core: &mut RunCore,
        ix: EventIx,
        event: &Payload,
        position: u32,
        matches: &mut Matches,
    ) {
        if !self.env.run.def().is_waited(ix) {
            return;
        }
        let mut waiting: Vec<(u64, ExecKey, OpId, Filter)> = Vec::new();
        for query in core.state.filtered_waiters(ix) {
            waiting.push((query.waiter, query.exec, query.op.clone(), query.filter.clone()));
        }
        for (waiter, exec, op, filter) in waiting {
            if self.accepts(core, exec, &op, &filter, event) {
                matches.push(position, waiter);
            }
        }
    }

    /// For a wait that begins: which kept events satisfy which filtered waiter, this one under the number 0.
    pub(crate) fn match_kept(
        &self,
        core: &mut RunCore,
        ix: EventIx,
        filter: &Filter,
        predicate: Option<&Predicate>,
    ) -> Vec<(u64, u64)> {
        let kept: Vec<(u64, Payload)> =
            core.state.kept_events(ix).map(|(serial, event)| (serial, event.clone())).collect();
        let mut all = Vec::new();
        for (serial, event) in kept {
            if passes(filter, &event, |event| predicate.is_some_and(|predicate| predicate(event))) {
                all.push((serial, 0));
            }
            let mut matches = Matches::default();
            self.match_event(core, ix, &event, 0, &mut matches);
            all.extend(matches.iter().map(|(_, waiter)| (serial, waiter)));
        }
        all
    }

    pub(crate) fn accepts(
        &self,
        core: &mut RunCore,
        exec: ExecKey,
        op: &OpId,
        filter: &Filter,
        event: &Payload,
    ) -> bool {
        let shared = core.entry(exec).and_then(|entry| entry.shared.clone());
        passes(filter, event, |event| shared.is_some_and(|shared| shared.log().accepts(op, event).unwrap_or(false)))
    }
}

/// Applies a filter. One that panics accepts nothing.
fn passes(filter: &Filter, event: &Payload, code: impl FnOnce(&Payload) -> bool) -> bool {
    let verdict = catch_unwind(AssertUnwindSafe(|| match filter {
        Filter::Any => true,
        Filter::Code => code(event),
        Filter::Field { path, value } => {
            let (Ok(event), Ok(path)) = (event.as_erased().to_value(), StorePath::new(path.as_str())) else {
                return false;
            };
            path.get(&event) == Some(value)
        }
    }));
    verdict.unwrap_or_else(|_| {
        tracing::warn!(target: "stepcast", event = event.meta().tag, "the filter of a wait panicked; it counts as not matching");
        false
    })
}
