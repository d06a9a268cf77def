//! The additive law over amounts, `sum_j k_j (a_j + n_j)^-b_j` with `n_j = h_j D`: AutoScale's surrogate with an amplitude
//! for every domain, in plain units of tokens (of weight, where rows have no tokens).

use super::{Design, Input, Named, Slot, Start, Term, Units, named};
use crate::numeric::matrix::ridge;

/// Inside, a domain has ln k, ln a and ln b, with n in units of the mean domain's amount.
pub(super) struct Additive {
    pub(super) domains: usize,
}

/// One domain's part.
struct Part {
    b: f64,
    a: f64,
    reach: f64,
    ln_reach: f64,
    value: f64,
}

impl Additive {
    fn unit(&self) -> f64 {
        self.domains as f64
    }

    fn part(&self, p: &[f64], x: &Input<'_>, j: usize) -> Part {
        self.part_of(p[3 * j], p[3 * j + 1].exp(), p[3 * j + 2].exp(), x, j)
    }

    fn part_of(&self, ln_k: f64, a: f64, b: f64, x: &Input<'_>, j: usize) -> Part {
        let reach = a + x.h[j] * x.tokens * self.unit();
        let ln_reach = reach.ln();
        Part { b, a, reach, ln_reach, value: (ln_k - b * ln_reach).exp() }
    }
}

impl Term for Additive {
    fn slots(&self) -> Vec<Slot> {
        let of = |j| {
            [
                Slot::positive("k", Some(j), 1e-9, 1e6),
                Slot::positive("a", Some(j), 1e-4, 1e3),
                Slot::positive("b", Some(j), 1e-2, 20.0),
            ]
        };
        (0..self.domains).flat_map(of).collect()
    }

    fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        (0..self.domains).map(|j| self.part(p, x, j).value).sum()
    }

    /// a and b of every domain.
    fn constants(&self, p: &[f64]) -> Vec<f64> {
        p.chunks_exact(3).flat_map(|p| [p[1].exp(), p[2].exp()]).collect()
    }

    fn gradient(&self, p: &[f64], constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for j in 0..self.domains {
            let part = self.part_of(p[3 * j], constants[2 * j], constants[2 * j + 1], x, j);
            out[3 * j] = part.value;
            out[3 * j + 1] = -part.b * part.value / part.reach * part.a;
            out[3 * j + 2] = -part.b * part.ln_reach * part.value;
            sum += part.value;
        }
        sum
    }

    fn slope(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let by_weight = x.tokens * self.unit();
        for (j, out) in out.iter_mut().enumerate() {
            let part = self.part(p, x, j);
            *out -= part.b * part.value / part.reach * by_weight;
        }
    }

    fn curvature(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let (m, by_weight) = (self.domains, x.tokens * self.unit());
        for j in 0..m {
            let part = self.part(p, x, j);
            let bend = part.b * (part.b + 1.0) * part.value / (part.reach * part.reach);
            out[j * m + j] += bend * by_weight * by_weight;
        }
    }

    fn is_convex(&self, _p: &[f64]) -> bool {
        true
    }

    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64> {
        let m = self.domains;
        let shape: Vec<(f64, f64)> = (0..m)
            .map(|_| (random.log_uniform(0.5, 0.05, 5.0), random.log_uniform(0.7, 0.2, 2.5)))
            .collect();
        let feature = |x: &Input<'_>, j: usize| {
            (shape[j].0 + x.h[j] * x.tokens * self.unit()).powf(-shape[j].1)
        };
        let features: Vec<f64> = design
            .inputs()
            .flat_map(|x| (0..m).map(|j| feature(&x, j)).collect::<Vec<_>>())
            .collect();
        let amplitudes = ridge(&features, m, rest, &design.weight, 1e-6);
        let least = 1e-3 * amplitudes.iter().map(|k| k.abs()).fold(1e-3, f64::max);
        let of = |j: usize| [amplitudes[j].max(least).ln(), shape[j].0.ln(), shape[j].1.ln()];
        (0..m).flat_map(of).collect()
    }

    fn report(&self, p: &[f64], units: &Units) -> Vec<Named> {
        let unit = units.tokens.unwrap_or(1.0) / self.unit();
        let slots = self.slots();
        let of = |j: usize| {
            let [k, a, b] = [p[3 * j].exp(), p[3 * j + 1].exp(), p[3 * j + 2].exp()];
            let values = [k * unit.powf(b), a * unit, b];
            [0, 1, 2].map(|i| named(&slots[3 * j + i], p[3 * j + i], values[i]))
        };
        (0..self.domains).flat_map(of).collect()
    }
}
