//! The Rust client against a server, in memory and on a store: every call, and a stream over connections that break.

#[path = "support/served.rs"]
mod served;
#[path = "support/traced.rs"]
mod traced;

use std::sync::atomic::Ordering;

use serde_json::json;
use served::{Served, both, bounded, breaking, runtimes};
use stepcast::TraceContext;
use stepcast_client::{
    Client, ClientError, InputQuery, InputStatus, RemoteRun, RequestError, ResultError, RunQuery, RunStatus,
    StartOptions, StreamError, TraceHeaders,
};
use stepcast_examples::flows::{Answered, Approval, Countdown, Draft, Liftoff, Published, Question, Tick};
use stepcast_server::ServerOptions;
use tokio::net::TcpListener;
use traced::{Begin, Given, Note, Over, Place, Traced, context};

fn client(server: &Served) -> Client {
    Client::builder(&server.url).answers_as("ada").build().unwrap()
}

#[tokio::test]
async fn a_run_is_started_followed_and_awaited() {
    bounded(async {
        for server in both().await {
            let client = client(&server);
            client.health().await.unwrap();
            assert_eq!(client.workflows().await.unwrap(), ["approval", "countdown", "failing", "greet", "typed"]);
            let run = client.start("typed", &Question { topic: "rust".to_owned(), n: 2 }).await.unwrap();
            let answered: Answered = run.result().await.unwrap();
            assert_eq!(answered.answer, "RUST", "{}", server.name);

            let run = client.start("countdown", &Countdown { from: 5, delay_ms: 1 }).await.unwrap();
            assert_eq!(ticks(&run).await, [5, 4, 3, 2, 1, 0], "{}", server.name);
            // It may be read again after the end, from anywhere.
            let mut rest = run.stream_after(4);
            assert_eq!(rest.next().await.unwrap().unwrap().event.decode::<Tick>().unwrap().left, 1);
            let events = run.events(0, 3).await.unwrap();
            assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
            let Liftoff {} = run.result().await.unwrap();
            let info = run.info().await.unwrap();
            assert_eq!((info.status, info.workflow.as_str()), (RunStatus::Completed, "countdown"));
            assert!(info.ended_at.is_some_and(|ended| ended >= info.created_at));
        }
    })
    .await;
}

#[tokio::test]
async fn a_run_that_fails_says_why() {
    bounded(async {
        for server in both().await {
            let run = client(&server).start_value("failing", json!({}), StartOptions::default()).await.unwrap();
            let error = run.result::<Answered>().await.unwrap_err();
            let ResultError::Ended { status, fault, .. } = &error else { panic!("{error}") };
            assert_eq!((*status, fault.message.as_str()), (RunStatus::Failed, "boom"), "{}", server.name);
            assert_eq!(fault.step.as_deref(), Some("fail"));
        }
    })
    .await;
}

#[tokio::test]
async fn questions_are_found_and_answered_once() {
    bounded(async {
        for server in both().await {
            let client = client(&server);
            let run = client.start("approval", &Draft { text: "Hi".to_owned() }).await.unwrap();
            let first = pending(&client).await;
            assert_eq!((first.run_id.as_str(), first.prompt.as_deref()), (run.run_id(), Some("Publish this text?")));
            let wrong = run.answer(first.input, &json!({ "approved": "perhaps" })).await.unwrap_err();
            assert_eq!(wrong.code(), Some("answer_does_not_fit"), "{wrong}");
            let no = Approval { approved: false, comment: Some("longer".to_owned()) };
            assert_eq!(run.answer(first.input, &no).await.unwrap().status, InputStatus::Answered);
            let late = run.answer(first.input, &no).await.unwrap_err();
            assert_eq!((late.status(), late.code()), (Some(409), Some("input_already_resolved")), "{late}");
            assert!(late.to_string().contains("`ada`"), "{late}");

            let second = pending(&client).await;
            let other = Client::new(&server.url).unwrap();
            let yes = Approval { approved: true, comment: None };
            other.run(run.run_id()).answer_as(second.input, &yes, Some("bob")).await.unwrap();
            let published: Published = run.result().await.unwrap();
            assert_eq!((published.text.as_str(), published.rounds), ("Hi (longer)", 2));
            let asked = run.inputs().await.unwrap();
            let by: Vec<_> = asked.iter().map(|input| input.by.as_deref()).collect();
            assert_eq!(by, [Some("ada"), Some("bob")], "{}", server.name);
        }
    })
    .await;
}

