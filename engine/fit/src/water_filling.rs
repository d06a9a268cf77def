//! The exact minimum of a sum of power laws under one budget, by water-filling on the multiplier.
//!
//! Knows laws, costs and bounds; not where laws come from nor what the budget buys.
//!
//! minimise `sum_j (x_j + a_j)^-b_j` subject to `sum_j cost_j x_j = total`, `lo_j <= x_j <= hi_j`.
//! The problem is strictly convex, so the point that satisfies the Karush-Kuhn-Tucker (KKT)
//! conditions is the only optimum: `x_j(l) = clamp((b_j / (l cost_j))^(1/(b_j+1)) - a_j, lo_j, hi_j)`
//! with the multiplier `l` at which the budget is used up.

use crate::error::{Domain, FitError};
use crate::power_law::PowerLaw;

/// One domain's part in the problem. `law: None` fixes nothing by itself: it needs `lower == upper`.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The law to minimise; `None` for a domain that is held.
    pub law: Option<PowerLaw>,
    /// Budget used per unit of x (the base amount, where x is a multiple of it); above 0.
    pub cost: f64,
    /// Smallest x.
    pub lower: f64,
    /// Largest x; `f64::INFINITY` for none.
    pub upper: f64,
}

/// Where the minimum is.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    pub x: Vec<f64>,
    /// Fall of the objective per unit of budget; `None` when every x is at a bound.
    pub multiplier: Option<f64>,
    /// Largest violation of the KKT conditions, relative: of stationarity and signs in units of the
    /// multiplier, and of the budget in units of the total.
    pub kkt_residual: f64,
}

/// Solves the problem.
///
/// # Errors
/// [`FitError::Bounds`] for a lower bound above the upper, [`FitError::Infeasible`] when the bounds
/// exclude the total, [`FitError::Number`] for a cost or total that is not finite and above 0.
pub fn minimise(terms: &[Term], total: f64) -> Result<Solution, FitError> {
    check(terms, total)?;
    let log_multiplier = bisect(terms, total);
    let mut x = place(terms, log_multiplier);
    let free = free_terms(terms, &x);
    spend_rest(terms, &mut x, &free, total);
    let multiplier = multiplier(terms, &x, &free, log_multiplier);
    let kkt_residual = kkt_residual(terms, &x, total, multiplier);
    Ok(Solution { x, multiplier: (!free.is_empty()).then_some(multiplier), kkt_residual })
}

/// Relative slack for sums: bounds that meet the total up to rounding are feasible.
const ROUNDING: f64 = 1e-12;

fn check(terms: &[Term], total: f64) -> Result<(), FitError> {
    positive("the total", total)?;
    for (index, term) in terms.iter().enumerate() {
        positive("a domain's base amount", term.cost)?;
        let held = term.lower == term.upper;
        if !(term.lower <= term.upper && term.lower >= 0.0) || (term.law.is_none() && !held) {
            return Err(FitError::Bounds {
                domain: Domain(index),
                lower: term.lower * term.cost,
                upper: term.upper * term.cost,
            });
        }
    }
    let lowest: f64 = terms.iter().map(|t| t.cost * t.lower).sum();
    let highest: f64 = terms.iter().map(|t| t.cost * t.upper).sum();
    if lowest > total * (1.0 + ROUNDING) || highest < total * (1.0 - ROUNDING) {
        return Err(FitError::Infeasible { total, lowest, highest });
    }
    Ok(())
}

fn positive(what: &str, value: f64) -> Result<(), FitError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(FitError::Number { what: what.into(), value, requirement: "finite and above 0" })
}

/// x of one domain at a multiplier, given as its logarithm.
fn demand(term: &Term, log_multiplier: f64) -> f64 {
    let Some(law) = &term.law else {
        return term.lower;
    };
    let log_reach = (law.b.ln() - log_multiplier - term.cost.ln()) / (law.b + 1.0);
    (log_reach.exp() - law.a).clamp(term.lower, term.upper)
}

fn place(terms: &[Term], log_multiplier: f64) -> Vec<f64> {
    terms.iter().map(|term| demand(term, log_multiplier)).collect()
}

fn spent(terms: &[Term], x: &[f64]) -> f64 {
    terms.iter().zip(x).map(|(term, x)| term.cost * x).sum()
}

