use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stepcast_core::engine::{FailureChoice, InputReason};
use stepcast_core::{AnyEvent, Event, SharedWorkflow, StepError, StepState, StepStateChanged, Workflow};
use tokio::time::Instant;

use super::hooks::{Fault, TestHooks, What, When};
use super::recorded::Recorded;
use super::seed::{self, SeedGuard};
use crate::run::{AnyRun, RespondError, Run, RunOptions, RunWorkflow};
use crate::snapshot::{RestoreRunError, RunSnapshot};
use crate::stream::{EventKind, StreamItem};
use crate::view::InputRecord;

/// How long a run may take where the clock stands still while anything can be done: only one that hangs gets there.
const PAUSED_LIMIT: Duration = Duration::from_secs(365 * 24 * 3_600);
const REAL_LIMIT: Duration = Duration::from_secs(60);

type Person = Box<dyn Fn(&InputRecord) -> Option<AnyEvent> + Send + Sync>;

/// Sets up one run of a workflow for a test: the order of what is ready, the people, the faults.
///
/// The seed decides in which order ready executions start, and names the run, so that its retries wait as long when it
/// is run again. It is printed when the test fails; `STEPCAST_SEED` takes the place of any other.
///
/// ```
/// use stepcast::prelude::*;
/// use stepcast::testing::TestKit;
///
/// #[event(start)]
/// struct Add { numbers: Vec<u32> }
/// #[event]
/// struct Number { n: u32 }
/// #[event(stop)]
/// struct Sum { of: Vec<u32> }
///
/// #[step]
/// async fn split(ev: Add) -> Vec<Number> {
///     ev.numbers.into_iter().map(|n| Number { n }).collect()
/// }
/// #[step]
/// async fn sum(all: Vec<Number>) -> Sum {
///     Sum { of: all.into_iter().map(|number| number.n).collect() }
/// }
/// flow!(Adder: Add => Sum { split, sum });
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// for kit in TestKit::seeds(20) {
///     let recorded = kit.run(Adder, Add { numbers: vec![1, 2, 3] }).await;
///     assert_eq!(recorded.stop().of, [1, 2, 3]);
/// }
/// # }
/// ```
#[must_use = "a test kit does nothing until its run is awaited"]
pub struct TestKit {
    seed: u64,
    options: RunOptions,
    people: Vec<Person>,
    choices: Vec<(String, FailureChoice)>,
    faults: Vec<Fault>,
    limit: Option<Duration>,
}

impl Default for TestKit {
    fn default() -> Self {
        TestKit::new()
    }
}

impl TestKit {
    /// A kit with a random seed, nobody who answers, and no faults.
    pub fn new() -> Self {
        let seed = seed::from_environment().unwrap_or_else(seed::random);
        TestKit {
            seed,
            options: RunOptions::new(),
            people: Vec::new(),
            choices: Vec::new(),
            faults: Vec::new(),
            limit: None,
        }
    }

    /// Kits with the seeds 0, 1, 2, ..; only the one that `STEPCAST_SEED` names, if it is set.
    pub fn seeds(count: u64) -> impl Iterator<Item = TestKit> {
        let seeds: Vec<u64> = seed::from_environment().map_or_else(|| (0..count).collect(), |seed| vec![seed]);
        seeds.into_iter().map(|seed| TestKit::new().seed(seed))
    }

