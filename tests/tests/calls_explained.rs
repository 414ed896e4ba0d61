//! Why each call was made or not: told while the run lives, and read from its journal afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stepcast::backend::{Backend, Batch, Done as Receipt, JournalRow, MemoryBackend, NewRun, SnapshotRow};
use stepcast::engine::{Commands, OpKind, RunState, Tick, TickKind, Time, reduce};
use stepcast::journal::{
    CallRecord, Checkpoint, ExecLog, Kept, LabelDelta, LabelLog, Logs, Recorded, RowExtras, StoredCall, write_between,
    write_tick,
};
use stepcast::prelude::*;
use stepcast::{
    Budget, CallCache, CallError, CallEvent, CallReason, CallStatus, ExplainError, Payload, RunId, Runtime, Usage,
    WorkflowDef,
};
use support::{recorded, rest, within};

#[event(start)]
struct Begin {
    text: String,
}

#[event(stop)]
struct Done {
    text: String,
}

struct Flow;

#[workflow(Begin => Done)]
impl Flow {
    #[step]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let slow = ctx.call("slow", || async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok::<_, StepError>(1)
        });
        slow.await?;
        let keyed = ctx.call("keyed", || async { Ok::<_, StepError>(2) }).key(&ev.text).namespace("v2");
        keyed.usage(|_| Usage::new(3, 4)).await?;
        let dear = ctx.call("dear", || async { Ok::<_, StepError>(3) }).estimate(Usage::cost_micros(6)).await;
        assert!(matches!(dear, Err(CallError::BudgetExhausted { .. })));
        let broken = ctx.call("broken", || async { Err::<u32, _>(StepError::msg("no answer")) }).await;
        Ok(Done { text: broken.unwrap_err().to_string() })
    }
}

fn told(call: &CallEvent) -> (&str, CallStatus, &str, Option<Usage>, u64) {
    (&call.label, call.status, &call.reason, call.usage, call.took)
}

#[tokio::test(start_paused = true)]
async fn a_run_says_what_became_of_each_call_and_why() {
    let cache = CallCache::memory(9);
    let begin = || Begin { text: "x".to_owned() };
    let options = |id: &str| {
        let budget = Budget::new().cost_micros(5).tokens(1_000);
        recorded().budget(budget).call_cache(cache.clone()).run_id(id)
    };
    let run = Flow.run_with(begin(), options("first"));
    assert_eq!(within(run.result()).await.unwrap().text, "The call `broken` failed: no answer");
    let calls = run.calls();
    let dear = "the budget does not allow it: what is left is 993 tokens and 0.000005 of money";
    let expected = [
        ("slow", CallStatus::Miss, "no result was recorded yet, and without a key no cache is asked", None, 2_000_000),
        ("keyed", CallStatus::Miss, "neither this execution nor the cache had a result", Some(Usage::new(3, 4)), 0),
        ("dear", CallStatus::Refused, dear, Some(Usage::cost_micros(6)), 0),
        ("broken", CallStatus::Failed, "the closure failed: no answer", None, 0),
    ];
    assert_eq!(calls.iter().map(told).collect::<Vec<_>>(), expected);
    assert!(calls.iter().all(|call| call.step == "work" && call.execution == 1 && call.attempt == 1));
    let keys: Vec<bool> = calls.iter().map(|call| call.key.is_some()).collect();
    assert_eq!(keys, [false, true, false, false]);
    // The same as frames, and as the test kit sees them.
    let items = rest(run.events_internal()).await;
    assert!(items.iter().filter_map(|item| item.get::<CallEvent>()).eq(&calls));

    let run = Flow.run_with(begin(), options("second"));
    within(run.result()).await.unwrap();
    let cached = &run.calls()[1];
    assert_eq!(told(cached).2, "the cache has its result: the run `first` made the call");
    assert_eq!((cached.status, cached.usage, &cached.key), (CallStatus::Cached, None, &calls[1].key));

    // Nobody looks: nothing is made to be told.
    let run = Flow.run_with(begin(), RunOptions::new().budget(Budget::new().cost_micros(5)));
    within(run.result()).await.unwrap();
    assert!(run.calls().is_empty());
}

#[test]
fn every_reason_says_something_of_its_own() {
    use CallReason::*;
    let all = [
        Recorded,
        Cached,
        NotRecorded,
        NotCached,
        NotAdded,
        Refresh,
        Unfit,
        Rerun,
        Writes,
        NoCache,
        CacheFailed,
        Disabled,
        OverBudget,
        Failed,
    ];
    let sentences: BTreeMap<&str, CallReason> = all.iter().map(|reason| (reason.sentence(), *reason)).collect();
    assert_eq!(sentences.len(), all.len());
}

/// A journal as a host writes it, and a store with it.
struct Journal {
    def: WorkflowDef,
    state: RunState,
    rows: Vec<JournalRow>,
}

const CALL: OpKind = OpKind::Call;

fn metered(reason: CallReason, tokens: u64) -> Recorded {
    let about = CallRecord { reason, key: Some("abc".to_owned()), usage: Some(Usage::new(tokens, 0)) };
    Recorded::Call { value: json!("answer"), about: Box::new(about) }
}

