//! Carrying out a branch: decay from here, evaluate, and go back.

use super::data::{Step, next, reading};
use super::{Observer, Progress, Run, State};
use crate::branch::Branch;
use crate::error::TrainError;
use crate::schedule::learning_rate;
use std::ops::ControlFlow;
use std::sync::mpsc::Receiver;
use tch::{Device, Tensor, no_grad_guard};

impl Run<'_> {
    /// Whether the losses of that branch are known.
    pub(super) fn has_branch(&self, branch: Branch) -> bool {
        self.history.rows.iter().any(|row| row.decayed && row.step == branch.steps)
    }

    /// Measures a branch that leaves the trunk here; whatever becomes of it, the trunk then stands where it stood.
    pub(super) fn branch(
        &mut self,
        branch: Branch,
        observer: Observer,
    ) -> Result<ControlFlow<()>, TrainError> {
        let trunk = (self.launched, self.tokens_before, self.kept_state()?);
        let mut reader = self.training.clone();
        reader.shape = self.shape(true);
        let (steps, rows) = (branch.from..branch.steps, self.config.batch_sequences);
        let flow = reading(&reader, steps, rows, |batches| self.decay(branch, batches, observer));
        let state;
        (self.launched, self.tokens_before, state) = trunk;
        let dropped = self.pending.read();
        self.restore(&state)?;
        dropped.and(flow)
    }

    fn decay(
        &mut self,
        branch: Branch,
        batches: &Receiver<Step>,
        observer: Observer,
    ) -> Result<ControlFlow<()>, TrainError> {
        let config = self.config.of_branch(self.steps);
        while self.launched.0 < branch.steps {
            let batches = next(batches)?;
            let rate = learning_rate(&config, self.launched.0, branch.steps);
            self.launch(&batches, rate)?;
            if self.pending.is_due() || self.launched.0 == branch.steps {
                for point in self.pending.read()? {
                    self.check_finite(&point)?;
                }
            }
            let (step, tokens) = self.launched;
            let decaying = Progress::Decaying { step, steps: branch.steps, tokens };
            if observer(&decaying).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let (step, tokens) = self.launched;
        self.evaluate(step, tokens, true, observer)?;
        Ok(ControlFlow::Continue(()))
    }

    /// A copy of what steps change, in the memory of the host: that of a GPU has no room to spare.
    fn kept_state(&self) -> Result<State, TrainError> {
        let _guard = no_grad_guard();
        let kept = |tensor: &Tensor| -> Result<Tensor, TrainError> {
            let mut copy = Tensor::f_empty(tensor.size(), (tensor.kind(), Device::Cpu))?;
            copy.f_copy_(tensor)?;
            Ok(copy)
        };
        let State { parameters, first, second } = self.state();
        Ok(State { parameters: kept(&parameters)?, first: kept(&first)?, second: kept(&second)? })
    }
}
