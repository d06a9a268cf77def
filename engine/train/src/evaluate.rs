//! Evaluation: the mean cross-entropy of each held-out domain over the whole of its set.

use crate::batch::{Padding, Reader, Shape};
use crate::error::TrainError;
use crate::masking::Objective;
use crate::network::Network;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// The loss of one held-out domain at one point of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EvalRow {
    /// Optimiser steps done.
    pub step: u64,
    /// Training tokens seen.
    pub tokens: u64,
    pub domain: String,
    /// Mean cross-entropy in nats over `tokens_evaluated`.
    pub loss: f64,
    /// Tokens predicted.
    pub tokens_evaluated: u64,
    /// Of a `wsd` run: whether it was measured at the end of a decay of its own, as of a run of so many tokens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decayed: bool,
}

/// Sequences that are read, and sorted by length, at a time.
const WINDOW: u64 = 256;

/// Mean cross-entropy in nats over all predicted tokens of a set, and their number. Batch sums are added
/// in f64, so the batch size hardly shows.
pub(crate) fn mean_loss(network: &Network, reader: &Reader) -> Result<(f64, u64), TrainError> {
    let views = network.frozen_views()?;
    let mut sum = Tensor::f_zeros([], (Kind::Double, network.flat().device()))?;
    let mut predictions = 0;
    let all = reader.data.len();
    for start in (0..all).step_by(WINDOW as usize) {
        for batch in reader.batches(start..all.min(start + WINDOW))? {
            if batch.predictions() > 0 {
                sum = sum.f_add(&network.loss(&views, &batch)?)?;
                predictions += batch.predictions();
            }
        }
    }
    if predictions == 0 {
        return Err(TrainError::NothingToPredict { set: reader.set.clone() });
    }
    Ok((sum.f_double_value(&[])? / predictions as f64, predictions))
}

/// The set's name in messages.
pub(crate) fn set_name(domain: &str) -> String {
    format!("held-out set of `{domain}`")
}

impl Network {
    /// Mean cross-entropy in nats of a causal model over `data` by batches of at most `tokens`, and how many tokens that predicted.
    ///
    /// # Errors
    /// A set without anything to predict or with tokens the model doesn't know, or no memory.
    pub fn evaluate(
        &self,
        data: &dyn crate::Sequences,
        tokens: u64,
    ) -> Result<(f64, u64), TrainError> {
        let config = self.config();
        let shape = Shape { padding: Padding::Packed, tokens, slack: 0.0, alone: false };
        let reader = Reader {
            data,
            set: "evaluation set".into(),
            objective: Objective::Causal,
            context: config.context,
            vocabulary: config.vocabulary,
            pad: 0,
            shape,
        };
        mean_loss(self, &reader)
    }
}
