//! What journal rows carry beside ticks, and what cannot be written or read.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepcast::engine::{
    Commands, Commit, ExecKey, External, Failure, Filter, Judge, Matches, OpId, OpKind, Operation, Report, RunState,
    Tick, TickKind, Time, WaitRequest, reduce,
};
use stepcast::prelude::*;
use stepcast::{ErrorInfo, Outputs, Payload, RunPolicy, WorkflowDef};
use stepcast_core::journal::{
    Fold, Folded, JournalError, LabelDelta, Recorded, RowExtras, WriteRowError, fold, write_between, write_gave,
    write_takeover, write_tick,
};

#[event(start)]
struct Topic {
    topic: String,
}

#[event]
struct Joke {
    data: Odd,
}

#[event(stop)]
struct Critique {
    verdict: String,
}

/// Values that are hard to write.
#[derive(Clone, Debug, Default, Deserialize)]
struct Odd {
    deep: usize,
    large: Option<u128>,
    panics: bool,
}

impl Serialize for Odd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        assert!(!self.panics, "this event panics");
        if self.deep > 0 {
            let value = (0..self.deep).fold(Value::Null, |inner, _| json!([inner]));
            return value.serialize(serializer);
        }
        match self.large {
            Some(large) => large.serialize(serializer),
            None => json!({ "deep": 0, "large": null, "panics": false }).serialize(serializer),
        }
    }
}

struct Jokes;

#[workflow(Topic => Critique)]
impl Jokes {
    #[step]
    async fn write(&self, _topic: Topic) -> Vec<Joke> {
        vec![Joke { data: Odd::default() }]
    }

    #[step]
    async fn review(&self, _jokes: Vec<Joke>) -> Critique {
        Critique { verdict: "good".into() }
    }
}

/// A host with one execution under way.
struct Host {
    def: WorkflowDef,
    state: RunState,
    rows: Vec<Vec<u8>>,
    now: u64,
}

impl Host {
    fn of(def: WorkflowDef, timeout: Option<Duration>) -> Host {
        let mut host = Host { def, state: RunState::new(timeout), rows: Vec::new(), now: 1_000_000 };
        host.tick(TickKind::Start { event: Payload::new(Topic { topic: "pirates".into() }) }, &RowExtras::default());
        host
    }

    fn begun(timeout: Option<Duration>) -> (Host, ExecKey) {
        let def = WorkflowDef::of::<Jokes>().expect("it checks");
        let mut host = Host::of(def, timeout);
        let exec = host.state.take_ready(|_| 0).expect("it is ready");
        (host, exec)
    }

    fn at(&self) -> Time {
        Time(self.now)
    }

    fn number(&self) -> u64 {
        self.rows.len() as u64 + 1
    }

    fn write(&mut self, tick: &Tick, extras: &RowExtras<'_>) -> Result<bool, WriteRowError> {
        let mut row = Vec::new();
        let written = write_tick(&mut row, &self.def, &self.state, self.number(), tick, extras)?;
        assert_eq!(written, !row.is_empty());
        self.rows.extend(written.then_some(row));
        Ok(written)
    }

    fn tick(&mut self, kind: TickKind, extras: &RowExtras<'_>) -> bool {
        self.now += 10;
        let tick = Tick { at: self.at(), kind };
        let written = self.write(&tick, extras).expect("it can be written");
        reduce(&self.def, &mut self.state, tick, &mut Commands::new(false));
        written
    }

    fn between(&mut self, exec: Option<ExecKey>, extras: &RowExtras<'_>) {
        let mut row = Vec::new();
        assert!(write_between(&mut row, &self.def, &self.state, self.number(), self.at(), exec, extras).unwrap());
        self.rows.push(row);
    }

    fn commit(&mut self, exec: ExecKey, seq: u32, ops: &[LabelDelta]) {
        let id = OpId { kind: OpKind::SendNow, label: "Joke".into(), ordinal: seq - 1 };
        let (outputs, matches, op) = (Outputs::default(), Matches::default(), Operation::Deliver { id });
        let commit = Commit { exec, attempt: 1, seq, outputs, matches, op };
        assert!(self.tick(TickKind::Commit(Box::new(commit)), &RowExtras { ops, ..RowExtras::default() }));
    }

