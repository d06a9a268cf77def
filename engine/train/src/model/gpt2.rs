//! GPT-2 as `GPT2LMHeadModel` of `transformers` defines it: pre-norm decoder, learned positions,
//! `gelu_new`, tied output layer without bias, `Conv1D` weights stored [in, out].

use super::blocks::{DEVIATION, LayerNorm, Linear, attention, dropout, of_vocabulary};
use super::{Output, expect, number};
use crate::batch::DeviceBatch;
use crate::config::{Architecture, ModelConfig};
use crate::cpu::{Gelu, gelu};
use crate::dropout::Site;
use crate::error::TrainError;
use crate::parameters::{Id, Init, Layout, Views};
use serde_json::{Value, json};
use tch::Tensor;

const EPSILON: f64 = 1e-5;

pub(crate) struct Gpt2 {
    tokens: Id,
    positions: Id,
    blocks: Vec<Block>,
    norm: LayerNorm,
    heads: i64,
}

struct Block {
    norm_1: LayerNorm,
    qkv: Linear,
    mixed: Linear,
    norm_2: LayerNorm,
    widen: Linear,
    narrow: Linear,
}

impl Gpt2 {
    pub fn new(config: &ModelConfig, layout: &mut Layout) -> Gpt2 {
        let width = i64::from(config.hidden);
        let embedding = Init::Normal(DEVIATION);
        let shape = [config.vocabulary.into(), width];
        let tokens = of_vocabulary(layout, "transformer.wte.weight", &shape, embedding);
        let positions =
            layout.add("transformer.wpe.weight", &[config.context.into(), width], embedding);
        // Two residual branches a layer: their sum keeps its variance with depth.
        let residual = DEVIATION / (2.0 * f64::from(config.layers)).sqrt();
        layout.end_section();
        let block = |layer| {
            let block = Block::new(layer, width, residual, layout);
            layout.end_section();
            block
        };
        let blocks = (0..config.layers).map(block).collect();
        let norm = LayerNorm::new(layout, "transformer.ln_f", width, EPSILON);
        Gpt2 { tokens, positions, blocks, norm, heads: config.heads.into() }
    }

    pub fn embed(&self, views: &Views, batch: &DeviceBatch) -> Result<Tensor, TrainError> {
        let tokens = Tensor::f_embedding(&views[self.tokens], &batch.ids, -1, false, false)?;
        let positions =
            Tensor::f_embedding(&views[self.positions], &batch.columns, -1, false, false)?;
        dropout(tokens.f_add(&positions)?, batch, Site::Embedding)
    }

    pub fn block(
        &self,
        layer: usize,
        views: &Views,
        x: &Tensor,
        batch: &DeviceBatch,
    ) -> Result<Tensor, TrainError> {
        self.blocks[layer].forward(views, x, batch, self.heads, layer)
    }

    /// Normalisation is token by token, so only the tokens that predict need it.
    pub fn finish(
        &self,
        views: &Views,
        x: &Tensor,
        batch: &DeviceBatch,
    ) -> Result<Tensor, TrainError> {
        self.norm.forward(views, &batch.predicting(x)?)
    }

    pub fn output(&self) -> Output {
        Output { weight: self.tokens, bias: None }
    }
}

impl Block {
    fn new(layer: u32, width: i64, residual: f64, layout: &mut Layout) -> Block {
        let name = |part: &str| format!("transformer.h.{layer}.{part}");
        Block {
            norm_1: LayerNorm::new(layout, &name("ln_1"), width, EPSILON),
            qkv: Linear::conv1d(layout, &name("attn.c_attn"), width, 3 * width, DEVIATION),
            mixed: Linear::conv1d(layout, &name("attn.c_proj"), width, width, residual),
            norm_2: LayerNorm::new(layout, &name("ln_2"), width, EPSILON),
            widen: Linear::conv1d(layout, &name("mlp.c_fc"), width, 4 * width, DEVIATION),
            narrow: Linear::conv1d(layout, &name("mlp.c_proj"), 4 * width, width, residual),
        }
    }

    fn forward(
        &self,
        views: &Views,
        x: &Tensor,
        batch: &DeviceBatch,
        heads: i64,
        layer: usize,
    ) -> Result<Tensor, TrainError> {
        let qkv = self.qkv.forward(views, &self.norm_1.forward(views, x)?)?;
        let mixed = self.mixed.forward(views, &attention(&qkv, batch, heads, true, layer)?)?;
        let x = x.f_add(&dropout(mixed, batch, Site::Mixed { layer })?)?;
        let wide = self.widen.forward(views, &self.norm_2.forward(views, &x)?)?;
        let wide = gelu(&wide, Gelu::Tanh)?;
        let narrow = self.narrow.forward(views, &wide)?;
        Ok(x.f_add(&dropout(narrow, batch, Site::Narrow { layer })?)?)
    }
}

/// The tied head, and the causal masks that older writers stored.
pub(super) fn is_redundant(name: &str) -> bool {
    name == "lm_head.weight" || name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
}

pub(super) fn describe(config: &ModelConfig) -> Value {
    json!({
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.hidden,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": null,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "layer_norm_epsilon": EPSILON,
        "initializer_range": DEVIATION,
        "scale_attn_weights": true,
        "scale_attn_by_inverse_layer_idx": false,
        "reorder_and_upcast_attn": false,
        "tie_word_embeddings": true,
        // The defaults name ids of the original vocabulary, which a smaller one does not have.
        "bos_token_id": null,
        "eos_token_id": null,
        "dtype": "float32",
    })
}

pub(super) fn parse(value: &Value) -> Result<ModelConfig, String> {
    expect(value, "activation_function", &json!("gelu_new"))?;
    expect(value, "layer_norm_epsilon", &json!(EPSILON))?;
    expect(value, "scale_attn_weights", &json!(true))?;
    expect(value, "scale_attn_by_inverse_layer_idx", &json!(false))?;
    expect(value, "tie_word_embeddings", &json!(true))?;
    let hidden = number(value, "n_embd")?;
    expect(value, "n_inner", &json!(u64::from(hidden) * 4))?;
    Ok(ModelConfig {
        architecture: Architecture::Gpt2,
        vocabulary: number(value, "vocab_size")?,
        context: number(value, "n_positions")?,
        layers: number(value, "n_layer")?,
        hidden,
        heads: number(value, "n_head")?,
        dropout: value["resid_pdrop"].as_f64().unwrap_or(0.1),
    })
}
