//! Interpolation of three points by `(x + a)^-b + c`, to machine precision.
//!
//! c drops out of differences: with `d1 = y1 - y2` and `d2 = y2 - y3` two equations in (a, b) remain,
//! `D1(a, b) = (x1 + a)^-b - (x2 + a)^-b = d1` and `D2 = d2`. For every a above a smallest one exactly one b has
//! `D1 / D2 = d1 / d2`; along that curve D1 rises to one maximum and falls to 0, so the law exists unless the drop is
//! too large for its curvature, and is then one of two (see [`Root`]). Newton's method from a usual law finds it in a
//! few steps; where it does not end on the root asked for, the curve is searched.

use super::{Point, PowerLaw, Root};

/// The law through three points of increasing x that fall and flatten; `None` where there is none within
/// a > 0, b > 0, c >= 0.
#[must_use]
pub fn interpolate(points: [Point; 3], root: Root) -> Option<PowerLaw> {
    let usual = match root {
        Root::Upper => PowerLaw { a: 2.8, b: 1.6, c: 0.0 },
        Root::Lower => PowerLaw { a: 0.6, b: 0.08, c: 0.0 },
    };
    interpolate_from(points, root, usual)
}

/// [`interpolate`], looking first near `hint`.
pub(super) fn interpolate_from(points: [Point; 3], root: Root, hint: PowerLaw) -> Option<PowerLaw> {
    let drops = Drops::new(points)?;
    let start = [hint.a.ln(), hint.b.ln()];
    let [log_a, log_b] = drops.newton(start, root).or_else(|| drops.search(root))?;
    let (a, b) = (log_a.exp(), log_b.exp());
    PowerLaw::new(a, b, points[1].y - (points[1].x + a).powf(-b)).ok()
}

/// The two equations, in logarithms so that Newton's steps are of the size of the parameters.
struct Drops {
    x: [f64; 3],
    log_drop: [f64; 2],
}

/// Values of the two equations and their derivatives by (ln a, ln b).
struct Linearised {
    value: [f64; 2],
    by_a: [f64; 2],
    by_b: [f64; 2],
}

impl Linearised {
    /// Positive on the lower root's side of the curve's maximum, negative on the upper's.
    fn side(&self) -> f64 {
        let ratio_by_a = self.by_a[0] - self.by_a[1];
        let ratio_by_b = self.by_b[0] - self.by_b[1];
        self.by_a[0] * ratio_by_b - self.by_b[0] * ratio_by_a
    }
}

impl Drops {
    fn new(points: [Point; 3]) -> Option<Self> {
        let [p, q, r] = points;
        let (first, second) = (p.y - q.y, q.y - r.y);
        let flattens = first * (r.x - q.x) > second * (q.x - p.x);
        (second > 0.0 && p.x < q.x && q.x < r.x && flattens)
            .then(|| Self { x: [p.x, q.x, r.x], log_drop: [first.ln(), second.ln()] })
    }

    /// `ln((x2 + a) / (x1 + a))` and `ln((x3 + a) / (x2 + a))`.
    fn log_steps(&self, a: f64) -> [f64; 2] {
        let [p, q, r] = self.x;
        [((q - p) / (p + a)).ln_1p(), ((r - q) / (q + a)).ln_1p()]
    }

    fn linearise(&self, [log_a, log_b]: [f64; 2]) -> Linearised {
        let (a, b) = (log_a.exp(), log_b.exp());
        let steps = self.log_steps(a);
        let log_middle = (self.x[1] + a).ln();
        let fall = [(b * steps[0]).exp_m1(), -(-b * steps[1]).exp_m1()];
        // Both drops in units of the middle power: fall[k] = D_k (x2 + a)^b.
        let power = [1.0 + fall[0], 1.0, 1.0 - fall[1]];
        let log_reach = [log_middle - steps[0], log_middle, log_middle + steps[1]];
        let by_a = |i: usize| -b * a * power[i] / (self.x[i] + a);
        let by_b = |i: usize| -b * log_reach[i] * power[i];
        let value = |k: usize| fall[k].ln() - b * log_middle - self.log_drop[k];
        Linearised {
            value: [value(0), value(1)],
            by_a: [0, 1].map(|k| (by_a(k) - by_a(k + 1)) / fall[k]),
            by_b: [0, 1].map(|k| (by_b(k) - by_b(k + 1)) / fall[k]),
        }
    }

    /// Newton's method in (ln a, ln b); `None` unless it settles on the root asked for.
    fn newton(&self, mut at: [f64; 2], root: Root) -> Option<[f64; 2]> {
        let mut last = f64::INFINITY;
        for _ in 0..40 {
            let here = self.linearise(at);
            let determinant = here.by_a[0] * here.by_b[1] - here.by_b[0] * here.by_a[1];
            let step = [
                (here.by_b[0] * here.value[1] - here.by_b[1] * here.value[0]) / determinant,
                (here.by_a[1] * here.value[0] - here.by_a[0] * here.value[1]) / determinant,
            ];
            let size = step[0].abs().max(step[1].abs());
            if !size.is_finite() || at[0].abs() > 40.0 || at[1].abs() > 40.0 {
                return None;
            }
            // Rounding ends the quadratic fall of the steps: then the best is reached.
            if size < 1e-7 && size >= last {
                let upper = here.side() < 0.0;
                return (upper == (root == Root::Upper)).then_some(at);
            }
            last = size;
            let shorten = (1.0 / size).min(1.0);
            at = [at[0] + shorten * step[0], at[1] + shorten * step[1]];
        }
        None
    }

