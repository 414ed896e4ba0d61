use crate::store::Store;

#[test]
fn workflows_are_listed_with_what_they_take() {
    let store = Store::empty();
    let said = store.run(&["workflows", "greet"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "greet  Guest => Greeting\n  Greets somebody in two steps.\n  steps  write, polish\n  takes  name\n"),
        "{}",
        said.err
    );
    let all = store.json(&["workflows"]);
    let greet = all.iter().find(|flow| flow["name"] == "greet").unwrap();
    assert_eq!((&greet["start"]["event"], &greet["can_be_created"]), (&"Guest".into(), &true.into()));
    assert_eq!(store.run(&["workflows", "grete"]).code, Some(4));
}

#[test]
fn workflows_are_checked() {
    let store = Store::empty();
    let said = store.run(&["validate", "greet"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "ok     greet  2 steps\n1 workflow, 0 faults, 0 warnings\n"));
    let said = store.run(&["validate"]);
    assert_eq!(said.code, Some(0), "the demos check: {}", said.out);
    assert!(store.json(&["validate"]).iter().all(|found| found["ok"] == true));
    assert_eq!(store.run(&["validate", "grete"]).code, Some(4));
}
