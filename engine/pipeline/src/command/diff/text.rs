//! A difference as people read it: values first.

use super::compare::{Difference, OutputChange, ResultChange};
use super::side::Side;
use super::values::ValueChange;
use crate::command::families::summary;
use crate::command::plan::count;
use crate::table::text::MISSING;
use crate::ui::seconds;
use crate::ui::text::{Page, Tone, width_of};

/// Values of one output that are shown.
const VALUES: usize = 12;
/// Targets whose values are shown.
const TARGETS: usize = 24;

#[must_use]
pub fn of(old: &Side, new: &Side, difference: &Difference, page: &Page) -> String {
    let mut text = format!("{} -> {}\n", old.label, new.label);
    if difference.is_empty() {
        return text + "no difference, in results or in what would run\n";
    }
    text.push_str(&results(&difference.results, page));
    let lists = [
        (format!("only in {}", old.label), &difference.only_old),
        (format!("only in {}", new.label), &difference.only_new),
        ("other keys, the same results".to_owned(), &difference.same_results),
        (
            format!("would run in {}{}", old.label, price(old, &difference.runs_old)),
            &difference.runs_old,
        ),
        (
            format!("would run in {}{}", new.label, price(new, &difference.runs_new)),
            &difference.runs_new,
        ),
    ];
    for (title, targets) in lists.iter().filter(|(_, targets)| !targets.is_empty()) {
        let title = page.paint(Tone::Strong, title);
        let names = summary(targets.iter().map(String::as_str));
        text.push_str(&format!("\n{title}: {}\n", count(targets.len(), "target")));
        text.push_str(&format!("  {}\n", page.wrap(&names, 2, 2)));
    }
    text
}

/// Of what would run, as far as receipts tell.
fn price(side: &Side, targets: &[String]) -> String {
    let prices = targets.iter().filter_map(|target| side.plan.prices[side.find(target)?.0]);
    let total: f64 = prices.sum();
    if total > 0.0 { format!(" ({} of work by receipts)", seconds(total)) } else { String::new() }
}

fn results(changes: &[ResultChange], page: &Page) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", page.paint(Tone::Strong, "results that differ"));
    let (told, untold): (Vec<_>, Vec<_>) = changes
        .iter()
        .partition(|change| change.outputs.iter().any(|output| !output.values.is_empty()));
    for change in told.iter().take(TARGETS) {
        text.push_str(&format!("  {}\n", page.paint(Tone::Pending, &change.target)));
        for output in &change.outputs {
            text.push_str(&values(output, page));
        }
    }
    if told.len() > TARGETS {
        text.push_str(&format!(
            "  and {} more with other values (`--json` has all)\n",
            told.len() - TARGETS
        ));
    }
    if !untold.is_empty() {
        let names = summary(untold.iter().map(|change| change.target.as_str()));
        let words = format!("other bytes, no values to compare: {names}");
        text.push_str(&format!("  {}\n", page.wrap(&words, 2, 4)));
    }
    text
}

fn values(output: &OutputChange, page: &Page) -> String {
    let name =
        |value: &ValueChange| format!("{} {}", value.measure, value.domain).trim_end().to_owned();
    let width = output.values.iter().map(|value| width_of(&name(value))).max().unwrap_or(0);
    let line = |value: &ValueChange| {
        let (old, new) = (shown(value, value.old), shown(value, value.new));
        let line = format!("    {:width$}  {old:>9} -> {new:>9}{}", name(value), relative(value));
        format!("{}\n", page.cut(&line, 0))
    };
    let lines: String = output.values.iter().take(VALUES).map(line).collect();
    let more = output.values.len().saturating_sub(VALUES);
    if more > 0 { format!("{lines}    and {more} more in {}\n", output.output) } else { lines }
}

fn shown(change: &ValueChange, value: Option<f64>) -> String {
    let Some(value) = value else { return MISSING.to_owned() };
    match change.measure.as_str() {
        "perplexity" => format!("{value:.3}"),
        "weight" => format!("{value:.4}"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.4}"),
    }
}

fn relative(change: &ValueChange) -> String {
    match (change.old, change.new) {
        (Some(old), Some(new)) if old != 0.0 => format!("  {:+.1} %", 100.0 * (new / old - 1.0)),
        _ => String::new(),
    }
}
