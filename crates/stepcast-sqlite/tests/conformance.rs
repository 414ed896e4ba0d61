//! What every backend does, on each of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use stepcast_core::backend::*;
use stepcast_core::engine::Time;
use stepcast_sqlite::SqliteBackend;
use support::*;

/// A store that several instances open.
trait Store {
    fn open(&self) -> Box<dyn Backend>;
}

impl Store for MemoryBackend {
    fn open(&self) -> Box<dyn Backend> {
        Box::new(self.beside())
    }
}

impl Store for Folder {
    fn open(&self) -> Box<dyn Backend> {
        Box::new(SqliteBackend::open(self.store()).expect("a store"))
    }
}

macro_rules! on_every_backend {
    ($($name:ident)*) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&super::MemoryBackend::new()); })*
        }
        mod sqlite {
            $(#[test] fn $name() { super::$name(&super::Folder::new()); })*
        }
    };
}

on_every_backend! {
    a_run_is_read_back_as_it_was_written
    rows_have_no_gap
    events_have_no_gap_and_refuse_the_whole_batch
    a_failed_write_fails_the_later_ones
    a_snapshot_cuts_the_journal
    a_refused_batch_leaves_nothing
    only_the_holder_writes
    a_closed_owner_leaves_its_runs
    a_claim_fences_off_the_former_lease
    an_end_closes_everything
    the_first_answer_wins
    an_answer_beats_an_expiry
    a_refused_answer_is_asked_again
    mail_is_kept_until_it_is_taken
    letters_are_deduplicated
    a_full_mailbox_refuses_all_but_a_wake
    letters_go_with_their_batch
    runs_are_listed_in_pages
    inputs_are_listed_in_pages
    purged_runs_are_gone
    shared_results_are_kept_and_replaced
    watchers_hear_of_mail
    a_new_watcher_hears_that_a_holder_left
    concurrent_writers_keep_the_order_of_each_run
    odd_ids_and_large_values_are_kept
    a_closed_backend_says_so
    a_backend_may_be_let_go_within_a_receipt
}

fn a_run_is_read_back_as_it_was_written(store: &dyn Store) {
    let backend = store.open();
    let mut first = creation("a");
    first.rows = vec![row(1), row(2)];
    first.events = vec![event(1)];
    first.inputs = vec![question(7)];
    first.due = Some(Due::At(Time(99)));
    first.status = Some(StatusChange::Waiting);
    write(&*backend, first).unwrap();
    let stored = backend.load("a").unwrap();
    assert_eq!(numbers(&stored), [1, 2]);
    assert_eq!(stored.rows[1].data, b"row 2");
    assert_eq!((stored.start.as_str(), stored.last_seq), ("{\"topic\":\"pirates\"}", 1));
    assert_eq!(stored.snapshot, None);
    let record = backend.run("a").unwrap().unwrap();
    assert_eq!(record, stored.record);
    assert_eq!((record.status, record.due, record.holder), (RunStatus::Waiting, Some(Time(99)), Holder::Me));
    assert_eq!(backend.events("a", 0, 10).unwrap(), [event(1)]);
    assert_eq!(backend.inputs(&InputFilter::default(), None, 9).unwrap()[0].status, InputStatus::Pending);
    assert!(matches!(write(&*backend, creation("a")), Err(WriteError::RunExists { .. })));
    // Somebody else's wish for the same id does no harm to the run.
    write(&*backend, rows("a", 1, [3])).unwrap();
    assert!(matches!(backend.load("b"), Err(LoadError::UnknownRun { .. })));
    assert!(matches!(write(&*backend, rows("b", 1, [1])), Err(WriteError::UnknownRun { .. })));
}

fn rows_have_no_gap(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    write(&*backend, rows("a", 1, 1..=3)).unwrap();
    let gap = write(&*backend, rows("a", 1, [5]));
    assert!(matches!(gap, Err(WriteError::RowGap { expected: 4, found: 5, .. })), "{gap:?}");
    let fence = claim(&*backend, "a").unwrap();
    let inner = write(&*backend, rows("a", fence, [4, 6]));
    assert!(matches!(inner, Err(WriteError::RowGap { expected: 5, found: 6, .. })), "{inner:?}");
    assert_eq!(numbers(&backend.load("a").unwrap()), [1, 2, 3]);
}

