//! Filters of waits are user code or read users' events, so they are asked here, before a tick is made.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use stepcast_core::engine::{ExecKey, FilterQuery, Judge, Matches, TickKind};
use stepcast_core::{EventIx, OutToken, Outputs, Payload};

use super::Dispatch;
use super::core::RunCore;

impl Dispatch {
    /// What the filters say to what an execution sent, or to what it gave if it is over with that.
    pub(crate) fn match_outputs(&self, core: &RunCore, leaving: Option<ExecKey>, outputs: &Outputs) -> Matches {
        let def = self.env.run.def();
        let mut judge = judge(core);
        if let Some(exec) = leaving {
            judge.leaving(&core.state, exec);
        }
        let events = outputs.iter().filter_map(|token| match token {
            OutToken::Event(event) => Some(&event.payload),
            _ => None,
        });
        for (position, event) in (0..).zip(events) {
            if let Some(ix) = def.event_by_hash(event.meta().hash).filter(|ix| def.is_waited(*ix)) {
                judge.new_event(&core.state, ix, position, event);
            }
        }
        judge.into_matches()
    }

    /// What the filters say to an event that comes alone.
    pub(crate) fn match_event(&self, core: &RunCore, event: &Payload) -> Matches {
        let def = self.env.run.def();
        let mut judge = judge(core);
        if let Some(ix) = def.event_by_hash(event.meta().hash).filter(|ix| def.is_waited(*ix)) {
            judge.new_event(&core.state, ix, 0, event);
        }
        judge.into_matches()
    }

    /// Whether an event satisfies this waiter's filter.
    pub(crate) fn accepts(&self, core: &RunCore, waiter: u64, event: &Payload) -> bool {
        core.state.filter_of(waiter).is_none_or(|query| judge(core).passes(query, event))
    }

    /// Lets the waits have what is kept, as the reducer asked.
    pub(crate) fn offer_kept(&mut self, core: &mut RunCore, event: EventIx, waiter: Option<u64>) {
        let mut judge = judge(core);
        judge.kept(&core.state, event, waiter);
        let matches = judge.into_matches();
        if !matches.is_empty() {
            self.tick(core, TickKind::Kept { event, matches });
        }
    }
}

fn judge(
    core: &RunCore,
) -> Judge<impl FnMut(&Payload) -> Option<Value>, impl FnMut(FilterQuery<'_>, &Payload) -> bool> {
    let value = |event: &Payload| guarded(event, || event.as_erased().to_value().ok()).flatten();
    let predicate = |query: FilterQuery<'_>, event: &Payload| {
        let Some(shared) = core.entry_ref(query.exec).and_then(|entry| entry.shared.as_ref()) else { return false };
        guarded(event, || shared.log().accepts(query.op, event).unwrap_or(false)).unwrap_or(false)
    };
    Judge::new(value, predicate)
}

/// Calls user code. A filter that panics accepts nothing.
fn guarded<T>(event: &Payload, call: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(call));
    if result.is_err() {
        tracing::warn!(target: "stepcast", event = event.meta().tag, "the filter of a wait panicked; it counts as not matching");
    }
    result.ok()
}
