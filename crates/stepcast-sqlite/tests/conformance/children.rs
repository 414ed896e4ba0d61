//! Children end with their parents.

use std::sync::{Arc, Mutex};

use stepcast_core::backend::*;

use crate::Store;
use crate::support::*;

fn child_of(parent: &str, run: &str) -> Batch {
    let mut batch = creation(run);
    batch.created.as_mut().unwrap().parent = Some(id(parent));
    batch
}

fn end_of(run: &str, fence: u64) -> Batch {
    let status = StatusChange::Completed { result: "1".to_owned(), failures: 0 };
    Batch { status: Some(status), ends_children: true, ..rows(run, fence, [1]) }
}

/// Whether a run has letters that cancel it, and nothing else.
fn is_cancelled(backend: &dyn Backend, run: &str) -> bool {
    let mail = backend.mail(run, 0).unwrap();
    assert!(mail.iter().all(|mail| mail.kind == MailKind::Cancel && mail.json == "null"), "{mail:?}");
    !mail.is_empty()
}

pub(crate) fn children_are_cancelled_with_the_end_of_their_parent(store: &dyn Store) {
    let (mine, other) = (store.open(), store.open());
    for run in ["parent", "stranger"] {
        create(&*mine, run);
    }
    write(&*mine, child_of("parent", "held")).unwrap();
    write(&*other, child_of("parent", "elsewhere")).unwrap();
    write(&*mine, child_of("parent", "free")).unwrap();
    write(&*mine, Batch { release: true, ..batch("free", 1) }).unwrap();
    write(&*mine, child_of("parent", "over")).unwrap();
    write(&*mine, Batch { status: end_of("over", 1).status, ..rows("over", 1, [1]) }).unwrap();
    write(&*mine, child_of("held", "grandchild")).unwrap();
    write(&*mine, child_of("stranger", "other")).unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    mine.watch(Arc::new(move |notice| drop(told.lock().unwrap().send(notice))));

    // Not by a batch that is refused.
    let refused = Batch { events: vec![event(7)], ..end_of("parent", 1) };
    assert!(matches!(write(&*mine, refused), Err(WriteError::EventGap { .. })));
    assert!(mine.mailed().unwrap().is_empty());
    let fence = claim(&*mine, "parent").unwrap();
    write(&*mine, end_of("parent", fence)).unwrap();
    assert_eq!(mine.run("parent").unwrap().unwrap().status, RunStatus::Completed);
    let cancelled = ["held", "elsewhere", "free", "over", "grandchild", "other"].map(|run| is_cancelled(&*mine, run));
    assert_eq!(cancelled, [true, true, true, false, false, false]);
    let bound = std::time::Duration::from_secs(30);
    while heard.recv_timeout(bound).expect("a notice") != Notice::Mail(id("held")) {}

    // Whoever holds a child ends it, and the letters with it.
    write(&*mine, Batch { status: end_of("held", 1).status, ..rows("held", 1, [1]) }).unwrap();
    assert!(!is_cancelled(&*mine, "held"));
    write(&*other, Batch { status: end_of("elsewhere", 1).status, ..rows("elsewhere", 1, [1]) }).unwrap();
    assert!(!is_cancelled(&*mine, "elsewhere"));
}

pub(crate) fn a_child_that_comes_after_the_end_of_its_parent_is_cancelled(store: &dyn Store) {
    let (mine, other) = (store.open(), store.open());
    create(&*mine, "parent");
    write(&*mine, child_of("parent", "early")).unwrap();
    write(&*other, child_of("parent", "elsewhere")).unwrap();
    write(&*mine, Batch { ends_children: false, ..end_of("parent", 1) }).unwrap();
    for (backend, run) in [(&mine, "late"), (&other, "late elsewhere")] {
        write(&**backend, child_of("parent", run)).unwrap();
        assert!(is_cancelled(&*mine, run), "{run}");
    }
    write(&*mine, child_of("nobody", "orphan")).unwrap();
    for run in ["early", "elsewhere", "orphan"] {
        assert!(!is_cancelled(&*mine, run), "{run}");
    }
    // It goes on until it has heard of it.
    write(&*mine, rows("late", 1, [1])).unwrap();
    let taken = mine.mail("late", 0).unwrap().iter().map(|mail| mail.id).collect();
    let status = Some(StatusChange::Cancelled { error: "{}".to_owned() });
    write(&*mine, Batch { taken, status, ..rows("late", 1, [2]) }).unwrap();
    assert!(!is_cancelled(&*mine, "late"));
}