fn events_have_no_gap_and_refuse_the_whole_batch(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    let mut both = rows("a", 1, [1]);
    both.events = vec![event(2)];
    assert!(matches!(write(&*backend, both), Err(WriteError::EventGap { expected: 1, found: 2, .. })));
    assert_eq!(numbers(&backend.load("a").unwrap()), [0; 0]);
    let fence = claim(&*backend, "a").unwrap();
    for n in 1..=3 {
        write(&*backend, Batch { events: vec![event(2 * n - 1), event(2 * n)], ..rows("a", fence, [n]) }).unwrap();
    }
    let seqs = |events: Vec<StreamRow>| events.iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(seqs(backend.events("a", 2, 3).unwrap()), [3, 4, 5]);
    assert_eq!(seqs(backend.events("a", 6, 3).unwrap()), [0; 0]);
}

fn a_failed_write_fails_the_later_ones(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    create(&*backend, "b");
    let results = Arc::new(Mutex::new(Vec::new()));
    // Queued without waiting, so that a backend may put them into one transaction.
    for numbers in [1..=1, 3..=3, 2..=2] {
        let results = results.clone();
        backend.write(rows("a", 1, numbers), Done::new(move |result| results.lock().unwrap().push(result)));
    }
    write(&*backend, rows("b", 1, [1])).unwrap();
    let late = write(&*backend, batch("a", 1));
    let results = results.lock().unwrap();
    assert!(results[0].is_ok());
    assert!(matches!(results[1], Err(WriteError::RowGap { .. })));
    assert!(matches!(results[2], Err(WriteError::Stopped { .. })), "{:?}", results[2]);
    assert!(matches!(late, Err(WriteError::Stopped { .. })));
    let fence = claim(&*backend, "a").unwrap();
    write(&*backend, rows("a", fence, [2])).unwrap();
    assert_eq!(numbers(&backend.load("a").unwrap()), [1, 2]);
}

fn a_snapshot_cuts_the_journal(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    create(&*backend, "b");
    // More than is noted at a time, and mixed with another run's.
    let mut last = 0;
    for round in 0..40 {
        let next = last + 150;
        write(&*backend, rows("a", 1, last + 1..=next)).unwrap();
        write(&*backend, rows("b", 1, last + 1..=next)).unwrap();
        last = next;
        if round % 3 == 0 {
            let covers = last - 10;
            let snapshot = SnapshotRow { covers, data: format!("{covers}").into_bytes() };
            let cut = Batch { snapshot: Some(Box::new(snapshot.clone())), ..batch("a", 1) };
            write(&*backend, cut).unwrap();
            let stored = backend.load("a").unwrap();
            assert_eq!(numbers(&stored), (covers + 1..=last).collect::<Vec<_>>());
            assert_eq!(stored.snapshot, Some(snapshot));
        }
    }
    assert_eq!(numbers(&backend.load("b").unwrap()), (1..=last).collect::<Vec<_>>());
    // With rows of its own batch, and all of them.
    let snapshot = SnapshotRow { covers: last + 2, data: b"all".to_vec() };
    let all = Batch { snapshot: Some(Box::new(snapshot)), ..rows("a", 1, [last + 1, last + 2]) };
    write(&*backend, all).unwrap();
    backend.close().unwrap();
    let backend = store.open();
    assert_eq!(numbers(&backend.load("a").unwrap()), [0; 0]);
    let fence = claim(&*backend, "a").unwrap();
    write(&*backend, rows("a", fence, [last + 3])).unwrap();
    assert_eq!(numbers(&backend.load("a").unwrap()), [last + 3]);
    let back = SnapshotRow { covers: 5, data: Vec::new() };
    let bad = write(&*backend, Batch { snapshot: Some(Box::new(back)), ..batch("a", fence) });
    assert!(matches!(bad, Err(WriteError::BadSnapshot { covers: 5, .. })), "{bad:?}");
}

