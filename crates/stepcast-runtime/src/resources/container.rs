use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use stepcast_core::{BoxFuture, Need, StepError};

use super::scope::{Made, Slots};
use super::{ResourceError, ResourceScope, config};

pub(super) type Instance = Arc<dyn Any + Send + Sync>;
pub(super) type Recipes = HashMap<TypeId, Recipe>;
type Factory = Arc<dyn Fn(ResourceScope) -> BoxFuture<'static, Result<Instance, StepError>> + Send + Sync>;

/// How a resource comes to be.
#[derive(Clone)]
pub(super) enum Recipe {
    Instance(Instance),
    Cached(Factory),
    Uncached(Factory),
}

/// What a workflow's steps get as `Res<T>`: values, and factories that make them when they are first needed.
///
/// There is one resource per type; adding one of the same type again replaces it, which is how a test puts its own in.
/// A factory runs at most once per container, however many runs ask at the same time, unless it was added with
/// [`factory_uncached`](Resources::factory_uncached) or has failed. Clones share what has been made, until one of them
/// is given another resource: from then on it makes everything anew, because anything may depend on what was replaced.
///
/// ```
/// use stepcast_runtime::{ResourceScope, Resources};
/// # use stepcast_core::{Need, StepError};
///
/// struct Config { url: String }
/// struct Db { url: String }
///
/// let resources = Resources::new()
///     .value(Config { url: "db.example.org".into() })
///     .factory(|scope: ResourceScope| async move {
///         let config = scope.get::<Config>().await?;
///         Ok::<_, StepError>(Db { url: config.url.clone() })
///     });
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let resolved = resources.resolve_all(&[(Need::of::<Db>(), "load")]).await?;
/// assert_eq!(resolved.get_as::<Db>().unwrap().url, "db.example.org");
///
/// let for_tests = resources.clone().value(Config { url: "localhost".into() });
/// let resolved = for_tests.resolve_all(&[(Need::of::<Db>(), "load")]).await?;
/// assert_eq!(resolved.get_as::<Db>().unwrap().url, "localhost");
/// # Ok::<(), stepcast_runtime::ResourceError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Resources {
    recipes: Arc<Recipes>,
    names: Arc<HashMap<TypeId, &'static str>>,
    made: Arc<Made>,
}

impl Resources {
    /// A container with nothing in it.
    pub fn new() -> Self {
        Resources::default()
    }

    /// Supplies this value.
    #[must_use]
    pub fn value<T: Any + Send + Sync>(self, value: T) -> Self {
        self.shared(Arc::new(value))
    }

    /// Supplies this value, which others may hold too.
    #[must_use]
    pub fn shared<T: Any + Send + Sync>(self, value: Arc<T>) -> Self {
        self.with::<T>(Recipe::Instance(value))
    }

    /// Supplies what this factory makes, once, when it is first needed. It may ask its scope for other resources.
    /// An error or a panic of the factory fails the resolution; the next one runs it again.
    #[must_use]
    pub fn factory<T, E, F, Fut>(self, factory: F) -> Self
    where
        T: Any + Send + Sync,
        E: Into<StepError>,
        F: Fn(ResourceScope) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.with::<T>(Recipe::Cached(erase(factory)))
    }

    /// As [`factory`](Resources::factory), but every call of [`resolve_all`](Resources::resolve_all) makes one anew;
    /// everything that asks for it within that call shares it. What a cached factory took from one is kept with it.
    #[must_use]
    pub fn factory_uncached<T, E, F, Fut>(self, factory: F) -> Self
    where
        T: Any + Send + Sync,
        E: Into<StepError>,
        F: Fn(ResourceScope) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.with::<T>(Recipe::Uncached(erase(factory)))
    }

    /// Supplies a part of a JSON file, read when it is first needed and then kept. The selector is a dot path as
    /// [`StorePath`](stepcast_core::StorePath) has it, or empty for the whole file.
    ///
    /// A file that cannot be read, is not JSON, has nothing at the selector, or holds something there that does not fit
    /// `T`, fails the resolution with a [`ConfigFileError`](crate::ConfigFileError) as the source.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use stepcast_runtime::Resources;
    ///
    /// #[derive(Deserialize)]
    /// struct Model { name: String }
    ///
    /// let resources = Resources::new().json_file::<Model>("settings.json", "llm.model");
    /// ```
    #[must_use]
    pub fn json_file<T>(self, path: impl Into<PathBuf>, selector: impl Into<String>) -> Self
    where
        T: DeserializeOwned + Any + Send + Sync,
    {
        let (path, selector) = (path.into(), selector.into());
        self.factory(move |_| config::load::<T>(path.clone(), selector.clone()))
    }

    /// Makes everything that is needed, in the order given; each need comes with the name of who has it. Whether all of
    /// it was supplied is looked at before the first factory runs.
    ///
    /// # Errors
    /// The first need that cannot be met: see [`ResourceError`]. What was made before is kept for the next time.
    pub async fn resolve_all(&self, needs: &[(Need, &str)]) -> Result<Resolved, ResourceError> {
        let resolution = Arc::new(Slots::default());
        let scope_of = |name: &str| {
            ResourceScope::root(Arc::clone(&self.recipes), Arc::clone(&self.made), Arc::clone(&resolution), name)
        };
        for (need, name) in needs {
            if !self.recipes.contains_key(&(need.type_id)()) {
                return Err(scope_of(name).missing(*need));
            }
        }
        let mut instances = HashMap::with_capacity(needs.len());
        for (need, name) in needs {
            instances.insert((need.type_id)(), scope_of(name).obtain(*need).await?);
        }
        Ok(Resolved { instances: Arc::new(instances) })
    }

    fn with<T: Any>(mut self, recipe: Recipe) -> Self {
        let type_id = TypeId::of::<T>();
        Arc::make_mut(&mut self.recipes).insert(type_id, recipe);
        Arc::make_mut(&mut self.names).insert(type_id, std::any::type_name::<T>());
        self.made = Arc::default();
        self
    }
}

fn erase<T, E, F, Fut>(factory: F) -> Factory
where
    T: Any + Send + Sync,
    E: Into<StepError>,
    F: Fn(ResourceScope) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
{
    Arc::new(move |scope| {
        factory(scope).map(|made| made.map(|value| Arc::new(value) as Instance).map_err(Into::into)).boxed()
    })
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = self.names.values().copied().collect();
        names.sort_unstable();
        f.debug_tuple("Resources").field(&names).finish()
    }
}

/// What a run was supplied with, by type. Cloning shares it.
#[derive(Clone, Default)]
pub struct Resolved {
    instances: Arc<HashMap<TypeId, Instance>>,
}

impl Resolved {
    /// The resource of a type, if it was among the needs.
    pub fn get(&self, type_id: TypeId) -> Option<Arc<dyn Any + Send + Sync>> {
        self.instances.get(&type_id).map(Arc::clone)
    }

    /// The resource of type `T`, if it was among the needs.
    pub fn get_as<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.get(TypeId::of::<T>())?.downcast().ok()
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("len", &self.len()).finish_non_exhaustive()
    }
}
