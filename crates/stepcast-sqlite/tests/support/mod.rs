//! What the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub(crate) mod child;
pub(crate) mod desk;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;

/// A folder of a test's own, removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("sqlite-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("runs.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes and waits for the receipt.
pub(crate) fn write(backend: &dyn Backend, batch: Batch) -> Result<(), WriteError> {
    let (told, result) = mpsc::channel();
    backend.write(Box::new(batch), Done::new(move |result| drop(told.send(result))));
    result.recv_timeout(Duration::from_secs(30)).expect("a receipt")
}

pub(crate) fn batch(run: &str, fence: u64) -> Batch {
    Batch::of(run.into(), fence, Time(1000))
}

pub(crate) fn creation(run: &str) -> Batch {
    let new = NewRun {
        workflow: "Flow".to_owned(),
        description: "{\"steps\":[]}".to_owned(),
        parent: None,
        start: "{\"topic\":\"pirates\"}".to_owned(),
        ..NewRun::default()
    };
    Batch { created: Some(Box::new(new)), ..batch(run, FIRST_FENCE) }
}

pub(crate) fn create(backend: &dyn Backend, run: &str) {
    write(backend, creation(run)).expect("a new run");
}

pub(crate) fn row(n: u64) -> JournalRow {
    JournalRow { n, data: format!("row {n}").into_bytes() }
}

pub(crate) fn event(seq: u64) -> StreamRow {
    StreamRow { seq, tag: "Progress".to_owned(), json: format!("{{\"n\":{seq}}}"), at: Time(seq) }
}

pub(crate) fn rows(run: &str, fence: u64, numbers: impl IntoIterator<Item = u64>) -> Batch {
    Batch { rows: numbers.into_iter().map(row).collect(), ..batch(run, fence) }
}

pub(crate) fn question(input: u64) -> InputChange {
    InputChange::Opened(Box::new(NewInput { input, step: "ask".to_owned(), ..NewInput::default() }))
}

pub(crate) fn answer(run: &str, input: u64, by: &str) -> Answer {
    Answer {
        run: run.into(),
        input,
        answer: "\"yes\"".to_owned(),
        by: Some(by.to_owned()),
        at: Time(2000),
        trace: None,
    }
}

pub(crate) fn letter(run: &str, text: &str, dedup: Option<&str>) -> Letter {
    Letter {
        run: run.into(),
        kind: MailKind::Event,
        json: text.to_owned(),
        dedup: dedup.map(str::to_owned),
        at: Time(5),
    }
}

pub(crate) fn claim(backend: &dyn Backend, run: &str) -> Result<u64, ClaimError> {
    backend.claim(&[run]).pop().expect("one answer").map(|lease| lease.fence)
}

pub(crate) fn numbers(stored: &StoredRun) -> Vec<u64> {
    stored.rows.iter().map(|row| row.n).collect()
}

pub(crate) fn id(run: &str) -> Arc<str> {
    run.into()
}
