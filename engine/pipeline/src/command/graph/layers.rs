//! A layered drawing of a directed acyclic graph (Sugiyama, Tagawa and Toda 1981): every node right of all
//! it reads from, long edges bent through the layers between, few crossings, neighbours at one height.
//!
//! Layers by longest path from the ends; order within a layer by medians of neighbours (Gansner and others
//! 1993), the best of some sweeps; heights by pulling nodes to their neighbours' mean under the least
//! distance.

use std::collections::HashMap;

/// Sweeps of ordering and of placing; both settle sooner.
const SWEEPS: usize = 12;

/// Where everything is.
pub struct Layers {
    /// Of each node, its layer from the left and its height: distance 1 is the least between two.
    pub places: Vec<(usize, f64)>,
    /// Of each edge `(from, to)`, its points, one a layer, both ends included.
    pub edges: Vec<Vec<(usize, f64)>>,
    /// Layers, and the height of all.
    pub columns: usize,
    pub height: f64,
}

/// Lays out nodes given what each reads from; a node may only read those before it.
#[must_use]
pub fn lay_out(reads: &[Vec<usize>]) -> Layers {
    let mut mesh = Mesh::of(reads);
    mesh.order();
    let heights = mesh.heights();
    let place = |node: usize| (mesh.layer[node], heights[node]);
    Layers {
        places: (0..reads.len()).map(place).collect(),
        edges: mesh.ways.iter().map(|way| way.iter().map(|&node| place(node)).collect()).collect(),
        columns: mesh.layers.len(),
        height: heights.iter().copied().fold(0.0, f64::max) + 1.0,
    }
}

/// `reads` without what other reads imply (the transitive reduction): as much order in fewer lines.
#[must_use]
pub fn reduced(reads: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let words = reads.len().div_ceil(64);
    let has = |set: &[u64], node: usize| set[node / 64] >> (node % 64) & 1 == 1;
    // Everything that each node reads, directly or not.
    let mut all: Vec<Vec<u64>> = Vec::with_capacity(reads.len());
    let mut kept = Vec::with_capacity(reads.len());
    for from in reads {
        let implied = |read: usize| from.iter().any(|&other| has(&all[other], read));
        kept.push(from.iter().copied().filter(|&read| !implied(read)).collect());
        let mut set = vec![0; words];
        for &read in from {
            set[read / 64] |= 1 << (read % 64);
            set.iter_mut().zip(&all[read]).for_each(|(word, more)| *word |= more);
        }
        all.push(set);
    }
    kept
}

/// Nodes, real ones first, then one for each layer that a long edge passes; edges only between neighbouring
/// layers.
struct Mesh {
    layer: Vec<usize>,
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
    /// Nodes of each layer, in order.
    layers: Vec<Vec<usize>>,
    /// The nodes along each edge of the graph.
    ways: Vec<Vec<usize>>,
    bends: HashMap<(usize, usize), usize>,
}

impl Mesh {
    fn of(reads: &[Vec<usize>]) -> Self {
        let layer = layers_of(reads);
        let count = layer.iter().max().map_or(0, |last| last + 1);
        let mut mesh = Self {
            before: vec![Vec::new(); reads.len()],
            after: vec![Vec::new(); reads.len()],
            layers: vec![Vec::new(); count],
            ways: Vec::new(),
            bends: HashMap::new(),
            layer,
        };
        for node in 0..reads.len() {
            mesh.layers[mesh.layer[node]].push(node);
        }
        for (to, from) in reads.iter().enumerate() {
            for &from in from {
                mesh.connect(from, to);
            }
        }
        mesh
    }

    fn connect(&mut self, from: usize, to: usize) {
        let mut way = vec![from];
        for layer in self.layer[from] + 1..self.layer[to] {
            let bend = self.bend(from, layer);
            way.push(bend);
        }
        way.push(to);
        for pair in way.windows(2) {
            if !self.after[pair[0]].contains(&pair[1]) {
                self.after[pair[0]].push(pair[1]);
                self.before[pair[1]].push(pair[0]);
            }
        }
        self.ways.push(way);
    }

