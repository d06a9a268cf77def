//! Direct Data Optimization (DDO): from losses of perturbed runs to the mixture of least predicted loss.
//!
//! Knows token amounts and validation losses by position; not what a domain is, where a loss was measured, nor how a
//! mixture is trained. Source: AutoScale, arXiv 2407.20177v1, Algorithm 1 and Appendix B.
//!
//! Every run that changes one domain's amount gives a point (x, y) of that domain's law, `x = n_j / n_j(base)` and
//! `y = L / L0`; the objective of a mixture is predicted as `L0 (1 + sum_j [y_j(x_j) - y_j(1)])`, additive over domains.
//! A domain whose points identify no law is held at its reference amount and said so, never fitted.

mod evidence;
mod fit;
mod noise;
mod optimum;
mod result;
mod uncertainty;
mod words;

use serde::{Deserialize, Serialize};

use crate::autoscale::Scale;
use crate::error::{Domain, FitError};
use crate::power_law::Root;

pub use result::{
    DdoFit, DomainFit, FitPoint, Interval, NoiseSource, Note, Optimum, Prediction, Uncertainty,
};

/// What the values of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Mean token cross-entropy, in nats.
    #[default]
    CrossEntropy,
    /// Perplexity, the exponential of the former.
    Perplexity,
}

/// What is to be made small: a mean over the validation domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    #[default]
    MeanPerplexity,
    MeanCrossEntropy,
}

/// One training: what it was trained on and what it scored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Run {
    /// Tokens of each training domain.
    pub amounts: Vec<f64>,
    /// One value per validation domain, in the evidence's [`Measure`]. Validation and training domains may differ.
    pub values: Vec<f64>,
    /// Which domain was perturbed, where the caller knows; else it is recognised from the amounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perturbed: Option<Domain>,
}

/// Everything a DDO fit looks at. Repeats over seeds are further runs with the same amounts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    pub measure: Measure,
    /// Runs at the reference amounts; at least one.
    pub base: Vec<Run>,
    /// Runs that change one domain each.
    pub perturbed: Vec<Run>,
}

impl Evidence {
    /// Evidence from a table that says which domain was scaled by which factor: amounts are the base's, one scaled.
    #[must_use]
    pub fn from_factors(
        measure: Measure,
        base_amounts: &[f64],
        base_values: &[Vec<f64>],
        perturbed: &[(Domain, f64, Vec<f64>)],
    ) -> Self {
        let base = |values: &Vec<f64>| Run {
            amounts: base_amounts.to_vec(),
            values: values.clone(),
            perturbed: None,
        };
        let scaled = |(domain, factor, values): &(Domain, f64, Vec<f64>)| {
            let mut run = base(values);
            run.perturbed = Some(*domain);
            if let Some(amount) = run.amounts.get_mut(domain.0) {
                *amount *= factor;
            }
            run
        };
        Self {
            measure,
            base: base_values.iter().map(base).collect(),
            perturbed: perturbed.iter().map(scaled).collect(),
        }
    }
}

/// How to bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Redrawn fits; 0 for none.
    pub draws: usize,
    /// Probability that an interval is to cover, in (0, 1).
    pub level: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { draws: 1000, level: 0.9, seed: 0 }
    }
}

/// How to fit and where to look for the optimum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    pub objective: Objective,
    /// Tokens of the optimum; the base run's total unless given.
    pub total: Option<f64>,
    /// Least amount of a domain, as a multiple of its reference amount (the base amount scaled to the total).
    pub floor: f64,
    /// Least tokens of each domain that has a floor of its own, instead of [`Self::floor`].
    pub floors: Option<Vec<Option<f64>>>,
    /// Most tokens of each domain (what exists, times the repeats permitted).
    pub caps: Option<Vec<Option<f64>>>,
    /// Use only runs whose factor is one of these, within 2 %.
    pub factors: Option<Vec<f64>>,
    /// Which interpolating law to take where there are two.
    pub root: Root,
    /// Standard deviation of one run's objective over seeds, relative to it; estimated from repeats unless given.
    pub noise: Option<f64>,
    pub bootstrap: Bootstrap,
    /// Relative difference below which two amounts count as the same: samples are whole, so counts round.
    pub amount_tolerance: f64,
}

impl Default for Options {
    /// The paper's published settings: mean perplexity, a floor of 0.2, all factors.
    fn default() -> Self {
        Self {
            objective: Objective::default(),
            total: None,
            floor: 0.2,
            floors: None,
            caps: None,
            factors: None,
            root: Root::default(),
            noise: None,
            bootstrap: Bootstrap::default(),
            amount_tolerance: 0.005,
        }
    }
}

/// Fits each domain's law and finds the optimal amounts.
///
/// A domain that cannot be identified is no error: it is held and described in the result.
///
/// # Errors
/// [`FitError`] for evidence that is not a DDO experiment (no base run, runs that change several domains), values
/// that are not finite and positive, or bounds that exclude the total.
pub fn solve(evidence: &Evidence, options: &Options) -> Result<DdoFit, FitError> {
    solve_with_draws(evidence, options).map(|(fit, _)| fit)
}

/// [`solve`], and the bootstrap's optimum of every draw as a scale of AutoScale: what
/// [`crate::autoscale::predict_with_intervals`] needs. Empty where there are no intervals.
///
/// # Errors
/// Those of [`solve`].
pub fn solve_with_draws(
    evidence: &Evidence,
    options: &Options,
) -> Result<(DdoFit, Vec<Scale>), FitError> {
    check_options(options)?;
    let observed = evidence::observe(evidence, options)?;
    let noise = noise::noise_of(&observed, options);
    let laws = fit::laws(&observed, options, noise.as_ref().map(|noise| noise.relative_sd));
    let noise = noise.or_else(|| noise::residual_noise(&laws));
    let problem = optimum::Problem::new(&observed, options)?;
    let optimum = problem.solve(&laws.iter().map(|d| d.law).collect::<Vec<_>>())?;
    let predicted = problem.predict(&laws, &optimum, observed.base_objective);
    let (uncertainty, draws) =
        uncertainty::bootstrap(&observed, options, &problem, &laws, &optimum, noise)?;
    let mut fit = DdoFit {
        objective: options.objective,
        total: problem.total,
        base_amounts: observed.base_amounts.clone(),
        base_objective: observed.base_objective,
        base_runs: observed.base.len(),
        better_than_reference_beyond_noise: uncertainty.better_than_reference(),
        domains: laws,
        optimum,
        predicted,
        uncertainty,
        notes: Vec::new(),
    };
    fit.notes = words::notes(&fit, &observed);
    Ok((fit, draws))
}

fn check_options(options: &Options) -> Result<(), FitError> {
    let number = |what: &str, value: f64, inside: bool, requirement| {
        if value.is_finite() && inside {
            return Ok(());
        }
        Err(FitError::Number { what: what.into(), value, requirement })
    };
    let level = options.bootstrap.level;
    let tolerance = options.amount_tolerance;
    number("`floor`", options.floor, (0.0..=1.0).contains(&options.floor), "from 0 to 1")?;
    number("`level`", level, level > 0.0 && level < 1.0, "above 0 and below 1")?;
    number(
        "`amount_tolerance`",
        tolerance,
        (0.0..0.5).contains(&tolerance),
        "from 0 to below 0.5",
    )?;
    if let Some(noise) = options.noise {
        number("`noise`", noise, noise >= 0.0, "finite and at least 0")?;
    }
    for &factor in options.factors.iter().flatten() {
        number("a factor", factor, factor >= 0.0, "finite and at least 0")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
