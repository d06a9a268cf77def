//! The mixtures worth training next.
//!
//! With a fit: the predicted optimum, then, one by one, the candidate that most reduces the variance of the predicted
//! differences between the optimum and mixtures around it (a greedy I-optimal design; Atkinson, Donev and Tobias 2007).
//! Without one: the candidates that add most to what the rows say of each domain's level and curvature (greedy D-optimal).

use serde::{Deserialize, Serialize};

use super::error::LawError;
use super::law::{Design, Model};
use super::observations::Observations;
use super::optimum::{self, Bounds, Problem, within};
use super::result::LawFit;
use super::surrogate::{Aim, Surrogate};
use super::targets::in_units;
use super::{FitOptions, GoalKind, LawName};
use crate::numeric::matrix::{self, dot};
use crate::random::Stream;

/// A mixture to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// Share of each training domain in the order of the sorted names.
    pub weights: Vec<f64>,
    pub tokens: Option<f64>,
    pub size: Option<f64>,
    pub why: Why,
}

/// What a suggested mixture is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Why {
    /// The predicted optimum: it tests the prediction.
    Optimum,
    /// Standard deviation of predicted differences from the optimum, with the suggestions before it and with it too.
    Uncertainty { sd_before: f64, sd_after: f64 },
    /// A domain's share is moved furthest from the reference.
    Varies { domain: String },
}

const CANDIDATES: usize = 512;

/// Tokens and size.
type Scale = (Option<f64>, Option<f64>);

/// The next mixtures worth training, the predicted optimum first. The same table and seed give the same mixtures.
///
/// # Errors
/// Those of [`super::optimise`]. Trees have no derivatives: for them the rest is the design without a fit.
pub fn suggest(
    observations: &Observations,
    fit: &LawFit,
    problem: &Problem,
    count: usize,
    seed: u64,
) -> Result<Vec<Suggestion>, LawError> {
    let optimum = optimum::optimise(fit, problem)?;
    let scale = (fit.reference.tokens, fit.reference.size);
    let mut suggestions = vec![Suggestion {
        weights: optimum.weights.clone(),
        tokens: scale.0,
        size: scale.1,
        why: Why::Optimum,
    }];
    suggestions.truncate(count);
    let more = count - suggestions.len();
    if fit.targets.iter().any(|target| target.forest.is_some()) {
        suggestions.extend(without_fit(observations, &problem.bounds, more, seed));
        return Ok(suggestions);
    }
    let mut design = Greedy::new(observations, fit, problem, &optimum.weights)?;
    design.take(&optimum.weights, scale);
    let candidates = candidates(observations, &problem.bounds, seed);
    for _ in 0..more {
        suggestions.extend(design.next(&candidates, &scales(observations, fit)));
    }
    Ok(suggestions)
}

/// The scales suggestions may have: the reference's, and others only where the law has terms for them.
fn scales(observations: &Observations, fit: &LawFit) -> Vec<Scale> {
    let mut all = vec![(fit.reference.tokens, fit.reference.size)];
    if fit.scale != super::ScaleTerms::None {
        for row in observations.rows() {
            let scale = (row.tokens, row.size);
            if all.len() < 4 && !all.contains(&scale) {
                all.push(scale);
            }
        }
    }
    all
}

/// What rows so far say, target by target, and whose variance is to fall.
struct Greedy<'a> {
    surrogate: Surrogate<'a>,
    /// Inverse information of each counting target's inner parameters, in units of its noise variance.
    covariance: Vec<Vec<f64>>,
    models: Vec<Model>,
    /// Of each target, gradients of the differences, times the target's part in the goal and its noise.
    differences: Vec<Vec<Vec<f64>>>,
}

impl<'a> Greedy<'a> {
    fn new(
        observations: &Observations,
        fit: &'a LawFit,
        problem: &Problem,
        optimum: &[f64],
    ) -> Result<Self, LawError> {
        let surrogate = Surrogate::new(fit);
        let aim = Aim::new(fit, &problem.goal)?;
        let models: Vec<Model> =
            fit.targets.iter().map(|target| Model::new(&target.form, f64::INFINITY)).collect();
        let covariance = fit
            .targets
            .iter()
            .zip(&models)
            .map(|(target, model)| covariance(observations, fit, target, model))
            .collect();
        let mut greedy = Self { surrogate, covariance, models, differences: Vec::new() };
        greedy.differences = greedy.differences_at(fit, problem, &aim, optimum);
        Ok(greedy)
    }

