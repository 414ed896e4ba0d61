//! A case is one subject in one shape on one runtime; a suite gathers them for the groups.

use crate::alloc::LiveBytes;
use crate::plan::{Plan, Sizes};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rt {
    Ct,
    Mt,
}

impl Rt {
    pub const ALL: [Rt; 2] = [Rt::Ct, Rt::Mt];

    pub fn name(self) -> &'static str {
        match self {
            Rt::Ct => "ct",
            Rt::Mt => "mt",
        }
    }

    pub fn build(self) -> Runtime {
        let mut builder = match self {
            Rt::Ct => Builder::new_current_thread(),
            Rt::Mt => Builder::new_multi_thread(),
        };
        if self == Rt::Mt {
            builder.worker_threads(2);
        }
        builder.enable_all().build().expect("a tokio runtime")
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Floor,
    Peer,
    Stepcast,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Floor => "floor",
            Kind::Peer => "peer",
            Kind::Stepcast => "stepcast",
        }
    }
}

pub struct Case {
    pub shape: &'static str,
    pub rt: Rt,
    pub kind: Kind,
    pub subject: String,
    pub unit: &'static str,
    pub ops: u64,
    pub samples: Vec<f64>,
    // Dropped with its runtime at the end of the group, so that nothing of one subject runs beside the next group.
    run: Option<Box<dyn FnMut() -> f64>>,
}

impl Case {
    /// One sample; without `keep` it only warms up.
    pub fn sample(&mut self, keep: bool) {
        let run = self.run.as_mut().expect("a case that is not finished");
        let value = run();
        if keep {
            self.samples.push(value);
        }
    }

    pub fn finish(&mut self) {
        self.run = None;
    }

    pub fn median(&self) -> f64 {
        median(&self.samples)
    }

    pub fn best(&self) -> f64 {
        self.samples.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Where subjects register their cases.
pub struct Suite {
    pub plan: Plan,
    pub rt: Rt,
    pub kind: Kind,
    pub cases: Vec<Case>,
}

impl Suite {
    pub fn sizes(&self) -> Sizes {
        self.plan.sizes.clone()
    }

    /// `run` gives one sample in `unit`.
    pub fn value(
        &mut self,
        shape: &'static str,
        subject: impl Into<String>,
        unit: &'static str,
        ops: u64,
        run: impl FnMut() -> f64 + 'static,
    ) {
        let subject = subject.into();
        let wanted = self.plan.wants_shape(shape) && self.plan.wants_subject(self.kind.name(), &subject);
        if wanted {
            self.cases.push(Case {
                shape,
                rt: self.rt,
                kind: self.kind,
                subject,
                unit,
                ops,
                samples: Vec::new(),
                run: Some(Box::new(run)),
            });
        }
    }

    /// `body` runs as a task of a runtime of the case's own and times itself, so that setup stays outside.
    pub fn task<F>(&mut self, shape: &'static str, subject: impl Into<String>, ops: u64, body: impl Fn() -> F + 'static)
    where
        F: Future<Output = Duration> + Send + 'static,
    {
        let rt = self.rt;
        let mut runtime = None;
        self.value(shape, subject, "ns/op", ops, move || {
            let runtime = runtime.get_or_insert_with(|| rt.build());
            // Spawned, for on `mt` a future given to `block_on` runs beside the workers, not on them.
            let taken = runtime.block_on(async { tokio::spawn(body()).await });
            per_op(taken.expect("a subject does not panic"), ops)
        });
    }

    /// Live bytes per thing that `body` makes; they all live until the count is read.
    pub fn bytes<F, T>(&mut self, subject: &'static str, count: u64, body: impl Fn(u64) -> F + 'static)
    where
        F: Future<Output = Vec<T>>,
        T: 'static,
    {
        let rt = self.rt;
        self.value("D", subject, "B/run", count, move || rt.build().block_on(live_bytes(count, &body)));
    }
}

pub fn per_op(taken: Duration, ops: u64) -> f64 {
    taken.as_nanos() as f64 / ops as f64
}

/// Makes `count` things with `body` and gives the bytes each of them holds once all tasks are at rest.
pub async fn live_bytes<F, T>(count: u64, body: &impl Fn(u64) -> F) -> f64
where
    F: Future<Output = Vec<T>>,
{
    // The first few pay for registries and thread-locals that do not grow with the count.
    drop(body(100).await);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let live = LiveBytes::start();
    let held = body(count).await;
    assert_eq!(held.len() as u64, count);
    let mut before = -1;
    while before != live.now() {
        before = live.now();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(held);
    before as f64 / count as f64
}
