//! A fitted law: what was fitted to what, its parameters and its points. Holds data; prediction is in `surrogate`.

use serde::{Deserialize, Serialize};

use super::law::{Form, Units};
use super::options::{Goal, LawName, Over, Point, ScaleTerms};
use super::trees::Forest;

/// One law fitted to every target. Lists over domains are in the order of `domains`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LawFit {
    pub law: LawName,
    pub over: Over,
    /// The goal the law was fitted to, where it was fitted over one.
    pub goal: Option<Goal>,
    /// Training domains, sorted.
    pub domains: Vec<String>,
    /// The scales that have terms.
    pub scale: ScaleTerms,
    /// What the amounts and multiples of the law are measured in.
    pub units: Units,
    /// The mixture that gains are measured against, at the scale of its row.
    pub reference: Point,
    /// Least and largest weight of each domain over the rows.
    pub trained: Vec<[f64; 2]>,
    /// In the order of the validation domains; one for the goal where the law is over the goal.
    pub targets: Vec<TargetFit>,
    pub notes: Vec<Note>,
}

/// The law of one validation domain, or of the goal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetFit {
    /// The validation domain; `goal` for a law over the goal.
    pub target: String,
    /// Parameters of the formula, amounts in tokens; empty for trees.
    pub parameters: Vec<Parameter>,
    /// Rows fitted.
    pub rows: usize,
    /// Rows left out: without this loss, or outside the law (BiMix needs an own share above 0).
    pub left_out: usize,
    /// Root of the weighted mean square of the residuals, in the target's unit.
    pub rms: f64,
    /// Share of the variance explained.
    pub r2: f64,
    /// Rows less parameters; 0 where the law passes through every row.
    pub degrees_of_freedom: usize,
    /// Standard deviation of one row, from the residuals; `None` without degrees of freedom.
    pub noise_sd: Option<f64>,
    /// Every row fitted.
    pub points: Vec<FittedPoint>,
    /// Descents that ended at this minimum, of those that were finished.
    pub agreeing_starts: usize,
    pub(crate) form: Form,
    /// Inner parameters.
    pub(crate) inner: Vec<f64>,
    pub(crate) forest: Option<Forest>,
}

/// A number of the law's formula.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// As the formula calls it.
    pub name: String,
    /// The training domain it belongs to.
    pub domain: Option<String>,
    pub value: f64,
    /// The search ended at the edge of what is allowed.
    pub at_bound: bool,
}

/// Observed and predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedPoint {
    /// The row's name.
    pub row: String,
    pub observed: f64,
    pub predicted: f64,
}

/// What a reader of the fit must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Note {
    /// As many parameters as rows: nothing is left to judge the noise by.
    Saturated { target: String },
    /// Rows without this loss, or outside the law.
    LeftOut { target: String, rows: usize },
    /// Parameters that no prediction depends on, such as the power of a domain of no effect.
    Harmless { target: String, parameters: Vec<String> },
    /// Every row lacks a domain that the law needs a share of, so the reference is the mean of all mixtures.
    MeanReference,
    /// Few descents ended at the best minimum: another may be better.
    FewAgree { target: String, agreeing: usize },
}

/// Bounds of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}
