//! Shape F: a typed cell edited in place, and JSON values set by key.

use crate::measure::Suite;
use dashmap::DashMap;
use serde_json::Value;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The key counts, with the names under which subjects run them.
pub const KEYS: [(usize, &str); 2] = [(8, "8"), (10_000, "10k")];

pub fn keys(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("k{n}")).collect()
}

pub fn register(suite: &mut Suite) {
    let n = suite.sizes().sets;
    suite.task("F-typed", "mutex_edit", n, move || mutex_edit(n));
    for (count, name) in KEYS {
        suite.task("F-dynamic", format!("mutex_hashmap@{name}"), n, move || {
            let map = Mutex::new(HashMap::new());
            sets(n, count, move |key, value| {
                let mut map = map.lock().expect("no panic under it");
                // A key that is there costs no new string.
                match map.get_mut(key) {
                    Some(cell) => *cell = value,
                    None => drop(map.insert(key.to_owned(), value)),
                }
            })
        });
        suite.task("F-dynamic", format!("dashmap@{name}"), n, move || {
            let map = DashMap::new();
            sets(n, count, move |key, value| match map.get_mut(key) {
                Some(mut cell) => *cell = value,
                None => drop(map.insert(key.to_owned(), value)),
            })
        });
    }
}

async fn mutex_edit(times: u64) -> Duration {
    #[derive(Default)]
    struct Counter {
        n: u64,
    }
    let cell = Arc::new(Mutex::new(Counter::default()));
    let start = Instant::now();
    for _ in 0..times {
        let mut counter = black_box(&cell).lock().expect("no panic under it");
        counter.n += 1;
    }
    let taken = start.elapsed();
    assert_eq!(cell.lock().expect("no panic under it").n, times);
    taken
}

async fn sets(times: u64, keys: usize, set: impl Fn(&str, Value) + Send) -> Duration {
    let keys = self::keys(keys);
    // Once before the clock, so that no sample pays for growth.
    keys.iter().for_each(|key| set(key, Value::Null));
    let start = Instant::now();
    for n in 0..times {
        set(&keys[n as usize % keys.len()], Value::from(n));
    }
    start.elapsed()
}
