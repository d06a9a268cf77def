//! How noise of the rows moves parameters, weights and the gain: seeded bootstraps of a fitted law.
//!
//! Every draw has its own losses, is fitted again from the fitted parameters and optimised again. The optimum is chosen by
//! the noisy rows that also predict its gain, so the gain claimed is too large on average; in the bootstrap's world, where
//! the fitted law is the truth, that excess is known draw by draw and is taken off (as in [`crate::ddo`]). Draw k uses stream k
//! of a counter-based generator, so draws are the same on any number of cores.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::LawError;
use super::estimate::{self, Squares};
use super::law::{Design, Model};
use super::noise::Noise;
use super::observations::Observations;
use super::optimum::{self, Problem, Search};
use super::options::{FitOptions, LawName, Point};
use super::result::{Interval, LawFit};
use super::surrogate::{Aim, Surrogate};
use super::targets::{Setup, Target};
use crate::numeric::levenberg::{self, Effort};
use crate::numeric::matrix;
use crate::numeric::statistics::{quantile, sorted};
use crate::random::Stream;

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
    /// Of the gain that the proposed mixture really has over the reference.
    pub gain: Interval,
    pub gain_median: f64,
    pub verdict: Verdict,
    #[serde(skip)]
    refits: Vec<LawFit>,
}

impl Uncertainty {
    /// Interval of the law's loss of every target at a point: of the mean over seeds, not of a single row.
    ///
    /// # Errors
    /// Those of [`LawFit::predict`]; [`LawError::Option`] where the draws are gone because the result was read from a file.
    pub fn forecast(&self, point: &Point) -> Result<Vec<Interval>, LawError> {
        let draws: Vec<Vec<f64>> =
            self.refits.iter().map(|fit| fit.predict(point)).collect::<Result<_, _>>()?;
        let Some(first) = draws.first() else {
            return Err(LawError::option(
                "a stored result has no draws to forecast with; bootstrap again",
            ));
        };
        Ok((0..first.len())
            .map(|target| interval(draws.iter().map(|d| d[target]).collect(), self.level))
            .collect())
    }
}

/// One draw, fitted and optimised.
struct Draw {
    fit: LawFit,
    weights: Vec<f64>,
    /// Gain claimed beyond what the fitted law gives.
    excess: f64,
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
    Ok(resampler.summary(kept, predicted.gain))
}

struct Resampler<'a> {
    observations: &'a Observations,
    fit: &'a LawFit,
    options: FitOptions,
    problem: &'a Problem,
    bootstrap: Bootstrap,
    resample: Resample,
    setup: Setup,
    noise: Noise,
    aim: Aim,
    /// Weights of the fit's optimum.
    proposed: Vec<f64>,
}

impl<'a> Resampler<'a> {
    fn new(
        observations: &'a Observations,
        fit: &'a LawFit,
        options: FitOptions,
        problem: &'a Problem,
        bootstrap: &Bootstrap,
        setup: Setup,
    ) -> Result<Self, LawError> {
        let noise = Noise::new(observations, fit, &setup, bootstrap.noise).ok_or_else(|| {
            LawError::option(format!(
                "the `{}` law has as many parameters as there are rows, so nothing shows the noise; add rows or seeds, or give the noise",
                fit.law
            ))
        })?;
        let clustered = observations.rows().iter().any(|row| row.cluster.is_some());
        let resample = match bootstrap.resample {
            Resample::Auto if fit.law == LawName::Trees => Resample::Rows,
            Resample::Auto if clustered && noise.cluster_count() >= 8 => Resample::WildClusters,
            Resample::Auto => Resample::Residuals,
            asked if fit.law == LawName::Trees && asked != Resample::Rows => {
                return Err(LawError::option("trees leave no residuals to redraw; resample rows"));
            }
            asked => asked,
        };
        let aim = Aim::new(fit, &problem.goal)?;
        let bootstrap = *bootstrap;
        let proposed = fit.reference.weights.clone();
        Ok(Self {
            observations,
            fit,
            options,
            problem,
            bootstrap,
            resample,
            setup,
            noise,
            aim,
            proposed,
        })
    }

