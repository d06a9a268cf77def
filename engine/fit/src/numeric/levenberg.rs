//! Levenberg and Marquardt's method for least squares within bounds, on normal equations.
//!
//! Knows a sum of squares by its value and its normal equations. A parameter at a bound that the gradient pushes
//! outwards is left out of the step; others are cut at their bounds. The damping follows Nielsen (1999): it shrinks by how
//! well the linear model foretold the fall. Source: Madsen, Nielsen and Tingleff, Methods for Non-Linear Least
//! Squares Problems, 2004.

use super::matrix;

/// A sum of squares of few parameters.
pub(crate) trait LeastSquares {
    /// Half the sum of squares; the lower triangle of `J'J` and `J'r`, which are overwritten.
    fn normal(&self, at: &[f64], jj: &mut [f64], jr: &mut [f64]) -> f64;
}

/// Where a descent ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct End {
    pub(crate) at: Vec<f64>,
    pub(crate) cost: f64,
    pub(crate) damping: f64,
    pub(crate) converged: bool,
}

/// The box of the parameters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
    /// Longest move of a parameter in one step: a linear model of logarithms is good for little more, and a longer
    /// step can end where a term has vanished and no slope leads back.
    pub(crate) reach: Vec<f64>,
}

impl Limits {
    pub(crate) fn clamp(&self, at: &mut [f64]) {
        for ((x, low), high) in at.iter_mut().zip(&self.lower).zip(&self.upper) {
            *x = x.clamp(*low, *high);
        }
    }
}

/// When a descent ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Most steps tried.
    pub(crate) steps: usize,
    /// Relative fall of the cost that counts as none; two such in turn end it.
    pub(crate) fall: f64,
}

impl Effort {
    /// To the last bits.
    pub(crate) fn full(steps: usize) -> Self {
        Self { steps, fall: 1e-15 }
    }
}

/// Step relative to the parameters that counts as none.
const STEP: f64 = 1e-10;

/// Descends from `start`.
pub(crate) fn descend(
    problem: &impl LeastSquares,
    limits: &Limits,
    start: &[f64],
    effort: Effort,
) -> End {
    resume(
        problem,
        limits,
        End { at: start.to_vec(), cost: f64::NAN, damping: 1e-3, converged: false },
        effort,
    )
}

/// Goes on from where a descent stopped.
pub(crate) fn resume(
    problem: &impl LeastSquares,
    limits: &Limits,
    end: End,
    effort: Effort,
) -> End {
    let n = end.at.len();
    let End { mut at, mut damping, .. } = end;
    limits.clamp(&mut at);
    let mut here = Normal::new(n);
    let mut there = Normal::new(n);
    let mut cost = problem.normal(&at, &mut here.jj, &mut here.jr);
    let (mut growth, mut small) = (2.0, 0);
    let mut trial = Trial::new(n);
    for _ in 0..effort.steps {
        let foretold = trial.step(&at, &here.jj, &here.jr, damping, limits);
        let still = foretold.is_some() && trial.length(&at) < STEP;
        // Most steps are taken, so the next normal equations come with the cost.
        let next = match foretold {
            Some(_) => problem.normal(&trial.next, &mut there.jj, &mut there.jr),
            None => f64::INFINITY,
        };
        let foretold = foretold.unwrap_or(f64::INFINITY);
        if next < cost {
            let gain = (cost - next) / foretold.max(f64::MIN_POSITIVE);
            let none = cost - next <= effort.fall * cost || (still && cost - next <= 1e-9 * cost);
            small = if none { small + 1 } else { 0 };
            std::mem::swap(&mut at, &mut trial.next);
            std::mem::swap(&mut here, &mut there);
            cost = next;
            damping = (damping * (1.0 - (2.0 * gain - 1.0).powi(3)).max(0.1)).max(1e-14);
            growth = 2.0;
        } else {
            let hopeless = (0.0..=effort.fall * cost).contains(&foretold);
            small = if still || hopeless { 2 } else { small };
            damping *= growth;
            growth *= 2.0;
        }
        if small >= 2 || damping > 1e12 || cost == 0.0 {
            return End { at, cost, damping, converged: true };
        }
    }
    End { at, cost, damping, converged: false }
}

/// Normal equations at a point.
struct Normal {
    jj: Vec<f64>,
    jr: Vec<f64>,
}

impl Normal {
    fn new(n: usize) -> Self {
        Self { jj: vec![0.0; n * n], jr: vec![0.0; n] }
    }
}

/// Buffers of one step.
struct Trial {
    /// Parameters that move, and of those the ones that have not been cut at a bound.
    moving: Vec<usize>,
    free: Vec<usize>,
    system: Vec<f64>,
    step: Vec<f64>,
    next: Vec<f64>,
}

impl Trial {
    fn new(n: usize) -> Self {
        let moving = Vec::with_capacity(n);
        let free = Vec::with_capacity(n);
        Self { moving, free, system: Vec::new(), step: Vec::new(), next: vec![0.0; n] }
    }

