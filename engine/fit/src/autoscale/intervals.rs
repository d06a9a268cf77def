//! How noise at every scale moves the prediction: one prediction per draw of all scales' bootstraps.
//!
//! Knows scales as draws; not how they were drawn. Draw k of every scale goes together, and draws of different scales are
//! independent because their runs are: each scale's bootstrap must have had a seed of its own.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Options, Prediction, Scale, predict};
use crate::error::FitError;
use crate::mixing::Interval;
use crate::numeric::statistics::{quantile, sorted};

/// Percentile intervals of a prediction, domain by domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    pub level: f64,
    /// Draws that reached the target.
    pub draws: usize,
    /// Draws that did not: their path does not grow to it.
    pub failed: usize,
    pub weights: Vec<Interval>,
    pub amounts: Vec<Interval>,
}

/// Predicts as [`predict`] and, from `draws` of every scale (see [`crate::ddo::solve_with_draws`]), how far noise moves the
/// weights and amounts.
///
/// The intervals are `None` where a scale has no draws, or where fewer than half of the draws reach the target.
///
/// # Errors
/// Those of [`predict`]; a level outside (0, 1); draws of fewer or more scales than there are.
pub fn predict_with_intervals(
    scales: &[Scale],
    draws: &[Vec<Scale>],
    target: f64,
    options: &Options,
    level: f64,
) -> Result<(Prediction, Option<Intervals>), FitError> {
    let prediction = predict(scales, target, options)?;
    if !(level > 0.0 && level < 1.0) {
        let what = "`level`".into();
        return Err(FitError::Number { what, value: level, requirement: "above 0 and below 1" });
    }
    if draws.len() != scales.len() {
        let what = "the draws by scale".into();
        return Err(FitError::Length { what, expected: scales.len(), found: draws.len() });
    }
    let count = draws.iter().map(Vec::len).min().unwrap_or(0);
    let predictions: Vec<Option<Prediction>> = (0..count)
        .into_par_iter()
        .map(|k| {
            let scales: Vec<Scale> = draws.iter().map(|scale| scale[k].clone()).collect();
            predict(&scales, target, options).ok()
        })
        .collect();
    let kept: Vec<Prediction> = predictions.into_iter().flatten().collect();
    if kept.is_empty() || kept.len() * 2 < count {
        return Ok((prediction, None));
    }
    let of = |value: &dyn Fn(&Prediction, usize) -> f64| -> Vec<Interval> {
        let domain = |j: usize| interval(kept.iter().map(|p| value(p, j)).collect(), level);
        (0..prediction.predicted.weights.len()).map(domain).collect()
    };
    let intervals = Intervals {
        level,
        draws: kept.len(),
        failed: count - kept.len(),
        weights: of(&|p, j| p.predicted.weights[j]),
        amounts: of(&|p, j| p.predicted.amounts[j]),
    };
    Ok((prediction, Some(intervals)))
}

fn interval(values: Vec<f64>, level: f64) -> Interval {
    let sorted = sorted(values);
    Interval {
        low: quantile(&sorted, (1.0 - level) / 2.0),
        high: quantile(&sorted, (1.0 + level) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn noisy(amounts: &[f64], sd: f64, seed: u64) -> Vec<Scale> {
        let draw = |k: u64| {
            let mut stream = Stream::new(seed, k);
            let amount = |n: &f64| n * (sd * stream.normal()).exp();
            Scale { amounts: amounts.iter().map(amount).collect(), ..Scale::default() }
        };
        (0..400).map(draw).collect()
    }

    /// With two scales ln N at t has the standard deviation sd sqrt(t^2 + (t - 1)^2) of each scale's errors, so an interval at
    /// twice the distance is wider than at the larger scale by the root of 5 over 1.
    #[test]
    fn noise_of_both_scales_grows_along_the_path() {
        let scales = [[100.0, 100.0], [300.0, 200.0]]
            .map(|amounts| Scale { amounts: amounts.to_vec(), ..Scale::default() });
        let draws = [noisy(&[100.0, 100.0], 0.01, 1), noisy(&[300.0, 200.0], 0.01, 2)];
        let width = |target: f64| {
            let (prediction, intervals) =
                predict_with_intervals(&scales, &draws, target, &Options::default(), 0.9).unwrap();
            let intervals = intervals.unwrap();
            for (weight, interval) in prediction.predicted.weights.iter().zip(&intervals.weights) {
                assert!(interval.low < *weight && *weight < interval.high);
            }
            let logit = |w: f64| (w / (1.0 - w)).ln();
            logit(intervals.weights[0].high) - logit(intervals.weights[0].low)
        };
        let ratio = width(1300.0) / width(500.0);
        assert!((ratio / 5.0_f64.sqrt() - 1.0).abs() < 0.2, "{ratio}");
    }

    #[test]
    fn draws_must_be_of_every_scale_and_a_scale_without_any_gives_no_intervals() {
        let scales = [[100.0, 100.0], [300.0, 200.0]]
            .map(|amounts| Scale { amounts: amounts.to_vec(), ..Scale::default() });
        let draws = [noisy(&[100.0, 100.0], 0.01, 1), Vec::new()];
        let of = |draws: &[Vec<Scale>]| {
            predict_with_intervals(&scales, draws, 1e3, &Options::default(), 0.9)
        };
        assert!(of(&draws).unwrap().1.is_none());
        assert!(of(&draws[..1]).is_err());
    }
}
