//! From rows to what a law is fitted to: one column of losses per target, in the fit's units.

use super::error::LawError;
use super::law::{Design, Units};
use super::observations::{Observations, Row};
use super::options::{FitOptions, Goal, GoalKind, LawName, Over, Point, ScaleTerms};
use crate::numeric::statistics::mean;

/// What one law is fitted to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) name: String,
    /// The training domain of the same name.
    pub(super) own: Option<usize>,
    pub(super) design: Design,
    /// Positions of the rows in the observations.
    pub(super) rows: Vec<usize>,
    pub(super) left_out: usize,
}

/// Everything a fit knows before it searches.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) units: Units,
    pub(super) scale: ScaleTerms,
    pub(super) reference: Point,
    /// The reference is no row's mixture but the mean of all, since every row lacks a domain that the law needs.
    pub(super) is_mean: bool,
    pub(super) targets: Vec<Target>,
}

/// Weight of each validation domain in a goal, in the order of the names.
///
/// # Errors
/// [`LawError::Option`] for a name that is no validation domain, or weights that are not finite, at least 0 and somewhere above 0.
pub(super) fn importance(goal: &Goal, validation: &[String]) -> Result<Vec<f64>, LawError> {
    if goal.importance.is_empty() {
        return Ok(vec![1.0; validation.len()]);
    }
    for (name, weight) in &goal.importance {
        if !validation.contains(name) {
            return Err(LawError::option(format!(
                "the goal names `{name}`, which is no validation domain; the table has `{}`",
                validation.join("`, `")
            )));
        }
        if !(weight.is_finite() && *weight >= 0.0) {
            return Err(LawError::option(format!(
                "the goal gives `{name}` the weight {weight}; weights must be finite and at least 0"
            )));
        }
    }
    let weights: Vec<f64> =
        validation.iter().map(|name| goal.importance.get(name).copied().unwrap_or(0.0)).collect();
    if weights.iter().sum::<f64>() <= 0.0 {
        return Err(LawError::option(
            "every weight of the goal is 0; give one validation domain a weight above 0",
        ));
    }
    Ok(weights)
}

/// The goal's value of losses; `None` where one that counts is missing.
fn goal_of(kind: GoalKind, importance: &[f64], losses: &[Option<f64>]) -> Option<f64> {
    let total: f64 = importance.iter().sum();
    let counting = importance.iter().zip(losses).filter(|(weight, _)| **weight > 0.0);
    let mut value = 0.0;
    for (weight, loss) in counting {
        let loss = (*loss)?;
        value = match kind {
            GoalKind::MeanLoss => value + weight / total * loss,
            GoalKind::MeanPerplexity => value + weight / total * loss.exp(),
            GoalKind::WorstLoss => loss.max(value),
        };
    }
    Some(value)
}

impl Setup {
    pub(super) fn new(
        observations: &Observations,
        law: LawName,
        options: &FitOptions,
    ) -> Result<Self, LawError> {
        let rows = observations.rows();
        let scale = resolve_scale(rows, options.scale)?;
        if law == LawName::InverseSumJoint && scale == ScaleTerms::None {
            return Err(LawError::option(
                "without terms in tokens or size (three or more values of either) the `inverse-sum-joint` law is `inverse-sum`; choose that",
            ));
        }
        let (reference, is_mean) = reference(observations, law, options)?;
        let tokens = rows.iter().map(|row| row.tokens).collect::<Option<Vec<_>>>();
        let sizes = rows.iter().map(|row| row.size).collect::<Option<Vec<_>>>();
        let unit = |values: Option<Vec<f64>>| {
            let values = values.filter(|values| !values.is_empty())?;
            Some(mean(&values.iter().map(|n| n.ln()).collect::<Vec<_>>()).exp())
        };
        let amount = reference.tokens.unwrap_or(1.0);
        let units = Units {
            tokens: unit(tokens),
            size: unit(sizes),
            reference: reference.weights.iter().map(|w| w * amount).collect(),
        };
        let targets = match options.over {
            Over::EachValidation => (0..observations.validation().len())
                .map(|v| target(observations, law, &units, v))
                .collect(),
            Over::Goal => vec![goal_target(observations, &units, &options.goal)?],
        };
        Ok(Self { units, scale, reference, is_mean, targets })
    }
}

