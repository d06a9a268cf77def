//! DDO's law `y(x) = (x + a)^-b + c`: its value, slope, gradient, and its fit to points.
//!
//! Knows points (x, y) and nothing of tokens, domains or losses. The law has no amplitude, so x and y must be in
//! units in which the reference is 1: `x = n / n(base)`, `y = L / L0` (AutoScale, arXiv 2407.20177v1, Algorithm 1).
//!
//! Three points are interpolated exactly ([`interpolate`]), more are fitted by bounded least squares ([`fit`] does
//! either). Points that do not fall and flatten are refused with the reason, [`NotIdentified`].
//!
//! Three points do not identify the law uniquely: where one interpolating law exists there are in general two, one of
//! larger a, b and c ([`Root::Upper`], the one of AutoScale's published fits) and one with a small b and a c near 0
//! ([`Root::Lower`]). They agree at the points and nearly so between them, but not beyond.

mod bounded;
mod exact;
mod shape;

use serde::{Deserialize, Serialize};

use crate::error::FitError;

pub use bounded::{Problem, least_squares};
pub use exact::interpolate;
pub use shape::{NotIdentified, check_shape};

/// One averaged observation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Multiple of the base amount; at least 0.
    pub x: f64,
    /// Objective relative to the base run's.
    pub y: f64,
    /// How many observations were averaged; above 0.
    pub weight: f64,
}

impl Point {
    /// A single observation.
    #[must_use]
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, weight: 1.0 }
    }
}

/// Parameters of `y(x) = (x + a)^-b + c`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PowerLaw {
    /// Tokens of this domain that the other domains are worth, in base amounts.
    pub a: f64,
    /// Exponent.
    pub b: f64,
    /// What no amount of the domain removes.
    pub c: f64,
}

impl PowerLaw {
    /// A law with a > 0, b > 0, c >= 0.
    ///
    /// # Errors
    /// [`FitError::Parameter`] names the first parameter outside its range.
    pub fn new(a: f64, b: f64, c: f64) -> Result<Self, FitError> {
        let bad = |value: f64, inside: bool| !value.is_finite() || !inside;
        for (name, value, inside) in [("a", a, a > 0.0), ("b", b, b > 0.0), ("c", c, c >= 0.0)] {
            if bad(value, inside) {
                return Err(FitError::Parameter { name, value });
            }
        }
        Ok(Self { a, b, c })
    }

    /// y at x.
    #[must_use]
    pub fn value(&self, x: f64) -> f64 {
        (x + self.a).powf(-self.b) + self.c
    }

    /// dy/dx at x: negative everywhere.
    #[must_use]
    pub fn slope(&self, x: f64) -> f64 {
        -self.b * (x + self.a).powf(-self.b - 1.0)
    }

    /// `y(x) - y(from)` without the cancellation of subtracting two values.
    #[must_use]
    pub fn change(&self, from: f64, x: f64) -> f64 {
        let log_ratio = ((x - from) / (from + self.a)).ln_1p();
        (from + self.a).powf(-self.b) * (-self.b * log_ratio).exp_m1()
    }

    /// Derivatives of y with respect to a, b and c at x.
    #[must_use]
    pub fn gradient(&self, x: f64) -> [f64; 3] {
        let reach = x + self.a;
        let power = reach.powf(-self.b);
        [-self.b * power / reach, -reach.ln() * power, 1.0]
    }
}

/// Which of the two interpolating laws to take where both exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// The larger a, b and c, as in the published fits.
    #[default]
    Upper,
    /// The smaller a, b and c.
    Lower,
}

/// A law fitted to points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    pub law: PowerLaw,
    /// The law passes through every point (three points, interpolated).
    pub exact: bool,
    /// `y(x) - y` of each point, in the order given.
    pub residuals: Vec<f64>,
    /// Root of the weighted mean square of the residuals.
    pub rms: f64,
    /// The other law through the same three points, where there is one.
    pub alternative: Option<PowerLaw>,
}

/// How to fit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FitOptions {
    pub root: Root,
    /// Standard deviation of a single observation of y, where it is known.
    pub noise: Option<f64>,
}

/// Fits the law: exact interpolation of three points where it exists, else bounded least squares.
///
/// Points with the same x must have been averaged by the caller; their order does not matter.
///
/// # Errors
/// [`NotIdentified`] when there are fewer than three points or they do not fall and flatten.
pub fn fit(points: &[Point], options: &FitOptions) -> Result<Fit, NotIdentified> {
    let sorted = check_shape(points, options.noise)?;
    if let [first, middle, last] = sorted[..]
        && let Some(law) = interpolate([first, middle, last], options.root)
    {
        let other = match options.root {
            Root::Upper => Root::Lower,
            Root::Lower => Root::Upper,
        };
        let alternative =
            interpolate([first, middle, last], other).filter(|other| differ(*other, law));
        return Ok(report(points, law, true, alternative));
    }
    let law = least_squares(&sorted).ok_or(NotIdentified::NoLaw)?;
    Ok(report(points, law, false, None))
}

/// Fall of the cost at which the search of a redrawn law ends.
const ROUGH: f64 = 1e-7;

/// The law nearest to points of increasing x, whatever their shape: through three where there is one, else by least squares. Looked
/// for first near `hint`.
///
/// For bootstraps: as points move it moves without a jump, where [`fit`] turns from a law to a refusal. `None` for fewer than
/// three points.
pub(crate) fn nearest(points: &[Point], root: Root, hint: Option<PowerLaw>) -> Option<PowerLaw> {
    if points.len() < 3 {
        return None;
    }
    if let [first, middle, last] = *points {
        let through = match hint {
            Some(hint) => exact::interpolate_from([first, middle, last], root, hint),
            None => interpolate([first, middle, last], root),
        };
        if through.is_some() {
            return through;
        }
    }
    let starts = [(0.5, 0.5), (4.0, 2.0)].map(|(a, b)| PowerLaw { a, b, c: 0.0 });
    let starts: Vec<PowerLaw> = hint.into_iter().chain(starts).collect();
    bounded::least_squares_from(points, &starts, ROUGH)
}

fn differ(one: PowerLaw, other: PowerLaw) -> bool {
    (one.b - other.b).abs() > 1e-6 * one.b.max(other.b)
}

fn report(points: &[Point], law: PowerLaw, exact: bool, alternative: Option<PowerLaw>) -> Fit {
    let residuals: Vec<f64> = points.iter().map(|p| law.value(p.x) - p.y).collect();
    let weight: f64 = points.iter().map(|p| p.weight).sum();
    let squares: f64 = points.iter().zip(&residuals).map(|(p, r)| p.weight * r * r).sum();
    Fit { law, exact, rms: (squares / weight).sqrt(), residuals, alternative }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::PUBLISHED;
