//! What decides a training run: the model's shape and the optimisation. These types enter action keys,
//! so they hold no maps, and an absent option leaves no trace in their serialised form.

use crate::batch::Padding;
use crate::error::TrainError;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// Decoder-only, `GPT2LMHeadModel` of `transformers`.
    Gpt2,
    /// Encoder-only, `BertForMaskedLM` of `transformers`.
    Bert,
}

/// The shape of a model. Feed-forward layers are four times as wide as `hidden`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelConfig {
    pub architecture: Architecture,
    /// Number of token ids.
    pub vocabulary: u32,
    /// The longest sequence, in tokens.
    pub context: u32,
    pub layers: u32,
    /// Width of the residual stream; a multiple of `heads`.
    pub hidden: u32,
    pub heads: u32,
    /// Probability of dropping an activation (embeddings, attention, residuals), in [0, 1).
    pub dropout: f64,
}

/// Shape of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// To 0 in a line.
    Linear,
    /// To 0 along half a cosine.
    Cosine,
    Constant,
    /// Warm-up, stable, decay: constant, then to 0 in a line over the last steps.
    Wsd,
}

/// How long the learning rate rises linearly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarmUp {
    Steps(u64),
    /// Of all steps, rounded up.
    Fraction(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// bf16 on a GPU, fp32 on a CPU.
    Auto,
    Fp32,
    /// bf16 working copies of fp32 parameters.
    Bf16,
}

/// Everything but the data that decides a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrainConfig {
    pub model: ModelConfig,
    /// Peak learning rate.
    pub learning_rate: f64,
    pub schedule: Schedule,
    /// Of [`Schedule::Wsd`]: over what share of all steps, at the end, the rate decays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<f64>,
    pub warm_up: WarmUp,
    /// Whether the first step of a warm-up has rate 0, as in the `transformers` trainer, or already
    /// one step's share of the peak.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub warm_up_from_zero: bool,
    /// Of matrices and embeddings only.
    pub weight_decay: f64,
    /// Global norm above which gradients are scaled down; 0 for none.
    pub clip: f64,
    pub batch_sequences: u64,
    pub precision: Precision,
    /// CPU threads of one run.
    pub threads: u32,
    pub seed: u64,
    /// How many evaluations, evenly spaced over the steps; the last is after the last step.
    pub evaluations: u32,
    /// More evaluations, after these steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluate_at_steps: Vec<u64>,
    /// More evaluations, after the step that reaches each of these counts of training tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluate_at_tokens: Vec<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub padding: Padding,
    /// BERT: fraction of tokens to predict; 0 for GPT-2.
    #[serde(default)]
    pub masking: f64,
    /// BERT: the id that stands for a masked token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_token: Option<u32>,
    /// BERT: the id that fills up short rows; its input embedding gets no gradient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad_token: Option<u32>,
    /// BERT: ids that are never masked (start and separator).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub special_tokens: Vec<u32>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_true(value: &bool) -> bool {
    *value
}

fn is_default(padding: &Padding) -> bool {
    *padding == Padding::default()
}

impl ModelConfig {
    /// # Errors
    /// [`TrainError::Config`] for the first field that can't make a model.
    pub fn validate(&self) -> Result<(), TrainError> {
        // The limits keep the number of parameters far inside 64 bits.
        let sizes = [
            ("vocabulary", self.vocabulary, 1 << 24),
            ("context", self.context, 1 << 24),
            ("layers", self.layers, 1 << 12),
            ("hidden", self.hidden, 1 << 17),
            ("heads", self.heads, 1 << 17),
        ];
        for (field, value, most) in sizes {
            ensure(value > 0, field, "must be at least 1")?;
            ensure(value <= most, field, "is larger than any model's")?;
        }
        ensure(self.hidden.is_multiple_of(self.heads), "hidden", "must be a multiple of `heads`")?;
        ensure((0.0..1.0).contains(&self.dropout), "dropout", "must lie in [0, 1)")
    }
}

