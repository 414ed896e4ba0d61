//! Events whose code panics on demand, and a neighbour that must not notice.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::future::Future;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stepcast::StepPanicked;
use stepcast::prelude::*;

use crate::support::{settle, within};

/// Panics where its word says.
#[derive(Default)]
pub struct Fuse(pub String);

impl Fuse {
    fn spark(&self, here: &str) {
        if self.0.split(' ').any(|word| word == here) {
            panic!("the {here} panicked");
        }
    }
}

impl Clone for Fuse {
    fn clone(&self) -> Self {
        self.spark("clone");
        Fuse(self.0.clone())
    }
}

impl std::fmt::Debug for Fuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.spark("debug");
        f.write_str("Fuse")
    }
}

impl Serialize for Fuse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spark("serialize");
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fuse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fuse = Fuse(String::deserialize(deserializer)?);
        fuse.spark("deserialize");
        Ok(fuse)
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        // Two panics at once abort the process.
        if !std::thread::panicking() {
            self.spark("drop");
        }
    }
}

#[event(start)]
pub struct Begin {
    pub how: String,
}

#[event]
pub struct Charge {
    pub fuse: Fuse,
}

#[event]
pub struct Spare {
    pub fuse: Fuse,
}

#[event(external)]
pub struct Poke {
    pub fuse: Fuse,
}

#[event(input_required)]
pub struct Ask {
    pub fuse: Fuse,
}

#[event(human_response)]
pub struct Reply {
    pub fuse: Fuse,
}

#[event(stop)]
pub struct Done {
    pub fuse: Fuse,
}

pub fn begin(how: &str) -> Begin {
    Begin { how: how.to_owned() }
}

pub fn fuse(how: &str) -> Fuse {
    Fuse(how.to_owned())
}

pub fn done(text: impl ToString) -> Done {
    Done { fuse: Fuse(text.to_string()) }
}

/// Waits for a poke, and ends with what it says.
#[step]
async fn listen(_ev: Begin, ctx: Context) {
    ctx.write_event_to_stream(Spare { fuse: fuse("spare") });
}

#[step]
async fn poked(poke: Poke) -> Done {
    done(&poke.fuse.0)
}

flow!(pub Neighbour: Begin => Done { listen, poked });

/// Does something beside a run that began before it and ends after it.
pub async fn beside<T>(what: impl Future<Output = T>) -> T {
    let neighbour = Neighbour.run(begin(""));
    settle().await;
    let result = within(what).await;
    neighbour.send_event(Poke { fuse: fuse("unharmed") }).unwrap();
    assert_eq!(within(neighbour).await.unwrap().fuse.0, "unharmed");
    result
}

/// The message of the panic that failed a step.
#[track_caller]
pub fn panic_of(error: &RunError) -> String {
    let RunError::StepFailed { source, .. } = error else { panic!("{error:?}") };
    source.downcast_ref::<StepPanicked>().unwrap_or_else(|| panic!("{error}")).message.clone()
}
