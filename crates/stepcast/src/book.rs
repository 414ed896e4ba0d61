//! The README and the book, whose examples are tests.

macro_rules! pages {
    ($($name:ident $file:literal),+ $(,)?) => {
        $(
            #[doc = include_str!(concat!("../../../", $file))]
            pub struct $name;
        )+
    };
}

pages! {
    Readme "README.md",
    Events "docs/events.md",
    Steps "docs/steps.md",
    GraphCheck "docs/graph-check.md",
    Routing "docs/routing.md",
    Outputs "docs/outputs.md",
    State "docs/state.md",
    Calls "docs/calls.md",
    Waiting "docs/waiting.md",
    Collecting "docs/collecting.md",
    Failure "docs/failure.md",
    Retry "docs/retry.md",
    Ending "docs/ending.md",
    Streaming "docs/streaming.md",
    Bounds "docs/bounds.md",
    SnapshotsAndReExecution "docs/snapshots-and-re-execution.md",
    Durable "docs/durable.md",
    Inputs "docs/inputs.md",
    Resources "docs/resources.md",
}

#[cfg(feature = "testing")]
pages! {
    Testing "docs/testing.md",
}
