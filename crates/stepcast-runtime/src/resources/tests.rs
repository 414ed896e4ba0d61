#![allow(clippy::unwrap_used)]

mod circles;
mod files;

use std::any::{Any, TypeId};
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use stepcast_core::{Need, StepError};
use tokio::join;
use tokio::task::yield_now;

use super::*;

#[derive(Debug, PartialEq)]
struct Config(&'static str);
#[derive(Debug)]
struct Db(Arc<Config>);
#[derive(Debug)]
struct Pool(Arc<Db>);
#[derive(Debug)]
struct Serial(u32);

#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused;

async fn one<T: Any + Send + Sync>(resources: &Resources) -> Result<Arc<T>, ResourceError> {
    let resolved = resources.resolve_all(&[(Need::of::<T>(), "step")]).await?;
    Ok(resolved.get_as::<T>().unwrap())
}

/// A factory that numbers what it makes, and lets others run while it does.
fn counting(
    count: &Arc<AtomicU32>,
) -> impl Fn(ResourceScope) -> futures_util::future::BoxFuture<'static, Result<Serial, Infallible>> + use<> {
    let count = Arc::clone(count);
    move |_| {
        let count = Arc::clone(&count);
        Box::pin(async move {
            yield_now().await;
            Ok(Serial(count.fetch_add(1, Ordering::SeqCst)))
        })
    }
}

fn chain() -> Resources {
    Resources::new()
        .factory(|scope: ResourceScope| async move { Ok::<_, ResourceError>(Pool(scope.get().await?)) })
        .factory(|scope: ResourceScope| async move { Ok::<_, ResourceError>(Db(scope.get().await?)) })
}