    /// Decides the order in which ready executions start. `STEPCAST_SEED` is stronger.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed::from_environment().unwrap_or(seed);
        self
    }

    /// Runs with these options: resources, a timeout, bounds.
    pub fn options(mut self, options: RunOptions) -> Self {
        self.options = options;
        self
    }

    /// Answers questions as they come up, in whatever way the test likes. Asked of everybody in turn until somebody
    /// has an answer; a question without one stays pending.
    pub fn human<R: Into<AnyEvent>>(
        mut self,
        answer: impl Fn(&InputRecord) -> Option<R> + Send + Sync + 'static,
    ) -> Self {
        self.people.push(Box::new(move |asked| answer(asked).map(Into::into)));
        self
    }

    /// Answers every question of the type `Q`.
    pub fn answer<Q: Event, A: Event>(self, answer: impl Fn(&Q) -> A + Send + Sync + 'static) -> Self {
        self.human(move |asked| asked.input.event.as_ref()?.get::<Q>().map(&answer))
    }

    /// Says what becomes of a step that failed for good under `on_failure = "pause"`.
    pub fn decide(mut self, step: impl Into<String>, choice: FailureChoice) -> Self {
        self.choices.push((step.into(), choice));
        self
    }

    /// Makes the step's `nth` attempt in the run fail, whatever execution makes it; 1 is the first. Its body does not run.
    pub fn fail(self, step: impl Into<String>, nth: u32, error: impl Into<StepError>) -> Self {
        self.fault(step.into(), When::Nth(nth), What::Error(Some(error.into())))
    }

    /// Makes that attempt of every execution of the step fail; 1 is the first.
    pub fn fail_attempt<E: Into<StepError>>(
        self,
        step: impl Into<String>,
        attempt: u32,
        error: impl Fn() -> E + Send + 'static,
    ) -> Self {
        self.fault(step.into(), When::Attempt(attempt), What::Make(Box::new(move || error().into())))
    }

    /// Makes every attempt of the step fail.
    pub fn fail_always<E: Into<StepError>>(
        self,
        step: impl Into<String>,
        error: impl Fn() -> E + Send + 'static,
    ) -> Self {
        self.fault(step.into(), When::Always, What::Make(Box::new(move || error().into())))
    }

    /// Makes the step's `nth` attempt in the run end as if its body had panicked.
    pub fn panic_in(self, step: impl Into<String>, nth: u32) -> Self {
        self.fault(step.into(), When::Nth(nth), What::Panic)
    }

    /// How long the run may take; then the test fails and says where the run stood. By default a year on a paused
    /// clock, which only a run that hangs can reach, and a minute on a real one.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Runs a workflow to its end.
    ///
    /// # Panics
    /// When the run does not end, a fault names a step that does not exist, or an answer does not fit its question.
    pub async fn run<T: SharedWorkflow>(
        mut self,
        flow: T,
        start: <T::Flow as Workflow>::Start,
    ) -> Recorded<<T::Flow as Workflow>::Stop> {
        let run = flow.run_with(start, self.take_options());
        self.watch(run).await
    }

    /// Takes a run up from its snapshot and brings it to its end.
    ///
    /// # Errors
    /// As for [`RunWorkflow::restore`].
    ///
    /// # Panics
    /// As for [`run`](Self::run).
    pub async fn restore<T: SharedWorkflow>(
        mut self,
        flow: T,
        snapshot: RunSnapshot,
    ) -> Result<Recorded<<T::Flow as Workflow>::Stop>, RestoreRunError> {
        let run = flow.restore_with(snapshot, self.take_options())?;
        Ok(self.watch(run).await)
    }

    /// Options for a run that the test starts by itself and hands to [`watch`](Self::watch) later, or never.
    pub fn take_options(&mut self) -> RunOptions {
        let mut options = std::mem::take(&mut self.options).record_internal();
        options.run_id.get_or_insert_with(|| format!("test-{}", self.seed).as_str().into());
        options.test = Some(TestHooks::new(self.seed, std::mem::take(&mut self.faults)));
        options
    }

    /// Plays the people of a run until it ends, and records it.
    ///
    /// # Panics
    /// As for [`run`](Self::run).
    pub async fn watch<S: Event>(self, run: Run<S>) -> Recorded<S> {
        let guard = SeedGuard(self.seed);
        self.check_names(&run);
        let deadline = Instant::now() + self.limit.unwrap_or(if is_paused() { PAUSED_LIMIT } else { REAL_LIMIT });
        let mut stream = run.events_internal();
        let mut items = Vec::new();
        let mut asked: Vec<InputRecord> = Vec::new();
        let mut known = HashSet::new();
        let ended = tokio::time::timeout_at(deadline, async {
            self.reply(&run, &mut asked, &mut known).await;
            while let Some(item) = stream.next().await {
                if may_ask(&item) {
                    self.reply(&run, &mut asked, &mut known).await;
                }
                items.push(item);
            }
            run.result().await
        });
        match ended.await {
            Ok(result) => Recorded::new(run, result, items, asked, guard),
            Err(_) => {
                let pending =
                    tokio::time::timeout(Duration::from_secs(1), run.pending_inputs()).await.unwrap_or_default();
                hangs(&run, &items, &pending)
            }
        }
    }

    /// Answers what is pending and can be answered.
    async fn reply(&self, run: &AnyRun, asked: &mut Vec<InputRecord>, known: &mut HashSet<String>) {
        for record in run.pending_inputs().await {
            if known.contains(&record.id.to_string()) {
                continue;
            }
            let given = match record.input.reason {
                InputReason::StepFailure => match self.choices.iter().find(|(step, _)| *step == record.input.step) {
                    Some((_, choice)) => run.respond_failure(&record.id, *choice).await,
                    None => continue,
                },
                _ => match self.people.iter().find_map(|person| person(&record)) {
                    Some(answer) => run.respond(&record.id, answer).await,
                    None => continue,
                },
            };
            known.insert(record.id.to_string());
            match given {
                Ok(()) => asked.push(record),
                // Somebody else was faster, or the run has ended meanwhile.
                Err(RespondError::Conflict { .. } | RespondError::Ended { .. }) => {}
                Err(error) => panic!("the scripted answer was not taken: {error}"),
            }
        }
    }

    fn fault(mut self, step: String, when: When, what: What) -> Self {
        self.faults.push(Fault { step, when, what });
        self
    }

    /// A misspelt step would make a test that tests nothing.
    fn check_names(&self, run: &AnyRun) {
        let def = Arc::clone(&run.shared().program.def);
        let hooks = run.shared().options().and_then(|options| options.test.as_ref());
        let faults = hooks.map(TestHooks::steps).unwrap_or_default();
        let unknown =
            faults.iter().chain(self.choices.iter().map(|(step, _)| step)).find(|step| def.step_named(step).is_none());
        if let (Some(step), false) = (unknown, def.steps().is_empty()) {
            let known: Vec<&str> = def.steps().iter().map(|step| step.name()).collect();
            panic!("the workflow `{}` has no step `{step}`; it has: {}", def.name(), known.join(", "));
        }
    }
}

