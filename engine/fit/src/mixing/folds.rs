//! Cross-validated errors of laws, and the choice of one by them.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::LawError;
use super::estimate;
use super::identify;
use super::observations::{Observations, Row};
use super::options::{FitOptions, LawName};
use super::result::FittedPoint;
use super::surrogate::Surrogate;
use super::targets::Setup;
use crate::numeric::statistics::{mean, spearman};
use crate::random::Stream;

/// How rows are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Folds {
    /// Parts; as many as there are mixtures where there are fewer.
    pub count: usize,
    pub seed: u64,
}

impl Default for Folds {
    fn default() -> Self {
        Self { count: 5, seed: 0 }
    }
}

/// Errors of one law on rows it was not fitted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    pub law: LawName,
    pub folds: usize,
    pub targets: Vec<TargetScore>,
    /// Means over the targets.
    pub rmse: f64,
    pub mae: f64,
    pub relative_error: f64,
    /// None where a target has none.
    pub spearman: Option<f64>,
    pub r2: f64,
}

/// Errors of one target's law.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetScore {
    pub target: String,
    /// Root mean square error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Mean of |error| / observed.
    pub relative_error: f64,
    /// Spearman's rank correlation of predicted and observed within each fold, averaged; none where no fold has three rows of
    /// different losses and predictions.
    pub spearman: Option<f64>,
    /// Share of the variance explained.
    pub r2: f64,
    /// Every row, predicted by the fit that did not see it.
    pub points: Vec<FittedPoint>,
}

/// The laws by their errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The law of least root mean square error.
    pub best: LawName,
    /// The best first, refused ones last.
    pub table: Vec<LawScore>,
}

/// One law's line of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LawScore {
    pub law: LawName,
    pub outcome: Outcome,
}

/// Errors, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Scored(CrossValidation),
    Refused(String),
}

/// Fits the law without each fold in turn and predicts that fold. Rows of one mixture stay together.
///
/// # Errors
/// Those that the table as a whole has before any search, [`LawError::Fold`] where it cannot be fitted without a fold, and a table of fewer
/// than two mixtures.
pub fn cross_validate(
    observations: &Observations,
    law: LawName,
    options: &FitOptions,
    folds: &Folds,
) -> Result<CrossValidation, LawError> {
    let parts = split(observations.rows(), folds)?;
    let count = parts.iter().max().map_or(0, |last| last + 1);
    let whole = Setup::new(observations, law, options)?;
    identify::check_table(observations, law, &whole)?;
    // Reference and terms of the whole table, or each fold would have its own.
    let options = FitOptions {
        reference: Some(whole.reference.weights.clone()),
        scale: whole.scale,
        ..options.clone()
    };
    let predicted: Vec<Result<Vec<Prediction>, LawError>> = (0..count)
        .into_par_iter()
        .map(|fold| predict_fold(observations, &whole, law, &options, &parts, fold))
        .collect();
    let mut predictions = Vec::new();
    for fold in predicted {
        predictions.extend(fold?);
    }
    let names = whole.targets.iter().map(|target| target.name.clone());
    let targets: Vec<TargetScore> = names
        .enumerate()
        .map(|(target, name)| score(observations, target, name, &predictions, count))
        .collect();
    let over =
        |value: fn(&TargetScore) -> f64| mean(&targets.iter().map(value).collect::<Vec<_>>());
    Ok(CrossValidation {
        law,
        folds: count,
        rmse: over(|t| t.rmse),
        mae: over(|t| t.mae),
        relative_error: over(|t| t.relative_error),
        spearman: targets
            .iter()
            .map(|target| target.spearman)
            .collect::<Option<Vec<_>>>()
            .map(|ranks| mean(&ranks)),
        r2: over(|t| t.r2),
        targets,
    })
}

/// The fold of every row. Rows of the same mixture and scale share one.
fn split(rows: &[Row], folds: &Folds) -> Result<Vec<usize>, LawError> {
    let same =
        |p: &Row, q: &Row| p.weights == q.weights && p.tokens == q.tokens && p.size == q.size;
    let mut group_of = Vec::with_capacity(rows.len());
    let mut groups = 0;
    for (index, row) in rows.iter().enumerate() {
        // Rows are sorted by their weights first, so equal mixtures are neighbours.
        let again = index > 0 && same(row, &rows[index - 1]);
        groups += usize::from(!again);
        group_of.push(groups - 1);
    }
    if groups < 2 || folds.count < 2 {
        return Err(LawError::option(format!(
            "cross-validation needs two or more folds and mixtures and has {} and {groups}; give more",
            folds.count
        )));
    }
    let mut order: Vec<usize> = (0..groups).collect();
    let mut stream = Stream::new(folds.seed, 0xf01d);
    for k in (1..groups).rev() {
        order.swap(k, stream.below(k + 1));
    }
    let count = folds.count.min(groups);
    let mut fold = vec![0; groups];
    order.iter().enumerate().for_each(|(place, group)| fold[*group] = place % count);
    Ok(group_of.into_iter().map(|group| fold[group]).collect())
}

