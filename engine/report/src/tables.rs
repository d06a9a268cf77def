//! The tables of a study, as grids.

use crate::data::{Domain, Fit, Study};
use crate::grid::{Cell, Column, Grid, Row, lower_is_better};
use crate::number::{self, NONE};
use crate::outcome::{self, Outcome};
use crate::prose::quoted;

/// Weights by scale: the reference, each DDO optimum, the predictions. Percent of tokens.
pub(crate) fn weights(study: &Study) -> Grid {
    let columns = weight_columns(study);
    let trained = outcome::trained(study);
    let rows = trained.iter().enumerate().map(|(place, &(domain, name))| Row {
        label: name.to_string(),
        domain: Some(domain),
        summary: false,
        cells: columns.iter().map(|c| Cell::new(c.cell(place))).collect(),
    });
    let mut notes = Vec::new();
    if columns.iter().any(|column| column.intervals.is_some()) {
        notes.push("In brackets: the interval of a weight.".to_string());
    }
    Grid {
        title: "Weights by scale, % of tokens".to_string(),
        corner: "domain",
        columns: columns.iter().map(|c| c.head.clone()).collect(),
        rows: rows.collect(),
        notes,
    }
}

/// One column of weights, over the domains that train.
pub(crate) struct WeightColumn<'a> {
    pub head: Column,
    pub weights: &'a [f64],
    pub intervals: Option<&'a [(f64, f64)]>,
}

impl WeightColumn<'_> {
    fn cell(&self, place: usize) -> String {
        let Some(&weight) = self.weights.get(place) else { return NONE.to_string() };
        match self.intervals.and_then(|i| i.get(place)) {
            Some((lo, hi)) => {
                format!("{} [{}–{}]", number::share(weight), number::share(*lo), number::share(*hi))
            }
            None => number::share(weight),
        }
    }
}

/// Every set of weights of the study; a reference that all fits share is shown once.
pub(crate) fn weight_columns(study: &Study) -> Vec<WeightColumn<'_>> {
    let mut columns: Vec<WeightColumn<'_>> = Vec::new();
    let shared = study.fits.windows(2).all(|w| w[0].reference_weights == w[1].reference_weights);
    for (at, fit) in study.fits.iter().enumerate() {
        let scale = number::tokens(fit.tokens);
        if at == 0 || !shared {
            let sub = if shared { String::new() } else { scale.clone() };
            columns.push(WeightColumn {
                head: Column::new("reference", sub),
                weights: &fit.reference_weights,
                intervals: None,
            });
        }
        columns.push(WeightColumn {
            head: Column::new("DDO", scale),
            weights: &fit.weights,
            intervals: fit.weight_intervals.as_deref(),
        });
    }
    columns.extend(study.predictions.iter().map(|p| WeightColumn {
        head: Column::new("predicted", number::tokens(p.tokens)),
        weights: &p.weights,
        intervals: p.weight_intervals.as_deref(),
    }));
    columns
}

/// Held-out perplexity of every training at its end: domains, mean, worst; the best of a row marked.
pub(crate) fn held_out(study: &Study) -> Grid {
    let ends: Vec<Outcome> = study.trainings.iter().map(|t| outcome::end(study, t)).collect();
    let row = |label: &str, domain, summary, values: Vec<Option<f64>>| Row {
        label: label.to_string(),
        domain,
        summary,
        cells: lower_is_better(&values, number::perplexity),
    };
    let mut rows: Vec<Row> = Vec::new();
    for (d, domain) in study.domains.iter().enumerate() {
        let values = ends.iter().map(|e| e.perplexities[d]).collect();
        let label =
            if domain.trains { domain.name.clone() } else { format!("{} †", domain.name) };
        rows.push(row(&label, Some(d), false, values));
    }
    rows.push(row("mean", None, true, ends.iter().map(|e| e.mean).collect()));
    rows.push(row("worst", None, true, ends.iter().map(|e| e.worst.map(|w| w.1)).collect()));
    let mut notes = Vec::new();
    if rows.iter().any(|r| r.cells.iter().any(|c| c.best)) {
        notes.push("* best of its row.".to_string());
    }
    if study.domains.iter().any(|d| !d.trains) {
        notes.push("† held-out only: no mixture trains on it.".to_string());
    }
    Grid {
        title: "Held-out perplexity at the end of each training".to_string(),
        corner: "domain",
        columns: study
            .trainings
            .iter()
            .map(|t| Column::new(t.name.clone(), number::tokens(t.tokens as f64)))
            .collect(),
        rows,
        notes,
    }
}

