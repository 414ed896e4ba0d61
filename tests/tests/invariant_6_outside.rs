//! Invariant 6: no input from outside can panic, hang or wedge a run. Each is a typed error that names what was wrong,
//! and the run goes on unharmed.

#![allow(clippy::expect_used)]

use std::time::Duration;

use serde_json::{Value, json};
use stepcast::engine::FailureChoice;
use stepcast::prelude::*;
use stepcast::{
    AnyRun, EventEnvelope, InputId, Mailbox, RespondError, RestoreRunError, RunSnapshot, Runtime, RuntimeError,
    SendError, StreamStart,
};

#[event(start)]
struct Begin {
    note: Value,
}

#[event(input_required)]
struct Question {
    text: String,
}

#[event(human_response)]
struct Answer {
    yes: bool,
    because: Value,
}

#[event(external)]
struct Poke {
    n: u32,
    data: Value,
}

#[event(external)]
struct Finish {}

#[event]
struct Inner {
    n: u32,
}

#[event(stop)]
struct Report {
    pokes: u32,
    yes: bool,
}

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, State)]
struct Counted {
    pokes: u32,
}

#[step]
async fn open(_ev: Begin) -> Inner {
    Inner { n: 1 }
}

#[step(waits(Answer))]
async fn ask(_ev: Inner, ctx: Context, counted: State<Counted>) -> Result<Report> {
    let question = Question { text: "really?".into() };
    let answer = ctx.wait_for_event::<Answer>().announce(question).await?;
    ctx.wait_for_event::<Answer>().id("again").matching(|answer| answer.because == json!("I say so")).await?;
    Ok(Report { pokes: counted.get().pokes, yes: answer.yes })
}

#[step]
async fn poke(ev: Poke, counted: State<Counted>) -> Result<()> {
    counted.edit(|counted| counted.pokes += ev.n).await?;
    Ok(())
}

#[step]
async fn finish(_ev: Finish) -> Result<Report> {
    Err(StepError::msg("nobody sends this"))
}

flow!(Desk: Begin => Report { open, ask, poke, finish });

/// Types of the same tags from elsewhere.
mod elsewhere {
    use stepcast::prelude::*;

    #[event(human_response)]
    pub struct Answer {
        pub no: bool,
    }

    #[event(external)]
    pub struct Poke {
        pub text: String,
    }

    #[event(external)]
    pub struct Unknown {}
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(600), future).await.expect("it hangs")
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, level| match level % 2 {
        0 => Value::Array(vec![inner]),
        _ => Value::Object([("in".to_owned(), inner)].into_iter().collect()),
    })
}

fn envelope(tag: &str, value: Value) -> AnyEvent {
    AnyEvent::from_envelope(EventEnvelope { value, qualified_name: None, tag: tag.to_owned(), types: None })
}

async fn begun() -> Run<Report> {
    let run = Desk.run(Begin { note: Value::Null });
    while within(run.pending_inputs()).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    run
}

/// The run does what it would have done: it takes events, and the answers bring it to its end.
async fn goes_on(run: Run<Report>, pokes: u32) {
    run.send_event(Poke { n: 1, data: Value::Null }).expect("the run takes events");
    let inputs = within(run.pending_inputs()).await;
    let [input] = &inputs[..] else { panic!("{inputs:?}") };
    within(run.respond(&input.id, Answer { yes: true, because: Value::Null })).await.expect("it is the answer");
    // An answer from before is not used for the second wait, nor is one that its predicate refuses.
    tokio::time::sleep(Duration::from_millis(1)).await;
    run.send_event(Answer { yes: false, because: json!("no") }).expect("it is kept");
    assert!(!run.is_done());
    run.send_event(Answer { yes: false, because: json!("I say so") }).expect("it is awaited");
    let report = within(run.result()).await.expect("it completes");
    assert_eq!((report.pokes, report.yes), (pokes + 1, true));
}

