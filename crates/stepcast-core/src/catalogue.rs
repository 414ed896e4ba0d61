//! The catalogue of what is linked into a binary: workflows, free steps and events. The macros fill it; the command
//! and the server list it. It never decides what a workflow means.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::LazyLock;

use crate::{BoxFuture, DefinitionError, EventMeta, StepError, StepSpec, Workflow, WorkflowDef, WorkflowSpec};

/// Makes a workflow's value, for a command that knows nothing but its name.
pub type CreateWorkflow = fn() -> BoxFuture<'static, Result<Box<dyn Any + Send + Sync>, StepError>>;

/// An event type in the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct CatalogueEvent {
    /// The event's description.
    pub meta: &'static EventMeta,
}

/// A free step in the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct CatalogueStep {
    /// Module path and name of the function.
    pub qualified_name: &'static str,
    /// The step's specification.
    pub spec: &'static StepSpec,
    /// Where it is written: `file:line:column`.
    pub location: &'static str,
}

/// A workflow in the catalogue.
#[derive(Clone, Copy)]
pub struct CatalogueWorkflow {
    /// The workflow's name.
    pub name: &'static str,
    /// Everything the macros know about it.
    pub spec: &'static WorkflowSpec,
    /// The type that implements [`Workflow`].
    pub type_id: fn() -> TypeId,
    /// Builds its definition, as a runtime that registers it does.
    pub define: fn() -> Result<WorkflowDef, DefinitionError>,
    /// Makes a value of it, where it is `Default` or names a constructor with `new = ..`.
    pub create: Option<CreateWorkflow>,
    /// Where it is written: `file:line:column`.
    pub location: &'static str,
}

impl fmt::Debug for CatalogueWorkflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogueWorkflow")
            .field("name", &self.name)
            .field("location", &self.location)
            .field("can_be_created", &self.create.is_some())
            .finish_non_exhaustive()
    }
}

inventory::collect!(CatalogueEvent);
inventory::collect!(CatalogueStep);
inventory::collect!(CatalogueWorkflow);

/// What is linked into this binary, by name.
#[derive(Debug, Default)]
pub struct Catalogue {
    events: BTreeMap<&'static str, CatalogueEvent>,
    steps: BTreeMap<&'static str, CatalogueStep>,
    workflows: BTreeMap<&'static str, CatalogueWorkflow>,
}

/// The catalogue cannot be listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// Two things of one kind have the same name.
    #[error("Two {kind}s are named `{name}`: one at {first}, one at {second}. Rename one of them.")]
    Duplicate {
        /// `workflow`, `step` or `event`.
        kind: &'static str,
        /// The name both have.
        name: &'static str,
        /// Where the first is written.
        first: &'static str,
        /// Where the second is written.
        second: &'static str,
    },
}

