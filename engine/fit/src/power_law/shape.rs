//! Whether points fall and flatten as the law does: the refusal to fit noise.
//!
//! Knows points and, where given, the noise of one observation; not which law will be fitted.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Point;

/// Why points identify no law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum NotIdentified {
    /// No run changed this domain.
    NotPerturbed,
    /// The law has three parameters; fewer distinct amounts leave them open.
    TooFewPoints { points: usize },
    /// A point is not finite, has x < 0 or y <= 0, weight <= 0, or shares its x with another.
    BadPoint { x: f64, y: f64 },
    /// More of the domain did not lower the objective between two amounts.
    NotDecreasing { x_low: f64, x_high: f64, rise: f64 },
    /// The gain per token grows around an amount instead of shrinking.
    NotConvex { x: f64, excess: f64 },
    /// The whole change from least to most is no larger than two standard errors.
    WithinNoise { drop: f64, standard_error: f64 },
    /// The points have the right shape, but no parameters within bounds come near them.
    NoLaw,
}

impl fmt::Display for NotIdentified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPerturbed => {
                write!(f, "no run changed its amount; train it with more and with less")
            }
            Self::TooFewPoints { points } => write!(
                f,
                "{points} distinct amounts are too few for three parameters; train at least one with more and one with less than the base amount"
            ),
            Self::BadPoint { x, y } => write!(
                f,
                "the point (x {x}, y {y}) is not usable; each x must be finite, at least 0 and distinct, each y finite and above 0"
            ),
            Self::NotDecreasing { x_low, x_high, rise } => write!(
                f,
                "more of it did not help: from {x_low:.4} to {x_high:.4} times the base amount the relative loss rises by {rise:.6}; add seeds or factors further apart"
            ),
            Self::NotConvex { x, excess } => write!(
                f,
                "its gain per token grows around {x:.4} times the base amount instead of shrinking (the point lies {excess:.6} above the chord); add seeds or factors further apart"
            ),
            Self::WithinNoise { drop, standard_error } => write!(
                f,
                "its whole effect, {drop:.6} of the loss, is within two standard errors ({standard_error:.6} each); add seeds or factors further apart"
            ),
            Self::NoLaw => {
                write!(f, "no law with a > 0, b > 0 and c >= 0 comes near its points; add factors")
            }
        }
    }
}

/// Part of the whole drop by which one of more than three points may break the shape when the noise is not known.
const TOLERATED: f64 = 0.05;

/// Checks that points fall and flatten, and returns them in increasing x.
///
/// Three points must do so strictly: nothing is left over to judge noise by. With more, a point may miss the shape by
/// 5 % of the whole drop, or by two standard errors where `noise` (the standard deviation of one observation) is
/// known. With known noise the whole drop must also exceed two standard errors.
///
/// # Errors
/// The first reason found, [`NotIdentified`].
pub fn check_shape(points: &[Point], noise: Option<f64>) -> Result<Vec<Point>, NotIdentified> {
    let sorted = sort(points)?;
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
        return Err(NotIdentified::TooFewPoints { points: 0 });
    };
    let drop = first.y - last.y;
    if drop <= 0.0 {
        return Err(rising(first, last));
    }
    let error = |variance: f64| noise.map_or(0.0, |sd| sd * variance.sqrt());
    let standard_error = error(1.0 / first.weight + 1.0 / last.weight);
    if drop <= 2.0 * standard_error {
        return Err(NotIdentified::WithinNoise { drop, standard_error });
    }
    let tolerance = |variance: f64| match (noise, sorted.len()) {
        (_, 3) => 0.0,
        (Some(_), _) => 2.0 * error(variance),
        (None, _) => TOLERATED * drop,
    };
    check_decreasing(&sorted, tolerance)?;
    check_convex(&sorted, tolerance)?;
    Ok(sorted)
}

fn sort(points: &[Point]) -> Result<Vec<Point>, NotIdentified> {
    let usable = |p: &Point| {
        p.x.is_finite()
            && p.x >= 0.0
            && p.y.is_finite()
            && p.y > 0.0
            && p.weight.is_finite()
            && p.weight > 0.0
    };
    if let Some(bad) = points.iter().find(|p| !usable(p)) {
        return Err(NotIdentified::BadPoint { x: bad.x, y: bad.y });
    }
    let mut sorted = points.to_vec();
    sorted.sort_by(|p, q| p.x.total_cmp(&q.x));
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].x == pair[1].x) {
        return Err(NotIdentified::BadPoint { x: pair[1].x, y: pair[1].y });
    }
    if sorted.len() < 3 {
        return Err(NotIdentified::TooFewPoints { points: sorted.len() });
    }
    Ok(sorted)
}

fn rising(low: &Point, high: &Point) -> NotIdentified {
    NotIdentified::NotDecreasing { x_low: low.x, x_high: high.x, rise: high.y - low.y }
}

fn check_decreasing(sorted: &[Point], tolerance: impl Fn(f64) -> f64) -> Result<(), NotIdentified> {
    let bad = |pair: &&[Point]| {
        let allowed = tolerance(1.0 / pair[0].weight + 1.0 / pair[1].weight);
        let rise = pair[1].y - pair[0].y;
        if allowed > 0.0 { rise > allowed } else { rise >= 0.0 }
    };
    match sorted.windows(2).find(bad) {
        Some(pair) => Err(rising(&pair[0], &pair[1])),
        None => Ok(()),
    }
}

fn check_convex(sorted: &[Point], tolerance: impl Fn(f64) -> f64) -> Result<(), NotIdentified> {
    for triple in sorted.windows(3) {
        let [p, q, r] = [triple[0], triple[1], triple[2]];
        let share = (q.x - p.x) / (r.x - p.x);
        let excess = q.y - ((1.0 - share) * p.y + share * r.y);
        let variance = 1.0 / q.weight + (1.0 - share).powi(2) / p.weight + share.powi(2) / r.weight;
        let allowed = tolerance(variance);
        if excess > allowed || (allowed == 0.0 && excess >= 0.0) {
            return Err(NotIdentified::NotConvex { x: q.x, excess });
        }
    }
    Ok(())
}
