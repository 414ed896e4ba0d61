//! What is marked as secret is in no document. The workflow is linked into this test, which is a binary of its own.

use stepcast::prelude::*;
use stepcast_cli::{Exit, run_from};

use crate::store::Store;

#[event(start)]
struct Login {
    user: String,
    #[event(secret)]
    password: String,
}

#[event]
struct Seen {
    user: String,
    #[event(secret)]
    token: String,
}

#[event(stop)]
struct Session {
    user: String,
    #[event(secret)]
    cookie: String,
}

#[step(streams(Seen))]
async fn check(login: Login, ctx: Context) -> Result<Session> {
    ctx.write_event_to_stream(Seen { user: login.user.clone(), token: login.password.clone() });
    Ok(Session { user: login.user, cookie: login.password })
}

flow!(LoginFlow: Login => Session { check }, name = "login");

#[test]
fn secrets_are_in_no_document() {
    let store = Store::empty();
    let file = store.file();
    let run = |args: &[&str]| run_from(["test", "--store", file.to_str().unwrap()].iter().chain(args).copied());
    assert_eq!(run(&["run", "login", "--arg", "user=ada", "--arg", "password=hunter2"]), Exit::Completed);
    for (name, args) in [
        ("a.html", &["report", "latest", "-o"][..]),
        ("a.md", &["report", "latest", "--markdown", "-o"]),
        ("a.json", &["export", "latest", "--perfetto", "-o"]),
        ("a.svg", &["graph", "--run", "latest", "--svg", "-o"]),
    ] {
        let path = store.path(name);
        assert_eq!(run(&[args, &[path.to_str().unwrap()]].concat()), Exit::Completed, "{name}");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(!text.contains("hunter2"), "{name}: {text}");
        assert!(name == "a.svg" || text.contains("ada"), "{name}: {text}");
    }
}