impl Journal {
    fn begun() -> Self {
        let def = WorkflowDef::of::<Flow>().unwrap();
        let mut journal = Journal { def, state: RunState::new(None), rows: Vec::new() };
        let kind = TickKind::Start { event: Payload::new(Begin { text: String::new() }) };
        let tick = Tick { at: Time(10), kind };
        let mut row = Vec::new();
        assert!(write_tick(&mut row, &journal.def, &journal.state, 1, &tick, &RowExtras::default()).unwrap());
        reduce(&journal.def, &mut journal.state, tick, &mut Commands::new(false));
        journal.rows.push(JournalRow { n: 1, data: row });
        journal
    }

    /// The row of what the only execution did.
    fn did(&mut self, at: u64, label: &str, results: Vec<(u32, Recorded)>) {
        let exec = self.state.exec_keys().next().unwrap();
        let ops = [
            LabelDelta { kind: CALL, label: label.to_owned(), done: results.len() as u32, results },
            // Not a call.
            LabelDelta {
                kind: OpKind::Edit,
                label: "total".to_owned(),
                done: 1,
                results: vec![(0, Recorded::Json(json!(1)))],
            },
        ];
        let (mut data, n) = (Vec::new(), self.rows.len() as u64 + 1);
        let extras = RowExtras { ops: &ops, ..RowExtras::default() };
        assert!(write_between(&mut data, &self.def, &self.state, n, Time(at), Some(exec), &extras).unwrap());
        self.rows.push(JournalRow { n, data });
    }

    /// Puts the run into a store. The rows up to that of the checkpoint are cut off.
    fn store(self, checkpoint: Option<Checkpoint>) -> Runtime {
        let backend = MemoryBackend::new();
        let new = NewRun { workflow: "Flow".to_owned(), ..NewRun::default() };
        let snapshot = checkpoint.map(|checkpoint| {
            Box::new(SnapshotRow { covers: checkpoint.row(), data: serde_json::to_vec(&checkpoint).unwrap() })
        });
        let (created, rows) = (Some(Box::new(new)), self.rows);
        backend.write(
            Box::new(Batch { created, rows, snapshot, ..Batch::of("r".into(), 1, Time(1)) }),
            Receipt::new(|written| written.unwrap()),
        );
        Runtime::on(Arc::new(backend) as Arc<dyn Backend>)
    }
}

fn stored(call: &StoredCall) -> (&str, u32, Option<&str>, CallReason, Option<u64>, Option<u64>) {
    let StoredCall { label, ordinal, step, reason, usage, at, .. } = call;
    (label, *ordinal, step.as_deref(), *reason, usage.map(|usage| usage.tokens_in), at.map(|at| at.0))
}

#[tokio::test]
async fn a_stored_run_s_calls_are_read_from_its_journal() {
    let mut journal = Journal::begun();
    journal.did(20, "plain", vec![(0, Recorded::Json(json!(1))), (1, Recorded::Json(json!(2)))]);
    journal.did(30, "ask", vec![(0, metered(CallReason::NotCached, 7))]);
    journal.did(40, "ask", vec![(1, metered(CallReason::Cached, 0))]);
    let kept = {
        let results = vec![None, Some(metered(CallReason::Refresh, 5))];
        let label = LabelLog { kind: CALL, label: "before".to_owned(), done: 2, committed: 0, results };
        Kept { logs: Logs(BTreeMap::from([(1, ExecLog { labels: vec![label] })])), ..Kept::default() }
    };
    let checkpoint = Checkpoint::of(&journal.def, 2, &journal.state, kept);
    let calls = |rows: Vec<JournalRow>, checkpoint: Option<Checkpoint>| {
        let journal = Journal { rows, ..Journal::begun() };
        async move { journal.store(checkpoint).stored_calls(&RunId::from("r")).await.unwrap() }
    };
    let whole = calls(journal.rows.clone(), None).await;
    let plain = |ordinal: u32| ("plain", ordinal, Some("work"), CallReason::NotRecorded, None, Some(20));
    let asked = [
        ("ask", 0, Some("work"), CallReason::NotCached, Some(7), Some(30)),
        ("ask", 1, Some("work"), CallReason::Cached, Some(0), Some(40)),
    ];
    assert_eq!(whole.iter().map(stored).collect::<Vec<_>>(), [plain(0), plain(1), asked[0], asked[1]]);
    assert!(whole.iter().all(|call| call.execution == 1));
    assert_eq!(whole[2].key.as_deref(), Some("abc"));

    // What the checkpoint stands for is told by it, as far as it is still on record.
    let rest = calls(journal.rows.clone(), Some(checkpoint)).await;
    let before = ("before", 1, Some("work"), CallReason::Refresh, Some(5), None);
    assert_eq!(rest.iter().map(stored).collect::<Vec<_>>(), [before, asked[0], asked[1]]);
}

#[tokio::test]
async fn what_cannot_be_explained_says_so() {
    let run = RunId::from("r");
    assert!(matches!(Runtime::new().stored_calls(&run).await, Err(ExplainError::NoBackend)));
    let runtime = Journal::begun().store(None);
    assert!(runtime.stored_calls(&run).await.unwrap().is_empty());
    assert!(matches!(runtime.stored_calls(&RunId::from("x")).await, Err(ExplainError::Load(_))));
    let mut damaged = Journal::begun();
    damaged.rows.push(JournalRow { n: 2, data: b"{\"v\":1".to_vec() });
    assert!(matches!(damaged.store(None).stored_calls(&run).await, Err(ExplainError::Journal(_))));
}
