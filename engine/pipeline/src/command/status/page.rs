//! The page of `status`: a line a family of targets, what runs now, what failed, in 24 lines of 80 columns
//! for a study of any usual size.

use mixmake_core::event::Progress;

use super::Row;
use crate::command::families::family;
use crate::command::plan::count;
use crate::command::standing::{Standing, Watch};
use crate::history::Record;
use crate::stream::now;
use crate::ui::text::{Page, Tone, ago, width_of};
use crate::ui::{amount, seconds};

/// Running and failed targets that are shown by name.
const NAMED: usize = 5;
/// Families beyond which those of one kind (`ddo/…`) share a line.
const FAMILIES: usize = 12;
const BAR: usize = 12;

/// Every target in a line.
#[must_use]
pub fn list(rows: &[Row], page: &Page) -> String {
    let width = rows.iter().map(|row| width_of(&row.target)).max().unwrap_or(0);
    let line = |row: &Row| {
        let words = page.cut(&words(&row.standing), width + 2);
        format!("{:width$}  {}\n", row.target, page.paint(row.standing.tone(), &words))
    };
    rows.iter().map(line).collect()
}

/// Where one target stands, in words.
#[must_use]
pub fn words(standing: &Standing) -> String {
    match standing {
        Standing::UpToDate { seconds: took } => format!("up to date, took {}", seconds(*took)),
        Standing::Running { holder, since, progress } => {
            let since = since.map(|since| format!(" for {}", seconds(now() - since)));
            let progress =
                progress.as_ref().map(|step| format!(", {}", step_words(step, since_of(standing))));
            format!(
                "running{} on {holder}{}",
                since.unwrap_or_default(),
                progress.unwrap_or_default()
            )
        }
        Standing::Failed { message, at, .. } => format!("failed {}: {message}", ago(*at)),
        Standing::Stopped => "stopped while it ran (`mixmake log` shows what it wrote)".to_owned(),
        other => other.word().to_owned(),
    }
}

fn since_of(standing: &Standing) -> Option<f64> {
    match standing {
        Standing::Running { since, .. } => *since,
        _ => None,
    }
}

/// `41 %, 12 s left, loss 4.2, 3100 tokens/s`: what matters most first, since the end may be cut.
fn step_words(step: &Progress, since: Option<f64>) -> String {
    let share = share(step);
    let mut parts = vec![format!("{:.0} %", 100.0 * share)];
    let spent = since.filter(|_| share > 0.0).map(|since| (now() - since).max(1e-3));
    parts.extend(spent.map(|spent| format!("{} left", seconds(spent * (1.0 - share) / share))));
    if !step.note.is_empty() {
        parts.push(step.note.clone());
    }
    parts
        .extend(spent.map(|spent| format!("{} {}/s", amount(step.done as f64 / spent), step.unit)));
    parts.join(", ")
}

fn share(step: &Progress) -> f64 {
    (step.done as f64 / step.total.max(1) as f64).clamp(0.0, 1.0)
}

/// The whole study in one screen.
#[must_use]
pub fn overview(rows: &[Row], watch: &Watch, page: &Page) -> String {
    let mut text = headline(rows, watch.live(), page);
    text.push_str(&families(rows, page));
    text.push_str(&running(rows, page));
    text.push_str(&failed(rows, page));
    text
}

fn headline(rows: &[Row], live: Option<&Record>, page: &Page) -> String {
    let number =
        |wanted: fn(&Standing) -> bool| rows.iter().filter(|row| wanted(&row.standing)).count();
    let done = number(|standing| matches!(standing, Standing::UpToDate { .. }));
    let (all, failed) =
        (rows.len(), number(|standing| matches!(standing, Standing::Failed { .. })));
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let mut text = if done == all {
        page.paint(Tone::Good, &format!("all {} up to date", count(all, "target")))
    } else {
        format!("{done} of {} up to date{failed}", count(all, "target"))
    };
    if let Some(run) = live {
        let spent = now() - run.started;
        text.push_str(&format!(
            "; process {} runs with -j {}: {} of {} done in {}",
            run.pid,
            run.jobs,
            run.ended(),
            run.pending,
            seconds(spent)
        ));
        let left = run.expected_clock_seconds - spent;
        if run.without_price == 0 && left > 0.0 {
            text.push_str(&format!(", about {} left", seconds(left)));
        }
    }
    page.wrap(&text, 0, 2) + "\n\n"
}

