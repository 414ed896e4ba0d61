use crate::store::{Store, broken, greeted};

const GREET: &str = " (Guest)
    │
    ▼
┌───────┐
│ write │
└───┬───┘
    │
    ▼
 (Draft)
    │
    ▼
┌────────┐
│ polish │
└───┬────┘
    │
    ▼
(Greeting)
";

#[test]
fn a_workflow_is_drawn_in_text() {
    let said = Store::empty().run(&["graph", "greet", "--ascii"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), GREET), "{}", said.err);
}

#[test]
fn every_form_is_written() {
    let store = Store::empty();
    for (form, first) in [("--mermaid", "flowchart TD\n"), ("--dot", "digraph \"greet\" {\n"), ("--svg", "<svg ")] {
        let said = store.run(&["graph", "greet", form]);
        assert!(said.code == Some(0) && said.out.starts_with(first), "{said:?}");
    }
    let said = store.run(&["graph", "greet", "--svg", "-o", "greet.svg"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""));
    assert!(std::fs::read_to_string(store.path("greet.svg")).unwrap().ends_with("</svg>\n"));
    assert_eq!(store.run(&["graph", "greet", "--svg", "--dot"]).code, Some(2));
}

#[test]
fn a_run_is_drawn_on_it() {
    let store = Store::with([greeted("good"), broken("bad")]);
    let said = store.run(&["graph", "--run", "bad"]);
    assert!(
        said.out.contains("┃      write      ┃\n┃ 1 run, 2 failed ┃") && said.out.contains("│ polish │"),
        "{}",
        said.out
    );
    let good = &store.json(&["graph", "--run", "good"])[0];
    assert_eq!(good["overlay"]["events"]["Draft"], 1);
    assert_eq!(good["overlay"]["steps"]["write"]["total_micros"], 20_000);
    assert_eq!(good["graph"]["name"], "greet");
}

#[test]
fn what_is_not_there_is_said() {
    let store = Store::with([crate::store::Stored::of("lost", "elsewhere")]);
    let said = store.run(&["graph", "gret"]);
    assert!(said.code == Some(4) && said.err.contains("did you mean `greet`?"), "{said:?}");
    let said = store.run(&["graph", "--run", "lost"]);
    assert!(said.code == Some(4) && said.err.contains("error[SC0102]"), "{said:?}");
    let said = store.run(&["graph", "--run", "nobody"]);
    assert!(said.code == Some(4) && said.err.contains("error[SC0030]"), "{said:?}");
    assert_eq!(store.run(&["graph"]).code, Some(2));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let said = Store::empty().run(&["graph", "greet", "-o", "no/such/folder/x.txt"]);
    assert!(said.code == Some(1) && said.err.contains("error[SC0100]"), "{said:?}");
}
