//! How noise of the runs moves the optimum and its gain: a seeded parametric bootstrap.
//!
//! Knows the observed groups and the fitted laws; nothing of seeds or training. Every draw gives each group's mean a
//! normal error of the runs' standard deviation over the root of their number, and does everything again: shape check,
//! fit, optimum. The standard deviation, where estimated from few runs, is itself redrawn (chi-square), which is what
//! Student's t does for a mean. Draw k uses stream k of a counter-based generator, so draws are independent of order.
//!
//! The optimum is chosen by the same noisy runs that predict its gain, so the prediction is too good on average. In the
//! bootstrap's world, where the fitted laws are the truth, that excess is known draw by draw: (gain claimed by the
//! redrawn laws at their optimum) - (gain the fitted laws give that optimum). The interval of the gain is the
//! predicted gain less these excesses.

use rayon::prelude::*;

use super::Options;
use super::evidence::{Observed, mean};
use super::optimum::Problem;
use super::result::{DomainFit, Interval, NoiseSource, Optimum, Uncertainty};
use crate::autoscale::Scale;
use crate::error::FitError;
use crate::numeric::statistics::{quantile, sorted};
use crate::power_law::{self, FitOptions, Point, PowerLaw};
use crate::random::Stream;

/// Size of the noise of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    source: NoiseSource,
    /// Relative to the objective.
    pub(super) relative_sd: f64,
    degrees_of_freedom: Option<usize>,
}

/// The noise given, or estimated from runs of the same amounts.
pub(super) fn noise_of(observed: &Observed, options: &Options) -> Option<Noise> {
    if let Some(relative_sd) = options.noise {
        return Some(Noise { source: NoiseSource::Given, relative_sd, degrees_of_freedom: None });
    }
    let groups = observed.groups.iter().flatten().map(|group| &group.objectives);
    let (mut squares, mut degrees) = (0.0, 0);
    for objectives in groups.chain([&observed.base]) {
        let centre = mean(objectives);
        squares += objectives.iter().map(|l| (l / centre - 1.0).powi(2)).sum::<f64>();
        degrees += objectives.len() - 1;
    }
    estimate(NoiseSource::Repeats, squares, degrees)
}

/// The noise that laws leave of more points than parameters.
pub(super) fn residual_noise(laws: &[DomainFit]) -> Option<Noise> {
    let fitted = laws.iter().filter(|domain| domain.law.is_some() && domain.points.len() > 3);
    let (mut squares, mut degrees) = (0.0, 0);
    for domain in fitted {
        let square = |residual: f64, runs: usize| runs as f64 * residual * residual;
        squares +=
            domain.points.iter().map(|p| square(p.residual.unwrap_or(0.0), p.runs)).sum::<f64>();
        degrees += domain.points.len() - 3;
    }
    estimate(NoiseSource::Residuals, squares, degrees)
}

fn estimate(source: NoiseSource, squares: f64, degrees: usize) -> Option<Noise> {
    (degrees > 0).then(|| Noise {
        source,
        relative_sd: (squares / degrees as f64).sqrt(),
        degrees_of_freedom: Some(degrees),
    })
}

/// Laws and optimum of one draw.
struct Draw {
    optimum: Optimum,
    laws: Vec<Option<PowerLaw>>,
    /// Relative gain claimed beyond what the fitted laws give.
    excess: f64,
}

impl Draw {
    /// The draw's optimum; its shifts only where every domain has a law.
    fn into_scale(self, base: &[f64]) -> Scale {
        let shift = |(law, base): (&Option<PowerLaw>, &f64)| law.map(|law| law.a * base);
        Scale {
            amounts: self.optimum.amounts,
            at_floor: self.optimum.at_floor,
            held: self.optimum.held,
            shifts: self.laws.iter().zip(base).map(shift).collect(),
        }
    }
}

struct Resampler<'a> {
    observed: &'a Observed,
    problem: &'a Problem,
    fitted: Vec<Option<PowerLaw>>,
    domains: &'a [DomainFit],
    noise: Noise,
    options: &'a Options,
}

