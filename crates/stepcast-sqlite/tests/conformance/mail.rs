//! Letters between runs and from outside.

use std::sync::{Arc, Mutex};

use stepcast_core::backend::*;
use stepcast_core::engine::Time;

use crate::Store;
use crate::support::*;

pub(crate) fn mail_is_kept_until_it_is_taken(store: &dyn Store) {
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

pub(crate) fn letters_are_deduplicated(store: &dyn Store) {
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

pub(crate) fn a_full_mailbox_refuses_all_but_a_wake(store: &dyn Store) {
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

pub(crate) fn letters_go_with_their_batch(store: &dyn Store) {
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

pub(crate) fn watchers_hear_of_mail(store: &dyn Store) {
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
