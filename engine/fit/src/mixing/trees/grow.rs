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
    /// Value and row of every feature in the order of its values.
    orders: Vec<Vec<(f64, u32)>>,
}

/// What a pass over a feature needs of a row, in one place.
#[derive(Debug, Clone, Copy)]
struct Cell {
    node: u32,
    weight: f64,
    /// Weight times residual.
    residual: f64,
}

/// Running sums of a node's rows.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weight: f64,
    residual: f64,
    rows: usize,
}

impl Sums {
    fn add(&mut self, cell: &Cell) {
        self.weight += cell.weight;
        self.residual += cell.residual;
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
            let mut order: Vec<(f64, u32)> = values.iter().copied().zip(0_u32..).collect();
            order.sort_by(|p, q| p.0.total_cmp(&q.0).then(p.1.cmp(&q.1)));
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
        let mut cells = self.sample(residuals, stream);
        let orders = self.seen(&cells, &self.choose_features(stream));
        let mut nodes = vec![Node { feature: 0, left: 0, threshold: 0.0, value: 0.0 }];
        let mut sums = vec![Sums::default()];
        cells.iter().filter(|cell| cell.node == 0).for_each(|cell| sums[0].add(cell));
        let mut first = 0;
        for _ in 0..self.options.depth {
            let splits = self.splits(&cells, &orders, &sums, first);
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
            self.descend(&mut cells, &nodes, &mut sums);
            first = level;
        }
        for (node, sums) in nodes.iter_mut().zip(&sums) {
            node.value =
                self.options.learning_rate * sums.residual / (sums.weight + self.options.ridge);
        }
        nodes
    }

    /// Node 0 for the rows the tree sees.
    fn sample(&self, residuals: &[f64], stream: &mut Stream) -> Vec<Cell> {
        let cell = |(residual, weight): (&f64, &f64)| {
            let node = if stream.unit() < self.options.rows { 0 } else { NOWHERE };
            Cell { node, weight: *weight, residual: weight * residual }
        };
        let mut cells: Vec<Cell> = residuals.iter().zip(&self.design.weight).map(cell).collect();
        if cells.iter().all(|cell| cell.node == NOWHERE) {
            cells.iter_mut().for_each(|cell| cell.node = 0);
        }
        cells
    }

    /// The sorted rows that the tree sees, of the features it may split.
    fn seen(&self, cells: &[Cell], features: &[usize]) -> Vec<(usize, Vec<(f64, u32)>)> {
        let inside = |entry: &&(f64, u32)| cells[entry.1 as usize].node == 0;
        let of = |&feature: &usize| {
            (feature, self.orders[feature].iter().filter(inside).copied().collect())
        };
        features.iter().map(of).collect()
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
        cells: &[Cell],
        orders: &[(usize, Vec<(f64, u32)>)],
        sums: &[Sums],
        first: usize,
    ) -> Vec<Option<Split>> {
        let (ridge, leaf) = (self.options.ridge, self.options.leaf);
        let mut best: Vec<Option<Split>> = vec![None; sums.len() - first];
        let scores: Vec<f64> = sums[first..].iter().map(|sums| sums.score(ridge)).collect();
        let mut left = vec![(Sums::default(), f64::NEG_INFINITY); best.len()];
        for (feature, order) in orders {
            left.fill((Sums::default(), f64::NEG_INFINITY));
            for &(value, row) in order {
                let cell = &cells[row as usize];
                if cell.node == NOWHERE {
                    continue;
                }
                let node = cell.node as usize - first;
                let (part, last) = &mut left[node];
                if value > *last && part.rows >= leaf {
                    let rest = sums[first + node].without(*part);
                    if rest.rows >= leaf {
                        let gain = part.score(ridge) + rest.score(ridge) - scores[node];
                        if gain > best[node].map_or(1e-14, |best| best.gain) {
                            let threshold = f64::midpoint(*last, value);
                            best[node] = Some(Split { gain, feature: *feature, threshold });
                        }
                    }
                }
                part.add(cell);
                *last = value;
            }
        }
        best
    }

    /// Moves rows to the children of their nodes; rows of leaves go nowhere.
    fn descend(&self, cells: &mut [Cell], nodes: &[Node], sums: &mut [Sums]) {
        for (row, cell) in cells.iter_mut().enumerate().filter(|(_, cell)| cell.node != NOWHERE) {
            let node = &nodes[cell.node as usize];
            if node.left == 0 {
                cell.node = NOWHERE;
                continue;
            }
            let right = self.values[node.feature as usize][row] >= node.threshold;
            cell.node = node.left + u32::from(right);
            sums[cell.node as usize].add(cell);
        }
    }
}
