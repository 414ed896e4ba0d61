//! A checked document, ready to become a definition: numbers instead of names, trees instead of texts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use stepcast_core::StepSpec;

use crate::condition::Condition;
use crate::document::{Failure, Missing, Retry, Route, Wanted};
use crate::host::{ChildFlow, Function, Runner};
use crate::path::Path;
use crate::template::{JsonTemplate, Template};

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) version: u64,
    pub(crate) route: Route,
    pub(crate) start: Vec<usize>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) id: String,
    /// Under which key its record is kept.
    pub(crate) key: String,
    pub(crate) work: Work,
    pub(crate) retry: Option<Retry>,
    pub(crate) on_failure: Failure,
    pub(crate) timeout: Option<Duration>,
    pub(crate) missing: Missing,
    pub(crate) ways: Vec<Way>,
    /// The steps that edges lead here from, each once.
    pub(crate) before: Vec<usize>,
    pub(crate) parent: Option<usize>,
    pub(crate) children: Vec<usize>,
}

/// An edge.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) to: usize,
    pub(crate) when: When,
}

/// When an edge applies.
#[derive(Clone, Debug)]
pub(crate) enum When {
    /// Nothing is said: after success.
    Plain,
    Success,
    Failure,
    Always,
    Otherwise,
    Holds(Box<Condition>),
}

impl Way {
    /// Whether it is a way for what failed.
    pub(crate) fn takes_failures(&self) -> bool {
        matches!(self.when, When::Failure | When::Always)
    }
}

/// What a step works on.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// The run's input.
    Run,
    Path(Path),
    Json(JsonTemplate),
    /// Names for paths; what leads nowhere is `null`.
    Bindings(Vec<(String, Path)>),
}

/// A function that makes a value of a value.
#[derive(Clone, Debug)]
pub(crate) enum Transform {
    Identity,
    Content,
    Custom(Arc<dyn Function>),
}

#[derive(Clone, Debug)]
pub(crate) enum Work {
    Start,
    End { input: Option<Input> },
    Use { spec: &'static StepSpec, input: Input },
    Run(Box<RunWork>),
    Human(Box<HumanWork>),
    Transform { transform: Transform, input: Input, config: Map<String, Value> },
    Pick { path: Path },
    Template { template: JsonTemplate },
    Set { values: Map<String, Value> },
    Delay { time: Duration },
    Condition { condition: Condition },
    Log { message: Option<Template>, paths: Option<Vec<Path>> },
    Parallel { join: Wanted },
    Join,
    First(usize),
    Child { flow: ChildFlow, input: Input },
}

#[derive(Clone, Debug)]
pub(crate) struct RunWork {
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) kind: &'static str,
    pub(crate) target: String,
    pub(crate) prompt: Option<Template>,
    pub(crate) input: Input,
    pub(crate) before: Option<Transform>,
    pub(crate) after: Option<Transform>,
    pub(crate) config: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub(crate) struct HumanWork {
    pub(crate) prompt: Option<Template>,
    pub(crate) input: Option<Input>,
    pub(crate) choices: Vec<String>,
    pub(crate) schema: Option<Value>,
    pub(crate) timeout: Option<Duration>,
}
