//! What a journal has of an execution's record, and what is new for it.

use stepcast_core::engine::OpKind;
use stepcast_core::journal::LabelDelta;

use super::{Label, OpLog};

impl OpLog {
    /// Notes that there may be something new for a journal. `false` if that is known already.
    pub(crate) fn touch(&mut self) -> bool {
        !std::mem::replace(&mut self.more.get_or_insert_default().touched, true)
    }

    /// What is new since this was last asked, for a journal. What a fold finds by itself is left out.
    pub(crate) fn take_new(&mut self) -> Vec<LabelDelta> {
        let more = self.more.get_or_insert_default();
        more.touched = false;
        if more.told.capacity() == 0 {
            // Most have one label, and may wait for long.
            more.told.reserve_exact(self.labels.len());
        }
        more.told.resize(self.labels.len(), (0, 0));
        let labels = self.labels.iter().zip(&mut more.told);
        labels.filter_map(|(label, told)| label.take_new(told)).collect()
    }

    /// A result was replaced by another.
    pub(super) fn tell_again(&mut self, kind: OpKind, label: &str, ordinal: u32) {
        let at = self.find(kind, label);
        let told = at.and_then(|at| self.more.as_mut()?.told.get_mut(at));
        if let Some((_, results)) = told {
            *results = ordinal.min(*results);
        }
    }

    /// What the log holds is what a journal has.
    pub(crate) fn all_told(&mut self) {
        let _ = self.take_new();
    }
}

impl Label {
    fn take_new(&self, (told, told_results): &mut (u32, u32)) -> Option<LabelDelta> {
        if matches!(self.kind, OpKind::Wait | OpKind::Collect | OpKind::SendNow) {
            return None;
        }
        let all = self.results.as_deref().map_or(&[][..], Vec::as_slice);
        let first = (*told_results as usize).min(all.len());
        let results: Vec<_> = (first as u32..)
            .zip(&all[first..])
            .filter_map(|(ordinal, result)| Some((ordinal, result.clone()?)))
            .collect();
        // What is in the outbox is lost with the process, so it counts as not sent.
        let done = if self.kind == OpKind::Send { self.committed } else { self.done };
        // After a failure there may be fewer than before.
        if done == *told && results.is_empty() {
            return None;
        }
        *told = done;
        *told_results = all.iter().skip(first).position(Option::is_none).map_or(all.len(), |at| first + at) as u32;
        Some(LabelDelta { kind: self.kind, label: self.label.to_string(), done, results })
    }
}
