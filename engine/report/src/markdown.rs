//! The tables of a study as Markdown.

use crate::data::Study;
use crate::grid::{Cell, Column, Grid};
use crate::prose::{escape_markdown, sentence_markdown};
use crate::{tables, verdict};

/// The verdict, the tables and the notes of a study as GitHub-flavoured Markdown.
pub fn markdown(study: &Study) -> String {
    let mut out = format!("# {}\n\n", escape_markdown(&study.title));
    verdicts(study, &mut out);
    if !study.trainings.is_empty() {
        grid(&tables::held_out(study), &mut out);
        steps_saved(study, &mut out);
    }
    if !study.fits.is_empty() || !study.predictions.is_empty() {
        grid(&tables::weights(study), &mut out);
    }
    for fit in &study.fits {
        grid(&tables::laws(study, fit), &mut out);
        bullet(&tables::fit_sentence(fit), &mut out);
        fit.notes.iter().for_each(|note| bullet(note, &mut out));
        out.push('\n');
    }
    for prediction in study.predictions.iter().filter(|p| !p.notes.is_empty()) {
        out.push_str(&format!("## Prediction {}\n\n", escape_markdown(&prediction.name)));
        prediction.notes.iter().for_each(|note| bullet(note, &mut out));
        out.push('\n');
    }
    if !study.domains.is_empty() {
        grid(&tables::corpus(study), &mut out);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn verdicts(study: &Study, out: &mut String) {
    let verdicts = verdict::verdicts(study);
    for verdict in &verdicts {
        out.push_str(&format!("**{}**\n\n", sentence_markdown(&verdict.sentence)));
    }
    if verdicts.is_empty() {
        out.push_str(&format!("{}\n\n", verdict::nothing_compared(study)));
    }
}

fn steps_saved(study: &Study, out: &mut String) {
    let lines = verdict::steps_saved(study);
    if lines.is_empty() {
        return;
    }
    out.push_str("## Steps saved at equal perplexity\n\n");
    for (name, words) in lines {
        out.push_str(&format!("- {}: {}\n", escape_markdown(name), sentence_markdown(words)));
    }
    out.push('\n');
}

fn bullet(sentence: &str, out: &mut String) {
    out.push_str(&format!("- {}\n", sentence_markdown(sentence)));
}

fn grid(grid: &Grid, out: &mut String) {
    out.push_str(&format!("## {}\n\n| {} |", sentence_markdown(&grid.title), grid.corner));
    for column in &grid.columns {
        out.push_str(&format!(" {} |", head(column)));
    }
    out.push_str("\n|---|");
    out.push_str(&"---:|".repeat(grid.columns.len()));
    out.push('\n');
    for row in &grid.rows {
        out.push_str(&format!("| {} |", escape_markdown(&row.label)));
        for cell in &row.cells {
            out.push_str(&format!(" {} |", show(cell)));
        }
        out.push('\n');
    }
    out.push('\n');
    for note in grid.notes.iter().filter(|n| !n.starts_with('*')) {
        out.push_str(&format!("{}\n\n", sentence_markdown(note)));
    }
}

fn head(column: &Column) -> String {
    let text = format!("{} {}", column.name, column.sub);
    escape_markdown(text.trim())
}

fn show(cell: &Cell) -> String {
    match cell.best {
        true => format!("**{}**", escape_markdown(&cell.text)),
        false => escape_markdown(&cell.text),
    }
}
