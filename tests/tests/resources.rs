//! `Res<T>`: what steps are supplied with is made before the first of them starts, and what cannot be made is the run's
//! error.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::testing::{TestKit, advance};
use stepcast::{ResourceError, ResourceScope, Resources, RunError, Runtime, WorkflowFailedEvent};

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event(stop)]
struct Done {
    text: String,
}

#[derive(Debug)]
struct Config {
    name: String,
}

struct Db {
    serial: u32,
    config: Arc<Config>,
}

/// How often the first step of a run began.
struct Begun(AtomicU32);

#[step]
async fn first(ev: Begin, begun: Res<Begun>) -> Item {
    begun.0.fetch_add(1, SeqCst);
    Item { n: ev.n }
}

#[step]
async fn second(_item: Item, db: Res<Db>, config: Res<Config>) -> Done {
    assert!(std::ptr::eq(&*db.config, &*config), "one of each type");
    Done { text: format!("{} {}", db.serial, config.name) }
}

flow!(Query: Begin => Done { first, second });

fn config() -> Config {
    Config { name: "main".into() }
}

/// A database that numbers itself and takes a second to come up.
fn connecting(
    count: &Arc<AtomicU32>,
) -> impl Fn(ResourceScope) -> futures_util::future::BoxFuture<'static, Result<Db>> + use<> {
    let count = Arc::clone(count);
    move |scope| {
        let count = Arc::clone(&count);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Db { serial: count.fetch_add(1, SeqCst), config: scope.get().await? })
        })
    }
}

fn begun() -> (Arc<Begun>, Resources) {
    let begun = Arc::new(Begun(AtomicU32::new(0)));
    (Arc::clone(&begun), Resources::new().shared(begun))
}

