//! Promise 10 and invariant 6: a snapshot that was edited by hand is refused with a typed error, or gives a run that
//! ends. It never panics, and it never hangs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepcast::engine::{FailureChoice, RestoreError};
use stepcast::prelude::*;
use stepcast::testing::{advance, settle};
use stepcast::{RestoreRunError, RunSnapshot, StepFailedEvent, WorkflowFailedEvent};

#[event(start)]
struct Begin {}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Part {
    n: u32,
}

#[event]
struct Piece {
    n: u32,
}

#[event]
struct Half {
    n: u32,
}

#[event(external)]
struct Go {
    n: u32,
}

#[event(external)]
struct Later {
    n: u32,
}

#[event(input_required)]
struct Question {
    n: u32,
}

#[event(human_response)]
struct Answer {
    n: u32,
}

#[event(stop)]
struct Done {}

#[derive(Clone, Default, Serialize, Deserialize, State)]
struct Counter {
    n: u32,
}

/// A run of it that has come to rest holds something of every kind.
struct Zoo;

#[workflow(Begin => Done)]
impl Zoo {
    #[step]
    async fn begin(&self, _ev: Begin, counter: State<Counter>, ctx: Context) -> Result<(Vec<Item>, Half, Question)> {
        counter.edit(|state| state.n += 1).await?;
        ctx.store().set("a.b", [1, 2, 3]).await?;
        ctx.write_event_to_stream(Half { n: 0 });
        Ok(((1..=7).map(|n| Item { n }).collect(), Half { n: 1 }, Question { n: 1 }))
    }

    #[step(waits(Go), workers = 6, retry(attempts = 2, backoff = "5s"), on_failure = "pause")]
    async fn work(
        &self,
        item: Item,
        attempt: Attempt,
        counter: State<Counter>,
        ctx: Context<(Part,)>,
    ) -> Result<Vec<Part>> {
        ctx.call("call", || async { Ok::<_, StepError>(item.n) }).await?;
        counter
            .edit(|state| {
                state.n += 1;
                state.n
            })
            .await?;
        ctx.send_now(Part { n: 0 }).await?;
        match item.n {
            1 => {}
            2 => {
                ctx.wait_for_event::<Go>().where_field("n", 2).await?;
            }
            3 => {
                ctx.wait_for_event::<Go>().matching(|go| go.n == 3).announce(Question { n: 3 }).await?;
            }
            4 => {
                drop(ctx.wait_for_event::<Go>().id("late").where_field("n", 44).timeout(Duration::from_secs(60)).await)
            }
            5 if attempt.number() == 1 => return Err(StepError::msg("again")),
            6 => return Err(StepError::msg("asks").fatal()),
            _ => drop(ctx.collect_n(item.clone(), 2).key(item.n).await?),
        }
        Ok(vec![Part { n: item.n }, Part { n: item.n.wrapping_mul(10) }])
    }

    #[step]
    async fn piece(&self, part: Part) -> Result<Option<Piece>> {
        if part.n == 7 { Err(StepError::msg("recovered")) } else { Ok((part.n > 0).then_some(Piece { n: part.n })) }
    }

    #[step(catch(piece), waits(Later))]
    async fn recover(&self, _failed: StepFailedEvent, ctx: Context) -> Result<Piece> {
        let later = ctx.wait_for_event::<Later>().await?;
        Ok(Piece { n: later.n })
    }

    #[step]
    async fn one(&self, first: Take<Piece, 1>) -> Option<Whole> {
        first.first().map(|piece| Whole { n: piece.n })
    }

    #[step]
    async fn gather(&self, all: Vec<Whole>) -> Total {
        Total { n: all.len() as u32 }
    }

    #[step]
    async fn ends(&self, total: Total, _half: Half, _answer: Answer) -> Option<Done> {
        (total.n > 0).then_some(Done {})
    }
}

#[event]
struct Whole {
    n: u32,
}

#[event]
struct Total {
    n: u32,
}

