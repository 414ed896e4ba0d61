//! The page for those who come from LlamaIndex Workflows names a test for every row, and each of them exists.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/coming-from-llamaindex.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A row of a table whose last column is headed `Test`.
struct Row<'a> {
    line: usize,
    verdict: &'a str,
    tests: Vec<&'a str>,
}

/// The cells of a table's line; a bar inside a cell is written `\|`.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    let mut cells = Vec::new();
    let mut begin = 0;
    for (at, _) in inner.match_indices('|') {
        if !inner[..at].ends_with('\\') {
            cells.push(inner[begin..at].trim());
            begin = at + 1;
        }
    }
    cells.push(inner[begin..].trim());
    Some(cells)
}

fn rows(page: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut inside = false;
    for (at, line) in page.lines().enumerate() {
        let Some(cells) = cells(line) else {
            inside = false;
            continue;
        };
        match cells[..] {
            [.., "Test"] => inside = true,
            [.., rule] if rule.starts_with("---") => {}
            [_, _, verdict, tests] if inside => {
                let tests = tests.split('`').filter(|text| text.contains("::")).collect();
                rows.push(Row { line: at + 1, verdict, tests });
            }
            _ => panic!("{PAGE}:{}: a row has four cells: {line}", at + 1),
        }
    }
    rows
}

/// Whether a source file has a test of this name.
fn has_test(file: &Path, name: &str) -> bool {
    let Ok(source) = read_to_string(file) else { return false };
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let begin = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        let declared = line.strip_prefix("async ").unwrap_or(line).starts_with(&begin);
        // Attributes and comments stand between the test's mark and its name.
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("//"));
        declared && above.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

/// The files of a test program: its own, and those of the folder of its name.
fn files_of(program: &str) -> Vec<PathBuf> {
    let own = root().join("tests/tests").join(program);
    let parts = std::fs::read_dir(&own).into_iter().flatten().map(|part| part.unwrap().path());
    parts.chain([own.with_extension("rs")]).collect()
}

fn exists(test: &str) -> bool {
    let (file, name) = test.split_once("::").expect("a test is named `file::name`");
    match file.split_once('/') {
        None if file == "ui" => root().join(format!("tests/ui/{name}.rs")).exists(),
        None => files_of(file).iter().any(|file| has_test(file, name)),
        Some((krate, path)) => has_test(&root().join(format!("crates/{krate}/src/{path}.rs")), name),
    }
}

#[test]
fn every_test_that_the_page_names_exists() {
    let page = read_to_string(root().join(PAGE)).unwrap();
    let rows = rows(&page);
    assert!(rows.len() > 150, "the tables are not found: {} rows", rows.len());
    let missing: Vec<String> = rows
        .iter()
        .flat_map(|row| row.tests.iter().map(|test| (row.line, *test)))
        .filter(|(_, test)| !exists(test))
        .map(|(line, test)| format!("{PAGE}:{line}: {test}"))
        .collect();
    assert!(missing.is_empty(), "the page names tests that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn every_row_has_a_verdict_and_a_test() {
    let page = read_to_string(root().join(PAGE)).unwrap();
    for row in rows(&page) {
        let verdicts = ["**matched**", "**bettered**", "**differs**", "**not applicable**", "**not yet**"];
        assert!(verdicts.iter().any(|verdict| row.verdict.contains(verdict)), "{PAGE}:{}: {}", row.line, row.verdict);
        // What is claimed is shown; only what is missing, or cannot be there, has nothing to show.
        let claims = ["**matched**", "**bettered**", "**differs**"].iter().any(|verdict| row.verdict.contains(verdict));
        assert!(!row.tests.is_empty() || !claims, "{PAGE}:{}: no test shows it", row.line);
    }
}

#[test]
fn the_page_s_program_is_a_test() {
    let page = read_to_string(root().join(PAGE)).unwrap();
    let file = read_to_string(root().join("tests/tests/llamaindex_first_workflow.rs")).unwrap();
    let program = file.split_once("// The page's program begins here.\n").unwrap().1;
    let program = program.split_once("// The page's program ends here.").unwrap().0;
    let shown = page.split_once("```rust\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(shown, program);
    assert_eq!(page.matches("```rust").count(), 1, "another program that no test runs");
}

#[test]
fn a_test_that_does_not_exist_is_found() {
    assert!(exists("routing::an_event_goes_to_every_step_that_takes_it_exactly_once"));
    assert!(exists("ui::graph_no_stop"));
    // Neither a missing name, nor a missing file, nor a function that is no test.
    for missing in ["routing::no_such_test", "nowhere::x", "ui::nothing", "routing::done", "stepcast-core/hash::fnv1a"]
    {
        assert!(!exists(missing), "{missing}");
    }
}
