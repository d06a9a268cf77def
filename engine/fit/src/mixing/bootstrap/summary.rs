//! From draws to intervals.

use super::super::law::Model;
use super::redraw::{Answer, Draw, Resampler};
use super::{Interval, Refits, Uncertainty, Verdict};
use crate::numeric::statistics::{mean, quantile, sorted};

/// Redraws of draws that show how much less they spread.
const LEAST: usize = 20;

/// The intervals of everything that a law says, from its gain and its draws.
pub(super) fn of(resampler: &Resampler<'_>, draws: Vec<Draw>, gain: f64) -> Uncertainty {
    let level = resampler.bootstrap.level;
    let weight = |j: usize| {
        let own = resampler.proposed[j];
        let first = draws.iter().map(|draw| draw.answer.weights[j] - own).collect();
        let again = again(&draws, |draw, again| again.weights[j] - draw.weights[j]);
        let found = widened(own, first, &again, level);
        // Bounds and bends of a law can push every draw to one side; the answer itself is never excluded.
        Interval { low: found.low.min(own), high: found.high.max(own) }
    };
    let weights = (0..resampler.fit.domains.len()).map(weight).collect();
    let excesses = draws.iter().map(|draw| -draw.answer.excess).collect();
    let gain_median = gain + quantile(&sorted(excesses), 0.5);
    let of_gain = gain_interval(&draws, gain, level);
    let targets = 0..resampler.fit.targets.len();
    Uncertainty {
        level,
        draws: draws.len(),
        failed: resampler.bootstrap.draws - draws.len(),
        resample: resampler.resample,
        noise_sd: resampler.noise.sd.clone(),
        parameters: targets.map(|index| parameter_intervals(&draws, index, level)).collect(),
        weights,
        overlap: overlap(resampler, &draws),
        gain: of_gain,
        gain_median,
        verdict: if of_gain.low > 0.0 {
            Verdict::Better
        } else if of_gain.high < 0.0 {
            Verdict::Worse
        } else {
            Verdict::NotBetterBeyondNoise
        },
        refits: refits(resampler, draws),
    }
}

/// The interval of the gain that the proposed mixture really has.
///
/// Draws say in two ways how far the claim may be off. What they claim beyond what the law they were drawn from gives them is the error
/// of a claim in their world (the pivot). And what their laws give the proposed mixture, less what a claim has too much on average, is what the
/// truth may give it. Where errors are skewed the two lean to opposite sides, and which is right depends on how the noise enters the law; so
/// each end is the outer one.
fn gain_interval(draws: &[Draw], gain: f64, level: f64) -> Interval {
    let excesses: Vec<f64> = draws.iter().map(|draw| -draw.answer.excess).collect();
    let too_much = -mean(&excesses);
    let pivot = widened(gain, excesses, &again(draws, |_, again| -again.excess), level);
    let given = draws.iter().map(|draw| draw.answer.gain_of_proposed - too_much).collect();
    let given = interval(given, level);
    Interval { low: pivot.low.min(given.low), high: pivot.high.max(given.high) }
}

/// The part of the tokens that the optima of draws have in common with the proposed mixture, on average.
fn overlap(resampler: &Resampler<'_>, draws: &[Draw]) -> f64 {
    let common = |draw: &Draw| -> f64 {
        let pairs = draw.answer.weights.iter().zip(&resampler.proposed);
        pairs.map(|(one, own)| one.min(*own)).sum()
    };
    mean(&draws.iter().map(common).collect::<Vec<_>>())
}

/// What every second draw says of its first one, with the place of that.
fn again(draws: &[Draw], value: impl Fn(&Answer, &Answer) -> f64) -> Vec<(usize, f64)> {
    let pairs = draws
        .iter()
        .enumerate()
        .filter_map(|(place, draw)| Some((place, draw, draw.again.as_ref()?)));
    pairs.map(|(place, draw, again)| (place, value(&draw.answer, again))).collect()
}

fn refits(resampler: &Resampler<'_>, draws: Vec<Draw>) -> Refits {
    let mut refits = Refits { about: Some(resampler.law.clone()), ..Refits::default() };
    for (place, draw) in draws.into_iter().enumerate() {
        refits.again.extend(draw.again.map(|again| (place, again.fit)));
        refits.draws.push(draw.answer.fit);
    }
    refits
}

/// The interval about `centre` of draws that lie `first` from it.
///
/// `again` are draws about some of those, by the place of the one and the distance from it. Where they spread less to a side than the
/// draws they were made from do, the truth is further on that side than the draws say, by that difference (the warp-speed double bootstrap of
/// Giacomini, Politis and White 2013, one redraw a draw). No bound goes beyond the outermost draw.
pub(super) fn widened(
    centre: f64,
    first: Vec<f64>,
    again: &[(usize, f64)],
    level: f64,
) -> Interval {
    let narrower = (again.len() >= LEAST).then(|| {
        let own = interval(again.iter().map(|(place, _)| first[*place]).collect(), level);
        let next = interval(again.iter().map(|(_, moved)| *moved).collect(), level);
        [(next.low - own.low).max(0.0), (own.high - next.high).max(0.0)]
    });
    let [below, above] = narrower.unwrap_or_default();
    let sorted = sorted(first);
    let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
    let found = of_sorted(&sorted, level);
    Interval {
        low: centre + (found.low - below).max(least),
        high: centre + (found.high + above).min(most),
    }
}

fn parameter_intervals(draws: &[Draw], index: usize, level: f64) -> Vec<Interval> {
    let of = |draw: &Draw| -> Vec<f64> {
        let target = &draw.answer.fit.targets[index];
        let model = Model::new(&target.form, f64::INFINITY);
        let named = model.report(&target.inner, &target.form.units);
        named.iter().map(|named| named.value).collect()
    };
    let values: Vec<Vec<f64>> = draws.iter().map(of).collect();
    let count = values.first().map_or(0, Vec::len);
    (0..count).map(|k| interval(values.iter().map(|v| v[k]).collect(), level)).collect()
}

fn interval(values: Vec<f64>, level: f64) -> Interval {
    of_sorted(&sorted(values), level)
}

fn of_sorted(sorted: &[f64], level: f64) -> Interval {
    Interval {
        low: quantile(sorted, (1.0 - level) / 2.0),
        high: quantile(sorted, (1.0 + level) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws one apart about 10, and second draws a share of that about them.
    fn of(share: f64, count: usize) -> Interval {
        let first: Vec<f64> = (-50..=50).map(f64::from).collect();
        let again: Vec<(usize, f64)> =
            first.iter().enumerate().take(count).map(|(place, d)| (place, share * d)).collect();
        widened(10.0, first, &again, 0.8)
    }

    #[test]
    fn what_a_second_draw_lacks_is_added() {
        let plain = of(0.0, 0);
        assert!((plain.high - 50.8).abs() < 1e-9 && (plain.low + 30.8).abs() < 1e-9, "{plain:?}");
        let wider = of(0.9, 101);
        assert!((wider.high - plain.high - 4.08).abs() < 1e-9, "{wider:?}");
        assert!((plain.low - wider.low - 4.08).abs() < 1e-9, "{wider:?}");
        // Never narrower, never beyond the outermost draw, never from a few.
        assert_eq!(of(1.5, 101), plain);
        assert_eq!(of(0.1, 101), Interval { low: -40.0, high: 60.0 });
        assert_eq!(of(0.1, 19), plain);
    }
}
