//! DDO's surrogate on any rows: `L0 (1 + sum_j [(x_j + a_j)^-b_j - (1 + a_j)^-b_j])`, x in multiples of the reference amount
//! (AutoScale, arXiv 2407.20177, Algorithm 1).
//!
//! Where rows change one domain at a time this is the same as a law per domain through its own points, so such rows
//! give the start by exact interpolation. A fit of three amounts per domain leaves nothing over.

use super::{Design, Input, Slot, Start, Term, Units};
use crate::numeric::statistics::mean;
use crate::power_law::{self, Point, Root};

/// The largest exponent.
const MOST_B: f64 = 50.0;

/// Inside, L0, then ln a and ln b of every domain.
pub(super) struct Ddo {
    /// Multiple of the reference amount per weight and unit of tokens.
    per_weight: Vec<f64>,
}

/// One domain's part.
struct Part {
    b: f64,
    reach: f64,
    power: f64,
}

impl Ddo {
    pub(super) fn new(units: &Units) -> Self {
        let tokens = units.tokens.unwrap_or(1.0);
        Self { per_weight: units.reference.iter().map(|n| tokens / n).collect() }
    }

    fn multiple(&self, x: &Input<'_>, j: usize) -> f64 {
        x.h[j] * x.tokens * self.per_weight[j]
    }

    fn part(&self, p: &[f64], x: &Input<'_>, j: usize) -> Part {
        let (a, b) = (p[1 + 2 * j].exp(), p[2 + 2 * j].exp());
        let reach = self.multiple(x, j) + a;
        Part { b, reach, power: reach.powf(-b) }
    }

    /// `y(x) - y(1)` without the cancellation of subtracting two values.
    fn change(&self, p: &[f64], x: &Input<'_>, j: usize) -> f64 {
        let (a, b) = (p[1 + 2 * j].exp(), p[2 + 2 * j].exp());
        let ratio = ((self.multiple(x, j) - 1.0) / (1.0 + a)).ln_1p();
        (1.0 + a).powf(-b) * (-b * ratio).exp_m1()
    }

    /// L0 from the row nearest to the reference.
    fn base_loss(&self, design: &Design, rest: &[f64], start: &[f64]) -> f64 {
        let distance = |row: usize| -> f64 {
            let x = design.input(row);
            (0..self.per_weight.len()).map(|j| (self.multiple(&x, j) - 1.0).abs()).sum()
        };
        let nearest = (0..design.len()).min_by(|p, q| distance(*p).total_cmp(&distance(*q)));
        let Some(row) = nearest else {
            return mean(rest);
        };
        let x = design.input(row);
        let changes: f64 = (0..self.per_weight.len()).map(|j| self.change(start, &x, j)).sum();
        rest[row] / (1.0 + changes).max(0.1)
    }

    /// Points of each domain from rows that change it alone, averaged.
    fn single_changes(&self, design: &Design) -> Vec<Vec<Point>> {
        let same = |x: f64| (x - 1.0).abs() < 0.005;
        let mut base = Vec::new();
        let mut changed: Vec<Vec<(f64, f64)>> = vec![Vec::new(); self.per_weight.len()];
        for (x, y) in design.inputs().zip(&design.y) {
            let moved: Vec<usize> =
                (0..changed.len()).filter(|&j| !same(self.multiple(&x, j))).collect();
            match moved[..] {
                [] => base.push(*y),
                [j] => changed[j].push((self.multiple(&x, j), *y)),
                _ => {}
            }
        }
        if base.is_empty() {
            return vec![Vec::new(); changed.len()];
        }
        let unit = mean(&base);
        let points = |mut runs: Vec<(f64, f64)>| {
            runs.push((1.0, unit));
            runs.sort_by(|p, q| p.0.total_cmp(&q.0));
            let same = |p: &(f64, f64), q: &(f64, f64)| (p.0 - q.0).abs() < 0.005 * q.0;
            runs.chunk_by(same)
                .map(|runs| {
                    let average = |of: fn(&(f64, f64)) -> f64| {
                        runs.iter().map(of).sum::<f64>() / runs.len() as f64
                    };
                    let (x, y) = (average(|run| run.0), average(|run| run.1));
                    Point { x, y: y / unit, weight: runs.len() as f64 }
                })
                .collect()
        };
        changed.into_iter().map(points).collect()
    }
}

/// The other a and b of the same slope and curvature at the reference amount; `None` where the two are one.
///
/// With the slope `s = b (1 + a)^-(b+1)` held, curvature over slope is `(b + 1) / (1 + a)`, whose logarithm
/// `ln(b + 1) - ln(b / s) / (b + 1)` falls and rises again as b grows: each value but the least has two b. Between them lies a ridge of
/// the sum of squares, as between the two laws through three points ([`power_law::Root`]).
fn twin(a: f64, b: f64) -> Option<(f64, f64)> {
    let slope = b * (1.0 + a).powf(-b - 1.0);
    let bend = |ln_b: f64| {
        let b = ln_b.exp();
        (b + 1.0).ln() - (ln_b - slope.ln()) / (b + 1.0)
    };
    // Of the sign of the derivative.
    let rises = |ln_b: f64| {
        let b = ln_b.exp();
        (b + 1.0) * (1.0 - 1.0 / b) + ln_b - slope.ln() > 0.0
    };
    let (low, high) = (MOST_B.ln() - 20.0, MOST_B.ln());
    let least = bisect(low, high, rises);
    let (own, target) = (b.ln(), bend(b.ln()));
    let other = match own > least {
        true => bisect(low, least, |ln_b| bend(ln_b) < target),
        false => bisect(least, high, |ln_b| bend(ln_b) > target),
    };
    let a = ((other - slope.ln()) / (other.exp() + 1.0)).exp_m1();
    ((other - own).abs() > 1e-3 && a > 0.0).then_some((a, other.exp()))
}

