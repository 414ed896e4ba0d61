//! Shape "durable": what is written, and when it is on the disk. All files lie beside this binary, so on a real disk.

#[cfg(feature = "stepcast")]
mod backend;
mod duroxide;
mod floor;
#[cfg(feature = "stepcast")]
mod graph;
#[cfg(feature = "stepcast")]
mod held;
#[cfg(feature = "stepcast")]
mod paused;
#[cfg(feature = "stepcast")]
mod workflow;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "stepcast")]
use crate::measure::Rt;
use crate::measure::{Kind, Suite};

/// Rows of the journal that a step writes, in the floor too.
const ROW: usize = 200;
/// Runs in flight.
const RUNS: usize = 64;

pub fn register(suite: &mut Suite) {
    match suite.kind {
        Kind::Floor => floor::register(suite),
        #[cfg(feature = "stepcast")]
        Kind::Stepcast => {
            workflow::register(suite);
            graph::register(suite);
            // The store alone is a thread of its own and the disk, whatever runtime is beside it.
            if suite.rt == Rt::Ct {
                backend::register(suite);
                paused::register(suite);
                held::register(suite);
            }
        }
        #[cfg(not(feature = "stepcast"))]
        Kind::Stepcast => {}
        Kind::Peer => duroxide::register(suite),
    }
}

/// A folder of a subject's own, removed with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let program = std::env::current_exe().expect("the path of this binary");
        let name = format!("durable-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = program.parent().expect("a folder").join(name);
        std::fs::create_dir_all(&path).expect("a folder for the store");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
