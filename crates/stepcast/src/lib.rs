//! Event-driven workflows whose graph the compiler checks.
//!
//! A workflow is a set of [`step`](macro@step) functions. Each declares, in its signature, the [events](macro@event) it
//! takes and the events it gives. A dispatcher routes typed events between steps until a stop event ends the run. Events
//! are plain serializable data, so a run can be streamed while it goes on, wait for a person, be stored and resumed.
//!
//! ```
//! use stepcast::prelude::*;
//!
//! #[event(start)]
//! struct Topic {
//!     topic: String,
//! }
//!
//! #[event]
//! struct Joke {
//!     text: String,
//! }
//!
//! #[event(stop)]
//! struct Critique {
//!     verdict: String,
//! }
//!
//! struct JokeFlow {
//!     opening: String,
//! }
//!
//! #[workflow(Topic => Critique)]
//! impl JokeFlow {
//!     #[step(retry(attempts = 3, backoff = "200ms"), timeout = "30s")]
//!     async fn write(&self, ev: Topic) -> Result<Joke> {
//!         Ok(Joke { text: format!("{} {}", self.opening, ev.topic) })
//!     }
//!
//!     #[step]
//!     async fn review(&self, joke: Joke) -> Critique {
//!         Critique { verdict: format!("{}: fine", joke.text) }
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let run = JokeFlow { opening: "Two".into() }.run(Topic { topic: "pirates".into() });
//!     assert_eq!(run.await?.verdict, "Two pirates: fine");
//!     Ok(())
//! }
//! ```
//!
//! Everything a workflow's source needs is in the [`prelude`]. What follows shows each concept once.
//!
//! # Branches and loops
//! A step that returns one of several events is a branch; an event that leads back to an earlier step is a loop. Two
//! events are an [`Either`], more are an enum under [`Events`](derive@Events). Both are parameters as well. Free steps
//! are listed by [`flow!`].
//!
//! ```
//! # use stepcast::prelude::*;
//! # #[event(start)] struct Begin { n: u64 }
//! # #[event] struct Next { n: u64, steps: u32 }
//! # #[event(stop)] struct Reached { steps: u32 }
//! #[step]
//! async fn begin(ev: Begin) -> Next {
//!     Next { n: ev.n, steps: 0 }
//! }
//!
//! #[step]
//! async fn collatz(Next { n, steps }: Next) -> Either<Next, Reached> {
//!     match n {
//!         1 => Either::Right(Reached { steps }),
//!         n if n % 2 == 0 => Either::Left(Next { n: n / 2, steps: steps + 1 }),
//!         n => Either::Left(Next { n: 3 * n + 1, steps: steps + 1 }),
//!     }
//! }
//!
//! flow!(Collatz: Begin => Reached { begin, collatz });
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! assert_eq!(Collatz.run(Begin { n: 27 }).await?.steps, 111);
//! # Ok(())
//! # }
//! ```
//!
//! # Fan-out, collect, join
//! A `Vec` in a return type opens a batch. A `Vec` parameter runs once when the batch closes, with everything that its
//! members led to, in the order of the members; [`Take`] runs at the first `N`. Two event parameters are a join: the
//! step runs once one of each has come.
//!
//! ```
//! # use stepcast::prelude::*;
//! # #[event(start)] struct Order { items: Vec<u32> }
//! # #[event] struct Item { cents: u32 }
//! # #[event] struct Taxed { cents: u32 }
//! # #[event] struct Address { town: String }
//! # #[event] struct Total { cents: u32 }
//! # #[event(stop)] struct Invoice { text: String }
//! #[step]
//! async fn open(order: Order) -> (Vec<Item>, Address) {
//!     (order.items.into_iter().map(|cents| Item { cents }).collect(), Address { town: "Turku".into() })
//! }
//!
//! #[step(workers = 2)]
//! async fn tax(item: Item) -> Taxed {
//!     Taxed { cents: item.cents * 120 / 100 }
//! }
//!
//! #[step]
//! async fn add(all: Vec<Taxed>) -> Total {
//!     Total { cents: all.iter().map(|item| item.cents).sum() }
//! }
//!
//! #[step]
//! async fn bill(total: Total, address: Address) -> Invoice {
//!     Invoice { text: format!("{} to {}", total.cents, address.town) }
//! }
//!
//! flow!(Billing: Order => Invoice { open, tax, add, bill });
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! assert_eq!(Billing.run(Order { items: vec![100, 250] }).await?.text, "420 to Turku");
//! # Ok(())
//! # }
//! ```
//!
//! # What a step is supplied with
//! In any position beside its events: [`Context`], [`State`](struct@State) (one typed cell per run), [`Res`] (a resource),
//! [`Attempt`], [`CancelToken`].
//!
//! ```
//! # use stepcast::prelude::*;
//! # #[event(start)] struct Visit { name: String }
//! # #[event(stop)] struct Welcome { text: String }
//! #[derive(Clone, Default, serde::Serialize, serde::Deserialize, State)]
//! struct Seen {
//!     visits: u32,
//! }
//!
//! struct Greeting(&'static str);
//!
//! #[step]
//! async fn welcome(visit: Visit, seen: State<Seen>, greeting: Res<Greeting>, ctx: Context) -> Result<Welcome> {
//!     let visits = seen.edit(|seen| { seen.visits += 1; seen.visits }).await?;
//!     ctx.store().set("last.name", &visit.name).await?;
//!     Ok(Welcome { text: format!("{} {} ({visits})", greeting.0, visit.name) })
//! }
//!
//! flow!(Door: Visit => Welcome { welcome });
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let resources = Resources::new().value(Greeting("Hello"));
//! let run = Door.run_with(Visit { name: "Ada".into() }, RunOptions::new().resources(resources));
//! assert_eq!(run.result().await?.text, "Hello Ada (1)");
//! assert_eq!(run.store_value("last.name"), Some("Ada".into()));
//! # Ok(())
//! # }
//! ```
//!
//! # Streaming
//! A run's stream holds what steps write to it, questions to people and the end, numbered without gaps. Any number of
//! readers may follow it, from any number on, also after the end.
//!
//! ```
//! # use stepcast::prelude::*;
//! # #[event(start)] struct Begin;
//! # #[event] struct Progress { percent: u32 }
//! # #[event(stop)] struct Done;
//! #[step]
//! async fn work(_ev: Begin, ctx: Context) -> Done {
//!     for percent in [50, 100] {
//!         ctx.write_event_to_stream(Progress { percent });
//!     }
//!     Done
//! }
//! # flow!(Work: Begin => Done { work });
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let mut events = Work.run(Begin).stream_events();
//! let mut seen = Vec::new();
//! while let Some(item) = events.next().await {
//!     if let Some(progress) = item.get::<Progress>() {
//!         seen.push((item.seq(), progress.percent));
//!     }
//! }
//! assert_eq!(seen, [(Some(1), 50), (Some(2), 100)]);
//! # Ok(())
//! # }
//! ```
//!
//! # People, snapshots
//! A wait takes no worker, no task and no thread. The whole run is data at any time, and goes on from it anywhere.
//!
//! ```
//! # use stepcast::prelude::*;
//! # use stepcast::RunSnapshot;
//! # #[event(start)] struct Draft { text: String }
//! # #[event(input_required)] struct Question { prompt: String }
//! # #[event(human_response)] struct Answer { yes: bool }
//! # #[event(stop)] struct Decided { published: bool }
//! #[step(waits(Answer))]
//! async fn decide(draft: Draft, ctx: Context) -> Result<Decided> {
//!     let question = Question { prompt: format!("publish {:?}?", draft.text) };
//!     let answer = ctx.wait_for_event::<Answer>().announce(question).await?;
//!     Ok(Decided { published: answer.yes })
//! }
//!
//! flow!(Editor: Draft => Decided { decide });
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let run = Editor.run(Draft { text: "Helo".into() });
//! while run.pending_inputs().await.is_empty() {
//!     tokio::task::yield_now().await;
//! }
//! let text = run.snapshot().await?.to_json()?;
//! run.cancel();
//!
//! // Here the process could end, and another one begin.
//! let run = Editor.restore(RunSnapshot::from_json(&text)?)?;
//! for input in run.pending_inputs().await {
//!     run.respond(&input.id, Answer { yes: true }).await?;
//! }
//! assert!(run.await?.published);
//! # Ok(())
//! # }
//! ```
//!
//! # Failure
//! An `Err` or a panic fails the attempt. Retries follow the [`RetryPolicy`]; then a `catch` step takes the failure;
//! then `on_failure` decides. Errors keep their source.
//!
//! ```
//! # use stepcast::prelude::*;
//! # #[event(start)] struct Fetch;
//! # #[event(stop)] struct Page { text: String }
//! #[step(retry(attempts = 2, backoff = "1ms"))]
//! async fn fetch(_ev: Fetch) -> Result<Page> {
//!     Err(std::io::Error::other("connection reset"))?
//! }
//!
//! #[step(catch(fetch))]
//! async fn fall_back(failed: StepFailedEvent) -> Page {
//!     Page { text: format!("{} after {} attempts", failed.exception.exception_message, failed.attempts) }
//! }
//!
//! flow!(Fetcher: Fetch => Page { fetch, fall_back });
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! assert_eq!(Fetcher.run(Fetch).await?.text, "connection reset after 2 attempts");
//! # Ok(())
//! # }
//! ```
//!
//! # Many runs
//! A [`Runtime`] owns named workflows and live runs, bounds how many go on at once, and drains when it shuts down.
//!
//! ```
//! # use stepcast::prelude::*;
//! # use stepcast::Runtime;
//! # #[event(start)] struct Ping { n: u32 }
//! # #[event(stop)] struct Pong { n: u32 }
//! # #[step] async fn answer(ping: Ping) -> Pong { Pong { n: ping.n } }
//! # flow!(Echo: Ping => Pong { answer });
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let runtime = Runtime::new();
//! runtime.register_as("echo", Echo, Some(100))?;
//! let run = runtime.start("echo", serde_json::json!({ "n": 7 }), RunOptions::new())?;
//! assert_eq!(run.outcome().await?.value(), serde_json::json!({ "n": 7 }));
//! assert_eq!(runtime.shutdown(std::time::Duration::from_secs(5)).await, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Durable runs
//! A [`Runtime`] [on a backend](Runtime::on) keeps its runs: they survive their process and go on as soon as their
//! workflow is registered with a runtime on the same store. `stepcast_sqlite::SqliteBackend` is an SQLite file;
//! [`MemoryBackend`](backend::MemoryBackend) is the same for tests. What people are asked are records, answered from
//! anywhere.
//!
//! ```
//! # use stepcast::prelude::*;
//! # use stepcast::{RunId, Runtime};
//! # #[event(start)] struct Draft { text: String }
//! # #[event(input_required)] struct Question { prompt: String }
//! # #[event(human_response)] struct Approval { approved: bool }
//! # #[event(stop)] struct Published { approved: bool }
//! # #[step(waits(Approval))]
//! # async fn review(draft: Draft, ctx: Context) -> Result<Published> {
//! #     let question = Question { prompt: format!("publish {:?}?", draft.text) };
//! #     let answer = ctx.wait_for_event::<Approval>().announce(question).await?;
//! #     Ok(Published { approved: answer.approved })
//! # }
//! # flow!(Review: Draft => Published { review });
//! use std::time::Duration;
//!
//! use stepcast::backend::{InputFilter, MemoryBackend};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let store = MemoryBackend::new();
//! let runtime = Runtime::on(store.beside());
//! let run = runtime.run(Review, Draft { text: "Hello".into() }, RunOptions::new().run_id("news"));
//! run.recorded().await?;
//! let mut events = run.stream_events();
//! while events.next().await.is_some_and(|item| item.get::<Question>().is_none()) {}
//! runtime.shutdown(Duration::from_secs(5)).await;
//!
//! // Another runtime on the store, as after a restart.
//! let runtime = Runtime::on(store.beside());
//! runtime.register(Review)?;
//! for input in runtime.list_inputs(InputFilter { pending: true, ..Default::default() }, None, 10).await? {
//!     let answer = serde_json::json!({ "approved": true });
//!     runtime.answer_input(&RunId::from(input.run), input.asked.input, answer, Some("Ada".into())).await?;
//! }
//! let end = runtime.attach(&RunId::from("news")).await?.outcome().await?;
//! assert!(end.get::<Published>().is_some_and(|published| published.approved));
//! # Ok(())
//! # }
//! ```
//!
//! # Drawing a workflow
//! ```
//! # use stepcast::prelude::*;
//! # #[event(start)] struct Ping;
//! # #[event(stop)] struct Pong;
//! # #[step] async fn answer(_ping: Ping) -> Pong { Pong }
//! # flow!(Echo: Ping => Pong { answer });
//! use stepcast::WorkflowGraph;
//!
//! let graph = WorkflowGraph::of(&Echo::SPEC);
//! assert!(graph.to_mermaid().contains("answer"));
//! assert!(graph.to_dot().starts_with("digraph"));
//! ```
//!
//! # Features
//! - `testing`: the test kit, `stepcast::testing`.
//! - `json-schema`: answers to questions that bring a JSON schema of their own are held against it.
//! - `svg`: graphs drawn as SVG, `WorkflowGraph::to_svg`.
//! - `schemars`: events that are `JsonSchema` show their own schema instead of one made from their fields' names.
//!
//! The repository's `docs` folder has a page for every promise a running workflow makes.

pub use stepcast_core::*;
pub use stepcast_macros::{Events, State, event, flow, step, workflow};
pub use stepcast_runtime::*;

#[doc(hidden)]
pub mod __private {
    pub use stepcast_core::__private::*;
}

/// What a workflow's source needs, in one `use`.
pub mod prelude {
    pub use stepcast_core::{AnyEvent, Either, Event, Result, StepError, StepFailedEvent, Take, Workflow};
    pub use stepcast_macros::{Events, State, event, flow, step, workflow};
    pub use stepcast_runtime::{
        Attempt, CancelToken, Context, Res, Resources, Run, RunError, RunOptions, RunWorkflow, State, StreamItem,
    };
}

#[cfg(doctest)]
mod book;
