//! The page of a fit: what it proposes, how sure that is, and how well it says what was measured.
//!
//! Decides what is shown and in which words; drawings are in `agreement`, `intervals` and `slices`.

use crate::evidence::{Evidence, LawScore};
use crate::grid::{Cell, Column, Grid, Row};
use crate::number::{self, NONE};
use crate::prose::{escape_html, sentence_html};

use super::page::Page;
use super::style::swatch;
use super::{agreement, intervals, names, slices};

/// Domains whose table leaves room for the figure beside it.
const BESIDE: usize = 8;

/// One HTML page that loads nothing.
pub fn html(evidence: &Evidence) -> String {
    let mut page = Page::new(&evidence.title);
    verdict(&mut page, evidence);
    weights(&mut page, evidence);
    fits(&mut page, evidence);
    agreements(&mut page, evidence);
    choice(&mut page, evidence);
    next(&mut page, evidence);
    parameters(&mut page, evidence);
    reading(&mut page);
    page.finish_as("Laws of losses")
}

fn verdict(page: &mut Page, evidence: &Evidence) {
    if let Some((is_better, sentence)) = &evidence.verdict {
        let class = if *is_better { "better" } else { "not-better" };
        let sentence = sentence_html(sentence).replace(" not ", " <b>not</b> ");
        page.raw(&format!("<p class=\"verdict {class}\">{sentence}</p>\n"));
    }
    for fact in &evidence.facts {
        page.paragraph(fact);
    }
    let value = |value: f64| number::short(value, 5);
    let gain = match evidence.gain_interval {
        Some((low, high)) => format!("{} to {}{}", value(low), value(high), probability(evidence)),
        None => "without an interval".into(),
    };
    let items = [
        ("At the reference", value(evidence.objective_reference), "predicted".to_owned()),
        ("At the optimum", value(evidence.objective_optimum), "predicted".to_owned()),
        ("Gain", value(evidence.gain), gain),
        ("Law", evidence.law.name.clone(), evidence.law.source.clone()),
    ];
    let items = items.map(|(name, value, small)| {
        let (value, small) = (escape_html(&value), escape_html(&small));
        format!("<div><dt>{name}</dt><dd>{value}<small>{small}</small></dd></div>\n")
    });
    page.raw(&format!("<dl class=\"facts\">\n{}</dl>\n", items.concat()));
    page.list(evidence.notes.iter().map(String::as_str));
}

/// `, with probability 90 %`.
fn probability(evidence: &Evidence) -> String {
    let said = |level: f64| format!(", with probability {} %", number::short(100.0 * level, 3));
    evidence.level.map_or(String::new(), said)
}

/// A value with its interval in brackets.
fn interval(known: Option<(f64, f64)>, show: impl Fn(f64) -> String) -> String {
    known.map_or(NONE.to_owned(), |(low, high)| format!("{}–{}", show(low), show(high)))
}

fn row(label: &str, domain: Option<usize>, cells: Vec<String>) -> Row {
    Row {
        label: label.to_owned(),
        domain,
        summary: false,
        cells: cells.into_iter().map(Cell::new).collect(),
    }
}

fn weights(page: &mut Page, evidence: &Evidence) {
    page.section("weights", "The mixture");
    let domains = &evidence.domains;
    let rows = domains.iter().enumerate().map(|(place, domain)| {
        let cells = vec![
            number::share(domain.reference),
            number::share(domain.optimum),
            interval(domain.interval, number::share),
            interval(Some(domain.trained), number::share),
            domain.mark.clone(),
        ];
        row(&domain.name, Some(place), cells)
    });
    let level = evidence
        .level
        .map_or(String::new(), |level| format!("{} %", number::short(100.0 * level, 3)));
    let columns = [
        ("reference", "%"),
        ("optimum", "%"),
        ("interval", level.as_str()),
        ("trained", "%"),
        ("", ""),
    ];
    let grid = Grid {
        title: format!("Weights of least {}, % of tokens", evidence.objective),
        corner: "domain",
        columns: columns.map(|(name, sub)| Column::new(name, sub)).to_vec(),
        rows: rows.collect(),
        notes: Vec::new(),
    };
    // A wide table needs the room beside it.
    let beside = domains.len() <= BESIDE;
    page.raw("<div class=\"pair\">\n<div>\n");
    if beside {
        page.table(&grid);
        page.raw("</div>\n<div>\n");
    }
    let drawing = intervals::drawing(domains, &page.drawing());
    page.figure(
        "Weights. Filled: the optimum, with its interval as a bar; hollow: the reference; the faint line is what was trained.",
        &drawing,
    );
    page.raw("</div>\n</div>\n");
    if !beside {
        page.table(&grid);
    }
}

