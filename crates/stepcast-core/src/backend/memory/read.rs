//! What lists the store.

use super::World;
use super::run::MemoryRun;
use crate::backend::*;

impl World {
    pub(super) fn found(&self, id: &str) -> Result<&MemoryRun, LoadError> {
        self.runs.get(id).ok_or_else(|| LoadError::UnknownRun { run: id.into() })
    }

    pub(super) fn list_runs(
        &self,
        me: u64,
        filter: &RunFilter,
        after: Option<RunCursor>,
        limit: usize,
    ) -> Vec<RunRecord> {
        let end = after.map_or(u64::MAX, |cursor| cursor.0);
        let rev = self.order.range(..end).rev();
        let found = rev.filter_map(|(_, id)| self.runs.get(id).map(|run| (id, run)));
        found.filter(|(_, run)| lists_run(filter, run)).take(limit).map(|(id, run)| run.record(id, me)).collect()
    }

    pub(super) fn list_inputs(
        &self,
        filter: &InputFilter,
        after: Option<InputCursor>,
        limit: usize,
    ) -> Vec<InputRecord> {
        let mut found = Vec::new();
        for (id, run) in &self.runs {
            if filter.run.as_ref().is_some_and(|wanted| wanted != id)
                || filter.workflow.as_ref().is_some_and(|wanted| *wanted != run.new.workflow)
            {
                continue;
            }
            for input in run.inputs.values() {
                if after.is_some_and(|cursor| input.key <= cursor.0)
                    || filter.input.is_some_and(|wanted| wanted != input.asked.input)
                    || (filter.pending && input.status != InputStatus::Pending)
                {
                    continue;
                }
                found.push(InputRecord {
                    run: id.clone(),
                    workflow: run.new.workflow.clone(),
                    asked: input.asked.clone(),
                    opened: input.opened,
                    status: input.status.clone(),
                    cursor: InputCursor(input.key),
                });
            }
        }
        found.sort_by_key(|input| input.cursor.0);
        found.truncate(limit);
        found
    }
}

fn lists_run(filter: &RunFilter, run: &MemoryRun) -> bool {
    filter.workflow.as_ref().is_none_or(|wanted| *wanted == run.new.workflow)
        && (filter.parent.is_none() || filter.parent == run.new.parent)
        && (filter.statuses.is_empty() || filter.statuses.contains(&run.status))
        && (!filter.unclaimed || (!run.status.is_end() && run.holder.is_none()))
        && filter.due_by.is_none_or(|by| run.due.is_some_and(|due| due <= by))
        && (!filter.mailed || !run.mail.is_empty())
}
