//! The attribute and derive macros of stepcast. Use them through the `stepcast` crate, which re-exports them.
//!
//! Each macro goes through three layers: `parse` turns tokens into plain data, `check` refuses what the tokens alone
//! show to be wrong, `expand` writes the code. No macro looks at the name of a type: what a parameter or a return
//! type means is asked of the traits `StepParam`, `IntoEvents` and `Event`, at the user's own tokens.

mod check;
mod errors;
mod expand;
mod parse;

use proc_macro::TokenStream;

/// Makes a struct or an enum an event: something that steps take, give, stream and wait for.
///
/// It derives `Debug`, `Clone`, `Serialize` and `Deserialize`, unless they are derived below it already, and implements
/// `Event` and, for types without parameters, `DynEvent`. No serde of your own is needed.
///
/// | argument | meaning |
/// |---|---|
/// | `start` | begins a run |
/// | `stop` | ends a run |
/// | `input_required` | asks a person; needs no step that takes it |
/// | `human_response` | a person's answer; needs no step that gives it |
/// | `external` | sent from outside the run; needs no step that gives it |
/// | `tag = ".."` | stable name on the wire and in journals, the type's name by default; generic types must have one |
/// | `crate = path` | where stepcast is, if not at `::stepcast` |
///
/// Above a field, `#[event(secret)]` keeps it out of `Debug` and of every log; it is still stored and sent.
///
/// ```
/// use stepcast::prelude::*;
///
/// #[event(start, tag = "login.requested")]
/// struct Login {
///     user: String,
///     #[event(secret)]
///     password: String,
/// }
///
/// let login = Login { user: "ann".into(), password: "hunter2".into() };
/// assert_eq!(format!("{login:?}"), r#"Login { user: "ann", password: <secret> }"#);
/// assert_eq!(Login::META.tag, "login.requested");
/// ```
///
/// # When it fails
/// Two roles, an unknown argument, an empty tag, a lifetime, a generic type without a tag, an enum without variants,
/// `secret` beside a derived `Debug`; and a field that serde cannot write or read.
#[proc_macro_attribute]
pub fn event(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::event::expand(args.into(), item.into()).into()
}

/// Makes an `async fn` a step. Its parameters and its return type are its place in the graph.
///
/// Above a free function it adds a hidden type of the function's name, so that one `use` brings both; the function
/// stays as it is and can be called and tested directly. Inside a [`macro@workflow`] impl block it marks methods.
///
/// | argument | meaning |
/// |---|---|
/// | `name = ".."` | its name in journals and messages; the function's by default |
/// | `workers = n` | concurrent executions in one run; unlimited up to the run's bound by default |
/// | `timeout = "30s"` | longest running time of one attempt |
/// | `retry(attempts = 3, backoff = "200ms", ..)` | `max_backoff = "5s"` (a minute), `factor = 2.0`, `jitter = "100ms"` or `full`, `max_elapsed = "5m"` |
/// | `retry = policy` | any expression of type `RetryPolicy` |
/// | `catch`, `catch(step, ..)` | takes the failures of all steps that nobody else catches, or of these |
/// | `max_recoveries = n` | how often a `catch` step recovers one lineage; 1 by default |
/// | `on_failure = ".."` | `"fail"`, `"continue"` or `"pause"`; the workflow's by default |
/// | `emits(A, B)` | events it sends through a plain `Context` |
/// | `waits(A)` | events it waits for |
/// | `streams(A)` | events it only writes to the stream |
/// | `blocking` | it is a plain `fn`, for the blocking pool |
/// | `allow(unconsumed)` | what it gives may go without a step that takes it |
/// | `allow(endless)` | it may be part of a loop without an exit |
/// | `crate = path` | where stepcast is, if not at `::stepcast` |
///
/// Durations are texts: `"250us"`, `"200ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"2d"`.
///
/// ```
/// use stepcast::Step;
/// use stepcast::prelude::*;
///
/// #[event(start)]
/// struct Topic {
///     topic: String,
/// }
///
/// #[event(stop)]
/// struct Joke {
///     text: String,
/// }
///
/// /// Writes a joke.
/// #[step(retry(attempts = 3, backoff = "200ms"), timeout = "30s")]
/// async fn write(ev: Topic) -> Result<Joke> {
///     Ok(Joke { text: format!("Two {} meet.", ev.topic) })
/// }
///
/// assert_eq!(<write as Step>::SPEC.doc, "Writes a joke.");
/// ```
///
/// # When it fails
/// A function that is not async (without `blocking`), `&mut self` or `self`, type, lifetime or const parameters, `impl
/// Trait`, no event among the parameters, a parameter or return type that is none of those the book lists, a body that is
/// not `Send`, an unknown, repeated or malformed argument. Everything wrong with one step is reported at once.
#[proc_macro_attribute]
pub fn step(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::step::expand(args.into(), item.into()).into()
}

