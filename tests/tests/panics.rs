//! Promise 6, panics: whatever panics in a user's code fails one attempt, one edit or one run with a typed error; it
//! never hangs a run, and never reaches another one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepcast::prelude::*;
use stepcast::testing::{TestKit, settle};
use stepcast::{RunError, StepFailedEvent, StepPanicked};

#[event(start)]
struct Begin {
    how: String,
}

#[event]
struct Item {
    n: u32,
}

#[event(external)]
struct Go {
    n: u32,
}

#[event(stop)]
#[derive(PartialEq)]
struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

#[track_caller]
fn panic_text(error: &RunError) -> String {
    let RunError::StepFailed { source, .. } = error else { panic!("{error:?}") };
    source.downcast_ref::<StepPanicked>().unwrap().message.clone()
}

struct Body;

#[workflow(Begin => Done)]
impl Body {
    #[step]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        match ev.how.as_str() {
            "at once" => panic!("at once: {}", 1),
            "later" => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                panic!("later")
            }
            "in a call" => {
                let made: u32 = ctx
                    .call("made", || async { if true { panic!("in a call") } else { Ok::<_, StepError>(1) } })
                    .await?;
                Ok(done(made))
            }
            "a value" => std::panic::panic_any(17_u32),
            "in the future's drop" => {
                let _bomb = Bomb("in the future's drop");
                Err(StepError::msg("the error itself"))
            }
            "in the output's drop" => Ok(done("fine")),
            _ => Ok(done("nothing")),
        }
    }
}

/// Panics when it is dropped, unless a panic is under way already: two at once abort the process.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_body_fails_the_attempt() {
    for how in ["at once", "later", "in a call"] {
        let recorded = TestKit::new().run(Body, Begin { how: how.into() }).await;
        assert!(panic_text(recorded.error()).starts_with(how), "{}", recorded.error());
    }
    let recorded = TestKit::new().run(Body, Begin { how: "a value".into() }).await;
    assert_eq!(panic_text(recorded.error()), "a value that is not a text");
    let recorded = TestKit::new().run(Body, Begin { how: "in the future's drop".into() }).await;
    assert_eq!(panic_text(recorded.error()), "in the future's drop", "the drop is part of the poll here");
}

/// A future that is dropped before its end, with something in it that panics.
struct Dropped;

#[workflow(Begin => Done)]
impl Dropped {
    #[step]
    async fn begin(&self, ev: Begin) -> (Item, Begun) {
        (Item { n: 1 }, Begun { how: ev.how })
    }

    #[step(timeout = "1s", on_failure = "continue", waits(Go))]
    async fn hangs(&self, begun: Begun, ctx: Context) -> Option<Done> {
        let _bomb = Bomb("dropped half-way");
        match begun.how.as_str() {
            "asleep" => tokio::time::sleep(Duration::from_secs(100)).await,
            _ => drop(ctx.wait_for_event::<Go>().await),
        }
        None
    }

    #[step]
    async fn ends(&self, _item: Item) -> Done {
        tokio::time::sleep(Duration::from_secs(10)).await;
        done("the run went on")
    }
}

#[event]
struct Begun {
    how: String,
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_drop_of_a_cut_off_step_is_swallowed() {
    for how in ["asleep", "waiting"] {
        let recorded = TestKit::new().run(Dropped, Begin { how: how.into() }).await;
        assert_eq!(recorded.stop().text, "the run went on");
    }
}

/// An event whose clone panics on demand.
#[event]
struct Touchy {
    on_clone: bool,
    on_drop: bool,
    #[serde(skip)]
    #[allow(dead_code)]
    bomb: Armed,
}

#[derive(Debug, Default)]
struct Armed {
    on_clone: bool,
    on_drop: bool,
}

impl Clone for Armed {
    fn clone(&self) -> Self {
        if self.on_clone {
            panic!("the clone panicked");
        }
        Armed { on_clone: self.on_clone, on_drop: self.on_drop }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if self.on_drop && !std::thread::panicking() {
            panic!("the drop panicked");
        }
    }
}

fn touchy(how: &str) -> Touchy {
    let (on_clone, on_drop) = (how.contains("clone"), how.contains("drop"));
    Touchy { on_clone, on_drop, bomb: Armed { on_clone, on_drop } }
}

struct OneTaker;

#[workflow(Begin => Done)]
impl OneTaker {
    #[step]
    async fn begin(&self, ev: Begin) -> Touchy {
        touchy(&ev.how)
    }

    #[step]
    async fn take(&self, ev: Touchy) -> Done {
        std::mem::forget(ev);
        done("taken")
    }
}

struct Caught;

#[workflow(Begin => Done)]
impl Caught {
    #[step]
    async fn begin(&self, ev: Begin) -> Touchy {
        touchy(&ev.how)
    }

    #[step]
    async fn take(&self, ev: Touchy) -> Result<Done> {
        std::mem::forget(ev);
        Err(StepError::msg("no"))
    }

    #[step(catch)]
    async fn recover(&self, failed: StepFailedEvent) -> Done {
        let text = failed.exception.exception_message.clone();
        std::mem::forget(failed);
        done(text)
    }
}

struct Waited;

#[workflow(Begin => Done)]
impl Waited {
    #[step]
    async fn begin(&self, ev: Begin) -> (Item, Touchy) {
        (Item { n: 1 }, touchy(&ev.how))
    }

    #[step(waits(Touchy))]
    async fn wait(&self, _item: Item, ctx: Context) -> Result<Done> {
        let got = ctx.wait_for_event::<Touchy>().await?;
        std::mem::forget(got);
        Ok(done("got it"))
    }

