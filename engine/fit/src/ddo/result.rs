//! What a DDO fit says: the JSON artifact of a fit. Holds data only; how it is found is elsewhere.

use serde::{Deserialize, Serialize};

use crate::ddo::Objective;
use crate::error::Domain;
use crate::power_law::{NotIdentified, PowerLaw};

/// Laws, optimum, prediction and their uncertainty. Every list over domains is in the evidence's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DdoFit {
    pub objective: Objective,
    /// Tokens of the optimum and of the reference it is compared with.
    pub total: f64,
    /// Tokens of each domain in the base run.
    pub base_amounts: Vec<f64>,
    /// The base runs' mean objective, L0.
    pub base_objective: f64,
    pub base_runs: usize,
    pub domains: Vec<DomainFit>,
    pub optimum: Optimum,
    pub predicted: Prediction,
    pub uncertainty: Uncertainty,
    /// Whether the whole interval of the gain is above 0; `None` where there are no intervals.
    pub better_than_reference_beyond_noise: Option<bool>,
    /// What a reader must know, in the order of importance; see [`DdoFit::in_words`].
    pub notes: Vec<Note>,
}

impl DdoFit {
    /// How many domains have a law.
    #[must_use]
    pub fn identified(&self) -> usize {
        self.domains.iter().filter(|domain| domain.law.is_some()).count()
    }
}

/// One domain's law and the points it was fitted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainFit {
    pub domain: Domain,
    /// In increasing x; the base run is the point at x = 1.
    pub points: Vec<FitPoint>,
    /// `None` when the points identify none.
    pub law: Option<PowerLaw>,
    /// The law passes through every point.
    pub exact: bool,
    /// Root mean square of the residuals, in units of y.
    pub rms: Option<f64>,
    /// The other law through the same points, where there is one; it is not used.
    pub alternative: Option<PowerLaw>,
    /// Why there is no law.
    pub not_identified: Option<NotIdentified>,
}

/// Runs of the same amounts, averaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitPoint {
    /// Multiple of the base amount.
    pub x: f64,
    /// Tokens of the domain.
    pub amount: f64,
    /// Mean objective relative to the base's.
    pub y: f64,
    /// Mean objective.
    pub objective: f64,
    pub runs: usize,
    /// The law's y.
    pub fitted: Option<f64>,
    /// `fitted - y`.
    pub residual: Option<f64>,
}

/// The mixture of least predicted objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Optimum {
    /// Tokens; they sum to the total.
    pub amounts: Vec<f64>,
    /// Shares of the total.
    pub weights: Vec<f64>,
    /// Amounts in units of the base amounts.
    pub multiples: Vec<f64>,
    pub at_floor: Vec<bool>,
    pub at_cap: Vec<bool>,
    /// Held at the reference amount, having no law.
    pub held: Vec<bool>,
    /// Fall of the relative objective per further token; `None` when every domain is at a bound.
    pub multiplier: Option<f64>,
    /// Largest relative violation of the optimality (KKT) conditions.
    pub kkt_residual: f64,
}

/// The surrogate's objective at the reference and the optimal mixture, both of the same total.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    pub reference: f64,
    pub optimum: f64,
    /// `reference - optimum`, in the objective's units; at least 0.
    pub gain: f64,
    /// The gain relative to the reference.
    pub gain_relative: f64,
}

/// Bounds of a percentile interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Where the size of the noise comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseSource {
    /// Given by the caller.
    Given,
    /// Differences between runs of the same amounts.
    Repeats,
    /// What the laws leave of more points than they have parameters.
    Residuals,
}

/// How far the noise of the runs moves the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Uncertainty {
    /// Single runs at three amounts: nothing shows the noise.
    NotAvailable,
    /// The caller asked for no draws.
    NotAsked,
    Intervals {
        source: NoiseSource,
        /// Standard deviation of one run's objective, relative to it.
        relative_sd: f64,
        /// Degrees of freedom of that estimate; `None` where it was given.
        degrees_of_freedom: Option<usize>,
        draws: usize,
        level: f64,
        weights: Vec<Interval>,
        multiples: Vec<Interval>,
        /// Of the gain that the proposed mixture really has, corrected for having chosen it by the same noisy runs.
        gain: Interval,
        /// Median of the same.
        gain_median: f64,
        /// Share of draws in which each domain's points identified a law.
        identified: Vec<f64>,
    },
}

impl Uncertainty {
    /// Whether the gain's interval lies above 0.
    #[must_use]
    pub fn better_than_reference(&self) -> Option<bool> {
        match self {
            Self::Intervals { gain, .. } => Some(gain.low > 0.0),
            _ => None,
        }
    }
}

/// What a reader of the fit must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Note {
    /// No domain has a law: the optimum is the reference.
    NothingIdentified,
    /// A domain has no law and is held.
    Held { domain: Domain, reason: NotIdentified },
    /// The proposed mixture is not better than the reference beyond noise.
    NotBetterBeyondNoise,
    /// No intervals: single runs at three amounts.
    NoIntervals,
    /// A law does not pass through its points.
    NotExact { domain: Domain, rms: f64 },
    /// The optimum is beyond the amounts that were measured.
    Extrapolated { domain: Domain, multiple: f64, measured: Interval },
    /// The perturbed runs scale the other domains too (a fixed total), which the law then contains.
    OthersChanged { runs: usize },
    /// Runs that the choice of factors leaves out.
    LeftOut { runs: usize },
}
