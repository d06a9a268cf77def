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
    lower: Vec<f64>,
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
            lower: lower(options, &base, reference)?,
            upper: upper(options, &base)?,
            base,
        })
    }

    fn term(&self, domain: usize, law: Option<PowerLaw>) -> Result<Term, FitError> {
        let (lower, upper) = (self.lower[domain], self.upper[domain]);
        let cost = self.base[domain];
        if upper < lower {
            return Err(FitError::Bounds {
                domain: Domain(domain),
                lower: lower * cost,
                upper: upper * cost,
            });
        }
        let held = self.reference.clamp(lower, upper);
        Ok(match law {
            Some(_) => Term { law, cost, lower, upper },
            None => Term { law, cost, lower: held, upper: held },
        })
    }

    /// Where the bounds of the others leave no mixture with every held domain at its reference, the held ones share what is
    /// missing or too much in proportion, within their own bounds.
    fn make_room(&self, terms: &mut [Term]) {
        let sum = |terms: &[Term], of: fn(&Term) -> f64| -> f64 {
            terms.iter().map(|term| term.cost * of(term)).sum()
        };
        let (low, high) = (sum(terms, |term| term.lower), sum(terms, |term| term.upper));
        let wanted = self.total.clamp(low.min(high), high);
        let rest = self.total - wanted;
        if rest == 0.0 {
            return;
        }
        let held: Vec<usize> = (0..terms.len()).filter(|&i| terms[i].law.is_none()).collect();
        let before: f64 = held.iter().map(|&i| terms[i].cost * terms[i].lower).sum();
        let place = |i: usize, factor: f64| {
            let own = self.reference.clamp(self.lower[i], self.upper[i]);
            (own * factor).clamp(self.lower[i], self.upper[i])
        };
        let after = |factor: f64| -> f64 {
            held.iter().map(|&i| terms[i].cost * place(i, factor)).sum::<f64>() - before - rest
        };
        let (mut small, mut large) = (0.0, 2.0);
        while after(large) < 0.0 && large < 1e12 {
            large *= 2.0;
        }
        for _ in 0..200 {
            let middle = f64::midpoint(small, large);
            if after(middle) < 0.0 { small = middle } else { large = middle }
        }
        for i in held {
            (terms[i].lower, terms[i].upper) = (place(i, large), place(i, large));
        }
    }

    /// The optimum for these laws, one per domain; a domain without one is held at the reference.
    pub(super) fn solve(&self, laws: &[Option<PowerLaw>]) -> Result<Optimum, FitError> {
        let mut terms = laws
            .iter()
            .enumerate()
            .map(|(domain, law)| self.term(domain, *law))
            .collect::<Result<Vec<_>, _>>()?;
        self.make_room(&mut terms);
        let solution = water_filling::minimise(&terms, self.total)?;
        let amounts: Vec<f64> =
            solution.x.iter().zip(&self.base).map(|(x, base)| x * base).collect();
        let free = |i: usize| laws[i].is_some();
        let near = |x: f64, bound: f64| bound.is_finite() && (x - bound).abs() <= AT_BOUND * bound;
        Ok(Optimum {
            weights: amounts.iter().map(|n| n / self.total).collect(),
            at_floor: (0..terms.len())
                .map(|i| free(i) && near(solution.x[i], self.lower[i]))
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

/// Smallest multiple of each domain: its own floor, else that of all.
fn lower(options: &Options, base: &[f64], reference: f64) -> Result<Vec<f64>, FitError> {
    bounds("floor", options.floors.as_deref(), base, options.floor * reference)
}

/// Largest multiple of each domain; infinite without a cap.
fn upper(options: &Options, base: &[f64]) -> Result<Vec<f64>, FitError> {
    bounds("cap", options.caps.as_deref(), base, f64::INFINITY)
}

/// Bounds given in tokens as multiples of the base amounts; `other` where none is given.
fn bounds(
    what: &str,
    given: Option<&[Option<f64>]>,
    base: &[f64],
    other: f64,
) -> Result<Vec<f64>, FitError> {
    let Some(given) = given else {
        return Ok(vec![other; base.len()]);
    };
    if given.len() != base.len() {
        let what = format!("`{what}s`");
        return Err(FitError::Length { what, expected: base.len(), found: given.len() });
    }
    let multiple = |(bound, base): (&Option<f64>, &f64)| match bound {
        None => Ok(other),
        Some(bound) if bound.is_finite() && *bound >= 0.0 => Ok(bound / base),
        Some(bound) => Err(FitError::Number {
            what: format!("a {what}"),
            value: *bound,
            requirement: "finite and at least 0",
        }),
    };
    given.iter().zip(base).map(multiple).collect()
}