/// One row of one target, predicted.
struct Prediction {
    target: usize,
    fold: usize,
    row: usize,
    observed: f64,
    predicted: f64,
}

fn predict_fold(
    observations: &Observations,
    whole: &Setup,
    law: LawName,
    options: &FitOptions,
    parts: &[usize],
    fold: usize,
) -> Result<Vec<Prediction>, LawError> {
    let rows = observations.rows();
    let kept =
        rows.iter().zip(parts).filter(|(_, part)| **part != fold).map(|(row, _)| row.clone());
    let kept: Vec<Row> = kept.collect();
    let (fitted, of) = (kept.len(), rows.len());
    let fit = estimate::fit(&observations.with_rows(kept), law, options)
        .map_err(|error| LawError::Fold { rows: fitted, of, error: Box::new(error) })?;
    let surrogate = Surrogate::new(&fit);
    let mut predictions = Vec::new();
    for (target, columns) in whole.targets.iter().enumerate() {
        for (place, &row) in columns.rows.iter().enumerate().filter(|(_, row)| parts[**row] == fold)
        {
            let of = &rows[row];
            let mixture = surrogate.mixture(&of.weights, of.tokens, of.size);
            predictions.push(Prediction {
                target,
                fold,
                row,
                observed: columns.design.y[place],
                predicted: surrogate.targets[target].value(&mixture.input()),
            });
        }
    }
    Ok(predictions)
}

fn score(
    observations: &Observations,
    target: usize,
    name: String,
    predictions: &[Prediction],
    folds: usize,
) -> TargetScore {
    let mut own: Vec<&Prediction> = predictions.iter().filter(|p| p.target == target).collect();
    own.sort_by_key(|p| p.row);
    let of = |value: &dyn Fn(&Prediction) -> f64| -> f64 {
        mean(&own.iter().map(|p| value(p)).collect::<Vec<_>>())
    };
    let square = of(&|p| (p.predicted - p.observed).powi(2));
    let centre = of(&|p| p.observed);
    let variance = of(&|p| (p.observed - centre).powi(2));
    let ranks: Vec<f64> = (0..folds).filter_map(|fold| fold_ranks(&own, fold)).collect();
    let point = |p: &&Prediction| FittedPoint {
        row: observations.rows()[p.row].name.clone(),
        observed: p.observed,
        predicted: p.predicted,
    };
    TargetScore {
        target: name,
        rmse: square.sqrt(),
        mae: of(&|p| (p.predicted - p.observed).abs()),
        relative_error: of(&|p| (p.predicted / p.observed - 1.0).abs()),
        spearman: (!ranks.is_empty()).then(|| mean(&ranks)),
        r2: if variance > 0.0 { 1.0 - square / variance } else { 0.0 },
        points: own.iter().map(point).collect(),
    }
}

fn fold_ranks(own: &[&Prediction], fold: usize) -> Option<f64> {
    let inside: Vec<&&Prediction> = own.iter().filter(|p| p.fold == fold).collect();
    let observed: Vec<f64> = inside.iter().map(|p| p.observed).collect();
    let predicted: Vec<f64> = inside.iter().map(|p| p.predicted).collect();
    (inside.len() >= 3).then(|| spearman(&observed, &predicted)).flatten()
}

/// Cross-validates laws and takes the one of least root mean square error; a tie goes to the earlier law.
///
/// # Errors
/// [`LawError::Option`] where every law is refused, with each one's reason.
pub fn choose(
    observations: &Observations,
    laws: &[LawName],
    options: &FitOptions,
    folds: &Folds,
) -> Result<Choice, LawError> {
    let mut table: Vec<LawScore> = laws
        .iter()
        .map(|&law| {
            let outcome = match cross_validate(observations, law, options, folds) {
                Ok(scored) => Outcome::Scored(scored),
                Err(error) => Outcome::Refused(error.to_string()),
            };
            LawScore { law, outcome }
        })
        .collect();
    let error = |line: &LawScore| match &line.outcome {
        Outcome::Scored(scored) if scored.rmse.is_finite() => scored.rmse,
        _ => f64::INFINITY,
    };
    table.sort_by(|p, q| error(p).total_cmp(&error(q)));
    match table.first() {
        Some(first) if error(first).is_finite() => Ok(Choice { best: first.law, table }),
        _ => Err(LawError::option(refusals(&table))),
    }
}

fn refusals(table: &[LawScore]) -> String {
    let of = |line: &LawScore| match &line.outcome {
        Outcome::Refused(words) => format!("{}: {words}", line.law),
        Outcome::Scored(_) => format!("{}: its error is not finite", line.law),
    };
    let lines: Vec<String> = table.iter().map(of).collect();
    format!("no law can be cross-validated; add rows as each says:\n  {}", lines.join("\n  "))
}
