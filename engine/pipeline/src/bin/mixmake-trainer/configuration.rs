//! From an action's parameters and inputs to what the train crate is configured with.

use mixmake_core::exec::{Failure, Job};
use mixmake_train::{
    Architecture, Deterministic, ModelConfig, Options, Padding, Precision, Recompute, Schedule,
    TrainConfig,
};

use mixmake::artifact::{self, MixtureArtifact, ShardFacts};
use mixmake::runtime::Runtime;
use mixmake::stage::shards::one;
use mixmake::stage::train::{TrainParams, WarmUp};

/// What changes speed and memory alone.
pub fn options(runtime: &Runtime) -> Options {
    Options {
        micro_batch: runtime.micro_batch,
        recompute: match runtime.recompute.as_str() {
            "always" => Recompute::Always,
            "never" => Recompute::Never,
            _ => Recompute::Auto,
        },
        deterministic: match runtime.deterministic.as_str() {
            "always" => Deterministic::Always,
            "never" => Deterministic::Never,
            _ => Deterministic::Auto,
        },
    }
}

/// What decides the result.
pub fn config(
    job: &Job,
    params: &TrainParams,
    drawn: &MixtureArtifact,
    held_out: &[ShardFacts],
) -> Result<TrainConfig, Failure> {
    let vocabulary =
        drawn.shards.iter().chain(held_out).map(|facts| facts.vocabulary).max().unwrap_or(0);
    let bert = params.architecture == "bert";
    let special = if bert { special_tokens(job)? } else { SpecialTokens::default() };
    Ok(TrainConfig {
        model: ModelConfig {
            architecture: if bert { Architecture::Bert } else { Architecture::Gpt2 },
            vocabulary,
            context: params.context,
            layers: params.layers,
            hidden: params.hidden,
            heads: params.heads,
            dropout: params.dropout,
        },
        learning_rate: params.learning_rate,
        schedule: match params.schedule.as_str() {
            "cosine" => Schedule::Cosine,
            "constant" => Schedule::Constant,
            "wsd" => Schedule::Wsd,
            _ => Schedule::Linear,
        },
        decay: params.decay,
        warm_up: match params.warm_up {
            WarmUp::Steps(steps) => mixmake_train::WarmUp::Steps(steps),
            WarmUp::Fraction(fraction) => mixmake_train::WarmUp::Fraction(fraction),
        },
        warm_up_from_zero: params.warm_up_from_zero,
        weight_decay: params.weight_decay,
        clip: params.clip,
        batch_sequences: (params.batch_tokens / u64::from(params.context)).max(1),
        precision: if params.precision == "bf16" { Precision::Bf16 } else { Precision::Fp32 },
        threads: params.threads,
        seed: params.seed,
        evaluations: params.evaluations,
        evaluate_at_steps: params.evaluate_at_steps.clone(),
        evaluate_at_tokens: params.evaluate_at_tokens.clone(),
        padding: match params.padding.as_str() {
            "longest" => Padding::Longest,
            "context" => Padding::Context,
            _ => Padding::Packed,
        },
        masking: params.masking.unwrap_or(0.0),
        mask_token: special.mask,
        pad_token: special.pad,
        special_tokens: special.others,
    })
}

#[derive(Debug, Default)]
struct SpecialTokens {
    mask: Option<u32>,
    pad: Option<u32>,
    others: Vec<u32>,
}

/// The special tokens of a `tokenizer.json`, by the names that BERT's carries.
fn special_tokens(job: &Job) -> Result<SpecialTokens, Failure> {
    let path = &one(job, "tokenizer")?.path;
    let json: serde_json::Value = artifact::read(path)?;
    let added = json.get("added_tokens").and_then(serde_json::Value::as_array);
    let id = |name: &str| {
        let is_it = |token: &&serde_json::Value| {
            token.get("content").and_then(|c| c.as_str()) == Some(name)
        };
        let token = added?.iter().find(is_it)?;
        token.get("id")?.as_u64().and_then(|id| u32::try_from(id).ok())
    };
    let (mask, pad) = (id("[MASK]"), id("[PAD]"));
    if mask.is_none() || pad.is_none() {
        let message = format!("`{}` has no `[MASK]` and `[PAD]` tokens", path.display());
        return Err(Failure::new(message)
            .hint("`architecture = \"bert\"` needs a tokenizer such as bert-base-uncased's"));
    }
    let others = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"].iter().filter_map(|name| id(name)).collect();
    Ok(SpecialTokens { mask, pad, others })
}
