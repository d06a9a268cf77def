//! Evaluation: the mean cross-entropy of each held-out domain over the whole of its set.

use crate::batch::Reader;
use crate::error::TrainError;
use crate::masking::Objective;
use crate::network::Network;
use serde::{Deserialize, Serialize};

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
}

/// Mean cross-entropy in nats over all predicted tokens of a set, and their number. Batch sums are added
/// in f64, so the batch size hardly shows.
pub(crate) fn mean_loss(
    network: &Network,
    reader: &Reader,
    rows: u64,
) -> Result<(f64, u64), TrainError> {
    let views = network.frozen_views()?;
    let (mut sum, mut predictions) = (0.0, 0);
    for batch in reader.batches(0..reader.data.len(), rows) {
        let batch = batch?;
        if batch.predictions() > 0 {
            sum += network.loss(&views, &batch)?;
            predictions += batch.predictions();
        }
    }
    if predictions == 0 {
        return Err(TrainError::NothingToPredict { set: reader.set.to_owned() });
    }
    Ok((sum / predictions as f64, predictions))
}

/// The set's name in messages.
pub(crate) fn set_name(domain: &str) -> String {
    format!("held-out set of `{domain}`")
}

impl Network {
    /// Mean cross-entropy in nats of a causal model over `data` by batches of `rows`, and how many tokens that predicted.
    ///
    /// # Errors
    /// A set without anything to predict or with tokens the model doesn't know, or no memory.
    pub fn evaluate(
        &self,
        data: &dyn crate::Sequences,
        rows: u64,
    ) -> Result<(f64, u64), TrainError> {
        let config = self.config();
        let (context, vocabulary) = (config.context, config.vocabulary);
        let set = "evaluation set";
        mean_loss(
            self,
            &Reader { data, set, objective: Objective::Causal, context, vocabulary, pad: 0 },
            rows,
        )
    }
}