fn fits(page: &mut Page, evidence: &Evidence) {
    if evidence.slices.is_empty() {
        return;
    }
    page.section("fits", "The law over its points");
    page.paragraph(&format!("{}: {}", evidence.law.name, evidence.law.formula));
    let range = slices::range(&evidence.slices);
    let shown = apart(evidence.domains.iter().map(|domain| &domain.name));
    let mut panels = String::new();
    for (place, slice) in evidence.slices.iter().enumerate() {
        let name = evidence.domains.get(place).map_or("", |domain| domain.name.as_str());
        let drawing = slices::panel(slice, (place, name), range, &page.drawing());
        let shown = shown.get(place).map_or(name, String::as_str);
        panels += &named(Some(place), (name, shown), "", &drawing);
    }
    page.figure(
        "The predicted objective along each domain’s share, the other domains in the optimum’s proportions. \
         Points: every row at its share, moved by its own residual, so that their distance from the line is what the law \
         does not explain. Triangle: the optimum; dashed: the reference. All panels share the vertical axis.",
        &format!("<div class=\"multiples\">\n{panels}</div>\n"),
    );
}

fn apart<'a>(of: impl Iterator<Item = &'a String>) -> Vec<String> {
    names::apart(&of.map(String::as_str).collect::<Vec<_>>())
}

/// A small panel under a name, whole and as it is shown.
fn named(domain: Option<usize>, (name, shown): (&str, &str), aside: &str, markup: &str) -> String {
    let (name, shown) = (escape_html(name), escape_html(shown));
    let (aside, mark) = (escape_html(aside), domain.map_or(String::new(), swatch));
    format!(
        "<div><p class=\"name\">{mark}<span title=\"{name}\">{shown}</span><em>{aside}</em></p>\n{markup}</div>\n"
    )
}

fn agreements(page: &mut Page, evidence: &Evidence) {
    page.section("agreement", "Predicted against observed");
    let shown = apart(evidence.targets.iter().map(|target| &target.name));
    let mut panels = String::new();
    for (target, shown) in evidence.targets.iter().zip(&shown) {
        let aside = match target.held_out {
            Some((_, spearman)) => format!("ρ {}", number::short(spearman, 3)),
            None => String::new(),
        };
        let drawing = agreement::panel(target, &page.drawing());
        panels += &named(None, (&target.name, shown), &aside, &drawing);
    }
    let held_out = evidence.targets.iter().any(|target| target.held_out.is_some());
    let what = if held_out {
        "Every row predicted by a fit that did not see it"
    } else {
        "Every row as the fit over all rows says it"
    };
    page.figure(
        &format!("{what}, against what was measured; on the line they agree. ρ: Spearman’s rank correlation of rows left out."),
        &format!("<div class=\"multiples\">\n{panels}</div>\n"),
    );
    page.table(&targets(evidence));
}