/// Makes a workflow of an impl block's `#[step]` methods, or of free steps that it lists above a type. The compiler
/// checks the graph.
///
/// | argument | meaning |
/// |---|---|
/// | `Start => Stop` | the event that begins a run and the event that ends it; first, and required |
/// | `steps(write, path::to::review)` | the free steps, above a struct or an enum; `#[cfg(..)]` may stand before each |
/// | `name = ".."` | the workflow's name; the type's by default |
/// | `new = connect` | an `async fn connect() -> Result<Self>`, for commands that know only names; `Default` does without |
/// | `on_failure = ".."` | what a step's final failure does: `"fail"`, `"continue"` or `"pause"` |
/// | `policy = policy` | any expression of type `RunPolicy`: the bounds of the runs |
/// | `crate = path` | where stepcast is, if not at `::stepcast`; it holds for the steps in the block too |
///
/// ```
/// use stepcast::prelude::*;
///
/// #[event(start)]
/// struct Topic {
///     topic: String,
/// }
///
/// #[event]
/// struct Joke {
///     text: String,
/// }
///
/// #[event(stop)]
/// struct Critique {
///     verdict: String,
/// }
///
/// struct JokeFlow {
///     opening: String,
/// }
///
/// #[workflow(Topic => Critique)]
/// impl JokeFlow {
///     #[step]
///     async fn write(&self, ev: Topic) -> Joke {
///         Joke { text: format!("{} {}", self.opening, ev.topic) }
///     }
///
///     #[step]
///     async fn review(&self, joke: Joke) -> Critique {
///         Critique { verdict: format!("{}: fine", joke.text) }
///     }
/// }
///
/// assert_eq!(JokeFlow::SPEC.steps.len(), 2);
/// ```
///
/// The same of free steps:
///
/// ```
/// # use stepcast::prelude::*;
/// # #[event(start)] struct Topic { topic: String }
/// # #[event(stop)] struct Joke { text: String }
/// #[step]
/// async fn write(ev: Topic) -> Joke {
///     Joke { text: ev.topic }
/// }
///
/// #[workflow(Topic => Joke, steps(write))]
/// #[derive(Default)]
/// struct ShortFlow;
///
/// assert_eq!(ShortFlow::SPEC.steps[0].name, "write");
/// ```
///
/// # When it fails
/// A trait's impl block, lifetimes, no steps, two steps of one name, a `catch` of a step that does not exist; and what the
/// graph check finds: an event that no step takes, a step that can never run, a stop event that cannot be reached, a start
/// or stop event of another workflow, a collector without a batch, a join whose slots never meet, two events under one
/// tag. A generic workflow is checked for each type it is built with, by `cargo build`, and again when it is started.
#[proc_macro_attribute]
pub fn workflow(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::workflow::expand(args.into(), item.into()).into()
}

/// Declares a unit struct that is a workflow of free steps: `#[workflow(.., steps(..))]` in one line.
///
/// After the braces: `name = ".."`, `on_failure = ".."`, `policy = policy`, `crate = path`. The struct derives `Clone`, `Copy`, `Debug` and
/// `Default`; documentation and attributes above it are kept. It fails as [`macro@workflow`] does.
///
/// ```
/// # use stepcast::prelude::*;
/// # #[event(start)] struct Topic { topic: String }
/// # #[event(stop)] struct Joke { text: String }
/// #[step]
/// async fn write(ev: Topic) -> Joke {
///     Joke { text: ev.topic }
/// }
///
/// flow!(
///     /// Writes a joke.
///     JokeFlow: Topic => Joke { write }, name = "jokes"
/// );
///
/// assert_eq!((JokeFlow::SPEC.name, JokeFlow::SPEC.doc), ("jokes", "Writes a joke."));
/// ```
#[proc_macro]
pub fn flow(tokens: TokenStream) -> TokenStream {
    expand::workflow_list::expand(tokens.into()).into()
}

/// Lets an enum stand for one of several events, as a step's parameter and as its return type.
///
/// Each variant holds exactly one value. As a return type the value may be anything a step may return (`Vec<_>` opens
/// a batch); as a parameter every variant must hold an event. `From` is implemented for each held type.
/// `#[events(crate = path)]` says where stepcast is, if not at `::stepcast`.
///
/// ```
/// use stepcast::prelude::*;
///
/// #[event]
/// struct Joke {
///     text: String,
/// }
///
/// #[event(stop)]
/// struct Critique {
///     verdict: String,
/// }
///
/// #[derive(Events)]
/// enum Review {
///     Again(Joke),
///     Done(Critique),
/// }
///
/// #[step]
/// async fn review(joke: Joke) -> Review {
///     if joke.text.is_empty() { joke.into() } else { Critique { verdict: "fine".into() }.into() }
/// }
/// ```
///
/// # When it fails
/// A variant without a value, with named fields or with several values, two variants of one type, a lifetime, a struct, a
/// value that no step may return.
#[proc_macro_derive(Events, attributes(events))]
pub fn derive_events(item: TokenStream) -> TokenStream {
    expand::events::expand(item.into()).into()
}

/// Makes a type a state: one typed cell of it per run, begun with its `Default`.
///
/// `#[state(name = "..")]` is the name under which snapshots and journals know it, the type's by default;
/// `#[state(crate = path)]` says where stepcast is, if not at `::stepcast`.
///
/// ```
/// use stepcast::prelude::*;
///
/// #[derive(Clone, Default, serde::Serialize, serde::Deserialize, State)]
/// #[state(name = "counter")]
/// struct Counter {
///     seen: u64,
/// }
///
/// assert_eq!(<Counter as stepcast::state_cell::State>::NAME, "counter");
/// ```
///
/// # When it fails
/// A generic type, an empty name, and a type that is not `Default`, `Clone`, `Serialize` and `Deserialize`.
#[proc_macro_derive(State, attributes(state))]
pub fn derive_state(item: TokenStream) -> TokenStream {
    expand::state::expand(item.into()).into()
}