    /// Where edges from `from` pass a layer: all at one place, so that they lie on each other until they part.
    fn bend(&mut self, from: usize, layer: usize) -> usize {
        if let Some(bend) = self.bends.get(&(from, layer)) {
            return *bend;
        }
        let bend = self.layer.len();
        self.layer.push(layer);
        self.before.push(Vec::new());
        self.after.push(Vec::new());
        self.layers[layer].push(bend);
        self.bends.insert((from, layer), bend);
        bend
    }

    /// Sweeps forwards and backwards; keeps the order with the fewest crossings.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS {
            let forwards = sweep % 2 == 0;
            let count = self.layers.len();
            for step in 1..count {
                let layer = if forwards { step } else { count - 1 - step };
                self.sort_layer(layer, forwards);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    /// Place of every node in its layer.
    fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![0; self.layer.len()];
        for layer in &self.layers {
            layer.iter().enumerate().for_each(|(rank, &node)| ranks[node] = rank);
        }
        ranks
    }

    fn sort_layer(&mut self, layer: usize, forwards: bool) {
        let ranks = self.ranks();
        let neighbours = if forwards { &self.before } else { &self.after };
        let key = |node: usize| median(neighbours[node].iter().map(|&other| ranks[other] as f64));
        let mut keyed: Vec<_> = self.layers[layer]
            .iter()
            .map(|&node| (key(node).unwrap_or(ranks[node] as f64), ranks[node], node))
            .collect();
        keyed.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        self.layers[layer] = keyed.into_iter().map(|(.., node)| node).collect();
    }

    /// Pairs of edges that cross, over all neighbouring layers.
    fn crossings(&self) -> usize {
        let ranks = self.ranks();
        let of_layer = |layer: &Vec<usize>| {
            let mut ends: Vec<_> = layer
                .iter()
                .flat_map(|&from| self.after[from].iter().map(move |&to| (from, to)))
                .map(|(from, to)| (ranks[from], ranks[to]))
                .collect();
            ends.sort_unstable();
            inversions(&ends.into_iter().map(|(_, to)| to).collect::<Vec<_>>())
        };
        self.layers.iter().map(of_layer).sum()
    }

    /// Heights that keep each layer's order, with neighbours near each other.
    fn heights(&self) -> Vec<f64> {
        let mut heights = vec![0.0; self.layer.len()];
        for layer in &self.layers {
            layer.iter().enumerate().for_each(|(rank, &node)| heights[node] = rank as f64);
        }
        for sweep in 0..SWEEPS {
            let count = self.layers.len();
            for step in 0..count {
                let layer = if sweep % 2 == 0 { step } else { count - 1 - step };
                self.settle(&self.layers[layer], &mut heights);
            }
        }
        let least = heights.iter().copied().fold(f64::INFINITY, f64::min);
        heights.iter().map(|height| height - least).collect()
    }

    /// The heights of one layer that are nearest, in least squares, to what its nodes' neighbours want:
    /// isotonic regression by pooling neighbours that would come too near.
    fn settle(&self, layer: &[usize], heights: &mut [f64]) {
        // (sum of wanted offsets, nodes): a pool's offset is the mean.
        let mut pools: Vec<(f64, usize)> = Vec::new();
        for (rank, &node) in layer.iter().enumerate() {
            let around = self.before[node].iter().chain(&self.after[node]);
            let (sum, count) =
                around.fold((0.0, 0), |(sum, count), &other| (sum + heights[other], count + 1));
            let wanted = if count > 0 { sum / f64::from(count) } else { heights[node] };
            pools.push((wanted - rank as f64, 1));
            while let [.., one, other] = pools.as_slice() {
                if one.0 / one.1 as f64 <= other.0 / other.1 as f64 {
                    break;
                }
                let joined = (one.0 + other.0, one.1 + other.1);
                pools.truncate(pools.len() - 2);
                pools.push(joined);
            }
        }
        let mut rank = 0;
        for (sum, count) in pools {
            for _ in 0..count {
                heights[layer[rank]] = sum / count as f64 + rank as f64;
                rank += 1;
            }
        }
    }
}