fn a_refused_batch_leaves_nothing(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    write(&*backend, Batch { inputs: vec![question(1)], ..rows("a", 1, [1]) }).unwrap();
    backend.send(letter("a", "1", None)).unwrap();
    let mail = backend.mail("a", 0).unwrap()[0].id;
    let before = (backend.load("a").unwrap(), backend.mail("a", 0).unwrap());
    let refused = Batch {
        inputs: vec![InputChange::Withdrawn { input: 1 }, question(2), question(2)],
        events: vec![event(1)],
        taken: vec![mail],
        due: Some(Due::At(Time(1))),
        status: Some(StatusChange::Waiting),
        ..rows("a", 1, [2])
    };
    assert!(matches!(write(&*backend, refused), Err(WriteError::InputExists { input: 2, .. })));
    assert_eq!((backend.load("a").unwrap(), backend.mail("a", 0).unwrap()), before);
    let inputs = backend.inputs(&InputFilter { pending: true, ..InputFilter::default() }, None, 9).unwrap();
    assert_eq!(inputs.iter().map(|input| input.asked.input).collect::<Vec<_>>(), [1]);
}

fn only_the_holder_writes(store: &dyn Store) {
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

fn a_closed_owner_leaves_its_runs(store: &dyn Store) {
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

fn a_claim_fences_off_the_former_lease(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    let fence = claim(&*backend, "a").unwrap();
    let late = write(&*backend, rows("a", 1, [1]));
    assert!(matches!(late, Err(WriteError::FencedOff { fence: 1, current: 2, .. })), "{late:?}");
    write(&*backend, rows("a", fence, [1])).unwrap();
}

fn an_end_closes_everything(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    write(&*backend, Batch { inputs: vec![question(1)], due: Some(Due::At(Time(9))), ..rows("a", 1, [1]) }).unwrap();
    backend.send(letter("a", "1", None)).unwrap();
    let end = StatusChange::Completed { result: "\"done\"".to_owned(), failures: 0 };
    write(&*backend, Batch { status: Some(end), events: vec![event(1)], ..rows("a", 1, [2]) }).unwrap();
    let record = backend.run("a").unwrap().unwrap();
    assert_eq!((record.status, record.due, record.holder), (RunStatus::Completed, None, Holder::Nobody));
    assert_eq!(record.result.as_deref(), Some("\"done\""));
    assert!(backend.mail("a", 0).unwrap().is_empty());
    let conflict = backend.answer(answer("a", 1, "eve")).unwrap_err();
    assert!(
        matches!(&conflict, AnswerError::Conflict { status, .. } if matches!(**status, InputStatus::Withdrawn { .. }))
    );
    assert!(matches!(backend.send(letter("a", "2", None)), Err(SendError::Ended { .. })));
    assert!(matches!(write(&*backend, rows("a", 1, [3])), Err(WriteError::Ended { .. })));
    assert!(matches!(claim(&*backend, "a"), Err(ClaimError::Ended { .. })));
    assert_eq!(backend.events("a", 0, 9).unwrap().len(), 1);
    assert_eq!(record.failures, 0);
    create(&*backend, "b");
    let end = StatusChange::Completed { result: "1".to_owned(), failures: 3 };
    write(&*backend, Batch { status: Some(end), ..rows("b", 1, [1]) }).unwrap();
    let record = store.open().run("b").unwrap().unwrap();
    assert_eq!((record.status, record.failures), (RunStatus::CompletedWithFailures, 3));
}

fn the_first_answer_wins(store: &dyn Store) {
    let (mine, other) = (store.open(), store.open());
    create(&*mine, "a");
    write(&*mine, Batch { inputs: vec![question(1), question(2)], ..batch("a", 1) }).unwrap();
    other.answer(answer("a", 1, "ada")).unwrap();
    let second = mine.answer(answer("a", 1, "bob")).unwrap_err();
    assert!(second.to_string().contains("already answered by ada"), "{second}");
    assert!(matches!(mine.answer(answer("a", 9, "bob")), Err(AnswerError::UnknownInput { input: 9, .. })));
    let mail = mine.mail("a", 0).unwrap();
    assert_eq!(mail.len(), 1);
    assert_eq!((mail[0].kind, mail[0].json.as_str()), (MailKind::Answer { input: 1 }, "\"yes\""));
    assert_eq!(mine.mailed().unwrap(), [id("a")]);
    assert!(other.mailed().unwrap().is_empty());
    // What the run itself says of it later changes nothing.
    let own = InputChange::Answered { input: 1, answer: "\"no\"".to_owned(), by: None };
    let took =
        Batch { inputs: vec![own, InputChange::Withdrawn { input: 1 }], taken: vec![mail[0].id], ..rows("a", 1, [1]) };
    write(&*mine, took).unwrap();
    let kept = &mine.inputs(&InputFilter { input: Some(1), ..InputFilter::default() }, None, 9).unwrap()[0];
    assert!(matches!(&kept.status, InputStatus::Answered { by: Some(by), at: Time(2000), .. } if by == "ada"));
    assert!(mine.mailed().unwrap().is_empty());
}

fn an_answer_beats_an_expiry(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    write(&*backend, Batch { inputs: vec![question(1), question(2)], ..batch("a", 1) }).unwrap();
    write(&*backend, Batch { inputs: vec![InputChange::Expired { input: 2 }], ..batch("a", 1) }).unwrap();
    let late = backend.answer(answer("a", 2, "ada")).unwrap_err();
    assert!(late.to_string().contains("has expired"), "{late}");
    backend.answer(answer("a", 1, "ada")).unwrap();
    let expiry = Batch { inputs: vec![InputChange::Expired { input: 1 }], ..rows("a", 1, [1]) };
    assert!(matches!(write(&*backend, expiry), Err(WriteError::AnsweredBefore { input: 1, .. })));
    assert!(backend.load("a").unwrap().rows.is_empty());
    assert_eq!(backend.mail("a", 0).unwrap().len(), 1);
}

fn a_refused_answer_is_asked_again(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    write(&*backend, Batch { inputs: vec![question(1), question(2)], ..batch("a", 1) }).unwrap();
    backend.answer(answer("a", 1, "ada")).unwrap();
    let mail = backend.mail("a", 0).unwrap();
    let reopened = vec![InputChange::Reopened { input: 1 }, InputChange::Reopened { input: 9 }];
    write(&*backend, Batch { inputs: reopened, taken: vec![mail[0].id], ..batch("a", 1) }).unwrap();
    let one = InputFilter { input: Some(1), pending: true, ..InputFilter::default() };
    assert_eq!(backend.inputs(&one, None, 9).unwrap()[0].status, InputStatus::Pending);
    backend.answer(answer("a", 1, "bob")).unwrap();
    assert_eq!(backend.mail("a", 0).unwrap().len(), 1);
    // What is not answered stays as it is.
    let closed = vec![InputChange::Withdrawn { input: 2 }, InputChange::Reopened { input: 2 }];
    write(&*backend, Batch { inputs: closed, ..batch("a", 1) }).unwrap();
    let kept = backend.inputs(&InputFilter::default(), None, 9).unwrap();
    assert!(matches!(&kept[0].status, InputStatus::Answered { by: Some(by), .. } if by == "bob"));
    assert!(matches!(kept[1].status, InputStatus::Withdrawn { .. }));
}

fn mail_is_kept_until_it_is_taken(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    for text in ["1", "2", "3"] {
        backend.send(letter("a", text, None)).unwrap();
    }
    let mail = backend.mail("a", 0).unwrap();
    assert_eq!(mail.iter().map(|mail| mail.json.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    write(&*backend, Batch { taken: vec![mail[0].id, mail[1].id], ..rows("a", 1, [1]) }).unwrap();
    assert_eq!(backend.mail("a", 0).unwrap(), mail[2..]);
    backend.send(letter("a", "4", None)).unwrap();
    assert_eq!(backend.mail("a", mail[2].id).unwrap().len(), 1);
    assert!(matches!(backend.send(letter("x", "1", None)), Err(SendError::UnknownRun { .. })));
}

fn letters_are_deduplicated(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    create(&*backend, "b");
    let Sent::New(first) = backend.send(letter("a", "1", Some("k"))).unwrap() else { panic!("a new letter") };
    assert_eq!(backend.send(letter("a", "1", Some("k"))).unwrap(), Sent::Duplicate);
    assert!(matches!(backend.send(letter("b", "1", Some("k"))).unwrap(), Sent::New(_)));
    write(&*backend, Batch { taken: vec![first], ..rows("a", 1, [1]) }).unwrap();
    assert_eq!(backend.send(letter("a", "1", Some("k"))).unwrap(), Sent::Duplicate);
    assert!(backend.mail("a", 0).unwrap().is_empty());
    // Not for ever: so much is remembered, and no more.
    let mut fill = Vec::new();
    let mut last = 0;
    for n in 0..REMEMBERED_IDS {
        let Sent::New(id) = backend.send(letter("b", "1", Some(&n.to_string()))).unwrap() else { panic!("new") };
        fill.push(id);
        last = id;
        if n == 0 {
            continue;
        }
        if fill.len() == 64 {
            write(&*backend, Batch { taken: std::mem::take(&mut fill), ..batch("b", 1) }).unwrap();
        }
    }
    assert!(last > 0);
    let rest: Vec<u64> = backend.mail("b", 0).unwrap().iter().map(|mail| mail.id).collect();
    write(&*backend, Batch { taken: rest, ..batch("b", 1) }).unwrap();
    assert_eq!(backend.send(letter("b", "1", Some("1023"))).unwrap(), Sent::Duplicate);
    let again = backend.send(letter("b", "1", Some("0"))).unwrap();
    assert!(matches!(again, Sent::New(_)), "the oldest is forgotten");
}

fn a_full_mailbox_refuses_all_but_a_wake(store: &dyn Store) {
    let backend: Arc<dyn Backend> = store.open().into();
    create(&*backend, "a");
    // From several threads, so that a durable backend groups them.
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                for _ in 0..MAILBOX_LIMIT / 50 {
                    backend.send(letter("a", "1", None)).unwrap();
                }
            });
        }
    });
    let full = backend.send(letter("a", "1", None));
    assert!(matches!(full, Err(SendError::MailboxFull { limit: MAILBOX_LIMIT, .. })), "{full:?}");
    // Of what a batch sends, the event is dropped and the wake is not.
    create(&*backend, "child");
    let letters = vec![letter("a", "2", None), Letter::wake(id("a"), Time(6))];
    write(&*backend, Batch { letters, ..rows("child", 1, [1]) }).unwrap();
    let mail = backend.mail("a", 0).unwrap();
    assert_eq!(mail.len(), MAILBOX_LIMIT + 1);
    assert!(matches!(mail.last(), Some(Mail { kind: MailKind::Wake, at: Time(6), .. })), "{:?}", mail.last());
}

