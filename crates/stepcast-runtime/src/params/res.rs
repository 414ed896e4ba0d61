use std::any::{TypeId, type_name};
use std::ops::Deref;
use std::sync::Arc;

use stepcast_core::{EventSet, ExtractError, Injected, Need, ParamSpec, StepCall, StepParam};

use crate::dispatch::RunnerEnv;

/// A resource supplied to the run: a client, a pool, a configuration. Resolved once, before the first step starts.
///
/// ```
/// use stepcast_runtime::Res;
///
/// fn greeting(name: &Res<String>) -> String {
///     format!("Hello, {}!", **name)
/// }
/// assert_eq!(greeting(&Res::new("Ada".to_owned())), "Hello, Ada!");
/// ```
#[derive(Debug)]
pub struct Res<T: ?Sized>(Arc<T>);

impl<T> Res<T> {
    /// A resource of its own, for calling a step directly.
    pub fn new(value: T) -> Self {
        Res(Arc::new(value))
    }

    /// The shared resource itself.
    pub fn into_arc(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> Clone for Res<T> {
    fn clone(&self) -> Self {
        Res(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Res<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> StepParam for Res<T> {
    const PARAM: ParamSpec =
        ParamSpec::Injected(Injected { kind: "resource", sends: EventSet::None, needs: Some(Need::of::<T>()) });

    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError> {
        let env = call.env::<RunnerEnv>().ok_or(ExtractError::OutsideRun { what: "Res" })?;
        let resolved = env.run.rare_if_any().and_then(|rare| rare.resolved.get());
        let found = resolved.and_then(|resolved| resolved.get(TypeId::of::<T>()));
        let found = found.and_then(|found| found.downcast::<T>().ok());
        found.map(Res).ok_or(ExtractError::MissingResource { type_name: type_name::<T>() })
    }
}
