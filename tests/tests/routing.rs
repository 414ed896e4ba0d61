//! Promise 1: every event goes to every step with a parameter for it, exactly once per step, and to one waiter; what
//! reached nobody is reported.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stepcast::SendError;
use stepcast::engine::StuckReason;
use stepcast::prelude::*;
use support::{recorded, settle, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Num {
    n: u32,
}

#[event]
pub struct Word {
    text: String,
}

#[event]
pub struct Seen {
    by: String,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

/// One event, three steps that take it, each once.
mod every_taker {
    use super::*;

    #[derive(Default)]
    pub struct Fan {
        pub first: AtomicUsize,
        pub second: AtomicUsize,
    }

    #[workflow(Begin => Done)]
    impl Fan {
        #[step]
        async fn begin(&self, ev: Begin) -> Num {
            Num { n: ev.n }
        }

        #[step]
        async fn first(&self, _ev: Num) -> Seen {
            self.first.fetch_add(1, Ordering::Relaxed);
            Seen { by: "first".into() }
        }

        #[step]
        async fn second(&self, _ev: Num) -> Seen {
            self.second.fetch_add(1, Ordering::Relaxed);
            Seen { by: "second".into() }
        }

        #[step]
        async fn third(&self, ev: Num, ctx: Context) -> Option<Done> {
            let seen = format!("{}", ev.n);
            (ctx.step_name() == "third").then(|| done(seen)).filter(|_| false)
        }

        #[step]
        async fn tally(&self, seen: Seen, ctx: Context) -> Result<Option<Done>> {
            let set = ctx.collect_n(seen, 2).await?;
            Ok(set.map(|all| done(all.iter().map(|seen| seen.by.as_str()).collect::<Vec<_>>().join(" "))))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_to_every_step_that_takes_it_exactly_once() {
    let flow = Arc::new(every_taker::Fan::default());
    let stop = within(Arc::clone(&flow).run(Begin { n: 7 })).await.unwrap();
    assert_eq!(stop, done("first second"));
    assert_eq!((flow.first.load(Ordering::Relaxed), flow.second.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_it_is_on_several_threads() {
    for _ in 0..100 {
        let flow = Arc::new(every_taker::Fan::default());
        within(Arc::clone(&flow).run(Begin { n: 7 })).await.unwrap();
        assert_eq!((flow.first.load(Ordering::Relaxed), flow.second.load(Ordering::Relaxed)), (1, 1));
    }
}

/// A step that takes one of several events, one that gives one of several.
mod unions {
    use super::*;

    #[derive(Events)]
    pub enum Either3 {
        Num(Num),
        Word(Word),
        Seen(Seen),
    }

    #[derive(Events)]
    pub enum Reply {
        Again(Num),
        Done(Done),
    }

    #[step]
    pub async fn begin(ev: Begin) -> Either3 {
        match ev.n {
            0 => Num { n: 3 }.into(),
            1 => Either3::Word(Word { text: "w".into() }),
            _ => Either3::Seen(Seen { by: "s".into() }),
        }
    }

    #[step]
    pub async fn take(ev: Either3) -> Reply {
        match ev {
            Either3::Num(Num { n: 0 }) => Reply::Done(done("counted down")),
            Either3::Num(Num { n }) => Reply::Again(Num { n: n - 1 }),
            Either3::Word(word) => done(word.text).into(),
            Either3::Seen(seen) => done(seen.by).into(),
        }
    }

    flow!(pub Unions: Begin => Done { begin, take });

    #[step]
    pub async fn choose(ev: Begin) -> Either<Num, Word> {
        if ev.n > 9 { Either::Left(Num { n: ev.n }) } else { Either::Right(Word { text: "small".into() }) }
    }

    #[step]
    pub async fn end(ev: Either<Word, Num>) -> Done {
        match ev {
            Either::Left(word) => done(word.text),
            Either::Right(num) => done(num.n),
        }
    }

    flow!(pub Eithers: Begin => Done { choose, end });
}

#[tokio::test(start_paused = true)]
async fn a_step_may_take_and_give_one_of_several() {
    for (n, text) in [(0, "counted down"), (1, "w"), (2, "s")] {
        assert_eq!(within(unions::Unions.run(Begin { n })).await.unwrap(), done(text));
    }
    assert_eq!(within(unions::Eithers.run(Begin { n: 10 })).await.unwrap(), done("10"));
    assert_eq!(within(unions::Eithers.run(Begin { n: 1 })).await.unwrap(), done("small"));
}

/// What a step may return beside one event.
mod returns {
    use super::*;

    #[step]
    pub async fn both(ev: Begin) -> (Num, Word) {
        (Num { n: ev.n }, Word { text: "w".into() })
    }

    #[step]
    pub async fn maybe(num: Num) -> Result<Option<Seen>> {
        if num.n == 99 {
            return Err(StepError::msg("ninety-nine"));
        }
        Ok((num.n > 5).then(|| Seen { by: num.n.to_string() }))
    }

    #[step]
    pub async fn swallow(_seen: Seen, ctx: Context) {
        let _ = ctx.store().set("swallowed", true).await;
    }

    #[step]
    pub async fn finish(word: Word) -> Done {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        done(word.text)
    }

    flow!(pub Returns: Begin => Done { both, maybe, swallow, finish });
}

#[tokio::test(start_paused = true)]
async fn tuples_options_units_and_results() {
    let run = returns::Returns.run(Begin { n: 6 });
    assert_eq!(within(run.result()).await.unwrap(), done("w"));
    assert_eq!(run.store_value("swallowed"), Some(true.into()));

    let run = returns::Returns.run(Begin { n: 1 });
    assert_eq!(within(run.result()).await.unwrap(), done("w"));
    assert_eq!(run.store_value("swallowed"), None);

    let error = within(returns::Returns.run(Begin { n: 99 })).await.unwrap_err();
    assert_eq!(error.to_string(), "The step `maybe` failed after 1 attempt(s): ninety-nine");
}

/// Workers bound concurrent executions of one step and leave the others alone.
mod workers {
    use super::*;

    #[derive(Default)]
    pub struct Load {
        pub now: [AtomicUsize; 3],
        pub most: [AtomicUsize; 3],
        pub order: std::sync::Mutex<Vec<u32>>,
        pub by_clock: bool,
    }

    async fn give_way(turns: u32) {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    impl Load {
        async fn work(&self, at: usize, n: u32) {
            let now = self.now[at].fetch_add(1, Ordering::SeqCst) + 1;
            self.most[at].fetch_max(now, Ordering::SeqCst);
            if at == 0 {
                self.order.lock().unwrap().push(n);
            }
            // The later ones are quicker.
            let turns = 200 - n;
            match self.by_clock {
                true => tokio::time::sleep(std::time::Duration::from_millis(u64::from(turns))).await,
                false => give_way(turns).await,
            }
            self.now[at].fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[workflow(Begin => Done)]
    impl Load {
        #[step]
        async fn split(&self, ev: Begin) -> Vec<Num> {
            (0..ev.n).map(|n| Num { n }).collect()
        }

        #[step(workers = 1)]
        async fn single(&self, num: Num) -> Seen {
            self.work(0, num.n).await;
            Seen { by: "single".into() }
        }

        #[step(workers = 3)]
        async fn three(&self, num: Num) -> Seen {
            self.work(1, num.n).await;
            Seen { by: "three".into() }
        }

        #[step]
        async fn any(&self, num: Num) -> Seen {
            self.work(2, num.n).await;
            Seen { by: "any".into() }
        }

        #[step]
        async fn all(&self, seen: Vec<Seen>) -> Done {
            done(seen.len())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn workers_bound_the_concurrent_executions_of_a_step() {
    let flow = Arc::new(workers::Load { by_clock: true, ..Default::default() });
    let stop = within(Arc::clone(&flow).run(Begin { n: 50 })).await.unwrap();
    assert_eq!(stop, done(150));
    let most = flow.most.each_ref().map(|most| most.load(Ordering::SeqCst));
    assert_eq!(most, [1, 3, 50]);
    // One worker runs its executions in the order in which their events were routed.
    assert_eq!(*flow.order.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_bound_them_on_several_threads_too() {
    let flow = Arc::new(workers::Load::default());
    within(Arc::clone(&flow).run(Begin { n: 20 })).await.unwrap();
    assert_eq!(flow.most[0].load(Ordering::SeqCst), 1);
    assert!(flow.most[1].load(Ordering::SeqCst) <= 3);
    assert_eq!(*flow.order.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_run_may_bound_all_its_executions() {
    let flow = Arc::new(workers::Load { by_clock: true, ..Default::default() });
    within(Arc::clone(&flow).run_with(Begin { n: 30 }, RunOptions::new().max_running(4))).await.unwrap();
    assert!(flow.most[2].load(Ordering::SeqCst) <= 4);
    assert!(flow.most[2].load(Ordering::SeqCst) > 1);
}

/// Events that reach nobody.
mod lost {
    use super::*;

    #[event]
    pub struct Stray {
        pub n: u32,
    }

    #[step(allow(unconsumed))]
    pub async fn begin(ev: Begin) -> (Stray, Num) {
        (Stray { n: ev.n }, Num { n: ev.n })
    }

    #[step]
    pub async fn end(num: Num) -> Option<Done> {
        (num.n > 0).then(|| done(num.n))
    }

    flow!(pub Lost: Begin => Done { begin, end });
}

#[tokio::test(start_paused = true)]
async fn what_reached_nobody_is_reported() {
    let run = lost::Lost.run_with(Begin { n: 1 }, recorded());
    assert_eq!(unhandled(&run).await, ["Stray"]);
    assert_eq!(within(run.result()).await.unwrap(), done(1));
}

#[tokio::test(start_paused = true)]
async fn what_reached_nobody_is_named_when_the_run_gets_stuck() {
    let error = within(lost::Lost.run(Begin { n: 0 })).await.unwrap_err();
    let stepcast::RunError::Stuck { reason: StuckReason::NoStopEvent { last_unhandled, .. } } = error else {
        panic!("not stuck: {error}")
    };
    assert_eq!(last_unhandled.as_deref(), Some("Stray"));
}

/// Events from outside are routed like those of steps.
mod outside {
    use super::*;

    #[event(external)]
    pub struct Poke {
        pub n: u32,
    }

    #[step]
    pub async fn begin(_ev: Begin) {}

    #[step]
    pub async fn left(poke: Poke, ctx: Context) -> Result<Option<Done>> {
        ctx.store().set("left", poke.n).await?;
        Ok(None)
    }

    #[step]
    pub async fn right(poke: Poke) -> Option<Done> {
        (poke.n > 1).then(|| done(poke.n))
    }

    flow!(pub Outside: Begin => Done { begin, left, right });
}

#[tokio::test(start_paused = true)]
async fn an_event_from_outside_goes_to_every_taker_or_to_the_one_it_names() {
    let run = outside::Outside.run(Begin { n: 0 });
    run.send_event(outside::Poke { n: 1 }).unwrap();
    settle().await;
    assert_eq!(run.store_value("left"), Some(1.into()));
    assert!(!run.is_done());
    run.send_event_to("left", outside::Poke { n: 5 }).unwrap();
    settle().await;
    assert_eq!(run.store_value("left"), Some(5.into()));
    assert!(!run.is_done());
    run.send_event_to("right", outside::Poke { n: 6 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done(6));
    assert_eq!(run.store_value("left"), Some(5.into()));
    assert!(matches!(run.send_event(outside::Poke { n: 7 }), Err(SendError::Ended { .. })));
}

#[tokio::test(start_paused = true)]
async fn what_may_not_come_from_outside_is_given_back() {
    let run = outside::Outside.run(Begin { n: 0 });
    let SendError::Undeclared { event, expected, workflow } = run.send_event(Word { text: "w".into() }).unwrap_err()
    else {
        panic!("taken")
    };
    assert_eq!(
        (event.get::<Word>().unwrap().text.as_str(), expected, workflow.as_str()),
        ("w", vec!["Poke".to_owned()], "Outside")
    );
    assert!(matches!(run.send_event(Begin { n: 1 }), Err(SendError::NotExternal { .. })));
    assert!(matches!(run.send_event(done("no")), Err(SendError::NotExternal { .. })));
    let SendError::Step { step, takers, .. } = run.send_event_to("nope", outside::Poke { n: 9 }).unwrap_err() else {
        panic!("taken")
    };
    assert_eq!((step.as_str(), takers), ("nope", vec!["left".to_owned(), "right".to_owned()]));
    assert!(matches!(run.send_event_to("begin", outside::Poke { n: 9 }), Err(SendError::Step { .. })));
    settle().await;
    assert_eq!(run.store_value("left"), None);
    run.send_event(outside::Poke { n: 2 }).unwrap();
    assert_eq!(within(run.result()).await.unwrap(), done(2));
}
