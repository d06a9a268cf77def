//! The words of mixtures: what is asked for, what there is, what comes out, what can be wrong.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is asked for. Lists are in the caller's canonical order, one entry a part.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MixtureRequest {
    /// Shares, at least 0, of any positive sum.
    pub weights: Vec<f64>,
    /// The amount the weights divide.
    pub total: Total,
    /// What is counted.
    pub unit: Unit,
    /// DDO's perturbation: one factor a part, at least 0; none where empty.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub factors: Vec<f64>,
    /// What the factors do to the total.
    #[serde(default)]
    pub total_rule: TotalRule,
    /// How often a unit may occur in one epoch, at least 1.
    pub max_repeats: u32,
    /// Decides which units, and their order.
    pub seed: u64,
}

/// An amount of training data.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Total {
    /// Tokens, rounded down to whole blocks. Only for [`Unit::Block`].
    Tokens(u64),
    /// Blocks or samples.
    Units(u64),
}

/// What a mixture counts.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Blocks of so many tokens of the concatenated shard (GPT-2); a shorter rest is not used.
    Block {
        /// Tokens of a block.
        tokens: u64,
    },
    /// Sequences of the shard (BERT).
    Sample,
}

/// What factors do to the total (methods.md section 2).
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub enum TotalRule {
    /// Only the parts with a factor other than 1 change, so the total moves (Algorithm 1).
    #[default]
    Free,
    /// The total stays; weights times factors divide it.
    Fixed,
}

/// What a shard has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardFacts {
    /// Digest of its `.bin`, as text.
    pub digest: String,
    /// Tokens.
    pub tokens: u64,
    /// Sequences.
    pub sequences: u64,
}

/// A mixture: exact counts, a seed and digests, bytes rather than copies.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mixture {
    /// Decides which units, and their order.
    pub seed: u64,
    /// What is counted.
    pub unit: Unit,
    /// The parts, in the request's order, those of weight 0 included.
    pub parts: Vec<Part>,
}

/// One shard's part of a mixture.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Part {
    /// Digest of its `.bin`, as text.
    pub shard: String,
    /// The share asked for, factors included; the parts' shares sum to 1.
    pub weight_requested: f64,
    /// The share of the units; the parts' shares sum to 1.
    pub weight_achieved: f64,
    /// Units in an epoch.
    pub units: u64,
    /// Units the shard has.
    pub units_available: u64,
    /// Tokens in an epoch: exact for blocks; for samples the mean length times the units, rounded down.
    pub tokens: u64,
}

impl Mixture {
    /// Units in an epoch.
    pub fn units_total(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.units))
    }

    /// Tokens in an epoch.
    pub fn tokens_total(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.tokens))
    }
}

/// A part that asks for more than there is.
#[derive(Clone, PartialEq, Debug)]
pub struct Shortage {
    /// Its position among the parts.
    pub part: usize,
    /// Digest of its shard.
    pub shard: String,
    /// Units asked for.
    pub asked: u64,
    /// Units the shard has.
    pub available: u64,
    /// The smallest `max-repeats` that would do; `None` where the shard has no unit at all.
    pub repeats_needed: Option<u64>,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, shard, asked, available, repeats_needed } = self;
        let shard: String = shard.chars().take(12).collect();
        write!(f, "part {part} (shard `{shard}`) asks for {asked} units, {available} exist")?;
        match repeats_needed {
            Some(repeats) => write!(f, ", which needs `max-repeats = {repeats}`"),
            None => write!(f, ", it is too short for even one"),
        }
    }
}

/// Why a mixture cannot be made or read.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum MixtureError {
    /// A list of another length than the shards'.
    #[error("there are {found} {what} for {expected} shards")]
    Length {
        /// `weights` or `factors`.
        what: &'static str,
        /// Entries given.
        found: usize,
        /// Shards given.
        expected: usize,
    },
    /// A weight or factor that is negative or no number.
    #[error("{what} {index} is {value}, expected a finite number of at least 0")]
    Value {
        /// `weight` or `factor`.
        what: &'static str,
        /// Its position.
        index: usize,
        /// The value.
        value: f64,
    },
    /// No weight above 0.
    #[error("no weight is above 0, so there is nothing to divide")]
    NoWeight,
    /// A total that cannot give each part one unit.
    #[error(
        "{total} units cannot give each of {parts} parts at least one; raise the total or set weights to 0"
    )]
    TooSmall {
        /// Units to divide.
        total: u64,
        /// Parts of weight above 0.
        parts: u64,
    },
    /// A number that makes no sense.
    #[error("`{field}` {problem}")]
    Field {
        /// The field, as a manifest spells it.
        field: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// More than exists, even repeated.
    #[error(
        "more data is asked for than exists with `max-repeats = {max_repeats}`: {}",
        list(shortages)
    )]
    NotEnough {
        /// The repeats allowed.
        max_repeats: u32,
        /// The parts concerned.
        shortages: Vec<Shortage>,
    },
    /// A mixture that contradicts itself.
    #[error("the mixture is not valid: {0}; build it again")]
    Invalid(String),
}

fn list(shortages: &[Shortage]) -> String {
    let all: Vec<String> = shortages.iter().map(ToString::to_string).collect();
    all.join("; ")
}
