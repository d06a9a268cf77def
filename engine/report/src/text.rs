//! The tables of a study for a terminal of a given width.
//!
//! Columns that do not fit go below, under the same rows; long names are shortened with `…`.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::data::Study;
use crate::grid::{Column, Grid, Row};
use crate::prose::plain;
use crate::verdict::{self, Standing};
use crate::{number, tables};

const GAP: usize = 2;
const HEAD_WIDTH: usize = 16;

/// Weights by scale, held-out perplexities, steps saved, what the fits have to say, and last the
/// verdict. `width` in columns (at least 40 are used); `color` adds ANSI attributes and changes no
/// text.
pub fn table(study: &Study, width: usize, color: bool) -> String {
    let mut page = Page { out: String::new(), width: width.clamp(40, 200), color };
    if !study.title.is_empty() {
        page.heading(&study.title);
        page.out.push('\n');
    }
    if !study.fits.is_empty() || !study.predictions.is_empty() {
        page.grid(&tables::weights(study));
    }
    if !study.trainings.is_empty() {
        page.grid(&tables::held_out(study));
    }
    page.steps_saved(study);
    page.notes(study);
    page.verdicts(study);
    page.out
}

struct Page {
    out: String,
    width: usize,
    color: bool,
}

impl Page {
    fn heading(&mut self, title: &str) {
        self.paragraph(&title.replace('`', ""), "", "", "1");
    }

    fn steps_saved(&mut self, study: &Study) {
        let lines = verdict::steps_saved(study);
        if lines.is_empty() {
            return;
        }
        self.heading("Steps saved at equal perplexity");
        for (name, words) in lines {
            self.item(&format!("{name}: {words}"));
        }
        self.out.push('\n');
    }

    fn notes(&mut self, study: &Study) {
        if !study.fits.is_empty() {
            self.heading("DDO fits");
            for fit in &study.fits {
                self.item(&tables::fit_sentence(fit));
                fit.notes.iter().for_each(|note| self.note(note));
            }
            self.out.push('\n');
        }
        if study.predictions.iter().any(|p| !p.notes.is_empty()) {
            self.heading("Predictions");
            for prediction in study.predictions.iter().filter(|p| !p.notes.is_empty()) {
                let tokens = number::tokens(prediction.tokens);
                self.item(&format!("`{}` at {tokens} tokens", prediction.name));
                prediction.notes.iter().for_each(|note| self.note(note));
            }
            self.out.push('\n');
        }
    }

    fn verdicts(&mut self, study: &Study) {
        let verdicts = verdict::verdicts(study);
        if verdicts.is_empty() {
            self.paragraph(verdict::nothing_compared(study), "", "", "1");
        }
        for verdict in verdicts {
            let style = match verdict.standing {
                Standing::Better => "1;32",
                Standing::NotBetter => "1;33",
                Standing::Unknown => "1",
            };
            self.paragraph(&verdict.sentence, "", "", style);
        }
    }

    fn item(&mut self, text: &str) {
        self.paragraph(text, "  ", "    ", "");
    }

    fn note(&mut self, text: &str) {
        self.paragraph(text, "  · ", "    ", "");
    }

    fn paragraph(&mut self, text: &str, first: &str, rest: &str, style: &str) {
        for (at, line) in wrap(&plain(text), self.width - rest.width()).iter().enumerate() {
            self.out.push_str(if at == 0 { first } else { rest });
            let painted = self.paint(style, line);
            self.out.push_str(&painted);
            self.out.push('\n');
        }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        match self.color && !style.is_empty() {
            true => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
            false => text.to_string(),
        }
    }

    fn grid(&mut self, grid: &Grid) {
        self.heading(&grid.title);
        let labels = grid.rows.iter().map(|r| plain(&r.label).width());
        let widest = labels.max().unwrap_or(0).max(grid.corner.width());
        let label = widest.min(self.width / 3);
        let heads: Vec<Vec<String>> = grid.columns.iter().map(head_lines).collect();
        let widths: Vec<usize> = (0..heads.len())
            .map(|c| {
                let cells = grid.rows.iter().filter_map(|r| r.cells.get(c));
                let cells = cells.map(|cell| cell.text.width() + 1).max().unwrap_or(0);
                let head = heads[c].iter().map(|l| l.width() + 1).max().unwrap_or(0);
                cells.max(head).min(self.width - label - GAP)
            })
            .collect();
        for (at, block) in blocks(&widths, self.width - label).into_iter().enumerate() {
            if at > 0 {
                self.out.push('\n');
            }
            self.block(grid, &heads, &widths, label, block);
        }
        for note in &grid.notes {
            self.paragraph(note, "", "", "2");
        }
        self.out.push('\n');
    }

