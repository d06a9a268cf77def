//! What a caller chooses: the law, what is to be made small, and how to fit.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A law of losses in mixtures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LawName {
    Ddo,
    Exponential,
    Additive,
    InverseSum,
    InverseSumJoint,
    Bimix,
    LogLinear,
    Linear,
    Trees,
}

impl LawName {
    pub const ALL: [Self; 9] = [
        Self::Ddo,
        Self::Exponential,
        Self::Additive,
        Self::InverseSum,
        Self::InverseSumJoint,
        Self::Bimix,
        Self::LogLinear,
        Self::Linear,
        Self::Trees,
    ];

    /// The name in options and results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ddo => "ddo",
            Self::Exponential => "exponential",
            Self::Additive => "additive",
            Self::InverseSum => "inverse-sum",
            Self::InverseSumJoint => "inverse-sum-joint",
            Self::Bimix => "bimix",
            Self::LogLinear => "log-linear",
            Self::Linear => "linear",
            Self::Trees => "trees",
        }
    }

    /// The formula in plain text: h weights, n = h D amounts, D tokens, N model size.
    #[must_use]
    pub fn formula(self) -> &'static str {
        match self {
            Self::Ddo => {
                "L0 (1 + sum_j [(x_j + a_j)^-b_j - (1 + a_j)^-b_j]), x_j = n_j / reference"
            }
            Self::Exponential => "c + k exp(sum_j t_j h_j) [+ A/N^alpha + B/D^beta]",
            Self::Additive => "c + sum_j k_j (a_j + n_j)^-b_j [+ A/N^alpha]",
            Self::InverseSum => "E + 1 / sum_j C_j h_j^g_j [+ A/N^alpha + B/D^beta]",
            Self::InverseSumJoint => {
                "E + 1 / sum_j C_j h_j^g_j + (sum_j CA_j h_j)^gA / N^alpha + (sum_j CB_j h_j)^gB / D^beta"
            }
            Self::Bimix => "(B / D^beta + C) / h_own^alpha [+ A/N^alpha_N]",
            Self::LogLinear => "exp(sum_j t_j h_j) [D^-beta N^-alpha]",
            Self::Linear => "sum_j w_j h_j [+ A/N^alpha + B/D^beta]",
            Self::Trees => "gradient-boosted regression trees over h [, D, N]",
        }
    }

    /// Where the law comes from.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Ddo | Self::Additive => "Kang et al., AutoScale, arXiv 2407.20177",
            Self::Exponential => "Ye et al., Data Mixing Laws, arXiv 2403.16952",
            Self::InverseSum | Self::InverseSumJoint => {
                "Shukor et al., Scaling Laws for Optimal Data Mixtures, arXiv 2507.09404"
            }
            Self::Bimix => "Ge et al., BiMix, arXiv 2405.14908",
            Self::LogLinear => "log-linear regression; Chen et al., Olmix, arXiv 2602.12237",
            Self::Linear | Self::Trees => "Liu et al., RegMix, arXiv 2407.01492",
        }
    }
}

impl fmt::Display for LawName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LawName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = Self::ALL.map(Self::as_str).join("`, `");
        Self::ALL
            .into_iter()
            .find(|law| law.as_str() == text)
            .ok_or_else(|| format!("there is no law `{text}`; choose one of `{all}`"))
    }
}

/// What a law is fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// One law per validation domain.
    #[default]
    EachValidation,
    /// One law on the goal itself, a mean over validation domains.
    Goal,
}

/// How losses of the validation domains become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoalKind {
    /// Mean cross-entropy.
    #[default]
    MeanLoss,
    /// Mean of exp(cross-entropy).
    MeanPerplexity,
    /// The largest cross-entropy.
    WorstLoss,
}

/// What is to be made small.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Goal {
    pub kind: GoalKind,
    /// Weight of each validation domain in the mean (for the worst: which count, weight above 0); empty for all
    /// equally. A domain that is not named has none.
    pub importance: BTreeMap<String, f64>,
}

impl Goal {
    #[must_use]
    pub fn new(kind: GoalKind) -> Self {
        Self { kind, importance: BTreeMap::new() }
    }
}

/// Which scales a law has terms for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleTerms {
    /// Those that vary over the rows.
    #[default]
    Auto,
    None,
    Tokens,
    Size,
    Both,
}

impl ScaleTerms {
    pub(crate) fn of(tokens: bool, size: bool) -> Self {
        match (tokens, size) {
            (false, false) => Self::None,
            (true, false) => Self::Tokens,
            (false, true) => Self::Size,
            (true, true) => Self::Both,
        }
    }

    pub(crate) fn tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::Both)
    }

    pub(crate) fn size(self) -> bool {
        matches!(self, Self::Size | Self::Both)
    }
}

/// How gradient-boosted trees grow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TreeOptions {
    pub rounds: usize,
    pub learning_rate: f64,
    pub depth: usize,
    /// Least rows of a leaf.
    pub leaf: usize,
    /// Share of rows each tree sees.
    pub rows: f64,
    /// Share of features each tree may split.
    pub features: f64,
    /// Penalty on the squares of leaf values.
    pub ridge: f64,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self {
            rounds: 500,
            learning_rate: 0.06,
            depth: 4,
            leaf: 3,
            rows: 0.6,
            features: 1.0,
            ridge: 0.5,
        }
    }
}

/// How to fit a law.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FitOptions {
    pub over: Over,
    /// Only looked at where the law is fitted over the goal.
    pub goal: Goal,
    pub scale: ScaleTerms,
    /// Residual in nats beyond which errors count linearly (Huber); least squares without.
    pub huber: Option<f64>,
    /// Descents of each fit.
    pub starts: usize,
    pub seed: u64,
    /// Weights of the reference mixture in the order of the sorted domains; else the mixture trained most often, of those
    /// the one nearest to the mean of all.
    pub reference: Option<Vec<f64>>,
    pub trees: TreeOptions,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            over: Over::default(),
            goal: Goal::default(),
            scale: ScaleTerms::default(),
            huber: None,
            starts: 32,
            seed: 0,
            reference: None,
            trees: TreeOptions::default(),
        }
    }
}

/// A mixture at a scale.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// Share of each training domain in the order of the sorted names.
    pub weights: Vec<f64>,
    /// Tokens; needed where the law has a term for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<f64>,
    /// Model parameters; needed where the law has a term for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_laws_read_back() {
        for law in LawName::ALL {
            assert_eq!(law.as_str().parse::<LawName>(), Ok(law));
        }
        assert!("pwoer".parse::<LawName>().unwrap_err().contains("`inverse-sum`"));
    }
}
