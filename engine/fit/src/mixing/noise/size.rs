//! Whether errors are of one size or in proportion to the losses: whichever makes the residuals likelier.
//!
//! A law that bends where losses are high takes its parameters from there. Where those rows' errors are larger than the others',
//! intervals that take them for as small are too narrow.

use super::super::law::Model;
use super::super::result::{LawFit, TargetFit};
use super::super::targets::{Setup, Target};
use super::leverage;

/// What the errors of one target's rows are in proportion to, and the mean squares that their residuals then have.
pub(super) struct Sizes {
    pub(super) error: Vec<f64>,
    pub(super) left: Vec<f64>,
}

/// Rows whose residual says less than this of their error say nothing.
const SAYS: f64 = 1e-6;

/// The sizes of every target.
pub(super) fn likeliest(fit: &LawFit, setup: &Setup, residuals: &[Vec<f64>]) -> Vec<Sizes> {
    let of = |size: fn(&TargetFit) -> Vec<f64>| -> Vec<Sizes> {
        let targets = fit.targets.iter().zip(&setup.targets);
        targets.map(|(target, columns)| sizes(target, columns, size(target))).collect()
    };
    let (alike, in_proportion) = (of(one_size), of(by_loss));
    let positive = in_proportion.iter().flat_map(|sizes| &sizes.error).all(|size| *size > 0.0);
    let gain = |k: usize| likelier(&residuals[k], &alike[k], &in_proportion[k]);
    match positive && (0..alike.len()).map(gain).sum::<f64>() > 0.0 {
        true => in_proportion,
        false => alike,
    }
}

/// The same for every row: given noise.
pub(super) fn alike(fit: &LawFit) -> Vec<Sizes> {
    let of = |target: &TargetFit| Sizes { error: one_size(target), left: one_size(target) };
    fit.targets.iter().map(of).collect()
}

fn one_size(target: &TargetFit) -> Vec<f64> {
    vec![1.0; target.points.len()]
}

/// Predicted losses over their mean.
fn by_loss(target: &TargetFit) -> Vec<f64> {
    let losses = target.points.iter().map(|point| point.predicted);
    let mean = losses.clone().sum::<f64>() / target.points.len().max(1) as f64;
    losses.map(|loss| loss / mean).collect()
}

fn sizes(target: &TargetFit, columns: &Target, error: Vec<f64>) -> Sizes {
    let model = Model::new(&target.form, f64::INFINITY);
    Sizes { left: leverage::left_over(&model, &target.inner, &columns.design, &error), error }
}

/// By how much the one makes the logarithm of the residuals' likelihood larger than the other, each with its best variance.
fn likelier(residuals: &[f64], other: &Sizes, one: &Sizes) -> f64 {
    let says = |row: &usize| {
        let of = |sizes: &Sizes| sizes.left[*row] > SAYS * sizes.error[*row].powi(2);
        of(one) && of(other)
    };
    let rows: Vec<usize> = (0..residuals.len()).filter(says).collect();
    let count = rows.len() as f64;
    let likelihood = |sizes: &Sizes| {
        let squares = rows.iter().map(|&row| residuals[row].powi(2) / sizes.left[row]);
        let variance = squares.sum::<f64>() / count;
        let spread: f64 = rows.iter().map(|&row| sizes.left[row].ln()).sum();
        -0.5 * (count * variance.ln() + spread)
    };
    let gain = likelihood(one) - likelihood(other);
    if gain.is_finite() { gain } else { 0.0 }
}
