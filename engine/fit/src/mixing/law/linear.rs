//! `sum_j w_j h_j`: RegMix's linear regression (Liu et al., arXiv 2407.01492). Weights sum to 1, so no constant is needed.

use super::{Design, Input, Slot, Start, Term};
use crate::numeric::matrix::{dot, ridge};

pub(super) struct Linear {
    pub(super) domains: usize,
}

impl Term for Linear {
    fn slots(&self) -> Vec<Slot> {
        let by_domain = |j| Slot::plain("w", Some(j), -1e6, 1e6);
        (0..self.domains).map(by_domain).collect()
    }

    fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        dot(p, x.h)
    }

    fn gradient(&self, p: &[f64], _constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        out.copy_from_slice(x.h);
        dot(p, x.h)
    }

    fn slope(&self, p: &[f64], _x: &Input<'_>, out: &mut [f64]) {
        out.iter_mut().zip(p).for_each(|(out, w)| *out += w);
    }

    fn curvature(&self, _p: &[f64], _x: &Input<'_>, _out: &mut [f64]) {}

    fn is_convex(&self, _p: &[f64]) -> bool {
        true
    }

    fn start(&self, design: &Design, rest: &mut [f64], _random: &mut Start<'_>) -> Vec<f64> {
        ridge(design.weights(), self.domains, rest, &design.weight, 1e-10)
    }
}
