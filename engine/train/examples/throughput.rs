//! Training speed of one model on this machine's CPU or GPU, as a line of JSON:
//! `throughput '{"architecture":"gpt2","layers":3,…}'`, with the fields of `Case`. `bench/train/bench.py`
//! runs it beside its peers.

#![expect(clippy::print_stdout, reason = "a program, not a library")]

use mixmake_train::{
    Architecture, Deterministic, ModelConfig, Options, Padding, Precision, Progress, Recompute,
    Schedule, Sequences, TrainConfig, TrainFiles, WarmUp, flops_per_token, peak_memory, train,
};
use serde::Deserialize;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// A model, a batch and how long to run it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Case {
    architecture: Architecture,
    layers: u32,
    hidden: u32,
    heads: u32,
    context: u32,
    vocabulary: u32,
    /// Sequences of a step.
    rows: u64,
    /// The shortest sequence; the longest is `context`.
    shortest: u32,
    steps: u64,
    threads: u32,
    deterministic: bool,
    micro_batch: Option<u64>,
    recompute: bool,
    /// Whether checkpoints are written, one after the other.
    checkpoints: bool,
}

impl Default for Case {
    fn default() -> Case {
        Case {
            architecture: Architecture::Gpt2,
            layers: 3,
            hidden: 128,
            heads: 4,
            context: 128,
            vocabulary: 4096,
            rows: 16,
            shortest: 0,
            steps: 30,
            threads: 1,
            deterministic: false,
            micro_batch: None,
            recompute: false,
            checkpoints: false,
        }
    }
}

/// Text of no meaning. The peers' is made by the same formulas.
struct Noise(Case);

impl Sequences for Noise {
    fn len(&self) -> u64 {
        self.0.rows * self.0.steps
    }

    fn read(&self, index: u64, buffer: &mut Vec<i64>) {
        buffer.clear();
        let token = |i: u64| (index.wrapping_mul(0x9e37_79b9) ^ i.wrapping_mul(0x85eb_ca6b)) >> 7;
        let vocabulary = u64::from(self.0.vocabulary) - 5;
        let context = u64::from(self.0.context);
        let length = match u64::from(self.0.shortest) {
            0 => context,
            shortest => shortest + index * 7919 % (context - shortest + 1),
        };
        buffer.extend((0..length).map(|i| (5 + token(i) % vocabulary) as i64));
    }
}

fn config(case: &Case) -> TrainConfig {
    let bert = case.architecture == Architecture::Bert;
    TrainConfig {
        model: ModelConfig {
            architecture: case.architecture,
            vocabulary: case.vocabulary,
            context: case.context,
            layers: case.layers,
            hidden: case.hidden,
            heads: case.heads,
            dropout: 0.0,
        },
        learning_rate: 1e-3,
        schedule: Schedule::Linear,
        decay: None,
        warm_up: WarmUp::Fraction(0.1),
        warm_up_from_zero: true,
        weight_decay: 0.01,
        clip: 1.0,
        batch_sequences: case.rows,
        precision: Precision::Auto,
        threads: case.threads,
        seed: 1,
        evaluations: 1,
        evaluate_at_steps: vec![],
        evaluate_at_tokens: vec![],
        padding: Padding::Packed,
        masking: if bert { 0.15 } else { 0.0 },
        mask_token: bert.then_some(3),
        pad_token: bert.then_some(0),
        special_tokens: if bert { vec![1, 2] } else { vec![] },
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).unwrap_or_else(|| "{}".to_owned());
    let case: Case = serde_json::from_str(&text)?;
    let folder = std::env::temp_dir().join(format!("throughput-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let files = TrainFiles {
        model: folder.join("model.safetensors"),
        model_config: folder.join("config.json"),
        checkpoints: case.checkpoints.then(|| folder.clone()),
        checkpoint_every: Duration::ZERO,
    };
    let options = Options {
        micro_batch: case.micro_batch,
        recompute: if case.recompute { Recompute::Always } else { Recompute::Never },
        deterministic: if case.deterministic {
            Deterministic::Always
        } else {
            Deterministic::Never
        },
    };
    // (when, tokens so far) of each step. On a GPU steps are told of in bunches.
    let mut seen: Vec<(Instant, u64)> = Vec::new();
    let mut expected = 0;
    let config = config(&case);
    let report = train(&config, &options, &Noise(case.clone()), &[], &files, &mut |progress| {
        match progress {
            Progress::Started { memory, .. } => expected = *memory,
            Progress::Stepped { point, .. } => seen.push((Instant::now(), point.tokens)),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    std::fs::remove_dir_all(&folder)?;
    let (median, overall) = rates(&seen);
    let found = serde_json::json!({
        "parameters": report.parameters,
        "tokens_per_second": median,
        "tokens_per_second_overall": overall,
        "flops_per_token": flops_per_token(&config.model),
        "micro_batch": report.micro_batch,
        "peak_bytes": peak_memory(),
        "expected_bytes": expected,
        "loss": report.curve.last().map(|point| point.loss),
        "numerics": report.numerics,
    });
    println!("{found}");
    Ok(())
}

/// Tokens a second at the median step, and over all steps after the first third, which fills caches
/// and pools. Where steps are told of in bunches there is no median step, and both are the latter.
fn rates(seen: &[(Instant, u64)]) -> (f64, f64) {
    let warm = &seen[seen.len() / 3..];
    let rate = |a: &(Instant, u64), b: &(Instant, u64)| {
        (b.1 - a.1) as f64 / b.0.duration_since(a.0).as_secs_f64()
    };
    let overall = rate(&warm[0], &warm[warm.len() - 1]);
    let mut single: Vec<f64> = warm.windows(2).map(|pair| rate(&pair[0], &pair[1])).collect();
    single.sort_by(f64::total_cmp);
    let bunched = single.last().is_some_and(|most| *most > 20.0 * overall);
    (if bunched { overall } else { single[single.len() / 2] }, overall)
}
