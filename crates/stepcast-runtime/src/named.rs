//! Compiled workflows by their names, whatever their types are.

use std::any::Any;
use std::sync::{Arc, Weak};

use stepcast_core::{CatalogueWorkflow, CreateWorkflow, StepError, WorkflowDef};
use tokio::sync::OnceCell;

use crate::program::Program;
use crate::run::ChildFlow;
use crate::runtime::{Inner, Runtime, RuntimeError};

/// A compiled workflow that is known by its name: registered with a runtime, or linked into the program. A step runs it as
/// a child with [`Context::run_named`](crate::Context::run_named). Clones are the same workflow.
#[derive(Clone, Debug)]
pub struct NamedWorkflow {
    name: Arc<str>,
    program: Arc<Program>,
    value: Arc<NamedValue>,
}

/// The workflow's value; a linked one is made when it first runs.
struct NamedValue {
    made: OnceCell<Arc<dyn Any + Send + Sync>>,
    create: Option<CreateWorkflow>,
}

impl std::fmt::Debug for NamedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedValue").field("is_made", &self.made.initialized()).finish_non_exhaustive()
    }
}

impl NamedWorkflow {
    pub(crate) fn registered(name: &str, program: Arc<Program>, value: Arc<dyn Any + Send + Sync>) -> Self {
        let value = NamedValue { made: OnceCell::new_with(Some(value)), create: None };
        NamedWorkflow { name: name.into(), program, value: Arc::new(value) }
    }

    /// A workflow of the catalogue: one that is `Default`, or names its constructor with `new = ..`. It is made when it
    /// first runs.
    ///
    /// # Errors
    /// When no value of it can be made, or its definition does not check.
    pub fn linked(workflow: &CatalogueWorkflow) -> Result<Self, RuntimeError> {
        let name = workflow.name;
        if workflow.create.is_none() {
            return Err(RuntimeError::NotCreatable { name: name.to_owned() });
        }
        let def = (workflow.define)().map_err(|error| RuntimeError::Definition(Arc::new(error)))?;
        let value = NamedValue { made: OnceCell::new(), create: workflow.create };
        Ok(NamedWorkflow { name: name.into(), program: Arc::new(Program::new(def)), value: Arc::new(value) })
    }

    /// The name that it is known by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its definition.
    pub fn definition(&self) -> &WorkflowDef {
        &self.program.def
    }

    /// What a child is made of. One that could not be made is tried again the next time.
    pub(crate) async fn as_child(&self) -> Result<ChildFlow, StepError> {
        let make = || async {
            let Some(create) = self.value.create else {
                return Err(StepError::msg("nothing makes a value of the workflow"));
            };
            create().await.map(Arc::from)
        };
        let instance = Arc::clone(self.value.made.get_or_try_init(make).await?);
        Ok(ChildFlow { name: Arc::clone(&self.name), program: Ok(Arc::clone(&self.program)), instance })
    }
}

/// The compiled workflows of a runtime, as long as somebody else holds the runtime. From [`Runtime::named`].
#[derive(Clone, Debug)]
pub struct NamedWorkflows(Weak<Inner>);

impl NamedWorkflows {
    /// The workflow that is registered under this name by now; `None` also for one that was put together at run time.
    pub fn get(&self, name: &str) -> Option<NamedWorkflow> {
        self.0.upgrade()?.compiled(name)
    }

    /// The names of those that are registered by now, sorted.
    pub fn names(&self) -> Vec<String> {
        self.0.upgrade().map(|runtime| runtime.compiled_names()).unwrap_or_default()
    }
}

impl Runtime {
    /// The compiled workflows that are registered here, now or later, by name. It does not hold the runtime.
    pub fn named(&self) -> NamedWorkflows {
        NamedWorkflows(Arc::downgrade(self.inner()))
    }
}