fn letters_go_with_their_batch(store: &dyn Store) {
    let (mine, other) = (store.open(), store.open());
    for run in ["child", "ended"] {
        create(&*mine, run);
    }
    create(&*other, "parent");
    let end = || StatusChange::Completed { result: "1".to_owned(), failures: 0 };
    write(&*mine, Batch { status: Some(end()), ..batch("ended", 1) }).unwrap();
    let listen = |backend: &dyn Backend| {
        let (told, heard) = std::sync::mpsc::channel();
        let told = Mutex::new(told);
        backend.watch(Arc::new(move |notice| drop(told.lock().unwrap().send(notice))));
        heard
    };
    let (here, there) = (listen(&*mine), listen(&*other));
    let letters = || vec![letter("parent", "1", Some("k")), letter("ended", "2", None), Letter::wake(id("x"), Time(1))];

    // A batch that is refused sends nothing.
    let refused = Batch { letters: letters(), events: vec![event(7)], ..rows("child", 1, [1]) };
    assert!(matches!(write(&*mine, refused), Err(WriteError::EventGap { .. })));
    let fence = claim(&*mine, "child").unwrap();
    assert!(other.mail("parent", 0).unwrap().is_empty());

    // One that is written sends once what its id allows, and only to runs that are there.
    write(&*mine, Batch { letters: letters(), ..rows("child", fence, [1]) }).unwrap();
    write(&*mine, Batch { letters: letters(), ..rows("child", fence, [2]) }).unwrap();
    let wake = vec![Letter::wake(id("parent"), Time(9))];
    write(&*mine, Batch { letters: wake, status: Some(end()), ..rows("child", fence, [3]) }).unwrap();
    let mail = other.mail("parent", 0).unwrap();
    let read: Vec<(MailKind, &str)> = mail.iter().map(|mail| (mail.kind, mail.json.as_str())).collect();
    assert_eq!(read, [(MailKind::Event, "1"), (MailKind::Wake, "null")]);
    assert_eq!(mine.run("child").unwrap().unwrap().status, RunStatus::Completed);
    assert_eq!(other.mailed().unwrap(), [id("parent")]);
    assert!(mine.mailed().unwrap().is_empty());

    // The sender's own instance hears of the run, the other one that there is something.
    let bound = std::time::Duration::from_secs(30);
    for _ in 0..2 {
        while here.recv_timeout(bound).expect("a notice") != Notice::Mail(id("parent")) {}
    }
    while there.recv_timeout(bound).expect("a notice") != Notice::Elsewhere {}
}

