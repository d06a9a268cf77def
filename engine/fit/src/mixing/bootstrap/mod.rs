//! How noise of the rows moves parameters, weights and the gain: seeded bootstraps of a fitted law.
//!
//! Every draw has its own losses, is fitted again from the fitted parameters and optimised again. The optimum is chosen by
//! the noisy rows that also predict its gain, so the gain claimed is too large on average; in the bootstrap's world, where
//! the fitted law is the truth, that excess is known draw by draw and is taken off (as in [`crate::ddo`]; `summary` says how). Draw k uses stream k
//! of a counter-based generator, so draws are the same on any number of cores.
//!
//! Fits of laws whose parameters trade off end at bounds and on ridges, and redrawn about such an end they spread less than about the truth.
//! How much less is measured: the first draws are redrawn once more, about themselves, and where these spread less than the draws do about the
//! fit, intervals are widened by the difference (`summary`).

mod redraw;
mod summary;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::redraw::{Draw, Resampler};
use super::error::LawError;
use super::observations::Observations;
use super::optimum::{self, Problem};
use super::options::{FitOptions, Point};
use super::result::{Interval, LawFit};
use super::targets::Setup;

/// What a draw redraws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resample {
    /// Rows for trees; wild clusters where rows form eight or more; else residuals.
    #[default]
    Auto,
    /// Normal errors about the fit with the covariance of the residuals over validation domains, of one size or in proportion to the
    /// losses; their size, estimated from few degrees of freedom, is itself redrawn (chi-square).
    Residuals,
    /// Each cluster's residuals times one of Webb's six numbers (Cameron, Gelbach and Miller 2008; Webb 2014).
    WildClusters,
    /// Rows, or whole clusters where rows have them, with replacement.
    Rows,
}

/// How to bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bootstrap {
    pub draws: usize,
    /// Probability that an interval is to cover, in (0, 1).
    pub level: f64,
    pub seed: u64,
    pub resample: Resample,
    /// Standard deviation of one row's target, where it is known; else from the residuals.
    pub noise: Option<f64>,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { draws: 400, level: 0.9, seed: 0, resample: Resample::Auto, noise: None }
    }
}

/// Whether the proposed mixture is better than the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval of the gain is above 0.
    Better,
    /// The interval holds 0.
    NotBetterBeyondNoise,
    /// The whole interval is below 0: the bounds cost more than the optimum gains.
    Worse,
}

/// Intervals of parameters, weights and gain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uncertainty {
    pub level: f64,
    /// Draws that intervals rest on.
    pub draws: usize,
    /// Draws that could not be fitted.
    pub failed: usize,
    /// What was redrawn.
    pub resample: Resample,
    /// Standard deviation of one row of each target.
    pub noise_sd: Vec<f64>,
    /// Of every parameter of every target, in their order; empty for trees.
    pub parameters: Vec<Vec<Interval>>,
    /// Of the optimum's weights.
    pub weights: Vec<Interval>,
    /// The part of the tokens, 0 to 1, that the optima of draws have in common with the optimum, on average. Where that is a corner of
    /// the bounds and the part is small, noise decides which corner, and weights' intervals may miss the best one.
    pub overlap: f64,
    /// Of the gain that the proposed mixture really has over the reference.
    pub gain: Interval,
    /// The claimed gain less the median of what claims have too much.
    pub gain_median: f64,
    pub verdict: Verdict,
    #[serde(skip)]
    refits: Refits,
}

/// Laws to forecast with.
#[derive(Debug, Clone, PartialEq, Default)]
struct Refits {
    about: Option<LawFit>,
    draws: Vec<LawFit>,
    /// The first draws redrawn about themselves, with their place among the draws.
    again: Vec<(usize, LawFit)>,
}

impl Uncertainty {
    /// Interval of the law's loss of every target at a point: of the mean over seeds, not of a single row.
    ///
    /// # Errors
    /// Those of [`LawFit::predict`]; [`LawError::Option`] where the draws are gone because the result was read from a file.
    pub fn forecast(&self, point: &Point) -> Result<Vec<Interval>, LawError> {
        let (Some(about), false) = (&self.refits.about, self.refits.draws.is_empty()) else {
            return Err(LawError::option(
                "a stored result has no draws to forecast with; bootstrap again",
            ));
        };
        let centre = about.predict(point)?;
        let draws: Vec<Vec<f64>> =
            self.refits.draws.iter().map(|fit| fit.predict(point)).collect::<Result<_, _>>()?;
        let again: Vec<(usize, Vec<f64>)> = self
            .refits
            .again
            .iter()
            .map(|(place, fit)| Ok((*place, fit.predict(point)?)))
            .collect::<Result<_, LawError>>()?;
        let of = |target: usize| {
            let first = draws.iter().map(|draw| draw[target] - centre[target]).collect();
            let moved =
                |(place, draw): &(usize, Vec<f64>)| (*place, draw[target] - draws[*place][target]);
            let again: Vec<_> = again.iter().map(moved).collect();
            summary::widened(centre[target], first, &again, self.level)
        };
        Ok((0..centre.len()).map(of).collect())
    }
}

/// Bootstraps a fit and its optimum.
///
/// # Errors
/// [`LawError::Option`] where nothing shows the noise (as many parameters as rows) and none is given, for a level outside (0, 1), or
/// where fewer than half of the draws could be fitted.
pub fn bootstrap(
    observations: &Observations,
    fit: &LawFit,
    options: &FitOptions,
    problem: &Problem,
    bootstrap: &Bootstrap,
) -> Result<Uncertainty, LawError> {
    let level = bootstrap.level;
    if !(level > 0.0 && level < 1.0) || bootstrap.draws < 2 {
        return Err(LawError::option(
            "a bootstrap needs a level above 0 and below 1 and two or more draws; correct them",
        ));
    }
    let options = FitOptions {
        reference: Some(fit.reference.weights.clone()),
        scale: fit.scale,
        ..options.clone()
    };
    let predicted = optimum::optimise(fit, problem)?;
    let setup = Setup::new(observations, fit.law, &options)?;
    let mut resampler = Resampler::new(observations, fit, options, problem, bootstrap, setup)?;
    resampler.proposed.clone_from(&predicted.weights);
    let draws: Vec<Option<Draw>> =
        (0..bootstrap.draws as u64).into_par_iter().map(|index| resampler.draw(index)).collect();
    let kept: Vec<Draw> = draws.into_iter().flatten().collect();
    if kept.len() * 2 < bootstrap.draws {
        return Err(LawError::option(format!(
            "only {} of {} redrawn tables identify the `{}` law; add rows or choose a law of fewer parameters",
            kept.len(),
            bootstrap.draws,
            fit.law
        )));
    }
    Ok(summary::of(&resampler, kept, predicted.gain))
}