#[tokio::test(start_paused = true)]
async fn steps_get_values_and_what_factories_make() {
    let (began, resources) = begun();
    let resources = resources.value(config()).factory(connecting(&Arc::default()));
    for n in 0..3 {
        let run = Query.run_with(Begin { n }, RunOptions::new().resources(resources.clone()));
        assert_eq!(run.await.unwrap().text, "0 main", "a factory runs once for all runs");
    }
    assert_eq!(began.0.load(SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn no_step_starts_before_everything_is_made() {
    let (began, resources) = begun();
    let resources = resources.value(config()).factory_uncached(connecting(&Arc::default()));
    let run = Query.run_with(Begin { n: 0 }, RunOptions::new().resources(resources.clone()));
    advance(Duration::from_millis(900)).await;
    assert_eq!(began.0.load(SeqCst), 0);
    assert_eq!(run.await.unwrap().text, "0 main");
    let again = Query.run_with(Begin { n: 0 }, RunOptions::new().resources(resources));
    assert_eq!(again.await.unwrap().text, "1 main", "an uncached factory runs once per run");
}

async fn refused(resources: Resources) -> (Arc<ResourceError>, String) {
    let run = Query.run_with(Begin { n: 0 }, RunOptions::new().resources(resources));
    let error = tokio::time::timeout(Duration::from_secs(60), run.result()).await.unwrap().unwrap_err();
    let mut stream = run.stream_events();
    let last = stream.next().await.unwrap();
    assert_eq!(last.get::<WorkflowFailedEvent>().unwrap().exception.exception_message, error.to_string());
    assert!(run.is_done() && stream.next().await.is_none());
    let RunError::Resources(inner) = &error else { panic!("{error:?}") };
    (Arc::clone(inner), error.to_string())
}

#[tokio::test(start_paused = true)]
async fn what_was_not_supplied_is_named_with_the_step_that_needs_it() {
    let (began, resources) = begun();
    let (error, text) = refused(resources).await;
    assert!(
        matches!(&*error, ResourceError::Missing { type_name, needed_by } if type_name.ends_with("::Db") && needed_by == &["second"])
    );
    assert!(text.starts_with("The run could not begin") && text.contains("needed by `second`"), "{text}");
    let (error, _) = refused(Resources::new()).await;
    assert!(matches!(&*error, ResourceError::Missing { needed_by, .. } if needed_by == &["first"]), "{error}");
    // Without any resources at all the error is the same.
    let none = Query.run(Begin { n: 0 }).await.unwrap_err();
    assert!(matches!(none, RunError::Resources(_)), "{none}");
    assert_eq!(began.0.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_factory_needs_is_missed_too() {
    let (_, resources) = begun();
    let resources = resources.factory(connecting(&Arc::default()));
    let (error, _) = refused(resources).await;
    assert!(
        matches!(&*error, ResourceError::Missing { type_name, needed_by: _ } if type_name.ends_with("::Config")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_circle_is_an_error() {
    let (_, resources) = begun();
    let resources = resources
        .factory(|scope: ResourceScope| async move {
            scope.get::<Db>().await?;
            Ok::<_, StepError>(config())
        })
        .factory(
            |scope: ResourceScope| async move { Ok::<_, StepError>(Db { serial: 0, config: scope.get().await? }) },
        );
    let (error, _) = refused(resources).await;
    let ResourceError::Cycle { chain } = &*error else { panic!("{error:?}") };
    assert_eq!((chain.len(), chain.first()), (3, chain.last()));
}

#[derive(Debug, thiserror::Error)]
#[error("connection refused")]
struct NoConnection;

#[tokio::test(start_paused = true)]
async fn a_factory_that_fails_or_panics_fails_the_run_and_is_tried_again() {
    let (_, base) = begun();
    let tries = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&tries);
    let resources = base.value(config()).factory(move |scope: ResourceScope| {
        let made = count.fetch_add(1, SeqCst);
        async move {
            match made {
                0 => Err(StepError::from(NoConnection)),
                1 => panic!("driver bug"),
                n => Ok(Db { serial: n, config: scope.get().await? }),
            }
        }
    });
    let (error, _) = refused(resources.clone()).await;
    assert!(error.source().unwrap().is::<NoConnection>(), "{error:?}");
    let (error, text) = refused(resources.clone()).await;
    assert!(matches!(&*error, ResourceError::Panicked { message, .. } if message == "driver bug"), "{text}");
    let run = Query.run_with(Begin { n: 0 }, RunOptions::new().resources(resources));
    assert_eq!(run.await.unwrap().text, "2 main");
}

/// Runs a query as its child.
struct Parent;

#[workflow(Begin => Done)]
impl Parent {
    #[step]
    async fn ask(&self, ev: Begin, config: Res<Config>, ctx: Context) -> Result<Done> {
        let own = (ev.n == 1).then(|| {
            let (_, resources) = begun();
            resources.value(Config { name: "child's own".into() }).factory(connecting(&Arc::default()))
        });
        let mut child = ctx.run_child(Query, ev);
        if let Some(own) = own {
            child = child.options(RunOptions::new().resources(own));
        }
        Ok(Done { text: format!("{} / {}", config.name, child.await?.text) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_has_its_parent_s_resources_unless_it_is_given_others() {
    let (_, resources) = begun();
    let resources = resources.value(config()).factory(connecting(&Arc::default()));
    for (n, expected) in [(0, "main / 0 main"), (1, "main / 0 child's own")] {
        let recorded =
            TestKit::new().options(RunOptions::new().resources(resources.clone())).run(Parent, Begin { n }).await;
        assert_eq!(recorded.stop().text, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_runtime_supplies_every_run_that_has_nothing_of_its_own() {
    let (_, resources) = begun();
    let resources = resources.value(config()).factory(connecting(&Arc::default()));
    let runtime = Runtime::new().with_resources(resources.clone());
    assert_eq!(runtime.run(Query, Begin { n: 0 }, RunOptions::new()).await.unwrap().text, "0 main");
    let own = resources.value(Config { name: "other".into() });
    assert_eq!(runtime.run(Query, Begin { n: 0 }, RunOptions::new().resources(own)).await.unwrap().text, "1 other");
    runtime.register(Query).unwrap();
    let run = runtime.start("Query", serde_json::json!({ "n": 1 }), RunOptions::new()).unwrap();
    assert_eq!(run.outcome().await.unwrap().get::<Done>().unwrap().text, "0 main");
}