#[tokio::test]
async fn runs_are_listed_cancelled_repeated_and_removed() {
    bounded(async {
        for server in both().await {
            let client = client(&server);
            for n in 0..5 {
                let options = StartOptions { run_id: Some(format!("r{n}")), ..StartOptions::default() };
                let run = client.start_value("greet", json!({ "name": n.to_string() }), options).await.unwrap();
                run.ended().await.unwrap();
            }
            let taken = StartOptions { run_id: Some("r1".to_owned()), ..StartOptions::default() };
            let error = client.start_value("greet", json!({}), taken).await.unwrap_err();
            assert_eq!(error.code(), Some("run_exists"), "{}: {error}", server.name);

            let mut query = RunQuery { limit: Some(2), workflows: vec!["greet".to_owned()], ..RunQuery::default() };
            let mut seen = Vec::new();
            loop {
                let page = client.runs(&query).await.unwrap();
                seen.extend(page.items.into_iter().map(|run| run.run_id));
                query.cursor = page.next_cursor;
                if query.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, ["r4", "r3", "r2", "r1", "r0"], "{}", server.name);

            let again = client.run("r3").rerun(None).await.unwrap();
            let stop: stepcast::StopEvent = again.result().await.unwrap();
            assert_eq!(stop.result(), Some(&json!("Hello, 3!")));

            let run = client.start("approval", &Draft { text: "Hi".to_owned() }).await.unwrap();
            pending(&client).await;
            run.send_event(Approval { approved: true, comment: None }).await.unwrap();
            let published: Published = run.result().await.unwrap();
            assert_eq!(published.rounds, 1);

            let run = client.start("approval", &Draft { text: "Hi".to_owned() }).await.unwrap();
            run.resume().await.unwrap();
            run.cancel().await.unwrap();
            let error = run.result::<Published>().await.unwrap_err();
            assert!(matches!(&error, ResultError::Ended { status: RunStatus::Cancelled, .. }), "{error}");
            let ended = run.cancel().await.unwrap_err();
            assert_eq!(ended.code(), Some("run_ended"), "{ended}");
            run.purge().await.unwrap();
            let gone = run.info().await.unwrap_err();
            assert_eq!((gone.status(), gone.code()), (Some(404), Some("run_not_found")), "{gone}");
            let mut events = run.stream_events();
            let error = events.next().await.unwrap().unwrap_err();
            assert!(matches!(&error, StreamError::Request(error) if error.status() == Some(404)), "{error}");
            assert!(events.next().await.is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn every_event_comes_once_over_connections_that_break() {
    bounded(async {
        for server in both().await {
            // Each connection brings about two events, and the next one goes on behind them.
            let (url, connections) = breaking(&server.url, 700).await;
            let client = Client::new(url).unwrap();
            let direct = self::client(&server).start("countdown", &Countdown { from: 20, delay_ms: 1 }).await.unwrap();
            let run = client.run(direct.run_id());
            assert_eq!(ticks(&run).await, (0..=20).rev().collect::<Vec<_>>(), "{}", server.name);
            assert!(connections.load(Ordering::Relaxed) > 5, "{}: it never broke", server.name);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_up_where_nobody_is() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::builder(format!("http://{address}")).reconnects(3).build().unwrap();
    let error = client.run("r").stream_events().next().await.unwrap().unwrap_err();
    assert!(matches!(&error, StreamError::GaveUp { attempts: 4, .. }), "{error}");
    let error = client.workflows().await.unwrap_err();
    assert!(matches!(&error, RequestError::Transport { .. }), "{error}");
    for wrong in ["localhost:8080", "ftp://localhost", "", "http://"] {
        assert!(matches!(Client::new(wrong), Err(ClientError::Url { .. })), "{wrong}");
    }
    assert!(matches!(Client::builder("http://localhost").token("a\nb").build(), Err(ClientError::Token)));
}

/// The headers of a place in a trace.
fn headers(n: u8, state: Option<&str>) -> TraceHeaders {
    TraceHeaders::new(context(n).traceparent(), state).unwrap()
}

/// Which trace the run's steps say they are in, in their order.
async fn places(run: &RemoteRun) -> Vec<(String, Option<String>, Option<String>)> {
    let events = run.events(0, 100).await.unwrap();
    let places = events.iter().filter_map(|event| event.event.decode::<Place>().ok());
    places.map(|place| (place.at, place.traceparent, place.tracestate)).collect()
}

async fn asks(run: &RemoteRun) -> u64 {
    loop {
        match &run.inputs().await.unwrap()[..] {
            [input] if run.info().await.unwrap().status == RunStatus::Waiting => return input.input,
            _ => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn requests_belong_to_the_trace_that_the_client_says() {
    bounded(async {
        let place = |at: &str, n: u8| (at.to_owned(), Some(context(n).traceparent()), None);
        for (name, runtime, _folder) in runtimes() {
            runtime.register(Traced).unwrap();
            let server = Served::with(name, runtime, ServerOptions::new()).await;
            // Each call in a trace of its own, in that of the client otherwise.
            let always = Client::builder(&server.url).trace_context(|| Some(headers(9, None))).build().unwrap();
            let run = always.in_trace(headers(1, Some("v=1"))).start("Traced", &Begin {}).await.unwrap();
            let input = asks(&run).await;
            always.run(run.run_id()).send_event(Note {}).await.unwrap();
            while places(&run).await.len() < 2 {
                tokio::task::yield_now().await;
            }
            run.in_trace(headers(3, None)).answer(input, &Given {}).await.unwrap();
            let Over {} = run.result().await.unwrap();
            let first = (place("start", 1).0, place("start", 1).1, Some("v=1".to_owned()));
            assert_eq!(places(&run).await, [first, place("note", 9), place("answer", 3)], "{name}");

            // The trace in which the program is when it asks.
            let current = Client::builder(&server.url).trace_context(|| {
                let context = TraceContext::current()?;
                TraceHeaders::new(context.traceparent(), context.tracestate()).ok()
            });
            let current = current.build().unwrap();
            let run = context(5).scope(current.start("Traced", &Begin {})).await.unwrap();
            let input = asks(&run).await;
            context(6).scope(run.answer(input, &Given {})).await.unwrap();
            let Over {} = run.result().await.unwrap();
            assert_eq!(places(&run).await, [place("start", 5), place("answer", 6)], "{name}");

            // And none, if nobody says one.
            let run = current.start("Traced", &Begin {}).await.unwrap();
            asks(&run).await;
            assert_eq!(places(&run).await, [("start".to_owned(), None, None)], "{name}");
        }
    })
    .await;
}

async fn ticks(run: &RemoteRun) -> Vec<u32> {
    let (mut events, mut ticks, mut last) = (run.stream_events(), Vec::new(), 0);
    while let Some(item) = events.next().await {
        let item = item.unwrap();
        assert_eq!(item.seq, Some(last + 1));
        last += 1;
        ticks.extend(item.event.decode::<Tick>().map(|tick| tick.left));
    }
    assert_eq!(events.last_seq(), last);
    ticks
}

/// The question that is asked next.
async fn pending(client: &Client) -> stepcast_client::InputInfo {
    loop {
        if let Some(input) = client.inputs(&InputQuery::default()).await.unwrap().items.pop() {
            return input;
        }
        tokio::task::yield_now().await;
    }
}