/// The law of every domain at one scale, and where it puts the optimum.
pub(crate) fn laws(study: &Study, fit: &Fit) -> Grid {
    let rows = outcome::trained(study).into_iter().enumerate().map(|(place, (domain, name))| {
        let curve = fit.curves.get(place);
        let law = |i: usize| {
            let value = curve.and_then(|c| c.law).map(|l| l[i]);
            value.map_or(NONE.to_string(), |v| number::fixed(Some(v), 4))
        };
        let rms = curve.and_then(|c| c.rms);
        let floor = if curve.is_some_and(|c| c.at_floor) { "yes" } else { "" };
        let multiple = fit.multiples.get(place).copied();
        let weight = fit.weights.get(place).map_or(NONE.to_string(), |w| number::share(*w));
        Row {
            label: name.to_string(),
            domain: Some(domain),
            summary: false,
            cells: [
                law(0),
                law(1),
                law(2),
                rms.map_or(NONE.to_string(), number::residual),
                number::fixed(multiple, 3),
                weight,
                floor.to_string(),
            ]
            .map(Cell::new)
            .to_vec(),
        }
    });
    Grid {
        title: format!("DDO fit {} at {} tokens", quoted(&fit.name), number::tokens(fit.tokens)),
        corner: "domain",
        columns: [
            ("a", ""),
            ("b", ""),
            ("c", ""),
            ("rms", "residual"),
            ("optimum", "multiple"),
            ("weight", "%"),
            ("at floor", ""),
        ]
        .map(|(name, sub)| Column::new(name, sub))
        .to_vec(),
        rows: rows.collect(),
        notes: Vec::new(),
    }
}

/// What was read, dropped and kept of every domain.
pub(crate) fn corpus(study: &Study) -> Grid {
    let (mut rules, mut idle): (Vec<&str>, Vec<&str>) = Default::default();
    for (rule, _) in study.domains.iter().flat_map(|d| &d.dropped) {
        if rules.contains(&rule.as_str()) || idle.contains(&rule.as_str()) {
            continue;
        }
        // A column of zeros would push the others out of sight.
        match study.domains.iter().any(|domain| dropped(domain, rule) > 0) {
            true => rules.push(rule),
            false => idle.push(rule),
        }
    }
    let idle: Vec<_> = idle.into_iter().map(quoted).collect();
    let nothing = format!("Dropped nothing: {}.", idle.join(", "));
    let mut columns = vec![Column::new("documents", "read")];
    columns.extend(rules.iter().map(|rule| Column::new("dropped", *rule)));
    columns.push(Column::new("documents", "repeated"));
    columns.extend(
        [
            ("samples", "train"),
            ("samples", "held-out"),
            ("tokens", "train"),
            ("tokens", "held-out"),
            ("characters", "kept"),
            ("characters", "per token"),
        ]
        .map(|(name, sub)| Column::new(name, sub)),
    );
    Grid {
        title: "Documents, samples and tokens by domain".to_string(),
        corner: "domain",
        columns,
        rows: study.domains.iter().enumerate().map(|(d, x)| corpus_row(d, x, &rules)).collect(),
        notes: if idle.is_empty() { Vec::new() } else { vec![nothing] },
    }
}

/// Documents that a rule dropped.
fn dropped(domain: &Domain, rule: &str) -> u64 {
    let counts = domain.dropped.iter().filter(|(r, _)| r == rule);
    counts.fold(0u64, |sum, (_, n)| sum.saturating_add(*n))
}

fn corpus_row(place: usize, domain: &Domain, rules: &[&str]) -> Row {
    let tokens = domain.train_tokens as f64 + domain.held_out_tokens as f64;
    let mut cells = vec![number::count(domain.documents_read)];
    cells.extend(rules.iter().map(|rule| number::count(dropped(domain, rule))));
    cells.push(number::count(domain.duplicates));
    cells.push(number::count(domain.train_samples));
    cells.push(number::count(domain.held_out_samples));
    cells.push(number::tokens(domain.train_tokens as f64));
    cells.push(number::tokens(domain.held_out_tokens as f64));
    cells.push(number::tokens(domain.chars as f64));
    cells.push(number::fixed(Some(domain.chars as f64 / tokens), 2));
    Row {
        label: domain.name.clone(),
        domain: Some(place),
        summary: false,
        cells: cells.into_iter().map(Cell::new).collect(),
    }
}

/// What a fit says of its objective, in a sentence.
pub(crate) fn fit_sentence(fit: &Fit) -> String {
    let (before, after) = (fit.objective_reference, fit.objective_optimum);
    let interval = match fit.objective_optimum_interval {
        Some((lo, hi)) => {
            format!(" [{}–{}]", number::fixed(Some(lo), 2), number::fixed(Some(hi), 2))
        }
        None => String::new(),
    };
    let change = match before.is_finite() && after.is_finite() && before != 0.0 {
        true => format!(" ({})", number::change(after / before - 1.0)),
        false => String::new(),
    };
    format!(
        "{} at {} tokens: {} {} at the reference, {}{interval} expected at the optimum{change}.",
        quoted(&fit.name),
        number::tokens(fit.tokens),
        fit.objective,
        number::fixed(Some(before), 2),
        number::fixed(Some(after), 2),
    )
}
