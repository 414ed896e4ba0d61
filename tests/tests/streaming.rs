//! Promise 8: a run's stream is a log with numbers 1..n without gaps; every subscriber starts where it asks and sees every
//! retained event once; a slow one slows nobody.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use stepcast::prelude::*;
use stepcast::testing::{TestKit, advance, settle};
use stepcast::{
    EventKind, EventStream, LogEvent, LogLevel, PhaseEvent, StepStateChanged, StreamStart, WorkflowCancelledEvent,
    WorkflowFailedEvent, WorkflowTimedOutEvent,
};
use tokio::time::sleep;
use tokio_stream::StreamExt;

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Part {}

#[event]
struct Note {
    n: u32,
}

#[event]
struct Token {
    n: u32,
}

#[event(input_required)]
struct Question {}

#[event(human_response)]
struct Answer {}

#[event(external)]
struct Go {
    n: u32,
}

#[event(stop)]
struct Done {
    n: u32,
}

/// What a subscriber saw: numbers, kinds and tags; a gap as `0`.
async fn read(mut stream: EventStream) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            StreamItem::Event(event) if event.kind == EventKind::Logged => {
                all.push((event.seq, format!("{:?}", event.event)))
            }
            StreamItem::Event(event) => all.push((0, format!("{:?} after {}", event.event, event.seq))),
            StreamItem::Lagged { from, to } => all.push((0, format!("missed {from} to {to}"))),
            StreamItem::Unreadable { .. } => panic!("nothing of it is stored: {item:?}"),
        }
    }
    assert!(stream.next().await.is_none(), "after the terminal event there is nothing");
    all
}

async fn limited(stream: EventStream) -> Vec<(u64, String)> {
    tokio::time::timeout(Duration::from_secs(3_600), read(stream)).await.expect("the stream ends")
}

/// Writes `n` notes, one at a time or all at once.
struct Writer {
    pause: Duration,
}

#[workflow(Begin => Done)]
impl Writer {
    #[step(streams(Note))]
    async fn write(&self, ev: Begin, ctx: Context) -> Done {
        for n in 1..=ev.n {
            ctx.write_event_to_stream(Note { n });
            if !self.pause.is_zero() {
                sleep(self.pause).await;
            }
        }
        Done { n: ev.n }
    }
}

const AT_ONCE: Writer = Writer { pause: Duration::ZERO };
const SLOWLY: Writer = Writer { pause: Duration::from_secs(1) };