    fn gradient(&self, target: usize, h: &[f64], scale: Scale) -> Vec<f64> {
        let mixture = self.surrogate.mixture(h, scale.0, scale.1);
        let inner = &self.surrogate.fit.targets[target].inner;
        let mut out = vec![0.0; inner.len()];
        self.models[target].gradient(inner, &mixture.input(), &mut out);
        out.iter_mut().for_each(|g| *g = if g.is_finite() { *g } else { 0.0 });
        out
    }

    /// Differences between the optimum and mixtures a part of the way to the reference and towards more of each domain.
    fn differences_at(
        &self,
        fit: &LawFit,
        problem: &Problem,
        aim: &Aim,
        optimum: &[f64],
    ) -> Vec<Vec<Vec<f64>>> {
        let scale = (problem.tokens, problem.size);
        let (lower, upper) = (&problem.bounds.floor, &problem.bounds.cap);
        let towards = |j: usize| {
            let share = |k: usize| 0.8 * optimum[k] + if k == j { 0.2 } else { 1e-4 };
            within(&(0..optimum.len()).map(share).collect::<Vec<_>>(), lower, upper)
        };
        let mut around: Vec<Vec<f64>> = (0..optimum.len()).map(towards).collect();
        around.push(within(&fit.reference.weights, lower, upper));
        let mixture = self.surrogate.mixture(optimum, scale.0, scale.1);
        let losses = self.surrogate.losses(&mixture.input());
        (0..self.models.len())
            .map(|target| {
                let noise = fit.targets[target].noise_sd.unwrap_or(0.01 * losses[target].abs());
                let part = match aim.kind {
                    GoalKind::MeanPerplexity => losses[target].exp(),
                    _ => 1.0,
                };
                let factor = aim.weights[target] * part * noise;
                let at = self.gradient(target, optimum, scale);
                let difference = |h: &Vec<f64>| -> Vec<f64> {
                    let there = self.gradient(target, h, scale);
                    there.iter().zip(&at).map(|(t, a)| factor * (t - a)).collect()
                };
                around.iter().map(difference).collect()
            })
            .collect()
    }

    /// Mean variance of the differences.
    fn variance(&self) -> f64 {
        let mut sum = 0.0;
        for (covariance, differences) in self.covariance.iter().zip(&self.differences) {
            for d in differences {
                sum += dot(d, &multiply(covariance, d));
            }
        }
        sum / self.differences.first().map_or(1, Vec::len) as f64
    }

    /// What a row would take off the sum of the variances.
    fn reduction(&self, h: &[f64], scale: Scale) -> f64 {
        let mut sum = 0.0;
        for (target, covariance) in self.covariance.iter().enumerate() {
            let gradient = self.gradient(target, h, scale);
            let spread = multiply(covariance, &gradient);
            let whole = 1.0 + dot(&gradient, &spread);
            let shared = self.differences[target].iter().map(|d| dot(d, &spread).powi(2));
            sum += shared.sum::<f64>() / whole;
        }
        sum
    }

    /// Adds a row to what is known.
    fn take(&mut self, h: &[f64], scale: Scale) {
        for target in 0..self.covariance.len() {
            let gradient = self.gradient(target, h, scale);
            let spread = multiply(&self.covariance[target], &gradient);
            let whole = 1.0 + dot(&gradient, &spread);
            let n = gradient.len();
            let covariance = &mut self.covariance[target];
            (0..n * n).for_each(|k| covariance[k] -= spread[k / n] * spread[k % n] / whole);
        }
    }

    fn next(&mut self, candidates: &[Vec<f64>], scales: &[Scale]) -> Option<Suggestion> {
        let before = self.variance();
        let mut best: Option<(f64, &Vec<f64>, Scale)> = None;
        for candidate in candidates {
            for scale in scales {
                let reduction = self.reduction(candidate, *scale);
                if best.is_none_or(|(most, ..)| reduction > most) {
                    best = Some((reduction, candidate, *scale));
                }
            }
        }
        let (_, weights, scale) = best?;
        self.take(weights, scale);
        let sd = |variance: f64| variance.max(0.0).sqrt();
        Some(Suggestion {
            weights: weights.clone(),
            tokens: scale.0,
            size: scale.1,
            why: Why::Uncertainty { sd_before: sd(before), sd_after: sd(self.variance()) },
        })
    }
}

fn multiply(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(vector.len()).map(|row| dot(row, vector)).collect()
}

