//! Invariant 10: for the same workflow the compiler's check and `build()`'s agree.
//!
//! `build()` shows every fault, the compiler the first of each place: of the workflow's start, of its stop, of each step.
//! Shown for the messages that the compiler printed in `tests/ui`, for signatures that the macros read, and for random
//! workflows, most of them faulty.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agreement;

use std::collections::BTreeSet;
use std::path::Path;

use stepcast::check::{Fault, FaultKind, Report};
use stepcast::prelude::*;
use stepcast::{DefinitionError, OnFailure, Step, StepSpec, WorkflowBuilder, WorkflowDef, WorkflowSpec};

/// Every fault that `build()` finds.
fn built(builder: WorkflowBuilder) -> Vec<Fault> {
    match builder.build() {
        Ok(_) => Vec::new(),
        Err(DefinitionError::Faults { faults, .. }) => {
            assert!(!faults.is_empty(), "refused without a fault");
            faults
        }
        Err(other) => panic!("{other}"),
    }
}

/// The first fault of each place: the whole (in one place, start and stop), and each step.
fn firsts(faults: &[Fault]) -> Vec<&Fault> {
    let mut seen = BTreeSet::new();
    let about_stop =
        |kind| matches!(kind, FaultKind::StopNotMarked | FaultKind::StopNotGiven | FaultKind::StopUnreachable);
    faults
        .iter()
        .filter(|fault| seen.insert((fault.step.clone(), fault.step.is_none() && about_stop(fault.kind))))
        .collect()
}

#[event(start)]
struct Topic {
    topic: String,
}

#[event]
struct Joke {
    text: String,
}

#[event]
struct Rating;

#[event(stop)]
struct Done;

#[event(start, tag = "Other")]
struct OtherStart;

#[event(stop, tag = "Other")]
struct OtherStop;

mod other {
    use stepcast::prelude::*;

    #[event]
    pub struct Joke;
}

fn flow() -> WorkflowBuilder {
    WorkflowBuilder::new::<Topic, Done>("Flow")
}

fn joke(topic: Topic) -> Joke {
    Joke { text: topic.topic }
}

/// The workflows of `tests/ui/graph_*.rs`, once more.
fn of_the_ui_tests() -> Vec<(&'static str, WorkflowBuilder)> {
    vec![
        (
            "graph_batch_without_producer",
            flow().step_fn("write", async |ev: Topic| joke(ev)).step_fn("collect", async |_: Vec<Joke>| Done),
        ),
        (
            "graph_duplicate_tag",
            flow()
                .step_fn("write", async |ev: Topic| (joke(ev), other::Joke))
                .step_fn("review", async |_: Joke| Done)
                .step_fn("reread", async |_: other::Joke| Done),
        ),
        ("graph_event_without_taker", flow().step_fn("write", async |_: Topic| Either::<Joke, Done>::Right(Done))),
        ("graph_free_steps", flow().step_fn("write", async |_: Topic| Done).step_fn("review", async |_: Joke| Done)),
        (
            "graph_join_never_meets",
            flow()
                .step_fn("write", async |_: Topic| (Vec::<Joke>::new(), Rating))
                .step_fn("pair", async |_: Joke, _: Rating| Done),
        ),
        ("graph_no_stop", flow().step_fn("write", async |ev: Topic| joke(ev)).step_fn("review", async |_: Joke| ())),
        (
            "graph_step_never_runs",
            flow().step_fn("write", async |_: Topic| Done).step_fn("review", async |_: Joke| Done),
        ),
        (
            "graph_two_starts",
            flow().step_fn("write", async |_: Topic| Done).step_fn("begin", async |_: OtherStart| Done),
        ),
        ("graph_two_stops", flow().step_fn("write", async |_: Topic| Either::<Done, OtherStop>::Left(Done))),
        (
            "graph_wrong_roles",
            WorkflowBuilder::new::<Joke, Topic>("Flow").step_fn("write", async |ev: Joke| Topic { topic: ev.text }),
        ),
    ]
}

/// Without the places at which types are written.
fn without_places(text: &str) -> String {
    let mut words = text.split(' ').collect::<Vec<_>>();
    for at in 1..words.len() {
        if words[at - 1] == "at" && words[at].contains(".rs:") {
            words[at] = "(there)";
        }
    }
    words.join(" ")
}

#[test]
fn what_the_compiler_printed_is_what_build_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> =
        files.filter(|name| name.starts_with("graph_") && name.ends_with(".stderr")).collect();
    let listed: BTreeSet<String> = of_the_ui_tests().iter().map(|(name, _)| format!("{name}.stderr")).collect();
    assert_eq!(files, listed, "a UI test of the graph check without its twin here, or a twin without a test");

    for (name, builder) in of_the_ui_tests() {
        let printed = std::fs::read_to_string(folder.join(format!("{name}.stderr"))).unwrap();
        let printed: Vec<_> = printed
            .lines()
            .filter_map(|line| line.strip_prefix("error[E0080]: evaluation panicked: "))
            .map(without_places)
            .collect();
        assert!(!printed.is_empty(), "{name}");
        let faults = built(builder);
        let said: Vec<_> = firsts(&faults).iter().map(|fault| without_places(&fault.text)).collect();
        assert_eq!(printed, said, "{name}");
    }
}

