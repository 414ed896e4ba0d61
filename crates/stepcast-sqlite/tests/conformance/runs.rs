//! Runs, their journals and streams: what is written is read back, in one piece, in order and without a gap.

use std::sync::{Arc, Mutex};

use stepcast_core::backend::*;
use stepcast_core::engine::Time;

use crate::Store;
use crate::support::*;

pub(crate) fn a_run_is_read_back_as_it_was_written(store: &dyn Store) {
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

pub(crate) fn rows_have_no_gap(store: &dyn Store) {
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

pub(crate) fn events_have_no_gap_and_refuse_the_whole_batch(store: &dyn Store) {
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
    assert_eq!(backend.last_seq("a").unwrap(), 6);
    assert!(matches!(backend.last_seq("b"), Err(LoadError::UnknownRun { .. })));
}

pub(crate) fn a_failed_write_fails_the_later_ones(store: &dyn Store) {
    let backend = store.open();
    create(&*backend, "a");
    create(&*backend, "b");
    let results = Arc::new(Mutex::new(Vec::new()));
    // Queued without waiting, so that a backend may put them into one transaction.
    for numbers in [1..=1, 3..=3, 2..=2] {
        let results = results.clone();
        backend.write(Box::new(rows("a", 1, numbers)), Done::new(move |result| results.lock().unwrap().push(result)));
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

pub(crate) fn a_snapshot_cuts_the_journal(store: &dyn Store) {
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

pub(crate) fn a_refused_batch_leaves_nothing(store: &dyn Store) {
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

pub(crate) fn an_end_closes_everything(store: &dyn Store) {
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

pub(crate) fn concurrent_writers_keep_the_order_of_each_run(store: &dyn Store) {
    let backends: [Arc<dyn Backend>; 2] = [store.open().into(), store.open().into()];
    std::thread::scope(|scope| {
        for n in 0..8 {
            let backend = backends[n % 2].clone();
            scope.spawn(move || {
                let run = format!("r{n}");
                create(&*backend, &run);
                for k in 1..=50 {
                    backend.write(Box::new(rows(&run, 1, [2 * k - 1])), Done::new(|result| result.unwrap()));
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

pub(crate) fn odd_ids_and_large_values_are_kept(store: &dyn Store) {
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