fn target(observations: &Observations, law: LawName, units: &Units, v: usize) -> Target {
    let name = observations.validation()[v].clone();
    let own = observations.domains().iter().position(|domain| *domain == name);
    let inside = |row: &Row| match (law, own) {
        (LawName::Bimix, Some(own)) => row.weights[own] > 0.0,
        _ => true,
    };
    build(observations, units, name, own, |row| row.losses[v].filter(|_| inside(row)))
}

fn goal_target(
    observations: &Observations,
    units: &Units,
    goal: &Goal,
) -> Result<Target, LawError> {
    let importance = importance(goal, observations.validation())?;
    let value = |row: &Row| goal_of(goal.kind, &importance, &row.losses);
    Ok(build(observations, units, "goal".into(), None, value))
}

fn build(
    observations: &Observations,
    units: &Units,
    name: String,
    own: Option<usize>,
    value: impl Fn(&Row) -> Option<f64>,
) -> Target {
    let mut design = Design::new(observations.domains().len());
    let mut rows = Vec::new();
    for (index, row) in observations.rows().iter().enumerate() {
        if let Some(y) = value(row) {
            let (tokens, size) = in_units(units, row.tokens, row.size);
            design.push(&row.weights, tokens, size, y, row.weight);
            rows.push(index);
        }
    }
    let left_out = observations.rows().len() - rows.len();
    Target { name, own, design, rows, left_out }
}

/// Tokens and size in the fit's units; 1 where the fit or the point has none.
pub(super) fn in_units(units: &Units, tokens: Option<f64>, size: Option<f64>) -> (f64, f64) {
    let ratio = |value: Option<f64>, unit: Option<f64>| match (value, unit) {
        (Some(value), Some(unit)) => value / unit,
        _ => 1.0,
    };
    (ratio(tokens, units.tokens), ratio(size, units.size))
}

/// Different values, up to rounding.
pub(super) fn distinct(values: impl Iterator<Item = f64>) -> usize {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup_by(|p, q| (*p - *q).abs() <= 1e-3 * q.abs());
    values.len()
}

fn resolve_scale(rows: &[Row], asked: ScaleTerms) -> Result<ScaleTerms, LawError> {
    let tokens = distinct(rows.iter().filter_map(|row| row.tokens));
    let size = distinct(rows.iter().filter_map(|row| row.size));
    // An amplitude and an exponent besides what the mixture leaves need three values.
    let varies = ScaleTerms::of(tokens >= 3, size >= 3);
    if asked == ScaleTerms::Auto {
        return Ok(varies);
    }
    for (what, wanted, known) in [("tokens", asked.tokens(), tokens), ("size", asked.size(), size)]
    {
        if wanted && known < 3 {
            return Err(LawError::option(format!(
                "a term in {what} needs rows of three or more different {what} and the table has {known}; add rows at other scales or leave the term out"
            )));
        }
    }
    Ok(asked)
}

/// Domains without any of which the law has no value: BiMix divides by a validation domain's own share, DDO by every reference amount.
fn needed(observations: &Observations, law: LawName) -> Vec<usize> {
    let name = |j: &usize| &observations.domains()[*j];
    let all = 0..observations.domains().len();
    match law {
        LawName::Ddo => all.collect(),
        LawName::Bimix => all.filter(|j| observations.validation().contains(name(j))).collect(),
        _ => Vec::new(),
    }
}