/// Inverse of the sum of squared gradients over the rows, with a little of a prior where rows say nothing.
fn covariance(
    observations: &Observations,
    fit: &LawFit,
    target: &super::TargetFit,
    model: &Model,
) -> Vec<f64> {
    let n = target.inner.len();
    let mut design = Design::new(fit.domains.len());
    for row in observations.rows() {
        let (tokens, size) = in_units(&fit.units, row.tokens, row.size);
        design.push(&row.weights, tokens, size, 0.0, row.weight);
    }
    let mut information = vec![0.0; n * n];
    let mut gradient = vec![0.0; n];
    for (x, weight) in design.inputs().zip(&design.weight) {
        model.gradient(&target.inner, &x, &mut gradient);
        if gradient.iter().all(|g| g.is_finite()) {
            (0..n * n).for_each(|k| information[k] += weight * gradient[k / n] * gradient[k % n]);
        }
    }
    let largest = (0..n).map(|k| information[k * n + k]).fold(1e-300, f64::max);
    (0..n).for_each(|k| {
        information[k * n + k] = information[k * n + k] * (1.0 + 1e-8) + 1e-9 * largest
    });
    if !matrix::cholesky(&mut information, n) {
        return vec![0.0; n * n];
    }
    let mut inverse = Vec::with_capacity(n * n);
    for k in 0..n {
        let mut column = vec![0.0; n];
        column[k] = 1.0;
        matrix::cholesky_solve(&information, n, &mut column);
        inverse.extend(column);
    }
    inverse
}

/// Seeded mixtures within bounds, the reference among single changes first.
fn candidates(observations: &Observations, bounds: &Bounds, seed: u64) -> Vec<Vec<f64>> {
    let m = observations.domains().len();
    let centre = centre(observations);
    let single = (0..m).flat_map(|j| [3.0, 1.0 / 3.0].map(|factor| (j, factor)));
    let mut all: Vec<Vec<f64>> = single
        .map(|(j, factor)| {
            (0..m)
                .map(|k| centre[k].max(0.02 / m as f64) * if k == j { factor } else { 1.0 })
                .collect()
        })
        .collect();
    for index in 0..CANDIDATES as u64 {
        let mut stream = Stream::new(seed, index);
        let sharp = if index % 2 == 0 { 1.0 } else { 2.5 };
        all.push((0..m).map(|_| stream.exponential().powf(sharp)).collect());
    }
    all.iter().map(|shares| within(shares, &bounds.floor, &bounds.cap)).collect()
}

/// The reference of the table, or uniform where it has no rows.
fn centre(observations: &Observations) -> Vec<f64> {
    let m = observations.domains().len();
    super::targets::reference(observations, LawName::Linear, &FitOptions::default())
        .map_or_else(|_| vec![1.0 / m as f64; m], |(point, _)| point.weights)
}

/// Mixtures that would tell domains apart, for a table that does not identify a law yet.
#[must_use]
pub fn without_fit(
    observations: &Observations,
    bounds: &Bounds,
    count: usize,
    seed: u64,
) -> Vec<Suggestion> {
    let m = observations.domains().len();
    // Level and curvature of each domain's effect.
    let features =
        |h: &[f64]| -> Vec<f64> { h.iter().copied().chain(h.iter().map(|h| h.sqrt())).collect() };
    let n = 2 * m;
    let mut covariance: Vec<f64> =
        (0..n * n).map(|k| if k / n == k % n { 1e3 } else { 0.0 }).collect();
    let take = |covariance: &mut Vec<f64>, h: &[f64]| {
        let spread = multiply(covariance, &features(h));
        let whole = 1.0 + dot(&features(h), &spread);
        (0..n * n).for_each(|k| covariance[k] -= spread[k / n] * spread[k % n] / whole);
    };
    observations.rows().iter().for_each(|row| take(&mut covariance, &row.weights));
    let candidates = candidates(observations, bounds, seed);
    let centre = centre(observations);
    let scale = observations.rows().first().map_or((None, None), |row| (row.tokens, row.size));
    let mut suggestions = Vec::new();
    for _ in 0..count {
        let value = |h: &Vec<f64>| dot(&features(h), &multiply(&covariance, &features(h)));
        let values: Vec<f64> = candidates.iter().map(value).collect();
        let Some(best) = (0..values.len()).reduce(|p, q| if values[q] > values[p] { q } else { p })
        else {
            break;
        };
        let weights = candidates[best].clone();
        take(&mut covariance, &weights);
        let moved = |j: usize| (weights[j] - centre[j]).abs();
        let domain = (0..m).reduce(|p, q| if moved(q) > moved(p) { q } else { p }).unwrap_or(0);
        suggestions.push(Suggestion {
            why: Why::Varies { domain: observations.domains()[domain].clone() },
            weights,
            tokens: scale.0,
            size: scale.1,
        });
    }
    suggestions
}
