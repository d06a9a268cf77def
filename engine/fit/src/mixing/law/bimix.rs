//! BiMix, `(B / D^beta + C) / h_own^alpha`: the loss of a domain from its own share and the tokens (Ge et al., arXiv 2405.14908).
//!
//! The source writes `A / r^alpha (B / s^beta + C)`; A is only a factor of B and C, so here it is 1.

use super::{Design, Input, Named, Slot, Start, Term, Units, named};
use crate::numeric::matrix::ridge;
use crate::numeric::statistics::mean;

/// Inside, ln alpha and ln C, then ln B and ln beta where tokens vary.
pub(super) struct Bimix {
    pub(super) own: usize,
    pub(super) tokens: bool,
}

impl Bimix {
    /// `h^-alpha`, C and `B / D^beta`.
    fn parts(&self, p: &[f64], x: &Input<'_>) -> [f64; 3] {
        let share = (-p[0].exp() * x.ln_h[self.own]).exp();
        let tokens = if self.tokens { (p[2] - p[3].exp() * x.ln_tokens).exp() } else { 0.0 };
        [share, p[1].exp(), tokens]
    }
}

impl Term for Bimix {
    fn slots(&self) -> Vec<Slot> {
        let mut slots =
            vec![Slot::positive("alpha", None, 1e-4, 5.0), Slot::positive("C", None, 1e-8, 1e4)];
        if self.tokens {
            slots.push(Slot::positive("B", None, 1e-8, 1e4));
            slots.push(Slot::positive("beta", None, 1e-3, 4.0));
        }
        slots
    }

    fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        let [share, constant, tokens] = self.parts(p, x);
        share * (constant + tokens)
    }

    fn gradient(&self, p: &[f64], _constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        let [share, constant, tokens] = self.parts(p, x);
        let value = share * (constant + tokens);
        out[0] = -value * p[0].exp() * x.ln_h[self.own];
        out[1] = share * constant;
        if self.tokens {
            out[2] = share * tokens;
            out[3] = -share * tokens * p[3].exp() * x.ln_tokens;
        }
        value
    }

    fn slope(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        out[self.own] -= p[0].exp() * self.value(p, x) / x.h[self.own];
    }

    fn curvature(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let (alpha, h) = (p[0].exp(), x.h[self.own]);
        out[self.own * (x.h.len() + 1)] += alpha * (alpha + 1.0) * self.value(p, x) / (h * h);
    }

    fn is_convex(&self, _p: &[f64]) -> bool {
        true
    }

    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64> {
        let least = 1e-3 * design.smallest();
        let logs: Vec<f64> = rest.iter().map(|y| y.max(least).ln()).collect();
        let features: Vec<f64> = design.inputs().flat_map(|x| [1.0, -x.ln_h[self.own]]).collect();
        let line = ridge(&features, 2, &logs, &design.weight, 1e-9);
        let alpha = line[1].max(1e-3);
        let level = line[0].exp().max(1e-3 * mean(rest).abs());
        let split = random.uniform(0.5, 0.05, 0.95);
        let mut start = vec![alpha.ln(), level.ln()];
        if self.tokens {
            let beta = random.log_uniform(0.4, 0.05, 1.5);
            start[1] = (level * split).ln();
            start.extend([(level * (1.0 - split)).ln(), beta.ln()]);
        }
        start
    }

    fn report(&self, p: &[f64], units: &Units) -> Vec<Named> {
        let slots = self.slots();
        let in_units = |k: usize| match k {
            2 => units.tokens.unwrap_or(1.0).powf(p[3].exp()),
            _ => 1.0,
        };
        (0..p.len()).map(|k| named(&slots[k], p[k], p[k].exp() * in_units(k))).collect()
    }
}
