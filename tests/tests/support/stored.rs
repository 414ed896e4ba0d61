//! Events and helpers of the tests that store a run half-way and go on from there.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Mutex;
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::{Event, RunSnapshot, SharedWorkflow};
use tokio::sync::watch;

#[event(start)]
pub struct Begin {
    pub n: u32,
}

#[event]
pub struct Item {
    pub n: u32,
}

#[event]
pub struct Part {
    pub n: u32,
}

#[event]
pub struct Piece {
    pub n: u32,
}

#[event]
pub struct Note {
    pub n: u32,
}

#[event(external)]
pub struct Go {
    pub n: u32,
    pub who: String,
}

#[event(input_required)]
pub struct Question {
    pub n: u32,
}

#[event(human_response)]
pub struct Answer {
    pub n: u32,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    pub text: String,
}

pub fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

pub fn go(n: u32, who: &str) -> Go {
    Go { n, who: who.to_owned() }
}

pub fn numbers(all: impl IntoIterator<Item = u32>) -> String {
    all.into_iter().map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
}

/// Stores a run, ends it, and takes it up again from the text.
pub async fn moved<S: Event, T>(run: Run<S>, flow: T) -> Run<S>
where
    T: SharedWorkflow,
    T::Flow: stepcast::Workflow<Stop = S>,
{
    let text = run.snapshot().await.unwrap().to_json().unwrap();
    run.cancel();
    let _ = within(run.result()).await;
    flow.restore(RunSnapshot::from_json(&text).unwrap()).unwrap()
}

/// Fails a test that would hang for ever.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(100_000_000), future).await.expect("it hangs")
}

/// A gate that steps wait at, and a count of what went through.
pub struct Gate {
    open: watch::Sender<u32>,
    began: Mutex<Vec<u32>>,
}

impl Default for Gate {
    fn default() -> Self {
        Gate { open: watch::Sender::new(0), began: Mutex::default() }
    }
}

impl Gate {
    /// Passes once the gate is open for numbers up to this one.
    pub async fn pass(&self, n: u32) {
        self.began.lock().unwrap().push(n);
        let _ = self.open.subscribe().wait_for(|open| *open >= n).await;
    }

    pub fn open(&self, to: u32) {
        self.open.send_replace(to);
    }

    pub fn began(&self) -> Vec<u32> {
        self.began.lock().unwrap().clone()
    }
}