#[step]
async fn write(ev: Topic) -> Joke {
    joke(ev)
}

#[step]
async fn write_all(_ev: Topic) -> Vec<Joke> {
    Vec::new()
}

#[step(emits(Rating), waits(Rating))]
async fn rate(_joke: Joke, ctx: Context) -> Result<Option<Done>> {
    ctx.send_event(Rating)?;
    Ok(None)
}

#[step]
async fn end(_joke: Joke) -> Done {
    Done
}

#[step]
async fn again(joke: Joke) -> Joke {
    joke
}

#[step]
async fn collect(_all: Vec<Joke>) -> Done {
    Done
}

#[step]
async fn first(_some: Take<Joke, 2>) -> Done {
    Done
}

#[step]
async fn pair(_joke: Joke, _rating: Rating) -> Done {
    Done
}

#[step(catch(write))]
async fn recover(failed: StepFailedEvent) -> Joke {
    Joke { text: failed.exception.exception_message }
}

/// In no workflow.
#[step]
async fn nobody(_ev: Topic) -> Done {
    Done
}

#[step(catch(nobody))]
async fn recover_nobody(_failed: StepFailedEvent) -> Done {
    Done
}

#[step(allow(unconsumed))]
async fn shout(_ev: Topic) -> Either<Rating, Done> {
    Either::Right(Done)
}

#[step]
async fn restart(_ev: OtherStart) -> Done {
    Done
}

#[step]
async fn take_stop(_ev: Done) -> Joke {
    Joke { text: String::new() }
}

/// One test per workflow: its constant, which the compiler has worked out, and the same steps given to a builder.
macro_rules! agree {
    ($($name:ident [$($step:ident),*]: $($kind:ident),*;)+) => {
        $(
            #[test]
            fn $name() {
                const STEPS: &[StepSpec] = &[$(<$step as Step>::SPEC),*];
                const SPEC: WorkflowSpec = WorkflowSpec {
                    name: stringify!($name),
                    start: &<Topic as Event>::META,
                    stop: &<Done as Event>::META,
                    steps: STEPS,
                    on_failure: OnFailure::Fail,
                    policy: stepcast::RunPolicy::new,
                    doc: "",
                };
                const REPORT: Report<{ STEPS.len() }> = Report::of(&SPEC);
                let builder = WorkflowBuilder::new::<Topic, Done>(stringify!($name))$(.step::<$step>())*;
                let faults = built(builder);
                assert_eq!(REPORT.faults().iter().collect::<Vec<_>>(), firsts(&faults));
                assert_eq!(REPORT.is_clean(), faults.is_empty());
                let kinds: Vec<FaultKind> = faults.iter().map(|fault| fault.kind).collect();
                assert_eq!(kinds, [$(FaultKind::$kind),*] as [FaultKind; _]);
            }
        )+
    };
}

agree! {
    a_line [write, end]:;
    a_batch [write_all, collect]:;
    the_first_of_a_batch [write_all, first]:;
    a_caught_failure [write, recover, end]:;
    an_event_that_may_go_nowhere [shout]:;
    no_steps []: NoSteps;
    no_taker [write]: StopNotGiven, NotTaken;
    no_start [end]: StartNotTaken, StopUnreachable, NotGiven;
    a_loop_without_an_exit [write, again]: StopNotGiven, EndlessLoop;
    no_batch [write, collect]: StopUnreachable, NoBatch;
    nothing_to_join [write, pair]: StopUnreachable, NotGiven;
    a_foreign_start [write, end, restart]: OtherStart;
    a_stop_taken [write, end, take_stop]: StopTaken;
    a_catch_of_nobody [write, end, recover_nobody]: CatchUnknown;
    one_step_twice [write, end, end]: DuplicateStep;
    an_event_only_waited_for [write, rate]:;
}

/// What the macros accept, `build()` accepts: a workflow that compiles can be built.
mod compiled {
    use super::*;

    flow!(Free: Topic => Done { write, rate, recover });

    struct Methods<T>(T);

    #[workflow(Topic => Done)]
    impl<T: Clone + Send + Sync + 'static> Methods<T> {
        #[step]
        async fn fan(&self, _ev: Topic) -> (Vec<Joke>, Option<Rating>) {
            let _ = self.0.clone();
            (Vec::new(), None)
        }

        #[step]
        async fn gather(&self, _all: Vec<Joke>) -> other::Other {
            other::Other
        }

        #[step]
        async fn meet(&self, _one: other::Other, _two: Rating) -> Done {
            Done
        }
    }

    mod other {
        use stepcast::prelude::*;

        #[event]
        pub(super) struct Other;
    }

    #[test]
    fn what_compiles_can_be_built() {
        assert!(WorkflowDef::of::<Free>().is_ok());
        assert!(WorkflowDef::of::<Methods<u8>>().is_ok());
        assert!(Report::<3>::of(const { &<Methods<u8> as Workflow>::SPEC }).is_clean());
    }
}
