//! Workflows put together at run time: from `#[step]` functions and from closures.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use super::build::{Parts, build};
use super::{DefinitionError, RunPolicy, StepBody, StepDecl, WorkflowDef};
use crate::{
    Event, EventSet, IntoEvents, Invocation, OnFailure, ParamSpec, RetryPolicy, Step, StepCall, StepParam, run_async,
};

/// Collects the steps of a workflow.
///
/// ```
/// use stepcast_core::{StartEvent, StopEvent, WorkflowBuilder};
///
/// let echo = WorkflowBuilder::new::<StartEvent, StopEvent>("echo")
///     .step_fn("echo", async |start: StartEvent| StopEvent::new(start.get("text").cloned()))
///     .build()?;
/// assert_eq!(echo.steps().len(), 1);
/// # Ok::<(), stepcast_core::DefinitionError>(())
/// ```
#[derive(Debug)]
pub struct WorkflowBuilder {
    parts: Parts,
}

impl WorkflowBuilder {
    /// A workflow between these events, still without steps.
    pub fn new<Start: Event, Stop: Event>(name: impl Into<String>) -> Self {
        WorkflowBuilder {
            parts: Parts {
                name: name.into(),
                doc: String::new(),
                start: const { &Start::META },
                stop: const { &Stop::META },
                steps: Vec::new(),
                on_failure: OnFailure::Fail,
                policy: RunPolicy::default(),
                document: None,
            },
        }
    }

    /// Adds a `#[step]` function, by the type that carries its name.
    #[must_use]
    pub fn step<S: Step>(mut self) -> Self {
        self.parts.steps.push(StepDecl::from(&S::SPEC));
        self
    }

    /// Adds a closure of up to 8 parameters. Its signature means what it means on a `#[step]` function.
    #[must_use]
    pub fn step_fn<Args>(self, name: impl Into<Cow<'static, str>>, body: impl ClosureStep<Args>) -> Self {
        self.step_decl(body.declare(name.into()))
    }

    /// Adds a closure with further settings: workers, retry, timeout, events it sends or waits for.
    #[must_use]
    pub fn step_fn_with<Args>(
        self,
        name: impl Into<Cow<'static, str>>,
        body: impl ClosureStep<Args>,
        configure: impl FnOnce(&mut StepDecl),
    ) -> Self {
        let mut decl = body.declare(name.into());
        configure(&mut decl);
        self.step_decl(decl)
    }

    /// Adds a declared step.
    #[must_use]
    pub fn step_decl(mut self, decl: StepDecl) -> Self {
        self.parts.steps.push(decl);
        self
    }

    /// What a step's final failure does where the step does not say.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.parts.on_failure = on_failure;
        self
    }

    /// Bounds of the workflow's runs.
    #[must_use]
    pub fn policy(mut self, policy: RunPolicy) -> Self {
        self.parts.policy = policy;
        self
    }

    /// The document that the workflow is made of, as JSON: what keeps its runs keeps it with them, so that they can go on
    /// where the workflow is another by then, or is not known.
    #[must_use]
    pub fn document(mut self, json: impl Into<Arc<str>>) -> Self {
        self.parts.document = Some(json.into());
        self
    }

    /// Checks the graph and resolves its routes.
    ///
    /// # Errors
    /// Every fault of the graph, each with its step and event.
    pub fn build(self) -> Result<WorkflowDef, DefinitionError> {
        build(self.parts)
    }
}

impl StepDecl {
    /// A step with this name, signature and body, and every other setting at its default.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        params: Vec<ParamSpec>,
        out: crate::OutSpec,
        body: StepBody,
    ) -> Self {
        StepDecl {
            name: name.into(),
            params,
            out,
            gives: Vec::new(),
            emits: EventSet::None,
            waits: EventSet::None,
            streams: EventSet::None,
            catch: None,
            catch_last: false,
            workers: None,
            timeout: None,
            on_failure: None,
            retry: None,
            allow_unconsumed: false,
            allow_endless: false,
            doc: Cow::Borrowed(""),
            body,
        }
    }

    /// Declares one more event that the step waits for.
    pub fn waits_for<E: crate::EventInput>(&mut self) -> &mut Self {
        self.waits = E::SET;
        self
    }

    /// Declares the events that the step sends with a plain context.
    pub fn emits<E: crate::EventInput>(&mut self) -> &mut Self {
        self.emits = E::SET;
        self
    }

    /// Sets the retry policy.
    pub fn retry(&mut self, policy: RetryPolicy) -> &mut Self {
        self.retry = Some(Arc::new(policy));
        self
    }
}

/// A closure that can be a step. Implemented for async closures and functions of up to 8 step parameters.
#[diagnostic::on_unimplemented(
    message = "this closure is not a step",
    label = "not a step",
    note = "a step closure is `async |event: A, ctx: Context| ..` with up to 8 step parameters and a step return type; \
            write a `#[step]` function to see which parameter is wrong"
)]
pub trait ClosureStep<Args>: Send + Sync + 'static {
    /// The step's declaration.
    fn declare(self, name: Cow<'static, str>) -> StepDecl;
}

macro_rules! closure_steps {
    ($($param:ident),+) => {
        impl<Func, Fut, Ret, $($param),+> ClosureStep<(Fut, Ret, $($param,)+)> for Func
        where
            Func: Fn($($param),+) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Ret> + Send + 'static,
            Ret: IntoEvents + 'static,
            $($param: StepParam + 'static),+
        {
            #[allow(non_snake_case)]
            fn declare(self, name: Cow<'static, str>) -> StepDecl {
                let body = move |mut call: StepCall<'_>| {
                    $(let $param = match $param::extract(&mut call) {
                        Ok(value) => value,
                        Err(error) => return Invocation::Refused(error),
                    };)+
                    run_async(call, self($($param),+))
                };
                StepDecl::new(name, vec![$($param::PARAM),+], Ret::OUT, StepBody::Closure(Arc::new(body)))
            }
        }
    };
}

closure_steps!(A);
closure_steps!(A, B);
closure_steps!(A, B, C);
closure_steps!(A, B, C, D);
closure_steps!(A, B, C, D, E);
closure_steps!(A, B, C, D, E, F);
closure_steps!(A, B, C, D, E, F, G);
closure_steps!(A, B, C, D, E, F, G, H);
