//! Invariant 5: the log's `seq` is gapless, and a `seq` means the same event for every subscriber: an early one, a late
//! one, a slow one, one that begins in the middle, one after the end, on every thread.

#![allow(clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::{AnyRun, EventKind, EventStream, RunSnapshot, StreamStart};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

#[event(start)]
struct Begin {
    members: u32,
    words: u32,
}

#[event]
struct Member {
    at: u32,
    words: u32,
}

#[event]
struct Spoken {
    at: u32,
}

#[event]
struct Word {
    by: u32,
    nth: u32,
}

#[event(external)]
struct Close {}

#[event(stop)]
struct Silence {
    spoken: Vec<u32>,
}

#[step]
async fn open(ev: Begin) -> Vec<Member> {
    (0..ev.members).map(|at| Member { at, words: ev.words }).collect()
}

/// Some members speak in the run's task, some in tasks of their own, some from a thread of the blocking pool.
#[step]
async fn speak(ev: Member, ctx: Context) -> Result<Spoken> {
    let Member { at, words } = ev;
    for nth in 0..words {
        ctx.write_event_to_stream(Word { by: at, nth });
        ctx.write_ephemeral(Word { by: at, nth: nth + 1_000_000 });
        match at % 3 {
            0 => tokio::task::yield_now().await,
            1 if nth % 8 == 0 => {
                let ctx = ctx.clone();
                let say = move || ctx.log(stepcast::LogLevel::Info, format!("{at} {nth}"));
                tokio::task::spawn_blocking(say).await.map_err(|error| StepError::msg(error.to_string()))?;
            }
            _ => {}
        }
    }
    Ok(Spoken { at })
}

#[step(waits(Close))]
async fn close(all: Vec<Spoken>, ctx: Context) -> Result<Silence> {
    ctx.wait_for_event::<Close>().await?;
    Ok(Silence { spoken: all.into_iter().map(|spoken| spoken.at).collect() })
}

flow!(Talk: Begin => Silence { open, speak, close });

/// What a subscriber saw: events by number, gaps it was told of.
#[derive(Debug, Default)]
struct Seen {
    events: BTreeMap<u64, String>,
    lagged: Vec<(u64, u64)>,
    first: u64,
}

async fn read(mut stream: EventStream, slow: bool) -> Seen {
    let mut seen = Seen::default();
    let mut last = None;
    while let Some(item) = stream.next().await {
        match item {
            StreamItem::Lagged { from, to } => {
                assert!(from <= to && last.is_none_or(|last| from == last + 1), "lagged {from} to {to} after {last:?}");
                seen.lagged.push((from, to));
                last = Some(to);
            }
            StreamItem::Event(event) if event.kind == EventKind::Logged => {
                assert!(last.is_none_or(|last| event.seq == last + 1), "{} after {last:?}", event.seq);
                last = Some(event.seq);
                if seen.events.is_empty() {
                    seen.first = event.seq;
                }
                let text = serde_json::to_string(&event.event).expect("it serializes");
                assert_eq!(seen.events.insert(event.seq, text), None, "{} came twice", event.seq);
                if slow {
                    tokio::task::yield_now().await;
                }
            }
            StreamItem::Unreadable { .. } => panic!("nothing of it is stored: {item:?}"),
            // A passing frame has the number of the logged event that it came after; where that was missed, an older one.
            StreamItem::Event(event) => {
                let last = last.unwrap_or(event.seq);
                let missed = !seen.lagged.is_empty() && event.seq < last;
                assert!(event.seq == last || missed, "a frame of {} comes after {last}", event.seq);
            }
        }
    }
    seen
}

fn spawn(run: &AnyRun, start: StreamStart, slow: bool) -> JoinHandle<Seen> {
    tokio::spawn(read(run.stream_from(start), slow))
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future).await.expect("it hangs")
}