/// Fails a test that would hang for ever.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(100_000_000), future).await.unwrap_or_else(|_| panic!("{what} hangs"))
}

async fn at_rest() -> Value {
    let run = Zoo.run_with(Begin {}, RunOptions::new().run_id("zoo"));
    settle().await;
    run.send_event(Go { n: 99 }).unwrap();
    settle().await;
    let snapshot = run.snapshot().await.unwrap();
    run.cancel();
    serde_json::to_value(snapshot).unwrap()
}

/// Brings a restored run to its end, with whatever it asks for; then lets go of it.
async fn bring_to_its_end(run: Run<Done>) -> Option<String> {
    let mut stream = run.stream_events();
    for _ in 0..3 {
        for n in 2..=4 {
            let _ = run.send_event(Go { n });
        }
        let _ = run.send_event(Later { n: 8 });
        settle().await;
        for asked in within("listing inputs", run.pending_inputs()).await {
            let answer = async {
                match asked.input.error {
                    Some(_) => run.respond_failure(&asked.id, FailureChoice::Skip).await,
                    None if asked.input.expects.is_some() => run.respond(&asked.id, Go { n: 3 }).await,
                    None => run.respond(&asked.id, Answer { n: 1 }).await,
                }
            };
            // An answer to a wait that is not reached again waits too.
            let _ = tokio::time::timeout(Duration::from_secs(10), answer).await;
        }
        within("a snapshot", run.snapshot()).await.unwrap();
        advance(Duration::from_secs(20)).await;
    }
    // Nobody can send any more, so a run that still waits is stuck, and says so.
    drop(run);
    let mut last = None;
    while let Some(item) = within("the run", stream.next()).await {
        last = Some(item);
    }
    last.expect("a run that ends says so")
        .get::<WorkflowFailedEvent>()
        .map(|failed| failed.exception.exception_message.clone())
}

#[tokio::test(start_paused = true)]
async fn the_undamaged_run_ends() {
    let zoo = at_rest().await;
    let text = zoo.to_string();
    // Something of every kind is in it, or the test below would test little.
    for part in ["execs", "scopes", "joins", "waits", "inputs", "buffers", "timers"] {
        assert!(!zoo["state"]["state"][part].is_null(), "{part}: {text}");
    }
    for part in ["delayed", "asked", "failure", "retry", "recovery", "\"kept\":[[", "collectors", "records", "late"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let run = Zoo.restore(RunSnapshot::from_json(&text).unwrap()).unwrap();
    assert_eq!(bring_to_its_end(run).await, None);
}

/// Steele, Lea and Flood's SplitMix64.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

/// The value at a place in depth-first order.
fn place<'v>(value: &'v mut Value, at: &mut usize) -> Option<&'v mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(list) => list.iter_mut().find_map(|value| place(value, at)),
        Value::Object(map) => map.values_mut().find_map(|value| place(value, at)),
        _ => None,
    }
}

fn damage(value: &mut Value, rng: &mut Rng) -> String {
    let mut at = rng.below(count(value));
    let Some(found) = place(value, &mut at) else { return String::new() };
    let before = found.to_string();
    match (&mut *found, rng.below(5)) {
        (Value::Array(list), 0) if !list.is_empty() => drop(list.remove(rng.below(list.len()))),
        (Value::Array(list), 1) if !list.is_empty() => list.push(list[rng.below(list.len())].clone()),
        (Value::Array(list), 2) if !list.is_empty() => {
            let other = rng.below(list.len());
            list.swap(0, other);
        }
        (Value::Object(map), 0 | 1) if !map.is_empty() => {
            let key = map.keys().nth(rng.below(map.len())).unwrap().clone();
            map.remove(&key);
        }
        (Value::Number(number), 0..=3) => {
            let old = number.as_u64().unwrap_or(0);
            let new = [0, 1, 2, old.wrapping_add(1), old.saturating_sub(1), 7, 1 << 31, u64::from(u32::MAX), u64::MAX];
            *found = json!(new[rng.below(new.len())]);
        }
        (Value::String(text), 0..=2) => {
            let new = [
                "", "begin", "work", "Go", "Item", "Part", "Answer", "active", "delayed", "asked", "running", "ended",
                "wait", "edit",
            ];
            *text = new[rng.below(new.len())].to_owned();
        }
        _ => {
            let new = [
                json!(null),
                json!([]),
                json!({}),
                json!("x"),
                json!(3),
                json!(-1),
                json!(true),
                json!([null]),
                json!(1.5),
            ];
            *found = new[rng.below(new.len())].clone();
        }
    }
    format!("{before} became {found}")
}