#[tokio::test]
async fn values_and_factories_are_found_by_type() {
    let shared = Arc::new(String::from("shared"));
    let resources = chain().value(Config("real")).shared(Arc::clone(&shared));
    let needs = [(Need::of::<Pool>(), "a"), (Need::of::<String>(), "b"), (Need::of::<Pool>(), "c")];
    let resolved = resources.resolve_all(&needs).await.unwrap();
    assert_eq!(resolved.len(), 2);
    assert_eq!(*resolved.get_as::<Pool>().unwrap().0.0, Config("real"));
    assert!(Arc::ptr_eq(&resolved.get_as::<String>().unwrap(), &shared));
    assert!(resolved.get(TypeId::of::<Config>()).is_none(), "only what was needed");
    assert!(resources.resolve_all(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cached_factory_runs_once_however_many_ask_at_once() {
    let count = Arc::default();
    let resources = Resources::new().factory(counting(&count));
    let (a, b, c) = join!(one::<Serial>(&resources), one::<Serial>(&resources), one::<Serial>(&resources));
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert!(Arc::ptr_eq(&a, &b) && Arc::ptr_eq(&b, &c));
    one::<Serial>(&resources.clone()).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_uncached_factory_runs_once_per_resolution() {
    struct Left(Arc<Serial>);
    struct Right(Arc<Serial>);
    let count = Arc::default();
    let resources = Resources::new()
        .factory_uncached(counting(&count))
        .factory_uncached(|scope: ResourceScope| async move { Ok::<_, ResourceError>(Left(scope.get().await?)) })
        .factory_uncached(|scope: ResourceScope| async move { Ok::<_, ResourceError>(Right(scope.get().await?)) });
    for round in 0..2 {
        let needs = [(Need::of::<Left>(), "a"), (Need::of::<Right>(), "b")];
        let resolved = resources.resolve_all(&needs).await.unwrap();
        let (left, right) = (resolved.get_as::<Left>().unwrap(), resolved.get_as::<Right>().unwrap());
        assert!(Arc::ptr_eq(&left.0, &right.0));
        assert_eq!(left.0.0, round);
    }
}

#[tokio::test]
async fn a_replaced_resource_reaches_what_depends_on_it() {
    let real = chain().value(Config("real"));
    assert_eq!(one::<Pool>(&real).await.unwrap().0.0.0, "real");
    let fake = real.clone().value(Config("fake"));
    assert_eq!(one::<Pool>(&fake).await.unwrap().0.0.0, "fake");
    assert_eq!(one::<Pool>(&real).await.unwrap().0.0.0, "real");
    let stub = fake.value(Db(Arc::new(Config("stub"))));
    assert_eq!(one::<Pool>(&stub).await.unwrap().0.0.0, "stub");
}

#[tokio::test]
async fn a_missing_resource_names_everyone_who_needs_it() {
    let error = one::<Pool>(&chain()).await.unwrap_err();
    let ResourceError::Missing { type_name, needed_by } = &error else { panic!("{error:?}") };
    assert!(type_name.ends_with("::Config"));
    assert_eq!(needed_by.len(), 3);
    assert!(needed_by[0].ends_with("::Db") && needed_by[1].ends_with("::Pool") && needed_by[2] == "step");
    let text = error.to_string();
    assert!(text.ends_with("::Pool`, needed by `step`; add it to the run's `Resources`."), "{text}");
}

#[tokio::test]
async fn no_factory_runs_when_a_need_was_never_supplied() {
    let count = Arc::default();
    let resources = Resources::new().factory(counting(&count));
    let needs = [(Need::of::<Serial>(), "first"), (Need::of::<Config>(), "second")];
    let error = resources.resolve_all(&needs).await.unwrap_err();
    assert!(matches!(&error, ResourceError::Missing { needed_by, .. } if needed_by == &["second"]), "{error:?}");
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_failed_factory_keeps_its_source_and_is_tried_again() {
    let count: Arc<AtomicU32> = Arc::default();
    let calls = Arc::clone(&count);
    let resources = Resources::new()
        .factory(move |_| {
            let calls = Arc::clone(&calls);
            async move { if calls.fetch_add(1, Ordering::SeqCst) == 0 { Err(Refused) } else { Ok(Config("late")) } }
        })
        .factory(|scope: ResourceScope| async move { Ok::<_, StepError>(Db(scope.get().await?)) });
    let error = one::<Db>(&resources).await.unwrap_err();
    assert!(error.source().unwrap().is::<Refused>());
    let ResourceError::Failed { type_name, needed_by, .. } = &error else { panic!("{error:?}") };
    assert!(type_name.ends_with("::Config") && needed_by[0].ends_with("::Db") && needed_by[1] == "step");
    assert_eq!(one::<Db>(&resources).await.unwrap().0.0, "late");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_factory_may_do_without_what_failed() {
    let resources = Resources::new().factory(|scope: ResourceScope| async move {
        let config = scope.get::<Config>().await.unwrap_or_else(|_| Arc::new(Config("fallback")));
        Ok::<_, Infallible>(Db(config))
    });
    assert_eq!(one::<Db>(&resources).await.unwrap().0.0, "fallback");
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_container_goes_on() {
    let count: Arc<AtomicU32> = Arc::default();
    let calls = Arc::clone(&count);
    let resources = Resources::new().factory(move |_| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        assert!(call > 0, "before the future");
        async move {
            assert!(call > 1, "in the future {call}");
            Ok::<_, Infallible>(Config("at last"))
        }
    });
    for expected in ["before the future", "in the future 1"] {
        match one::<Config>(&resources).await.unwrap_err() {
            ResourceError::Panicked { message, needed_by, .. } => {
                assert_eq!((message.as_str(), needed_by.as_slice()), (expected, &["step".to_owned()][..]));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(*one::<Config>(&resources).await.unwrap(), Config("at last"));
}

#[test]
fn debug_lists_the_types_sorted() {
    let text = format!("{:?}", Resources::new().value(2_u8).value("x").value(1_i8));
    assert_eq!(text, "Resources([\"&str\", \"i8\", \"u8\"])");
}
