//! Growing trees level by level on sorted features with exact splits.
//!
//! A level of one tree takes one pass over the sorted rows of each feature, with running sums per node.

use super::{Design, Forest, Node, ScaleTerms, TreeOptions, features};
use crate::random::Stream;

pub(super) struct Grower<'a> {
    design: &'a Design,
    scale: ScaleTerms,
    options: TreeOptions,
    /// Values of every feature, feature by feature.
    values: Vec<Vec<f64>>,
    /// Rows of every feature in the order of its values.
    orders: Vec<Vec<u32>>,
}

/// Running sums of a node's rows.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    residual: f64,
    rows: usize,
}

impl Sums {
    fn add(&mut self, weight: f64, residual: f64) {
        self.weight += weight;
        self.residual += weight * residual;
        self.rows += 1;
    }

    fn without(self, part: Self) -> Self {
        Self {
            weight: self.weight - part.weight,
            residual: self.residual - part.residual,
            rows: self.rows - part.rows,
        }
    }

    fn score(self, ridge: f64) -> f64 {
        self.residual * self.residual / (self.weight + ridge)
    }
}

/// The best split of a node so far.
#[derive(Debug, Clone, Copy)]
struct Split {
    gain: f64,
    feature: usize,
    threshold: f64,
}

/// Not in any node: left out of this tree, or in a finished leaf.
const NOWHERE: u32 = u32::MAX;

impl<'a> Grower<'a> {
    pub(super) fn new(design: &'a Design, scale: ScaleTerms, options: &TreeOptions) -> Self {
        let rows: Vec<Vec<f64>> = design.inputs().map(|x| features(&x, scale).collect()).collect();
        let count = rows.first().map_or(0, Vec::len);
        let values: Vec<Vec<f64>> =
            (0..count).map(|f| rows.iter().map(|row| row[f]).collect()).collect();
        let order = |values: &Vec<f64>| {
            let mut order: Vec<u32> = (0..values.len() as u32).collect();
            order.sort_by(|p, q| values[*p as usize].total_cmp(&values[*q as usize]));
            order
        };
        let orders = values.iter().map(order).collect();
        Self { design, scale, options: *options, values, orders }
    }

    pub(super) fn forest(&self, seed: u64) -> Forest {
        let design = self.design;
        let weight: f64 = design.weight.iter().sum();
        let base = design.y.iter().zip(&design.weight).map(|(y, w)| w * y).sum::<f64>() / weight;
        let mut residuals: Vec<f64> = design.y.iter().map(|y| y - base).collect();
        let mut trees = Vec::with_capacity(self.options.rounds);
        for round in 0..self.options.rounds {
            let tree = self.tree(&residuals, &mut Stream::new(seed, round as u64));
            let mut row_values = vec![0.0; self.values.len()];
            for (row, residual) in residuals.iter_mut().enumerate() {
                row_values.iter_mut().zip(&self.values).for_each(|(v, values)| *v = values[row]);
                *residual -= super::leaf(&tree, &row_values);
            }
            trees.push(tree);
        }
        Forest { base, scale: self.scale, trees }
    }

    fn tree(&self, residuals: &[f64], stream: &mut Stream) -> Vec<Node> {
        let mut place = self.sample(residuals.len(), stream);
        let chosen = self.choose_features(stream);
        let mut nodes = vec![Node { feature: 0, left: 0, threshold: 0.0, value: 0.0 }];
        let mut sums = vec![Sums::default()];
        for (row, place) in place.iter().enumerate().filter(|(_, place)| **place == 0) {
            sums[*place as usize].add(self.design.weight[row], residuals[row]);
        }
        let mut first = 0;
        for _ in 0..self.options.depth {
            let splits = self.splits(&place, residuals, &chosen, &sums, first);
            let level = nodes.len();
            for (node, split) in (first..).zip(&splits) {
                let Some(split) = split else { continue };
                nodes[node].feature = split.feature as u32;
                nodes[node].threshold = split.threshold;
                nodes[node].left = nodes.len() as u32;
                let child = || Node { feature: 0, left: 0, threshold: 0.0, value: 0.0 };
                nodes.extend([child(), child()]);
                sums.extend([Sums::default(); 2]);
            }
            if nodes.len() == level {
                break;
            }
            self.descend(&mut place, residuals, &nodes, &mut sums);
            first = level;
        }
        for (node, sums) in nodes.iter_mut().zip(&sums) {
            node.value =
                self.options.learning_rate * sums.residual / (sums.weight + self.options.ridge);
        }
        nodes
    }

    /// Node 0 for the rows the tree sees.
    fn sample(&self, rows: usize, stream: &mut Stream) -> Vec<u32> {
        let seen = |_| if stream.unit() < self.options.rows { 0 } else { NOWHERE };
        let place: Vec<u32> = (0..rows).map(seen).collect();
        if place.contains(&0) { place } else { vec![0; rows] }
    }

    fn choose_features(&self, stream: &mut Stream) -> Vec<usize> {
        let all = self.values.len();
        let wanted = ((all as f64 * self.options.features).ceil() as usize).clamp(1, all.max(1));
        let mut features: Vec<usize> = (0..all).collect();
        for k in 0..wanted.min(all) {
            let other = k + stream.below(all - k);
            features.swap(k, other);
        }
        features.truncate(wanted);
        features.sort_unstable();
        features
    }

    /// The best split of every node from `first` on; `None` where none is worth it.
    fn splits(
        &self,
        place: &[u32],
        residuals: &[f64],
        features: &[usize],
        sums: &[Sums],
        first: usize,
    ) -> Vec<Option<Split>> {
        let mut best: Vec<Option<Split>> = vec![None; sums.len() - first];
        let scores: Vec<f64> =
            sums[first..].iter().map(|sums| sums.score(self.options.ridge)).collect();
        for &feature in features {
            let mut left = vec![(Sums::default(), f64::NEG_INFINITY); best.len()];
            let values = &self.values[feature];
            for &row in &self.orders[feature] {
                let row = row as usize;
                if place[row] == NOWHERE {
                    continue;
                }
                let node = place[row] as usize - first;
                let (part, last) = &mut left[node];
                if values[row] > *last && part.rows >= self.options.leaf {
                    let rest = sums[first + node].without(*part);
                    let gain = part.score(self.options.ridge) + rest.score(self.options.ridge)
                        - scores[node];
                    let better = best[node].is_none_or(|best| gain > best.gain);
                    if rest.rows >= self.options.leaf && gain > 1e-14 && better {
                        let threshold = f64::midpoint(*last, values[row]);
                        best[node] = Some(Split { gain, feature, threshold });
                    }
                }
                part.add(self.design.weight[row], residuals[row]);
                *last = values[row];
            }
        }
        best
    }

    /// Moves rows to the children of their nodes; rows of leaves go nowhere.
    fn descend(&self, place: &mut [u32], residuals: &[f64], nodes: &[Node], sums: &mut [Sums]) {
        for (row, place) in place.iter_mut().enumerate().filter(|(_, place)| **place != NOWHERE) {
            let node = &nodes[*place as usize];
            if node.left == 0 {
                *place = NOWHERE;
                continue;
            }
            let right = self.values[node.feature as usize][row] >= node.threshold;
            *place = node.left + u32::from(right);
            sums[*place as usize].add(self.design.weight[row], residuals[row]);
        }
    }
}
