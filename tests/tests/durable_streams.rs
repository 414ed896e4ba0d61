//! The stream of a kept run is whole, whoever asks and when: what memory has dropped comes from the store.

#![allow(clippy::expect_used)]

mod support;

use std::path::Path;

use serde_json::json;
use stepcast::backend::LoadError;
use stepcast::prelude::*;
use stepcast::{EventStream, LogEvent, LogLevel, RunId, Runtime, StreamReadError, StreamStart};
use support::stores::Store;
use support::within;

#[event(start)]
struct Begin {
    n: u32,
}

/// Not declared by the workflow: only written to its stream.
#[event]
struct Tick {
    n: u32,
}

#[event(stop)]
struct Done {
    n: u32,
}

#[derive(Default)]
struct Counts;

#[workflow(Begin => Done)]
impl Counts {
    #[step]
    async fn count(&self, ev: Begin, ctx: Context) -> Done {
        for n in 1..=ev.n {
            ctx.write_event_to_stream(Tick { n });
            if n % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        ctx.log(LogLevel::Info, "counted");
        Done { n: ev.n }
    }
}

async fn all(mut stream: EventStream) -> Vec<(u64, String)> {
    let mut seen = Vec::new();
    while let Some(item) = within(stream.next()).await {
        let seq = item.seq().expect("logged events only, none missed");
        let text = match (item.get::<Tick>(), item.get::<LogEvent>(), item.get::<Done>()) {
            (Some(tick), ..) => format!("tick {}", tick.n),
            (_, Some(log), _) => log.message.clone(),
            (.., Some(done)) => format!("done {}", done.n),
            _ => panic!("{item:?}"),
        };
        seen.push((seq, text));
    }
    seen
}

#[test]
fn every_reader_sees_every_event_under_one_number() {
    for store in Store::all() {
        let id = RunId::from("counts");
        let live = store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Counts).expect("it is registered");
            // Far fewer stay in memory than are written.
            let options = RunOptions::new().run_id("counts").stream_bound(16);
            let run = runtime.start("Counts", json!({"n": 1000}), options).expect("it starts");
            let early = run.stream_events();
            within(run.outcome()).await.expect("it ends");
            let live = all(early).await;
            assert_eq!(all(run.stream_events()).await, live, "{}: a late reader", store.name());
            live
        });
        assert_eq!(live.len(), 1002, "{}", store.name());
        assert!(live.iter().zip(1..).all(|((seq, _), n)| *seq == n), "{}: no gaps", store.name());
        assert_eq!((live[999].1.as_str(), live[1001].1.as_str()), ("tick 1000", "done 1000"));
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Counts).expect("it is registered");
            let run = runtime.attach(&id).await.expect("it is there");
            assert_eq!(all(run.stream_events()).await, live, "{}: another process", store.name());
            let rest = all(run.stream_from(StreamStart::After(990))).await;
            assert_eq!(rest, live[990..], "{}: from a number on", store.name());
            assert_eq!(all(run.stream_from(StreamStart::After(1002))).await, []);
        });
    }
}

/// Changes what is stored of a stream, behind the runtime's back: the statement names the table `{}`. An event is in one
/// of two.
fn damage(file: &Path, change: &str) {
    let conn = rusqlite::Connection::open(file).expect("it opens");
    let changed = ["fresh", "events"].map(|table| conn.execute(&change.replace("{}", table), []));
    let changed: usize = changed.into_iter().map(|changed| changed.expect("it is changed")).sum();
    assert_eq!(changed, 1);
}

#[test]
fn a_stored_event_that_cannot_be_read_is_told_and_the_rest_follows() {
    let store = Store::sqlite();
    let id = RunId::from("counts");
    store.process(async {
        let runtime = Runtime::on(store.open());
        runtime.register(Counts).expect("it is registered");
        let run = runtime.start("Counts", json!({"n": 10}), RunOptions::new().run_id("counts")).expect("it starts");
        within(run.outcome()).await.expect("it ends");
    });
    let items = || {
        store.process(async {
            let runtime = Runtime::on(store.open());
            runtime.register(Counts).expect("it is registered");
            let mut stream = runtime.attach(&id).await.expect("it is there").stream_events();
            let mut items = Vec::new();
            while let Some(item) = within(stream.next()).await {
                items.push(item);
            }
            items
        })
    };
    damage(&store.file(), "UPDATE {} SET json = '{\"type\": 5}' WHERE seq = 4");
    let seen = items();
    let seqs: Vec<u64> = seen.iter().filter_map(StreamItem::seq).collect();
    assert_eq!(seqs, [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12]);
    let StreamItem::Unreadable { from: 4, to: 4, error } = &seen[3] else { panic!("{:?}", seen[3]) };
    assert!(matches!(error, StreamReadError::NotAnEvent { seq: 4, .. }), "{error:?}");
    assert!(error.to_string().starts_with("The stored event 4 of the run `counts` is not one: "), "{error}");

    damage(&store.file(), "DELETE FROM {} WHERE seq = 7");
    let seen = items();
    let seqs: Vec<u64> = seen.iter().filter_map(StreamItem::seq).collect();
    assert_eq!(seqs, [1, 2, 3, 5, 6, 8, 9, 10, 11, 12]);
    let StreamItem::Unreadable { from: 7, to: 7, error } = &seen[6] else { panic!("{:?}", seen[6]) };
    assert!(matches!(error, StreamReadError::Load(LoadError::EventGap { seq: 7, .. })), "{error:?}");
}
