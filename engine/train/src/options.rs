//! How a training is carried out: what changes its speed and memory, and of its result the rounding at
//! most. Never part of a key; the receipt names what was used.

use serde::{Deserialize, Serialize};

/// `[runtime]` of a manifest, as far as one training is concerned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Options {
    /// Tokens of a forward and backward pass, at least one row; none for what fits.
    pub micro_batch: Option<u64>,
    pub recompute: Recompute,
    pub deterministic: Deterministic,
}

/// Whether activations within a layer are computed again on the way back instead of being kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recompute {
    /// Where the training would not fit otherwise.
    #[default]
    Auto,
    Always,
    Never,
}

/// Whether a GPU must add up in a fixed order. A CPU always does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deterministic {
    /// For models of less than [`Deterministic::PROXY`] parameters.
    #[default]
    Auto,
    Always,
    Never,
}

impl Deterministic {
    /// Parameters below which a model counts as a proxy.
    pub const PROXY: u64 = 100_000_000;

    /// Whether a model of so many parameters is trained deterministically.
    #[must_use]
    pub fn holds(self, parameters: u64) -> bool {
        match self {
            Deterministic::Auto => parameters < Deterministic::PROXY,
            Deterministic::Always => true,
            Deterministic::Never => false,
        }
    }
}
