use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use stepcast_core::Need;
use tokio::sync::OnceCell;

use super::ResourceError;
use super::container::{Instance, Recipe, Recipes};
use super::waits::{Making, Waits};

/// What a factory makes its resource from: the other resources of the same container.
///
/// Each scope knows for which factory it was made and who asked for that one, so that a circle is found and a missing
/// resource is reported with everyone who needs it. Ask for other resources through the scope alone: a factory that
/// resolves from its own container by another way may wait for itself.
#[derive(Clone)]
pub struct ResourceScope {
    recipes: Arc<Recipes>,
    made: Arc<Made>,
    resolution: Arc<Slots>,
    asker: Arc<Asker>,
}

/// What a container has made so far, and what of it waits for what.
#[derive(Debug, Default)]
pub(super) struct Made {
    slots: Slots,
    waits: Arc<Waits>,
    makings: AtomicU64,
}

/// One place per type for a resource that is made once.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<HashMap<TypeId, Arc<Slot>>>);

#[derive(Debug)]
struct Slot {
    making: Making,
    instance: OnceCell<Instance>,
}

/// Who asks: a step, or the factory of a resource; and who asked for that.
struct Asker {
    name: String,
    factory: Option<(Making, &'static str)>,
    outer: Option<Arc<Asker>>,
}

impl ResourceScope {
    /// A scope for one who is no factory.
    pub(super) fn root(recipes: Arc<Recipes>, made: Arc<Made>, resolution: Arc<Slots>, name: &str) -> Self {
        let asker = Arc::new(Asker { name: name.to_owned(), factory: None, outer: None });
        ResourceScope { recipes, made, resolution, asker }
    }

    /// The resource of type `T`, made now if it was not yet.
    ///
    /// # Errors
    /// When nothing of the type was supplied, when it needs what is being made here, and when its factory fails.
    pub async fn get<T: Any + Send + Sync>(&self) -> Result<Arc<T>, ResourceError> {
        let need = Need::of::<T>();
        let instance = self.obtain(need).await?;
        // A recipe is stored under the type of what it makes, so this is never another type.
        instance.downcast().map_err(|_| self.missing(need))
    }

    pub(super) async fn obtain(&self, need: Need) -> Result<Instance, ResourceError> {
        let type_id = (need.type_id)();
        let recipe = self.recipes.get(&type_id).ok_or_else(|| self.missing(need))?;
        let slots = match recipe {
            Recipe::Instance(instance) => return Ok(Arc::clone(instance)),
            Recipe::Cached(_) => &self.made.slots,
            Recipe::Uncached(_) => &*self.resolution,
        };
        let slot = slots.of(type_id, &self.made);
        if let Some(instance) = slot.instance.get() {
            return Ok(Arc::clone(instance));
        }
        let target = (slot.making, (need.type_name)());
        let _waiting = match self.asker.factory {
            Some(from) => Some(self.made.waits.begin(from, target).map_err(|chain| ResourceError::Cycle { chain })?),
            None => None,
        };
        slot.instance.get_or_try_init(|| self.make(recipe, target)).await.map(Arc::clone)
    }

    async fn make(&self, recipe: &Recipe, target: (Making, &'static str)) -> Result<Instance, ResourceError> {
        let type_name = target.1;
        let (Recipe::Cached(factory) | Recipe::Uncached(factory)) = recipe else {
            return Err(ResourceError::Missing { type_name, needed_by: self.needed_by() });
        };
        let asker = Asker { name: type_name.to_owned(), factory: Some(target), outer: Some(Arc::clone(&self.asker)) };
        let scope = ResourceScope { asker: Arc::new(asker), ..self.clone() };
        // The call is inside the guard too: a factory may panic before it has a future to give.
        let made = AssertUnwindSafe(async { factory(scope).await }).catch_unwind().await;
        match made {
            Ok(Ok(instance)) => Ok(instance),
            // What went wrong further in already names everyone who needs it.
            Ok(Err(error)) => Err(match error.into_source().downcast::<ResourceError>() {
                Ok(inner) => *inner,
                Err(source) => ResourceError::Failed { type_name, needed_by: self.needed_by(), source },
            }),
            Err(panic) => {
                let message = panic_message(&*panic);
                Err(ResourceError::Panicked { type_name, needed_by: self.needed_by(), message })
            }
        }
    }

    pub(super) fn missing(&self, need: Need) -> ResourceError {
        ResourceError::Missing { type_name: (need.type_name)(), needed_by: self.needed_by() }
    }

    fn needed_by(&self) -> Vec<String> {
        std::iter::successors(Some(&self.asker), |asker| asker.outer.as_ref()).map(|asker| asker.name.clone()).collect()
    }
}

impl Slots {
    fn of(&self, type_id: TypeId, made: &Made) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(type_id).or_insert_with(|| {
            let making = Making(made.makings.fetch_add(1, Ordering::Relaxed));
            Arc::new(Slot { making, instance: OnceCell::new() })
        });
        Arc::clone(slot)
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}

impl fmt::Debug for ResourceScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceScope").field("needed_by", &self.needed_by()).finish_non_exhaustive()
    }
}
