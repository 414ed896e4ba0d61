//! Lines and letters on a grid. Lines that meet become corners and junctions; lines of two nets that only cross do not.

use super::TextStyle;

pub(super) const UP: u8 = 1;
pub(super) const DOWN: u8 = 2;
pub(super) const LEFT: u8 = 4;
pub(super) const RIGHT: u8 = 8;
/// Drawn thick: the run came by.
const THICK: u8 = 16;

#[derive(Clone, Default)]
struct Cell {
    letter: Option<char>,
    /// Directions of the lines here, by the net they belong to.
    lines: Vec<(usize, u8)>,
}

pub(super) struct Canvas {
    width: usize,
    cells: Vec<Cell>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Canvas { width, cells: vec![Cell::default(); width * height] }
    }

    fn cell(&mut self, row: usize, column: usize) -> Option<&mut Cell> {
        if column < self.width { self.cells.get_mut(row * self.width + column) } else { None }
    }

    pub(super) fn line(&mut self, row: usize, column: usize, net: usize, directions: u8) {
        let Some(cell) = self.cell(row, column) else { return };
        match cell.lines.iter_mut().find(|(known, _)| *known == net) {
            Some((_, known)) => *known |= directions,
            None => cell.lines.push((net, directions)),
        }
    }

    /// A line downwards through all these rows, both ends joined to what is above and below.
    pub(super) fn through(&mut self, rows: std::ops::Range<usize>, column: usize, net: usize) {
        for row in rows {
            self.line(row, column, net, UP | DOWN);
        }
    }

    pub(super) fn across(&mut self, row: usize, (left, right): (usize, usize), net: usize) {
        for column in left..=right {
            let ends = if column > left { LEFT } else { 0 } | if column < right { RIGHT } else { 0 };
            self.line(row, column, net, ends);
        }
    }

    pub(super) fn frame(&mut self, rows: (usize, usize), columns: (usize, usize), net: usize, thick: bool) {
        let thick = if thick { THICK } else { 0 };
        for row in rows.0..=rows.1 {
            let ends = if row > rows.0 { UP } else { 0 } | if row < rows.1 { DOWN } else { 0 };
            self.line(row, columns.0, net, ends | thick);
            self.line(row, columns.1, net, ends | thick);
        }
        for column in columns.0..=columns.1 {
            let ends = if column > columns.0 { LEFT } else { 0 } | if column < columns.1 { RIGHT } else { 0 };
            self.line(rows.0, column, net, ends | thick);
            self.line(rows.1, column, net, ends | thick);
        }
    }

    pub(super) fn letters(&mut self, row: usize, column: usize, text: &str) {
        for (at, letter) in text.chars().enumerate() {
            if let Some(cell) = self.cell(row, column + at) {
                cell.letter = Some(letter);
            }
        }
    }

    pub(super) fn finish(self, style: TextStyle) -> String {
        let mut text = String::new();
        for row in self.cells.chunks(self.width.max(1)) {
            let line: String =
                row.iter().map(|cell| cell.letter.unwrap_or_else(|| joined(&cell.lines, style))).collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn joined(lines: &[(usize, u8)], style: TextStyle) -> char {
    let over = lines.iter().any(|(_, line)| line & 15 == LEFT | RIGHT);
    let under = lines.iter().any(|(_, line)| line & 15 == UP | DOWN);
    let only = lines.iter().all(|(_, line)| matches!(line & 15, 3 | 12));
    let all = lines.iter().fold(0, |all, (_, line)| all | line);
    let line = if over && under && only { UP | DOWN } else { all };
    if style.plain {
        return match (line & 15, line & THICK != 0) {
            (0, _) => ' ',
            (3, false) => '|',
            (3, true) => '#',
            (12, false) => '-',
            (12, true) => '=',
            (_, true) => '#',
            (_, false) => '+',
        };
    }
    const THIN: [char; 16] = [' ', '│', '│', '│', '─', '┘', '┐', '┤', '─', '└', '┌', '├', '─', '┴', '┬', '┼'];
    const BOLD: [char; 16] = [' ', '┃', '┃', '┃', '━', '┛', '┓', '┫', '━', '┗', '┏', '┣', '━', '┻', '┳', '╋'];
    let glyphs = if line & THICK != 0 { BOLD } else { THIN };
    glyphs[usize::from(line & 15)]
}
