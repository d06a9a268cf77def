//! One draw: new losses, the law fitted to them from the parameters they were drawn about, and what it proposes.

use super::super::error::LawError;
use super::super::estimate::{self, Squares};
use super::super::law::{Design, Model};
use super::super::noise::Noise;
use super::super::observations::Observations;
use super::super::optimum::{self, Problem, Search};
use super::super::options::{FitOptions, LawName};
use super::super::result::{LawFit, TargetFit};
use super::super::surrogate::{Aim, Surrogate};
use super::super::targets::{Setup, Target};
use super::{Bootstrap, Resample};
use crate::numeric::levenberg::{self, Effort};
use crate::numeric::matrix;
use crate::random::Stream;

/// Draws that are redrawn once more.
const AGAIN: u64 = 200;
/// A descent that ends early spreads less than the fit does.
const EFFORT: Effort = Effort { steps: 200, fall: 1e-10 };
/// What a descent beyond a ridge gets to show that it ends lower.
const ACROSS: Effort = Effort { steps: 12, fall: 1e-6 };

/// A redrawn law and what it says.
pub(super) struct Answer {
    /// Without points.
    pub(super) fit: LawFit,
    pub(super) weights: Vec<f64>,
    /// Gain claimed beyond what the law it was redrawn from gives.
    pub(super) excess: f64,
    /// Gain of the fit's own proposal under this law.
    pub(super) gain_of_proposed: f64,
}

/// One draw, and one about it.
pub(super) struct Draw {
    pub(super) answer: Answer,
    pub(super) again: Option<Answer>,
}

pub(super) struct Resampler<'a> {
    observations: &'a Observations,
    pub(super) fit: &'a LawFit,
    options: FitOptions,
    problem: &'a Problem,
    pub(super) bootstrap: Bootstrap,
    pub(super) resample: Resample,
    setup: Setup,
    pub(super) noise: Noise,
    aim: Aim,
    /// The fit without its points, which hundreds of copies have no use for.
    pub(super) law: LawFit,
    /// Weights of the fit's optimum.
    pub(super) proposed: Vec<f64>,
}

impl<'a> Resampler<'a> {
    pub(super) fn new(
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
        let mut law = fit.clone();
        law.targets.iter_mut().for_each(|target| target.points.clear());
        Ok(Self {
            observations,
            fit,
            law,
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

    pub(super) fn draw(&self, index: u64) -> Option<Draw> {
        let mut stream = Stream::new(self.bootstrap.seed, index);
        let fit = match self.resample {
            Resample::Rows => self.refit_rows(&mut stream)?,
            _ => self.refit_errors(&self.law, &mut stream)?,
        };
        let answer = self.answer(self.fit, fit)?;
        // Rows say nothing of errors about a law, and a redrawn tree is no truth to redraw from.
        let again = match index < AGAIN && self.resample != Resample::Rows {
            true => self
                .refit_errors(&answer.fit, &mut stream)
                .and_then(|fit| self.answer(&answer.fit, fit)),
            false => None,
        };
        Some(Draw { answer, again })
    }

    /// What a redrawn law proposes, and claims beyond what the law it was redrawn from gives that.
    fn answer(&self, truth: &LawFit, fit: LawFit) -> Option<Answer> {
        let own = Surrogate::new(&fit);
        let near = [self.proposed.as_slice(), self.fit.reference.weights.as_slice()];
        let weights = self.search(&own, |search| optimum::find_near(search, &near));
        let gain = |surrogate: &Surrogate<'_>, weights: &[f64]| {
            self.search(surrogate, |search| {
                search.value(&self.fit.reference.weights) - search.value(weights)
            })
        };
        let excess = gain(&own, &weights) - gain(&Surrogate::new(truth), &weights);
        let gain_of_proposed = gain(&own, &self.proposed);
        let finite = excess.is_finite()
            && gain_of_proposed.is_finite()
            && weights.iter().all(|w| w.is_finite());
        finite.then_some(Answer { weights, excess, gain_of_proposed, fit })
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

    /// The rows as a law predicts them with new errors, fitted from that law's parameters.
    fn refit_errors(&self, truth: &LawFit, stream: &mut Stream) -> Option<LawFit> {
        let errors = self.errors(stream);
        let mut fit = truth.clone();
        for (index, target) in self.setup.targets.iter().enumerate() {
            let law = &truth.targets[index];
            let model = Model::new(&law.form, f64::INFINITY);
            let mut design = target.design.clone();
            for (place, &row) in target.rows.iter().enumerate() {
                let weight = self.observations.rows()[row].weight.sqrt();
                let predicted = model.value(&law.inner, &target.design.input(place));
                design.y[place] = predicted + errors[row][index] / weight;
            }
            fit.targets[index].inner = self.refit(law, &design)?;
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

    /// The parameters of one target on other losses or rows: over ridges too, as the fit itself was searched.
    fn refit(&self, from: &TargetFit, design: &Design) -> Option<Vec<f64>> {
        let model = Model::new(&from.form, design.smallest());
        let problem = Squares { design, model: &model, huber: self.options.huber };
        let end = levenberg::descend(&problem, &problem.limits(), &from.inner, EFFORT);
        let end = estimate::over_ridges(&problem, end, ACROSS, EFFORT);
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
        let mut fit = self.law.clone();
        for (index, target) in self.setup.targets.iter().enumerate() {
            let design = repeated(target, &rows);
            if design.len() < self.fit.targets[index].inner.len() {
                return None;
            }
            fit.targets[index].inner = self.refit(&self.fit.targets[index], &design)?;
        }
        Some(fit)
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

/// One of Webb's six numbers: of mean 0 and variance 1.
fn webb(stream: &mut Stream) -> f64 {
    let size = [0.5_f64, 1.0, 1.5][stream.below(3)].sqrt();
    if stream.below(2) == 0 { -size } else { size }
}
