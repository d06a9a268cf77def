//! How large the errors of a table's rows are, and which rows share them: what a bootstrap draws from.

use super::observations::{Observations, Row};
use super::result::LawFit;
use super::targets::Setup;
use crate::numeric::matrix;

/// Errors of one row over the targets.
pub(super) struct Noise {
    pub(super) sd: Vec<f64>,
    /// Lower triangular factor of their covariance.
    pub(super) factor: Vec<f64>,
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
        let residuals = residuals(observations, fit, setup);
        let mut covariance = vec![0.0; targets * targets];
        for row in &residuals {
            (0..targets * targets)
                .for_each(|k| covariance[k] += row[k / targets] * row[k % targets]);
        }
        let rows = observations.rows().len() as f64;
        covariance.iter_mut().for_each(|c| *c /= rows);
        if let Some(sd) = given {
            covariance.fill(0.0);
            (0..targets).for_each(|k| covariance[k * targets + k] = sd * sd);
        }
        let sd: Vec<f64> = (0..targets).map(|k| covariance[k * targets + k].sqrt()).collect();
        // Targets of linearly dependent residuals (fewer rows than targets) have a singular covariance.
        (0..targets).for_each(|k| {
            covariance[k * targets + k] = covariance[k * targets + k] * (1.0 + 1e-9) + 1e-300;
        });
        let mut factor = covariance.clone();
        if !matrix::cholesky(&mut factor, targets) {
            factor.fill(0.0);
            (0..targets).for_each(|k| factor[k * targets + k] = sd[k]);
        }
        let degrees = given.is_none().then_some(degrees);
        Some(Self { sd, factor, degrees, residuals, clusters: clusters(observations.rows()) })
    }

    pub(super) fn cluster_count(&self) -> usize {
        self.clusters.iter().max().map_or(0, |last| last + 1)
    }
}

/// Residuals times the root of the row's weight, inflated by rows over degrees of freedom.
fn residuals(observations: &Observations, fit: &LawFit, setup: &Setup) -> Vec<Vec<f64>> {
    let mut all = vec![vec![0.0; fit.targets.len()]; observations.rows().len()];
    for (index, (target, columns)) in fit.targets.iter().zip(&setup.targets).enumerate() {
        let inflate = (target.rows as f64 / target.degrees_of_freedom.max(1) as f64).sqrt();
        for (point, &row) in target.points.iter().zip(&columns.rows) {
            let weight = observations.rows()[row].weight.sqrt();
            all[row][index] = (point.observed - point.predicted) * weight * inflate;
        }
    }
    all
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
