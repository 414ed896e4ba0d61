//! Workflows as a user writes them, whose runs are kept in a file: chains of ten steps, one step at a time, and ten thousand
//! runs that were interrupted.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_core::backend::Backend;
use stepcast_sqlite::SqliteBackend;

use super::{Folder, RUNS};
use crate::measure::{Rt, Suite, per_op};
use crate::work::{chain_result, mix, windowed};

const STEPS: u64 = 10;

/// Registered, so that a runtime finds its runs again.
static STUCK: AtomicBool = AtomicBool::new(false);
static RESUMED: AtomicU64 = AtomicU64::new(0);

pub fn register(suite: &mut Suite) {
    let sizes = suite.sizes();
    let (rt, rows, alone) = (suite.rt, sizes.durable_rows, sizes.durable_alone);
    let kept: Shared = Rc::default();
    in_flight(suite, "stepcast", kept.clone(), STEPS);
    // What a step costs where runs begin and end seldom.
    in_flight(suite, "stepcast@100", Rc::default(), 100);
    suite.value("durable-rows", "stepcast", "rows/step", rows, move || match kept.borrow().as_ref() {
        Some(kept) => kept.rows_per_step(),
        None => f64::NAN,
    });
    let mut kept = None;
    suite.value("durable-1", "stepcast", "ns/row", alone, move || {
        let kept = kept.get_or_insert_with(|| Kept::new(rt));
        let runtime = kept.runtime.clone();
        kept.run(async move { one_chain(&runtime, alone).await }, alone)
    });
    if rt == Rt::Ct {
        let interrupted = sizes.interrupted;
        suite.value("durable-recover", "stepcast", "ms", interrupted, move || recover(interrupted));
    }
}

fn in_flight(suite: &mut Suite, subject: &str, kept: Shared, steps: u64) {
    let (rt, rows) = (suite.rt, suite.sizes().durable_rows);
    suite.value("durable-64", subject, "ns/row", rows, move || {
        let mut kept = kept.borrow_mut();
        let kept = kept.get_or_insert_with(|| Kept::new(rt));
        let runtime = kept.runtime.clone();
        kept.steps += rows;
        kept.run(async move { chains(&runtime, rows / steps, RUNS, steps).await }, rows)
    });
}

type Shared = Rc<RefCell<Option<Kept>>>;

/// A store with its runtimes. The store closes last.
struct Kept {
    runtime: Runtime,
    tokio: tokio::runtime::Runtime,
    steps: u64,
    folder: Folder,
}

impl Kept {
    fn new(rt: Rt) -> Self {
        let folder = Folder::new();
        let tokio = rt.build();
        let runtime = Runtime::on(open(&folder));
        tokio.block_on(async { runtime.register(Chain) }).expect("a workflow");
        Self { runtime, tokio, steps: 0, folder }
    }

    fn run(&self, body: impl Future<Output = Duration> + Send + 'static, ops: u64) -> f64 {
        per_op(self.tokio.block_on(async { tokio::spawn(body).await }).expect("no panic"), ops)
    }

    /// Places in the journal are given one after the other and never again.
    fn rows_per_step(&self) -> f64 {
        let conn = rusqlite::Connection::open(self.folder.file()).expect("a database");
        let sql = "SELECT max(noted, coalesce((SELECT max(id) FROM journal), 0)) FROM heads";
        let places: i64 = conn.query_row(sql, [], |row| row.get(0)).expect("a place");
        places as f64 / self.steps as f64
    }
}

fn open(folder: &Folder) -> Arc<dyn Backend> {
    Arc::new(SqliteBackend::open(folder.file()).expect("a store"))
}

#[event(start)]
pub struct Begin {
    hops: u64,
    text: String,
}

#[event]
pub struct Ping {
    left: u64,
    x: u64,
    text: String,
}

#[event]
pub struct Pong {
    left: u64,
    x: u64,
    text: String,
}

#[event(stop)]
pub struct Ended {
    x: u64,
}

#[step]
async fn begin(event: Begin) -> Ping {
    Ping { left: event.hops, x: 1, text: event.text }
}

#[step]
async fn ping(event: Ping) -> Either<Pong, Ended> {
    if STUCK.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    match event.left {
        0 => Either::Right(Ended { x: event.x }),
        left => Either::Left(Pong { left: left - 1, x: mix(event.x), text: event.text }),
    }
}

#[step]
async fn pong(event: Pong) -> Either<Ping, Ended> {
    match event.left {
        0 => {
            RESUMED.fetch_add(1, Ordering::Relaxed);
            Either::Right(Ended { x: event.x })
        }
        left => Either::Left(Ping { left: left - 1, x: mix(event.x), text: event.text }),
    }
}

flow!(pub Chain: Begin => Ended { begin, ping, pong });

/// As many steps as asked for: one that begins, and one for each event after it.
fn start(steps: u64) -> Begin {
    Begin { hops: steps - 2, text: "x".repeat(100) }
}

async fn chains(runtime: &Runtime, runs: u64, width: usize, steps: u64) -> Duration {
    let start_at = Instant::now();
    let sum = windowed(runs, width, |_| {
        let run = runtime.run(Chain, start(steps), RunOptions::new());
        async move { run.await.expect("a result").x }
    });
    let sum = sum.await;
    let taken = start_at.elapsed();
    assert_eq!(sum, chain_result(steps - 2).wrapping_mul(runs));
    taken
}

async fn one_chain(runtime: &Runtime, steps: u64) -> Duration {
    let start_at = Instant::now();
    let ended = runtime.run(Chain, start(steps), RunOptions::new()).await.expect("a result");
    let taken = start_at.elapsed();
    assert_eq!(ended.x, chain_result(steps - 2));
    taken
}

/// From opening the file to the end of the last run. All were in their second step when their process went.
fn recover(count: u64) -> f64 {
    let folder = Folder::new();
    STUCK.store(true, Ordering::Relaxed);
    {
        let tokio = Rt::Ct.build();
        let runtime = Runtime::on(open(&folder));
        tokio.block_on(async {
            let runs: Vec<_> = (0..count).map(|_| runtime.run(Chain, start(3), RunOptions::new())).collect();
            for run in &runs {
                run.recorded().await.expect("it is recorded");
            }
            // Until the first step of each is on record too.
            while rows(&folder) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    STUCK.store(false, Ordering::Relaxed);
    RESUMED.store(0, Ordering::Relaxed);
    let tokio = Rt::Ct.build();
    let start_at = Instant::now();
    let runtime = Runtime::on(open(&folder));
    let bound = Duration::from_secs(60);
    let recovered = tokio.block_on(async {
        runtime.register(Chain).expect("a workflow");
        while RESUMED.load(Ordering::Relaxed) < count && start_at.elapsed() < bound {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        RESUMED.load(Ordering::Relaxed)
    });
    assert_eq!(recovered, count, "runs that went on within a minute");
    start_at.elapsed().as_secs_f64() * 1000.0
}

fn rows(folder: &Folder) -> u64 {
    let conn = rusqlite::Connection::open(folder.file()).expect("a database");
    let rows: i64 = conn.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).expect("a count");
    rows as u64
}