/// The mixture asked for, else the row that others vary; where no row is inside the law the mean of all mixtures, which is told.
pub(super) fn reference(
    observations: &Observations,
    law: LawName,
    options: &FitOptions,
) -> Result<(Point, bool), LawError> {
    let rows = observations.rows();
    let Some(first) = rows.first() else {
        return Err(LawError::table("the table has no rows; give one per training".into()));
    };
    let needed = needed(observations, law);
    let Some(weights) = &options.reference else {
        let inside = |row: &&Row| needed.iter().all(|&j| row.weights[j] > 0.0);
        let inside: Vec<&Row> = rows.iter().filter(inside).collect();
        if inside.is_empty() {
            let row = &rows[centre(&rows.iter().collect::<Vec<_>>())];
            let weights = mean_mixture(&rows.iter().collect::<Vec<_>>());
            return Ok((Point { weights, tokens: row.tokens, size: row.size }, true));
        }
        let row = inside[centre(&inside)];
        let weights = row.weights.clone();
        return Ok((Point { weights, tokens: row.tokens, size: row.size }, false));
    };
    let sum: f64 = weights.iter().sum();
    let usable = weights.iter().all(|w| w.is_finite() && *w >= 0.0) && (sum - 1.0).abs() < 1e-6;
    if weights.len() != observations.domains().len() || !usable {
        return Err(LawError::option(
            "the reference mixture is not one weight per training domain that sum to 1; give all of them",
        ));
    }
    if let Some(&j) = needed.iter().find(|&&j| weights[j] <= 0.0) {
        return Err(LawError::option(format!(
            "the reference mixture has nothing of `{}`, without which the `{law}` law has no value; give it a share or take another reference",
            observations.domains()[j]
        )));
    }
    let same = |row: &&Row| row.weights.iter().zip(weights).all(|(p, q)| (p - q).abs() < 1e-3);
    let row = rows.iter().find(same).unwrap_or(first);
    let weights = weights.iter().map(|w| w / sum).collect();
    Ok((Point { weights, tokens: row.tokens, size: row.size }, false))
}

fn mean_mixture(rows: &[&Row]) -> Vec<f64> {
    let of = |j: usize| mean(&rows.iter().map(|row| row.weights[j]).collect::<Vec<_>>());
    (0..rows[0].weights.len()).map(of).collect()
}

/// The row that others vary: the one from which most others differ in one domain's amount alone, of those the one trained
/// most often, of those the one nearest to the mean mixture, of those the first.
fn centre(rows: &[&Row]) -> usize {
    let middle = mean_mixture(rows);
    let distance =
        |row: &Row| -> f64 { row.weights.iter().zip(&middle).map(|(w, m)| (w - m).powi(2)).sum() };
    // Quadratic in the rows, so only where designs of single changes are: small tables.
    let neighbours = |row: &Row| match rows.len() <= 400 {
        true => rows.iter().filter(|other| changed(row, other) == 1).count(),
        false => 0,
    };
    let repeats = |row: &Row| rows.iter().filter(|other| changed(row, other) == 0).count();
    let key = |row: &Row| (neighbours(row), repeats(row));
    let keys: Vec<((usize, usize), f64)> =
        rows.iter().map(|row| (key(row), distance(row))).collect();
    let better = |p: &usize, q: &usize| {
        keys[*q].0.cmp(&keys[*p].0).then(keys[*p].1.total_cmp(&keys[*q].1)).then(p.cmp(q))
    };
    (0..rows.len()).min_by(better).unwrap_or(0)
}

/// Domains whose amounts differ between two rows.
fn changed(row: &Row, other: &Row) -> usize {
    let amount = |row: &Row, j: usize| row.weights[j] * row.tokens.unwrap_or(1.0);
    let differs = |j: &usize| {
        let (p, q) = (amount(row, *j), amount(other, *j));
        (p - q).abs() > 0.005 * p.max(q)
    };
    (0..row.weights.len()).filter(differs).count()
}
