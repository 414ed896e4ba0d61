//! Questions to people, and their answers.

use stepcast_core::backend::*;
use stepcast_core::engine::Time;

use crate::Store;
use crate::support::*;

pub(crate) fn the_first_answer_wins(store: &dyn Store) {
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

pub(crate) fn an_answer_beats_an_expiry(store: &dyn Store) {
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

pub(crate) fn a_refused_answer_is_asked_again(store: &dyn Store) {
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

pub(crate) fn inputs_are_listed_in_pages(store: &dyn Store) {
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
