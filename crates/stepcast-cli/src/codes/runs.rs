use super::CodeDoc;
use crate::exit::Exit;

/// What is wrong with a run that was asked for.
pub(super) const CODES: &[CodeDoc] = &[
    CodeDoc::new(
        "SC0030",
        "there is no such run",
        "No run in this store has this id, begins with it or ends with it. Runs of `--store memory` are gone with their \
         process, and every store has its own.",
        "stepcast runs\nstepcast status latest\nstepcast --store other.db runs",
    )
    .exit(Exit::NotFound)
    .help("`stepcast runs` lists the runs of this store; name another with --store FILE"),
    CodeDoc::new(
        "SC0031",
        "the run has ended",
        "A run that has ended takes no more events, answers or requests, and cannot go on. It can be started once more \
         under a new id, with the same start event or another.",
        "stepcast inspect 5f2c81d0\nstepcast rerun 5f2c81d0",
    )
    .help("start it once more with `stepcast rerun RUN`"),
    CodeDoc::new(
        "SC0032",
        "several runs have such an id",
        "More than one run begins or ends with what was written. The message lists some of them.",
        "stepcast status 5f2c81d0\nstepcast status latest",
    )
    .exit(Exit::Usage)
    .help("write more of the id"),
    CodeDoc::new(
        "SC0033",
        "another process holds the run",
        "A run is driven by one process at a time, and one that is alive holds this one. It can be watched, answered \
         and cancelled from anywhere; it can only be resumed once its process is gone.",
        "stepcast logs 5f2c81d0 -f\nstepcast answer 5f2c81d0\nstepcast cancel 5f2c81d0",
    )
    .help("watch it with `stepcast logs RUN -f`, or end the process that holds it"),
    CodeDoc::new(
        "SC0034",
        "the run's workflow is not in this binary",
        "The run is stored, but this binary does not have its workflow. It is left as it is. The binary that started \
         it, or any other with a workflow of the same name and shape, can go on with it. A run of a graph has its \
         document with it, and needs only what that names: runners, functions, steps.",
        "my-app resume 5f2c81d0",
    )
    .help("use the binary that has the workflow; `stepcast workflows` lists those of this one"),
    CodeDoc::new(
        "SC0035",
        "the run's journal is damaged",
        "A row of the journal is missing, so the run cannot go on. Its status, its stream and its inputs can still be \
         read. Other runs of the store are not touched.",
        "stepcast doctor\nstepcast export 5f2c81d0\nstepcast rerun 5f2c81d0",
    ),
    CodeDoc::new(
        "SC0036",
        "the run's stream is damaged",
        "An event of the stream is missing in the store, so that what follows it cannot be trusted.",
        "stepcast doctor\nstepcast logs 5f2c81d0 --since 120",
    ),
    CodeDoc::new(
        "SC0037",
        "the run does not fit its workflow any more",
        "What the run still refers to is not in the workflow as it is now: an event type was renamed, a step that was \
         under way is gone or takes other events. Nothing was changed. Steps may be added and bodies may change freely.",
        "git checkout v1.2 && cargo run -- resume 5f2c81d0\nstepcast rerun 5f2c81d0",
    )
    .help("go on with the version of the program that started it, or start anew with `stepcast rerun RUN`"),
    CodeDoc::new(
        "SC0038",
        "a run of this id exists",
        "The id given with `--id` belongs to a run that is stored or live. Ids are never used twice, so that a start \
         that is sent twice begins one run.",
        "stepcast run order --id order-18",
    )
    .help("choose another id, or look at that run with `stepcast status`"),
    CodeDoc::new(
        "SC0039",
        "the text cannot be the id of a run",
        "An id has 1 to 128 characters and neither spaces, slashes nor control characters: it is part of input ids, \
         commands and file names. `latest` has a meaning of its own.",
        "stepcast run order --id order-18",
    )
    .exit(Exit::Usage),
];
