//! Laws of losses in mixtures and scales, from a table of trainings to the best mixture it supports and how sure that is.
//!
//! Knows names and numbers; not files, nor how anything was trained. The way of an answer:
//!
//! | step | what | where |
//! |---|---|---|
//! | [`Observations::new`] | checks rows and puts them in the order of names and numbers | `observations` |
//! | [`fit`] | a law per validation domain, or one over the goal; refuses what rows can't identify | `estimate`, `identify`, `law` |
//! | [`cross_validate`], [`choose`] | errors on rows not fitted; the law of least error | `folds` |
//! | [`optimise`] | the best mixture within bounds, exact where convex, else with its gap | `optimum` |
//! | [`bootstrap`] | intervals of parameters, weights, gain and forecasts | `bootstrap`, `noise` |
//! | [`suggest`] | the mixtures worth training next | `suggest` |
//!
//! Losses are mean token cross-entropies in nats. Every list over domains in a result is in the order of the sorted names.
//! Parallel parts are collected in order, so the same table gives the same bits on any number of cores; the order of its
//! rows and columns changes nothing.

mod bootstrap;
mod error;
mod estimate;
mod folds;
mod identify;
mod law;
mod noise;
mod observations;
mod optimum;
mod options;
mod result;
mod suggest;
mod surrogate;
mod targets;
mod trees;

pub use bootstrap::{Bootstrap, Resample, Uncertainty, Verdict, bootstrap};
pub use error::{LawError, Reason};
pub use estimate::{fit, starts_of};
pub use folds::{
    Choice, CrossValidation, Folds, LawScore, Outcome, TargetScore, choose, cross_validate,
};
pub use law::Units;
pub use observations::{Observations, Row, SUM_TOLERANCE};
pub use optimum::{Bounds, Optimum, Problem, Proof, optimise};
pub use options::{FitOptions, Goal, GoalKind, LawName, Over, Point, ScaleTerms, TreeOptions};
pub use result::{FittedPoint, Interval, LawFit, Note, Parameter, TargetFit};
pub use suggest::{Suggestion, Why, suggest, without_fit as suggest_without_fit};
