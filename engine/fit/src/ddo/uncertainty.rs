//! How noise of the runs moves the optimum and its gain: a seeded parametric bootstrap.
//!
//! Knows the observed groups and the fitted laws; nothing of seeds or training. Every draw gives each group's mean a
//! normal error of the runs' standard deviation over the root of their number. The standard deviation, where estimated from few
//! runs, is itself redrawn (chi-square), which is what Student's t does for a mean. Draw k uses stream k of a counter-based
//! generator, so draws are independent of order.
//!
//! Weights. The errors are about the observed means, and every draw takes the law nearest to its points, so that a domain
//! held for lack of a law has an interval of what its optimum may be. Errors about the fitted laws, and draws that hold
//! domains as [`super::solve`] does, would put intervals at the reference for no other reason than noise, and miss the truth.
//! Projecting a distribution about the observed means onto the laws keeps its coverage where they bound it (Andrews 2000
//! shows that redrawing about the projected fit does not).
//!
//! Gain. What the proposed mixture really gains is spread as what the redrawn laws give it. But that mixture was chosen by the
//! same noisy runs that predict its gain, so where there is little to gain the prediction is too good on average. In the
//! bootstrap's world, where the laws nearest to the observed points are the truth, that excess is known draw by draw: (gain
//! claimed by the redrawn laws at their own optimum, domains held as the fit holds them) - (gain the truth gives that
//! optimum). The lower end is the lower of the two: of the redrawn gains, and of the predicted gain less these excesses.

use rayon::prelude::*;

use super::Options;
use super::evidence::Observed;
use super::noise::Noise;
use super::optimum::Problem;
use super::result::{DomainFit, Interval, NoiseSource, Optimum, Uncertainty};
use crate::autoscale::Scale;
use crate::error::FitError;
use crate::numeric::statistics::{quantile, sorted};
use crate::power_law::{self, Point, PowerLaw};
use crate::random::Stream;

/// Laws and optimum of one draw.
struct Draw {
    optimum: Optimum,
    /// The nearest laws; `None` for a domain that has too few points.
    laws: Vec<Option<PowerLaw>>,
    /// Whether the fit would have given the domain a law.
    identified: Vec<bool>,
    /// Relative gain of the proposed mixture by these laws.
    gain: f64,
    /// Relative gain that the draw's own proposal claims beyond what the bootstrap's truth gives it.
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
    /// The bootstrap's truth: the fitted laws, and of other domains those nearest to their points.
    truth: Vec<Option<PowerLaw>>,
    domains: &'a [DomainFit],
    /// The fit's optimum.
    proposed: &'a Optimum,
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
    let nearest = |domain: &DomainFit| {
        let points = points_of(domain, |_| 1.0);
        domain.law.or_else(|| power_law::nearest(&points, options.root, None))
    };
    let truth = domains.iter().map(nearest).collect();
    let resampler =
        Resampler { observed, problem, truth, domains, proposed: optimum, noise, options };
    // Collected in the order of the draws: the same on any number of cores.
    let draws = (0..options.bootstrap.draws as u64)
        .into_par_iter()
        .map(|index| resampler.draw(index))
        .collect::<Vec<Result<Draw, FitError>>>()
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let uncertainty = resampler.summary(&draws);
    let scale = |draw: Draw| draw.into_scale(&observed.base_amounts);
    Ok((uncertainty, draws.into_iter().map(scale).collect()))
}

/// The relative error of a redrawn mean as a factor: above 0 however large the size that few repeats let a draw have.
fn factor(error: f64) -> f64 {
    error.clamp(-20.0, 20.0).exp()
}