    fn folded(&self) -> Folded {
        fold(&self.def, None, &self.rows).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The journal gives the state back.
    fn folds(&self) {
        let folded = serde_json::to_value(&self.folded().state).expect("it serializes");
        assert_eq!(folded, serde_json::to_value(&self.state).expect("it serializes"));
    }

    fn log(&self, exec: ExecKey) -> Value {
        serde_json::to_value(self.folded().kept.logs.0.get(&exec.serial)).expect("it serializes")
    }
}

fn delta(kind: OpKind, label: &str, done: u32, results: &[(u32, i32)]) -> LabelDelta {
    let results = results.iter().map(|(ordinal, value)| (*ordinal, Recorded::Json(json!(value)))).collect();
    LabelDelta { kind, label: label.into(), done, results }
}

fn failed(exec: ExecKey) -> TickKind {
    let error = ErrorInfo { exception_type: "E".into(), exception_message: "no".into(), causes: Vec::new() };
    let failure = Failure { error, retry_after: Some(Duration::ZERO) };
    let (attempt, started, matches) = (1, Time(1), Matches::default());
    TickKind::Report(Report { exec, attempt, started, outcome: Err(Box::new(failure)), matches })
}

fn succeeded(exec: ExecKey, outputs: Outputs) -> TickKind {
    let (attempt, started, matches) = (1, Time(1), Matches::default());
    TickKind::Report(Report { exec, attempt, started, outcome: Ok(outputs), matches })
}

fn joke(data: Odd) -> Outputs {
    let mut outputs = Outputs::default();
    outputs.open_batch(0, 1);
    outputs.begin_member();
    outputs.push(Joke { data });
    outputs.close_batch();
    outputs
}

#[test]
fn operations_come_back_and_a_failed_attempt_keeps_its_calls() {
    let (mut host, exec) = Host::begun(None);
    let ops = [delta(OpKind::Call, "ask", 1, &[(0, 7)]), delta(OpKind::Edit, "count", 1, &[(0, 1)])];
    host.between(Some(exec), &RowExtras { ops: &ops, ..RowExtras::default() });
    host.commit(exec, 1, &[delta(OpKind::Send, "Joke", 2, &[])]);
    let ops = [delta(OpKind::Call, "ask", 2, &[(1, 8)]), delta(OpKind::Edit, "count", 2, &[(1, 2)])];
    host.between(Some(exec), &RowExtras { ops: &ops, ..RowExtras::default() });
    let ops = [delta(OpKind::Send, "Joke", 3, &[]), delta(OpKind::Stream, "", 4, &[])];
    host.between(Some(exec), &RowExtras { ops: &ops, ..RowExtras::default() });
    let label = |kind: &str, label: &str, done: u32, committed: u32, results: Value| {
        let mut all = json!({ "kind": kind, "label": label, "done": done, "committed": committed });
        if results != json!([]) {
            all["results"] = results;
        }
        all
    };
    let calls = label("call", "ask", 2, 1, json!([{ "json": 7 }, { "json": 8 }]));
    let before = [
        calls.clone(),
        label("edit", "count", 2, 1, json!([{ "json": 1 }, { "json": 2 }])),
        label("send", "Joke", 3, 2, json!([])),
        label("send_now", "Joke", 1, 0, json!([])),
        label("stream", "", 4, 0, json!([])),
    ];
    assert_eq!(host.log(exec), json!({ "labels": before }));

    // Another process forgets only what was sent and not delivered.
    let taken_over = host.folded().take_over(&host.def);
    let mut after = before.clone();
    after[2] = label("send", "Joke", 2, 2, json!([]));
    assert_eq!(serde_json::to_value(&taken_over.kept.logs.0[&exec.serial]).unwrap(), json!({ "labels": after }));
    let mut row = Vec::new();
    write_takeover(&mut row, &host.def, &taken_over.state, host.number(), host.at()).unwrap();
    let rows: Vec<_> = host.rows.iter().cloned().chain([row]).collect();
    let again = fold(&host.def, None, rows).unwrap();
    assert_eq!(again.kept, taken_over.kept);

    // A failed attempt does anew what it wrote behind its last commit point.
    host.tick(failed(exec), &RowExtras::default());
    let after = [
        calls,
        label("edit", "count", 1, 1, json!([{ "json": 1 }])),
        label("send", "Joke", 2, 2, json!([])),
        label("send_now", "Joke", 1, 0, json!([])),
        label("stream", "", 0, 0, json!([])),
    ];
    assert_eq!(host.log(exec), json!({ "labels": after }));
}

#[test]
fn the_record_of_an_execution_goes_with_its_report() {
    let (mut host, exec) = Host::begun(None);
    host.between(Some(exec), &RowExtras { ops: &[delta(OpKind::Call, "ask", 1, &[(0, 7)])], ..RowExtras::default() });
    assert_eq!(host.folded().kept.logs.0.len(), 1);
    assert!(host.tick(succeeded(exec, joke(Odd::default())), &RowExtras::default()));
    assert_eq!(host.folded().kept.logs.0.len(), 0);
    // What comes after it is about nothing.
    let (mut row, none) = (Vec::new(), RowExtras::default());
    assert!(!write_between(&mut row, &host.def, &host.state, 9, host.at(), Some(exec), &none).unwrap());
    assert!(!host.tick(succeeded(exec, joke(Odd::default())), &none));
}

#[test]
fn cells_states_and_the_stream_come_back() {
    let (mut host, exec) = Host::begun(None);
    let (one, two, null) = (json!({ "a": [1] }), json!(2), Value::Null);
    let store = [("one", Some(&one)), ("two", Some(&two)), ("null", Some(&null))];
    let extras = RowExtras { store: &store, states: &[("Count", &two)], seq: Some(3), ..RowExtras::default() };
    host.between(None, &extras);
    let extras = RowExtras { store: &[("two", None), ("one", Some(&two))], ..RowExtras::default() };
    assert!(host.tick(failed(exec), &extras));
    let kept = host.folded().kept;
    assert_eq!(serde_json::to_value(&kept.store).unwrap(), json!({ "one": 2, "null": null }));
    assert_eq!(serde_json::to_value(&kept.states).unwrap(), json!({ "Count": 2 }));
    assert_eq!(kept.seq, 3);
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let (mut host, exec) = Host::begun(None);
    let refused = |data: Odd| {
        let (mut row, number) = (b"before".to_vec(), host.number());
        let tick = Tick { at: host.at(), kind: succeeded(exec, joke(data)) };
        let error = write_tick(&mut row, &host.def, &host.state, number, &tick, &RowExtras::default()).unwrap_err();
        assert_eq!(row, b"before", "a part was written");
        error
    };
    let error = refused(Odd { deep: 101, ..Odd::default() });
    assert!(matches!(error, WriteRowError::TooDeep { row: 2, .. }), "{error}");
    let error = refused(Odd { large: Some(u128::MAX), ..Odd::default() });
    assert!(error.to_string().contains(&u128::MAX.to_string()), "{error}");
    let error = refused(Odd { panics: true, ..Odd::default() });
    assert!(matches!(&error, WriteRowError::Serialize { row: 2, .. }), "{error}");
    assert!(error.to_string().contains("this event panics"), "{error}");
    assert!(host.tick(succeeded(exec, joke(Odd::default())), &RowExtras::default()));
    host.folded();
}

/// The common report is written another way than all other rows.
#[test]
fn a_report_with_one_event_is_written_as_any_other() {
    let (host, exec) = Host::begun(None);
    let write = |event: &Payload, extras: &RowExtras<'_>| {
        let mut outputs = Outputs::default();
        outputs.push_payload(event.clone());
        let (mut row, tick) = (Vec::new(), Tick { at: host.at(), kind: succeeded(exec, outputs) });
        let written = write_tick(&mut row, &host.def, &host.state, host.number(), &tick, extras);
        written.map(|_| String::from_utf8(row).expect("it is text")).map_err(|error| error.to_string())
    };
    let topic = |topic: &str| Payload::new(Topic { topic: topic.into() });
    let joke = |data: Odd| Payload::new(Joke { data });
    let large = |large: u128| joke(Odd { large: Some(large), ..Odd::default() });
    let mut events = vec![topic("pirates"), topic("\"\\\u{1}\u{fc}[{"), large(1 << 64), large((1 << 64) - 1)];
    events.extend((90..=101).map(|deep| joke(Odd { deep, ..Odd::default() })));
    events.push(joke(Odd { panics: true, ..Odd::default() }));
    let refused = events.iter().filter(|event| {
        let other_way = write(event, &RowExtras { seq: Some(77), ..RowExtras::default() });
        let short = write(event, &RowExtras::default());
        assert_eq!(short, other_way.map(|row| row.replacen("\"seq\":77,", "", 1)));
        short.is_err()
    });
    assert!((3..events.len() - 3).contains(&refused.count()), "both outcomes are met");
}

