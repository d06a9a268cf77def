//! BERT as `BertForMaskedLM` of `transformers` defines it: post-norm encoder, erf gelu, eps 1e-12, no
//! pooler, a transformed tied output layer with its own bias. All tokens are of type 0.

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

const EPSILON: f64 = 1e-12;

pub(crate) struct Bert {
    tokens: Id,
    positions: Id,
    types: Id,
    norm: LayerNorm,
    blocks: Vec<Block>,
    transform: Linear,
    transform_norm: LayerNorm,
    bias: Id,
    heads: i64,
    pad: Option<u32>,
}

struct Block {
    qkv: Linear,
    mixed: Linear,
    norm_1: LayerNorm,
    widen: Linear,
    narrow: Linear,
    norm_2: LayerNorm,
}

impl Bert {
    pub fn new(config: &ModelConfig, pad: Option<u32>, layout: &mut Layout) -> Bert {
        let width = i64::from(config.hidden);
        let vocabulary = i64::from(config.vocabulary);
        let init = Init::Normal(DEVIATION);
        let words = "bert.embeddings.word_embeddings.weight";
        let tokens = of_vocabulary(layout, words, &[vocabulary, width], init);
        let mut embedding = |name: &str, rows: i64| {
            layout.add(format!("bert.embeddings.{name}.weight"), &[rows, width], init)
        };
        let positions = embedding("position_embeddings", config.context.into());
        let types = embedding("token_type_embeddings", 2);
        let norm = LayerNorm::new(layout, "bert.embeddings.LayerNorm", width, EPSILON);
        layout.end_section();
        let block = |layer| {
            let block = Block::new(layer, width, layout);
            layout.end_section();
            block
        };
        let blocks = (0..config.layers).map(block).collect();
        let bias = of_vocabulary(layout, "cls.predictions.bias", &[vocabulary], Init::Zeros);
        let head = "cls.predictions.transform";
        let transform = Linear::stacked(layout, &[format!("{head}.dense")], width, width);
        let transform_norm = LayerNorm::new(layout, &format!("{head}.LayerNorm"), width, EPSILON);
        let heads = config.heads.into();
        Bert { tokens, positions, types, norm, blocks, transform, transform_norm, bias, heads, pad }
    }

    pub fn embed(&self, views: &Views, batch: &DeviceBatch) -> Result<Tensor, TrainError> {
        let pad = self.pad.map_or(-1, i64::from);
        let tokens = Tensor::f_embedding(&views[self.tokens], &batch.ids, pad, false, false)?;
        let positions =
            Tensor::f_embedding(&views[self.positions], &batch.columns, -1, false, false)?;
        let types = views[self.types].f_narrow(0, 0, 1)?;
        let sum = tokens.f_add(&positions)?.f_add(&types)?;
        dropout(self.norm.forward(views, &sum)?, batch, Site::Embedding)
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

    pub fn finish(
        &self,
        views: &Views,
        x: &Tensor,
        batch: &DeviceBatch,
    ) -> Result<Tensor, TrainError> {
        let transformed = self.transform.forward(views, &batch.predicting(x)?)?;
        let transformed = gelu(&transformed, Gelu::Erf)?;
        self.transform_norm.forward(views, &transformed)
    }

    pub fn output(&self) -> Output {
        Output { weight: self.tokens, bias: Some(self.bias) }
    }

    pub fn describe(&self, config: &ModelConfig) -> Value {
        json!({
            "architectures": ["BertForMaskedLM"],
            "model_type": "bert",
            "hidden_act": "gelu",
            "vocab_size": config.vocabulary,
            "max_position_embeddings": config.context,
            "hidden_size": config.hidden,
            "intermediate_size": u64::from(config.hidden) * 4,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "hidden_dropout_prob": config.dropout,
            "attention_probs_dropout_prob": config.dropout,
            "type_vocab_size": 2,
            "layer_norm_eps": EPSILON,
            "initializer_range": DEVIATION,
            "tie_word_embeddings": true,
            "pad_token_id": self.pad,
            "dtype": "float32",
        })
    }
}

impl Block {
    fn new(layer: u32, width: i64, layout: &mut Layout) -> Block {
        let name = |part: &str| format!("bert.encoder.layer.{layer}.{part}");
        let projections =
            ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
        Block {
            qkv: Linear::stacked(layout, &projections, width, width),
            mixed: Linear::stacked(layout, &[name("attention.output.dense")], width, width),
            norm_1: LayerNorm::new(layout, &name("attention.output.LayerNorm"), width, EPSILON),
            widen: Linear::stacked(layout, &[name("intermediate.dense")], width, 4 * width),
            narrow: Linear::stacked(layout, &[name("output.dense")], 4 * width, width),
            norm_2: LayerNorm::new(layout, &name("output.LayerNorm"), width, EPSILON),
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
        let qkv = self.qkv.forward(views, x)?;
        let mixed = self.mixed.forward(views, &attention(&qkv, batch, heads, false, layer)?)?;
        let mixed = dropout(mixed, batch, Site::Mixed { layer })?;
        let x = self.norm_1.forward(views, &x.f_add(&mixed)?)?;
        let wide = gelu(&self.widen.forward(views, &x)?, Gelu::Erf)?;
        let narrow = self.narrow.forward(views, &wide)?;
        let narrow = dropout(narrow, batch, Site::Narrow { layer })?;
        self.norm_2.forward(views, &x.f_add(&narrow)?)
    }
}

/// The tied decoder, and position numbers that older writers stored.
pub(super) fn is_redundant(name: &str) -> bool {
    [
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
        "bert.embeddings.position_ids",
    ]
    .contains(&name)
        || name.starts_with("bert.pooler.")
        || name.starts_with("cls.seq_relationship.")
}

pub(super) fn parse(value: &Value) -> Result<ModelConfig, String> {
    expect(value, "hidden_act", &json!("gelu"))?;
    expect(value, "layer_norm_eps", &json!(EPSILON))?;
    expect(value, "type_vocab_size", &json!(2))?;
    expect(value, "position_embedding_type", &json!("absolute"))?;
    expect(value, "tie_word_embeddings", &json!(true))?;
    expect(value, "is_decoder", &json!(false))?;
    let hidden = number(value, "hidden_size")?;
    expect(value, "intermediate_size", &json!(u64::from(hidden) * 4))?;
    Ok(ModelConfig {
        architecture: Architecture::Bert,
        vocabulary: number(value, "vocab_size")?,
        context: number(value, "max_position_embeddings")?,
        layers: number(value, "num_hidden_layers")?,
        hidden,
        heads: number(value, "num_attention_heads")?,
        dropout: value["hidden_dropout_prob"].as_f64().unwrap_or(0.1),
    })
}