impl Resampler<'_> {
    fn draw(&self, index: u64) -> Result<Draw, FitError> {
        let mut stream = Stream::new(self.options.bootstrap.seed, index);
        let sd = self.noise.redraw_sd(&mut stream);
        let mut error = |runs: usize| factor(sd * stream.normal() / (runs as f64).sqrt());
        let base = error(self.observed.base.len());
        let points: Vec<Vec<Point>> = self
            .domains
            .iter()
            .map(|domain| points_of(domain, |runs| error(runs) / base))
            .collect();
        let law = |(points, hint): (&Vec<Point>, &Option<PowerLaw>)| {
            power_law::nearest(points, self.options.root, *hint)
        };
        let laws: Vec<Option<PowerLaw>> = points.iter().zip(&self.truth).map(law).collect();
        let identified: Vec<bool> = points.iter().map(|points| self.identifies(points)).collect();
        let optimum = self.problem.solve(&laws)?;
        let excess = self.excess(base, &laws, &identified, &optimum)?;
        let gain = base * self.problem.gain(&laws, &self.proposed.multiples);
        Ok(Draw { optimum, laws, identified, gain, excess })
    }

    /// Judges a draw's points as the fit judged the observed ones: by the noise that was known before it.
    fn identifies(&self, points: &[Point]) -> bool {
        let known = (self.noise.source != NoiseSource::Residuals).then_some(self.noise.relative_sd);
        power_law::check_shape(points, known).is_ok()
    }

    /// What the draw's own proposal claims beyond what the truth gives it.
    fn excess(
        &self,
        base: f64,
        laws: &[Option<PowerLaw>],
        identified: &[bool],
        free: &Optimum,
    ) -> Result<f64, FitError> {
        let held: Vec<Option<PowerLaw>> =
            laws.iter().zip(identified).map(|(law, kept)| law.filter(|_| *kept)).collect();
        let proposed = if held == laws { None } else { Some(self.problem.solve(&held)?) };
        let multiples = &proposed.as_ref().unwrap_or(free).multiples;
        let claimed = base * self.problem.gain(&held, multiples);
        Ok(claimed - self.problem.gain(&self.truth, multiples))
    }

    /// Interval and median of the gain of the proposed mixture.
    fn gain(&self, draws: &[Draw]) -> (Interval, f64) {
        let fitted: Vec<Option<PowerLaw>> = self.domains.iter().map(|d| d.law).collect();
        let predicted = self.problem.gain(&fitted, &self.proposed.multiples);
        let unit = self.observed.base_objective;
        let redrawn: Vec<f64> = draws.iter().map(|draw| unit * draw.gain).collect();
        let corrected: Vec<f64> = draws.iter().map(|d| unit * (predicted - d.excess)).collect();
        let level = self.options.bootstrap.level;
        let median = |values: &[f64]| quantile(&sorted(values.to_vec()), 0.5);
        let middle = median(&redrawn).min(median(&corrected));
        let (own, other) = (interval(redrawn, level), interval(corrected, level));
        (Interval { low: own.low.min(other.low), high: own.high }, middle)
    }

    fn summary(&self, draws: &[Draw]) -> Uncertainty {
        let level = self.options.bootstrap.level;
        let count = self.domains.len();
        let over = |value: &dyn Fn(&Draw, usize) -> f64| -> Vec<Interval> {
            let of = |j: usize| interval(draws.iter().map(|d| value(d, j)).collect(), level);
            (0..count).map(of).collect()
        };
        let share =
            |j: usize| draws.iter().filter(|d| d.identified[j]).count() as f64 / draws.len() as f64;
        let (gain, gain_median) = self.gain(draws);
        Uncertainty::Intervals {
            source: self.noise.source,
            relative_sd: self.noise.relative_sd,
            degrees_of_freedom: self.noise.degrees_of_freedom,
            draws: draws.len(),
            level,
            weights: with(over(&|draw, j| draw.optimum.weights[j]), &self.proposed.weights),
            multiples: with(over(&|draw, j| draw.optimum.multiples[j]), &self.proposed.multiples),
            gain_median,
            gain,
            identified: (0..count).map(share).collect(),
        }
    }
}

/// Intervals that hold the answer too, which a held domain's draws need not.
fn with(intervals: Vec<Interval>, answer: &[f64]) -> Vec<Interval> {
    let of = |(interval, own): (Interval, &f64)| Interval {
        low: interval.low.min(*own),
        high: interval.high.max(*own),
    };
    intervals.into_iter().zip(answer).map(of).collect()
}

/// A domain's points after errors; the base point is the unit of y and moves all others.
fn points_of(domain: &DomainFit, mut error: impl FnMut(usize) -> f64) -> Vec<Point> {
    let mut point = |p: &super::FitPoint| Point {
        x: p.x,
        y: if p.x == 1.0 { 1.0 } else { p.y * error(p.runs) },
        weight: p.runs as f64,
    };
    domain.points.iter().map(&mut point).collect()
}

fn interval(values: Vec<f64>, level: f64) -> Interval {
    let sorted = sorted(values);
    Interval {
        low: quantile(&sorted, (1.0 - level) / 2.0),
        high: quantile(&sorted, (1.0 + level) / 2.0),
    }
}