#[event]
struct Numbers {
    r#type: u8,
    a: u16,
    b: u32,
    c: u64,
    d: usize,
    e: i8,
    f: i16,
    g: i32,
    h: i64,
    i: isize,
    yes: bool,
    text: String,
}

#[event(tag = "a \"tag\"")]
struct Tagged {
    n: u8,
}

#[step]
async fn give(_topic: Topic) -> Either<Numbers, Either<Tagged, Word>> {
    Either::Right(Either::Right(Word {}))
}

#[step]
async fn end(_event: Either<Numbers, Either<Tagged, Word>>) -> Critique {
    Critique { verdict: "good".into() }
}

/// The report of an attempt that gave one event of numbers, bools and texts alone is written before it is made.
#[test]
fn a_report_is_written_before_it_is_made_as_any_other() {
    let flow = stepcast::WorkflowBuilder::new::<Topic, Critique>("short");
    let def = flow.step::<give>().step::<end>().build().expect("it checks");
    let mut host = Host::of(def, None);
    let exec = host.state.take_ready(|_| 0).expect("it is ready");
    let numbers = |most: bool, text: &str| {
        let (c, h, text) = if most { (u64::MAX, i64::MAX, text.into()) } else { (0, i64::MIN, text.into()) };
        let (a, b, d, e, f, g, i) = (u16::MAX, 7, usize::MAX, i8::MIN, -1, i32::MIN, isize::MAX);
        Payload::new(Numbers { r#type: 255, a, b, c, d, e, f, g, h, i, yes: most, text })
    };
    let shared = numbers(true, "of many").into_shared();
    let tagged = Payload::new(Tagged { n: 1 });
    let short = [numbers(true, ""), numbers(false, "\"\\\n\u{1}\u{fc}[{"), Payload::new(Word {}), shared, tagged];
    let long = [Payload::new(Topic { topic: "undeclared".into() })];
    for (event, is_short) in short.iter().map(|event| (event, true)).chain(long.iter().map(|event| (event, false))) {
        let mut outputs = Outputs::default();
        outputs.push_payload(event.clone());
        let (tick, extras) = (Tick { at: host.at(), kind: succeeded(exec, outputs) }, RowExtras::default());
        let (mut row, mut other) = (Vec::new(), Vec::new());
        let number = host.number();
        let written = write_gave(&mut row, &host.def, &host.state, number, host.at(), (exec, Time(1)), event);
        assert_eq!(written, is_short, "{event:?}");
        // With anything else in the row it is made by serde's own serializer.
        let extras = RowExtras { seq: Some(77), ..extras };
        write_tick(&mut other, &host.def, &host.state, number, &tick, &extras).expect("it is written");
        let other = String::from_utf8(other).expect("it is text").replacen("\"seq\":77,", "", 1);
        assert_eq!(String::from_utf8(row).expect("it is text"), if is_short { other } else { String::new() });
    }
    let stale = ExecKey { serial: exec.serial + 1, ..exec };
    let mut row = Vec::new();
    let event = &short[0];
    assert!(!write_gave(&mut row, &host.def, &host.state, 2, host.at(), (stale, Time(1)), event) && row.is_empty());
}

#[test]
fn events_that_go_nowhere_are_left_out_and_the_others_keep_their_filters() {
    let (mut host, exec) = Host::begun(None);
    let mut outputs = Outputs::default();
    outputs.push(Word {});
    outputs.push(Topic { topic: "one".into() });
    outputs.open_batch(5, 2);
    outputs.begin_member();
    outputs.push(Word {});
    outputs.begin_member();
    outputs.push(Joke { data: Odd::default() });
    outputs.close_batch();
    let mut matches = Matches::default();
    [(0, 91), (1, 92), (2, 93), (3, 94)].iter().for_each(|(at, waiter)| matches.accept(*at, *waiter));
    matches.field(3, "a.b", &json!({ "c": 1 }));
    let report = Report { exec, attempt: 1, started: Time(1), outcome: Ok(outputs), matches };
    host.tick(TickKind::Report(report), &RowExtras::default());
    let row: Value = serde_json::from_slice(&host.rows[1]).unwrap();
    let tokens = &row["do"]["report"]["out"][0];
    assert_eq!((&tokens[0], &tokens[1]), (&json!(["Topic", { "topic": "one" }]), &json!(5)));
    assert_eq!((&tokens[2], &tokens[3], &tokens[4][0]), (&json!("member"), &json!("member"), &json!("Joke")));
    let told = json!([[0, { "waiters": [92] }], [1, { "fields": [["a.b", "{\"c\":1,}"]], "waiters": [94] }]]);
    assert_eq!(row["do"]["report"]["out"][1], told);
    host.folds();
}

/// What filters say to kept events has a row of its own, and a fold asks none.
#[test]
fn kept_events_are_handed_out_by_a_row_of_their_own() {
    let two = Filter::Field { path: "n".into(), value: 2.into() };
    for (filter, verdict) in [(two, json!({ "fields": [["n", "2"]] })), (Filter::Code, json!({ "waiters": [1] }))] {
        let flow = stepcast::WorkflowBuilder::new::<Topic, Critique>("guesses");
        let mut host = Host::of(flow.step::<ask>().build().expect("it checks"), None);
        let exec = host.state.take_ready(|_| 0).expect("it is ready");
        let event = host.def.event_by_tag("Guess").expect("a step waits for it");
        for n in 1..=3 {
            let (event, to, id, matches) = (Payload::new(Guess { n }), None, None, Matches::default());
            host.tick(TickKind::External(Box::new(External { event, to, id, matches })), &RowExtras::default());
        }
        let id = OpId { kind: OpKind::Wait, label: "Guess".into(), ordinal: 0 };
        let op = Operation::Wait(WaitRequest { id, event, filter, shared: false, announce: None, deadline: None });
        let (outputs, matches) = (Outputs::default(), Matches::default());
        let commit = Commit { exec, attempt: 1, seq: 1, outputs, matches, op };
        host.tick(TickKind::Commit(Box::new(commit)), &RowExtras::default());
        assert_eq!(host.log(exec), Value::Null, "nothing is handed out yet");

        let value = |event: &Payload| event.as_erased().to_value().ok();
        let mut judge = Judge::new(value, |_, event: &Payload| value(event).is_some_and(|value| value["n"] == 2));
        judge.kept(&host.state, event, Some(1));
        assert!(host.tick(TickKind::Kept { event, matches: judge.into_matches() }, &RowExtras::default()));
        let row: Value = serde_json::from_slice(host.rows.last().unwrap()).unwrap();
        assert_eq!(row["do"]["kept"], json!({ "event": "Guess", "matches": [[3, verdict]] }));
        assert_eq!(host.log(exec)["labels"][0]["results"][0]["event"]["value"], json!({ "n": 2 }));
        host.folds();
        let none = Matches::default();
        assert!(!host.tick(TickKind::Kept { event, matches: none }, &RowExtras::default()), "nobody gets anything");
    }
}

#[test]
fn a_run_whose_time_is_used_up_ends_in_its_journal_too() {
    let (mut host, exec) = Host::begun(Some(Duration::from_micros(500)));
    assert!(!host.tick(TickKind::Parked { exec: ExecKey { lane: 9, serial: 9 } }, &RowExtras::default()));
    host.now += 1_000;
    assert!(host.tick(TickKind::Parked { exec }, &RowExtras::default()), "it ends the run");
    assert!(host.state.has_ended());
    host.folds();
}

#[test]
fn names_that_the_run_does_not_have_are_refused() {
    let (mut host, exec) = Host::begun(None);
    host.tick(succeeded(exec, joke(Odd::default())), &RowExtras::default());
    let refused = |path: &str, value: Value| {
        let mut row: Value = serde_json::from_slice(&host.rows[1]).unwrap();
        *row.pointer_mut(path).expect("it is there") = value;
        let mut fold = Fold::new(&host.def, None).unwrap();
        fold.add(&host.rows[0]).unwrap();
        fold.add(row.to_string().as_bytes()).unwrap_err()
    };
    let error = refused("/do/report/exec", 77.into());
    assert!(matches!(error, JournalError::UnknownExecution { row: 2, execution: 77 }), "{error}");
    let error = refused("/do/report/step", "gone".into());
    assert!(matches!(&error, JournalError::UnknownStep { row: 2, step } if step == "gone"), "{error}");
    let error = refused("/do/report/step", "review".into());
    assert!(matches!(&error, JournalError::OtherStep { row: 2, actual, .. } if actual == "write"), "{error}");
    let error = refused("/do/report/out/0/2/0", "Gone".into());
    assert!(matches!(&error, JournalError::Event { row: 2, .. }), "{error}");
    let error = refused("/do/report/out/0/2/1", json!({ "data": 1 }));
    assert!(matches!(&error, JournalError::Event { row: 2, .. }), "{error}");
}

#[test]
fn a_run_whose_queue_was_full_ends_in_its_journal_too() {
    let many = |count: usize| {
        let mut outputs = Outputs::default();
        outputs.open_batch(0, count);
        (0..count).for_each(|_| {
            outputs.begin_member();
            outputs.push(Word {});
        });
        outputs.close_batch();
        outputs
    };
    for (count, ends) in [(10, false), (11, true)] {
        let mut policy = RunPolicy::default();
        policy.max_queued = 10;
        let flow = stepcast::WorkflowBuilder::new::<Topic, Critique>("bounded").policy(policy);
        let def = flow.step::<split>().step::<last>().build().expect("it checks");
        let mut host = Host::of(def, None);
        let exec = host.state.take_ready(|_| 0).expect("it is ready");
        host.tick(succeeded(exec, many(count)), &RowExtras::default());
        assert_eq!(host.state.has_ended(), ends, "{count}");
        host.folds();
        if ends {
            continue;
        }
        // Nine run, so there is room for nine more, although a fold has them all queued.
        let running: Vec<ExecKey> = (0..9).filter_map(|_| host.state.take_ready(|_| 0)).collect();
        let id = OpId { kind: OpKind::SendNow, label: "Word".into(), ordinal: 0 };
        let (outputs, matches, op) = (many(9), Matches::default(), Operation::Deliver { id });
        let commit = Commit { exec: running[0], attempt: 1, seq: 1, outputs, matches, op };
        host.tick(TickKind::Commit(Box::new(commit)), &RowExtras::default());
        assert!(!host.state.has_ended());
        host.folds();
    }
}

#[event(external)]
struct Guess {
    n: u32,
}

#[step(waits(Guess))]
async fn ask(_topic: Topic) -> Critique {
    Critique { verdict: "right".into() }
}

#[event]
struct Word {}

#[step]
async fn split(_topic: Topic) -> Vec<Word> {
    Vec::new()
}

#[step]
async fn last(_word: Word) -> Option<Critique> {
    None
}
