//! `1 / sum_j C_j h_j^g_j` (Shukor et al., Scaling Laws for Optimal Data Mixtures, arXiv 2507.09404).
//!
//! Convex in the weights where every g is at most 1: the sum is then concave and positive, and its inverse convex.

use super::{Design, Input, Slot, Start, Term};
use crate::numeric::matrix::ridge;

/// Inside, ln C and ln g of every domain.
pub(super) struct InverseSum {
    domains: usize,
    /// A domain's power replaced by its chord between two weights; only in bounds, see [`Term::below`].
    chords: Vec<Option<(f64, f64)>>,
}

impl InverseSum {
    pub(super) fn new(domains: usize) -> Self {
        Self { domains, chords: vec![None; domains] }
    }

    /// `C h^g` and its first and second derivative by h.
    fn part(&self, p: &[f64], x: &Input<'_>, j: usize) -> [f64; 3] {
        let (c, g, h) = (p[2 * j].exp(), p[2 * j + 1].exp(), x.h[j]);
        if let Some((low, high)) = self.chords[j] {
            let slope = (high.powf(g) - low.powf(g)) / (high - low);
            return [c * (low.powf(g) + slope * (h - low)), c * slope, 0.0];
        }
        let value = c * (g * x.ln_h[j]).exp();
        [value, value * g / h, value * g * (g - 1.0) / (h * h)]
    }

    fn sum(&self, p: &[f64], x: &Input<'_>) -> f64 {
        (0..self.domains).map(|j| self.part(p, x, j)[0]).sum()
    }
}

impl Term for InverseSum {
    fn slots(&self) -> Vec<Slot> {
        let of =
            |j| [Slot::positive("C", Some(j), 1e-8, 1e6), Slot::positive("g", Some(j), 1e-2, 5.0)];
        (0..self.domains).flat_map(of).collect()
    }

    fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        1.0 / self.sum(p, x)
    }

    /// g of every domain.
    fn constants(&self, p: &[f64]) -> Vec<f64> {
        p.chunks_exact(2).map(|p| p[1].exp()).collect()
    }

    fn gradient(&self, p: &[f64], constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for (j, g) in constants.iter().enumerate() {
            let value = (p[2 * j] + g * x.ln_h[j]).exp();
            out[2 * j] = value;
            // h^g ln h is 0 at h = 0.
            out[2 * j + 1] = if value > 0.0 { value * g * x.ln_h[j] } else { 0.0 };
            sum += value;
        }
        let inverse = 1.0 / sum;
        out.iter_mut().for_each(|out| *out *= -inverse * inverse);
        inverse
    }

    fn slope(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let inverse = 1.0 / self.sum(p, x);
        for (j, out) in out.iter_mut().enumerate() {
            *out -= self.part(p, x, j)[1] * inverse * inverse;
        }
    }

    fn curvature(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let m = self.domains;
        let inverse = 1.0 / self.sum(p, x);
        let parts: Vec<[f64; 3]> = (0..m).map(|j| self.part(p, x, j)).collect();
        for i in 0..m {
            for j in 0..m {
                out[i * m + j] += 2.0 * parts[i][1] * parts[j][1] * inverse.powi(3);
            }
            out[i * m + i] -= parts[i][2] * inverse * inverse;
        }
    }

    fn is_convex(&self, p: &[f64]) -> bool {
        (0..self.domains).all(|j| p[2 * j + 1] <= 0.0 || self.chords[j].is_some())
    }

    /// The chord of a convex power is nowhere below it, so the sum grows and its inverse falls.
    fn below(&self, p: &[f64], lower: &[f64], upper: &[f64]) -> Option<Box<dyn Term>> {
        let chord =
            |j: usize| (p[2 * j + 1] > 0.0 && upper[j] > lower[j]).then_some((lower[j], upper[j]));
        let chords = (0..self.domains).map(chord).collect();
        Some(Box::new(Self { domains: self.domains, chords }))
    }

    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64> {
        let m = self.domains;
        let powers: Vec<f64> = (0..m).map(|_| random.log_uniform(0.4, 0.08, 1.2)).collect();
        let features: Vec<f64> = design
            .inputs()
            .flat_map(|x| (0..m).map(|j| x.h[j].powf(powers[j])).collect::<Vec<_>>())
            .collect();
        let least = 1e-3 * design.smallest();
        let inverse: Vec<f64> = rest.iter().map(|y| 1.0 / y.max(least)).collect();
        // Errors of 1/y are those of y over y^2.
        let weights: Vec<f64> =
            inverse.iter().zip(&design.weight).map(|(i, w)| w / i.powi(4)).collect();
        let amplitudes = ridge(&features, m, &inverse, &weights, 1e-6);
        let least = 1e-2 * amplitudes.iter().map(|c| c.abs()).fold(1e-4, f64::max);
        (0..m).flat_map(|j| [amplitudes[j].max(least).ln(), powers[j].ln()]).collect()
    }
}