impl TrainConfig {
    /// # Errors
    /// [`TrainError::Config`] for the first field that can't make a training run.
    pub fn validate(&self) -> Result<(), TrainError> {
        self.model.validate()?;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        ensure(positive(self.learning_rate), "learning-rate", "must be above 0")?;
        ensure(not_negative(self.weight_decay), "weight-decay", "must be 0 or more")?;
        ensure(not_negative(self.clip), "clip", "must be 0 (none) or more")?;
        ensure(self.batch_sequences > 0, "batch-sequences", "must be at least 1")?;
        ensure((1..=1024).contains(&self.threads), "threads", "must be from 1 to 1024")?;
        ensure(self.evaluations > 0, "evaluations", "must be at least 1")?;
        if let WarmUp::Fraction(fraction) = self.warm_up {
            ensure((0.0..=1.0).contains(&fraction), "warm-up", "must be a fraction from 0 to 1")?;
        }
        let share = |decay: f64| decay > 0.0 && decay <= 1.0;
        let decays = self.schedule == Schedule::Wsd;
        ensure(self.decay.is_some() == decays, "decay", "goes with the schedule `wsd`")?;
        ensure(self.decay.is_none_or(share), "decay", "must be a share above 0, up to 1")?;
        match self.model.architecture {
            Architecture::Gpt2 => ensure(self.masking == 0.0, "masking", "must be 0 for `gpt2`"),
            Architecture::Bert => self.validate_masking(),
        }
    }

    fn validate_masking(&self) -> Result<(), TrainError> {
        ensure(
            self.masking > 0.0 && self.masking < 1.0,
            "masking",
            "must lie in (0, 1) for `bert`",
        )?;
        let known = |token: u32| token < self.model.vocabulary;
        ensure(self.mask_token.is_some_and(known), "mask-token", "must be a token id for `bert`")?;
        ensure(self.pad_token.is_some_and(known), "pad-token", "must be a token id for `bert`")
    }
}

fn ensure(holds: bool, field: &'static str, problem: &'static str) -> Result<(), TrainError> {
    if holds { Ok(()) } else { Err(TrainError::Config { field, problem }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TrainConfig {
        TrainConfig {
            model: ModelConfig {
                architecture: Architecture::Gpt2,
                vocabulary: 100,
                context: 16,
                layers: 2,
                hidden: 32,
                heads: 4,
                dropout: 0.0,
            },
            learning_rate: 1e-3,
            schedule: Schedule::Linear,
            decay: None,
            warm_up: WarmUp::Fraction(0.1),
            warm_up_from_zero: true,
            weight_decay: 0.01,
            clip: 1.0,
            batch_sequences: 4,
            precision: Precision::Auto,
            threads: 1,
            seed: 1,
            evaluations: 2,
            evaluate_at_steps: vec![],
            evaluate_at_tokens: vec![],
            padding: Padding::Packed,
            masking: 0.0,
            mask_token: None,
            pad_token: None,
            special_tokens: vec![],
        }
    }

    #[test]
    fn serialised_form_is_the_manifests() {
        let text = serde_json::to_string(&config()).expect("plain data");
        assert_eq!(
            text,
            r#"{"model":{"architecture":"gpt2","vocabulary":100,"context":16,"layers":2,"hidden":32,"heads":4,"dropout":0.0},"learning-rate":0.001,"schedule":"linear","warm-up":{"fraction":0.1},"weight-decay":0.01,"clip":1.0,"batch-sequences":4,"precision":"auto","threads":1,"seed":1,"evaluations":2,"masking":0.0}"#
        );
        assert_eq!(serde_json::from_str::<TrainConfig>(&text).expect("own output"), config());
    }

    #[test]
    fn bad_fields_are_named() {
        type Change = fn(&mut TrainConfig);
        let cases: [(&str, Change); 12] = [
            ("hidden", |c| c.model.hidden = 30),
            ("heads", |c| c.model.heads = 0),
            ("dropout", |c| c.model.dropout = 1.0),
            ("learning-rate", |c| c.learning_rate = f64::NAN),
            ("batch-sequences", |c| c.batch_sequences = 0),
            ("evaluations", |c| c.evaluations = 0),
            ("warm-up", |c| c.warm_up = WarmUp::Fraction(1.5)),
            ("decay", |c| c.schedule = Schedule::Wsd),
            ("decay", |c| c.decay = Some(0.2)),
            ("masking", |c| c.masking = 0.15),
            ("masking", |c| c.model.architecture = Architecture::Bert),
            ("mask-token", |c| {
                c.model.architecture = Architecture::Bert;
                c.masking = 0.15;
                c.mask_token = Some(100);
            }),
        ];
        assert!(config().validate().is_ok());
        for (field, change) in cases {
            let mut bad = config();
            change(&mut bad);
            let message = bad.validate().expect_err(field).to_string();
            assert!(message.contains(&format!("`{field}`")), "{message}");
        }
    }
}