#[tokio::test(start_paused = true)]
async fn events_that_the_run_does_not_take() {
    let run = begun().await;
    for (event, undeclared) in [
        (AnyEvent::new(elsewhere::Unknown {}), true),
        (envelope("", Value::Null), true),
        (envelope(&"x".repeat(1_000_000), Value::Null), true),
        (envelope("Poke ", json!({ "n": 1, "data": null })), true),
        (AnyEvent::new(Inner { n: 2 }), false),
        (AnyEvent::new(Begin { note: Value::Null }), false),
        (AnyEvent::new(Report { pokes: 9, yes: false }), false),
        (AnyEvent::new(Question { text: "mine".into() }), true),
        (envelope("StepFailedEvent", json!({})), true),
        (envelope("Report", json!({ "pokes": 1, "yes": true })), false),
    ] {
        let error = run.send_event(event.clone()).expect_err("it is not for the run");
        match &error {
            SendError::Undeclared { expected, .. } if undeclared => assert_eq!(expected, &["Answer", "Poke", "Finish"]),
            SendError::NotExternal { .. } if !undeclared => {}
            other => panic!("{other:?}"),
        }
        assert!(error.to_string().contains("`Poke`"), "{error}");
        within(run.send_event_wait(event)).await.expect_err("it is not for the run");
    }
    goes_on(run, 0).await;
}

#[tokio::test(start_paused = true)]
async fn data_that_does_not_decode() {
    let run = begun().await;
    let values = [
        Value::Null,
        json!([]),
        json!("n"),
        json!({}),
        json!({ "n": -1, "data": null }),
        json!({ "n": 1.5, "data": null }),
        json!({ "n": 4_294_967_296_u64, "data": null }),
        json!({ "n": "1", "data": null }),
        json!({ "n": deep(1_000), "data": null }),
        json!({ "n": 1, "data": deep(1_000) }),
        deep(1_000),
    ];
    for (nth, value) in values.into_iter().enumerate() {
        let error = run.send_event(envelope("Poke", value)).err().map(|error| match error {
            SendError::Data { .. } => error.to_string(),
            other => panic!("{other}"),
        });
        assert!(error.is_some_and(|error| error.contains("`Poke`")), "value {nth} was taken");
    }
    // A type of the same tag from elsewhere is data like any other.
    let foreign = run.send_event(elsewhere::Poke { text: "hello".into() });
    assert!(matches!(foreign, Err(SendError::Data { .. })), "{foreign:?}");
    goes_on(run, 0).await;
}

#[tokio::test(start_paused = true)]
async fn large_data_is_only_data() {
    let run = begun().await;
    let text = "ü\u{0}\"\\".repeat(1_000_000);
    run.send_event(Poke { n: 1, data: json!(text) }).expect("it fits");
    run.send_event(envelope("Poke", json!({ "n": 1, "data": { (text.clone()): [text] }, "more": 1 })))
        .expect("it fits");
    run.send_event(envelope("Poke", json!({ "n": 1, "data": vec![0; 300_000] }))).expect("it fits");
    run.send_event(envelope("Poke", json!({ "n": 1, "data": deep(90) }))).expect("it fits");
    let snapshot = within(run.snapshot()).await.expect("it is taken").to_json().expect("it serializes");
    RunSnapshot::from_json(&snapshot).expect("what was taken in can be read back");
    goes_on(run, 4).await;
}

#[tokio::test(start_paused = true)]
async fn steps_that_do_not_exist() {
    let run = begun().await;
    for step in ["", "pok", "POKE", "ask", "open", "finish", &"s".repeat(100_000), "poke\0"] {
        let error = run.send_event_to(step, Poke { n: 1, data: Value::Null }).expect_err(step);
        let SendError::Step { takers, .. } = &error else { panic!("{error:?}") };
        assert_eq!(takers, &["poke"]);
    }
    run.send_event_to("poke", envelope("Poke", json!({}))).expect_err("its data does not fit");
    run.send_event_to("poke", Poke { n: 5, data: Value::Null }).expect("it takes it");
    goes_on(run, 5).await;
}

