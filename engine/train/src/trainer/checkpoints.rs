//! Writing down where a run stands, and going on from there.

use super::data::hash_ends;
use super::{History, Run, State, TrainFiles};
use crate::checkpoint::{self, Snapshot};
use crate::error::TrainError;
use std::time::Instant;
use tch::no_grad_guard;

impl Run<'_> {
    pub(super) fn checkpoint(&mut self) -> Result<(), TrainError> {
        self.saved_at = Instant::now();
        if !self.saver.is_wanted() {
            return Ok(());
        }
        let snapshot = Snapshot::take(self.digest()?, &self.state(), &self.history)?;
        self.saver.start(self.history.step, snapshot)
    }

    /// The tensors that a step changes, themselves.
    pub(super) fn state(&self) -> State {
        State {
            parameters: self.network.flat().shallow_clone(),
            first: self.optimizer.first.shallow_clone(),
            second: self.optimizer.second.shallow_clone(),
        }
    }

    pub(super) fn restore(&self, saved: &State) -> Result<(), TrainError> {
        let _guard = no_grad_guard();
        let State { parameters, first, second } = self.state();
        let saved = [&saved.parameters, &saved.first, &saved.second];
        for (mut target, saved) in [parameters, first, second].into_iter().zip(saved) {
            target.f_copy_(saved)?;
        }
        Ok(())
    }

    pub(super) fn resume(&mut self, files: &TrainFiles) -> Result<(), TrainError> {
        let Some(folder) = &files.checkpoints else { return Ok(()) };
        let Some((state, history)) = checkpoint::read(folder, &self.digest()?) else {
            return Ok(());
        };
        self.restore(&state)?;
        // What the run has found to fit still does; a choice of the user's comes first.
        if self.options.micro_batch.is_none() {
            self.plan.micro_batch = history.micro_batch;
        }
        self.launched = (history.step, history.tokens);
        let before = history.curve.len().checked_sub(2).and_then(|last| history.curve.get(last));
        self.tokens_before = before.map_or(0, |point| point.tokens);
        self.history = History { micro_batch: self.plan.micro_batch, ..history };
        Ok(())
    }

    /// Names the run: configuration, numerics, how much data, and what its ends look like.
    fn digest(&self) -> Result<String, TrainError> {
        let mut hasher = blake3::Hasher::new();
        let facts = (self.config, self.numerics(), self.training.data.len());
        let facts = serde_json::to_vec(&facts)
            .map_err(|error| TrainError::Torch { detail: error.to_string() })?;
        hasher.update(&facts);
        hash_ends(&mut hasher, self.training.data);
        for held_out in self.held_out {
            hasher.update(held_out.domain.as_bytes());
            hash_ends(&mut hasher, held_out.sequences);
        }
        Ok(hasher.finalize().to_string())
    }
}
