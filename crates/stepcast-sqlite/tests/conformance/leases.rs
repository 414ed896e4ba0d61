//! Who may write a run, and who hears that it may be had.

use std::sync::{Arc, Mutex};

use stepcast_core::backend::*;

use crate::Store;
use crate::support::*;

pub(crate) fn only_the_holder_writes(store: &dyn Store) {
    let (mine, other) = (store.open(), store.open());
    create(&*mine, "a");
    assert!(matches!(claim(&*other, "a"), Err(ClaimError::Held { .. })));
    assert!(matches!(write(&*other, rows("a", 1, [1])), Err(WriteError::FencedOff { .. })));
    assert_eq!(other.run("a").unwrap().unwrap().holder, Holder::Other);
    let unclaimed = RunFilter { unclaimed: true, ..RunFilter::default() };
    assert_eq!(other.runs(&unclaimed, None, 9).unwrap().len(), 0);
    // Given back, it is anybody's, and no longer the former holder's.
    write(&*mine, Batch { release: true, ..rows("a", 1, [1]) }).unwrap();
    assert!(matches!(write(&*mine, rows("a", 1, [2])), Err(WriteError::FencedOff { .. })));
    assert_eq!(other.runs(&unclaimed, None, 9).unwrap().len(), 1);
    let fence = claim(&*other, "a").unwrap();
    assert_eq!(fence, 2);
    write(&*other, rows("a", fence, [2])).unwrap();
    assert!(matches!(claim(&*mine, "b"), Err(ClaimError::UnknownRun { .. })));
}

pub(crate) fn a_closed_owner_leaves_its_runs(store: &dyn Store) {
    let (mine, other) = (store.open(), store.open());
    for run in ["a", "b", "c"] {
        create(&*mine, run);
    }
    write(&*mine, rows("a", 1, 1..=4)).unwrap();
    drop(mine);
    let unclaimed = RunFilter { unclaimed: true, ..RunFilter::default() };
    assert_eq!(other.runs(&unclaimed, None, 9).unwrap().len(), 3);
    let leases = other.claim(&["a", "b", "x"]);
    assert!(leases[0].is_ok() && leases[1].is_ok() && leases[2].is_err());
    let fence = leases[0].as_ref().unwrap().fence;
    assert_eq!(numbers(&other.load("a").unwrap()), [1, 2, 3, 4]);
    write(&*other, rows("a", fence, [5])).unwrap();
    assert_eq!(other.runs(&unclaimed, None, 9).unwrap().len(), 1);
}

pub(crate) fn a_claim_fences_off_the_former_lease(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    let fence = claim(&*backend, "a").unwrap();
    let late = write(&*backend, rows("a", 1, [1]));
    assert!(matches!(late, Err(WriteError::FencedOff { fence: 1, current: 2, .. })), "{late:?}");
    write(&*backend, rows("a", fence, [1])).unwrap();
}

pub(crate) fn a_new_watcher_hears_that_a_holder_left(store: &dyn Store) {
    let mine = store.open();
    create(&*mine, "a");
    let new = store.open();
    let (told, heard) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    new.watch(Arc::new(move |notice| drop(told.lock().unwrap().send(notice))));
    assert_eq!(new.run("a").unwrap().unwrap().holder, Holder::Other);
    drop(mine);
    heard.recv_timeout(std::time::Duration::from_secs(20)).expect("a notice");
    assert_eq!(new.run("a").unwrap().unwrap().holder, Holder::Nobody);
    assert_eq!(claim(&*new, "a").unwrap(), 2);
}

pub(crate) fn a_closed_backend_says_so(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    backend.close().unwrap();
    assert!(matches!(write(&*backend, rows("a", 1, [1])), Err(WriteError::Storage(StorageError::Closed))));
    assert!(matches!(backend.load("a"), Err(LoadError::Storage(StorageError::Closed))));
    assert!(matches!(claim(&*backend, "a"), Err(ClaimError::Storage(StorageError::Closed))));
    assert!(matches!(backend.close(), Err(StorageError::Closed)));
    assert_eq!(claim(&*store.open(), "a").unwrap(), 2);
}

pub(crate) fn a_backend_may_be_let_go_within_a_receipt(store: &dyn Store) {
    let other = store.open();
    let (told, heard) = std::sync::mpsc::channel();
    other.watch(Arc::new({
        let told = Mutex::new(told);
        move |notice| drop(told.lock().unwrap().send(notice))
    }));
    let backend: Arc<dyn Backend> = store.open().into();
    create(&*backend, "a");
    let (last, here) = (backend.clone(), std::thread::current().id());
    let done = Done::new(move |result| {
        result.unwrap();
        // Where the receipt comes from another thread, nobody else has the backend any more.
        while Arc::strong_count(&last) > 1 && std::thread::current().id() != here {
            std::thread::yield_now();
        }
        drop(last);
    });
    backend.write(Box::new(rows("a", 1, [1])), done);
    drop(backend);
    let bound = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let fence = loop {
        match claim(&*other, "a") {
            Ok(fence) => break fence,
            Err(error) => assert!(std::time::Instant::now() < bound, "{error}"),
        }
        let _ = heard.recv_timeout(std::time::Duration::from_millis(20));
    };
    assert_eq!((fence, numbers(&other.load("a").unwrap())), (2, vec![1]));
}
