//! The numbers behind the figures, as grids.

use crate::data::{Fit, Study};
use crate::grid::{Cell, Column, Grid, Row};
use crate::html::lengths;
use crate::number::{self, NONE};
use crate::outcome;
use crate::prose::quoted;

/// Every evaluation of every training: perplexity by domain and in the mean.
pub(crate) fn evaluations(study: &Study) -> Grid {
    let mut columns: Vec<Column> =
        vec![Column::new("step", ""), Column::new("tokens", ""), Column::new("mean", "")];
    columns.extend(study.domains.iter().map(|d| Column::new(d.name.clone(), "")));
    let mut rows = Vec::new();
    for training in &study.trainings {
        for evaluation in &training.evaluations {
            let outcome = outcome::at(study, evaluation);
            let mut cells =
                vec![number::count(evaluation.step), number::tokens(evaluation.tokens as f64)];
            cells.push(number::perplexity(outcome.mean));
            cells.extend(outcome.perplexities.iter().map(|p| number::perplexity(*p)));
            rows.push(plain_row(&training.name, None, cells));
        }
    }
    let title = "Held-out perplexity at every evaluation".to_string();
    Grid { title, corner: "training", columns, rows, notes: Vec::new() }
}

/// The points of a fit: one column for every multiple that was tried.
pub(crate) fn points(study: &Study, fit: &Fit) -> Grid {
    let mut multiples: Vec<f64> =
        fit.curves.iter().flat_map(|c| c.points.iter().map(|p| p.0)).collect();
    multiples.sort_by(f64::total_cmp);
    multiples.dedup();
    let rows = outcome::trained(study).into_iter().enumerate().map(|(place, (domain, name))| {
        let points = fit.curves.get(place).map_or(&[][..], |c| &c.points);
        let at = |multiple: &f64| {
            let here = points.iter().filter(|p| p.0 == *multiple);
            let shown: Vec<String> = here.map(|p| number::short(p.1, 5)).collect();
            if shown.is_empty() { NONE.to_string() } else { shown.join(", ") }
        };
        plain_row(name, Some(domain), multiples.iter().map(at).collect())
    });
    Grid {
        title: format!(
            "Points of {}: {} over the reference’s, by multiple of the reference amount",
            quoted(&fit.name),
            fit.objective
        ),
        corner: "domain",
        columns: multiples.iter().map(|m| Column::new(number::multiple(*m), "")).collect(),
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

/// Weights along the way to each prediction, percent of tokens.
pub(crate) fn paths(study: &Study) -> Grid {
    let trained = outcome::trained(study);
    let steps = study.predictions.iter().flat_map(|p| p.path.iter().map(move |step| (p, step)));
    let rows = steps.map(|(prediction, (tokens, weights))| {
        let mut cells = vec![number::tokens(*tokens)];
        let weight = |place| weights.get(place).map_or(NONE.to_string(), |w| number::share(*w));
        cells.extend((0..trained.len()).map(weight));
        plain_row(&prediction.name, None, cells)
    });
    let mut columns = vec![Column::new("tokens", "")];
    columns.extend(trained.iter().map(|(_, name)| Column::new(*name, "")));
    Grid {
        title: "Predicted weights on the way to the target, % of tokens".to_string(),
        corner: "prediction",
        rows: rows.collect(),
        columns,
        notes: Vec::new(),
    }
}

fn plain_row(label: &str, domain: Option<usize>, cells: Vec<String>) -> Row {
    let cells = cells.into_iter().map(Cell::new).collect();
    Row { label: label.to_string(), domain, summary: false, cells }
}

/// Documents by length.
pub(crate) fn document_lengths(study: &Study, buckets: &std::ops::Range<usize>) -> Grid {
    let row = |(place, domain): (usize, &crate::data::Domain)| {
        let count = |bucket| number::count(domain.lengths.get(bucket).copied().unwrap_or(0));
        plain_row(&domain.name, Some(place), buckets.clone().map(count).collect())
    };
    let column = |bucket| Column::new(number::tokens(lengths::low(bucket) as f64), "and more");
    Grid {
        title: "Documents read, by least number of characters".to_string(),
        corner: "domain",
        columns: buckets.clone().map(column).collect(),
        rows: study.domains.iter().enumerate().map(row).collect(),
        notes: Vec::new(),
    }
}
