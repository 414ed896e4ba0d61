use std::sync::Arc;

use stepcast_core::store::CellMap;
use stepcast_core::{AnyEvent, StepCall};

use super::Context;
use crate::dispatch::RunnerEnv;
use crate::stream::{StreamLog, Teller, Times};

/// What the body of a step that is data reaches of its run without a [`Context`]: the store and the stream, under one lock
/// and without a record of what it did. So there is one only where nothing of that could be done twice: in the first
/// attempt of an execution of a run in memory that has asked for nothing else. It is for bodies that end at once, and
/// with success: an attempt that fails after it wrote would write again.
///
/// Crates that make steps of something else than Rust functions use it; other steps take a [`Context`].
pub struct Direct<'a> {
    env: &'a RunnerEnv,
}

/// The stream of a run, while it is written to.
#[derive(Debug)]
pub struct Told<'a> {
    log: &'a mut StreamLog,
    times: Times,
}

impl<'a> Direct<'a> {
    /// That of the execution that is called, if there is one.
    pub fn of(call: &StepCall<'a>) -> Option<Self> {
        let direct = Direct { env: call.env::<RunnerEnv>()? };
        direct.is_open().then_some(direct)
    }

    /// Whether nothing of the execution is on record still. What was called in between may have taken a context.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.env.is_plain()
    }

    /// Looks at the run's store, which is empty where no step has written to it. Do not call back into the run from `look`.
    pub fn look<R>(&self, look: impl FnOnce(Option<&CellMap>) -> R) -> R {
        look(self.env.run.data().store.as_deref())
    }

    /// Writes to the run's store and its stream: others see all of it or nothing. `None`, and `write` is not called, where
    /// the run has ended. Do not call back into the run from `write`.
    // Inlined, and its result left where it is: to copy what was just written in parts stalls for longer than it takes to
    // write it.
    #[inline(always)]
    pub fn write<R>(&self, write: impl FnOnce(&mut CellMap, &mut Told<'_>) -> R) -> Option<R> {
        let run = &self.env.run;
        let mut guard = run.data();
        if guard.ended || run.has_ended() {
            return None;
        }
        let data = &mut *guard;
        let mut told = Told { log: &mut data.log, times: data.times };
        let result = write(data.store.get_or_insert_with(no_cells), &mut told);
        if data.log.is_awaited() {
            let wakers = data.log.take_wakers();
            drop(guard);
            wakers.wake();
        }
        Some(result)
    }

    /// The context of the execution, which has a record from then on.
    pub fn context(&self) -> Context {
        Context { exec: self.env.exec(), sends: std::marker::PhantomData }
    }
}

#[cold]
fn no_cells() -> Box<CellMap> {
    Box::default()
}

impl Told<'_> {
    /// Adds an event to the stream.
    pub fn push(&mut self, event: AnyEvent) {
        self.log.push(event, self.times.now());
    }

    /// Adds an event that `teller` makes, when somebody reads it, of the text that `write` adds to what it is given. If
    /// `write` gives `false`, there is none, and neither is the text.
    pub fn say<T: Teller>(&mut self, teller: &Arc<T>, about: u32, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        self.log.say(teller, about, self.times.now(), write)
    }
}

impl std::fmt::Debug for Direct<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Direct").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}
