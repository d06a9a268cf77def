//! The mixture of least predicted goal within bounds: exact where the law is convex, else a global search with its gap.
//!
//! Knows fitted laws and bounds on weights; not what the bounds stand for.

mod branch;
mod functions;
mod interior;
mod trees;

use serde::{Deserialize, Serialize};

use super::error::LawError;
use super::options::{Goal, Point};
use super::result::LawFit;
use super::surrogate::{Aim, Predictor, Surrogate};

/// Least and largest weight of every domain, in the order of the sorted names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    pub floor: Vec<f64>,
    pub cap: Vec<f64>,
}

impl Bounds {
    /// From 0 to 1.
    #[must_use]
    pub fn free(domains: usize) -> Self {
        Self { floor: vec![0.0; domains], cap: vec![1.0; domains] }
    }

    /// Raises every floor to `floor`.
    #[must_use]
    pub fn with_floor(self, floor: f64) -> Self {
        let floors = vec![floor; self.floor.len()];
        self.with_floors(&floors)
    }

    /// Raises floors, one per domain.
    #[must_use]
    pub fn with_floors(mut self, floors: &[f64]) -> Self {
        self.floor.iter_mut().zip(floors).for_each(|(own, floor)| *own = own.max(*floor));
        self
    }

    /// Lowers caps, one per domain; `None` leaves it.
    #[must_use]
    pub fn with_caps(mut self, caps: &[Option<f64>]) -> Self {
        for (own, cap) in self.cap.iter_mut().zip(caps) {
            *own = own.min(cap.unwrap_or(1.0));
        }
        self
    }

    /// Lowers caps to what exists: `tokens x repeats / total` of each domain.
    #[must_use]
    pub fn with_available(self, tokens: &[Option<f64>], repeats: f64, total: f64) -> Self {
        let caps: Vec<Option<f64>> =
            tokens.iter().map(|tokens| tokens.map(|n| n * repeats / total)).collect();
        self.with_caps(&caps)
    }

    fn check(&self, names: &[String]) -> Result<(), LawError> {
        if self.floor.len() != names.len() || self.cap.len() != names.len() {
            return Err(LawError::option(format!(
                "bounds have {} floors and {} caps for {} domains; give one of each per domain",
                self.floor.len(),
                self.cap.len(),
                names.len()
            )));
        }
        for (name, (floor, cap)) in names.iter().zip(self.floor.iter().zip(&self.cap)) {
            let usable = floor.is_finite() && cap.is_finite() && *floor >= 0.0 && floor <= cap;
            if !usable {
                return Err(LawError::option(format!(
                    "`{name}` must have a weight of at least {floor} and at most {cap}; lower its floor or raise its cap"
                )));
            }
        }
        let (low, high) = (self.floor.iter().sum::<f64>(), self.cap.iter().sum::<f64>());
        if low > 1.0 + 1e-12 || high < 1.0 - 1e-12 {
            return Err(LawError::option(format!(
                "the bounds allow weights of sum {low} to {high} and no mixture of sum 1; lower the floors, raise the caps or permit more repeats"
            )));
        }
        Ok(())
    }
}

/// What is to be optimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    pub goal: Goal,
    pub bounds: Bounds,
    /// Tokens and size at which; needed where the law depends on them.
    #[serde(default)]
    pub tokens: Option<f64>,
    #[serde(default)]
    pub size: Option<f64>,
}

/// The mixture of least predicted goal. Lists are in the order of `domains`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Optimum {
    pub domains: Vec<String>,
    pub weights: Vec<f64>,
    /// Tokens of each domain, where the problem has a total.
    pub amounts: Option<Vec<f64>>,
    /// The goal predicted.
    pub value: f64,
    /// Loss of every target.
    pub losses: Vec<f64>,
    /// The goal predicted for the reference mixture at the same scale.
    pub reference_value: f64,
    /// `reference_value - value`; below 0 where the bounds exclude the reference and cost more than the optimum gains.
    pub gain: f64,
    pub at_floor: Vec<bool>,
    pub at_cap: Vec<bool>,
    /// Outside the weights that rows had.
    pub extrapolated: Vec<bool>,
    pub proof: Proof,
}

/// How far from the least value the optimum can be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Proof {
    /// The goal is convex and the optimality (KKT) conditions hold up to the residual, relative to the largest slope.
    Convex { kkt_residual: f64 },
    /// No mixture within the bounds is predicted below the bound; `gap` is how far above it the optimum is.
    Global {
        lower_bound: f64,
        gap: f64,
        /// Local searches, and how many different minima they ended at.
        starts: usize,
        optima: usize,
    },
}

/// Everything a search looks at.
pub(super) struct Search<'a> {
    pub(super) surrogate: &'a Surrogate<'a>,
    pub(super) aim: &'a Aim,
    pub(super) tokens: Option<f64>,
    pub(super) size: Option<f64>,
    pub(super) lower: Vec<f64>,
    pub(super) upper: Vec<f64>,
}

impl Search<'_> {
    fn has_trees(&self) -> bool {
        self.surrogate.targets.iter().any(|target| matches!(target, Predictor::Forest(_)))
    }

    fn is_convex(&self) -> bool {
        let convex = |target: &Predictor<'_>| matches!(target, Predictor::Smooth { model, inner } if model.is_convex(inner));
        let counting = self.surrogate.targets.iter().zip(&self.aim.weights);
        counting.filter(|(_, weight)| **weight > 0.0).all(|(target, _)| convex(target))
    }

    pub(super) fn value(&self, h: &[f64]) -> f64 {
        let mixture = self.surrogate.mixture(h, self.tokens, self.size);
        self.surrogate.value(self.aim, &mixture.input())
    }
}

