//! The README and the book point at what is there: links, headings, test files; and every program in them is a test.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// It has a test of its own, `docs_name_their_tests.rs`, for its program and for the tests it names.
const HAS_A_TEST_OF_ITS_OWN: &str = "docs/coming-from-llamaindex.md";

/// The pages of the types of a graph's steps, with an index of their own.
const STEPS: &str = "docs/graph-steps";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The README, the changelog and the pages of the book, by their path from the root.
fn pages() -> Vec<(PathBuf, String)> {
    let mut files = vec![PathBuf::from("README.md"), PathBuf::from("CHANGELOG.md")];
    for folder in ["docs", STEPS] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let file = Path::new(folder).join(entry.unwrap().file_name());
            // Images have a folder of their own.
            if file.extension().is_some_and(|extension| extension == "md") {
                files.push(file);
            }
        }
    }
    files.sort();
    let pages: Vec<_> = files
        .into_iter()
        .map(|file| {
            let text = read_to_string(root().join(&file)).unwrap();
            (file, text)
        })
        .collect();
    assert!(pages.len() > 15, "the book is not found");
    pages
}

/// What the page's links point at.
fn links(text: &str) -> Vec<&str> {
    text.match_indices("](").filter_map(|(at, _)| text[at + 2..].split_once(')')).map(|(target, _)| target).collect()
}

/// The anchors of a page's headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    for (file, text) in pages() {
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if path.is_empty() { root().join(&file) } else { root().join(&file).parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", file.display());
            if !anchor.is_empty() {
                let known = anchors(&read_to_string(&target).unwrap());
                assert!(known.iter().any(|known| known == anchor), "{}: {link} is none of {known:?}", file.display());
            }
        }
    }
}

#[test]
fn every_test_file_that_is_named_exists() {
    for (file, text) in pages().into_iter().filter(|(file, _)| file != Path::new(HAS_A_TEST_OF_ITS_OWN)) {
        let named = text.split('`').filter(|name| name.starts_with("tests/") && !name.contains(' '));
        for name in named {
            let found = match name.split_once('*') {
                None => root().join(name).exists(),
                Some((begin, end)) => {
                    let folder = root().join(Path::new(begin).parent().unwrap());
                    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
                    let begin = root().join(begin).to_str().unwrap().to_owned();
                    names.into_iter().any(|path| {
                        let path = path.to_str().unwrap();
                        path.starts_with(&begin) && path.ends_with(end)
                    })
                }
            };
            assert!(found, "{}: there is no {name}", file.display());
        }
    }
}

#[test]
fn every_page_is_in_the_index() {
    let index = |file: &str| read_to_string(root().join(file)).unwrap();
    let (all, steps) = (index("docs/README.md"), index("docs/graph-steps.md"));
    let linked = [links(&all), links(&steps)].concat();
    for (file, _) in pages().iter().filter(|(file, _)| file.starts_with("docs") && !file.ends_with("README.md")) {
        let name = file.strip_prefix("docs").unwrap().to_str().unwrap();
        assert!(linked.contains(&name), "docs/README.md and docs/graph-steps.md do not mention {name}");
    }
}

#[test]
fn every_page_with_a_program_is_compiled() {
    let book = [
        "crates/stepcast/src/book.rs",
        "crates/stepcast-client/src/lib.rs",
        "crates/stepcast-otel/src/lib.rs",
        "crates/stepcast-server/src/lib.rs",
    ];
    let book = book.map(|file| read_to_string(root().join(file)).unwrap()).concat();
    for (file, text) in pages() {
        let compiled = book.contains(&format!("\"{}\"", file.display())) || file == Path::new(HAS_A_TEST_OF_ITS_OWN);
        assert!(compiled || !text.contains("```rust"), "{}: its programs are compiled by nobody", file.display());
    }
}