fn runs_are_listed_in_pages(store: &dyn Store) {
    let backend = store.open();
    for n in 0..10 {
        let mut batch = creation(&format!("r{n}"));
        if let Some(new) = &mut batch.created {
            new.workflow = if n % 2 == 0 { "Even".to_owned() } else { "Odd".to_owned() };
            new.parent = (n == 9).then(|| id("r0"));
        }
        batch.due = (n > 5).then_some(Due::At(Time(n)));
        batch.status = (n == 3).then_some(StatusChange::Failed { error: "\"bad\"".to_owned() });
        batch.release = n == 8;
        write(&*backend, batch).unwrap();
    }
    let names = |filter: RunFilter, after, limit| {
        let runs = backend.runs(&filter, after, limit).unwrap();
        (runs.iter().map(|run| run.run.to_string()).collect::<Vec<_>>(), runs.last().map(|run| run.cursor))
    };
    let all = RunFilter::default;
    let (page, cursor) = names(all(), None, 4);
    assert_eq!(page, ["r9", "r8", "r7", "r6"]);
    assert_eq!(names(all(), cursor, 3).0, ["r5", "r4", "r3"]);
    assert_eq!(names(RunFilter { workflow: Some("Even".to_owned()), ..all() }, None, 2).0, ["r8", "r6"]);
    assert_eq!(names(RunFilter { parent: Some(id("r0")), ..all() }, None, 9).0, ["r9"]);
    assert_eq!(names(RunFilter { statuses: vec![RunStatus::Failed], ..all() }, None, 9).0, ["r3"]);
    assert_eq!(names(RunFilter { due_by: Some(Time(7)), ..all() }, None, 9).0, ["r7", "r6"]);
    assert_eq!(names(RunFilter { unclaimed: true, ..all() }, None, 9).0, ["r8"]);
    backend.send(letter("r2", "1", None)).unwrap();
    assert_eq!(names(RunFilter { mailed: true, ..all() }, None, 9).0, ["r2"]);
}