fn targets(evidence: &Evidence) -> Grid {
    let rows = evidence.targets.iter().map(|target| {
        let value = |value: f64| number::fixed(Some(value), 4);
        let (rmse, spearman) = match target.held_out {
            Some((rmse, spearman)) => (value(rmse), value(spearman)),
            None => (NONE.into(), NONE.into()),
        };
        let cells = vec![
            value(target.at_reference),
            value(target.at_optimum),
            interval(target.interval, value),
            number::change(target.at_optimum / target.at_reference - 1.0),
            number::short(target.rms, 3),
            rmse,
            spearman,
        ];
        row(&target.name, None, cells)
    });
    let columns = [
        ("predicted", "reference"),
        ("predicted", "optimum"),
        ("interval", "optimum"),
        ("change", ""),
        ("rms", "of the fit"),
        ("rmse", "held out"),
        ("Spearman", "held out"),
    ];
    Grid {
        title: "Losses by validation domain, as the law predicts them".into(),
        corner: "validation domain",
        columns: columns.map(|(name, sub)| Column::new(name, sub)).to_vec(),
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

fn choice(page: &mut Page, evidence: &Evidence) {
    if evidence.laws.is_empty() {
        return;
    }
    page.section("laws", "The choice of the law");
    let line = |score: &LawScore| {
        let cells = match &score.scores {
            Ok([rmse, mae, relative, spearman, r2]) => vec![
                number::short(*rmse, 4),
                number::short(*mae, 4),
                format!("{}\u{a0}%", number::short(100.0 * relative, 3)),
                number::fixed(Some(*spearman), 4),
                number::fixed(Some(*r2), 4),
                if score.taken { "taken".into() } else { String::new() },
            ],
            Err(_) => vec![
                NONE.into(),
                NONE.into(),
                NONE.into(),
                NONE.into(),
                NONE.into(),
                "refused".into(),
            ],
        };
        row(&score.law, None, cells)
    };
    let columns =
        [("rmse", ""), ("mae", ""), ("relative", "error"), ("Spearman", ""), ("R²", ""), ("", "")];
    page.table(&Grid {
        title: "Errors on rows that were not fitted, means over validation domains".into(),
        corner: "law",
        columns: columns.map(|(name, sub)| Column::new(name, sub)).to_vec(),
        rows: evidence.laws.iter().map(line).collect(),
        notes: Vec::new(),
    });
    let refused = evidence.laws.iter().filter_map(|score| {
        score.scores.as_ref().err().map(|words| format!("`{}`: {words}", score.law))
    });
    let refused: Vec<String> = refused.collect();
    page.list(refused.iter().map(String::as_str));
}

fn next(page: &mut Page, evidence: &Evidence) {
    if evidence.suggestions.is_empty() {
        return;
    }
    page.section("next", "Worth training next");
    let rows = evidence.domains.iter().enumerate().map(|(place, domain)| {
        let weight = |place: usize| {
            evidence.suggestions.iter().map(move |each| {
                each.weights.get(place).map_or(NONE.to_owned(), |weight| number::share(*weight))
            })
        };
        row(&domain.name, Some(place), weight(place).collect())
    });
    let head = |(place, each): (usize, &crate::evidence::Suggestion)| {
        Column::new(format!("next {}", place + 1), each.scale.trim())
    };
    let grid = Grid {
        title: "Mixtures, % of tokens".into(),
        corner: "domain",
        columns: evidence.suggestions.iter().enumerate().map(head).collect(),
        rows: rows.collect(),
        notes: Vec::new(),
    };
    page.table(&grid);
    let why = evidence.suggestions.iter().enumerate();
    let why: Vec<String> =
        why.map(|(place, each)| format!("next {}: {}", place + 1, each.why)).collect();
    page.list(why.iter().map(String::as_str));
}

fn parameters(page: &mut Page, evidence: &Evidence) {
    if evidence.parameters.is_empty() {
        return;
    }
    page.section("parameters", "Parameters");
    let rows = evidence.parameters.iter().map(|parameter| {
        let value = |value: f64| number::short(value, 5);
        let cells = vec![
            parameter.name.clone(),
            parameter.domain.clone(),
            value(parameter.value),
            interval(parameter.interval, value),
            if parameter.at_bound { "at its bound".into() } else { String::new() },
        ];
        row(&parameter.target, None, cells)
    });
    let columns = ["parameter", "domain", "value", "interval", ""];
    page.data_named(
        "Every parameter of every law",
        &Grid {
            title: format!("Parameters of {}", evidence.law.formula),
            corner: "law of",
            columns: columns.map(|name| Column::new(name, "")).to_vec(),
            rows: rows.collect(),
            notes: Vec::new(),
        },
    );
}

fn reading(page: &mut Page) {
    let terms = [
        (
            "Cross-entropy",
            "mean over the tokens of a held-out set, in nats; perplexity is its exponential.",
        ),
        (
            "Cross-validated",
            "rows are left out in turn and predicted by a fit of the others; the law of least error is taken.",
        ),
        (
            "Interval",
            "by the bootstrap: laws are fitted again to redrawn losses and the optimum is found again. The gain is corrected for having been chosen by the same noisy rows.",
        ),
    ];
    let items: String =
        terms.iter().map(|(term, text)| format!("<dt>{term}</dt><dd>{text}</dd>\n")).collect();
    page.raw(&format!("<footer>\nHow to read this page\n<dl>\n{items}</dl>\n</footer>\n"));
}
