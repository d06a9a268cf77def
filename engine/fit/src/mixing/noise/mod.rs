//! How large the errors of a table's rows are, and which rows share them: what a bootstrap draws from.

mod leverage;
mod size;
#[cfg(test)]
mod tests;

use self::size::Sizes;
use super::observations::{Observations, Row};
use super::result::LawFit;
use super::targets::Setup;
use crate::numeric::matrix;

/// Errors of one row over the targets.
pub(super) struct Noise {
    /// Of one row, root mean square over the rows.
    pub(super) sd: Vec<f64>,
    /// Lower triangular factor of the covariance of errors over their `size`.
    pub(super) factor: Vec<f64>,
    /// What the error of every row and target is in proportion to.
    pub(super) size: Vec<Vec<f64>>,
    /// Of the estimate; none where the noise is given.
    pub(super) degrees: Option<usize>,
    /// Residuals of every row and target, inflated for the parameters; 0 where there is none.
    pub(super) residuals: Vec<Vec<f64>>,
    /// The cluster of every row.
    pub(super) clusters: Vec<usize>,
}

impl Noise {
    pub(super) fn new(
        observations: &Observations,
        fit: &LawFit,
        setup: &Setup,
        given: Option<f64>,
    ) -> Option<Self> {
        let targets = fit.targets.len();
        let degrees = fit.targets.iter().map(|target| target.degrees_of_freedom).min()?;
        if degrees == 0 && given.is_none() {
            return None;
        }
        let columns = residuals(observations, fit, setup);
        let sizes = match given {
            None => size::likeliest(fit, setup, &columns),
            Some(_) => size::alike(fit),
        };
        let covariance = given.map_or_else(
            || covariance(&columns, &sizes, setup),
            |sd| diagonal(&vec![sd * sd; targets]),
        );
        let mean_square = |k: usize| {
            let error = &sizes[k].error;
            error.iter().map(|s| s * s).sum::<f64>() / error.len().max(1) as f64
        };
        let sd = |k: usize| (covariance[k * targets + k] * mean_square(k)).sqrt();
        let rows = observations.rows().len();
        Some(Self {
            sd: (0..targets).map(sd).collect(),
            factor: factor(covariance, targets),
            size: by_row(rows, setup, 1.0, |k, place| sizes[k].error[place]),
            degrees: given.is_none().then_some(degrees),
            residuals: by_row(rows, setup, 0.0, |k, place| columns[k][place] * inflation(fit, k)),
            clusters: clusters(observations.rows()),
        })
    }

    pub(super) fn cluster_count(&self) -> usize {
        self.clusters.iter().max().map_or(0, |last| last + 1)
    }
}

/// Residuals of every target's rows times the root of the row's weight.
fn residuals(observations: &Observations, fit: &LawFit, setup: &Setup) -> Vec<Vec<f64>> {
    let weight = |row: usize| observations.rows()[row].weight.sqrt();
    let targets = fit.targets.iter().zip(&setup.targets).map(|(target, columns)| {
        let points = target.points.iter().zip(&columns.rows);
        points.map(|(point, &row)| (point.observed - point.predicted) * weight(row)).collect()
    });
    targets.collect()
}

/// Root of rows over degrees of freedom.
fn inflation(fit: &LawFit, target: usize) -> f64 {
    let target = &fit.targets[target];
    (target.rows as f64 / target.degrees_of_freedom.max(1) as f64).sqrt()
}

/// Values of every row and target, given by target and place among its rows; `none` where a target lacks the row.
fn by_row(
    rows: usize,
    setup: &Setup,
    none: f64,
    value: impl Fn(usize, usize) -> f64,
) -> Vec<Vec<f64>> {
    let mut all = vec![vec![none; setup.targets.len()]; rows];
    for (k, target) in setup.targets.iter().enumerate() {
        target.rows.iter().enumerate().for_each(|(place, &row)| all[row][k] = value(k, place));
    }
    all
}

/// Of errors over their size, from residuals and what a fit leaves of such errors; a pair of targets from the rows that have both.
fn covariance(residuals: &[Vec<f64>], sizes: &[Sizes], setup: &Setup) -> Vec<f64> {
    let targets = residuals.len();
    let place = |k: usize, row: &usize| setup.targets[k].rows.binary_search(row).ok();
    let of = |k: usize, l: usize| {
        let both =
            setup.targets[k].rows.iter().filter_map(|row| Some((place(k, row)?, place(l, row)?)));
        let (mut sum, mut left) = (0.0, [0.0; 2]);
        for (p, q) in both {
            let (of_k, of_l) = (sizes[k].error[p], sizes[l].error[q]);
            sum += residuals[k][p] / of_k * residuals[l][q] / of_l;
            left[0] += sizes[k].left[p] / of_k.powi(2);
            left[1] += sizes[l].left[q] / of_l.powi(2);
        }
        let left = (left[0] * left[1]).sqrt();
        if left > 0.0 { sum / left } else { 0.0 }
    };
    (0..targets * targets).map(|at| of(at / targets, at % targets)).collect()
}

fn diagonal(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let of = |at: usize| if at / n == at % n { values[at / n] } else { 0.0 };
    (0..n * n).map(of).collect()
}

/// The lower triangular factor; that of the diagonal alone where the pairs contradict each other.
fn factor(mut covariance: Vec<f64>, n: usize) -> Vec<f64> {
    let roots: Vec<f64> = (0..n).map(|k| covariance[k * n + k].sqrt()).collect();
    // Targets of linearly dependent residuals (fewer rows than targets) have a singular covariance.
    (0..n).for_each(|k| covariance[k * n + k] = covariance[k * n + k] * (1.0 + 1e-9) + 1e-300);
    if matrix::cholesky(&mut covariance, n) { covariance } else { diagonal(&roots) }
}

/// The cluster of every row, numbered by name; a row without one is its own.
fn clusters(rows: &[Row]) -> Vec<usize> {
    let mut names: Vec<&String> = rows.iter().filter_map(|row| row.cluster.as_ref()).collect();
    names.sort();
    names.dedup();
    let mut alone = names.len();
    let number = |row: &Row| match &row.cluster {
        Some(name) => names.binary_search(&name).unwrap_or(0),
        None => {
            alone += 1;
            alone - 1
        }
    };
    rows.iter().map(number).collect()
}
