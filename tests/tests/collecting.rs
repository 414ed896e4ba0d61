//! Promise 5: `ctx.collect_events` for the dynamic case: mixed types, buffers, keys, surplus kept, bounded.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::sync::{Arc, Mutex};

use stepcast::CollectError;
use stepcast::prelude::*;
use support::{settle, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event(external)]
pub struct Num {
    n: u32,
}

#[event(external)]
pub struct Word {
    key: String,
}

#[event]
pub struct Other {
    n: u32,
}

#[event(external)]
pub struct Enough {}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    sets: Vec<String>,
}

#[derive(Events)]
enum Part {
    Num(Num),
    Word(Word),
}

/// Steps that collect in different ways; what they got is kept for the test.
#[derive(Default)]
struct Collectors {
    sets: Mutex<Vec<String>>,
    errors: Mutex<Vec<CollectError>>,
}

impl Collectors {
    fn note(&self, set: String) {
        self.sets.lock().unwrap().push(set);
    }

    fn sets(&self) -> Vec<String> {
        std::mem::take(&mut self.sets.lock().unwrap())
    }
}

#[workflow(Begin => Done)]
impl Collectors {
    #[step(allow(unconsumed))]
    async fn begin(&self, ev: Begin) -> Option<Other> {
        (ev.n > 1000).then_some(Other { n: ev.n })
    }

    /// Two numbers and a word, in this order, whatever the order of arrival.
    #[step]
    async fn mixed(&self, part: Part, ctx: Context) -> Result<()> {
        let set = match part {
            Part::Num(num) => ctx.collect_events::<(Num, Word, Num)>(num).buffer("mixed").await?,
            Part::Word(word) => ctx.collect_events::<(Num, Word, Num)>(word).buffer("mixed").await?,
        };
        if let Some((first, word, second)) = set {
            self.note(format!("mixed {} {} {}", first.n, word.key, second.n));
        }
        Ok(())
    }

    #[step]
    async fn threes(&self, num: Num, ctx: Context) -> Result<()> {
        if let Some(set) = ctx.collect_n(num, 3).await? {
            self.note(format!("threes {:?}", set.iter().map(|num| num.n).collect::<Vec<_>>()));
        }
        Ok(())
    }

    #[step]
    async fn keyed(&self, word: Word, ctx: Context) -> Result<()> {
        let key = word.key.clone();
        if ctx.collect_n(word, 2).key(&key).await?.is_some() {
            self.note(format!("keyed {key}"));
        }
        Ok(())
    }

    /// What is not part of the set is refused.
    #[step]
    async fn wrong(&self, word: Word, ctx: Context) -> Result<()> {
        let unwanted = ctx.collect_events::<(Num, Num)>(word).await;
        self.errors.lock().unwrap().extend(unwanted.err());
        Ok(())
    }

    #[step]
    async fn end(&self, _enough: Enough) -> Done {
        Done { sets: vec![] }
    }
}