impl Catalogue {
    /// Everything the macros registered in the crates linked into this binary.
    ///
    /// # Errors
    /// [`CatalogueError::Duplicate`] when two workflows have one name, or two events or steps one path.
    pub fn global() -> Result<&'static Catalogue, CatalogueError> {
        static GLOBAL: LazyLock<Result<Catalogue, CatalogueError>> = LazyLock::new(|| {
            Catalogue::collect(
                inventory::iter::<CatalogueEvent>(),
                inventory::iter::<CatalogueStep>(),
                inventory::iter::<CatalogueWorkflow>(),
            )
        });
        GLOBAL.as_ref().map_err(Clone::clone)
    }

    fn collect<'a>(
        events: impl IntoIterator<Item = &'a CatalogueEvent>,
        steps: impl IntoIterator<Item = &'a CatalogueStep>,
        workflows: impl IntoIterator<Item = &'a CatalogueWorkflow>,
    ) -> Result<Catalogue, CatalogueError> {
        let mut all = Catalogue::default();
        for event in events {
            add(&mut all.events, "event", event.meta.qualified_name, *event, |event| event.meta.location)?;
        }
        for step in steps {
            add(&mut all.steps, "step", step.qualified_name, *step, |step| step.location)?;
        }
        for workflow in workflows {
            add(&mut all.workflows, "workflow", workflow.name, *workflow, |workflow| workflow.location)?;
        }
        Ok(all)
    }

    /// The events, by module path and type name.
    pub fn events(&self) -> impl Iterator<Item = &CatalogueEvent> {
        self.events.values()
    }

    /// The free steps, by module path and function name.
    pub fn steps(&self) -> impl Iterator<Item = &CatalogueStep> {
        self.steps.values()
    }

    /// The workflows, by name.
    pub fn workflows(&self) -> impl Iterator<Item = &CatalogueWorkflow> {
        self.workflows.values()
    }

    /// The event at this module path and type name.
    pub fn event(&self, qualified_name: &str) -> Option<&CatalogueEvent> {
        self.events.get(qualified_name)
    }

    /// The free step at this module path and function name.
    pub fn step(&self, qualified_name: &str) -> Option<&CatalogueStep> {
        self.steps.get(qualified_name)
    }

    /// The workflow of this name.
    pub fn workflow(&self, name: &str) -> Option<&CatalogueWorkflow> {
        self.workflows.get(name)
    }
}

/// The order of registration is the linker's, so the places are sorted to make the error the same in every build.
fn add<T: Copy>(
    all: &mut BTreeMap<&'static str, T>,
    kind: &'static str,
    name: &'static str,
    entry: T,
    location: impl Fn(&T) -> &'static str,
) -> Result<(), CatalogueError> {
    match all.insert(name, entry) {
        None => Ok(()),
        Some(other) => {
            let (a, b) = (location(&other), location(&entry));
            Err(CatalogueError::Duplicate { kind, name, first: a.min(b), second: a.max(b) })
        }
    }
}

/// Boxes what `new = ..` names.
#[doc(hidden)]
pub fn create_workflow<W, E, F>(create: F) -> BoxFuture<'static, Result<Box<dyn Any + Send + Sync>, StepError>>
where
    W: Workflow,
    E: Into<StepError>,
    F: Future<Output = Result<W, E>> + Send + 'static,
{
    Box::pin(async move {
        match create.await {
            Ok(workflow) => Ok(Box::new(workflow) as Box<dyn Any + Send + Sync>),
            Err(error) => Err(error.into()),
        }
    })
}

/// Finds out whether a workflow is `Default`: the inherent constant is preferred to the trait's, and exists only then.
#[doc(hidden)]
#[derive(Debug)]
pub struct CreateProbe<W>(std::marker::PhantomData<W>);

/// The answer for workflows that need something to be made.
#[doc(hidden)]
pub trait NotDefault {
    /// Nobody can make one.
    const CREATE: Option<CreateWorkflow> = None;
}

impl<W> NotDefault for CreateProbe<W> {}

impl<W: Workflow + Default> CreateProbe<W> {
    /// Makes the default value.
    pub const CREATE: Option<CreateWorkflow> =
        Some(|| create_workflow::<W, StepError, _>(std::future::ready(Ok(W::default()))));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Event, StopEvent};

    #[test]
    fn built_in_events_are_not_listed_twice() {
        let event = CatalogueEvent { meta: const { &StopEvent::META } };
        let error = Catalogue::collect([&event, &event], [], []).unwrap_err();
        let CatalogueError::Duplicate { kind, name, first, second } = error;
        assert_eq!((kind, name), ("event", "stepcast::StopEvent"));
        assert_eq!(first, second);
    }

    #[test]
    fn listed_by_name() {
        let event = CatalogueEvent { meta: const { &StopEvent::META } };
        let all = Catalogue::collect([&event], [], []).unwrap();
        assert!(all.event("stepcast::StopEvent").is_some());
        assert!(all.event("StopEvent").is_none());
        assert_eq!(all.workflows().count(), 0);
    }
}