/// Every subscriber's events are those of the whole log.
fn agree(whole: &Seen, seen: &Seen, what: &str) {
    assert!(seen.lagged.is_empty(), "{what} lagged");
    for (seq, event) in &seen.events {
        assert_eq!(whole.events.get(seq), Some(event), "{what}, number {seq}");
    }
    assert_eq!(seen.events.keys().next_back(), whole.events.keys().next_back(), "{what} does not see the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_subscriber_sees_the_same_event_under_a_number() {
    let (members, words) = (24, 60);
    for _ in 0..10 {
        let run = Talk.run(Begin { members, words });
        let mut readers = Vec::new();
        for reader in 0..6 {
            readers.push(("from the beginning", 1, spawn(&run, StreamStart::Beginning, reader % 2 == 0)));
        }
        for after in [0, 1, 50, 700, 1_000_000] {
            readers.push(("from a number on", after + 1, spawn(&run, StreamStart::After(after), after == 50)));
        }
        // Late ones, while everybody speaks.
        for _ in 0..5 {
            tokio::task::yield_now().await;
            readers.push(("from now on", 0, spawn(&run, StreamStart::Now, false)));
            readers.push(("late", 1, spawn(&run, StreamStart::Beginning, false)));
        }
        run.send_event(Close {}).expect("it is taken");
        let all = within(run.result()).await.expect("it completes").spoken;
        assert_eq!(all, (0..members).collect::<Vec<_>>());
        let whole = within(read(run.stream_events(), false)).await;
        let logged = u64::from(members * words + 8 * words.div_ceil(8)) + 1;
        assert_eq!(whole.events.keys().copied().collect::<Vec<_>>(), (1..=logged).collect::<Vec<_>>());
        for (what, first, reader) in readers {
            let seen = within(reader).await.expect("it does not panic");
            if first > logged {
                assert!(seen.events.len() <= 1, "{seen:?}");
                continue;
            }
            assert!(first == 0 || seen.first == first, "{what}: {} instead of {first}", seen.first);
            agree(&whole, &seen, what);
        }
        // Each member's own words are in its order.
        let mut spoken = BTreeMap::<u64, u64>::new();
        for event in whole.events.values().filter(|event| event.contains("\"type\":\"Word\"")) {
            let event: serde_json::Value = serde_json::from_str(event).expect("it is JSON");
            let word = &event["value"];
            let next = spoken.entry(word["by"].as_u64().expect("a number")).or_default();
            assert_eq!(word["nth"].as_u64(), Some(*next));
            *next += 1;
        }
        assert_eq!(spoken.len(), members as usize);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_comes_too_late_is_told_which_numbers_it_missed() {
    let options = RunOptions::new().stream_bound(100);
    let run = Talk.run_with(Begin { members: 10, words: 300 }, options);
    let early = spawn(&run, StreamStart::Beginning, true);
    run.send_event(Close {}).expect("it is taken");
    within(run.result()).await.expect("it completes");
    let early = within(early).await.expect("it does not panic");
    let late = within(read(run.stream_events(), false)).await;
    let after = within(read(run.stream_from(StreamStart::After(5)), false)).await;
    let end = *late.events.keys().next_back().expect("the terminal event");
    // Whoever comes late is told what is gone.
    assert_eq!((late.events.len(), &late.lagged[..]), (101, &[(1, end - 101)][..]));
    assert_eq!(after.lagged, [(6, end - 101)]);
    assert_eq!(after.events, late.events);
    let told: u64 = early.lagged.iter().map(|(from, to)| to - from + 1).sum();
    assert_eq!(early.events.len() as u64 + told, end, "all numbers are seen or told of");
    for (seq, event) in late.events.iter().filter(|(seq, _)| early.events.contains_key(seq)) {
        assert_eq!(early.events.get(seq), Some(event));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_go_on_after_a_restore() {
    let run = Talk.run(Begin { members: 3, words: 20 });
    let mut stream = run.stream_events();
    let mut before = BTreeMap::new();
    // All words, and the three lines of the member that speaks from another thread.
    while before.len() < 63 {
        let item = within(stream.next()).await.expect("it goes on");
        if let (Some(seq), Some(event)) = (item.seq(), item.event()) {
            before.insert(seq, serde_json::to_string(event).expect("it serializes"));
        }
    }
    let text = loop {
        let text = within(run.snapshot()).await.expect("it is taken").to_json().expect("it serializes");
        // The collector waits: nobody speaks any more.
        if text.contains("\"waiters\":[[") {
            break text;
        }
        tokio::task::yield_now().await;
    };
    run.cancel();
    let run = Talk.restore(RunSnapshot::from_json(&text).expect("it reads")).expect("it restores");
    run.send_event(Close {}).expect("it is taken");
    within(run.result()).await.expect("it completes");
    let after = within(read(run.stream_events(), false)).await;
    assert_eq!(before.keys().copied().collect::<Vec<_>>(), (1..=63).collect::<Vec<_>>());
    assert_eq!(after.events.keys().copied().collect::<Vec<_>>(), [64], "{after:?}");
}

#[event]
struct Quick {}

#[event]
struct Slow {}

/// One step ends the run while another one still speaks.
struct Outlived {
    done: Arc<Notify>,
}

#[workflow(Begin => Silence)]
impl Outlived {
    #[step]
    async fn fork(&self, _ev: Begin) -> (Slow, Quick) {
        (Slow {}, Quick {})
    }

    #[step]
    async fn speak_on(&self, _ev: Slow, ctx: Context) -> Option<Silence> {
        // In a task of its own, because an execution that is over for the run is dropped with it.
        let done = Arc::clone(&self.done);
        tokio::spawn(async move {
            for nth in 0..400 {
                ctx.write_event_to_stream(Word { by: 0, nth });
                tokio::task::yield_now().await;
            }
            done.notify_one();
        });
        None
    }

    #[step]
    async fn stop(&self, _ev: Quick) -> Silence {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        Silence { spoken: Vec::new() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_numbered_after_the_end() {
    for _ in 0..20 {
        let done = Arc::new(Notify::new());
        let run = Outlived { done: Arc::clone(&done) }.run(Begin { members: 0, words: 0 });
        let early = spawn(&run, StreamStart::Beginning, false);
        within(run.result()).await.expect("it completes");
        let at_the_end = within(read(run.stream_events(), false)).await;
        within(done.notified()).await;
        let later = within(read(run.stream_events(), false)).await;
        let early = within(early).await.expect("it does not panic");
        assert_eq!((&early.events, &at_the_end.events), (&later.events, &later.events));
        let (last, terminal) = later.events.iter().next_back().expect("the terminal event");
        assert!(terminal.contains("Silence") && *last == later.events.len() as u64, "{last}: {terminal}");
    }
}