    /// Searches the curve of equal ratio for the root.
    fn search(&self, root: Root) -> Option<[f64; 2]> {
        let lowest = self.lowest_log_a()?;
        let top = self.top(lowest)?;
        let excess = |log_a: f64| self.on_curve(log_a).map_or(-1.0, |(_, excess)| excess);
        if excess(top) < 0.0 {
            return None;
        }
        let outer = match root {
            Root::Upper => HIGHEST_LOG_A,
            Root::Lower => lowest,
        };
        if excess(outer) > 0.0 {
            return None;
        }
        let log_a = bisect(top, outer, |log_a| excess(log_a) >= 0.0);
        let (log_b, _) = self.on_curve(log_a)?;
        let near = [log_a, log_b];
        // Bisection fixes the side; Newton's last steps fix the digits.
        Some(self.newton(near, root).unwrap_or(near))
    }

    /// Smallest ln a for which some b has the right ratio of drops.
    fn lowest_log_a(&self) -> Option<f64> {
        let ratio = (self.log_drop[0] - self.log_drop[1]).exp();
        let possible = |log_a: f64| {
            let steps = self.log_steps(log_a.exp());
            steps[0] < ratio * steps[1]
        };
        if !possible(HIGHEST_LOG_A) {
            return None;
        }
        if possible(LOWEST_LOG_A) {
            return Some(LOWEST_LOG_A);
        }
        Some(bisect(HIGHEST_LOG_A, LOWEST_LOG_A, possible))
    }

    /// The curve's (ln b, ln D1 - ln d1) at ln a.
    fn on_curve(&self, log_a: f64) -> Option<(f64, f64)> {
        let log_ratio = self.log_drop[0] - self.log_drop[1];
        let steps = self.log_steps(log_a.exp());
        let excess = |log_b: f64| {
            let b = log_b.exp();
            (b * steps[0]).exp_m1().ln() - (-(-b * steps[1]).exp_m1()).ln() - log_ratio
        };
        let log_b = zero(-40.0, 40.0, excess)?;
        Some((log_b, self.linearise([log_a, log_b]).value[0]))
    }

    /// ln a at which the curve's drop is largest: a coarse scan, then golden section about its best.
    fn top(&self, lowest: f64) -> Option<f64> {
        let width = (HIGHEST_LOG_A - lowest) / SCAN as f64;
        let value =
            |log_a: f64| self.on_curve(log_a).map_or(f64::NEG_INFINITY, |(_, excess)| excess);
        let best = (0..=SCAN)
            .map(|i| lowest + width * i as f64)
            .max_by(|p, q| value(*p).total_cmp(&value(*q)))?;
        Some(golden(best - width, best + width, value).max(lowest))
    }
}

const LOWEST_LOG_A: f64 = -25.0;
const HIGHEST_LOG_A: f64 = 20.0;
const SCAN: usize = 40;

/// The zero of a function that rises from below 0 to above: false position with Illinois's halving, bisecting where it is slow.
fn zero(mut low: f64, mut high: f64, value: impl Fn(f64) -> f64) -> Option<f64> {
    let (mut at_low, mut at_high) = (value(low), value(high));
    // At the upper end a power may overflow to infinity: that is above.
    if !(at_low < 0.0 && at_high >= 0.0) {
        return None;
    }
    for step in 0..100 {
        let line = low - at_low * (high - low) / (at_high - at_low);
        let inside = step % 4 < 3 && line > low && line < high;
        let next = if inside { line } else { f64::midpoint(low, high) };
        let found = value(next);
        if high - low < 1e-13 * (1.0 + next.abs()) || found == 0.0 {
            return Some(next);
        }
        if found < 0.0 {
            (low, at_low) = (next, found);
            at_high *= 0.5;
        } else {
            (high, at_high) = (next, found);
            at_low *= 0.5;
        }
    }
    Some(f64::midpoint(low, high))
}

/// The last point from `inside` towards `outside` at which `holds` is true, to the last bit.
fn bisect(mut inside: f64, mut outside: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = f64::midpoint(inside, outside);
        if middle == inside || middle == outside {
            break;
        }
        if holds(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}

/// The maximum of a function with one maximum in [low, high].
fn golden(mut low: f64, mut high: f64, value: impl Fn(f64) -> f64) -> f64 {
    const SHARE: f64 = 0.618_033_988_749_894_8;
    for _ in 0..45 {
        let (left, right) = (high - SHARE * (high - low), low + SHARE * (high - low));
        if value(left) < value(right) {
            low = left;
        } else {
            high = right;
        }
    }
    f64::midpoint(low, high)
}
