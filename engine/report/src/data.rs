//! What a report shows: plain numbers and names, gathered by the caller.
//!
//! Knows nothing of stores, keys or how a number came about.

use serde::{Deserialize, Serialize};

/// One study: corpora, fits by scale, predictions and the trainings that test them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Study {
    pub title: String,
    /// Every domain that is evaluated on, in the manifest's order.
    pub domains: Vec<Domain>,
    /// The DDO fits, smallest scale first.
    pub fits: Vec<Fit>,
    /// The AutoScale predictions.
    pub predictions: Vec<Prediction>,
    /// The trainings that are compared, in the manifest's order.
    pub trainings: Vec<Training>,
    /// Index into `trainings` of the baseline, if there is one.
    pub baseline: Option<usize>,
    /// One entry for every training that is not the baseline.
    pub comparisons: Vec<Comparison>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Domain {
    pub name: String,
    /// False for a domain that is only evaluated on: it has no weight anywhere.
    pub trains: bool,
    pub train_tokens: u64,
    pub held_out_tokens: u64,
    pub documents_read: u64,
    /// Rule and count, `("min-chars", 120)`.
    pub dropped: Vec<(String, u64)>,
    pub train_samples: u64,
    pub held_out_samples: u64,
    pub chars: u64,
    /// Documents that repeat an earlier one, dropped or not.
    #[serde(default)]
    pub duplicates: u64,
    /// Documents read, by length: entry i counts those of 2^(i-1) to 2^i - 1 characters, entry 0 the empty ones.
    #[serde(default)]
    pub lengths: Vec<u64>,
}

/// A DDO fit at one scale. Lists are over the domains that train, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fit {
    pub name: String,
    /// Tokens of the reference mixture.
    pub tokens: f64,
    /// `mean perplexity` or `mean cross-entropy`.
    pub objective: String,
    pub reference_weights: Vec<f64>,
    pub weights: Vec<f64>,
    /// Optimal amounts in multiples of the reference's.
    pub multiples: Vec<f64>,
    /// Intervals of the weights, where there was more than one observation a point.
    pub weight_intervals: Option<Vec<(f64, f64)>>,
    pub curves: Vec<FitCurve>,
    /// Objective measured at the reference, and what the laws say of it at the optimum.
    pub objective_reference: f64,
    pub objective_optimum: f64,
    pub objective_optimum_interval: Option<(f64, f64)>,
    /// What the fit has to say, in words.
    pub notes: Vec<String>,
}

/// One domain's points and law y(x) = (x + a)^-b + c, x in multiples of the reference amount,
/// y the objective over the reference's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FitCurve {
    pub points: Vec<(f64, f64)>,
    /// Standard deviation of every point's y over seeds; empty where nothing shows it.
    #[serde(default)]
    pub spread: Vec<f64>,
    /// a, b, c; none where the points identify no law.
    pub law: Option<[f64; 3]>,
    pub rms: Option<f64>,
    pub at_floor: bool,
}

/// An AutoScale prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Prediction {
    pub name: String,
    pub tokens: f64,
    /// Over the domains that train.
    pub weights: Vec<f64>,
    /// Intervals of the weights, by the noise of the runs that the fits rest on.
    #[serde(default)]
    pub weight_intervals: Option<Vec<(f64, f64)>>,
    /// The weights predicted along the way, by total tokens, for the figure; may be empty.
    pub path: Vec<(f64, Vec<f64>)>,
    pub notes: Vec<String>,
}

/// One training that is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Training {
    pub name: String,
    /// What it drew from: `uniform`, `autoscale.large`.
    pub mixture: String,
    pub tokens: u64,
    pub steps: u64,
    /// Achieved, over the domains that train.
    pub weights: Vec<f64>,
    /// Held-out evaluations in order of steps; the last is the end.
    pub evaluations: Vec<Evaluation>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evaluation {
    pub step: u64,
    pub tokens: u64,
    /// Mean cross-entropy per domain, over all domains of the study.
    pub losses: Vec<f64>,
}

/// A training against the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// Index into `trainings`.
    pub training: usize,
    /// Final mean perplexity minus the baseline's.
    pub mean_perplexity_difference: f64,
    /// Fraction of the baseline's steps saved at its final mean perplexity; none if it is never reached.
    pub steps_saved: Option<f64>,
    /// The same in words, also for the case that it is not reached.
    pub words: String,
}