    #[step]
    async fn take(&self, ev: Touchy) -> Option<Done> {
        std::mem::forget(ev);
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_event_s_clone_or_drop_ends_the_run_with_an_error_or_not_at_all() {
    for how in ["clone", "drop", "neither"] {
        let begin = || Begin { how: how.into() };
        let taken = TestKit::new().run(OneTaker, begin()).await;
        let caught = TestKit::new().run(Caught, begin()).await;
        let waited = TestKit::new().run(Waited, begin()).await;
        if how == "neither" {
            assert_eq!(taken.stop().text, "taken");
            assert_eq!(caught.stop().text, "no");
            assert_eq!(waited.stop().text, "got it");
        }
        for error in [taken.result().err(), caught.result().err(), waited.result().err()].into_iter().flatten() {
            assert!(error.to_string().contains(&format!("the {how} panicked")), "{error}");
        }
    }
    // A step takes a copy: its clone is part of its attempt.
    let taken = TestKit::new().run(OneTaker, Begin { how: "clone".into() }).await;
    assert_eq!(panic_text(taken.error()), "the clone panicked");
    let caught = TestKit::new().run(Caught, Begin { how: "clone".into() }).await;
    assert!(caught.stop().text.contains("the clone panicked"), "{}", caught.stop().text);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_clone_while_a_snapshot_is_taken_harms_nobody() {
    struct Held;
    #[workflow(Begin => Done)]
    impl Held {
        #[step]
        async fn begin(&self, ev: Begin) -> Touchy {
            touchy(&ev.how)
        }
        #[step]
        async fn join(&self, ev: Touchy, go: Go) -> Done {
            std::mem::forget(ev);
            done(go.n)
        }
    }
    let run = Held.run(Begin { how: "clone".into() });
    settle().await;
    let error = run.snapshot().await.unwrap_err();
    assert!(error.to_string().contains("the clone panicked"), "{error}");
    run.cancel();
    assert!(matches!(run.await, Err(RunError::Cancelled)));
    let run = Held.run(Begin { how: "neither".into() });
    settle().await;
    assert!(run.snapshot().await.is_ok());
    run.send_event(Go { n: 3 }).unwrap();
    assert_eq!(run.await.unwrap().text, "3");
}

static REFUSED: AtomicBool = AtomicBool::new(false);

/// A filter that panics accepts nothing; an edit that panics leaves the cell usable.
struct InClosures;

#[derive(Clone, Default, Serialize, Deserialize, State)]
struct Counter {
    n: u32,
}

#[workflow(Begin => Done)]
impl InClosures {
    #[step(waits(Go), retry(attempts = 2))]
    async fn work(&self, ev: Begin, counter: State<Counter>, ctx: Context) -> Result<Done> {
        if ctx.attempt() == 1 {
            match ev.how.as_str() {
                "edit" => {
                    counter
                        .edit(|state| -> () {
                            state.n += 1;
                            panic!("in the edit")
                        })
                        .await?
                }
                "try_edit" => {
                    let result: Result<(), StepError> = counter
                        .try_edit(|state| {
                            state.n += 1;
                            panic!("in the edit")
                        })
                        .await?;
                    result?;
                }
                "store" => {
                    let result: Result<(), StepError> = ctx.store().edit("a.b", |_| panic!("in the store")).await?;
                    result?;
                }
                _ => {}
            }
        }
        if ev.how == "filter" {
            let go = ctx.wait_for_event::<Go>().matching(|go| {
                if go.n == 1 {
                    REFUSED.store(true, SeqCst);
                    panic!("in the filter");
                }
                true
            });
            return Ok(done(go.await?.n));
        }
        counter.edit(|state| state.n += 10).await?;
        ctx.store().set("a.c", 1).await?;
        Ok(done(format!("{} {:?}", counter.get().n, ctx.store().get::<u32>("a.c").await?)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_edit_leaves_the_state_usable() {
    for (how, expected) in [("edit", "11 Some(1)"), ("try_edit", "10 Some(1)"), ("store", "10 Some(1)")] {
        assert_eq!(InClosures.run(Begin { how: how.into() }).await.unwrap().text, expected, "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_panics_accepts_nothing() {
    let run = InClosures.run(Begin { how: "filter".into() });
    run.send_event(Go { n: 1 }).unwrap();
    run.send_event(Go { n: 2 }).unwrap();
    assert_eq!(run.await.unwrap().text, "2");
    assert!(REFUSED.load(SeqCst));
}

struct BlockingBody;

#[workflow(Begin => Done)]
impl BlockingBody {
    #[step(blocking)]
    fn work(&self, ev: Begin) -> Done {
        panic!("blocking {}", ev.how)
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_blocking_step_is_caught_too() {
    let recorded = TestKit::new().run(BlockingBody, Begin { how: "body".into() }).await;
    assert_eq!(panic_text(recorded.error()), "blocking body");
}

/// An error that cannot say what it is.
#[derive(Debug)]
struct Mute;

impl std::fmt::Display for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Mute {}

struct Speechless;

#[workflow(Begin => Done)]
impl Speechless {
    #[step]
    async fn work(&self, _ev: Begin) -> Result<Done> {
        Err(Mute.into())
    }

    #[step(catch)]
    async fn recover(&self, failed: StepFailedEvent) -> Done {
        done(failed.exception.exception_message)
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_error_s_own_text_is_its_text() {
    let recorded = TestKit::new().run(Speechless, Begin { how: String::new() }).await;
    assert_eq!(recorded.stop().text, "its text could not be made: The step panicked: no words");
}

#[tokio::test(start_paused = true)]
async fn an_injected_panic_looks_like_a_real_one() {
    let recorded = TestKit::new().panic_in("work", 1).run(Body, Begin { how: "fine".into() }).await;
    assert_eq!(panic_text(recorded.error()), "the test kit made it panic");
}
