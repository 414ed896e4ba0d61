//! What is written for people: lines and aligned columns.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use stepcast::backend::RunStatus;

/// Writes a line to standard output.
pub(crate) fn line(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes a line to standard error, beside the results.
pub(crate) fn note(text: impl AsRef<str>) {
    let mut out = anstream::stderr().lock();
    // Nobody is left to be told of a failure.
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.write_all(b"\n"));
}

/// Writes a JSON line to standard output. It has neither colours nor control characters to look for.
pub(crate) fn json(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// How many columns standard output has. A file or another program gets whole lines.
pub(crate) fn width() -> usize {
    if io::stdout().is_terminal() { columns() } else { usize::MAX }
}

/// How many columns standard error has.
pub(crate) fn error_width() -> usize {
    if io::stderr().is_terminal() { columns() } else { 2000 }
}

fn columns() -> usize {
    let set = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(columns, _)| usize::from(columns.0));
    set.or_else(terminal).filter(|columns| *columns > 0).unwrap_or(80)
}

pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const PLAIN: Style = Style::new();
pub(crate) const GREEN: Style = color(AnsiColor::Green);
pub(crate) const RED: Style = color(AnsiColor::Red);
pub(crate) const YELLOW: Style = color(AnsiColor::Yellow);
pub(crate) const CYAN: Style = color(AnsiColor::Cyan);

const fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(anstyle::Color::Ansi(color)))
}

/// The text in a style.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of a status.
pub(crate) fn status_style(status: RunStatus) -> Style {
    match status {
        RunStatus::Running => CYAN,
        RunStatus::Waiting | RunStatus::CompletedWithFailures => YELLOW,
        RunStatus::Completed => GREEN,
        RunStatus::Failed | RunStatus::TimedOut => RED,
        _ => DIM,
    }
}

/// The longest line of a table, wherever it goes.
const MOST: usize = 4000;

/// Aligned columns. The last one is cut at the terminal's edge.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    /// A table with a line of titles.
    pub(crate) fn new(titles: &[&str]) -> Table {
        Table { rows: vec![titles.iter().map(|title| ((*title).to_owned(), DIM)).collect()] }
    }

    /// A table without titles.
    pub(crate) fn plain() -> Table {
        Table { rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<(String, Style)>) {
        self.rows.push(cells);
    }

    /// The lines.
    pub(crate) fn lines(&self, width: usize) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|at| self.rows.iter().filter_map(|row| row.get(at)).map(|(text, _)| len(text)).max().unwrap_or(0))
            .collect();
        self.rows.iter().map(|row| line_of(row, &widths, width)).collect()
    }

    /// Writes it to standard output.
    pub(crate) fn print(&self) -> io::Result<()> {
        self.lines(width().min(MOST)).iter().try_for_each(line)
    }
}

fn line_of(row: &[(String, Style)], widths: &[usize], width: usize) -> String {
    let mut text = String::new();
    let mut used = 0;
    for (at, (cell, style)) in row.iter().enumerate() {
        let last = at + 1 == row.len();
        let cell = if last { crate::text::cut(cell, width.saturating_sub(used).max(8)) } else { cell.clone() };
        let pad = if last { 0 } else { widths[at] + 2 - len(&cell) };
        used += len(&cell) + pad;
        text += &paint(*style, &cell);
        text.push_str(&" ".repeat(pad));
    }
    text.trim_end().to_owned()
}

fn len(text: &str) -> usize {
    text.chars().count()
}