#[tokio::test(start_paused = true)]
async fn every_subscriber_sees_every_event_once_with_the_same_number() {
    let run = SLOWLY.run(Begin { n: 5 });
    let early = tokio::spawn(limited(run.stream_events()));
    advance(Duration::from_millis(2_500)).await;
    let midway = tokio::spawn(limited(run.stream_events()));
    run.result().await.unwrap();
    let (early, midway, late) = (early.await.unwrap(), midway.await.unwrap(), limited(run.stream_events()).await);
    let expected: Vec<(u64, String)> =
        (1..=5_u64).map(|n| (n, format!("Note {{ n: {n} }}"))).chain([(6, "Done { n: 5 }".to_owned())]).collect();
    assert_eq!(early, expected);
    assert_eq!(midway, expected);
    assert_eq!(late, expected);
    assert_eq!(limited(run.stream_events()).await, expected, "any number of times");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_starts_where_it_asks() {
    let run = SLOWLY.run(Begin { n: 4 });
    advance(Duration::from_millis(1_500)).await;
    let now = tokio::spawn(limited(run.stream_from(StreamStart::Now)));
    let ahead = tokio::spawn(limited(run.stream_from(StreamStart::After(3))));
    run.result().await.unwrap();
    let numbers = |seen: Vec<(u64, String)>| seen.into_iter().map(|(seq, _)| seq).collect::<Vec<_>>();
    assert_eq!(numbers(now.await.unwrap()), [3, 4, 5]);
    assert_eq!(numbers(ahead.await.unwrap()), [4, 5]);
    let mut lagging =
        AT_ONCE.run_with(Begin { n: 9 }, RunOptions::new().stream_bound(2)).stream_from(StreamStart::After(1));
    settle().await;
    assert!(matches!(lagging.next().await, Some(StreamItem::Lagged { from: 2, to: 7 })));
    assert_eq!(lagging.last_seq(), 7, "what is reported as missed was handed out");
    for (after, expected) in
        [(0, vec![1, 2, 3, 4, 5]), (2, vec![3, 4, 5]), (4, vec![5]), (5, vec![]), (6, vec![]), (u64::MAX, vec![])]
    {
        assert_eq!(numbers(limited(run.stream_from(StreamStart::After(after))).await), expected, "after {after}");
    }
    assert_eq!(numbers(limited(run.stream_from(StreamStart::Now)).await), [5], "the end is never past");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_starts_past_everything_harms_nobody() {
    let run = SLOWLY.run(Begin { n: 3 });
    let far = tokio::spawn(limited(run.stream_from(StreamStart::After(u64::MAX))));
    let near = tokio::spawn(limited(run.stream_from(StreamStart::After(u64::MAX - 1))));
    assert_eq!(run.await.unwrap().n, 3);
    assert!(far.await.unwrap().is_empty());
    assert!(near.await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let run = SLOWLY.run(Begin { n: 20 });
    let mut seen = Vec::new();
    let mut last = 0;
    'outer: loop {
        // Each visit reads a few items, then the connection breaks.
        let mut stream = run.stream_from(StreamStart::After(last));
        let mut items = Vec::new();
        for _ in 0..2 {
            if stream.recv_many(&mut items, 3).await == 0 {
                seen.extend(items.iter().filter_map(StreamItem::seq));
                break 'outer;
            }
        }
        seen.extend(items.iter().filter_map(StreamItem::seq));
        last = stream.last_seq();
        assert_eq!(Some(&last), seen.last());
        sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(seen, (1..=21).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn last_seq_is_what_was_handed_out_not_what_was_read_ahead() {
    let run = AT_ONCE.run(Begin { n: 100 });
    run.result().await.unwrap();
    let mut stream = run.stream_events();
    assert_eq!(stream.last_seq(), 0);
    for expected in 1..=101 {
        stream.next().await.unwrap();
        assert_eq!(stream.last_seq(), expected);
    }
    assert!(stream.next().await.is_none());
    assert_eq!(stream.last_seq(), 101);
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_the_oldest_are_dropped_and_reported() {
    let run = AT_ONCE.run_with(Begin { n: 100 }, RunOptions::new().stream_bound(10));
    run.result().await.unwrap();
    let late = limited(run.stream_from(StreamStart::After(0))).await;
    assert_eq!(late[0], (0, "missed 1 to 90".to_owned()));
    assert_eq!(limited(run.stream_events()).await, late, "from the beginning is after nothing");
    assert_eq!(late[1..].iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (91..=101).collect::<Vec<_>>());
    let from = limited(run.stream_from(StreamStart::After(50))).await;
    assert_eq!(from[0], (0, "missed 51 to 90".to_owned()));
    let enough = limited(run.stream_from(StreamStart::After(90))).await;
    assert_eq!(enough.len(), 11, "nothing was missed");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_lags_and_a_quick_one_does_not() {
    let run = SLOWLY.run_with(Begin { n: 30 }, RunOptions::new().stream_bound(5));
    let quick = tokio::spawn(limited(run.stream_events()));
    let mut slow = run.stream_events();
    let mut seen = Vec::new();
    while let Some(item) = slow.next().await {
        match item {
            StreamItem::Lagged { from, to } => seen.extend(from..=to),
            item => seen.extend(item.seq()),
        }
        sleep(Duration::from_secs(4)).await;
    }
    assert_eq!(seen, (1..=31).collect::<Vec<_>>(), "read or reported, each once and in order");
    let quick: Vec<u64> = quick.await.unwrap().into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(quick, (1..=31).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_slows_nobody() {
    let run = AT_ONCE.run_with(Begin { n: 200_000 }, RunOptions::new());
    let _idle = (run.stream_events(), run.events_internal());
    assert_eq!(run.result().await.unwrap().n, 200_000);
    let late = limited(run.stream_from(StreamStart::After(0))).await;
    assert_eq!(late[0], (0, format!("missed 1 to {}", 200_000 - 65_536)), "65,536 events are kept by default");
    assert_eq!(late.last().unwrap().0, 200_001);
}

/// Steps on several threads write at the same time.
struct Crowd;

#[workflow(Begin => Done)]
impl Crowd {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step(streams(Note))]
    async fn write(&self, item: Item, ctx: Context) -> Part {
        for at in 0..10 {
            ctx.write_event_to_stream(Note { n: item.n * 10 + at });
            tokio::task::yield_now().await;
        }
        Part {}
    }

    #[step]
    async fn gather(&self, all: Vec<Part>) -> Done {
        Done { n: all.len() as u32 }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_all_subscribers_see_the_same_log() {
    let run = Crowd.run(Begin { n: 100 });
    let readers: Vec<_> = (0..8).map(|_| tokio::spawn(limited(run.stream_events()))).collect();
    run.result().await.unwrap();
    let log = limited(run.stream_events()).await;
    assert_eq!(log.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=1_001).collect::<Vec<_>>());
    for reader in readers {
        assert_eq!(reader.await.unwrap(), log);
    }
    let mut notes: Vec<&String> = log.iter().map(|(_, note)| note).collect();
    notes.sort_unstable();
    notes.dedup();
    assert_eq!(notes.len(), 1_001);
}

/// Tokens between notes.
struct Tokens;

#[workflow(Begin => Done)]
impl Tokens {
    #[step(streams(Note, Token))]
    async fn write(&self, ev: Begin, ctx: Context) -> Done {
        for n in 1..=ev.n {
            ctx.write_ephemeral(Token { n });
            ctx.write_event_to_stream(Note { n });
            ctx.write_ephemeral(Token { n: 10 * n });
            sleep(Duration::from_secs(1)).await;
        }
        Done { n: ev.n }
    }
}

#[tokio::test(start_paused = true)]
async fn ephemeral_events_have_no_number_and_come_in_their_place() {
    let run = Tokens.run(Begin { n: 2 });
    let seen = tokio::spawn(limited(run.stream_events()));
    run.result().await.unwrap();
    let texts: Vec<String> = seen.await.unwrap().into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        texts,
        [
            "Token { n: 1 } after 0",
            "Note { n: 1 }",
            "Token { n: 10 } after 1",
            "Token { n: 2 } after 1",
            "Note { n: 2 }",
            "Token { n: 20 } after 2",
            "Done { n: 2 }"
        ]
    );
    let late: Vec<u64> = limited(run.stream_events()).await.into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(late, [1, 2, 3], "what passed has passed");
}

#[tokio::test(start_paused = true)]
async fn ephemeral_events_reach_only_who_listens_at_that_moment() {
    let run = Tokens.run(Begin { n: 2 });
    let first = tokio::spawn(limited(run.stream_events()));
    advance(Duration::from_millis(500)).await;
    // Another listener keeps the frames alive; this one came too late for the first ones all the same.
    let second = tokio::spawn(limited(run.stream_events()));
    run.result().await.unwrap();
    assert_eq!(first.await.unwrap().len(), 7);
    let second: Vec<String> = second.await.unwrap().into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        second,
        ["Note { n: 1 }", "Token { n: 2 } after 1", "Note { n: 2 }", "Token { n: 20 } after 2", "Done { n: 2 }"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_filtered_view_keeps_the_log_s_numbers() {
    let run = Tokens.run(Begin { n: 3 });
    let notes = StreamExt::filter(run.stream_events(), |item| item.get::<Note>().is_some_and(|note| note.n != 2));
    let seen: Vec<u64> =
        StreamExt::collect::<Vec<StreamItem>>(notes).await.iter().filter_map(StreamItem::seq).collect();
    assert_eq!(seen, [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn internal_frames_are_made_while_somebody_looks_or_the_run_records_them() {
    let states = |seen: &[(u64, String)]| seen.iter().filter(|(_, text)| text.starts_with("StepStateChanged")).count();
    let run = AT_ONCE.run(Begin { n: 1 });
    let watched = tokio::spawn(limited(run.events_internal()));
    let plain = tokio::spawn(limited(run.stream_events()));
    run.result().await.unwrap();
    assert!(states(&watched.await.unwrap()) >= 3);
    assert_eq!(states(&plain.await.unwrap()), 0);

    let unwatched = AT_ONCE.run(Begin { n: 1 });
    unwatched.result().await.unwrap();
    assert_eq!(states(&limited(unwatched.events_internal()).await), 0);

    let recorded = AT_ONCE.run_with(Begin { n: 1 }, RunOptions::new().record_internal());
    recorded.result().await.unwrap();
    assert!(states(&limited(recorded.events_internal()).await) >= 3);
    assert_eq!(limited(recorded.stream_events()).await.len(), 2);
}

/// Logs, phases, an announcement, a question.
struct Chatty;

#[workflow(Begin => Done)]
impl Chatty {
    #[step]
    async fn begin(&self, _ev: Begin, ctx: Context) -> Question {
        ctx.phase("asking");
        ctx.log_with(LogLevel::Warn, "careful", [("why".to_owned(), "people".into())].into_iter().collect());
        Question {}
    }

    #[step(waits(Go))]
    async fn work(&self, _answer: Answer, ctx: Context) -> Result<Done> {
        let go = ctx.wait_for_event::<Go>().announce(Note { n: 1 }).await?;
        Ok(Done { n: go.n })
    }
}

#[tokio::test(start_paused = true)]
async fn questions_announcements_logs_and_the_end_are_on_the_stream() {
    let kit = TestKit::new().human(|asked| {
        let event = asked.input.event.as_ref()?;
        if event.is::<Question>() { Some(stepcast::AnyEvent::new(Answer {})) } else { Some(Go { n: 7 }.into()) }
    });
    let recorded = kit.run(Chatty, Begin { n: 0 }).await;
    assert_eq!(recorded.stop().n, 7);
    let stream = recorded.stream();
    assert_eq!(stream.iter().map(|item| item.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let phase = stream[0].event.get::<PhaseEvent>().unwrap();
    assert_eq!((phase.name.as_str(), phase.step.as_str()), ("asking", "begin"));
    let log = stream[1].event.get::<LogEvent>().unwrap();
    assert_eq!((log.level, log.message.as_str(), log.step.as_str()), (LogLevel::Warn, "careful", "begin"));
    assert_eq!(log.fields["why"], "people");
    assert!(stream[2].event.is::<Question>() && stream[3].event.is::<Note>() && stream[4].event.is::<Done>());
}

/// Ends in every way that is no stop event.
struct Ends;

#[workflow(Begin => Done)]
impl Ends {
    #[step]
    async fn work(&self, ev: Begin) -> Result<Done> {
        match ev.n {
            0 => Err(StepError::msg("no")),
            _ => {
                sleep(Duration::from_secs(100)).await;
                Ok(Done { n: 0 })
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_end_is_the_last_event_of_the_stream() {
    let failed = Ends.run(Begin { n: 0 });
    let failing = tokio::spawn(limited(failed.stream_events()));
    assert!(failed.result().await.is_err());
    assert_eq!(failing.await.unwrap(), limited(failed.stream_events()).await);
    let mut stream = failed.stream_events();
    let last = stream.next().await.unwrap();
    assert_eq!((last.seq(), last.get::<WorkflowFailedEvent>().unwrap().step_name.as_deref()), (Some(1), Some("work")));

    let slow = Ends.run_with(Begin { n: 1 }, RunOptions::new().timeout(Duration::from_secs(5)));
    let mut stream = slow.stream_events();
    let last = stream.next().await.unwrap();
    let timed_out = last.get::<WorkflowTimedOutEvent>().unwrap();
    assert_eq!((timed_out.timeout, &timed_out.active_steps[..]), (5.0, &["work".to_owned()][..]));
    assert!(stream.next().await.is_none());

    let cancelled = Ends.run(Begin { n: 1 });
    let mut stream = cancelled.stream_events();
    settle().await;
    cancelled.cancel();
    assert!(stream.next().await.unwrap().get::<WorkflowCancelledEvent>().is_some());
    assert!(stream.next().await.is_none());
}

/// Goes on writing after the end.
struct Late;

#[workflow(Begin => Done)]
impl Late {
    #[step]
    async fn begin(&self, ev: Begin) -> (Item, Note) {
        (Item { n: ev.n }, Note { n: ev.n })
    }

    #[step]
    async fn ends(&self, item: Item) -> Done {
        Done { n: item.n }
    }

    #[step(allow(unconsumed))]
    async fn goes_on(&self, note: Note, ctx: Context) -> Option<Done> {
        loop {
            ctx.write_event_to_stream(Note { n: note.n });
            ctx.write_ephemeral(Token { n: note.n });
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_the_end() {
    for kit in TestKit::seeds(4) {
        let recorded = kit.run(Late, Begin { n: 3 }).await;
        sleep(Duration::from_secs(2)).await;
        let again = limited(recorded.stream_events()).await;
        assert!(again.last().unwrap().1.starts_with("Done"));
        let numbers: Vec<u64> = again.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        assert_eq!(numbers.len(), recorded.stream().len(), "what came after the end is nowhere");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_every_handle() {
    let run = SLOWLY.run(Begin { n: 3 });
    let stream = run.stream_events();
    drop(run);
    assert_eq!(limited(stream).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn frames_tell_where_executions_stand() {
    let recorded = TestKit::new().run(SLOWLY, Begin { n: 1 }).await;
    let states: Vec<String> = recorded
        .all::<StepStateChanged>()
        .iter()
        .map(|frame| format!("{:?} {}", frame.step_state, frame.attempt))
        .collect();
    assert_eq!(states, ["Preparing 1", "Running 1", "NotRunning 1"]);
    let execution = &recorded.executions("write")[0];
    let (begun, ended) = execution.times[0];
    assert_eq!(ended.unwrap() - begun, 1_000_000, "in the run's own time");
    assert_eq!(recorded.overlay().steps["write"].total_micros, 1_000_000);
}
