//! A step that was slow to its first await once gets a task of its own from then on: a CPU-heavy fan-out runs on every
//! thread of the runtime.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use stepcast::prelude::*;
use support::within;

/// So many executions block a thread each until all of them do.
const AT_ONCE: usize = 3;

#[event(start)]
struct Begin;

#[event]
struct Job {
    meets: bool,
}

#[event]
struct Finished {
    met: bool,
}

#[event(stop)]
struct Done {
    met: usize,
}

#[derive(Default)]
struct Meeting {
    here: Mutex<usize>,
    all: Condvar,
}

impl Meeting {
    /// Blocks the thread until all are here. The bound strikes only where they run one after the other.
    fn attend(&self) -> bool {
        let mut here = self.here.lock().unwrap();
        *here += 1;
        self.all.notify_all();
        let bound = Duration::from_secs(60);
        let (_here, waited) = self.all.wait_timeout_while(here, bound, |here| *here < AT_ONCE).unwrap();
        !waited.timed_out()
    }
}

struct Heavy {
    meeting: Arc<Meeting>,
}

#[workflow(Begin => Done)]
impl Heavy {
    #[step]
    async fn fan(&self, _ev: Begin) -> Vec<Job> {
        // The first one shows that the step is heavy.
        (0..=AT_ONCE).map(|n| Job { meets: n > 0 }).collect()
    }

    #[step]
    async fn work(&self, job: Job) -> Finished {
        if job.meets {
            return Finished { met: self.meeting.attend() };
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        Finished { met: false }
    }

    #[step]
    async fn gather(&self, all: Vec<Finished>) -> Done {
        Done { met: all.iter().filter(|finished| finished.met).count() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 5)]
async fn a_heavy_fan_out_uses_every_thread() {
    let run = Heavy { meeting: Arc::default() }.run(Begin);
    assert_eq!(within(run).await.unwrap().met, AT_ONCE);
}
