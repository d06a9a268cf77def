//! What can be wrong with evidence, and how it is said.
//!
//! Knows domains by position only; [`FitError::with_names`] says the same with the caller's names.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::power_law::NotIdentified;

/// A training or validation domain, by its position in the caller's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Domain(pub usize);

impl Domain {
    /// The domain's name in backticks, or `domain 3` where `names` has none.
    #[must_use]
    pub fn label(self, names: &[String]) -> String {
        names.get(self.0).map_or_else(|| format!("domain {}", self.0), |name| format!("`{name}`"))
    }
}

/// Joins domains for a sentence: "`a`, `b` and `c`".
pub(crate) fn list(domains: &[Domain], names: &[String]) -> String {
    let labels: Vec<String> = domains.iter().map(|domain| domain.label(names)).collect();
    match labels.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// Why evidence, curves or options could not be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FitError {
    /// A list's length is not the number of domains (or of losses) that the first run has.
    Length { what: String, expected: usize, found: usize },
    /// A number is not finite, or outside the range in which it means something.
    Number { what: String, value: f64, requirement: &'static str },
    /// There is no base run.
    NoBaseRun,
    /// There is no domain at all.
    NoDomains,
    /// A base run has no tokens of a domain, so that its multiple is undefined.
    EmptyBaseDomain { domain: Domain },
    /// Base runs differ in their amounts.
    BaseRunsDiffer { run: usize, domain: Domain },
    /// A run changed more than one domain, so that its loss belongs to no single one.
    AmbiguousRun { run: usize, changed: Vec<Domain> },
    /// A run is said to perturb a domain that does not exist or whose amount is the base run's.
    NotPerturbed { run: usize, domain: Domain },
    /// Points from which a law cannot be found.
    NotIdentified(NotIdentified),
    /// A law's parameter is outside a > 0, b > 0, c >= 0.
    Parameter { name: &'static str, value: f64 },
    /// The bounds leave no way to use exactly the total.
    Infeasible { total: f64, lowest: f64, highest: f64 },
    /// A lower bound is above the upper bound.
    Bounds { domain: Domain, lower: f64, upper: f64 },
    /// AutoScale has fewer than two scales.
    TooFewScales { found: usize },
    /// Totals do not increase from one scale to the next.
    ScalesNotIncreasing { scale: usize },
    /// A domain has no tokens at some scales but not at all of them.
    EmptyScaleDomain { scale: usize, domain: Domain },
    /// The shifted law needs N0 at every scale.
    NoShift { scale: usize },
    /// No amounts on the law's path have the target total.
    Unreachable { target: f64, lowest: f64, highest: f64 },
    /// Stepping starts above the target.
    TargetNotAbove { target: f64, largest: f64 },
    /// Stepping did not reach the target in the permitted number of steps.
    TooManySteps { target: f64, steps: usize },
    /// A curve has no points or its steps do not increase.
    Curve { which: &'static str, problem: &'static str },
}

impl FitError {
    /// The message with domains called by `names`; a domain beyond the list stays `domain 3`.
    #[must_use]
    pub fn with_names(&self, names: &[String]) -> String {
        match self {
            Self::Length { .. } | Self::Number { .. } | Self::NoBaseRun | Self::NoDomains => {
                self.input_message()
            }
            Self::EmptyBaseDomain { .. }
            | Self::BaseRunsDiffer { .. }
            | Self::AmbiguousRun { .. }
            | Self::NotPerturbed { .. } => self.run_message(names),
            Self::NotIdentified(reason) => format!("no law fits the points: {reason}"),
            Self::Parameter { .. } | Self::Infeasible { .. } | Self::Bounds { .. } => {
                self.optimum_message(names)
            }
            Self::Curve { which, problem } => {
                format!("the {which} curve {problem}; give (step, value) pairs in increasing steps")
            }
            _ => self.scale_message(names),
        }
    }

    fn input_message(&self) -> String {
        match self {
            Self::Length {
                what,
                expected,
                found,
            } => format!("{what} has {found} values where {expected} are expected; give one per domain"),
            Self::Number {
                what,
                value,
                requirement,
            } => format!("{what} is {value}; it must be {requirement}"),
            Self::NoBaseRun => {
                "there is no base run; add the run at the reference amounts, to which all others are compared".into()
            }
            _ => "there are no domains; give amounts for at least one".into(),
        }
    }

    fn run_message(&self, names: &[String]) -> String {
        match self {
            Self::EmptyBaseDomain { domain } => format!(
                "the base run has no tokens of {}, so its multiples are undefined; give it a weight above 0 or leave the domain out",
                domain.label(names)
            ),
            Self::BaseRunsDiffer { run, domain } => format!(
                "base run {run} has another amount of {} than base run 0; fit each base mixture on its own",
                domain.label(names)
            ),
            Self::AmbiguousRun { run, changed } => format!(
                "perturbed run {run} changes {} in different proportions; ddo needs runs that change one domain, so leave this one out or say which domain it perturbs",
                list(changed, names)
            ),
            Self::NotPerturbed { run, domain } => format!(
                "perturbed run {run} is said to change {}, but its amount is the base run's; correct the amounts or the domain",
                domain.label(names)
            ),
            _ => String::new(),
        }
    }

    fn optimum_message(&self, names: &[String]) -> String {
        match self {
            Self::Parameter { name, value } => {
                format!(
                    "the law's `{name}` is {value}; it needs a > 0, b > 0 and c >= 0, all finite"
                )
            }
            Self::Infeasible { total, lowest, highest } => format!(
                "no mixture of {total} tokens lies within the bounds, which allow {lowest} to {highest}; lower the floor, raise the caps or change the total"
            ),
            Self::Bounds { domain, lower, upper } => format!(
                "{} must have at least {lower} and at most {upper} tokens; lower its floor or raise its cap",
                domain.label(names)
            ),
            _ => String::new(),
        }
    }

    fn scale_message(&self, names: &[String]) -> String {
        match self {
            Self::TooFewScales { found } => {
                let scales = if *found == 1 { "one scale" } else { "no scales" };
                format!("autoscale has {scales}; give optimal amounts at two or more")
            }
            Self::ScalesNotIncreasing { scale } => format!(
                "scale {scale} has no more tokens than the scale before it; give scales of increasing total, each once"
            ),
            Self::EmptyScaleDomain { scale, domain } => format!(
                "{} has no tokens at scale {scale} but has some at another; give it tokens at every scale or leave it out of all",
                domain.label(names)
            ),
            Self::NoShift { scale } => format!(
                "scale {scale} has no `shifts`, which the shifted law needs; give a x base amount of every domain or use the power law"
            ),
            Self::Unreachable { target, lowest, highest } => format!(
                "no amounts on the law have {target} tokens (found {lowest} to {highest}); choose a target near or above the measured scales"
            ),
            Self::TargetNotAbove { target, largest } => format!(
                "stepping starts from the largest scale, {largest} tokens, which already reaches the target of {target}; use the continuous mode or a larger target"
            ),
            Self::TooManySteps { target, steps } => format!(
                "stepping did not reach {target} tokens in {steps} steps; use the continuous mode or scales further apart"
            ),
            _ => String::new(),
        }
    }
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_names(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_domains_where_names_are_known() {
        let names = ["c4".to_string(), "books".to_string()];
        let error =
            FitError::AmbiguousRun { run: 3, changed: vec![Domain(0), Domain(1), Domain(2)] };
        insta::assert_snapshot!(error.with_names(&names), @"perturbed run 3 changes `c4`, `books` and domain 2 in different proportions; ddo needs runs that change one domain, so leave this one out or say which domain it perturbs");
        insta::assert_snapshot!(FitError::EmptyBaseDomain { domain: Domain(1) }, @"the base run has no tokens of domain 1, so its multiples are undefined; give it a weight above 0 or leave the domain out");
    }

    /// Every error says something, starts small and says what to do after a semicolon.
    #[test]
    fn every_error_says_what_to_do() {
        let errors = [
            FitError::Length { what: "`caps`".into(), expected: 2, found: 1 },
            FitError::Number { what: "`floor`".into(), value: 2.0, requirement: "from 0 to 1" },
            FitError::NoBaseRun,
            FitError::NoDomains,
            FitError::EmptyBaseDomain { domain: Domain(0) },
            FitError::BaseRunsDiffer { run: 1, domain: Domain(0) },
            FitError::AmbiguousRun { run: 1, changed: vec![Domain(0), Domain(1)] },
            FitError::NotPerturbed { run: 1, domain: Domain(0) },
            FitError::NotIdentified(NotIdentified::NotPerturbed),
            FitError::Parameter { name: "a", value: 0.0 },
            FitError::Infeasible { total: 1.0, lowest: 2.0, highest: 3.0 },
            FitError::Bounds { domain: Domain(0), lower: 2.0, upper: 1.0 },
            FitError::TooFewScales { found: 1 },
            FitError::ScalesNotIncreasing { scale: 1 },
            FitError::EmptyScaleDomain { scale: 1, domain: Domain(0) },
            FitError::NoShift { scale: 1 },
            FitError::Unreachable { target: 1.0, lowest: 2.0, highest: 3.0 },
            FitError::TargetNotAbove { target: 1.0, largest: 2.0 },
            FitError::TooManySteps { target: 1.0, steps: 2 },
            FitError::Curve { which: "baseline", problem: "has no points" },
        ];
        for error in errors {
            let message = error.to_string();
            assert!(message.contains("; "), "{message}");
            assert!(
                !message.starts_with(char::is_uppercase) && !message.ends_with('.'),
                "{message}"
            );
        }
    }
}
