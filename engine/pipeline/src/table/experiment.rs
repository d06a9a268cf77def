//! A DDO experiment (`domain`, `factor`, values) as a table of mixtures, so that every law can be fitted to it.

use mixmake_fit::ddo::{Measure, Objective, Run as Evidence};

use super::losses::{self, LossTable, Reading};
use super::wide::{Run, WideTable};
use super::{Table, TableError, values};
use crate::cli::{ExperimentArgs, MeasureArg};

/// What the flags say of the base runs and the values.
#[derive(Debug, Clone)]
pub struct Base {
    pub tokens: Option<f64>,
    pub weights: Option<Vec<(String, f64)>>,
    pub measure: Measure,
}

/// Reads the flags.
///
/// # Errors
/// A value that cannot be read.
pub fn base(args: &ExperimentArgs) -> Result<Base, TableError> {
    let tokens = args.tokens.as_deref();
    let weights = args.weights.as_deref();
    Ok(Base {
        tokens: tokens.map(|text| values::flag("--tokens", text, values::tokens)).transpose()?,
        weights: weights
            .map(|text| values::flag("--weights", text, values::weights))
            .transpose()?,
        measure: measure(args.measure),
    })
}

#[must_use]
pub fn measure(measure: MeasureArg) -> Measure {
    match measure {
        MeasureArg::Perplexity => Measure::Perplexity,
        MeasureArg::CrossEntropy => Measure::CrossEntropy,
    }
}

/// The runs with their amounts. The column `mean` is left out where there are others: it would count twice.
///
/// # Errors
/// Those of [`losses::read`].
pub fn wide(table: &Table, args: &ExperimentArgs) -> Result<WideTable, TableError> {
    let base = base(args)?;
    let columns = losses::value_names(table);
    let read = losses::read(
        table,
        &Reading {
            columns: &columns,
            measure: base.measure,
            objective: Objective::default(),
            tokens: base.tokens,
            weights: base.weights.as_deref(),
        },
    )?;
    let evidence = &read.evidence;
    let runs = evidence.base.iter().enumerate().map(|(at, run)| (format!("base {}", at + 1), run));
    let first = evidence.base.first().map(|run| run.amounts.clone()).unwrap_or_default();
    let others = evidence.perturbed.iter().map(|run| (name(&read, &first, run), run));
    let runs = runs.chain(others).map(|(name, run)| wide_run(name, run, base.measure)).collect();
    let mut notes = read.notes.clone();
    if base.tokens.is_none() {
        notes.push(
            "amounts are multiples of the base run's mean amount: `--tokens` gives them in tokens"
                .into(),
        );
    }
    Ok(WideTable {
        title: table.path.clone(),
        paths: vec![table.path.clone()],
        domains: read.domains,
        targets: read.columns,
        runs,
        has_tokens: true,
        has_size: false,
        notes,
    })
}

/// `c4 x 3`.
fn name(read: &LossTable, base: &[f64], run: &Evidence) -> String {
    let Some(domain) = run.perturbed else { return "base".into() };
    let factor = run.amounts[domain.0] / base[domain.0];
    format!("{} x {}", read.domains[domain.0], (factor * 1e6).round() / 1e6)
}

fn wide_run(name: String, run: &Evidence, measure: Measure) -> Run {
    let total: f64 = run.amounts.iter().sum();
    let loss = |value: &f64| match measure {
        Measure::CrossEntropy => *value,
        Measure::Perplexity => value.ln(),
    };
    Run {
        name,
        weights: run.amounts.iter().map(|amount| amount / total).collect(),
        tokens: Some(total),
        size: None,
        seed: None,
        losses: run.values.iter().map(|value| Some(loss(value))).collect(),
        repeats: 1.0,
    }
}