fn inputs_are_listed_in_pages(store: &dyn Store) {
    let backend = store.open();
    for run in ["a", "b"] {
        create(&*backend, run);
        write(&*backend, Batch { inputs: (1..=3).map(question).collect(), ..batch(run, 1) }).unwrap();
    }
    backend.answer(answer("a", 2, "ada")).unwrap();
    let list = |filter: InputFilter, after, limit| {
        let inputs = backend.inputs(&filter, after, limit).unwrap();
        let names: Vec<String> = inputs.iter().map(|input| format!("{}{}", input.run, input.asked.input)).collect();
        (names, inputs.last().map(|input| input.cursor))
    };
    let all = InputFilter::default;
    let (page, cursor) = list(all(), None, 4);
    assert_eq!(page, ["a1", "a2", "a3", "b1"]);
    assert_eq!(list(all(), cursor, 9).0, ["b2", "b3"]);
    assert_eq!(list(InputFilter { pending: true, ..all() }, None, 9).0, ["a1", "a3", "b1", "b2", "b3"]);
    assert_eq!(list(InputFilter { run: Some(id("b")), ..all() }, None, 9).0, ["b1", "b2", "b3"]);
    assert_eq!(list(InputFilter { workflow: Some("None".to_owned()), ..all() }, None, 9).0, [""; 0]);
}