#[tokio::test(start_paused = true)]
async fn mixed_types_come_in_the_declared_order() {
    let flow = Arc::new(Collectors::default());
    let run = Arc::clone(&flow).run(Begin { n: 0 });
    run.send_event(Word { key: "a".into() }).unwrap();
    run.send_event(Num { n: 1 }).unwrap();
    settle().await;
    assert!(flow.sets().is_empty());
    run.send_event(Num { n: 2 }).unwrap();
    settle().await;
    assert_eq!(flow.sets(), ["mixed 1 a 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_surplus_stays_for_the_next_round() {
    let flow = Arc::new(Collectors::default());
    let run = Arc::clone(&flow).run(Begin { n: 0 });
    for n in 1..=5 {
        run.send_event(Num { n }).unwrap();
    }
    settle().await;
    assert_eq!(flow.sets(), ["threes [1, 2, 3]"]);
    run.send_event(Word { key: "a".into() }).unwrap();
    settle().await;
    // Three numbers more than the mixed set needs were kept for it.
    assert_eq!(flow.sets(), ["mixed 1 a 2"]);
    run.send_event(Num { n: 6 }).unwrap();
    run.send_event(Word { key: "b".into() }).unwrap();
    settle().await;
    assert_eq!(flow.sets(), ["threes [4, 5, 6]", "mixed 3 b 4"]);
}

#[tokio::test(start_paused = true)]
async fn only_events_of_one_key_make_a_set() {
    let flow = Arc::new(Collectors::default());
    let run = Arc::clone(&flow).run(Begin { n: 0 });
    for key in ["a", "b", "c", "b", "a", "a"] {
        run.send_event(Word { key: key.into() }).unwrap();
    }
    settle().await;
    assert_eq!(flow.sets(), ["keyed b", "keyed a"]);
    run.send_event(Word { key: "a".into() }).unwrap();
    settle().await;
    assert_eq!(flow.sets(), ["keyed a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_is_refused() {
    let flow = Arc::new(Collectors::default());
    let run = Arc::clone(&flow).run(Begin { n: 0 });
    run.send_event(Word { key: "a".into() }).unwrap();
    settle().await;
    let errors = std::mem::take(&mut *flow.errors.lock().unwrap());
    let [CollectError::NotWanted { event: "Word", wanted }] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(*wanted, ["Num", "Num"]);
    assert!(!run.is_done());
    run.send_event(Enough {}).unwrap();
    within(run.result()).await.unwrap();
}

/// Buffers are apart by name and by step, and shared by the executions of one step.
mod apart {
    use super::*;

    #[event]
    pub struct Item {
        pub n: u32,
    }

    #[event]
    pub struct Found {
        pub text: String,
    }

    #[step]
    pub async fn begin(ev: Begin, ctx: Context<(Item,)>) -> Result<()> {
        (0..ev.n).try_for_each(|n| ctx.send_event(Item { n }))?;
        Ok(())
    }

    #[step]
    pub async fn odd_and_even(item: Item, ctx: Context) -> Result<Option<Found>> {
        let name = if item.n.is_multiple_of(2) { "even" } else { "odd" };
        let set = ctx.collect_n(item, 2).buffer(name).await?;
        Ok(set.map(|set| Found { text: format!("{name} {} {}", set[0].n, set[1].n) }))
    }

    #[step]
    pub async fn all(item: Item, ctx: Context) -> Result<Option<Found>> {
        let set = ctx.collect_n(item, 4).buffer("even").await?;
        Ok(set.map(|set| Found { text: format!("all {}", set.len()) }))
    }

    #[step]
    pub async fn end(found: Found, ctx: Context) -> Result<Option<Done>> {
        let set = ctx.collect_n(found, 3).await?;
        Ok(set.map(|all| Done { sets: all.into_iter().map(|found| found.text).collect() }))
    }

    flow!(pub Apart: Begin => Done { begin, odd_and_even, all, end });
}

#[tokio::test(start_paused = true)]
async fn buffers_are_apart_by_name_and_by_step() {
    let stop = within(apart::Apart.run(Begin { n: 4 })).await.unwrap();
    assert_eq!(stop.sets, ["even 0 2", "odd 1 3", "all 4"]);
}

/// A collection that completes is a commit point, one that goes on is not.
mod commits {
    use super::*;

    #[event]
    pub struct Sent {
        pub n: u32,
    }

    #[step(emits(Sent), retry(attempts = 2, backoff = "10s"))]
    pub async fn pair(num: Num, ctx: Context, attempt: Attempt) -> Result<()> {
        ctx.send_event(Sent { n: num.n })?;
        let set = ctx.collect_n(num, 2).await?;
        if set.is_some() {
            // Delivered above, whatever becomes of this attempt.
            return Err(StepError::msg("after the set").fatal());
        }
        if attempt.number() == 1 {
            return Err(StepError::msg("before the set"));
        }
        Ok(())
    }

    #[step]
    pub async fn sent(sent: Sent, ctx: Context) -> Result<()> {
        ctx.store().set(&format!("sent.n{}", sent.n), ctx.attempt()).await?;
        Ok(())
    }

    #[step(catch(pair))]
    pub async fn caught(_failed: stepcast::StepFailedEvent) {}

    #[step]
    pub async fn begin(_ev: Begin) {}

    #[step]
    pub async fn end(_enough: Enough) -> Done {
        Done { sets: vec![] }
    }

    flow!(pub Commits: Begin => Done { begin, pair, sent, caught, end });
}

#[tokio::test(start_paused = true)]
async fn only_a_complete_set_is_a_commit_point() {
    let run = commits::Commits.run(Begin { n: 0 });
    run.send_event(Num { n: 1 }).unwrap();
    settle().await;
    assert_eq!(run.store_value("sent"), None, "a failed attempt delivers nothing");
    run.send_event(Num { n: 2 }).unwrap();
    settle().await;
    assert_eq!(run.store_value("sent"), Some(serde_json::json!({"n2": 1})));
    // The first execution's event was added once, although its attempt failed; its retry sends what it sent.
    support::after(20_000).await;
    assert_eq!(run.store_value("sent"), Some(serde_json::json!({"n1": 1, "n2": 1})));
    run.send_event(Num { n: 3 }).unwrap();
    support::after(20_000).await;
    assert_eq!(run.store_value("sent"), Some(serde_json::json!({"n1": 1, "n2": 1, "n3": 1})));
    run.send_event(Enough {}).unwrap();
    within(run.result()).await.unwrap();
}

/// A set of nothing is complete at once.
mod nothing {
    use super::*;

    #[step]
    pub async fn begin(ev: Begin, ctx: Context) -> Result<Done> {
        let set = ctx.collect_n(ev, 0).await?;
        Ok(Done { sets: vec![format!("{:?}", set.map(|set| set.len()))] })
    }

    flow!(pub Nothing: Begin => Done { begin });
}

#[tokio::test(start_paused = true)]
async fn a_set_of_nothing_is_complete_at_once() {
    assert_eq!(within(nothing::Nothing.run(Begin { n: 0 })).await.unwrap().sets, ["Some(0)"]);
}
