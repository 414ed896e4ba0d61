//! ractor: an actor is a handler and a state, its message one enum. A step of the chain, a run,
//! and each item of an unlimited fan-out, is an actor of its own, started without waiting.
//!
//! No F: an actor's state is its own struct; a keyed store would be the floor's map behind a mailbox.

use crate::measure::{Rt, Suite};
use crate::work::{chain_result, fan_result, mix, stream_result, windowed};
use ractor::concurrency::OneshotSender;
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorRuntime, RpcReplyPort};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const NAME: &str = "ractor";

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    suite.task("A", NAME, sizes.hops, move || chain(sizes.hops, 2));
    // One actor that casts to itself: no other task is woken, but nothing goes from step to step either.
    suite.task("A", "ractor_self", sizes.hops, move || chain(sizes.hops, 1));
    suite.task("B-4", NAME, sizes.items, move || fan_out(sizes.items, Some(4)));
    suite.task("B-all", NAME, sizes.items, move || fan_out(sizes.items, None));
    let (runs, width) = (sizes.runs, sizes.in_flight);
    suite.task("C", NAME, runs, move || short_runs(runs, width));
    suite.task("E", NAME, sizes.stream, move || stream(sizes.stream));
    if suite.rt == Rt::Ct {
        suite.bytes(NAME, sizes.paused, |n| async move { (0..n).map(|_| Idle(start(Run, ()))).collect() });
    }
}

/// Not waiting for `pre_start`, which here does nothing.
fn start<A: Actor>(actor: A, arguments: A::Arguments) -> ActorRef<A::Msg> {
    let (actor, _) = ActorRuntime::spawn_instant(None, actor, arguments).expect("no name to clash");
    actor
}

type Outcome<T> = Result<T, ActorProcessingErr>;

enum Message {
    Hop {
        left: u64,
        x: u64,
    },
    /// Gives a step its other: they cannot both be there first.
    Meet(ActorRef<Message>),
}

/// A step: hands the event on to the other, or to itself where there is no other.
struct Step;

struct Chain {
    other: Option<ActorRef<Message>>,
    done: Option<oneshot::Sender<u64>>,
}

impl Actor for Step {
    type Msg = Message;
    type State = Chain;
    type Arguments = Chain;

    async fn pre_start(&self, _: ActorRef<Message>, chain: Chain) -> Outcome<Chain> {
        Ok(chain)
    }

    async fn handle(&self, me: ActorRef<Message>, message: Message, chain: &mut Chain) -> Outcome<()> {
        match message {
            Message::Meet(other) => chain.other = Some(other),
            Message::Hop { left: 0, x } => {
                if let Some(done) = chain.done.take() {
                    let _ = done.send(x);
                }
            }
            Message::Hop { left, x } => {
                chain.other.as_ref().unwrap_or(&me).cast(Message::Hop { left: left - 1, x: mix(x) })?
            }
        }
        Ok(())
    }
}

async fn chain(hops: u64, steps: u64) -> Duration {
    let (done, result) = oneshot::channel();
    // The count is even, so the chain ends where it began.
    let step = start(Step, Chain { other: None, done: Some(done) });
    let other = start(Step, Chain { other: Some(step.clone()), done: None });
    if steps == 2 {
        step.cast(Message::Meet(other.clone())).expect("it runs");
    }
    let begin = Instant::now();
    step.cast(Message::Hop { left: hops, x: 1 }).expect("it runs");
    assert_eq!(result.await.expect("a result"), chain_result(hops));
    let taken = begin.elapsed();
    step.stop(None);
    other.stop(None);
    taken
}

struct Item {
    n: u64,
}

/// Works on items; `once` ends after the first.
struct Worker {
    once: bool,
}

impl Actor for Worker {
    type Msg = Item;
    type State = ActorRef<u64>;
    type Arguments = ActorRef<u64>;

    async fn pre_start(&self, _: ActorRef<Item>, collector: Self::State) -> Outcome<Self::State> {
        Ok(collector)
    }

    async fn handle(&self, me: ActorRef<Item>, event: Item, to: &mut Self::State) -> Outcome<()> {
        to.cast(mix(event.n))?;
        if self.once {
            me.stop(None);
        }
        Ok(())
    }
}

/// Adds up what it is sent, and ends with the last that it waits for.
struct Collector;

struct Sum {
    left: u64,
    sum: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Actor for Collector {
    type Msg = u64;
    type State = Sum;
    type Arguments = Sum;

    async fn pre_start(&self, _: ActorRef<u64>, sum: Sum) -> Outcome<Sum> {
        Ok(sum)
    }

    async fn handle(&self, me: ActorRef<u64>, x: u64, state: &mut Sum) -> Outcome<()> {
        state.sum = state.sum.wrapping_add(x);
        state.left -= 1;
        if state.left == 0
            && let Some(done) = state.done.take()
        {
            let _ = done.send(state.sum);
            me.stop(None);
        }
        Ok(())
    }
}

fn collector(left: u64) -> (ActorRef<u64>, oneshot::Receiver<u64>) {
    let (done, result) = oneshot::channel();
    let done = Some(done);
    (start(Collector, Sum { left, sum: 0, done }), result)
}

async fn fan_out(items: u64, workers: Option<u64>) -> Duration {
    let (collector, result) = collector(items);
    let once = workers.is_none();
    let spawn = |_| start(Worker { once }, collector.clone());
    let pool: Vec<_> = (0..workers.unwrap_or(0)).map(spawn).collect();
    let begin = Instant::now();
    for n in 0..items {
        let worker = match workers {
            Some(workers) => &pool[(n % workers) as usize],
            None => &spawn(n),
        };
        worker.cast(Item { n }).expect("it runs");
    }
    assert_eq!(result.await.expect("a result"), fan_result(items));
    let taken = begin.elapsed();
    pool.iter().for_each(|worker| worker.stop(None));
    taken
}

struct Call {
    n: u64,
    reply: RpcReplyPort<u64>,
}

struct Run;

impl Actor for Run {
    type Msg = Call;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Call>, (): ()) -> Outcome<()> {
        Ok(())
    }

    async fn handle(&self, me: ActorRef<Call>, call: Call, (): &mut ()) -> Outcome<()> {
        call.reply.send(mix(call.n))?;
        me.stop(None);
        Ok(())
    }
}

/// Ends its actor, which no dropped reference does.
struct Idle(ActorRef<Call>);

impl Drop for Idle {
    fn drop(&mut self) {
        self.0.stop(None);
    }
}

async fn short_runs(runs: u64, width: usize) -> Duration {
    let begin = Instant::now();
    let sum = windowed(runs, width, |n| {
        let (reply, result): (OneshotSender<u64>, _) = ractor::concurrency::oneshot();
        let reply = reply.into();
        start(Run, ()).cast(Call { n, reply }).expect("it runs");
        async { result.await.expect("a reply") }
    });
    assert_eq!(sum.await, fan_result(runs));
    begin.elapsed()
}

async fn stream(events: u64) -> Duration {
    let (reader, result) = collector(events);
    let begin = Instant::now();
    tokio::spawn(async move {
        for n in 0..events {
            tokio::task::consume_budget().await;
            reader.cast(n).expect("it runs");
        }
    });
    assert_eq!(result.await.expect("a result"), stream_result(events));
    begin.elapsed()
}
