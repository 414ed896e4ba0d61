use super::CodeDoc;
use crate::exit::Exit;

/// How a run ended without its stop event.
pub(super) const CODES: &[CodeDoc] = &[
    CodeDoc::new(
        "SC0070",
        "a step failed",
        "A step gave an error or panicked, its retries are used up, no `catch` step takes the failure, and \
         `on_failure` says that the run ends with it.",
        "stepcast inspect latest\nstepcast rerun latest",
    )
    .help("`stepcast inspect RUN` shows where and why; `stepcast rerun RUN` starts it once more"),
    CodeDoc::new(
        "SC0071",
        "the run used up its time",
        "Something of the run was queued or running for longer than its timeout. Waiting for people, events, retries \
         and deadlines does not count.",
        "stepcast run order --timeout 10m",
    )
    .exit(Exit::TimedOut),
    CodeDoc::new(
        "SC0072",
        "the run was cancelled",
        "Somebody ended the run: with `stepcast cancel`, with Ctrl-C where it was driven, or from code.",
        "stepcast rerun latest",
    ),
    CodeDoc::new(
        "SC0073",
        "the run is stuck",
        "Nothing is left to do, nobody is waited for, and no stop event has come. The message says what was missing: a \
         join that never got its second event, or an event that reached nobody.",
        "stepcast graph order --run latest",
    ),
    CodeDoc::new(
        "SC0074",
        "the run's queue is full",
        "Steps produced events faster than others took them, until the run's bound was reached.",
        "#[workflow(Order => Receipt, policy = RunPolicy::new().max_queued(5_000_000))]",
    ),
    CodeDoc::new(
        "SC0075",
        "what the steps ask for is missing",
        "A step has a `Res<T>` parameter, and nothing supplies a `T`. No step was run.",
        "stepcast_cli::main_with(|runtime| { let _ = runtime.clone().with_resources(resources()); Ok(()) })",
    ),
    CodeDoc::new(
        "SC0076",
        "the run had ended before",
        "The run ended without a stop event before it was stored; it cannot go on from there.",
        "stepcast rerun latest",
    ),
    CodeDoc::new(
        "SC0077",
        "the runtime is shutting down",
        "The process was ending and began nothing new. What is stored goes on when it is resumed.",
        "stepcast resume latest",
    ),
    CodeDoc::new(
        "SC0078",
        "the code of an event panicked",
        "The `Clone`, `Drop` or serde code of an event type panicked while the run handled it. Such code must not \
         panic; the run cannot go on without the event.",
        "stepcast inspect latest",
    ),
    CodeDoc::new(
        "SC0079",
        "the run was dropped before it ended",
        "The process's executor was shut down while the run went on. A stored run goes on when it is resumed; one in \
         memory is gone.",
        "stepcast resume latest",
    ),
    CodeDoc::new(
        "SC0080",
        "this needs a store, and there is only memory",
        "Runs of `--store memory` are gone with their process, so there is nothing to attach to, to answer or to \
         resume.",
        "stepcast --store runs.db run approval\nstepcast --store runs.db answer latest",
    )
    .help("leave `--store memory` out, or name a file"),
    CodeDoc::new(
        "SC0081",
        "the command was interrupted",
        "Ctrl-C ended the command before its work was done. What it had recorded stays.",
        "stepcast resume latest",
    )
    .exit(Exit::Interrupted),
    CodeDoc::new(
        "SC0082",
        "something of the run cannot be kept",
        "An event, a result or a state of the run cannot be written to the store: its serde code fails or panics, or \
         it nests too deep. The run ended there, for what is not kept cannot be gone on with.",
        "#[derive(serde::Serialize, serde::Deserialize)]\nstruct Scan { path: std::path::PathBuf }",
    ),
];