#[tokio::test(start_paused = true)]
async fn a_damaged_snapshot_is_refused_or_gives_a_run_that_ends() {
    let zoo = at_rest().await;
    let (mut unread, mut refused, mut ended) = (0, 0, 0);
    for case in 0..4_000 {
        let mut rng = Rng(case);
        let mut value = zoo.clone();
        let edits: Vec<String> = (0..1 + case % 3).map(|_| damage(&mut value, &mut rng)).collect();
        let _said = Said(format!("case {case}: {}", edits.join("; ")));
        let mut text = value.to_string();
        if case % 50 == 0 {
            text.truncate(rng.below(text.len()));
        }
        let Ok(snapshot) = RunSnapshot::from_json(&text) else {
            unread += 1;
            continue;
        };
        match Zoo.restore(snapshot) {
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
            Ok(run) => {
                let failed = bring_to_its_end(run).await.unwrap_or_default();
                assert!(!failed.contains("panicked"), "{failed}");
                ended += 1;
            }
        }
    }
    // All three kinds of cases are met, many times over.
    assert!(unread > 200 && refused > 200 && ended > 200, "{unread} unread, {refused} refused, {ended} ended");
}

/// Says which case it was if the test fails in it.
struct Said(String);

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// What a person might do to a snapshot, one thing at a time, and what is said of it.
#[tokio::test(start_paused = true)]
async fn what_contradicts_itself_is_named() {
    let zoo = at_rest().await;
    let state = "/state/state";
    let cases: [(&str, Value, &str); 12] = [
        ("/phase", json!("created"), "whether the run has ended"),
        ("/phase", json!("ended"), "whether the run has ended"),
        ("/next_exec", json!(1), "the serial number of an execution"),
        ("/next_id", json!(u64::MAX), "a counter"),
        ("/execs/slots", json!([]), "the table of executions"),
        ("/scopes", json!(null), "what keeps a batch member open"),
        ("/timers", json!(null), "the timer of a retry"),
        ("/inputs", json!(null), "what an execution waits for"),
        ("/waits", json!(null), "the waits of an execution"),
        ("/joins/0/1", json!([[], []]), "the slots of a join"),
        ("/buffers/0/1/len", json!(99), "a collection's buffer"),
        ("/execs/free", json!([0]), "the table of executions"),
    ];
    for (pointer, new, expected) in cases {
        let mut value = zoo.clone();
        *value.pointer_mut(&format!("{state}{pointer}")).unwrap_or_else(|| panic!("{pointer}")) = new;
        match Zoo.restore(RunSnapshot::from_json(&value.to_string()).unwrap()) {
            Err(RestoreRunError::State(RestoreError::Inconsistent { what })) => assert_eq!(what, expected, "{pointer}"),
            Err(other) => panic!("{pointer}: {other}"),
            Ok(_) => panic!("{pointer} was accepted"),
        }
    }
    let mut value = zoo.clone();
    value["store"] = json!([1]);
    let error = Zoo.restore(RunSnapshot::from_json(&value.to_string()).unwrap()).unwrap_err();
    assert!(matches!(error, RestoreRunError::Store(_)), "{error}");
    let mut value = zoo;
    value["seq"] = json!(u64::MAX);
    let error = Zoo.restore(RunSnapshot::from_json(&value.to_string()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("the place in the stream"), "{error}");
}