/// Logarithm of the multiplier at which the budget is used up, to the last bit.
fn bisect(terms: &[Term], total: f64) -> f64 {
    let spends = |log_multiplier: f64| spent(terms, &place(terms, log_multiplier));
    // Spending falls as the multiplier grows. A range of e^+-2000 covers every finite law; widening
    // from a guess first only saves steps.
    let (mut low, mut high) = (-1.0, 1.0);
    while spends(low) < total && low > -2000.0 {
        low *= 2.0;
    }
    while spends(high) > total && high < 2000.0 {
        high *= 2.0;
    }
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if spends(middle) > total {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// Positions whose x is strictly between its bounds.
fn free_terms(terms: &[Term], x: &[f64]) -> Vec<usize> {
    let free =
        |&i: &usize| terms[i].law.is_some() && x[i] > terms[i].lower && x[i] < terms[i].upper;
    (0..terms.len()).filter(free).collect()
}

/// Spreads what rounding of the multiplier left of the budget over the free domains, in proportion
/// to how far each moves per change of the multiplier (one Newton step).
fn spend_rest(terms: &[Term], x: &mut [f64], free: &[usize], total: f64) {
    let rest = total - spent(terms, x);
    let reach = |i: usize| {
        let law = terms[i].law.as_ref();
        law.map_or(0.0, |law| (x[i] + law.a) / (law.b + 1.0))
    };
    let reaches: Vec<f64> = free.iter().map(|&i| reach(i)).collect();
    let whole: f64 = free.iter().zip(&reaches).map(|(&i, r)| terms[i].cost * r).sum();
    for (&i, reach) in free.iter().zip(&reaches) {
        x[i] = (x[i] + rest * reach / whole).clamp(terms[i].lower, terms[i].upper);
    }
}

/// Gain of the objective per unit of budget spent on a domain.
fn marginal(term: &Term, x: f64) -> Option<f64> {
    term.law.as_ref().map(|law| -law.slope(x) / term.cost)
}

/// The free domains' mean marginal gain, or the bisection's value when none is free.
fn multiplier(terms: &[Term], x: &[f64], free: &[usize], log_multiplier: f64) -> f64 {
    if free.is_empty() {
        return log_multiplier.exp();
    }
    let sum: f64 = free.iter().filter_map(|&i| marginal(&terms[i], x[i])).sum();
    sum / free.len() as f64
}

fn kkt_residual(terms: &[Term], x: &[f64], total: f64, multiplier: f64) -> f64 {
    let budget = (spent(terms, x) - total).abs() / total;
    let violation = |(term, &x): (&Term, &f64)| {
        let Some(gain) = marginal(term, x) else {
            return 0.0;
        };
        let excess = gain / multiplier - 1.0;
        if term.lower == term.upper {
            0.0
        } else if x <= term.lower {
            excess.max(0.0)
        } else if x >= term.upper {
            (-excess).max(0.0)
        } else {
            excess.abs()
        }
    };
    terms.iter().zip(x).map(violation).fold(budget, f64::max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::power_law::PUBLISHED;

    fn term([a, b, c]: [f64; 3], lower: f64) -> Term {
        Term { law: PowerLaw::new(a, b, c).ok(), cost: 1.0, lower, upper: f64::INFINITY }
    }

    #[test]
    fn published_optimum() {
        let expected =
            [1.62475352, 0.2, 1.27415166, 1.17979573, 1.85189980, 0.63716376, 0.23223551];
        let terms = PUBLISHED.map(|law| term(law, 0.2));
        let found = minimise(&terms, 7.0).unwrap();
        for (x, expected) in found.x.iter().zip(expected) {
            assert!((x - expected).abs() < 0.6e-8, "{x} for {expected}");
        }
        assert!(found.kkt_residual < 1e-13, "{}", found.kkt_residual);
    }

    #[test]
    fn bounds_that_exclude_the_total_are_refused() {
        let check = |lower: f64, upper: f64, total: f64, expected: &str| {
            let terms = PUBLISHED.map(|law| Term { upper, ..term(law, lower) });
            let found = match minimise(&terms, total) {
                Ok(_) => "solved".into(),
                Err(error) => error.to_string(),
            };
            assert!(found.contains(expected), "{found}");
        };
        check(0.2, 3.0, 7.0, "solved");
        check(1.0, 3.0, 7.0, "solved");
        check(0.2, 1.0, 7.0, "solved");
        check(1.1, 3.0, 7.0, "which allow 7.6");
        check(0.2, 0.9, 7.0, "no mixture");
        check(2.0, 1.0, 7.0, "at least 2 and at most 1");
        check(0.2, 3.0, f64::NAN, "finite and above 0");
    }

    #[test]
    fn all_at_bounds_has_no_multiplier() {
        let terms = PUBLISHED.map(|law| term(law, 1.0));
        let found = minimise(&terms, 7.0).unwrap();
        assert_eq!(found.x, [1.0; 7]);
        assert_eq!(found.multiplier, None);
        assert!(found.kkt_residual < 1e-12);
    }

    proptest! {
        /// The optimum keeps budget and bounds, satisfies KKT, and no feasible exchange of two domains is better.
        #[test]
        fn no_exchange_improves_the_optimum(
            laws in prop::collection::vec((0.1..8.0, 0.05..4.0, 0.1..1e10, 0.0..0.9, 1.1..5.0), 2..20),
            share in 0.0..1.0,
        ) {
            let terms: Vec<Term> = laws.iter().map(|&(a, b, cost, lower, upper)| Term {
                law: Some(PowerLaw { a, b, c: 0.5 }), cost, lower, upper,
            }).collect();
            let lowest: f64 = terms.iter().map(|t| t.cost * t.lower).sum();
            let highest: f64 = terms.iter().map(|t| t.cost * t.upper).sum();
            let total = lowest + share * (highest - lowest);
            let found = minimise(&terms, total).unwrap();
            prop_assert!(found.kkt_residual < 1e-8, "{}", found.kkt_residual);
            prop_assert!((spent(&terms, &found.x) - total).abs() <= 1e-9 * total);
            for i in 0..terms.len() {
                prop_assert!(terms[i].lower <= found.x[i] && found.x[i] <= terms[i].upper);
                for j in 0..terms.len() {
                    prop_assert!(exchange(&terms, &found.x, i, j) > -1e-12);
                }
            }
        }
    }

    /// Change of the objective when a small part of the budget moves from domain `from` to domain `to`.
    fn exchange(terms: &[Term], x: &[f64], from: usize, to: usize) -> f64 {
        let room = (terms[from].cost * (x[from] - terms[from].lower))
            .min(terms[to].cost * (terms[to].upper - x[to]));
        let moved = 0.01 * room.max(0.0);
        let change = |i: usize, by: f64| {
            let by = by / terms[i].cost;
            terms[i].law.map_or(0.0, |law| law.change(x[i], x[i] + by))
        };
        if from == to { 0.0 } else { change(from, -moved) + change(to, moved) }
    }
}