/// Where a search ended and what it proves.
pub(super) struct Found {
    pub(super) weights: Vec<f64>,
    pub(super) proof: Proof,
}

/// Finds the mixture of least predicted goal within the bounds.
///
/// # Errors
/// [`LawError::Option`] for bounds that no mixture meets, a goal that names no target, or a scale that the law needs.
pub fn optimise(fit: &LawFit, problem: &Problem) -> Result<Optimum, LawError> {
    problem.bounds.check(&fit.domains)?;
    fit.check_scale(problem.tokens, problem.size)?;
    let aim = Aim::new(fit, &problem.goal)?;
    let surrogate = Surrogate::new(fit);
    let search = Search {
        surrogate: &surrogate,
        aim: &aim,
        tokens: problem.tokens,
        size: problem.size,
        lower: problem.bounds.floor.clone(),
        upper: reachable(&problem.bounds),
    };
    let found = find(&search);
    Ok(describe(fit, problem, &search, found))
}

/// The least and largest weight that the other domains' bounds leave.
pub(super) fn reachable(bounds: &Bounds) -> Vec<f64> {
    let floors: f64 = bounds.floor.iter().sum();
    let highest = |(floor, cap): (&f64, &f64)| cap.min(1.0 - (floors - floor)).max(*floor);
    bounds.floor.iter().zip(&bounds.cap).map(highest).collect()
}

pub(super) fn find(search: &Search<'_>) -> Found {
    if search.has_trees() {
        trees::search(search)
    } else if search.is_convex() {
        interior::exact(search)
    } else {
        branch::search(search)
    }
}

/// The weights of [`find`] for a redrawn law: where the goal is not convex only local searches, from `near` and a few drawn mixtures,
/// since a bound on each of hundreds of draws would cost more than all the fits.
pub(super) fn find_near(search: &Search<'_>, near: &[&[f64]]) -> Vec<f64> {
    if search.has_trees() || search.is_convex() {
        return find(search).weights;
    }
    branch::local(search, near)
}

/// How near a bound a weight counts as at it.
const AT_BOUND: f64 = 1e-7;

fn describe(fit: &LawFit, problem: &Problem, search: &Search<'_>, found: Found) -> Optimum {
    let weights = found.weights;
    let mixture = search.surrogate.mixture(&weights, problem.tokens, problem.size);
    let losses = search.surrogate.losses(&mixture.input());
    let value = search.aim.value(&losses);
    let reference_value = search.value(&fit.reference.weights);
    let flags =
        |flag: &dyn Fn(usize) -> bool| -> Vec<bool> { (0..weights.len()).map(flag).collect() };
    let bounds = &problem.bounds;
    Optimum {
        domains: fit.domains.clone(),
        amounts: problem.tokens.map(|total| weights.iter().map(|w| w * total).collect()),
        value,
        losses,
        reference_value,
        gain: reference_value - value,
        at_floor: flags(&|j| weights[j] <= bounds.floor[j] + AT_BOUND),
        at_cap: flags(&|j| weights[j] >= bounds.cap[j] - AT_BOUND),
        extrapolated: flags(&|j| {
            let [low, high] = fit.trained[j];
            weights[j] < low - 1e-6 || weights[j] > high + 1e-6
        }),
        proof: found.proof,
        weights,
    }
}

/// Least and largest `c . h` of mixtures within bounds: weights go to the cheapest, or dearest, first.
pub(super) fn range_of(c: &[f64], lower: &[f64], upper: &[f64]) -> (f64, f64) {
    let mut order: Vec<usize> = (0..c.len()).collect();
    order.sort_by(|p, q| c[*p].total_cmp(&c[*q]));
    let fill = |order: &mut dyn Iterator<Item = usize>| {
        let mut left = 1.0 - lower.iter().sum::<f64>();
        let mut sum: f64 = c.iter().zip(lower).map(|(c, l)| c * l).sum();
        for j in order {
            let part = (upper[j] - lower[j]).min(left).max(0.0);
            sum += c[j] * part;
            left -= part;
        }
        sum
    };
    (fill(&mut order.clone().into_iter()), fill(&mut order.into_iter().rev()))
}

/// A mixture within bounds from any positive numbers: proportional where it can be.
pub(super) fn within(shares: &[f64], lower: &[f64], upper: &[f64]) -> Vec<f64> {
    let at = |t: f64| -> Vec<f64> {
        (0..shares.len()).map(|j| (t * shares[j]).clamp(lower[j], upper[j])).collect()
    };
    let (mut low, mut high) = (0.0, 1.0);
    while at(high).iter().sum::<f64>() < 1.0 && high < 1e300 {
        high *= 4.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if at(middle).iter().sum::<f64>() < 1.0 { low = middle } else { high = middle }
    }
    let mut weights = at(high);
    // What rounding left goes to a domain that has room.
    let rest = 1.0 - weights.iter().sum::<f64>();
    if let Some(j) = (0..weights.len()).find(|&j| {
        let moved = weights[j] + rest;
        lower[j] <= moved && moved <= upper[j]
    }) {
        weights[j] += rest;
    }
    weights
}

impl Optimum {
    /// The optimum as a point at the problem's scale.
    #[must_use]
    pub fn point(&self, problem: &Problem) -> Point {
        Point { weights: self.weights.clone(), tokens: problem.tokens, size: problem.size }
    }
}
