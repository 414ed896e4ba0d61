use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Failure, Missing, Retry, Wanted};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepType {
    /// The run begins here.
    Start,
    /// The run ends here.
    End,
    /// Calls a `#[step]` function.
    Step,
    /// Calls a runner of the host.
    #[serde(alias = "task")]
    Agent,
    /// Calls a runner of the host.
    Orchestration,
    /// Calls a runner of the host.
    Notification,
    /// Asks a person.
    #[serde(alias = "human_gate")]
    Human,
    /// Makes a value out of values, or waits.
    #[serde(alias = "transform")]
    Function,
    /// Says whether a condition holds.
    #[serde(alias = "decision")]
    Condition,
    /// Gives the value at a path, for the conditions of its edges.
    Switch,
    /// Writes a line to the run's stream.
    Log,
    /// Runs the steps whose `parent` it is, at the same time.
    Parallel,
    /// Waits for the steps before it, where all edges are taken.
    Join,
    /// Runs another graph or workflow to its end.
    Subgraph,
}

impl StepType {
    /// The word for it in a document.
    pub fn word(self) -> &'static str {
        match self {
            StepType::Start => "start",
            StepType::End => "end",
            StepType::Step => "step",
            StepType::Agent => "agent",
            StepType::Orchestration => "orchestration",
            StepType::Notification => "notification",
            StepType::Human => "human",
            StepType::Function => "function",
            StepType::Condition => "condition",
            StepType::Switch => "switch",
            StepType::Log => "log",
            StepType::Parallel => "parallel",
            StepType::Join => "join",
            StepType::Subgraph => "subgraph",
        }
    }

    /// Whether a runner of the host does the work.
    pub fn needs_runner(self) -> bool {
        matches!(self, StepType::Agent | StepType::Orchestration | StepType::Notification)
    }
}

/// What a function step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Gives its input.
    Identity,
    /// Gives the value at `path`; of an input without a path, its field `content`.
    #[serde(alias = "extract_content")]
    Pick,
    /// Gives `template` with its placeholders filled in.
    #[serde(alias = "json_transform")]
    Template,
    /// Puts `values`, as they are, into the context.
    #[serde(alias = "set_context")]
    Set,
    /// Waits for `delay`.
    Delay,
    /// Calls the function `function` of the host.
    Custom,
}

/// Which runner does the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Target {
    /// The one of this name.
    #[serde(alias = "agent_id")]
    Id(String),
    /// The one that has all of these capabilities; there is exactly one.
    Capabilities(Vec<String>),
}

/// A piece of work that several steps may name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Task {
    /// Its name.
    pub id: String,
    /// Which runner does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What the runner is told: a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Names for paths, as `{{input.name}}` in the prompt.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub input_bindings: Map<String, Value>,
    /// What is made of the input: `identity`, `extract_content` or a function of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_transform: Option<String>,
    /// What is made of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_transform: Option<String>,
    /// Where the output is kept, instead of under the step's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_key: Option<String>,
    /// How often it is tried.
    #[serde(default, alias = "retry_policy", skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What its final failure does.
    #[serde(default, alias = "failure_policy", skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Failure>,
}

/// A step of a graph. Which fields it takes follows from its type. Fields that it does not have itself are looked for in
/// `config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GraphStep {
    /// Its name in the graph: letters, digits, `_`, `-`, `:` and `/`.
    pub id: String,
    /// What it does.
    #[serde(rename = "type", alias = "kind")]
    pub step_type: StepType,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The parallel step that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// `step`: the function, by its name or its path.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub uses: Option<String>,
    /// What it works on: any JSON with placeholders in its texts. Without it, the run's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The same by a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_key: Option<String>,
    /// Names for paths, as `{{input.name}}` in the prompt.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub input_bindings: Map<String, Value>,
    /// What is made of the input: `identity`, `extract_content` or a function of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_transform: Option<String>,
    /// What is made of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_transform: Option<String>,
    /// Where the output is kept, instead of under the step's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_key: Option<String>,
    /// `agent`, `orchestration`, `notification`: which runner does the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The same, by the runner's name.
    #[serde(default, alias = "agent_id", skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// `human`, and what a runner is told: a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// `human`: the answers there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// `human`: the JSON Schema of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// How long an attempt may take, as `"30s"`; for `human`, how long is waited for the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// `condition`: the condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Value>,
    /// `switch`, and `function` with `pick`: the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// `log`: the paths whose values are written. Without them, the whole context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// `log`: the line, a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `function`: what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// `function`: the same by the name of a transform: `identity`, `extract_content` or a function of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform_id: Option<String>,
    /// `function` with `custom`: the function of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// `function` with `set`: the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Map<String, Value>>,
    /// `function` with `template`: any JSON with placeholders in its texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Value>,
    /// `function` with `delay`: how long, as `"30m"`.
    #[serde(default, alias = "duration", skip_serializing_if = "Option::is_none")]
    pub delay: Option<String>,
    /// `parallel` and `join`: how many have to succeed.
    #[serde(default, alias = "wait", skip_serializing_if = "Option::is_none")]
    pub join: Option<Wanted>,
    /// `subgraph`: the graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<String>,
    /// `subgraph`: the compiled workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The task that says what to do, written here or by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The task that says what to do, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// How often it is tried.
    #[serde(default, alias = "retry_policy", skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What its final failure does.
    #[serde(default, alias = "failure_policy", skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Failure>,
    /// What a missing path in its templates does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
    /// Fields of the types above, and what runners and functions of the host read.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// Anything, for whoever draws the graph.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl GraphStep {
    /// A step of a type, with nothing else said.
    pub fn new(id: impl Into<String>, step_type: StepType) -> Self {
        GraphStep {
            id: id.into(),
            step_type,
            name: None,
            parent: None,
            uses: None,
            input: None,
            input_key: None,
            input_bindings: Map::new(),
            input_transform: None,
            output_transform: None,
            output_key: None,
            target: None,
            agent: None,
            prompt: None,
            choices: Vec::new(),
            schema: None,
            timeout: None,
            condition: None,
            path: None,
            paths: None,
            message: None,
            action: None,
            transform_id: None,
            function: None,
            values: None,
            template: None,
            delay: None,
            join: None,
            graph: None,
            workflow: None,
            task: None,
            task_id: None,
            retry: None,
            on_failure: None,
            missing: None,
            config: Map::new(),
            metadata: Map::new(),
        }
    }
}
