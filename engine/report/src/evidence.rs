//! What the page of a fit shows: laws, points, weights and intervals of one table of losses.
//!
//! Knows nothing of how laws are fitted. Numbers that are not finite are shown as `—`.

/// A fit of laws to a table, and the mixture they propose. Lists over domains and targets are in the caller's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    pub title: String,
    /// What was fitted, sentences.
    pub facts: Vec<String>,
    /// Whether the optimum is better than the reference, and whether that is good news.
    pub verdict: Option<(bool, String)>,
    /// `mean cross-entropy over 13 validation domains`.
    pub objective: String,
    pub objective_reference: f64,
    pub objective_optimum: f64,
    pub gain: f64,
    pub gain_interval: Option<(f64, f64)>,
    /// Probability of all intervals.
    pub level: Option<f64>,
    pub law: Law,
    /// Cross-validated errors, the best first; empty where no choice was to be made.
    pub laws: Vec<LawScore>,
    pub domains: Vec<DomainWeight>,
    pub targets: Vec<Target>,
    /// One a domain, or none where the law has no such picture.
    pub slices: Vec<Slice>,
    pub parameters: Vec<Parameter>,
    pub suggestions: Vec<Suggestion>,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Law {
    pub name: String,
    pub formula: String,
    pub source: String,
}

/// One law's errors on rows it was not fitted to, or why there are none.
#[derive(Debug, Clone, PartialEq)]
pub struct LawScore {
    pub law: String,
    pub taken: bool,
    /// rmse, mae, relative error, Spearman's rank correlation (NaN where there is none), R².
    pub scores: Result<[f64; 5], String>,
}

/// A domain's share: where it was, where it should be, and what was trained.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainWeight {
    pub name: String,
    pub reference: f64,
    pub optimum: f64,
    pub interval: Option<(f64, f64)>,
    /// Least and largest over the rows.
    pub trained: (f64, f64),
    /// `floor`, `cap`, or what else is to be said; empty for nothing.
    pub mark: String,
}

/// A validation domain: how well its law says what was measured, and what it says of the optimum.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub name: String,
    pub points: Vec<Agreement>,
    /// Of the residuals.
    pub rms: f64,
    /// Cross-validated, with Spearman's rank correlation (NaN where folds are too small to have one).
    pub held_out: Option<(f64, f64)>,
    pub at_reference: f64,
    pub at_optimum: f64,
    pub interval: Option<(f64, f64)>,
}

/// A row measured and predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    pub row: String,
    pub observed: f64,
    pub predicted: f64,
    /// By the fit that did not see the row.
    pub held_out: Option<f64>,
}

/// The objective along one domain's share, the others in the optimum's proportions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slice {
    /// Share and predicted objective.
    pub line: Vec<(f64, f64)>,
    /// Every row's share, and the line there plus the row's own residual.
    pub points: Vec<(f64, f64)>,
    pub optimum: f64,
    pub reference: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub target: String,
    pub name: String,
    pub domain: String,
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    pub at_bound: bool,
}

/// A mixture worth training next.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    pub weights: Vec<f64>,
    /// ` at 3B tokens`, or nothing.
    pub scale: String,
    pub why: String,
}
