//! The exact minimum of a convex goal within bounds: a primal-dual interior-point method.
//!
//! Variables are the free weights and, for the worst domain, the value t that no loss may exceed. Every inequality
//! `g_i <= 0` has a multiplier; Newton's steps on the perturbed optimality conditions keep both sides strictly inside (Boyd
//! and Vandenberghe, Convex Optimization, section 11.7). For a goal that is not convex the negative part of the
//! curvature is left out: the end is then a local minimum.

use super::super::options::GoalKind;
use super::functions::{Functions, Local};
use super::{Found, Proof, Search};
use crate::numeric::eigen;
use crate::numeric::matrix;

/// The end of a search.
pub(super) struct End {
    pub(super) weights: Vec<f64>,
    /// No point within the bounds is below it, if the functions are convex.
    pub(super) lower_bound: f64,
    pub(super) kkt_residual: f64,
}

/// The minimum of a convex goal.
pub(super) fn exact(search: &Search<'_>) -> Found {
    let functions = Functions { search, instead: None, convexify: false };
    let end = minimise(&functions, &search.lower, &search.upper, None);
    Found { weights: end.weights, proof: Proof::Convex { kkt_residual: end.kkt_residual } }
}

/// State of the iteration over the free weights.
struct State<'a> {
    functions: &'a Functions<'a>,
    lower: &'a [f64],
    upper: &'a [f64],
    free: Vec<usize>,
    h: Vec<f64>,
    /// The worst value's bound t; unused otherwise.
    top: f64,
    worst: bool,
    /// Multipliers: lower bounds, upper bounds, then losses below t.
    low: Vec<f64>,
    high: Vec<f64>,
    losses: Vec<f64>,
    budget: f64,
}

const STEPS: usize = 120;

/// Minimises within a box of weights of sum 1, from `start` or the middle.
pub(super) fn minimise(
    functions: &Functions<'_>,
    lower: &[f64],
    upper: &[f64],
    start: Option<&[f64]>,
) -> End {
    let mut state = State::new(functions, lower, upper, start);
    if state.free.len() < 2 {
        let value = functions.value(&state.h);
        return End { weights: state.h, lower_bound: value, kkt_residual: 0.0 };
    }
    let mut best = (f64::INFINITY, f64::NEG_INFINITY, state.h.clone());
    for _ in 0..STEPS {
        let locals = functions.locals(&state.h);
        let (residual, slack) = state.residual(&locals);
        if residual < best.0 {
            best = (residual, state.bound(&locals, slack), state.h.clone());
        }
        if residual < 1e-13 || !state.step(&locals, slack) {
            break;
        }
    }
    let (kkt_residual, lower_bound, weights) = best;
    End { weights: snap(weights, lower, upper), lower_bound, kkt_residual }
}

impl<'a> State<'a> {
    fn new(
        functions: &'a Functions<'a>,
        lower: &'a [f64],
        upper: &'a [f64],
        start: Option<&[f64]>,
    ) -> Self {
        let room: Vec<f64> = lower.iter().zip(upper).map(|(l, u)| (u - l).max(0.0)).collect();
        let rest = 1.0 - lower.iter().sum::<f64>();
        let whole = room.iter().sum::<f64>();
        let share = if whole > 0.0 { (rest / whole).clamp(0.0, 1.0) } else { 0.0 };
        let middle: Vec<f64> = lower.iter().zip(&room).map(|(l, room)| l + share * room).collect();
        // A start at a bound has no inside: nine tenths of the way to it has.
        let h = match start {
            Some(start) => start.iter().zip(&middle).map(|(s, m)| 0.9 * s + 0.1 * m).collect(),
            None => middle,
        };
        let free: Vec<usize> = match share > 1e-12 && share < 1.0 - 1e-12 {
            true => (0..h.len()).filter(|&j| room[j] > 1e-14).collect(),
            false => Vec::new(),
        };
        let worst = functions.search.aim.kind == GoalKind::WorstLoss;
        let values: Vec<f64> = functions.locals(&h).iter().map(|local| local.value).collect();
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let top = largest + 0.1 * largest.abs().max(1e-3);
        let mu = 0.1 * largest.abs().max(1e-3) / free.len().max(1) as f64;
        Self {
            functions,
            lower,
            upper,
            low: free.iter().map(|&j| mu / (h[j] - lower[j])).collect(),
            high: free.iter().map(|&j| mu / (upper[j] - h[j])).collect(),
            losses: if worst { vec![1.0 / values.len() as f64; values.len()] } else { Vec::new() },
            free,
            h,
            top,
            worst,
            budget: 0.0,
        }
    }

    /// Slope of the Lagrangian by each free weight, without the budget's part.
    fn stationarity(&self, locals: &[Local]) -> Vec<f64> {
        let slope = |j: usize| -> f64 {
            match self.worst {
                true => locals.iter().zip(&self.losses).map(|(l, m)| m * l.slope[j]).sum(),
                false => locals[0].slope[j],
            }
        };
        self.free.iter().enumerate().map(|(k, &j)| slope(j) - self.low[k] + self.high[k]).collect()
    }