fn purged_runs_are_gone(store: &dyn Store) {
    let backend = store.open();
    for n in 0..6 {
        let run = format!("r{n}");
        create(&*backend, &run);
        let end = StatusChange::Cancelled { error: "null".to_owned() };
        let status = (n < 4).then_some(end);
        let at = Time(100 * n);
        let full = Batch { at, status, inputs: vec![question(1)], events: vec![event(1)], ..rows(&run, 1, 1..=5) };
        write(&*backend, full).unwrap();
    }
    assert!(matches!(backend.purge("r5"), Err(PurgeError::Held { .. })));
    assert!(matches!(backend.purge("x"), Err(PurgeError::UnknownRun { .. })));
    backend.purge("r3").unwrap();
    assert_eq!(backend.purge_ended(Time(200), 9).unwrap(), 2);
    let left: BTreeSet<String> =
        backend.runs(&RunFilter::default(), None, 9).unwrap().iter().map(|run| run.run.to_string()).collect();
    assert_eq!(left, ["r2", "r4", "r5"].map(str::to_owned).into());
    assert!(matches!(backend.load("r0"), Err(LoadError::UnknownRun { .. })));
    assert_eq!(backend.inputs(&InputFilter::default(), None, 9).unwrap().len(), 3);
    // Its id may be used again, and finds nothing of before.
    create(&*backend, "r0");
    write(&*backend, Batch { events: vec![event(1)], ..rows("r0", 1, [1]) }).unwrap();
    assert_eq!(numbers(&backend.load("r0").unwrap()), [1]);
    assert_eq!(numbers(&backend.load("r4").unwrap()), [1, 2, 3, 4, 5]);
}

fn shared_results_are_kept_and_replaced(store: &dyn Store) {
    let (mine, other) = (store.open(), store.open());
    let row = |key: &str, json: &str, at: u64| CacheRow {
        key: key.to_owned(),
        workflow: "Flow".to_owned(),
        namespace: "v2".to_owned(),
        run: format!("run {at}"),
        json: json.to_owned(),
        at: Time(at),
    };
    assert_eq!(mine.cache_get("a").unwrap(), None);
    mine.cache_put(row("a", "1", 100)).unwrap();
    mine.cache_put(row("b", "{\"text\":\"\u{0} é\"}", 200)).unwrap();
    // Whoever opens the store sees them, and one key has one result.
    assert_eq!(other.cache_get("a").unwrap(), Some(row("a", "1", 100)));
    other.cache_put(row("a", "2", 300)).unwrap();
    assert_eq!(mine.cache_get("a").unwrap(), Some(row("a", "2", 300)));
    // They belong to no run: purging runs leaves them.
    create(&*mine, "r");
    write(&*mine, Batch { status: Some(StatusChange::Cancelled { error: "null".to_owned() }), ..batch("r", 1) })
        .unwrap();
    mine.purge("r").unwrap();
    assert_eq!(mine.cache_get("b").unwrap(), Some(row("b", "{\"text\":\"\u{0} é\"}", 200)));
    mine.cache_put(row("c", "3", 299)).unwrap();
    assert_eq!(mine.cache_purge(Time(200), 9).unwrap(), 0, "only what is older");
    assert_eq!(mine.cache_purge(Time(300), 1).unwrap(), 1);
    assert_eq!(mine.cache_purge(Time(300), 9).unwrap(), 1);
    let left: Vec<_> = ["a", "b", "c"].into_iter().filter(|key| other.cache_get(key).unwrap().is_some()).collect();
    assert_eq!(left, ["a"]);
    other.close().unwrap();
    assert!(matches!(other.cache_get("a"), Err(StorageError::Closed)));
    assert!(matches!(other.cache_put(row("a", "2", 300)), Err(StorageError::Closed)));
    assert!(matches!(other.cache_purge(Time(300), 1), Err(StorageError::Closed)));
    drop(mine);
    assert_eq!(store.open().cache_get("a").unwrap(), Some(row("a", "2", 300)));
}

