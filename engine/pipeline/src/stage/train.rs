//! `train/NAME` and the runs of a DDO: one training, to loss rows and a model.
//!
//! What enters the key is here; the work, which needs libtorch, is in the binary `mixmake-trainer`.

use std::collections::BTreeMap;

use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_manifest::schema::{self, Architecture, MixtureRef, Recipe, Train};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::mixture::{self, Wanted};
use super::{StageError, Stager, Training, shards};

pub const KIND: Kind = Kind { name: "train", version: 2 };
pub const LOSSES: &str = "losses.json";
pub const CURVE: &str = "curve.json";
pub const MODEL: &str = "model.safetensors";
pub const MODEL_CONFIG: &str = "config.json";

/// Everything but data that decides a training. Numerics that change results are here; what may
/// merely change bits (device model, library) goes into the receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrainParams {
    pub architecture: String,
    pub layers: u32,
    pub hidden: u32,
    pub heads: u32,
    pub context: u32,
    pub dropout: f64,
    pub learning_rate: f64,
    pub schedule: String,
    /// Of the schedule `wsd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<f64>,
    pub warm_up: WarmUp,
    pub warm_up_from_zero: bool,
    pub weight_decay: f64,
    pub clip: f64,
    pub batch_tokens: u64,
    pub epochs: u32,
    /// `fp32` or `bf16`: `auto` is settled before it enters a key.
    pub precision: String,
    pub threads: u32,
    pub seed: u64,
    pub evaluations: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluate_at_steps: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluate_at_tokens: Vec<u64>,
    /// Whether losses at those counts are measured on branches that decay, as the schedule `wsd` allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub branches: bool,
    /// `packed`, `longest` or `context`.
    pub padding: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masking: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarmUp {
    Steps(u64),
    Fraction(f64),
}

/// A training of `[train]`, with its mixture.
pub(super) fn add_named(stager: &mut Stager<'_>, train: &Train) -> Result<Training, StageError> {
    let manifest = stager.manifest;
    let recipe = recipe(manifest, &train.recipe)?;
    let wanted = Wanted {
        training: &format!("train/{}", train.name),
        mixture: &train.mixture,
        recipe,
        tokens: train.tokens,
        max_repeats: train.max_repeats,
        seed: train.seed.unwrap_or(recipe.seed),
        total: schema::Total::Free,
        perturbation: None,
        table: &format!("train.{}", train.name),
    };
    add(stager, &wanted)
}

pub(super) fn recipe<'m>(
    manifest: &'m schema::Manifest,
    name: &str,
) -> Result<&'m Recipe, StageError> {
    manifest.recipe(name).ok_or_else(|| super::missing(manifest, "recipe", name))
}

/// A training and its mixture.
pub(super) fn add(stager: &mut Stager<'_>, wanted: &Wanted<'_>) -> Result<Training, StageError> {
    let mixture = mixture::add(stager, wanted)?;
    let params = params(stager, wanted);
    let origins = origins(stager, wanted);
    let gpu = stager.environment.gpus > 0;
    let train = stager.add(Action {
        target: wanted.training.to_owned(),
        kind: KIND,
        threads: if gpu { 1 } else { params.threads as usize },
        params: mixmake_core::action::params(&params)?,
        inputs: inputs(stager, mixture, wanted.mixture),
        outputs: vec![
            OutputSpec::kept(LOSSES),
            OutputSpec::new(CURVE),
            OutputSpec::new(MODEL),
            OutputSpec::new(MODEL_CONFIG),
        ],
        cost: Cost::Alone,
        pool: gpu.then_some("gpu"),
        origins,
    })?;
    Ok(Training { mixture, train })
}

