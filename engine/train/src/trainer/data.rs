//! Batches of a run, read ahead by a thread of their own, and what names its data.

use crate::batch::{Batch, Reader, Shape};
use crate::config::TrainConfig;
use crate::device::Machine;
use crate::error::TrainError;
use crate::masking::Objective;
use crate::sequences::Sequences;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Steps whose batches are read ahead.
const AHEAD: usize = 2;

/// The batches of a step.
pub(super) type Step = Result<Vec<Batch>, TrainError>;

/// Lets `work` take the batches of one of `steps` after the other, which a thread reads ahead.
pub(super) fn reading<T>(
    reader: &Reader,
    steps: Range<u64>,
    rows: u64,
    work: impl FnOnce(&Receiver<Step>) -> T,
) -> T {
    std::thread::scope(|scope| {
        let (sender, batches) = sync_channel(AHEAD);
        scope.spawn(move || read_ahead(reader, steps, rows, &sender));
        work(&batches)
    })
}

/// The batches of the next step.
pub(super) fn next(batches: &Receiver<Step>) -> Step {
    let gone = |_| Err(TrainError::Torch { detail: "reading batches crashed".into() });
    batches.recv().unwrap_or_else(gone)
}

/// Sends the batches of each of `steps` until nobody wants them any more.
fn read_ahead(reader: &Reader, steps: Range<u64>, rows: u64, sender: &SyncSender<Step>) {
    for step in steps {
        let batches = batches_of(reader, step, rows);
        let failed = batches.is_err();
        if sender.send(batches).is_err() || failed {
            return;
        }
    }
}

pub(super) fn batches_of(reader: &Reader, step: u64, rows: u64) -> Step {
    let start = step * rows;
    let batches = reader.batches(start..reader.data.len().min(start + rows))?;
    if batches.iter().all(|batch| batch.predictions() == 0) {
        return Err(TrainError::NothingToPredict {
            set: format!("training set's batch at step {}", step + 1),
        });
    }
    Ok(batches)
}

pub(super) fn reader<'a>(
    config: &TrainConfig,
    machine: Machine,
    data: &'a dyn Sequences,
    set: String,
    objective: Objective,
) -> Reader<'a> {
    let (context, vocabulary) = (config.model.context, config.model.vocabulary);
    let tokens = machine.tokens_per_pass();
    let shape = Shape { padding: config.padding, tokens, slack: machine.slack(), alone: false };
    let pad = config.pad_token.unwrap_or(0).into();
    Reader { data, set, objective, context, vocabulary, pad, shape }
}

pub(super) fn hash_ends(hasher: &mut blake3::Hasher, data: &dyn Sequences) {
    hasher.update(&data.len().to_le_bytes());
    let mut tokens = Vec::new();
    for index in [0, data.len() / 2, data.len().saturating_sub(1)] {
        data.read(index, &mut tokens);
        tokens.iter().for_each(|token| {
            hasher.update(&token.to_le_bytes());
        });
    }
}