struct Family<'a> {
    name: &'a str,
    rows: Vec<&'a Row>,
}

fn grouped(rows: &[Row]) -> Vec<Family<'_>> {
    let fine = collect(rows, family);
    if fine.len() <= FAMILIES {
        return fine;
    }
    collect(rows, |target| target.split('/').next().unwrap_or(target))
}

fn collect<'a>(rows: &'a [Row], name_of: fn(&'a str) -> &'a str) -> Vec<Family<'a>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for row in rows {
        let name = name_of(&row.target);
        match families.iter_mut().find(|family| family.name == name) {
            Some(family) => family.rows.push(row),
            None => families.push(Family { name, rows: vec![row] }),
        }
    }
    families
}

fn families(rows: &[Row], page: &Page) -> String {
    let families = grouped(rows);
    let width = families.iter().map(|family| width_of(family.name)).max().unwrap_or(0);
    families.iter().map(|family| family.line(width, page)).collect()
}

impl Family<'_> {
    fn line(&self, width: usize, page: &Page) -> String {
        let done = self.rows.iter().filter(|row| matches!(row.standing, Standing::UpToDate { .. }));
        let (done, all) = (done.count(), self.rows.len());
        let filled = (BAR * done).checked_div(all).unwrap_or(0);
        let bar = page.paint(Tone::Good, &"━".repeat(filled));
        let rest = page.paint(Tone::Quiet, &"·".repeat(BAR - filled));
        format!("{:width$}  {bar}{rest}  {done:>4} of {all:<4}  {}\n", self.name, self.others(page))
            .trim_end()
            .to_owned()
            + "\n"
    }

    /// How many stand where, but for those that are done; their time where all are.
    fn others(&self, page: &Page) -> String {
        let mut counts: Vec<(&str, Tone, usize)> = Vec::new();
        let mut took = 0.0;
        for row in &self.rows {
            if let Standing::UpToDate { seconds } = row.standing {
                took += seconds;
                continue;
            }
            let (word, tone) = (row.standing.word(), row.standing.tone());
            match counts.iter_mut().find(|(known, ..)| *known == word) {
                Some((.., number)) => *number += 1,
                None => counts.push((word, tone, 1)),
            }
        }
        if counts.is_empty() {
            return page.paint(Tone::Quiet, &format!("took {}", seconds(took)));
        }
        let parts = counts
            .iter()
            .map(|(word, tone, number)| page.paint(*tone, &format!("{number} {word}")));
        parts.collect::<Vec<_>>().join(", ")
    }
}

fn running(rows: &[Row], page: &Page) -> String {
    let rows: Vec<_> =
        rows.iter().filter(|row| matches!(row.standing, Standing::Running { .. })).collect();
    let line = |row: &&Row| {
        let Standing::Running { progress, since, .. } = &row.standing else { return String::new() };
        let progress = match progress {
            Some(step) => {
                let filled = (BAR as f64 * share(step)).round() as usize;
                let bar = format!("{}{}", "━".repeat(filled), " ".repeat(BAR - filled));
                format!("{bar} {}", step_words(step, *since))
            }
            None => words(&row.standing),
        };
        let line = page.cut(&format!("  {}  {progress}", row.target), 0);
        format!("{}\n", page.paint(Tone::Busy, &line))
    };
    section("running", &rows, line)
}

fn failed(rows: &[Row], page: &Page) -> String {
    let is_failed =
        |row: &&Row| matches!(row.standing, Standing::Failed { .. } | Standing::Stopped);
    let rows: Vec<_> = rows.iter().filter(is_failed).collect();
    let line = |row: &&Row| {
        let line = page.cut(&format!("  {}  {}", row.target, words(&row.standing)), 0);
        format!("{}\n", page.paint(Tone::Bad, &line))
    };
    section("failed or stopped (`mixmake log TARGET`)", &rows, line)
}

fn section(title: &str, rows: &[&Row], line: impl Fn(&&Row) -> String) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let shown: String = rows.iter().take(NAMED).map(line).collect();
    let more = rows.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("  and {more} more\n") } else { String::new() };
    format!("\n{title}\n{shown}{more}")
}
