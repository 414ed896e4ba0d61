//! The known weakness of LlamaIndex Workflows that its users meet first: what a fan-out costs.
//! The rows are in `docs/coming-from-llamaindex.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stepcast::prelude::*;
use support::within;

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event(stop)]
pub struct Done {
    n: usize,
}

static CLONES: AtomicUsize = AtomicUsize::new(0);
static WRITES: AtomicUsize = AtomicUsize::new(0);

/// Counts how often it is copied and written.
#[derive(Debug)]
pub struct Counted;

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONES.fetch_add(1, Ordering::Relaxed);
        Counted
    }
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WRITES.fetch_add(1, Ordering::Relaxed);
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <()>::deserialize(deserializer).map(|()| Counted)
    }
}

mod wide {
    use super::*;

    #[event]
    pub struct Item {
        counted: Counted,
    }

    #[event]
    pub struct Piece {
        counted: Counted,
    }

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|_| Item { counted: Counted }).collect()
    }

    #[step(workers = 64)]
    pub async fn work(item: Item) -> Piece {
        Piece { counted: item.counted }
    }

    #[step]
    pub async fn gather(all: Vec<Piece>) -> Done {
        Done { n: all.len() }
    }

    flow!(pub Wide: Begin => Done { split, work, gather });
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_copies_each_event_a_constant_number_of_times() {
    for n in [100, 1_000, 20_000] {
        CLONES.store(0, Ordering::Relaxed);
        assert_eq!(within(wide::Wide.run(Begin { n })).await.unwrap().n, n as usize);
        let copies = CLONES.load(Ordering::Relaxed);
        assert!(copies <= 2 * n as usize, "{copies} copies of {n} members and what they gave");
    }
    assert_eq!(WRITES.load(Ordering::Relaxed), 0, "in memory an event is never serialized");
}