    /// Largest relative violation of the optimality conditions, and the mean of multiplier times slack.
    fn residual(&self, locals: &[Local]) -> (f64, f64) {
        let stationarity = self.stationarity(locals);
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let slope =
            largest(&mut locals.iter().flat_map(|l| self.free.iter().map(|&j| l.slope[j].abs())));
        let scale = slope.min(self.budget.abs().max(1e-3 * slope)).max(1e-12);
        let value = locals.iter().map(|l| l.value.abs()).fold(1e-300, f64::max);
        let products = self.products(locals);
        let slack = products.iter().sum::<f64>() / products.len() as f64;
        let violation = largest(&mut stationarity.iter().map(|s| (s + self.budget).abs() / scale));
        let complementarity = largest(&mut products.iter().map(|p| p.abs() / scale.min(value)));
        let sum = (self.h.iter().sum::<f64>() - 1.0).abs();
        let weights = if self.worst { (1.0 - self.losses.iter().sum::<f64>()).abs() } else { 0.0 };
        (violation.max(complementarity).max(sum).max(weights), slack)
    }

    /// Multiplier times slack of every inequality.
    fn products(&self, locals: &[Local]) -> Vec<f64> {
        let low = self.free.iter().zip(&self.low).map(|(&j, m)| m * (self.h[j] - self.lower[j]));
        let high = self.free.iter().zip(&self.high).map(|(&j, m)| m * (self.upper[j] - self.h[j]));
        let losses = self.losses.iter().zip(locals).map(|(m, l)| m * (self.top - l.value));
        low.chain(high).chain(losses).collect()
    }

    /// A value that a convex goal has nowhere: the linear model at h, weighted as the multipliers say, at its least corner.
    fn bound(&self, locals: &[Local], _slack: f64) -> f64 {
        let whole: f64 = self.losses.iter().sum();
        let part = |k: usize| if self.worst { self.losses[k] / whole } else { 1.0 };
        let value: f64 = locals.iter().enumerate().map(|(k, l)| part(k) * l.value).sum();
        let slope: Vec<f64> = (0..self.h.len())
            .map(|j| locals.iter().enumerate().map(|(k, l)| part(k) * l.slope[j]).sum())
            .collect();
        let at: f64 = slope.iter().zip(&self.h).map(|(s, h)| s * h).sum();
        value - at + super::range_of(&slope, self.lower, self.upper).0
    }

    /// One Newton step towards a tenth of the slack; `false` where none can be taken.
    fn step(&mut self, locals: &[Local], slack: f64) -> bool {
        let mu = 0.1 * slack;
        let Some((dh, dtop, budget)) = self.direction(locals, mu) else {
            return false;
        };
        let (low, high, losses) = self.multiplier_steps(locals, mu, &dh, dtop);
        let reach = |value: &[f64], step: &[f64]| {
            let limit = |(v, d): (&f64, &f64)| if *d < 0.0 { -0.995 * v / d } else { 1.0 };
            value.iter().zip(step).map(limit).fold(1.0, f64::min)
        };
        let dual = reach(&self.low, &low).min(reach(&self.high, &high));
        let dual = dual.min(reach(&self.losses, &losses));
        let mut primal = 1.0_f64;
        for (k, &j) in self.free.iter().enumerate() {
            let room =
                if dh[k] < 0.0 { self.h[j] - self.lower[j] } else { self.upper[j] - self.h[j] };
            if dh[k] != 0.0 {
                primal = primal.min(0.995 * room / dh[k].abs());
            }
        }
        let Some(length) = self.inside(&dh, dtop, primal.min(dual)) else {
            return false;
        };
        for (k, &j) in self.free.iter().enumerate() {
            self.h[j] += length * dh[k];
        }
        self.top += length * dtop;
        self.budget += length * (budget - self.budget);
        let go = |value: &mut [f64], step: &[f64]| {
            value.iter_mut().zip(step).for_each(|(v, d)| *v += length * d);
        };
        go(&mut self.low, &low);
        go(&mut self.high, &high);
        go(&mut self.losses, &losses);
        true
    }

    /// Shortens a step until every loss stays below t and finite.
    fn inside(&self, dh: &[f64], dtop: f64, mut length: f64) -> Option<f64> {
        for _ in 0..50 {
            let mut h = self.h.clone();
            self.free.iter().zip(dh).for_each(|(&j, d)| h[j] += length * d);
            let values: Vec<f64> =
                self.functions.locals(&h).iter().map(|local| local.value).collect();
            let top = self.top + length * dtop;
            let fits = values.iter().all(|v| v.is_finite() && (!self.worst || *v < top));
            if fits {
                return Some(length);
            }
            length *= 0.5;
        }
        None
    }