/// Whether a question may have come up with this item.
fn may_ask(item: &StreamItem) -> bool {
    match item {
        StreamItem::Event(event) if event.kind == EventKind::Logged => true,
        StreamItem::Event(event) => event
            .event
            .get::<StepStateChanged>()
            .is_some_and(|frame| frame.step_state == StepState::NotRunning && frame.error.is_some()),
        StreamItem::Lagged { .. } | StreamItem::Unreadable { .. } => true,
    }
}

/// Whether tokio's clock stands still.
fn is_paused() -> bool {
    let (real, before) = (std::time::Instant::now(), Instant::now());
    while real.elapsed() < Duration::from_micros(50) {
        std::hint::spin_loop();
    }
    Instant::now() == before
}

fn hangs(run: &AnyRun, items: &[StreamItem], pending: &[InputRecord]) -> ! {
    let mut text = format!("the run `{}` of `{}` does not end", run.run_id(), run.workflow());
    for record in pending {
        let what = record.input.event.as_ref().map_or("what becomes of its failure", |event| event.tag());
        text += &format!(
            "\n  nobody answers `{}`, which the step `{}` asks (input {})",
            what, record.input.step, record.id
        );
    }
    text += "\n  the last it did:";
    for item in items.iter().rev().take(12).rev() {
        if let StreamItem::Event(event) = item {
            text += &format!("\n    {:?}", event.event);
        }
    }
    panic!("{text}")
}

impl fmt::Debug for TestKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKit").field("seed", &self.seed).field("faults", &self.faults).finish_non_exhaustive()
    }
}
