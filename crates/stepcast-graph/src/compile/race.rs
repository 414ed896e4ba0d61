//! Records of steps that race: of what ends them in one turn of their parallel step, the first counts.

use serde_json::{Value, json};
use stepcast_core::StepError;
use stepcast_runtime::Context;

use super::node::Nodes;
use super::scope::{RunScope, at_once};
use crate::events::StepStatus;

impl Nodes {
    /// Keeps the record of a step that is over, and tells of it, unless it was over in this turn before: cancelled in the
    /// instant in which it ended, or the other way round. `false` if it was.
    pub(super) fn keep_in_turn(
        &self,
        at: usize,
        ctx: &Context,
        of: Option<u64>,
        status: StepStatus,
        output: Value,
    ) -> Result<bool, StepError> {
        let races = self.nodes[at].child_of.as_ref().is_some_and(|child| child.races);
        let Some(of) = of.filter(|_| races) else { return self.keep(at, ctx, status, output).map(|()| true) };
        let field = match status {
            StepStatus::Completed => json!({ "output": output }),
            StepStatus::Failed => json!({ "error": output }),
            StepStatus::Skipped | StepStatus::Cancelled => json!({ "status": status }),
        };
        let is_first = at_once(RunScope::of(ctx).store.edit(self.nodes[at].cell.as_str(), |record| {
            if record["turn"] == json!(of) {
                return Ok::<_, StepError>(false);
            }
            let run = record.get_mut("run").map(Value::take);
            *record = field.clone();
            record["turn"] = json!(of);
            if let Some(run) = run {
                record["run"] = run;
            }
            Ok(true)
        }))??;
        if is_first {
            self.tell(at, ctx, status, output);
        }
        Ok(is_first)
    }
}