    /// Steps of the free weights and t, and the new multiplier of the budget.
    fn direction(&self, locals: &[Local], mu: f64) -> Option<(Vec<f64>, f64, f64)> {
        let f = self.free.len();
        let extra = usize::from(self.worst);
        let n = f + extra + 1;
        let mut system = vec![0.0; n * n];
        let mut right = vec![0.0; n];
        self.fill_curvature(locals, n, &mut system);
        for (k, &j) in self.free.iter().enumerate() {
            let (to_low, to_high) = (self.h[j] - self.lower[j], self.upper[j] - self.h[j]);
            system[k * n + k] += self.low[k] / to_low + self.high[k] / to_high;
            right[k] = mu / to_low - mu / to_high;
            system[k * n + n - 1] = 1.0;
            system[(n - 1) * n + k] = 1.0;
        }
        if self.worst {
            self.fill_worst(locals, mu, n, &mut system, &mut right);
        } else {
            self.free.iter().enumerate().for_each(|(k, &j)| right[k] -= locals[0].slope[j]);
        }
        right[n - 1] = 1.0 - self.h.iter().sum::<f64>();
        matrix::solve(&mut system, n, &mut right).then(|| {
            let top = if self.worst { right[f] } else { 0.0 };
            (right[..f].to_vec(), top, right[n - 1])
        })
    }

    fn fill_curvature(&self, locals: &[Local], n: usize, system: &mut [f64]) {
        let (m, f) = (self.h.len(), self.free.len());
        let mut block = vec![0.0; f * f];
        for (index, local) in locals.iter().enumerate() {
            let weight = if self.worst { self.losses[index] } else { 1.0 };
            for (p, &i) in self.free.iter().enumerate() {
                for (q, &j) in self.free.iter().enumerate() {
                    block[p * f + q] += weight * local.curvature[i * m + j];
                }
            }
        }
        if self.functions.convexify {
            block = positive_part(&block, f);
        }
        for p in 0..f {
            system[p * n..p * n + f].copy_from_slice(&block[p * f..(p + 1) * f]);
        }
    }

    /// Rows of t and of the losses that it bounds.
    fn fill_worst(
        &self,
        locals: &[Local],
        mu: f64,
        n: usize,
        system: &mut [f64],
        right: &mut [f64],
    ) {
        let f = self.free.len();
        right[f] = -1.0;
        for (local, multiplier) in locals.iter().zip(&self.losses) {
            let slack = self.top - local.value;
            let (ratio, pull) = (multiplier / slack, mu / slack);
            let slope = |k: usize| if k < f { local.slope[self.free[k]] } else { -1.0 };
            for p in 0..=f {
                right[p] -= pull * slope(p);
                (0..=f).for_each(|q| system[p * n + q] += ratio * slope(p) * slope(q));
            }
        }
    }

    fn multiplier_steps(
        &self,
        locals: &[Local],
        mu: f64,
        dh: &[f64],
        dtop: f64,
    ) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let step = |multiplier: f64, slack: f64, change: f64| {
            mu / slack - multiplier - multiplier / slack * change
        };
        let free = || self.free.iter().enumerate();
        let low = free().map(|(k, &j)| step(self.low[k], self.h[j] - self.lower[j], dh[k]));
        let high = free().map(|(k, &j)| step(self.high[k], self.upper[j] - self.h[j], -dh[k]));
        let losses = self.losses.iter().zip(locals).map(|(m, local)| {
            let rise: f64 = free().map(|(k, &j)| local.slope[j] * dh[k]).sum();
            step(*m, self.top - local.value, dtop - rise)
        });
        (low.collect(), high.collect(), losses.collect())
    }
}

/// The nearest matrix without negative eigenvalues.
fn positive_part(block: &[f64], n: usize) -> Vec<f64> {
    let (values, vectors) = eigen::symmetric(block, n);
    let mut part = vec![0.0; n * n];
    for (value, vector) in values.iter().zip(vectors.chunks_exact(n)) {
        for k in 0..n * n {
            part[k] += value.abs() * vector[k / n] * vector[k % n];
        }
    }
    part
}

/// Weights within rounding of a bound go onto it; the largest other takes the difference.
fn snap(mut weights: Vec<f64>, lower: &[f64], upper: &[f64]) -> Vec<f64> {
    for j in 0..weights.len() {
        if weights[j] - lower[j] < 1e-11 {
            weights[j] = lower[j];
        } else if upper[j] - weights[j] < 1e-11 {
            weights[j] = upper[j];
        }
    }
    let rest = 1.0 - weights.iter().sum::<f64>();
    let room = |j: &usize| (weights[*j] - lower[*j]).min(upper[*j] - weights[*j]);
    let taker = (0..weights.len()).max_by(|p, q| room(p).total_cmp(&room(q)));
    if let Some(j) = taker {
        weights[j] = (weights[j] + rest).clamp(lower[j], upper[j]);
    }
    weights
}
