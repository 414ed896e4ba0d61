//! What is listed, shared and removed.

use std::collections::BTreeSet;

use stepcast_core::backend::*;
use stepcast_core::engine::Time;

use crate::Store;
use crate::support::*;

pub(crate) fn runs_are_listed_in_pages(store: &dyn Store) {
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

pub(crate) fn purged_runs_are_gone(store: &dyn Store) {
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

pub(crate) fn runs_share_their_definitions(store: &dyn Store) {
    let (mine, other) = (store.open(), store.open());
    let defined = |run: &str, hash: &str, json: &str| {
        let mut batch = creation(run);
        if let Some(new) = &mut batch.created {
            new.definition = Some(Definition { hash: id(hash), json: id(json) });
        }
        Batch { status: Some(StatusChange::Cancelled { error: "null".to_owned() }), ..batch }
    };
    write(&*mine, defined("a", "h1", "{\"id\":\"first\"}")).unwrap();
    write(&*mine, defined("b", "h2", "{\"id\":\"é\"}")).unwrap();
    write(&*other, defined("c", "h1", "{\"id\":\"first\"}")).unwrap();
    create(&*mine, "plain");
    // A run that is refused leaves nothing behind.
    assert!(matches!(write(&*mine, defined("a", "h3", "3")), Err(WriteError::RunExists { .. })));
    assert_eq!(mine.definition("h3").unwrap(), None);

    let of = |run: &str| other.run(run).unwrap().unwrap().definition;
    assert_eq!((of("a"), of("b"), of("c"), of("plain")), (Some(id("h1")), Some(id("h2")), Some(id("h1")), None));
    let listed: Vec<_> = mine.runs(&RunFilter::default(), None, 9).unwrap();
    let listed: Vec<_> = listed.into_iter().map(|run| run.definition).collect();
    assert_eq!(listed, [None, Some(id("h1")), Some(id("h2")), Some(id("h1"))]);
    assert_eq!(other.load("b").unwrap().record.definition, Some(id("h2")));
    assert_eq!(other.definition("h1").unwrap(), Some(id("{\"id\":\"first\"}")));
    assert_eq!(mine.definition("h2").unwrap(), Some(id("{\"id\":\"é\"}")));

    // It goes with the last run, and comes again with the next.
    mine.purge("a").unwrap();
    assert!(mine.definition("h1").unwrap().is_some());
    assert_eq!(other.purge_ended(Time(9_999), 9).unwrap(), 2);
    assert_eq!((mine.definition("h1").unwrap(), mine.definition("h2").unwrap()), (None, None));
    write(&*mine, defined("d", "h1", "1")).unwrap();
    assert_eq!(other.definition("h1").unwrap(), Some(id("1")));
    drop((mine, other));
    let again = store.open();
    assert_eq!(again.definition("h1").unwrap(), Some(id("1")));
    again.close().unwrap();
    assert!(matches!(again.definition("h1"), Err(StorageError::Closed)));
}

pub(crate) fn shared_results_are_kept_and_replaced(store: &dyn Store) {
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
