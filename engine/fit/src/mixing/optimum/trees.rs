//! The least goal of trees, which have steps and no slope: seeded draws, then exchanges between pairs of domains.
//!
//! RegMix (arXiv 2407.01492) takes the mean of the best draws; it is one of the starts here. The gap is against the sum
//! of each tree's least leaf that the bounds reach, which is far below what any mixture has, so it is wide.

use rayon::prelude::*;

use super::super::surrogate::Predictor;
use super::{Found, Proof, Search, within};
use crate::random::Stream;

const DRAWS: usize = 4096;
/// Draws whose mean is a start, and starts that are improved.
const MEAN_OF: usize = 64;
const STARTS: usize = 8;

pub(super) fn search(search: &Search<'_>) -> Found {
    let draws = (0..DRAWS as u64).into_par_iter().map(|index| draw(search, index));
    let mut draws: Vec<(f64, Vec<f64>)> =
        draws.map(|weights| (search.value(&weights), weights)).collect();
    draws.sort_by(|p, q| p.0.total_cmp(&q.0));
    let average =
        |j: usize| draws[..MEAN_OF].iter().map(|(_, w)| w[j]).sum::<f64>() / MEAN_OF as f64;
    let mean: Vec<f64> = (0..search.lower.len()).map(average).collect();
    let mean = within(&mean, &search.lower, &search.upper);
    let starts: Vec<Vec<f64>> =
        [mean].into_iter().chain(draws.into_iter().take(STARTS - 1).map(|(_, w)| w)).collect();
    let mut ends: Vec<(f64, Vec<f64>)> =
        starts.into_par_iter().map(|start| exchange(search, start)).collect();
    ends.sort_by(|p, q| p.0.total_cmp(&q.0));
    let optima = ends.iter().filter(|end| end.0 > ends[0].0 + 1e-9 * ends[0].0.abs()).count() + 1;
    let (value, weights) = ends.swap_remove(0);
    let lower_bound = lower_bound(search);
    let proof =
        Proof::Global { lower_bound, gap: value - lower_bound, starts: DRAWS + STARTS, optima };
    Found { weights, proof }
}

/// A mixture: uniform on the simplex, or around the mean of what was trained, within the bounds.
fn draw(search: &Search<'_>, index: u64) -> Vec<f64> {
    let mut stream = Stream::new(1, index);
    let trained = &search.surrogate.fit.trained;
    let share = |[low, high]: &[f64; 2]| {
        let middle = if index.is_multiple_of(2) { 1.0 } else { 0.5 * (low + high) + 1e-3 };
        let sharp = if index % 4 < 2 { 1.0 } else { 2.0 };
        middle * stream.exponential().powf(sharp)
    };
    let shares: Vec<f64> = trained.iter().map(share).collect();
    within(&shares, &search.lower, &search.upper)
}

/// Moves weight between pairs of domains in ever smaller steps while that helps.
fn exchange(search: &Search<'_>, mut at: Vec<f64>) -> (f64, Vec<f64>) {
    let mut value = search.value(&at);
    for step in [0.1_f64, 0.04, 0.015, 0.005, 0.002] {
        for _ in 0..6 {
            let before = value;
            for from in 0..at.len() {
                for to in 0..at.len() {
                    let moved =
                        step.min(at[from] - search.lower[from]).min(search.upper[to] - at[to]);
                    if from == to || moved <= 0.0 {
                        continue;
                    }
                    let mut next = at.clone();
                    next[from] -= moved;
                    next[to] += moved;
                    let found = search.value(&next);
                    if found < value {
                        (value, at) = (found, next);
                    }
                }
            }
            if value == before {
                break;
            }
        }
    }
    (value, at)
}

fn lower_bound(search: &Search<'_>) -> f64 {
    let mixture = search.surrogate.mixture(&search.lower, search.tokens, search.size);
    let least = |target: &Predictor<'_>| match target {
        Predictor::Forest(forest) => forest.least(&mixture.input(), &search.lower, &search.upper),
        Predictor::Smooth { .. } => f64::NEG_INFINITY,
    };
    let losses: Vec<f64> = search.surrogate.targets.iter().map(least).collect();
    search.aim.value(&losses)
}
