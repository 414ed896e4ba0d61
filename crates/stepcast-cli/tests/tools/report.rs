use serde_json::json;

use crate::store::{Store, Stored, asking, broken, greeted};

fn html(store: &Store, run: &str) -> String {
    let said = store.run(&["report", run, "--html"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.out
}

/// What would be something else than text, or come from elsewhere.
fn assert_inert(page: &str) {
    for bad in ["<script", "<img", "<iframe", "<link", "onerror=", "javascript:", "src=", "url(", "@import"] {
        assert!(!page.to_lowercase().contains(bad), "{bad}");
    }
    let allowed = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!allowed.contains("http://") && !allowed.contains("https://"));
}

#[test]
fn a_page_has_everything() {
    let page = html(&Store::with([greeted("good")]), "good");
    for part in [
        "<span class=\"badge good\">completed</span>",
        "The run completed in 40ms.",
        "Hello, Ada!",
        "class=\"sc-graph\"",
        "<svg class=\"chart\"",
        "<b>write</b>",
        "<code>Draft</code>",
        "<b>Progress</b>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_inert(&page);
    let (opened, closed) = (page.matches("<td").count(), page.matches("</td>").count());
    assert_eq!(opened, closed);
}

#[test]
fn markup_in_a_run_is_text() {
    let evil = "</code><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";
    let run = Stored::of("evil<script>", evil)
        .attempt((0, 5), evil, 1, &[evil])
        .event(6, evil, json!({ evil: evil }))
        .input(7, evil, evil)
        .ends(7, stepcast::backend::StatusChange::Failed { error: json!(evil).to_string() });
    let store = Store::with([run]);
    let page = html(&store, "latest");
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let said = store.run(&["report", "latest", "--markdown"]);
    // Within code nothing is markup; outside of it nothing of it is left.
    let outside: String = said.out.split('`').step_by(2).collect();
    assert!(!outside.contains("<script") && !outside.contains("<img"), "{outside}");
}

#[test]
fn a_failed_run_says_why() {
    let page = html(&Store::with([broken("bad")]), "bad");
    assert!(page.contains("The run failed in the step <code>write</code> after 2 attempts: no network"), "{page}");
    assert!(page.contains("<li>because the cable &lt;out&gt;</li>") && page.contains("sc-failed"));
    assert_inert(&page);
}

#[test]
fn a_waiting_run_says_what_for() {
    let page = html(&Store::with([asking("open")]), "open");
    assert!(
        page.contains("waits for an answer to input 1 of <code>write</code>: May I &lt;b&gt;greet&lt;/b&gt;?"),
        "{page}"
    );
    assert!(page.contains("<span class=\"badge wait\">pending</span>"));
}

/// An answer ends the wait when the run has it, which may be long after it was given.
#[test]
fn a_run_still_waits_while_nobody_drives_it() {
    let store = Store::with([asking("open")]);
    store.answer_and_go_on("open", 30, 5_000);
    let attempt = &store.json(&["report", "open"])[0]["attempts"][0];
    assert_eq!((&attempt["end"], &attempt["busy_micros"]), (&json!("done"), &json!(1_000)), "{attempt}");
    let waited = attempt["waits"][0]["to"].as_u64().unwrap() - attempt["waits"][0]["from"].as_u64().unwrap();
    assert_eq!(waited, 4_980_000);
    assert!(html(&store, "open").contains("by Bo 2001-09-09 01:46:40Z after 10ms"));
}

#[test]
fn what_a_snapshot_took_is_said() {
    let run = Stored::of("cut", "greet").attempt((0, 5), "write", 1, &["Draft"]).snapshot();
    let run = run.attempt((5, 9), "polish", 2, &["Greeting"]);
    let store = Store::with([run]);
    for page in [html(&store, "cut"), store.run(&["report", "cut"]).out] {
        assert!(page.contains("The first 2 rows of the journal are gone"), "{page}");
    }
}

#[test]
fn a_run_of_another_binary_is_shown_without_its_graph() {
    let page = html(&Store::with([Stored::of("lost", "elsewhere")]), "lost");
    assert!(page.contains("<code>elsewhere</code> is not in the binary"), "{page}");
}

#[test]
fn markdown_is_the_form_by_itself() {
    let store = Store::with([broken("bad")]);
    let said = store.run(&["report"]);
    assert_eq!(said.out, include_str!("report.md"), "{}", said.err);
    let said = store.run(&["report", "-o", "bad.html"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), "written to bad.html\n"));
    assert!(std::fs::read_to_string(store.path("bad.html")).unwrap().starts_with("<!doctype html>"));
}

#[test]
fn runs_that_it_started_are_listed() {
    let store = Store::with([greeted("parent"), broken("parent.1").child_of("parent")]);
    assert!(html(&store, "parent").contains("<code>parent.1</code></td><td>failed</td>"));
    let said = store.run(&["report", "parent"]);
    assert!(said.out.contains("## Runs that it started\n\n| at | workflow | run | status |\n"), "{}", said.out);
    assert!(said.out.contains("| 0 | greet | `parent.1` | failed |"), "{}", said.out);
    assert!(html(&store, "parent.1").contains("<dt>child of</dt><dd>parent</dd>"));
}

#[test]
fn scripts_get_data() {
    let all = Store::with([broken("bad")]).json(&["report", "bad"]);
    assert_eq!(all[0]["attempts"][1]["error"]["causes"][0], "the cable <out>");
    assert_eq!(all[0]["run"]["status"], "failed");
}

#[test]
fn a_row_that_cannot_be_read_is_told_of() {
    let mut run = Stored::of("odd", "greet").attempt((0, 5), "write", 1, &["Draft"]);
    run = run.row(9, json!("no such kind"));
    let page = html(&Store::with([run]), "odd");
    assert!(page.contains("The row after row 2 of the journal cannot be read"), "{page}");
    assert!(page.contains("<b>write</b>"));
}
