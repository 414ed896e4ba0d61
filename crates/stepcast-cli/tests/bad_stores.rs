//! Files that are no stores, or not whole: each a clear error with its code, and nothing is changed.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::Place;

const READERS: [&[&str]; 4] = [&["runs"], &["status"], &["inputs"], &["logs", "latest"]];

#[track_caller]
fn all_say(place: &Place, code: &str) {
    let before = fs::read(place.store()).unwrap();
    for args in READERS.into_iter().chain([&["run", "greet"][..]]) {
        let ran = place.run(args).exits(1);
        assert!(ran.err.starts_with(&format!("error[{code}]: ")), "{args:?} gave {ran:?}");
        assert!(ran.err.contains("help: "), "{ran:?}");
    }
    assert!(before == fs::read(place.store()).unwrap(), "the file was changed");
}

#[test]
fn a_file_of_anything_else() {
    let place = Place::new();
    fs::write(place.store(), "no database at all, but long enough to be looked at\n".repeat(100)).unwrap();
    all_say(&place, "SC0024");
}

#[test]
fn a_file_that_was_cut_off() {
    let place = Place::new();
    place.run(&["run", "greet"]).exits(0);
    let whole = fs::read(place.store()).unwrap();
    fs::write(place.store(), &whole[..whole.len() / 2]).unwrap();
    for args in READERS {
        let ran = place.run(args);
        assert!(ran.code == 1 && ran.err.starts_with("error[SC0024]"), "{args:?} gave {ran:?}");
    }
}

#[test]
fn a_file_of_a_later_version() {
    let place = Place::new();
    place.run(&["run", "greet"]).exits(0);
    rusqlite::Connection::open(place.store()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    all_say(&place, "SC0011");
}

#[test]
fn a_database_of_another_program() {
    let place = Place::new();
    let other = rusqlite::Connection::open(place.store()).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    drop(other);
    all_say(&place, "SC0012");
}

#[test]
fn a_store_that_is_a_folder() {
    let place = Place::new();
    fs::create_dir(place.store()).unwrap();
    place.run(&["runs"]).exits(1).says("error[SC0021]");
    place.run(&["run", "greet"]).exits(1).says("error[SC0021]");
}

#[test]
fn a_store_that_is_not_there_has_no_runs() {
    let place = Place::new();
    let ran = place.run(&["runs"]).exits(0);
    assert!(ran.out.starts_with("No runs yet in "), "{ran:?}");
    assert_eq!(place.run(&["inputs"]).exits(0).out, "Nothing is asked.\n");
    place.run(&["status"]).exits(4).says("error[SC0030]: There are no runs in this store yet.");
    place.run(&["logs", "x1"]).exits(4).says("error[SC0030]");
    assert!(!place.store().exists(), "nothing that reads makes a file");
    let nested = place.file("a/b/runs.db");
    place.run(&["--store", nested.to_str().unwrap(), "run", "greet"]).exits(0);
    assert!(nested.exists(), "folders are made on the way");
}

#[test]
fn without_a_name_the_store_is_in_the_users_data_folder() {
    let place = Place::new();
    let mut command = place.command(&["run", "greet"]);
    command.env_remove("STEPCAST_STORE").env("XDG_DATA_HOME", place.file("data"));
    support::finish(command.spawn().unwrap()).exits(0);
    assert!(place.file("data/stepcast/runs.db").exists());

    let mut command = place.command(&["runs"]);
    command.env_remove("STEPCAST_STORE").env_remove("HOME");
    if cfg!(target_os = "linux") {
        support::finish(command.spawn().unwrap()).exits(1).says("error[SC0014]");
    }
}
