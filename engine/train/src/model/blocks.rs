//! The layers that GPT-2 and BERT share. Activations are [rows, width] with rows = batch · tokens.

use crate::batch::DeviceBatch;
use crate::error::TrainError;
use crate::parameters::{Id, Init, Layout, Views};
use tch::Tensor;

/// Standard deviation of fresh weights.
pub(super) const DEVIATION: f64 = 0.02;

pub(super) struct LayerNorm {
    weight: Id,
    bias: Id,
    width: i64,
    epsilon: f64,
}

impl LayerNorm {
    pub fn new(layout: &mut Layout, name: &str, width: i64, epsilon: f64) -> LayerNorm {
        let weight = layout.add(format!("{name}.weight"), &[width], Init::Ones);
        let bias = layout.add(format!("{name}.bias"), &[width], Init::Zeros);
        LayerNorm { weight, bias, width, epsilon }
    }

    pub fn forward(&self, views: &Views, x: &Tensor) -> Result<Tensor, TrainError> {
        let (weight, bias) = (&views[self.weight], &views[self.bias]);
        Ok(x.f_layer_norm([self.width], Some(weight), Some(bias), self.epsilon, true)?)
    }
}

/// How a weight matrix is stored.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stored {
    /// [in, out]: GPT-2's `Conv1D`.
    InOut,
    /// [out, in]: `Linear`.
    OutIn,
}

pub(super) struct Linear {
    weight: Id,
    bias: Id,
    stored: Stored,
}

impl Linear {
    pub fn conv1d(
        layout: &mut Layout,
        name: &str,
        input: i64,
        output: i64,
        deviation: f64,
    ) -> Linear {
        let weight =
            layout.add(format!("{name}.weight"), &[input, output], Init::Normal(deviation));
        let bias = layout.add(format!("{name}.bias"), &[output], Init::Zeros);
        Linear { weight, bias, stored: Stored::InOut }
    }

    /// One product for several layers of the same shape: their outputs side by side.
    pub fn stacked(layout: &mut Layout, names: &[String], input: i64, output: i64) -> Linear {
        let named = |suffix: &str| names.iter().map(|name| format!("{name}.{suffix}")).collect();
        let weight = layout.add_stacked(named("weight"), &[output, input], Init::Normal(DEVIATION));
        let bias = layout.add_stacked(named("bias"), &[output], Init::Zeros);
        Linear { weight, bias, stored: Stored::OutIn }
    }

    pub fn forward(&self, views: &Views, x: &Tensor) -> Result<Tensor, TrainError> {
        let (weight, bias) = (&views[self.weight], &views[self.bias]);
        Ok(match self.stored {
            Stored::InOut => bias.f_addmm(x, weight)?,
            Stored::OutIn => bias.f_addmm(x, &weight.f_transpose(0, 1)?)?,
        })
    }
}

/// Multi-head attention from the fused projections `qkv` [rows, 3 · width] to [rows, width].
pub(super) fn attention(
    qkv: &Tensor,
    batch: &DeviceBatch,
    heads: i64,
    causal: bool,
    dropout: f64,
) -> Result<Tensor, TrainError> {
    let width = qkv.size()[1] / 3;
    let split = qkv.f_view([batch.rows, batch.tokens, 3, heads, width / heads])?;
    let parts = split.f_permute([2, 0, 3, 1, 4])?.f_unbind(0)?;
    let [query, key, value] = parts.as_slice() else {
        return Err(TrainError::Torch {
            detail: "attention projections did not split in three".into(),
        });
    };
    // Padding is on the right, where a causal model can't see it.
    let mask = if causal { None } else { batch.mask.as_ref() };
    let mixed = Tensor::f_scaled_dot_product_attention(
        query, key, value, mask, dropout, causal, None, false,
    )?;
    Ok(mixed.f_transpose(1, 2)?.f_reshape([batch.rows * batch.tokens, width])?)
}

pub(super) fn dropout(x: Tensor, probability: f64) -> Result<Tensor, TrainError> {
    if probability == 0.0 { Ok(x) } else { Ok(x.f_dropout(probability, true)?) }
}