    fn block(
        &mut self,
        grid: &Grid,
        heads: &[Vec<String>],
        widths: &[usize],
        label: usize,
        columns: std::ops::Range<usize>,
    ) {
        let depth = heads[columns.clone()].iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..depth {
            let corner = if line + 1 == depth { grid.corner } else { "" };
            let mut text = pad(corner, label);
            for c in columns.clone() {
                // Heads sit on the rule: short ones start lower.
                let offset = depth - heads[c].len();
                let part = line.checked_sub(offset).and_then(|l| heads[c].get(l));
                text.push_str(&right(part.map_or("", |p| p), "", widths[c]));
            }
            let text = self.paint("2", text.trim_end());
            self.out.push_str(&text);
            self.out.push('\n');
        }
        let total = label + widths[columns.clone()].iter().map(|w| w + GAP).sum::<usize>();
        let mut summary = false;
        for (at, row) in grid.rows.iter().enumerate() {
            if at == 0 || row.summary != summary {
                self.out.push_str(&"─".repeat(total.min(self.width)));
                self.out.push('\n');
            }
            summary = row.summary;
            self.row(row, widths, label, columns.clone());
        }
    }

    fn row(&mut self, row: &Row, widths: &[usize], label: usize, columns: std::ops::Range<usize>) {
        let mut text = pad(&shorten(plain(&row.label).trim(), label), label);
        for c in columns {
            let Some(cell) = row.cells.get(c) else { continue };
            let value = shorten(&plain(&cell.text), widths[c] - 1);
            let padded = right(&value, if cell.best { "*" } else { "" }, widths[c]);
            text.push_str(&self.paint(if cell.best { "1;32" } else { "" }, &padded));
        }
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }
}

/// Right-aligned in a column of `width` with a place for the mark, after the gap.
fn right(text: &str, mark: &str, width: usize) -> String {
    let fill = (GAP + width).saturating_sub(text.width() + 1);
    let mark = if mark.is_empty() { " " } else { mark };
    format!("{}{text}{mark}", " ".repeat(fill))
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Consecutive columns that fit side by side; at least one each.
fn blocks(widths: &[usize], room: usize) -> Vec<std::ops::Range<usize>> {
    let mut blocks = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, width) in widths.iter().enumerate() {
        if at > start && used + width + GAP > room {
            blocks.push(start..at);
            (start, used) = (at, 0);
        }
        used += width + GAP;
    }
    blocks.push(start..widths.len());
    blocks
}

/// A column's name, broken at its separators, and the scale under it.
fn head_lines(column: &Column) -> Vec<String> {
    let mut lines = vec![String::new()];
    for part in plain(&column.name).split_inclusive(['-', '_', '.', ' ', '/']) {
        let last = lines.len() - 1;
        if lines[last].width() + part.width() > HEAD_WIDTH && !lines[last].is_empty() {
            lines.push(part.to_string());
        } else {
            lines[last].push_str(part);
        }
    }
    if lines.len() > 3 {
        lines.truncate(3);
        lines[2].push('…');
    }
    let mut lines: Vec<String> = lines.iter().map(|l| shorten(l.trim(), HEAD_WIDTH)).collect();
    if !column.sub.is_empty() {
        lines.push(shorten(&plain(&column.sub), HEAD_WIDTH));
    }
    lines
}

/// At most `width` columns, the last one `…` where something was cut.
fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// Lines of whole words; a word wider than a line is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let word = shorten(word, width);
        let last = lines.len() - 1;
        let used = lines[last].width();
        if used > 0 && used + 1 + word.width() > width {
            lines.push(word);
        } else {
            if used > 0 {
                lines[last].push(' ');
            }
            lines[last].push_str(&word);
        }
    }
    lines
}