/// Longest path to an end, so that what is read late stands late.
fn layers_of(reads: &[Vec<usize>]) -> Vec<usize> {
    let mut behind = vec![0; reads.len()];
    for node in (0..reads.len()).rev() {
        for &read in &reads[node] {
            behind[read] = behind[read].max(behind[node] + 1);
        }
    }
    let last = behind.iter().max().copied().unwrap_or(0);
    behind.into_iter().map(|steps| last - steps).collect()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// Pairs that stand in falling order, by a tree of counts (Fenwick).
fn inversions(values: &[usize]) -> usize {
    let size = values.iter().max().map_or(0, |largest| largest + 1);
    let mut counts = vec![0; size + 1];
    let mut found = 0;
    for (seen, &value) in values.iter().enumerate() {
        let mut place = value + 1;
        let mut not_above = 0;
        while place > 0 {
            not_above += counts[place];
            place &= place - 1;
        }
        found += seen - not_above;
        let mut place = value + 1;
        while place <= size {
            counts[place] += 1;
            place += place & place.wrapping_neg();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn crossings_are_counted_and_avoided() {
        assert_eq!(inversions(&[0, 1, 2]), 0);
        assert_eq!(inversions(&[2, 1, 0]), 3);
        assert_eq!(inversions(&[1, 1, 0, 0]), 4);
        // Two chains whose ends are declared the other way round.
        let reads = [vec![], vec![], vec![1], vec![0]];
        let mut mesh = Mesh::of(&reads);
        assert_eq!(mesh.crossings(), 1);
        mesh.order();
        assert_eq!(mesh.crossings(), 0);
    }

    #[test]
    fn implied_reads_are_left_out() {
        let reads = [vec![], vec![0], vec![0, 1], vec![], vec![0, 2, 3]];
        assert_eq!(reduced(&reads), [vec![], vec![0], vec![1], vec![], vec![2, 3]]);
    }

    #[test]
    fn a_chain_is_a_straight_line_and_a_long_edge_goes_around() {
        let layers = lay_out(&[vec![], vec![0], vec![1], vec![0, 2]]);
        let columns: Vec<_> = layers.places.iter().map(|(column, _)| *column).collect();
        assert_eq!(columns, [0, 1, 2, 3]);
        let long = layers.edges.iter().find(|edge| edge.len() == 4).expect("the edge from 0 to 3");
        for (column, height) in &long[1..3] {
            let node = layers.places.iter().find(|(other, _)| other == column).expect("a node");
            assert!((node.1 - height).abs() > 0.99, "it passes the node in column {column}");
        }
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_edges_lead_right(
            links in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 1..30)
        ) {
            let reads: Vec<Vec<usize>> = links.iter().enumerate().map(|(node, from)| {
                let mut from: Vec<_> = if node == 0 { vec![] } else { from.iter().map(|index| index.index(node)).collect() };
                from.sort_unstable();
                from.dedup();
                from
            }).collect();
            let layers = lay_out(&reads);
            for (node, from) in reads.iter().enumerate() {
                for &from in from {
                    prop_assert!(layers.places[from].0 < layers.places[node].0);
                }
            }
            for (one, place) in layers.places.iter().enumerate() {
                prop_assert!(place.1.is_finite() && place.1 >= 0.0 && place.1 < layers.height);
                for other in &layers.places[..one] {
                    prop_assert!(place.0 != other.0 || (place.1 - other.1).abs() > 0.999);
                }
            }
            for edge in &layers.edges {
                prop_assert!(edge.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
            }
        }
    }
}
