//! The models: from a batch of token ids to the features from which each wanted token is predicted.
//!
//! An architecture supplies its parameters, its features and its configuration file; everything else
//! (loss, training, evaluation, files) is shared.

mod bert;
mod blocks;
mod gpt2;

use crate::batch::DeviceBatch;
use crate::config::{Architecture, ModelConfig};
use crate::error::TrainError;
use crate::parameters::{Id, Layout, Views};
use bert::Bert;
pub(crate) use blocks::Stored;
use gpt2::Gpt2;
use serde_json::Value;
use std::ops::Range;
use std::path::Path;
use tch::Tensor;

/// The tied output layer: logits = features · weightᵀ (+ bias), of which those of the vocabulary count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub weight: Id,
    pub bias: Option<Id>,
}

pub(crate) enum Model {
    Gpt2(Gpt2),
    Bert(Bert),
}

impl Model {
    /// `pad_token` matters to BERT alone: that row of the input embedding gets no gradient.
    pub fn new(config: &ModelConfig, pad_token: Option<u32>) -> (Model, Layout) {
        let mut layout = Layout::default();
        let model = match config.architecture {
            Architecture::Gpt2 => Model::Gpt2(Gpt2::new(config, &mut layout)),
            Architecture::Bert => Model::Bert(Bert::new(config, pad_token, &mut layout)),
        };
        layout.end_section();
        (model, layout)
    }

    /// Embeddings [tokens, hidden] of a batch.
    fn embed(&self, views: &Views, batch: &DeviceBatch) -> Result<Tensor, TrainError> {
        match self {
            Model::Gpt2(model) => model.embed(views, batch),
            Model::Bert(model) => model.embed(views, batch),
        }
    }

    fn block(
        &self,
        layer: usize,
        views: &Views,
        x: &Tensor,
        batch: &DeviceBatch,
    ) -> Result<Tensor, TrainError> {
        match self {
            Model::Gpt2(model) => model.block(layer, views, x, batch),
            Model::Bert(model) => model.block(layer, views, x, batch),
        }
    }

    fn finish(&self, views: &Views, x: &Tensor, batch: &DeviceBatch) -> Result<Tensor, TrainError> {
        match self {
            Model::Gpt2(model) => model.finish(views, x, batch),
            Model::Bert(model) => model.finish(views, x, batch),
        }
    }

    /// Sections `range` of the model, from `x` [tokens, hidden]: section 0 is the embedding, which reads
    /// the batch alone, then a section a layer; the last gives features [n, hidden] of the n tokens
    /// that predict.
    pub fn run(
        &self,
        range: Range<usize>,
        views: &Views,
        x: Option<&Tensor>,
        batch: &DeviceBatch,
    ) -> Result<Tensor, TrainError> {
        let last = views.sections() - 1;
        let mut x = x.map(Tensor::shallow_clone);
        for section in range {
            x = Some(match x {
                None => self.embed(views, batch)?,
                Some(x) if section == last => self.finish(views, &x, batch)?,
                Some(x) => self.block(section - 1, views, &x, batch)?,
            });
        }
        x.ok_or_else(|| TrainError::Torch { detail: "no section of the model was run".into() })
    }

    pub fn output(&self) -> Output {
        match self {
            Model::Gpt2(model) => model.output(),
            Model::Bert(model) => model.output(),
        }
    }

    /// Tensors that other writers store beside the parameters and that carry no information of their own.
    pub fn is_redundant(&self, name: &str) -> bool {
        match self {
            Model::Gpt2(_) => gpt2::is_redundant(name),
            Model::Bert(_) => bert::is_redundant(name),
        }
    }

    /// Prefix of names that some writers leave out.
    pub fn optional_prefix(&self) -> &'static str {
        match self {
            Model::Gpt2(_) => "transformer.",
            Model::Bert(_) => "",
        }
    }

    /// The `config.json` with which `transformers` opens the weights.
    pub fn describe(&self, config: &ModelConfig) -> Value {
        match self {
            Model::Gpt2(_) => gpt2::describe(config),
            Model::Bert(model) => model.describe(config),
        }
    }
}

/// Reads a `config.json` of `transformers`: the model's shape and its padding token.
pub(crate) fn read_description(path: &Path) -> Result<(ModelConfig, Option<u32>), TrainError> {
    let text = std::fs::read(path).map_err(|source| TrainError::io(path, source))?;
    let value: Value = serde_json::from_slice(&text).map_err(|e| TrainError::weights(path, e))?;
    let config = match value["model_type"].as_str() {
        Some("gpt2") => gpt2::parse(&value),
        Some("bert") => bert::parse(&value),
        other => Err(format!("`model_type` is {other:?}, not `gpt2` or `bert`")),
    };
    let config = config.map_err(|problem| TrainError::weights(path, problem))?;
    config.validate()?;
    let pad = value["pad_token_id"].as_u64().and_then(|id| u32::try_from(id).ok());
    Ok((config, pad))
}

/// The number under `field` of a model's description.
fn number(value: &Value, field: &str) -> Result<u32, String> {
    let number = value[field].as_u64().and_then(|n| u32::try_from(n).ok());
    number.ok_or_else(|| format!("`{field}` is missing or not a size"))
}

/// Refuses a description whose `field`, where given, is not what these models compute.
fn expect(value: &Value, field: &str, wanted: &Value) -> Result<(), String> {
    let same = match (&value[field], wanted) {
        (Value::Null, _) => true,
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (found, wanted) => found == wanted,
    };
    if same {
        Ok(())
    } else {
        Err(format!("`{field}` is {}, only {wanted} is supported", value[field]))
    }
}