#[tokio::test(start_paused = true)]
async fn answers_to_what_was_not_asked() {
    let run = begun().await;
    let asked = within(run.pending_inputs()).await.remove(0).id;
    let answer = || Answer { yes: false, because: Value::Null };
    for number in [0, asked.number + 1, asked.number + 1_000, u64::MAX] {
        let id = InputId { number, ..asked.clone() };
        let error = within(run.respond(&id, answer())).await.expect_err("nobody asked");
        assert!(matches!(error, RespondError::Unknown { .. }), "{error:?}");
        assert!(error.to_string().contains(&asked.number.to_string()), "{error}");
    }
    for run_id in ["", "another run", &"r".repeat(100_000)] {
        let id = InputId { run_id: run_id.into(), ..asked.clone() };
        let error = within(run.respond(&id, answer())).await.expect_err("another run was asked");
        assert!(matches!(error, RespondError::Unknown { .. }), "{error:?}");
    }
    for text in ["", "/", "x", "x/", "x/-1", "x/1.0", "x/99999999999999999999", "/x", &"/".repeat(10_000)] {
        assert!(text.parse::<InputId>().is_err(), "{text:?} is no id");
    }
    for event in [
        AnyEvent::new(Poke { n: 1, data: Value::Null }),
        AnyEvent::new(Question { text: "why?".into() }),
        AnyEvent::new(elsewhere::Unknown {}),
        envelope("nothing", Value::Null),
    ] {
        let error = within(run.respond(&asked, event)).await.expect_err("it is no answer");
        assert!(
            matches!(&error, RespondError::WrongAnswer { expected, .. } if expected.contains("Answer")),
            "{error:?}"
        );
    }
    let error = within(run.respond_failure(&asked, FailureChoice::Retry)).await.expect_err("nothing failed");
    assert!(matches!(error, RespondError::WrongAnswer { .. }), "{error:?}");
    for value in
        [Value::Null, json!("yes"), json!({ "yes": 1 }), deep(1_000), json!({ "yes": true, "because": deep(1_000) })]
    {
        let error = within(run.respond_value(&asked, value)).await.expect_err("it does not fit");
        assert!(matches!(error, RespondError::Data { .. }), "{error:?}");
    }
    let foreign = within(run.respond(&asked, elsewhere::Answer { no: true })).await;
    assert!(matches!(foreign, Err(RespondError::Data { .. })), "{foreign:?}");
    goes_on(run, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_answer_and_one_after_the_end() {
    let run = begun().await;
    let asked = within(run.pending_inputs()).await.remove(0).id;
    let answer = || Answer { yes: true, because: Value::Null };
    within(run.respond(&asked, answer())).await.expect("it is the answer");
    let second = within(run.respond(&asked, answer())).await;
    assert!(matches!(second, Err(RespondError::Conflict { .. })), "{second:?}");
    run.cancel();
    within(run.result()).await.expect_err("it was cancelled");
    let late = within(run.respond(&asked, answer())).await;
    assert!(matches!(late, Err(RespondError::Ended { .. })), "{late:?}");
    assert!(matches!(run.send_event(Poke { n: 1, data: Value::Null }), Err(SendError::Ended { .. })));
    let late = within(run.send_event_wait(Poke { n: 1, data: Value::Null })).await;
    assert!(matches!(late, Err(SendError::Ended { .. })), "{late:?}");
    assert!(within(run.pending_inputs()).await.is_empty());
    within(run.snapshot()).await.expect("an ended run is data too");
}

#[tokio::test(start_paused = true)]
async fn more_than_there_is_room_for() {
    for (drop_when_full, bound) in [(false, 3), (true, 3), (false, 0), (true, 0)] {
        let mailbox = Mailbox { bound, drop_when_full };
        let run = Desk.run_with(Begin { note: Value::Null }, RunOptions::new().mailbox(mailbox));
        let poke = || Poke { n: 1, data: Value::Null };
        for sent in 0..10 {
            let result = run.send_event(poke());
            let full = sent >= bound && !drop_when_full;
            assert_eq!(matches!(result, Err(SendError::Full { .. })), full, "{result:?}");
        }
        while within(run.pending_inputs()).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(run.state::<Counted>().map_or(0, |counted| counted.pokes), bound as u32);
        run.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn workflows_by_name_and_data() {
    let runtime = Runtime::new();
    runtime.register(Desk).expect("it checks");
    for name in ["", "desk", "Desk ", &"D".repeat(100_000)] {
        let error = runtime.start(name, json!({ "note": 1 }), RunOptions::new()).expect_err(name);
        assert!(matches!(&error, RuntimeError::UnknownWorkflow { known, .. } if known == &["Desk"]), "{error:?}");
    }
    for value in [Value::Null, json!([]), json!({}), deep(1_000), json!({ "note": deep(1_000) })] {
        let error = runtime.start("Desk", value, RunOptions::new()).expect_err("it does not fit");
        assert!(matches!(error, RuntimeError::Start { .. }), "{error:?}");
    }
    let start = |options| runtime.start("Desk", json!({ "note": null }), options).expect("it starts");
    let first = start(RunOptions::new().run_id("the one"));
    let second = start(RunOptions::new().run_id("the one"));
    assert!(matches!(within(second.outcome()).await, Err(RunError::DuplicateRunId { .. })));
    for id in ["", "/", "a/b\n\0", &"i".repeat(1_000_000)] {
        let run = start(RunOptions::new().run_id(id));
        assert_eq!(run.run_id().as_str(), id);
        run.cancel();
    }
    assert!(!first.is_done());
    assert_eq!(within(runtime.shutdown(Duration::from_secs(1))).await, 1, "the first run waits for its answer");
}

#[tokio::test(start_paused = true)]
async fn extreme_options() {
    for options in [
        RunOptions::new().timeout(Duration::MAX),
        RunOptions::new().max_running(0),
        RunOptions::new().max_running(usize::MAX),
        RunOptions::new().stream_bound(0),
        RunOptions::new().stream_bound(usize::MAX),
        RunOptions::new().grace(Duration::MAX),
        RunOptions::new().grace(Duration::ZERO),
        RunOptions::new().mailbox(Mailbox { bound: usize::MAX, drop_when_full: false }),
    ] {
        let run = Desk.run_with(Begin { note: Value::Null }, options);
        let mut late = run.stream_from(StreamStart::After(u64::MAX));
        while within(run.pending_inputs()).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        goes_on(run, 0).await;
        assert!(within(late.next()).await.is_none());
    }
    let run = Desk.run_with(Begin { note: Value::Null }, RunOptions::new().timeout(Duration::ZERO));
    assert!(matches!(within(run.result()).await, Err(RunError::TimedOut { .. })));
}

#[tokio::test(start_paused = true)]
async fn paths_into_the_store_are_only_text() {
    let run = begun().await;
    let far = vec!["a"; 100_000].join(".");
    for path in ["", ".", "..", "a..b", "18446744073709551616", far.as_str()] {
        assert_eq!(run.store_value(path), None, "{:?}", path.get(..20));
    }
    goes_on(run, 0).await;
}

#[tokio::test(start_paused = true)]
async fn texts_that_are_no_snapshot() {
    let run = begun().await;
    run.send_event(Poke { n: 3, data: json!({ "a": [1, 2] }) }).expect("it is taken");
    let text = within(run.snapshot()).await.expect("it is taken").to_json().expect("it serializes");
    let deep = "[".repeat(10_000);
    let deep_objects = "{\"a\":".repeat(10_000);
    for bad in ["", "null", "[]", "{}", "1e999", "{\"format\":1}", "{\"format\":99}", &deep, &deep_objects, &text[1..]]
    {
        let error = RunSnapshot::from_json(bad).expect_err("it is no snapshot");
        assert!(matches!(error, RestoreRunError::Malformed { .. } | RestoreRunError::Version { .. }), "{error:?}");
    }
    let mut gone_on = 0;
    for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)).step_by(7) {
        RunSnapshot::from_json(&text[..cut]).expect_err("it was cut");
        // One byte of it replaced: refused, or a run that can be ended.
        let mut bytes = text.clone().into_bytes();
        bytes[cut] = b"0919nx}],\""[cut % 10];
        let edited = String::from_utf8(bytes).expect("it stays text");
        let Ok(snapshot) = RunSnapshot::from_json(&edited) else { continue };
        let Ok(run) = Desk.restore(snapshot) else { continue };
        gone_on += 1;
        let inputs: Vec<_> = within(run.pending_inputs()).await;
        for input in inputs {
            let _ = within(run.respond(&input.id, Answer { yes: true, because: Value::Null })).await;
        }
        let _ = run.send_event(Answer { yes: true, because: json!("I say so") });
        let ended: Result<_, _> = tokio::time::timeout(Duration::from_secs(1), run.result()).await;
        if ended.is_err() {
            run.cancel();
            let _ = within(run.result()).await;
        }
    }
    assert!(gone_on > 0, "no edited snapshot was accepted");
    goes_on(run, 3).await;
}

#[test]
fn outside_of_every_tokio_runtime() {
    let run: AnyRun = Desk.run(Begin { note: Value::Null }).into_any();
    assert!(run.is_done());
    assert!(matches!(run.send_event(Finish {}), Err(SendError::Ended { .. })));
}
