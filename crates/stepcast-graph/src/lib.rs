//! Workflows as data: graphs in JSON or YAML that run on stepcast's dispatcher.
//!
//! A document has steps and edges. [`Graph::new`] checks it, with everything that is wrong at once, and makes a definition of
//! it like that of a compiled workflow: every step of the document is a step of the dispatcher, with its runs, journal,
//! streams and pending inputs.

mod builder;
mod check;
mod compile;
mod condition;
mod document;
mod drawing;
mod events;
mod folder;
mod graph;
mod host;
mod order;
mod output;
mod path;
mod plan;
mod register;
mod registry;
mod snapshot;
mod template;
mod views;

pub use builder::GraphBuilder;
pub use check::{Code, Issue, Report, Severity};
pub use condition::*;
pub use document::*;
pub use events::{StepOver, StepStatus, Wake};
pub use folder::{GraphFileFault, GraphFolderError};
pub use graph::{Graph, GraphError};
pub use host::{Function, Host, Job, Runner};
pub use output::GraphOutput;
pub use path::{Path, PathError, Scope};
pub use register::RegisterGraph;
pub use registry::{GraphInfo, Graphs, PutGraphError};
pub use template::*;
pub use views::{Mode, ViewItem, Views};