    /// Takes the damped step into `next`; the fall of the cost that the linear model foretells, if there is a step.
    ///
    /// A parameter that would cross its bound stops there and the others' step is found again with it.
    fn step(
        &mut self,
        at: &[f64],
        jj: &[f64],
        jr: &[f64],
        damping: f64,
        limits: &Limits,
    ) -> Option<f64> {
        let n = at.len();
        self.next.copy_from_slice(at);
        self.moving.clear();
        self.moving.extend((0..n).filter(|&i| {
            let outward = (at[i] <= limits.lower[i] && jr[i] > 0.0)
                || (at[i] >= limits.upper[i] && jr[i] < 0.0);
            !outward && jj[i * n + i] > 0.0
        }));
        self.free.clone_from(&self.moving);
        while !self.free.is_empty() {
            self.solve(at, jj, jr, damping)?;
            self.shorten(limits);
            let mut cut = false;
            let (next, step) = (&mut self.next, &self.step);
            let mut place = 0;
            self.free.retain(|&i| {
                let wanted = at[i] + step[place];
                place += 1;
                let allowed = wanted.clamp(limits.lower[i], limits.upper[i]);
                next[i] = allowed;
                cut |= allowed != wanted;
                allowed == wanted
            });
            if !cut {
                break;
            }
        }
        (!self.moving.is_empty()).then(|| self.foretold(at, jj, jr))
    }

    /// Shortens the step until no parameter moves further than it may.
    fn shorten(&mut self, limits: &Limits) {
        let share = |(&i, step): (&usize, &f64)| limits.reach[i] / step.abs();
        let share = self.free.iter().zip(&self.step).map(share).fold(1.0, f64::min);
        if share < 1.0 {
            self.step.iter_mut().for_each(|step| *step *= share);
        }
    }

    /// The step of the free parameters, given how far the cut ones have moved.
    fn solve(&mut self, at: &[f64], jj: &[f64], jr: &[f64], damping: f64) -> Option<()> {
        let (n, m) = (at.len(), self.free.len());
        self.system.clear();
        self.system.resize(m * m, 0.0);
        self.step.clear();
        let cut: Vec<usize> =
            self.moving.iter().copied().filter(|j| self.free.binary_search(j).is_err()).collect();
        for (p, &i) in self.free.iter().enumerate() {
            for (q, &j) in self.free[..=p].iter().enumerate() {
                self.system[p * m + q] = jj[i * n + j];
            }
            self.system[p * m + p] *= 1.0 + damping;
            let pull: f64 =
                cut.iter().map(|&j| jj[i.max(j) * n + i.min(j)] * (self.next[j] - at[j])).sum();
            self.step.push(-jr[i] - pull);
        }
        if !matrix::cholesky(&mut self.system, m) {
            return None;
        }
        matrix::cholesky_solve(&self.system, m, &mut self.step);
        self.step.iter().all(|s| s.is_finite()).then_some(())
    }

    /// `-(J'r) d - d J'J d / 2` of the step as cut.
    fn foretold(&self, at: &[f64], jj: &[f64], jr: &[f64]) -> f64 {
        let n = at.len();
        let moved = |i: usize| self.next[i] - at[i];
        let linear: f64 = self.moving.iter().map(|&i| jr[i] * moved(i)).sum();
        let mut square = 0.0;
        for (p, &i) in self.moving.iter().enumerate() {
            let off: f64 = self.moving[..p].iter().map(|&j| jj[i * n + j] * moved(j)).sum();
            square += moved(i) * (2.0 * off + jj[i * n + i] * moved(i));
        }
        -linear - 0.5 * square
    }

    /// Largest move relative to the parameter.
    fn length(&self, at: &[f64]) -> f64 {
        let move_of = |(next, at): (&f64, &f64)| (next - at).abs() / (1.0 + at.abs());
        self.next.iter().zip(at).map(move_of).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Residuals `10 (y - x^2)` and `1 - x`: the valley of Rosenbrock.
    struct Valley;

    impl LeastSquares for Valley {
        fn normal(&self, at: &[f64], jj: &mut [f64], jr: &mut [f64]) -> f64 {
            let cost = 0.5 * (100.0 * (at[1] - at[0] * at[0]).powi(2) + (1.0 - at[0]).powi(2));
            let rows = [
                ([-20.0 * at[0], 10.0], 10.0 * (at[1] - at[0] * at[0])),
                ([-1.0, 0.0], 1.0 - at[0]),
            ];
            jj.fill(0.0);
            jr.fill(0.0);
            for (j, r) in rows {
                for i in 0..2 {
                    jr[i] += j[i] * r;
                    (0..=i).for_each(|k| jj[i * 2 + k] += j[i] * j[k]);
                }
            }
            cost
        }
    }

    #[test]
    fn the_valley_ends_at_its_minimum_or_at_the_bound() {
        let reach = vec![f64::INFINITY; 2];
        let open = Limits { lower: vec![-5.0; 2], upper: vec![5.0; 2], reach: reach.clone() };
        let end = descend(&Valley, &open, &[-1.2, 1.0], Effort::full(200));
        assert!(end.converged && (end.at[0] - 1.0).abs() < 1e-8 && (end.at[1] - 1.0).abs() < 1e-8);
        let cut = Limits { lower: vec![-5.0; 2], upper: vec![0.5, 5.0], reach };
        let end = descend(&Valley, &cut, &[-1.2, 1.0], Effort::full(200));
        assert!(end.converged && end.at[0] == 0.5 && (end.at[1] - 0.25).abs() < 1e-8, "{end:?}");
    }
}