/// Where a condition that holds above some point begins to.
fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle }
    }
    f64::midpoint(low, high)
}

impl Term for Ddo {
    fn slots(&self) -> Vec<Slot> {
        let of = |j| {
            [Slot::positive("a", Some(j), 1e-3, 1e3), Slot::positive("b", Some(j), 1e-3, MOST_B)]
        };
        let unit = Slot::plain("L0", None, 1e-6, 1e9);
        [unit].into_iter().chain((0..self.per_weight.len()).flat_map(of)).collect()
    }

    fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        let changes: f64 = (0..self.per_weight.len()).map(|j| self.change(p, x, j)).sum();
        p[0] * (1.0 + changes)
    }

    /// a, b, `ln(1 + a)` and `(1 + a)^-b` of every domain.
    fn constants(&self, p: &[f64]) -> Vec<f64> {
        let of = |p: &[f64]| {
            let (a, b) = (p[0].exp(), p[1].exp());
            [a, b, a.ln_1p(), (1.0 + a).powf(-b)]
        };
        p[1..].chunks_exact(2).flat_map(of).collect()
    }

    fn gradient(&self, p: &[f64], constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        let mut relative = 1.0;
        for (j, c) in constants.chunks_exact(4).enumerate() {
            let (a, b, ln_base, base) = (c[0], c[1], c[2], c[3]);
            let further = self.multiple(x, j) - 1.0;
            // The logarithm of (x + a) / (1 + a), from which both powers and both logarithms follow.
            let ratio = (further / (1.0 + a)).ln_1p();
            let change = base * (-b * ratio).exp_m1();
            let (power, reach) = (base + change, 1.0 + a + further);
            out[1 + 2 * j] = p[0] * b * (base / (1.0 + a) - power / reach) * a;
            out[2 + 2 * j] = p[0] * b * (base * ln_base - power * (ln_base + ratio));
            relative += change;
        }
        out[0] = relative;
        p[0] * relative
    }

    fn slope(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        for (j, out) in out.iter_mut().enumerate() {
            let part = self.part(p, x, j);
            *out -= p[0] * part.b * part.power / part.reach * self.per_weight[j] * x.tokens;
        }
    }

    fn curvature(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let m = self.per_weight.len();
        for j in 0..m {
            let part = self.part(p, x, j);
            let bend = part.b * (part.b + 1.0) * part.power / (part.reach * part.reach);
            out[j * m + j] += p[0] * bend * (self.per_weight[j] * x.tokens).powi(2);
        }
    }

    fn is_convex(&self, _p: &[f64]) -> bool {
        true
    }

    fn twins(&self, p: &[f64]) -> Vec<Vec<f64>> {
        let of = |j: usize| {
            let (a, b) = twin(p[1 + 2 * j].exp(), p[2 + 2 * j].exp())?;
            let mut other = p.to_vec();
            (other[1 + 2 * j], other[2 + 2 * j]) = (a.ln(), b.ln());
            Some(other)
        };
        (0..self.per_weight.len()).filter_map(of).collect()
    }

    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64> {
        let mut start = vec![mean(rest)];
        let options = power_law::FitOptions { root: Root::Upper, noise: None };
        for points in self.single_changes(design) {
            let law = power_law::fit(&points, &options).ok().map(|fit| fit.law);
            let near = random.uniform(0.0, -0.5, 0.5);
            let (a, b) = match law {
                Some(law) => (law.a * near.exp(), law.b * near.exp()),
                None => (random.log_uniform(1.0, 0.2, 5.0), random.log_uniform(0.8, 0.2, 3.0)),
            };
            start.extend([a.ln(), b.ln()]);
        }
        start[0] = self.base_loss(design, rest, &start);
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_has_the_slope_and_the_curvature_at_the_reference_amount() {
        let slope = |(a, b): (f64, f64)| b * (1.0 + a).powf(-b - 1.0);
        let bend = |(a, b): (f64, f64)| b * (b + 1.0) * (1.0 + a).powf(-b - 2.0);
        for law in [(1.693, 1.085), (0.655, 0.254), (2.666, 1.249), (3.319, 1.927)] {
            let other = twin(law.0, law.1).expect("a twin");
            assert!((other.1 - law.1).abs() > 0.05, "{law:?} {other:?}");
            assert!((slope(other) / slope(law) - 1.0).abs() < 1e-9, "{law:?} {other:?}");
            assert!((bend(other) / bend(law) - 1.0).abs() < 1e-9, "{law:?} {other:?}");
            let back = twin(other.0, other.1).expect("a twin");
            assert!((back.0 - law.0).abs() + (back.1 - law.1).abs() < 1e-6, "{law:?} {back:?}");
        }
    }
}
