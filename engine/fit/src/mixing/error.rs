//! Why a table, a law, a goal or bounds can't be used, in words that say what to do.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::options::LawName;
use super::suggest::Suggestion;

/// What keeps rows from identifying a law.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// Fewer different mixtures and scales than parameters.
    TooFewRows { rows: usize, parameters: usize },
    /// A domain has the same weight in every row.
    NeverVaried { domain: String },
    /// The weights of rows are linearly dependent, so that these domains can't be told apart.
    Dependent { domains: Vec<String> },
    /// At the best fit these parameters can change together without changing any prediction.
    Undetermined { parameters: Vec<String> },
    /// More of a domain does not lower the loss, or not ever more slowly, as the law needs.
    NotConvexDecreasing { domain: String },
    /// The law needs the validation domain's own share, and no training domain has its name.
    NoOwnDomain { validation: String },
    /// No start of the search ended at finite parameters.
    NoFit,
}

/// Names, and reasons, that a sentence gives; the rest is counted.
const MOST_NAMED: usize = 8;
const MOST_REASONS: usize = 3;

/// "`a`, `b` and 90 more".
fn list(names: &[String]) -> String {
    let shown = names.len().min(MOST_NAMED);
    let more = match names.len() - shown {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("`{}`{more}", names[..shown].join("`, `"))
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewRows { rows, parameters } => write!(
                f,
                "{rows} different mixtures and scales are too few for {parameters} parameters"
            ),
            Self::NeverVaried { domain } => {
                write!(f, "`{domain}` has the same weight in every row")
            }
            Self::Dependent { domains } => write!(
                f,
                "the weights of {} move together in all rows, so their effects can't be told apart",
                list(domains)
            ),
            Self::Undetermined { parameters } => write!(
                f,
                "{} can change together without changing any prediction",
                list(parameters)
            ),
            Self::NotConvexDecreasing { domain } => write!(
                f,
                "more of `{domain}` does not lower the loss ever more slowly, which the law says it must"
            ),
            Self::NoOwnDomain { validation } => {
                write!(
                    f,
                    "no training domain is called `{validation}`, whose own share the law needs"
                )
            }
            Self::NoFit => write!(f, "no start of the search ended at finite parameters"),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum LawError {
    /// The table can't be used.
    #[error("{words}")]
    Table { words: String },
    /// An option, a goal, bounds or a point can't be used.
    #[error("{words}")]
    Option { words: String },
    /// The rows can't identify the law.
    #[error("{}", not_identified(*law, target.as_deref(), reasons, would_identify))]
    NotIdentified {
        law: LawName,
        /// The validation domain, where it is one.
        target: Option<String>,
        reasons: Vec<Reason>,
        /// Mixtures that would identify it, in the order of `domains`.
        would_identify: Vec<Suggestion>,
        domains: Vec<String>,
    },
    /// The rows less a fold of a cross-validation can't be fitted.
    #[error("cross-validation fits {rows} of {of} rows at a time: {error}")]
    Fold { rows: usize, of: usize, error: Box<LawError> },
}

impl LawError {
    pub(crate) fn table(words: String) -> Self {
        Self::Table { words }
    }

    pub(crate) fn option(words: impl Into<String>) -> Self {
        Self::Option { words: words.into() }
    }

    /// Why the rows can't identify the law; empty for other errors.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::NotIdentified { reasons, .. } => reasons,
            Self::Fold { error, .. } => error.reasons(),
            _ => &[],
        }
    }

    /// Mixtures whose training would identify the law; empty for other errors.
    #[must_use]
    pub fn would_identify(&self) -> &[Suggestion] {
        match self {
            Self::NotIdentified { would_identify, .. } => would_identify,
            Self::Fold { error, .. } => error.would_identify(),
            _ => &[],
        }
    }
}

fn not_identified(
    law: LawName,
    target: Option<&str>,
    reasons: &[Reason],
    rows: &[Suggestion],
) -> String {
    let of = target.map(|name| format!(" of `{name}`")).unwrap_or_default();
    let mut why: Vec<String> = reasons.iter().take(MOST_REASONS).map(ToString::to_string).collect();
    if reasons.len() > MOST_REASONS {
        why.push(format!("and {} more reasons like these", reasons.len() - MOST_REASONS));
    }
    let todo = match rows.len() {
        0 => "train further mixtures or choose a law of fewer parameters".to_string(),
        count => {
            format!("train the {count} suggested mixtures or choose a law of fewer parameters")
        }
    };
    format!("the rows do not identify the `{law}` law{of}: {}; {todo}", why.join("; "))
}
