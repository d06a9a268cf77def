//! Gradient-boosted regression trees, RegMix's regression (Liu et al., arXiv 2407.01492; Friedman 2001).
//!
//! Our own, because tables here have hundreds of rows and need exact splits, the same bits everywhere, and a bound of the
//! least prediction between two corners; the kept crates have histograms for millions of rows, 32-bit sums and no bound, and
//! were an order slower on such tables.

mod grow;

use serde::{Deserialize, Serialize};

use super::law::{Design, Input};
use super::options::{ScaleTerms, TreeOptions};

/// A node: a leaf where `left` is 0, else its children are `left` and `left + 1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Node {
    feature: u32,
    left: u32,
    /// Values below it go left.
    threshold: f64,
    value: f64,
}

/// Trees whose values sum to the prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Forest {
    base: f64,
    scale: ScaleTerms,
    trees: Vec<Vec<Node>>,
}

/// Grows a forest on the residuals of the trees before, each tree on its own seeded part of rows and features.
pub(super) fn grow(design: &Design, scale: ScaleTerms, options: &TreeOptions, seed: u64) -> Forest {
    grow::Grower::new(design, scale, options).forest(seed)
}

/// What trees may split: weights, then logarithms of tokens and size where they vary.
fn features(x: &Input<'_>, scale: ScaleTerms) -> impl Iterator<Item = f64> {
    let tokens = scale.tokens().then_some(x.ln_tokens);
    x.h.iter().copied().chain(tokens).chain(scale.size().then_some(x.ln_size))
}

impl Forest {
    pub(super) fn predict(&self, x: &Input<'_>) -> f64 {
        let values: Vec<f64> = features(x, self.scale).collect();
        self.base + self.trees.iter().map(|tree| leaf(tree, &values)).sum::<f64>()
    }

    /// A bound that no prediction between the weights `lower` and `upper` at a scale is below: the sum of each tree's least
    /// leaf that can be reached.
    pub(super) fn least(&self, x: &Input<'_>, lower: &[f64], upper: &[f64]) -> f64 {
        let values: Vec<f64> = features(x, self.scale).collect();
        let corner = |bound: &[f64]| -> Vec<f64> {
            bound.iter().chain(&values[bound.len()..]).copied().collect()
        };
        let (low, high) = (corner(lower), corner(upper));
        self.base + self.trees.iter().map(|tree| least_leaf(tree, 0, &low, &high)).sum::<f64>()
    }
}

fn leaf(tree: &[Node], values: &[f64]) -> f64 {
    let mut node = &tree[0];
    while node.left > 0 {
        let right = usize::from(values[node.feature as usize] >= node.threshold);
        node = &tree[node.left as usize + right];
    }
    node.value
}

fn least_leaf(tree: &[Node], at: usize, low: &[f64], high: &[f64]) -> f64 {
    let node = &tree[at];
    if node.left == 0 {
        return node.value;
    }
    let (feature, left) = (node.feature as usize, node.left as usize);
    let below = low[feature] < node.threshold;
    let above = high[feature] >= node.threshold;
    let on = |wanted: bool, child: usize| {
        if wanted { least_leaf(tree, child, low, high) } else { f64::INFINITY }
    };
    on(below, left).min(on(above, left + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn design(rows: usize) -> Design {
        let mut design = Design::new(3);
        let mut stream = Stream::new(5, 5);
        for _ in 0..rows {
            let draws: Vec<f64> = (0..3).map(|_| stream.exponential()).collect();
            let sum: f64 = draws.iter().sum();
            let h: Vec<f64> = draws.iter().map(|d| d / sum).collect();
            let step = if h[0] < 0.4 { 1.0 } else { 2.0 };
            design.push(&h, 1.0, 1.0, step + h[1], 1.0);
        }
        design
    }

    #[test]
    fn a_step_and_a_slope_are_learnt() {
        let forest = grow(&design(300), ScaleTerms::None, &TreeOptions::default(), 0);
        let unseen = design(400);
        let miss = |row: usize| (forest.predict(&unseen.input(row)) - unseen.y[row]).powi(2);
        let rms = ((300..400).map(miss).sum::<f64>() / 100.0).sqrt();
        assert!(rms < 0.1, "{rms}");
    }

    #[test]
    fn no_prediction_is_below_the_bound() {
        let design = design(200);
        let forest = grow(&design, ScaleTerms::None, &TreeOptions::default(), 1);
        let (lower, upper) = ([0.1, 0.0, 0.0], [0.3, 0.5, 1.0]);
        let bound = forest.least(&design.input(0), &lower, &upper);
        let inside = (0..200).filter(|&row| {
            let h = design.input(row).h;
            (0..3).all(|j| lower[j] <= h[j] && h[j] <= upper[j])
        });
        let least =
            inside.map(|row| forest.predict(&design.input(row))).fold(f64::INFINITY, f64::min);
        assert!(bound <= least && least < f64::INFINITY, "{bound} {least}");
    }
}