    fn draw(&self, index: u64) -> Option<Draw> {
        let mut stream = Stream::new(self.bootstrap.seed, index);
        let fit = match self.resample {
            Resample::Rows => self.refit_rows(&mut stream)?,
            _ => self.refit_errors(&mut stream)?,
        };
        let own = Surrogate::new(&fit);
        let near = [self.proposed.as_slice(), self.fit.reference.weights.as_slice()];
        let weights = self.search(&own, |search| optimum::find_near(search, &near));
        let gain = |surrogate: &Surrogate<'_>| {
            self.search(surrogate, |search| {
                search.value(&self.fit.reference.weights) - search.value(&weights)
            })
        };
        let excess = gain(&own) - gain(&Surrogate::new(self.fit));
        let finite = excess.is_finite() && weights.iter().all(|w| w.is_finite());
        finite.then_some(Draw { weights, excess, fit })
    }

    fn search<T>(&self, surrogate: &Surrogate<'_>, use_it: impl FnOnce(&Search<'_>) -> T) -> T {
        use_it(&Search {
            surrogate,
            aim: &self.aim,
            tokens: self.problem.tokens,
            size: self.problem.size,
            lower: self.problem.bounds.floor.clone(),
            upper: optimum::reachable(&self.problem.bounds),
        })
    }

    /// The rows' own predictions with new errors, fitted from the fitted parameters.
    fn refit_errors(&self, stream: &mut Stream) -> Option<LawFit> {
        let errors = self.errors(stream);
        let mut fit = self.fit.clone();
        for (index, target) in self.setup.targets.iter().enumerate() {
            let mut design = target.design.clone();
            for (place, (y, &row)) in design.y.iter_mut().zip(&target.rows).enumerate() {
                let weight = self.observations.rows()[row].weight.sqrt();
                *y = self.fit.targets[index].points[place].predicted + errors[row][index] / weight;
            }
            fit.targets[index].inner = self.refit(index, &design)?;
        }
        Some(fit)
    }

    /// Errors of every row and target.
    fn errors(&self, stream: &mut Stream) -> Vec<Vec<f64>> {
        let rows = self.observations.rows().len();
        if self.resample == Resample::WildClusters {
            let factors: Vec<f64> = (0..self.noise.cluster_count()).map(|_| webb(stream)).collect();
            let scaled = |row: usize| {
                let factor = factors[self.noise.clusters[row]];
                self.noise.residuals[row].iter().map(|r| r * factor).collect()
            };
            return (0..rows).map(scaled).collect();
        }
        let size = self
            .noise
            .degrees
            .map_or(1.0, |degrees| (degrees as f64 / stream.chi_square(degrees)).sqrt());
        let targets = self.noise.sd.len();
        let error = |place: usize| {
            let normal: Vec<f64> = (0..targets).map(|_| size * stream.normal()).collect();
            let of = |k: usize| {
                let factor = &self.noise.factor[k * targets..=k * targets + k];
                self.noise.size[place][k] * matrix::dot(factor, &normal)
            };
            (0..targets).map(of).collect()
        };
        (0..rows).map(error).collect()
    }

    /// The parameters of one target on other losses or rows.
    fn refit(&self, index: usize, design: &Design) -> Option<Vec<f64>> {
        let fitted = &self.fit.targets[index];
        let model = Model::new(&fitted.form, design.smallest());
        let problem = Squares { design, model: &model, huber: self.options.huber };
        let effort = Effort { steps: 60, fall: 1e-10 };
        let end = levenberg::descend(&problem, &problem.limits(), &fitted.inner, effort);
        end.cost.is_finite().then_some(end.at)
    }

    /// Rows or clusters with replacement, fitted again.
    fn refit_rows(&self, stream: &mut Stream) -> Option<LawFit> {
        let count = self.noise.cluster_count();
        let mut times = vec![0_u32; count];
        (0..count).for_each(|_| times[stream.below(count)] += 1);
        let rows: Vec<usize> = (0..self.observations.rows().len())
            .flat_map(|row| std::iter::repeat_n(row, times[self.noise.clusters[row]] as usize))
            .collect();
        if self.fit.law == LawName::Trees {
            let rows = rows.iter().map(|&row| self.observations.rows()[row].clone()).collect();
            let table = self.observations.with_rows(rows);
            return estimate::fit(&table, self.fit.law, &self.options).ok();
        }
        let mut fit = self.fit.clone();
        for (index, target) in self.setup.targets.iter().enumerate() {
            let design = repeated(target, &rows);
            if design.len() < self.fit.targets[index].inner.len() {
                return None;
            }
            fit.targets[index].inner = self.refit(index, &design)?;
        }
        Some(fit)
    }

    fn summary(&self, draws: Vec<Draw>, gain: f64) -> Uncertainty {
        let level = self.bootstrap.level;
        let weights = (0..self.fit.domains.len())
            .map(|j| {
                let found = interval(draws.iter().map(|draw| draw.weights[j]).collect(), level);
                // Bounds and bends of a law can push every draw to one side; the answer itself is never excluded.
                let own = self.proposed[j];
                Interval { low: found.low.min(own), high: found.high.max(own) }
            })
            .collect();
        let gains: Vec<f64> = draws.iter().map(|draw| gain - draw.excess).collect();
        let parameters = (0..self.fit.targets.len())
            .map(|index| parameter_intervals(&draws, index, level))
            .collect();
        let median = quantile(&sorted(gains.clone()), 0.5);
        let of_gain = interval(gains, level);
        Uncertainty {
            level,
            draws: draws.len(),
            failed: self.bootstrap.draws - draws.len(),
            resample: self.resample,
            noise_sd: self.noise.sd.clone(),
            parameters,
            weights,
            gain: of_gain,
            gain_median: median,
            verdict: if of_gain.low > 0.0 {
                Verdict::Better
            } else if of_gain.high < 0.0 {
                Verdict::Worse
            } else {
                Verdict::NotBetterBeyondNoise
            },
            refits: draws.into_iter().map(|draw| draw.fit).collect(),
        }
    }
}

