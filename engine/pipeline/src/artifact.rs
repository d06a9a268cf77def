//! The JSON artifacts that stages hand each other. Domains go by the digest of their shard, never by
//! name, so that renaming one changes no byte.

use std::fs;
use std::path::Path;

use mixmake_core::exec::Failure;
use mixmake_core::{Digest, Store};
use mixmake_data::mixture::Mixture;
use mixmake_fit::{autoscale, ddo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::stage::train::TrainParams;

/// One split of a domain as tokens: what a mixture or an evaluation must know of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShardFacts {
    /// Digest of the `.bin`; the domain's identity everywhere below.
    pub bin: String,
    pub idx: String,
    pub tokens: u64,
    pub sequences: u64,
    pub chars: u64,
    /// Tokens of the longest sample.
    pub longest: u64,
    /// Token ids are below this.
    pub vocabulary: u32,
    /// Digest of the tokenizer.
    pub tokenizer: String,
}

/// What a training draws: exact counts, and the shards they are counts of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MixtureArtifact {
    pub mixture: Mixture,
    /// The shard of each part, in the order of the parts.
    pub shards: Vec<ShardFacts>,
}

/// Weights that a fit or a prediction found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Weights {
    pub total_tokens: f64,
    pub weights: Vec<ShardWeight>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShardWeight {
    pub shard: String,
    pub weight: f64,
}

/// The loss rows of one training, with all that their meaning depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Losses {
    pub parts: Vec<TrainedPart>,
    /// Tokens of the mixture, one epoch of it.
    pub mixture_tokens: u64,
    /// Tokens trained on, all epochs.
    pub tokens: u64,
    pub steps: u64,
    pub tokenizer: String,
    pub vocabulary: u32,
    pub mixture_seed: u64,
    pub configuration: TrainParams,
    pub rows: Vec<LossRow>,
}

/// How much of a domain a training saw in an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrainedPart {
    pub shard: String,
    pub tokens: u64,
    pub weight_requested: f64,
    pub weight_achieved: f64,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LossRow {
    pub step: u64,
    /// Tokens trained on when it was measured.
    pub tokens: u64,
    /// Digest of the held-out shard's `.bin`.
    pub held_out: String,
    /// Mean token cross-entropy, in nats.
    pub loss: f64,
    /// Tokens the mean is over.
    pub held_out_tokens: u64,
    /// Of the schedule `wsd`: measured on a branch that decayed, as of a training of so many tokens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decayed: bool,
}

/// Where a training ended, or where it would have ended had it been shorter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct End<'a> {
    losses: &'a Losses,
    pub step: u64,
    /// Tokens trained on.
    pub tokens: u64,
    pub decayed: bool,
}

impl<'a> End<'a> {
    pub fn rows(self) -> impl Iterator<Item = &'a LossRow> {
        let Self { losses, step, decayed, .. } = self;
        losses.rows.iter().filter(move |row| row.step == step && row.decayed == decayed)
    }

    #[must_use]
    pub fn loss(self, held_out: &str) -> Option<f64> {
        self.rows().find(|row| row.held_out == held_out).map(|row| row.loss)
    }

    /// Tokens of a part that it had seen, each counted once however many epochs there were.
    #[must_use]
    pub fn tokens_of(self, part: &TrainedPart) -> u64 {
        let share = self.tokens as f64 / self.losses.mixture_tokens.max(1) as f64;
        if self.decayed {
            (part.tokens as f64 * share.min(1.0)).round() as u64
        } else {
            part.tokens
        }
    }
}

impl Losses {
    /// The ends of the branches of a `wsd` run, the shortest first, and that of the run.
    pub fn ends(&self) -> impl Iterator<Item = End<'_>> {
        let end = |row: &LossRow| End {
            losses: self,
            step: row.step,
            tokens: row.tokens,
            decayed: row.decayed,
        };
        let mut ends: Vec<_> = self.rows.iter().filter(|row| row.decayed).map(end).collect();
        ends.sort_by_key(|end| end.step);
        ends.dedup_by_key(|end| end.step);
        ends.into_iter().chain(self.last().next().map(end))
    }

    /// The rows of the last evaluation.
    pub fn last(&self) -> impl Iterator<Item = &LossRow> {
        let step = self.rows.iter().map(|row| row.step).max();
        self.rows.iter().filter(move |row| Some(row.step) == step)
    }

    /// The final loss on one held-out set.
    #[must_use]
    pub fn final_loss(&self, held_out: &str) -> Option<f64> {
        self.last().find(|row| row.held_out == held_out).map(|row| row.loss)
    }
}

/// A DDO fit; its lists are over `shards`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FitArtifact {
    pub shards: Vec<String>,
    pub fit: ddo::DdoFit,
    /// Tokens of a domain that the fit would have liked more of.
    pub available_tokens: Vec<f64>,
    /// What was fitted and how, so that whoever builds on the optimum can redraw it.
    pub evidence: ddo::Evidence,
    pub options: ddo::Options,
}

/// An AutoScale prediction; its lists are over `shards`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PredictionArtifact {
    pub shards: Vec<String>,
    pub prediction: autoscale::Prediction,
    /// What the noise of the fits' runs makes of it; none where nothing shows the noise.
    #[serde(default)]
    pub intervals: Option<autoscale::Intervals>,
    /// Weights at totals between the smallest scale and the target, for figures.
    pub path: Vec<(f64, Vec<f64>)>,
}

/// Reads a JSON artifact.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let fail = |what: String| Failure::new(format!("cannot read `{}`: {what}", path.display()));
    let bytes = fs::read(path).map_err(|error| fail(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| fail(error.to_string()))
}

/// Reads a JSON artifact from the store, after every byte of it was checked.
pub fn read_object<T: DeserializeOwned>(store: &Store, digest: Digest) -> Result<T, Failure> {
    let path = store.object_path(digest);
    let fail = |what: String| Failure::new(format!("cannot read `{}`: {what}", path.display()));
    let bytes = store.read_object(digest).map_err(|error| fail(error.to_string()))?;
    let gone = || fail("it is gone or was damaged".into()).hint("`mixmake run` makes it again");
    serde_json::from_slice(&bytes.ok_or_else(gone)?).map_err(|error| fail(error.to_string()))
}

/// Writes a JSON artifact: indented, since people read these too.
pub fn write<T: Serialize>(path: &Path, artifact: &T) -> Result<(), Failure> {
    let fail = |what: String| Failure::new(format!("cannot write `{}`: {what}", path.display()));
    let mut text =
        serde_json::to_string_pretty(artifact).map_err(|error| fail(error.to_string()))?;
    text.push('\n');
    fs::write(path, text).map_err(|error| fail(error.to_string()))
}
