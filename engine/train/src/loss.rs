//! Cross-entropy of the tied output layer, and its gradients, in chunks of rows: the whole matrix of
//! logits (rows · vocabulary) never exists, and on a CPU a chunk stays in the cache from the product
//! that makes it to the two products that use it up.
//!
//! The gradients are written out: with p = softmax(logits), d loss / d logits = p - onehot(target).

use crate::cpu;
use crate::error::TrainError;
use crate::model::Output;
use crate::parameters::{Layout, Views};
use tch::{Device, Kind, Tensor, no_grad_guard};

/// Rows of a chunk of logits: on a CPU as few as its products are quick at (with less than 256 they are bound by
/// reading the weights), more on a GPU, where a kernel launch is what must be made worth it.
pub(crate) fn chunk_rows(device: Device, vocabulary: i64) -> i64 {
    match device {
        Device::Cpu => ((1 << 20) / vocabulary).max(256),
        _ => ((1 << 27) / vocabulary).max(32),
    }
}

/// The output layer of a model: weight [padded vocabulary, hidden] and, for some, bias [padded
/// vocabulary].
pub(crate) struct Head {
    weight: Tensor,
    bias: Option<Tensor>,
    vocabulary: i64,
}

/// Where the head's gradients are added up: fp32 views of the flat gradient.
pub(crate) struct HeadGradients {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Head {
    pub fn new(views: &Views, layout: &Layout, output: Output) -> Result<Head, TrainError> {
        let bias = output.bias.map(|id| views[id].f_detach()).transpose()?;
        let vocabulary = layout.stored_rows(output.weight);
        Ok(Head { weight: views[output.weight].f_detach()?, bias, vocabulary })
    }

    /// Logits [n, vocabulary] of `features` [n, hidden], in fp32.
    pub fn logits(&self, features: &Tensor) -> Result<Tensor, TrainError> {
        let logits = self.padded_logits(features)?.f_narrow(1, 0, self.vocabulary)?;
        Ok(logits.f_to_kind(Kind::Float)?)
    }

    /// Logits [n, padded vocabulary]; those that are no token's are -inf, so their probability is 0.
    fn padded_logits(&self, features: &Tensor) -> Result<Tensor, TrainError> {
        let product = cpu::product(features, &self.weight, self.bias.as_ref())?;
        let padding = product.size()[1] - self.vocabulary;
        if padding > 0 {
            let _ = product.f_narrow(1, self.vocabulary, padding)?.f_fill_(f64::NEG_INFINITY)?;
        }
        Ok(product)
    }

    /// Sum over rows of the cross-entropy in nats, as one f64 on the device.
    pub fn loss(&self, features: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
        let _guard = no_grad_guard();
        let mut sum = Tensor::f_zeros([], (Kind::Double, features.device()))?;
        for (start, count) in self.chunks(features) {
            let logits = self.padded_logits(&features.f_narrow(0, start, count)?)?;
            let targets = targets.f_narrow(0, start, count)?;
            sum = match cpu::cross_entropy(&logits, &targets, self.vocabulary)? {
                Some(chunk) => sum.f_add_scalar(chunk)?,
                None => sum.f_sub(&log_likelihood(&log_softmax(&logits)?, &targets)?)?,
            };
        }
        Ok(sum)
    }

    /// The summed cross-entropy of a chunk, one f64 on the device, and its gradient to `logits`, which are used up.
    fn chunk_loss(&self, logits: Tensor, targets: &Tensor) -> Result<(Tensor, Tensor), TrainError> {
        if let Some(sum) = cpu::cross_entropy(&logits, targets, self.vocabulary)? {
            return Ok((Tensor::from(sum), logits));
        }
        let mut chunk = log_softmax(&logits)?;
        let sum = log_likelihood(&chunk, targets)?.f_neg()?;
        let minus_one =
            Tensor::f_full([targets.size()[0], 1], -1.0, (Kind::Float, chunk.device()))?;
        let _ = chunk.f_exp_()?.f_scatter_add_(1, &targets.f_unsqueeze(1)?, &minus_one)?;
        Ok((sum, chunk.f_to_kind(logits.kind())?))
    }

    /// The same sum, and the gradients of `scale` times it: to the features as the result, to the head
    /// added into `gradients`.
    pub fn loss_and_gradient(
        &self,
        features: &Tensor,
        targets: &Tensor,
        scale: f64,
        gradients: &mut HeadGradients,
    ) -> Result<(Tensor, Tensor), TrainError> {
        let _guard = no_grad_guard();
        let scaled = features.f_mul_scalar(scale)?;
        let to_features = Tensor::f_empty(features.size(), (features.kind(), features.device()))?;
        let mut sum = Tensor::f_zeros([], (Kind::Double, features.device()))?;
        for (start, count) in self.chunks(features) {
            let rows = |tensor: &Tensor| tensor.f_narrow(0, start, count);
            let logits = self.padded_logits(&rows(features)?)?;
            let (loss, chunk) = self.chunk_loss(logits, &rows(targets)?)?;
            sum = sum.f_add(&loss)?;
            let back = cpu::product(&chunk, &self.weight.f_transpose(0, 1)?, None)?;
            rows(&to_features)?.f_copy_(&back)?;
            gradients.add(&chunk, &rows(&scaled)?, scale)?;
        }
        Ok((sum, to_features.f_mul_scalar(scale)?))
    }

    /// (first row, rows) of each chunk.
    fn chunks(&self, features: &Tensor) -> impl Iterator<Item = (i64, i64)> + use<> {
        let rows = features.size()[0];
        let most = chunk_rows(features.device(), self.weight.size()[0]);
        (0..rows).step_by(most as usize).map(move |start| (start, most.min(rows - start)))
    }
}

impl HeadGradients {
    /// Views into a flat gradient buffer.
    pub fn new(views: &Views, output: Output) -> HeadGradients {
        let bias = output.bias.map(|id| views[id].shallow_clone());
        HeadGradients { weight: views[output.weight].shallow_clone(), bias }
    }

    /// Adds what `chunk` [c, vocabulary] = d sum / d logits means for the head, times the scale that
    /// `scaled` = scale · features [c, hidden] already carries.
    fn add(&mut self, chunk: &Tensor, scaled: &Tensor, scale: f64) -> Result<(), TrainError> {
        let transposed = chunk.f_transpose(0, 1)?;
        if chunk.kind() == Kind::Float {
            let _ = self.weight.f_addmm_(&transposed, scaled)?;
        } else {
            let _ = self.weight.f_add_(&transposed.f_mm(scaled)?)?;
        }
        if let Some(bias) = &mut self.bias {
            let sum = chunk.f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Float)?;
            let _ = bias.f_add_(&sum.f_mul_scalar(scale)?)?;
        }
        Ok(())
    }
}

/// In fp32 whatever the logits are in, without a copy of them.
fn log_softmax(logits: &Tensor) -> Result<Tensor, TrainError> {
    Ok(logits.f_log_softmax(-1, Kind::Float)?)
}

/// Sum of the log-probabilities [c, vocabulary] at `targets` [c], as one f64.
fn log_likelihood(log_probabilities: &Tensor, targets: &Tensor) -> Result<Tensor, TrainError> {
    Ok(log_probabilities.f_gather(1, &targets.f_unsqueeze(1)?, false)?.f_sum(Kind::Double)?)
}