pub(super) fn bootstrap(
    observed: &Observed,
    options: &Options,
    problem: &Problem,
    domains: &[DomainFit],
    optimum: &Optimum,
    noise: Option<Noise>,
) -> Result<(Uncertainty, Vec<Scale>), FitError> {
    let Some(noise) = noise else {
        return Ok((Uncertainty::NotAvailable, Vec::new()));
    };
    if options.bootstrap.draws == 0 {
        return Ok((Uncertainty::NotAsked, Vec::new()));
    }
    let resampler = Resampler {
        observed,
        problem,
        fitted: domains.iter().map(|d| d.law).collect(),
        domains,
        noise,
        options,
    };
    // Collected in the order of the draws: the same on any number of cores.
    let draws = (0..options.bootstrap.draws as u64)
        .into_par_iter()
        .map(|index| resampler.draw(index))
        .collect::<Vec<Result<Draw, FitError>>>()
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let uncertainty = resampler.summary(&draws, optimum);
    let scale = |draw: Draw| draw.into_scale(&observed.base_amounts);
    Ok((uncertainty, draws.into_iter().map(scale).collect()))
}

impl Resampler<'_> {
    fn draw(&self, index: u64) -> Result<Draw, FitError> {
        let mut stream = Stream::new(self.options.bootstrap.seed, index);
        let sd = self.redraw_sd(&mut stream);
        let mut error = |runs: usize| 1.0 + sd * stream.normal() / (runs as f64).sqrt();
        let base = error(self.observed.base.len());
        // A draw judges its points as the fit did: by the noise that was known before it.
        let known = (self.noise.source != NoiseSource::Residuals).then_some(self.noise.relative_sd);
        let options = FitOptions { root: self.options.root, noise: known };
        let laws: Vec<Option<PowerLaw>> = self
            .domains
            .iter()
            .map(|domain| redraw_law(domain, &options, |runs| error(runs) / base))
            .collect();
        let optimum = self.problem.solve(&laws)?;
        let claimed = base * self.problem.gain(&laws, &optimum.multiples);
        let excess = claimed - self.problem.gain(&self.fitted, &optimum.multiples);
        Ok(Draw { optimum, laws, excess })
    }

    fn redraw_sd(&self, stream: &mut Stream) -> f64 {
        let scale = self
            .noise
            .degrees_of_freedom
            .map_or(1.0, |degrees| (degrees as f64 / stream.chi_square(degrees)).sqrt());
        self.noise.relative_sd * scale
    }

    fn summary(&self, draws: &[Draw], optimum: &Optimum) -> Uncertainty {
        let level = self.options.bootstrap.level;
        let count = self.domains.len();
        let over = |value: &dyn Fn(&Draw, usize) -> f64| -> Vec<Interval> {
            let of = |j: usize| interval(draws.iter().map(|d| value(d, j)).collect(), level);
            (0..count).map(of).collect()
        };
        let share = |j: usize| {
            draws.iter().filter(|d| d.laws[j].is_some()).count() as f64 / draws.len() as f64
        };
        let predicted = self.problem.gain(&self.fitted, &optimum.multiples);
        let gains: Vec<f64> = draws
            .iter()
            .map(|draw| self.observed.base_objective * (predicted - draw.excess))
            .collect();
        Uncertainty::Intervals {
            source: self.noise.source,
            relative_sd: self.noise.relative_sd,
            degrees_of_freedom: self.noise.degrees_of_freedom,
            draws: draws.len(),
            level,
            weights: over(&|draw, j| draw.optimum.weights[j]),
            multiples: over(&|draw, j| draw.optimum.multiples[j]),
            gain_median: quantile(&sorted(gains.clone()), 0.5),
            gain: interval(gains, level),
            identified: (0..count).map(share).collect(),
        }
    }
}

/// The law of a domain's points after errors; the base point is the unit of y and moves all others.
fn redraw_law(
    domain: &DomainFit,
    options: &FitOptions,
    mut error: impl FnMut(usize) -> f64,
) -> Option<PowerLaw> {
    let mut point = |p: &super::FitPoint| Point {
        x: p.x,
        // Errors are drawn about the fitted law where there is one: it is the bootstrap's truth.
        y: if p.x == 1.0 { 1.0 } else { p.fitted.unwrap_or(p.y) * error(p.runs) },
        weight: p.runs as f64,
    };
    let points: Vec<Point> = domain.points.iter().map(&mut point).collect();
    match domain.law {
        Some(law) => power_law::refit(&points, options, law),
        None => power_law::fit(&points, options).ok().map(|fit| fit.law),
    }
}

fn interval(values: Vec<f64>, level: f64) -> Interval {
    let sorted = sorted(values);
    Interval {
        low: quantile(&sorted, (1.0 - level) / 2.0),
        high: quantile(&sorted, (1.0 + level) / 2.0),
    }
}
