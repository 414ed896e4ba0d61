//! Anybody may open a store at any time, also while others open it for the first time or close it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Barrier;

use stepcast_core::backend::Backend;
use stepcast_sqlite::SqliteBackend;
use support::*;

#[test]
fn several_open_a_new_store_at_once() {
    for _ in 0..60 {
        let folder = Folder::new();
        let together = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    together.wait();
                    SqliteBackend::open(folder.store()).expect("it opens").close().expect("it closes");
                });
            }
        });
    }
}

#[test]
fn one_opens_a_store_while_another_closes_it() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let store = SqliteBackend::open(folder.store()).expect("it opens");
                    store.close().expect("it closes");
                }
            });
        }
    });
}
