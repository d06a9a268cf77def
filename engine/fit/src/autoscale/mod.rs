//! AutoScale: from optimal amounts at two or more scales to the mixture of a larger one.
//!
//! Knows amounts by scale and domain; not how they were found. Source: AutoScale, arXiv 2407.20177v1, Theorem 1 and
//! Algorithm 2.
//!
//! Under the power law each domain's optimal amount is log-affine along a path: `N_j(t) = N1_j (N2_j / N1_j)^t`. The
//! total is an output: [`Mode::Continuous`] solves for the t whose total is the target; [`Mode::Stepping`] takes whole steps
//! `N3_j = N2_j^2 / N1_j` until the total reaches it, and so overshoots. Under the shifted law, the stationarity of
//! DDO's `(N0 + N)^-b`, it is `N0_j + N_j` that is log-affine. The theorem has N0 the same at every scale; fits at two
//! scales rarely do, so N0 is taken along the same path, log-affine, and stays constant where it was.
//!
//! With more than two scales each domain's path is a least-squares line in ln N_j; the positions t of the
//! scales are found with the lines, so that amounts which follow the law are followed exactly.
//!
//! A domain at its floor at every scale is at no interior optimum, so its growth says nothing of the next
//! scale. By default it is carried: it keeps its share of the total, floor x reference weight. The
//! published figures of the reference code carry nothing and extrapolate a floored domain like any other: at 0.2 times
//! the uniform amount at 0.3B and 1.2B it has 0.2 x 4.8B / 7 tokens after one step, of a total that has become
//! 5.000B, hence github's .0274 where carrying gives .2 / 7 = .0286. Set `carry_floor: false` for that reading.

mod check;
mod intervals;
mod line;
mod path;
mod stepping;
mod words;

use serde::{Deserialize, Serialize};

use crate::error::{Domain, FitError};
pub use check::middle_check;
pub use intervals::{Intervals, predict_with_intervals};
use path::Path;

/// Optimal amounts at one scale.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scale {
    /// Optimal tokens of each domain.
    pub amounts: Vec<f64>,
    /// Whether each domain is at its floor; empty for none.
    #[serde(default)]
    pub at_floor: Vec<bool>,
    /// Whether each domain was held at its reference amount because no law was identified; empty for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<bool>,
    /// N0 of each domain in tokens (DDO's `a` times its base amount); only the shifted law needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shifts: Option<Vec<f64>>,
}

impl Scale {
    /// Tokens of the scale.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.amounts.iter().sum()
    }
}

/// What is log-affine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// `N_j`: Theorem 1.
    #[default]
    Power,
    /// `N0_j + N_j`: DDO's law.
    Shifted,
}

/// How the target is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Exactly.
    #[default]
    Continuous,
    /// In whole steps, to the first total that is not below it: Algorithm 2.
    Stepping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    pub law: Law,
    pub mode: Mode,
    /// Carry a domain that is at its floor at every scale; `false` extrapolates it as the reference code does.
    pub carry_floor: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { law: Law::default(), mode: Mode::default(), carry_floor: true }
    }
}

/// Amounts of one total.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Amounts {
    pub total: f64,
    /// Tokens of each domain.
    pub amounts: Vec<f64>,
    /// Shares of the total.
    pub weights: Vec<f64>,
}

impl Amounts {
    pub(super) fn new(amounts: Vec<f64>) -> Self {
        let total: f64 = amounts.iter().sum();
        Self { weights: amounts.iter().map(|n| n / total).collect(), total, amounts }
    }
}

/// The mixture predicted for the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    pub law: Law,
    pub mode: Mode,
    /// Tokens asked for.
    pub target: f64,
    /// Tokens and weights at the target; of the first total not below it when stepping.
    pub predicted: Amounts,
    /// The steps of Algorithm 2, the last of which is `predicted`; empty when continuous.
    pub chain: Vec<Amounts>,
    /// Position on the path, 0 at the smallest and 1 at the largest scale.
    pub position: f64,
    /// `d ln N_j / d ln total` along the path between the scales: above 1 for a domain whose share grows.
    pub growth: Vec<f64>,
    /// Root mean square of ln N about the lines; 0 with two scales.
    pub rms_log: f64,
    /// Domains that keep their share: at their floor everywhere, or held at some scale.
    pub carried: Vec<Domain>,
    pub notes: Vec<Note>,
}

/// What a reader of the prediction must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Note {
    /// A domain at its floor at every scale keeps its share.
    Carried { domain: Domain, weight: f64 },
    /// A domain without a law at some scales keeps its share of the largest: two amounts of which one is no
    /// optimum show no growth.
    Held { domain: Domain, scales: usize, weight: f64 },
    /// A domain at its floor at every scale was extrapolated, as asked.
    FloorExtrapolated { domain: Domain },
    /// A domain is at its floor at some scales: its true growth is unknown.
    PartlyFloored { domain: Domain, scales: usize },
    /// The shifted law would give a domain less than nothing.
    Emptied { domain: Domain },
    /// The target is below the smallest scale: the laws go back, not on.
    Below { target: f64, smallest: f64 },
    /// Stepping passed the target.
    Overshoot { target: f64, total: f64 },
}

/// Predicts the mixture of `target` tokens from two or more scales in increasing total.
///
/// # Errors
/// [`FitError`] for fewer than two scales, totals that do not increase, lists of different lengths, amounts that are
/// not finite and above 0 (a domain may have 0 tokens at all scales), or a target that the path does not reach.
pub fn predict(scales: &[Scale], target: f64, options: &Options) -> Result<Prediction, FitError> {
    check::scales(scales, options.law)?;
    check::positive("the target total", target)?;
    let carried = carried(scales, options);
    let path = Path::new(scales, options.law, &carried);
    let (position, chain) = match options.mode {
        Mode::Continuous => (path.position(target)?, Vec::new()),
        Mode::Stepping => stepping::chain(scales, &path, target)?,
    };
    let predicted = match chain.last() {
        Some(last) => last.clone(),
        None => path.exactly(position, target),
    };
    let notes = words::notes(scales, options, target, &predicted, &path, position);
    Ok(Prediction {
        law: options.law,
        mode: options.mode,
        target,
        predicted,
        chain,
        position,
        growth: path.growth(),
        rms_log: path.rms_log,
        carried,
        notes,
    })
}

/// Domains whose amounts show no growth: at their floor at every scale, or held at some. None where that is all
/// of them, whose shares are constant anyway.
fn carried(scales: &[Scale], options: &Options) -> Vec<Domain> {
    let present = |j: &usize| scales.iter().any(|scale| scale.amounts[*j] > 0.0);
    let domains = scales.first().map_or(0, |scale| scale.amounts.len());
    let present: Vec<usize> = (0..domains).filter(present).collect();
    let at = |flags: &[bool], j: usize| flags.get(j) == Some(&true);
    let floored = |j: usize| scales.iter().all(|scale| at(&scale.at_floor, j));
    let held = |j: usize| scales.iter().any(|scale| at(&scale.held, j));
    let kept = |j: &&usize| held(**j) || (options.carry_floor && floored(**j));
    let found: Vec<Domain> = present.iter().filter(kept).map(|j| Domain(*j)).collect();
    if found.len() == present.len() { Vec::new() } else { found }
}

#[cfg(test)]
mod tests;
