//! `k exp(sum_j t_j h_j)` (Ye et al., Data Mixing Laws, arXiv 2403.16952), and log-linear with factors of scale:
//! `exp(sum_j t_j h_j) D^-beta N^-alpha`.
//!
//! On the simplex k and a constant added to every t are the same thing, so inside there is `s_j = ln k + t_j` alone; the
//! data-mixing law reports ln k as the mean of s, with t of mean 0.

use super::{Design, Input, Named, Slot, Start, Term, Units, named};
use crate::mixing::options::ScaleTerms;
use crate::numeric::matrix::{dot, ridge};

pub(super) struct Exponential {
    domains: usize,
    scale: ScaleTerms,
    amplitude: bool,
}

const EXPONENT: f64 = 60.0;

impl Exponential {
    /// The data-mixing law's, with the amplitude apart.
    pub(super) fn plain(domains: usize) -> Self {
        Self { domains, scale: ScaleTerms::None, amplitude: true }
    }

    /// Log-linear, with the factors of scale inside.
    pub(super) fn scaled(domains: usize, scale: ScaleTerms) -> Self {
        Self { domains, scale, amplitude: false }
    }

    /// Logarithms of the scales that have a factor.
    fn logs(&self, x: &Input<'_>) -> impl Iterator<Item = f64> {
        let size = self.scale.size().then_some(x.ln_size);
        [size, self.scale.tokens().then_some(x.ln_tokens)].into_iter().flatten()
    }
}

impl Term for Exponential {
    fn slots(&self) -> Vec<Slot> {
        let by_domain = |j| Slot::plain("t", Some(j), -EXPONENT, EXPONENT);
        let factor = |name| Slot::plain(name, None, -4.0, 4.0);
        (0..self.domains)
            .map(by_domain)
            .chain(self.scale.size().then(|| factor("alpha")))
            .chain(self.scale.tokens().then(|| factor("beta")))
            .collect()
    }

    fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        let scale: f64 = p[self.domains..].iter().zip(self.logs(x)).map(|(e, ln)| e * ln).sum();
        (dot(&p[..self.domains], x.h) - scale).exp()
    }

    fn gradient(&self, p: &[f64], _constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        let value = self.value(p, x);
        out.iter_mut().zip(x.h).for_each(|(out, h)| *out = value * h);
        out[self.domains..].iter_mut().zip(self.logs(x)).for_each(|(out, ln)| *out = -value * ln);
        value
    }

    fn slope(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let value = self.value(p, x);
        out.iter_mut().zip(p).for_each(|(out, s)| *out += value * s);
    }

    fn curvature(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let (m, value) = (self.domains, self.value(p, x));
        for i in 0..m {
            for j in 0..m {
                out[i * m + j] += value * p[i] * p[j];
            }
        }
    }

    fn is_convex(&self, _p: &[f64]) -> bool {
        true
    }

    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64> {
        let least = 1e-4 * design.smallest();
        let logs: Vec<f64> = rest.iter().map(|y| y.max(least).ln()).collect();
        // The mean of y e^(s.h) is wanted, not of its logarithm: rows count by their squares.
        let weights: Vec<f64> =
            rest.iter().zip(&design.weight).map(|(y, w)| w * y.max(least).powi(2)).collect();
        let features: Vec<f64> = design
            .inputs()
            .flat_map(|x| {
                x.h.iter().copied().chain(self.logs(&x).map(|ln| -ln)).collect::<Vec<_>>()
            })
            .collect();
        let columns =
            self.domains + usize::from(self.scale.size()) + usize::from(self.scale.tokens());
        let mut start = ridge(&features, columns, &logs, &weights, 1e-8);
        for s in &mut start[..self.domains] {
            *s += random.uniform(0.0, -0.3, 0.3);
        }
        start
    }

    fn report(&self, p: &[f64], units: &Units) -> Vec<Named> {
        let slots = self.slots();
        let m = self.domains;
        let scales = [
            self.scale.size().then(|| units.size.unwrap_or(1.0)),
            self.scale.tokens().then(|| units.tokens.unwrap_or(1.0)),
        ];
        let in_units: f64 =
            p[m..].iter().zip(scales.into_iter().flatten()).map(|(e, unit)| e * unit.ln()).sum();
        let centre = if self.amplitude { p[..m].iter().sum::<f64>() / m as f64 } else { -in_units };
        let amplitude = self.amplitude.then(|| Named {
            name: "k",
            domain: None,
            value: centre.exp(),
            at_bound: false,
        });
        let value = |k: usize| if k < m { p[k] - centre } else { p[k] };
        amplitude
            .into_iter()
            .chain((0..p.len()).map(|k| named(&slots[k], p[k], value(k))))
            .collect()
    }
}
