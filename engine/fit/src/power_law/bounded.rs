//! Bounded least squares of `(x + a)^-b + c`: a > 0, b > 0, 0 <= c <= min y.
//!
//! Given (a, b) the best c is a clamped weighted mean, so the search is over (ln a, ln b) alone (variable projection):
//! Levenberg and Marquardt's method with the analytic gradient, from a fixed grid of starts. No start is random.

use super::{Point, PowerLaw};

/// The sum of squares to minimise, with c eliminated.
#[derive(Debug, Clone)]
pub struct Problem<'a> {
    points: &'a [Point],
    weight: f64,
    smallest: f64,
}

/// Residuals and their derivatives at one (ln a, ln b).
struct Linearised {
    cost: f64,
    gradient: [f64; 2],
    /// Upper triangle of `J'J`: (a, a), (a, b), (b, b).
    normal: [f64; 3],
}

const LOG_BOUND: f64 = 16.0;

impl<'a> Problem<'a> {
    #[must_use]
    pub fn new(points: &'a [Point]) -> Self {
        Self {
            points,
            weight: points.iter().map(|p| p.weight).sum(),
            smallest: points.iter().map(|p| p.y).fold(f64::INFINITY, f64::min),
        }
    }

    fn mean(&self, value: impl Fn(&Point) -> f64) -> f64 {
        self.points.iter().map(|p| p.weight * value(p)).sum::<f64>() / self.weight
    }

    /// The law of (ln a, ln b) with its best c.
    #[must_use]
    pub fn law(&self, [log_a, log_b]: [f64; 2]) -> PowerLaw {
        let (a, b) = (log_a.exp(), log_b.exp());
        let c = self.mean(|p| p.y - (p.x + a).powf(-b)).clamp(0.0, self.smallest.max(0.0));
        PowerLaw { a, b, c }
    }

    /// Half the weighted sum of squares at (ln a, ln b).
    #[must_use]
    pub fn cost(&self, at: [f64; 2]) -> f64 {
        let law = self.law(at);
        let square = |p: &Point| p.weight * (law.value(p.x) - p.y).powi(2);
        0.5 * self.points.iter().map(square).sum::<f64>()
    }

    /// Analytic gradient of [`Self::cost`] by (ln a, ln b).
    #[must_use]
    pub fn gradient(&self, at: [f64; 2]) -> [f64; 2] {
        self.linearise(at).gradient
    }

    fn linearise(&self, at: [f64; 2]) -> Linearised {
        let law = self.law(at);
        let partial = |p: &Point| {
            let [by_a, by_b, _] = law.gradient(p.x);
            [law.a * by_a, law.b * by_b]
        };
        // Where c is free it follows (a, b), which takes the mean out of every column.
        let free = law.c > 0.0 && law.c < self.smallest;
        let centre = [0, 1].map(|k| if free { self.mean(|p| partial(p)[k]) } else { 0.0 });
        let mut sums = Linearised { cost: 0.0, gradient: [0.0; 2], normal: [0.0; 3] };
        for p in self.points {
            let residual = law.value(p.x) - p.y;
            let [u, v] = [0, 1].map(|k| partial(p)[k] - centre[k]);
            sums.cost += 0.5 * p.weight * residual * residual;
            sums.gradient[0] += p.weight * residual * u;
            sums.gradient[1] += p.weight * residual * v;
            sums.normal[0] += p.weight * u * u;
            sums.normal[1] += p.weight * u * v;
            sums.normal[2] += p.weight * v * v;
        }
        sums
    }

    /// Levenberg and Marquardt from one start until a step lowers the cost by less than its part `fall`; the end and its cost.
    fn descend(&self, start: [f64; 2], fall: f64) -> ([f64; 2], f64) {
        let mut at = start;
        let mut here = self.linearise(at);
        let mut damping = 1e-3;
        for _ in 0..300 {
            let next = damped_step(&here, damping, at);
            let moved = (next[0] - at[0]).abs().max((next[1] - at[1]).abs());
            let cost = self.cost(next);
            if cost < here.cost {
                let small = here.cost - cost < fall * here.cost;
                at = next;
                here = self.linearise(at);
                damping = (damping * 0.2).max(1e-15);
                if small {
                    break;
                }
            } else {
                damping *= 5.0;
            }
            if moved < 1e-14 || damping > 1e18 || here.cost == 0.0 {
                break;
            }
        }
        (at, here.cost)
    }
}

/// The damped Gauss-Newton step, kept within the bounds.
fn damped_step(here: &Linearised, damping: f64, at: [f64; 2]) -> [f64; 2] {
    let [aa, ab, bb] = here.normal;
    let (aa, bb) =
        (aa * (1.0 + damping) + f64::MIN_POSITIVE, bb * (1.0 + damping) + f64::MIN_POSITIVE);
    let determinant = aa * bb - ab * ab;
    let [g, h] = here.gradient;
    let raw = [(ab * h - bb * g) / determinant, (ab * g - aa * h) / determinant];
    [0, 1].map(|k| {
        let step = if raw[k].is_finite() { raw[k].clamp(-2.0, 2.0) } else { 0.0 };
        (at[k] + step).clamp(-LOG_BOUND, LOG_BOUND)
    })
}

/// The best law from a fixed grid of starts; `None` when no start ends at a finite cost.
#[must_use]
pub fn least_squares(points: &[Point]) -> Option<PowerLaw> {
    let grid = [0.05, 0.3, 1.0, 3.0, 10.0]
        .map(|a| [0.02, 0.1, 0.5, 1.5, 5.0].map(|b| PowerLaw { a, b, c: 0.0 }));
    least_squares_from(points, grid.as_flattened(), 0.0)
}

/// The best law from the given starts. Costs equal to rounding are a tie, which the larger b wins: the root of the
/// published fits.
pub(super) fn least_squares_from(
    points: &[Point],
    starts: &[PowerLaw],
    fall: f64,
) -> Option<PowerLaw> {
    let problem = Problem::new(points);
    let scale = f64::EPSILON * points.iter().map(|p| p.weight * p.y * p.y).sum::<f64>();
    let ends = starts.iter().map(|law| problem.descend([law.a.ln(), law.b.ln()], fall));
    let better = |best: ([f64; 2], f64), end: ([f64; 2], f64)| {
        let slack = 100.0 * scale * f64::EPSILON + 1e-9 * best.1.min(end.1);
        let tie = (end.1 - best.1).abs() <= slack;
        let wins = if tie { end.0[1] > best.0[1] } else { end.1 < best.1 };
        if wins { end } else { best }
    };
    let (at, _) = ends.filter(|end| end.1.is_finite()).reduce(better)?;
    let law = problem.law(at);
    PowerLaw::new(law.a, law.b, law.c).ok()
}
