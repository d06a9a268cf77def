//! DDO's budget problem: bounds from floors, caps and held domains, its optimum and what the surrogate says there.
//!
//! Knows laws and amounts; the minimisation itself is [`crate::water_filling`].

use super::Options;
use super::evidence::Observed;
use super::result::{DomainFit, Optimum, Prediction};
use crate::error::{Domain, FitError};
use crate::power_law::PowerLaw;
use crate::water_filling::{self, Term};

/// Relative distance within which an amount counts as at its bound.
const AT_BOUND: f64 = 1e-9;

/// The budget, the bounds and the reference, in multiples of the base amounts.
pub(super) struct Problem {
    pub(super) total: f64,
    base: Vec<f64>,
    /// The reference mixture has this multiple of every base amount.
    pub(super) reference: f64,
    lower: f64,
    upper: Vec<f64>,
}

impl Problem {
    pub(super) fn new(observed: &Observed, options: &Options) -> Result<Self, FitError> {
        let base = observed.base_amounts.clone();
        let base_total: f64 = base.iter().sum();
        let total = options.total.unwrap_or(base_total);
        if !(total.is_finite() && total > 0.0) {
            return Err(FitError::Number {
                what: "the total".into(),
                value: total,
                requirement: "finite and above 0",
            });
        }
        let reference = total / base_total;
        Ok(Self {
            total,
            reference,
            lower: options.floor * reference,
            upper: upper(options, &base)?,
            base,
        })
    }

    fn term(&self, domain: usize, law: Option<PowerLaw>) -> Result<Term, FitError> {
        let upper = self.upper[domain];
        let cost = self.base[domain];
        if upper < self.lower {
            return Err(FitError::Bounds {
                domain: Domain(domain),
                lower: self.lower * cost,
                upper: upper * cost,
            });
        }
        let held = self.reference.clamp(self.lower, upper);
        Ok(match law {
            Some(_) => Term { law, cost, lower: self.lower, upper },
            None => Term { law, cost, lower: held, upper: held },
        })
    }

    /// The optimum for these laws, one per domain; a domain without one is held at the reference.
    pub(super) fn solve(&self, laws: &[Option<PowerLaw>]) -> Result<Optimum, FitError> {
        let terms = laws
            .iter()
            .enumerate()
            .map(|(domain, law)| self.term(domain, *law))
            .collect::<Result<Vec<_>, _>>()?;
        let solution = water_filling::minimise(&terms, self.total)?;
        let amounts: Vec<f64> =
            solution.x.iter().zip(&self.base).map(|(x, base)| x * base).collect();
        let free = |i: usize| laws[i].is_some();
        let near = |x: f64, bound: f64| bound.is_finite() && (x - bound).abs() <= AT_BOUND * bound;
        Ok(Optimum {
            weights: amounts.iter().map(|n| n / self.total).collect(),
            at_floor: (0..terms.len())
                .map(|i| free(i) && near(solution.x[i], self.lower))
                .collect(),
            at_cap: (0..terms.len()).map(|i| near(solution.x[i], self.upper[i])).collect(),
            held: laws.iter().map(Option::is_none).collect(),
            multiplier: solution.multiplier,
            kkt_residual: solution.kkt_residual,
            multiples: solution.x,
            amounts,
        })
    }

    /// Relative objective at x against the base run's, less 1, by these laws.
    fn change(&self, laws: &[Option<PowerLaw>], x: impl Fn(usize) -> f64) -> f64 {
        let of = |(domain, law): (usize, &Option<PowerLaw>)| {
            law.map_or(0.0, |law| law.change(1.0, x(domain)))
        };
        laws.iter().enumerate().map(of).sum()
    }

    /// Relative gain of x over the reference, by these laws.
    pub(super) fn gain(&self, laws: &[Option<PowerLaw>], x: &[f64]) -> f64 {
        let of = |(law, x): (&Option<PowerLaw>, &f64)| {
            law.map_or(0.0, |law| -law.change(self.reference, *x))
        };
        laws.iter().zip(x).map(of).sum()
    }

    /// The surrogate's objective at the reference and the optimum.
    pub(super) fn predict(
        &self,
        domains: &[DomainFit],
        optimum: &Optimum,
        base_objective: f64,
    ) -> Prediction {
        let laws: Vec<Option<PowerLaw>> = domains.iter().map(|d| d.law).collect();
        let reference = base_objective * (1.0 + self.change(&laws, |_| self.reference));
        let gain = base_objective * self.gain(&laws, &optimum.multiples);
        Prediction { reference, optimum: reference - gain, gain, gain_relative: gain / reference }
    }
}

/// Largest multiple of each domain; infinite without a cap.
fn upper(options: &Options, base: &[f64]) -> Result<Vec<f64>, FitError> {
    let Some(caps) = &options.caps else {
        return Ok(vec![f64::INFINITY; base.len()]);
    };
    if caps.len() != base.len() {
        return Err(FitError::Length {
            what: "`caps`".into(),
            expected: base.len(),
            found: caps.len(),
        });
    }
    let multiple = |(cap, base): (&Option<f64>, &f64)| match cap {
        None => Ok(f64::INFINITY),
        Some(cap) if cap.is_finite() && *cap >= 0.0 => Ok(cap / base),
        Some(cap) => Err(FitError::Number {
            what: "a cap".into(),
            value: *cap,
            requirement: "finite and at least 0",
        }),
    };
    caps.iter().zip(base).map(multiple).collect()
}