fn watchers_hear_of_mail(store: &dyn Store) {
    let (mine, other) = (store.open(), store.open());
    create(&*mine, "a");
    let (told, heard) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    mine.watch(Arc::new(move |notice| drop(told.lock().unwrap().send(notice))));
    let wait_for = |wanted: Notice| {
        let bound = std::time::Duration::from_secs(30);
        while heard.recv_timeout(bound).expect("a notice") != wanted {}
    };
    mine.send(letter("a", "1", None)).unwrap();
    wait_for(Notice::Mail(id("a")));
    other.send(letter("a", "2", None)).unwrap();
    wait_for(Notice::Elsewhere);
    assert_eq!(mine.mail("a", 0).unwrap().len(), 2);
    create(&*other, "b");
    wait_for(Notice::Elsewhere);
    drop(other);
    if matches!(mine.run("b").unwrap().unwrap().holder, Holder::Other) {
        wait_for(Notice::Unclaimed);
    }
    assert_eq!(claim(&*mine, "b").unwrap(), 2);
}

fn a_new_watcher_hears_that_a_holder_left(store: &dyn Store) {
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

fn concurrent_writers_keep_the_order_of_each_run(store: &dyn Store) {
    let backends: [Arc<dyn Backend>; 2] = [store.open().into(), store.open().into()];
    std::thread::scope(|scope| {
        for n in 0..8 {
            let backend = backends[n % 2].clone();
            scope.spawn(move || {
                let run = format!("r{n}");
                create(&*backend, &run);
                for k in 1..=50 {
                    backend.write(rows(&run, 1, [2 * k - 1]), Done::new(|result| result.unwrap()));
                    write(&*backend, Batch { events: vec![event(k)], ..rows(&run, 1, [2 * k]) }).unwrap();
                }
            });
        }
    });
    for n in 0..8 {
        let stored = backends[0].load(&format!("r{n}")).unwrap();
        assert_eq!((numbers(&stored), stored.last_seq), ((1..=100).collect(), 50));
    }
}

fn odd_ids_and_large_values_are_kept(store: &dyn Store) {
    let backend = store.open();
    let large = "x".repeat(10 << 20);
    for run in ["../../etc/passwd", "a/b\\c", "", "'; DROP TABLE runs; --", "é\u{0}\n", &"long".repeat(1000)] {
        let mut new = creation(run);
        if let Some(new) = &mut new.created {
            new.start = format!("\"{large}\"");
        }
        new.rows = vec![JournalRow { n: 1, data: large.clone().into_bytes() }];
        write(&*backend, new).unwrap();
        let stored = backend.load(run).unwrap();
        assert_eq!(
            (&*stored.record.run, stored.start.len(), stored.rows[0].data.len()),
            (run, (10 << 20) + 2, 10 << 20)
        );
    }
}

fn a_closed_backend_says_so(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    backend.close().unwrap();
    assert!(matches!(write(&*backend, rows("a", 1, [1])), Err(WriteError::Storage(StorageError::Closed))));
    assert!(matches!(backend.load("a"), Err(LoadError::Storage(StorageError::Closed))));
    assert!(matches!(claim(&*backend, "a"), Err(ClaimError::Storage(StorageError::Closed))));
    assert!(matches!(backend.close(), Err(StorageError::Closed)));
    assert_eq!(claim(&*store.open(), "a").unwrap(), 2);
}

fn a_backend_may_be_let_go_within_a_receipt(store: &dyn Store) {
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
    backend.write(rows("a", 1, [1]), done);
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
