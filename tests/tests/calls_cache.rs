//! Calls with a key: their results serve other runs too, as far as effect, policy and namespace allow it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use stepcast::backend::{Backend, CacheRow, MemoryBackend};
use stepcast::prelude::*;
use stepcast::{BoxFuture, CacheError, CachePolicy, CallCache, CallError, CallStatus, Effect, ResultCache, Runtime};
use support::{moved, recorded, settle, within};

use CallStatus::{Bypass, Cached, Disabled, Failed, Hit, Miss};

#[event(start)]
#[derive(Default)]
struct Ask {
    text: String,
    plan: Plan,
}

/// How the call is made, and what becomes of its step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Plan {
    label: String,
    namespace: String,
    no_key: bool,
    writes: bool,
    rerun: bool,
    policy: Option<String>,
    /// Attempts of the step that fail once the call is made.
    fail: u32,
    /// Attempts whose call fails.
    fail_call: u32,
    waits: bool,
}

#[event(external)]
struct Go;

#[event(stop)]
struct Told {
    text: String,
}

#[derive(Debug, thiserror::Error)]
#[error("busy")]
struct Busy;

#[derive(Default)]
struct Model {
    /// What was really asked.
    asked: Mutex<Vec<String>>,
}

impl Model {
    fn answer(&self, text: &str) -> String {
        let mut asked = self.asked.lock().unwrap();
        asked.push(text.to_owned());
        format!("{text} {}", asked.len())
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn policy(name: &str) -> CachePolicy {
    match name {
        "auto" => CachePolicy::Auto,
        "disabled" => CachePolicy::Disabled,
        "read_only" => CachePolicy::ReadOnly,
        "refresh" => CachePolicy::Refresh,
        other => panic!("{other}"),
    }
}

async fn ask(model: &Model, ask: Ask, ctx: Context) -> Result<Told> {
    let plan = &ask.plan;
    let mut call = ctx.call(plan.label.clone(), || async {
        let answer = model.answer(&ask.text);
        if ctx.attempt() <= plan.fail_call { Err(Busy) } else { Ok(answer) }
    });
    if !plan.no_key {
        call = call.key(("ask", &ask.text));
    }
    if plan.writes {
        call = call.effect(Effect::Write);
    }
    if plan.rerun {
        call = call.rerun();
    }
    if let Some(name) = &plan.policy {
        call = call.cache(policy(name));
    }
    let text = call.namespace(plan.namespace.clone()).await?;
    if plan.waits {
        ctx.wait_for_event::<Go>().await?;
    }
    if ctx.attempt() <= plan.fail {
        return Err(Busy.into());
    }
    Ok(Told { text })
}

#[derive(Default)]
struct Asker {
    model: Model,
}

#[workflow(Ask => Told)]
impl Asker {
    #[step(waits(Go), retry(attempts = 3, backoff = "1s"))]
    async fn ask(&self, ev: Ask, ctx: Context) -> Result<Told> {
        ask(&self.model, ev, ctx).await
    }
}

#[derive(Default)]
struct Other {
    model: Model,
}

#[workflow(Ask => Told)]
impl Other {
    #[step(waits(Go))]
    async fn ask(&self, ev: Ask, ctx: Context) -> Result<Told> {
        ask(&self.model, ev, ctx).await
    }
}

fn question(text: &str, plan: Plan) -> Ask {
    Ask { text: text.to_owned(), plan }
}

fn plan() -> Plan {
    Plan { label: "ask".to_owned(), ..Plan::default() }
}

fn with_policy(name: &str) -> Plan {
    Plan { policy: Some(name.to_owned()), ..plan() }
}

/// The answer, and what the calls came to.
async fn told<W>(flow: Arc<W>, ask: Ask, options: RunOptions) -> (String, Vec<CallStatus>)
where
    Arc<W>: RunWorkflow,
    <Arc<W> as stepcast::SharedWorkflow>::Flow: Workflow<Start = Ask, Stop = Told>,
{
    let run = flow.run_with(ask, options.record_internal());
    let told = within(run.result()).await.unwrap();
    (told.text, run.calls().iter().map(|call| call.status).collect())
}

/// A model, and options with one cache.
struct World {
    flow: Arc<Asker>,
    cache: CallCache,
}

impl World {
    fn new() -> Self {
        World { flow: Arc::new(Asker::default()), cache: CallCache::memory(100) }
    }

    fn options(&self) -> RunOptions {
        RunOptions::new().call_cache(self.cache.clone())
    }

    async fn ask(&self, text: &str, plan: Plan) -> (String, Vec<CallStatus>) {
        told(self.flow.clone(), question(text, plan), self.options()).await
    }
}

fn came(text: &str, status: CallStatus) -> (String, Vec<CallStatus>) {
    (text.to_owned(), vec![status])
}

#[tokio::test(start_paused = true)]
async fn a_result_with_a_key_serves_other_runs() {
    let world = World::new();
    assert_eq!(world.ask("a", plan()).await, came("a 1", Miss));
    assert_eq!(world.ask("a", plan()).await, came("a 1", Cached));
    assert_eq!(world.ask("b", plan()).await, came("b 2", Miss));
    // A label is a name, not content.
    assert_eq!(world.ask("a", Plan { label: "renamed".to_owned(), ..plan() }).await, came("a 1", Cached));
    assert_eq!(world.flow.model.asked(), 2);
    // Another cache knows nothing.
    let other = RunOptions::new().call_cache(CallCache::memory(1));
    assert_eq!(told(world.flow.clone(), question("a", plan()), other).await, came("a 3", Miss));
}

#[tokio::test(start_paused = true)]
async fn without_a_key_or_without_a_cache_nothing_is_shared() {
    let world = World::new();
    let no_key = || Plan { no_key: true, ..plan() };
    assert_eq!(world.ask("a", no_key()).await, came("a 1", Miss));
    assert_eq!(world.ask("a", no_key()).await, came("a 2", Miss));
    for n in 3..5 {
        let alone = told(world.flow.clone(), question("a", plan()), RunOptions::new()).await;
        assert_eq!(alone, came(&format!("a {n}"), Bypass));
    }
}

#[tokio::test(start_paused = true)]
async fn what_writes_is_never_shared() {
    let world = World::new();
    let writes = || Plan { writes: true, ..plan() };
    assert_eq!(world.ask("a", writes()).await, came("a 1", Bypass));
    assert_eq!(world.ask("a", writes()).await, came("a 2", Bypass));
    assert_eq!(world.ask("a", plan()).await, came("a 3", Miss), "it put nothing into the cache");
    assert_eq!(world.ask("a", writes()).await, came("a 4", Bypass), "it takes nothing from the cache");
    assert_eq!(world.ask("a", Plan { writes: true, ..with_policy("refresh") }).await, came("a 5", Bypass));
    assert_eq!(world.ask("a", plan()).await, came("a 3", Cached));
}

#[tokio::test(start_paused = true)]
async fn each_policy_does_what_it_says() {
    let world = World::new();
    assert_eq!(world.ask("a", with_policy("read_only")).await, came("a 1", Miss));
    assert_eq!(world.ask("a", with_policy("read_only")).await, came("a 2", Miss), "it really adds nothing");
    assert_eq!(world.ask("a", with_policy("disabled")).await, came("a 3", Disabled));
    assert_eq!(world.ask("a", plan()).await, came("a 4", Miss), "neither did");
    assert_eq!(world.ask("a", with_policy("read_only")).await, came("a 4", Cached));
    assert_eq!(world.ask("a", with_policy("disabled")).await, came("a 5", Disabled));
    assert_eq!(world.ask("a", with_policy("refresh")).await, came("a 6", Miss));
    assert_eq!(world.ask("a", with_policy("auto")).await, came("a 6", Cached), "the new result replaced the old one");
}

#[tokio::test(start_paused = true)]
async fn a_call_s_policy_goes_before_its_run_s() {
    let world = World::new();
    let run = |name: &str, plan: Plan| {
        let options = world.options().call_policy(policy(name));
        told(world.flow.clone(), question("a", plan), options)
    };
    assert_eq!(run("disabled", plan()).await, came("a 1", Disabled));
    assert_eq!(run("disabled", with_policy("auto")).await, came("a 2", Miss));
    assert_eq!(run("refresh", with_policy("read_only")).await, came("a 2", Cached));
    assert_eq!(run("read_only", plan()).await, came("a 2", Cached));
    assert_eq!(run("refresh", plan()).await, came("a 3", Miss));
    assert_eq!(run("disabled", with_policy("auto")).await, came("a 3", Cached));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_taken_up_again_keeps_its_policy() {
    let world = World::new();
    let waits = Plan { waits: true, rerun: true, ..plan() };
    let run = world.flow.clone().run_with(question("a", waits), world.options().call_policy(CachePolicy::Disabled));
    settle().await;
    let snapshot = run.snapshot().await.unwrap();
    let taken_up = async |options: RunOptions| {
        let run = world.flow.clone().restore_with(snapshot.clone(), options.record_internal()).unwrap();
        settle().await;
        run.cancel();
        run.calls()[0].status
    };
    assert_eq!(taken_up(world.options()).await, Disabled);
    assert_eq!(taken_up(world.options().call_policy(CachePolicy::Auto)).await, Bypass, "unless it is given another");
}

#[tokio::test(start_paused = true)]
async fn namespaces_and_workflows_are_apart() {
    let world = World::new();
    let v2 = || Plan { namespace: "v2".to_owned(), ..plan() };
    assert_eq!(world.ask("a", plan()).await, came("a 1", Miss));
    assert_eq!(world.ask("a", v2()).await, came("a 2", Miss));
    assert_eq!(world.ask("a", plan()).await, came("a 1", Cached));
    assert_eq!(world.ask("a", v2()).await, came("a 2", Cached));
    let other = Arc::new(Other::default());
    assert_eq!(told(other, question("a", plan()), world.options()).await, came("a 1", Miss));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_never_shared() {
    let world = World::new();
    let (text, statuses) = world.ask("a", Plan { fail_call: 2, ..plan() }).await;
    assert_eq!((text.as_str(), &statuses[..]), ("a 3", &[Failed, Failed, Miss][..]));
    assert_eq!(world.ask("a", plan()).await, came("a 3", Cached));
}

#[tokio::test(start_paused = true)]
async fn what_came_from_the_cache_is_recorded() {
    let world = World::new();
    assert_eq!(world.ask("a", plan()).await.0, "a 1");
    let (text, statuses) = world.ask("a", Plan { fail: 1, ..plan() }).await;
    assert_eq!((text.as_str(), &statuses[..]), ("a 1", &[Cached, Hit][..]));

    // A run that is taken up again keeps its result, whatever the cache has by then.
    let waits = || Plan { waits: true, ..plan() };
    let run = world.flow.clone().run_with(question("a", waits()), world.options());
    settle().await;
    assert_eq!(world.ask("a", with_policy("refresh")).await.0, "a 2");
    let run = moved(world.flow.clone(), &run).await;
    run.send_event(Go).unwrap();
    assert_eq!(within(run).await.unwrap().text, "a 1");
    assert_eq!(world.flow.model.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_repeated_with_its_execution_replaces_what_is_cached() {
    let world = World::new();
    let (text, statuses) = world.ask("a", Plan { rerun: true, fail: 2, ..plan() }).await;
    assert_eq!((text.as_str(), &statuses[..]), ("a 3", &[Miss, Bypass, Bypass][..]));
    assert_eq!(world.ask("a", plan()).await, came("a 3", Cached));
    let (text, statuses) = world.ask("b", Plan { rerun: true, fail: 1, ..with_policy("read_only") }).await;
    assert_eq!((text.as_str(), &statuses[..]), ("b 5", &[Miss, Bypass][..]));
    assert_eq!(world.ask("b", plan()).await, came("b 6", Miss));
}

/// A cache of one's own: sees everything, and breaks on demand.
#[derive(Debug, Default)]
struct Watched {
    rows: Mutex<HashMap<String, CacheRow>>,
    broken: Mutex<bool>,
    log: Mutex<Vec<&'static str>>,
}

#[derive(Clone, Debug, Default)]
struct Shared(Arc<Watched>);

impl Shared {
    fn log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.log.lock().unwrap())
    }

    fn reach(&self, what: &'static str) -> Result<(), CacheError> {
        self.0.log.lock().unwrap().push(what);
        if *self.0.broken.lock().unwrap() { Err("no connection".into()) } else { Ok(()) }
    }
}

impl ResultCache for Shared {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<CacheRow>, CacheError>> {
        Box::pin(async move {
            self.reach("get")?;
            Ok(self.0.rows.lock().unwrap().get(key).cloned())
        })
    }

    fn put(&self, row: CacheRow) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(async move {
            self.reach("put")?;
            self.0.rows.lock().unwrap().insert(row.key.clone(), row);
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_asked_only_where_it_may_answer() {
    let shared = Shared::default();
    let world = World { cache: CallCache::new(shared.clone()), ..World::new() };
    let mut seen = Vec::new();
    for plan in [
        plan(),
        plan(),
        Plan { no_key: true, ..plan() },
        Plan { writes: true, ..plan() },
        with_policy("disabled"),
        with_policy("refresh"),
        with_policy("read_only"),
        Plan { fail_call: 1, namespace: "new".to_owned(), ..plan() },
    ] {
        world.ask("a", plan).await;
        seen.push(shared.log().join(" "));
    }
    assert_eq!(seen, ["get put", "get", "", "", "", "put", "get", "get get put"]);
    let row = shared.0.rows.lock().unwrap().values().find(|row| row.namespace == "new").cloned().unwrap();
    assert_eq!((row.workflow.as_str(), row.json.as_str(), row.key.len()), ("Asker", "\"a 7\"", 64));
}

#[tokio::test(start_paused = true)]
async fn a_broken_cache_harms_no_run() {
    let shared = Shared::default();
    let world = World { cache: CallCache::new(shared.clone()), ..World::new() };
    *shared.0.broken.lock().unwrap() = true;
    let run = world.flow.clone().run_with(question("a", plan()), world.options().record_internal());
    assert_eq!(within(run.result()).await.unwrap().text, "a 1");
    let call = &run.calls()[0];
    assert_eq!((call.status, call.reason.as_str()), (Bypass, "the cache could not be asked: no connection"));
    assert_eq!(shared.log(), ["get"], "nothing is put where nothing could be asked");
    let run = world.flow.clone().run_with(question("a", with_policy("refresh")), world.options().record_internal());
    assert_eq!(within(run.result()).await.unwrap().text, "a 2");
    assert!(run.calls()[0].reason.ends_with(": no connection"), "{:?}", run.calls());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_or_is_no_json_is_replaced() {
    let shared = Shared::default();
    let world = World { cache: CallCache::new(shared.clone()), ..World::new() };
    world.ask("a", plan()).await;
    for (n, json) in [(2, "{\"answer\":7}"), (3, "nothing")] {
        shared.0.rows.lock().unwrap().values_mut().for_each(|row| row.json = json.to_owned());
        let run = world.flow.clone().run_with(question("a", plan()), world.options().record_internal());
        assert_eq!(within(run.result()).await.unwrap().text, format!("a {n}"));
        assert!(run.calls()[0].status == Miss && run.calls()[0].reason.contains("does not fit"), "{:?}", run.calls());
        assert_eq!(world.ask("a", plan()).await, came(&format!("a {n}"), Cached));
    }
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_last_results() {
    let world = World { cache: CallCache::memory(2), ..World::new() };
    for text in ["a", "b", "a", "c"] {
        world.ask(text, plan()).await;
    }
    assert_eq!(world.ask("b", plan()).await, came("b 2", Cached));
    assert_eq!(world.ask("a", plan()).await, came("a 4", Miss), "the oldest went");
    assert_eq!(world.ask("c", plan()).await, came("c 3", Cached));
    // A result that is replaced takes no second place.
    for n in 5..9 {
        assert_eq!(world.ask("c", with_policy("refresh")).await, came(&format!("c {n}"), Miss));
    }
    assert_eq!(world.ask("a", plan()).await, came("a 4", Cached));
}

/// Asks through a child that has no cache of its own.
struct Parent {
    flow: Arc<Asker>,
}

#[workflow(Ask => Told)]
impl Parent {
    #[step]
    async fn pass_on(&self, ev: Ask, ctx: Context) -> Result<Told> {
        Ok(ctx.run_child(self.flow.clone(), ev).await?)
    }
}

#[tokio::test]
async fn runs_on_a_backend_share_what_is_in_it() {
    let backend = MemoryBackend::new();
    let beside = backend.beside();
    let flow = Arc::new(Asker::default());
    let ask = async |runtime: &Runtime, options: RunOptions| {
        let run = runtime.run(flow.clone(), question("a", plan()), options.record_internal());
        let told = within(run.result()).await.unwrap();
        (told.text, run.calls()[0].status)
    };
    let one = Runtime::on(Arc::new(backend) as Arc<dyn Backend>);
    let other = Runtime::on(Arc::new(beside) as Arc<dyn Backend>);
    assert_eq!(ask(&one, RunOptions::new()).await, ("a 1".to_owned(), Miss));
    assert_eq!(ask(&other, RunOptions::new()).await, ("a 1".to_owned(), Cached));
    // The run's own cache goes before it, and children have their parent's.
    let own = RunOptions::new().call_cache(CallCache::memory(1));
    assert_eq!(ask(&other, own).await, ("a 2".to_owned(), Miss));
    let parent = Parent { flow: flow.clone() };
    let run = other.run(parent, question("a", plan()), RunOptions::new());
    assert_eq!(within(run.result()).await.unwrap().text, "a 1");
    let (parent, own) = (Parent { flow: flow.clone() }, RunOptions::new().call_cache(CallCache::memory(1)));
    let run = other.run(parent, question("a", plan()), own);
    assert_eq!(within(run.result()).await.unwrap().text, "a 3", "a cache that was given goes before the backend");

    assert_eq!(one.purge_call_cache(0, 10).await.unwrap(), 0);
    assert_eq!(one.purge_call_cache(u64::MAX, 10).await.unwrap(), 1);
    assert_eq!(ask(&other, RunOptions::new()).await, ("a 4".to_owned(), Miss));
    assert_eq!(Runtime::new().purge_call_cache(u64::MAX, 10).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_no_json_makes_no_call() {
    #[derive(Default)]
    struct Bad {
        model: Model,
    }
    #[workflow(Ask => Told)]
    impl Bad {
        #[step]
        async fn ask(&self, _ev: Ask, ctx: Context) -> Result<Told> {
            let key = HashMap::from([((1, 2), 3)]);
            let call = ctx.call("bad", || async { Ok::<_, Busy>(self.model.answer("x")) }).key(&key);
            let error = call.await.unwrap_err();
            assert!(matches!(error, CallError::Key { .. }), "{error}");
            Ok(Told { text: error.to_string() })
        }
    }
    let flow = Arc::new(Bad::default());
    let told = flow.clone().run(Ask::default()).await.unwrap();
    assert!(told.text.starts_with("The key of the call `bad` cannot be JSON: "), "{}", told.text);
    assert_eq!(flow.model.asked(), 0);
}

/// The same question twice in one execution.
#[derive(Default)]
struct Twice {
    model: Model,
}

#[workflow(Ask => Told)]
impl Twice {
    #[step(retry(attempts = 2, backoff = "1s"))]
    async fn ask(&self, ev: Ask, ctx: Context) -> Result<Told> {
        let ask = || ctx.call("ask", || async { Ok::<_, Busy>(self.model.answer(&ev.text)) });
        let (first, second) = if ev.plan.no_key {
            // In parallel, under labels of their own.
            let other = ctx.call("other", || async { Ok::<_, Busy>(self.model.answer(&ev.text)) });
            tokio::try_join!(ask().into_future(), other.into_future())?
        } else {
            (ask().key("same").await?, ask().key("same").await?)
        };
        if ctx.attempt() == 1 { Err(Busy.into()) } else { Ok(Told { text: format!("{first}, {second}") }) }
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_key_makes_two_calls_of_an_execution_one() {
    let flow = Arc::new(Twice::default());
    let no_key = Plan { no_key: true, ..plan() };
    let cache = || recorded().call_cache(CallCache::memory(9));
    let run = flow.clone().run_with(question("a", no_key), cache());
    assert_eq!(within(run.result()).await.unwrap().text, "a 1, a 2");
    assert_eq!(run.calls().iter().map(|call| call.status).collect::<Vec<_>>(), [Miss, Miss, Hit, Hit]);
    let run = flow.clone().run_with(question("a", plan()), cache());
    assert_eq!(within(run.result()).await.unwrap().text, "a 3, a 3");
    assert_eq!(run.calls().iter().map(|call| call.status).collect::<Vec<_>>(), [Miss, Cached, Hit, Hit]);
}
