//! The layers that GPT-2 and BERT share. Activations are [tokens, width], the tokens of all rows of a
//! batch one after the other.

use crate::batch::{DeviceBatch, DeviceGroup};
use crate::cpu;
use crate::dropout::{Dropout, Site};
use crate::error::TrainError;
use crate::parameters::{Id, Init, Layout, Views};
use tch::Tensor;

/// Standard deviation of fresh weights.
pub(super) const DEVIATION: f64 = 0.02;

/// Rows of an embedding table that are no token's, so that the output layer's products have a width that
/// tensor cores like. They stay zero and are never stored.
const MULTIPLE: i64 = 64;

/// A table [vocabulary, width] or a bias [vocabulary] of the tied output layer, padded inside the model.
pub(super) fn of_vocabulary(layout: &mut Layout, name: &str, shape: &[i64], init: Init) -> Id {
    let padding = (MULTIPLE - shape[0] % MULTIPLE) % MULTIPLE;
    layout.add_padded(name, shape, init, padding)
}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
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
        cpu::linear(x, &views[self.weight], &views[self.bias], self.stored)
    }
}

/// Multi-head attention from the fused projections `qkv` [tokens, 3 · width] to [tokens, width]: each
/// group of rows by itself.
pub(super) fn attention(
    qkv: &Tensor,
    batch: &DeviceBatch,
    heads: i64,
    causal: bool,
    layer: usize,
) -> Result<Tensor, TrainError> {
    if let [group] = batch.groups.as_slice() {
        return attend(qkv, group, heads, causal, batch.dropout.as_ref().map(|d| (d, 0, layer)));
    }
    let sizes: Vec<i64> = batch.groups.iter().map(|group| group.rows * group.width).collect();
    let parts = qkv.f_split_with_sizes(&sizes, 0)?;
    let mut mixed = Vec::with_capacity(parts.len());
    for (index, (part, group)) in parts.iter().zip(&batch.groups).enumerate() {
        // With dropout, a group is one row.
        let chance = batch.dropout.as_ref().map(|dropout| (dropout, index, layer));
        mixed.push(attend(part, group, heads, causal, chance)?);
    }
    Ok(Tensor::f_cat(&mixed, 0)?)
}

/// Attention within rows of one width. `chance`: the dropout, the row and the layer.
fn attend(
    qkv: &Tensor,
    group: &DeviceGroup,
    heads: i64,
    causal: bool,
    chance: Option<(&Dropout, usize, usize)>,
) -> Result<Tensor, TrainError> {
    let width = qkv.size()[1] / 3;
    let by_head = |part: &Tensor| {
        part.f_view([group.rows, group.width, heads, width / heads])?.f_transpose(1, 2)
    };
    let parts = qkv.f_split_with_sizes([width, width, width].as_slice(), 1)?;
    let parts = parts.iter().map(by_head).collect::<Result<Vec<_>, _>>()?;
    let [query, key, value] = parts.as_slice() else {
        return Err(TrainError::Torch {
            detail: "attention projections did not split in three".into(),
        });
    };
    // Padding is on the right, where a causal model can't see it.
    let mask = if causal { None } else { group.mask.as_ref() };
    let attend = |dropout: f64| {
        Tensor::f_scaled_dot_product_attention(
            query, key, value, mask, dropout, causal, None, false,
        )
    };
    let mixed = match chance {
        None => attend(0.0)?,
        Some((dropout, row, layer)) => {
            dropout.drawing(row, Site::Attention { layer }, || attend(dropout.probability()))?
        }
    };
    Ok(mixed.f_transpose(1, 2)?.f_reshape([group.rows * group.width, width])?)
}

/// `x` with the batch's dropout, if it has one.
pub(super) fn dropout(x: Tensor, batch: &DeviceBatch, site: Site) -> Result<Tensor, TrainError> {
    match &batch.dropout {
        None => Ok(x),
        Some(dropout) => dropout.apply(&x, site),
    }
}
