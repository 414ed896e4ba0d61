//! `stepcast-bench-duroxide FOLDER RUNS STEPS` prints the nanoseconds that a step of duroxide takes: RUNS orchestrations at
//! a time, each of STEPS activities one after the other, on its SQLite provider with its default options.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::runtime::Runtime;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry, OrchestrationStatus};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, runs, steps] = args.as_slice() else { panic!("FOLDER RUNS STEPS") };
    let (runs, steps): (u32, u32) = (runs.parse().expect("a number"), steps.parse().expect("a number"));
    let file = Path::new(folder).join("duroxide.db");
    std::fs::File::create(&file).expect("a file");
    let store = SqliteProvider::new(&format!("sqlite:{}", file.display()), None).await.expect("a store");
    let store = Arc::new(store);

    let payload = "x".repeat(200);
    let activities = ActivityRegistry::builder()
        .register("Step", |_: ActivityContext, input: String| async move { Ok(input) })
        .build();
    let chain = move |ctx: OrchestrationContext, input: String| async move {
        let mut value = input;
        for _ in 0..steps {
            value = ctx.schedule_activity("Step", value).await?;
        }
        Ok(value)
    };
    let orchestrations = OrchestrationRegistry::builder().register("Chain", chain).build();
    let runtime = Runtime::start_with_store(store.clone(), activities, orchestrations).await;
    let client = Client::new(store);

    let start = Instant::now();
    for run in 0..runs {
        client.start_orchestration(&format!("run-{run}"), "Chain", payload.clone()).await.expect("a start");
    }
    for run in 0..runs {
        let bound = Duration::from_secs(120);
        let ended = client.wait_for_orchestration(&format!("run-{run}"), bound).await.expect("an end");
        assert!(matches!(ended, OrchestrationStatus::Completed { .. }), "{ended:?}");
    }
    println!("{}", start.elapsed().as_nanos() / u128::from(runs * steps));
    runtime.shutdown(None).await;
}
