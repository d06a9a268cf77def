//! How large the noise of one run is: given, seen between repeats, or what laws leave of their points.
//!
//! All runs share one relative standard deviation, so every repeat and every spare point adds to the estimate.

use super::Options;
use super::evidence::{Observed, mean};
use super::result::{DomainFit, NoiseSource};
use crate::random::Stream;

/// Size of the noise of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    pub(super) source: NoiseSource,
    /// Relative to the objective.
    pub(super) relative_sd: f64,
    /// Of the estimate; `None` where the noise is given.
    pub(super) degrees_of_freedom: Option<usize>,
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

impl Noise {
    /// The standard deviation as one draw has it: one estimated from few runs is itself uncertain.
    pub(super) fn redraw_sd(&self, stream: &mut Stream) -> f64 {
        let scale = self
            .degrees_of_freedom
            .map_or(1.0, |degrees| (degrees as f64 / stream.chi_square(degrees)).sqrt());
        self.relative_sd * scale
    }
}