fn inputs(stager: &Stager<'_>, mixture: ActionId, drawn: &MixtureRef) -> Vec<Input> {
    let input = |role, source| Input { role, source, attributes: Map::new() };
    let mut inputs = vec![input("mixture", Source::output(mixture, mixture::OUTPUT))];
    inputs.extend(stager.tokenizer.map(super::tokenizer::Chosen::input));
    for domain in mixture::drawn(stager, drawn) {
        let shard = stager.staged.shards[domain];
        for file in [shards::TRAIN.bin, shards::TRAIN.idx] {
            inputs.push(input("shard", Source::output(shard, file)));
        }
    }
    for &shard in &stager.staged.shards {
        inputs.push(input("held-out", Source::output(shard, shards::HELD_OUT.facts)));
        for file in [shards::HELD_OUT.bin, shards::HELD_OUT.idx] {
            inputs.push(input("held-out-shard", Source::output(shard, file)));
        }
    }
    inputs
}

fn params(stager: &Stager<'_>, wanted: &Wanted<'_>) -> TrainParams {
    let recipe = wanted.recipe;
    let model = stager.manifest.model(&recipe.model);
    let bert = model.is_some_and(|model| model.architecture == Architecture::Bert);
    TrainParams {
        architecture: if bert { "bert" } else { "gpt2" }.into(),
        layers: model.map_or(0, |model| model.layers),
        hidden: model.map_or(0, |model| model.hidden),
        heads: model.map_or(0, |model| model.heads),
        context: model.map_or(0, |model| model.context),
        dropout: model.map_or(0.0, |model| model.dropout),
        learning_rate: recipe.learning_rate,
        schedule: match recipe.schedule {
            schema::Schedule::Linear => "linear",
            schema::Schedule::Cosine => "cosine",
            schema::Schedule::Constant => "constant",
            schema::Schedule::Wsd { .. } => "wsd",
        }
        .into(),
        decay: match recipe.schedule {
            schema::Schedule::Wsd { decay } => Some(decay),
            _ => None,
        },
        warm_up: match recipe.warm_up {
            schema::WarmUp::Steps(steps) => WarmUp::Steps(steps),
            schema::WarmUp::Fraction(fraction) => WarmUp::Fraction(fraction),
        },
        warm_up_from_zero: recipe.warm_up_from_zero,
        weight_decay: recipe.weight_decay,
        clip: recipe.clip,
        batch_tokens: recipe.batch_tokens,
        epochs: recipe.epochs,
        precision: match (recipe.precision, stager.environment.gpus) {
            (schema::Precision::Bf16, _) | (schema::Precision::Auto, 1..) => "bf16",
            (schema::Precision::Fp32, _) | (schema::Precision::Auto, 0) => "fp32",
        }
        .into(),
        threads: recipe.threads,
        seed: wanted.seed,
        evaluations: recipe.evaluations,
        evaluate_at_steps: recipe.evaluate_at_steps.clone(),
        evaluate_at_tokens: recipe.evaluate_at_tokens.clone(),
        branches: !recipe.evaluate_at_tokens.is_empty()
            && matches!(recipe.schedule, schema::Schedule::Wsd { .. }),
        padding: match recipe.padding {
            schema::Padding::Packed => "packed",
            schema::Padding::Longest => "longest",
            schema::Padding::Context => "context",
        }
        .into(),
        masking: bert.then_some(recipe.masking),
    }
}

fn origins(stager: &Stager<'_>, wanted: &Wanted<'_>) -> BTreeMap<String, String> {
    let (recipe, model) = (&wanted.recipe.name, &wanted.recipe.model);
    let of_recipe = |field: &str| vec![format!("recipe.{recipe}.{field}")];
    let of_model = |field: &str| vec![format!("model.{model}.{field}")];
    let table = wanted.table;
    let seed =
        vec![format!("{table}.seed"), format!("{table}.seeds"), format!("recipe.{recipe}.seed")];
    let mut fields = vec![("seed", seed)];
    for field in ["architecture", "layers", "hidden", "heads", "context", "dropout"] {
        fields.push((field, of_model(field)));
    }
    let recipe_fields = [
        "learning-rate",
        "schedule",
        "decay",
        "warm-up",
        "warm-up-from-zero",
        "weight-decay",
        "clip",
        "batch-tokens",
        "epochs",
        "precision",
        "threads",
        "evaluations",
        "evaluate-at-steps",
        "evaluate-at-tokens",
        "padding",
        "masking",
    ];
    fields.extend(recipe_fields.map(|field| (field, of_recipe(field))));
    stager.origins(&fields)
}