fn repeated(target: &Target, rows: &[usize]) -> Design {
    let mut design = Design::new(target.design.domains);
    for &row in rows {
        if let Ok(place) = target.rows.binary_search(&row) {
            let x = target.design.input(place);
            design.push(
                x.h,
                x.tokens,
                x.ln_size.exp(),
                target.design.y[place],
                target.design.weight[place],
            );
        }
    }
    design
}

fn parameter_intervals(draws: &[Draw], index: usize, level: f64) -> Vec<Interval> {
    let of = |draw: &Draw| -> Vec<f64> {
        let target = &draw.fit.targets[index];
        let model = Model::new(&target.form, f64::INFINITY);
        let named = model.report(&target.inner, &target.form.units);
        named.iter().map(|named| named.value).collect()
    };
    let values: Vec<Vec<f64>> = draws.iter().map(of).collect();
    let count = values.first().map_or(0, Vec::len);
    (0..count).map(|k| interval(values.iter().map(|v| v[k]).collect(), level)).collect()
}

/// One of Webb's six numbers: of mean 0 and variance 1.
fn webb(stream: &mut Stream) -> f64 {
    let size = [0.5_f64, 1.0, 1.5][stream.below(3)].sqrt();
    if stream.below(2) == 0 { -size } else { size }
}

fn interval(values: Vec<f64>, level: f64) -> Interval {
    let sorted = sorted(values);
    Interval {
        low: quantile(&sorted, (1.0 - level) / 2.0),
        high: quantile(&sorted, (1.0 + level) / 2.0),
    }
}
