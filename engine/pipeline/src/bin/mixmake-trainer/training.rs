//! The work of a training: shards and a mixture to sequences, sequences to loss rows.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job};
use mixmake_data::mixture::{Epoch, Mixture, Order, Unit};
use mixmake_shards::Map;
use mixmake_train::{
    Architecture, HeldOut, ModelConfig, Precision, Schedule, Sequences, TrainConfig, TrainError,
    TrainFiles, TrainReport,
};

use mixmake::artifact::{self, LossRow, Losses, MixtureArtifact, ShardFacts, TrainedPart};
use mixmake::runner::Facts;
use mixmake::stage::mixture::OUTPUT as MIXTURE;
use mixmake::stage::shards::one;
use mixmake::stage::train::{CURVE, LOSSES, MODEL, MODEL_CONFIG, TrainParams, WarmUp};

type Shard = mixmake_shards::Shard<Map>;

/// Between two checkpoints: what a killed training loses at most.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(300);
/// Between two messages about progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Trains one model.
pub fn run(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    let params: TrainParams = job.params()?;
    let drawn: MixtureArtifact = artifact::read(&one(job, "mixture")?.path)?;
    let held_out_facts = held_out_facts(job)?;
    let config = config(job, &params, &drawn, &held_out_facts)?;

    let shards = drawn
        .shards
        .iter()
        .map(|facts| open(job, "shard", facts))
        .collect::<Result<Vec<_>, _>>()?;
    let order =
        Order::new(&drawn.mixture).map_err(|error| Failure::new(format!("{MIXTURE}: {error}")))?;
    let data = Drawn::new(&drawn.mixture, &order, &shards, params.epochs);

    let held_out_shards = held_out_facts
        .iter()
        .map(|facts| open(job, "held-out-shard", facts))
        .collect::<Result<Vec<_>, _>>()?;
    let held_out_sets: Vec<_> =
        held_out_shards.iter().map(|shard| Whole { shard, unit: drawn.mixture.unit }).collect();
    let held_out: Vec<_> = held_out_sets
        .iter()
        .zip(&held_out_facts)
        .map(|(sequences, facts)| HeldOut { domain: facts.bin.clone(), sequences })
        .collect();

    let files = TrainFiles {
        model: job.output(MODEL),
        model_config: job.output(MODEL_CONFIG),
        checkpoints: Some(job.scratch.clone()),
        checkpoint_every: CHECKPOINT_EVERY,
    };
    let total = data.len() * u64::from(params.context);
    let no_gpu = Cell::new(false);
    let mut observe = observer(total, &no_gpu, progress);
    let trained = mixmake_train::train(&config, &data, &held_out, &files, &mut observe);
    if no_gpu.get() {
        return Err(gpu_unused());
    }
    let report = trained.map_err(|error| failure(&error))?;
    write(job, &params, &drawn, &report)?;
    Ok(facts(&report))
}

fn held_out_facts(job: &Job) -> Result<Vec<ShardFacts>, Failure> {
    job.inputs("held-out").map(|input| artifact::read(&input.path)).collect()
}

fn failure(error: &TrainError) -> Failure {
    Failure::new(error.to_string())
}

/// Opens a shard by the digests in its facts.
fn open(job: &Job, role: &str, facts: &ShardFacts) -> Result<Shard, Failure> {
    let path = |digest: &str| -> Result<PathBuf, Failure> {
        let found = job.inputs(role).find(|input| input.digest.to_hex() == digest);
        found.map(|input| input.path.clone()).ok_or_else(|| {
            Failure::new(format!("the mixture draws from a shard {digest} that is no input"))
        })
    };
    let (bin, idx) = (path(&facts.bin)?, path(&facts.idx)?);
    Shard::open(&bin, &idx).map_err(|error| Failure::new(error.to_string()))
}

fn config(
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
            _ => Schedule::Linear,
        },
        warm_up: match params.warm_up {
            WarmUp::Steps(steps) => mixmake_train::WarmUp::Steps(steps),
            WarmUp::Fraction(fraction) => mixmake_train::WarmUp::Fraction(fraction),
        },
        weight_decay: params.weight_decay,
        clip: params.clip,
        batch_sequences: (params.batch_tokens / u64::from(params.context)).max(1),
        precision: if params.precision == "bf16" { Precision::Bf16 } else { Precision::Fp32 },
        threads: params.threads,
        seed: params.seed,
        evaluations: params.evaluations,
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

/// Sequences of a mixture in training order, all epochs.
struct Drawn<'a> {
    mixture: &'a Mixture,
    shards: &'a [Shard],
    epochs: Vec<Epoch<'a, 'a>>,
    per_epoch: u64,
}

impl<'a> Drawn<'a> {
    fn new(mixture: &'a Mixture, order: &'a Order<'a>, shards: &'a [Shard], epochs: u32) -> Self {
        let epochs = (0..u64::from(epochs)).map(|epoch| order.epoch(epoch)).collect();
        Self { mixture, shards, epochs, per_epoch: order.len() }
    }
}

impl Sequences for Drawn<'_> {
    fn len(&self) -> u64 {
        self.per_epoch * self.epochs.len() as u64
    }

    fn read(&self, index: u64, buffer: &mut Vec<i64>) {
        buffer.clear();
        let epoch =
            usize::try_from(index / self.per_epoch.max(1)).ok().and_then(|at| self.epochs.get(at));
        if let Some(epoch) = epoch {
            let (part, unit) = epoch.locate(index % self.per_epoch);
            read_unit(&self.shards[part], self.mixture.unit, unit, buffer);
        }
    }
}

/// A held-out shard from end to end; its last block may be short.
struct Whole<'a> {
    shard: &'a Shard,
    unit: Unit,
}

impl Sequences for Whole<'_> {
    fn len(&self) -> u64 {
        match self.unit {
            Unit::Block { tokens } => self.shard.tokens().div_ceil(tokens.max(1)),
            Unit::Sample => self.shard.sequences(),
        }
    }

    fn read(&self, index: u64, buffer: &mut Vec<i64>) {
        read_unit(self.shard, self.unit, index, buffer);
    }
}

/// Copies a unit's tokens; out of range, it is empty and the trainer says so.
fn read_unit(shard: &Shard, unit: Unit, index: u64, buffer: &mut Vec<i64>) {
    let range = match unit {
        Unit::Block { tokens } => {
            let start = index.saturating_mul(tokens);
            start..start.saturating_add(tokens).min(shard.tokens())
        }
        Unit::Sample => shard.sequence_range(index).unwrap_or(0..0),
    };
    buffer.clear();
    buffer.resize(usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0), 0);
    if shard.copy_range(range.start, buffer).is_err() {
        buffer.clear();
    }
}

/// The plan counted on the GPU that this process was given: its precision is in the key.
fn gpu_unused() -> Failure {
    Failure::new("there is a GPU, but libtorch cannot use it: its CUDA half did not load")
        .hint("point LIBTORCH at a CUDA build, or hide the GPU with `CUDA_VISIBLE_DEVICES=` to train on the CPU")
}

fn observer<'p>(
    total: u64,
    no_gpu: &'p Cell<bool>,
    progress: &'p mut dyn FnMut(Progress),
) -> impl FnMut(&mixmake_train::Progress) -> ControlFlow<()> + 'p {
    let mut last: Option<Instant> = None;
    let gpu_given = std::env::var_os("MIXMAKE_DEVICE").is_some();
    move |step| {
        if let mixmake_train::Progress::Started { numerics, .. } = step
            && gpu_given
            && numerics.device.starts_with("cpu")
        {
            no_gpu.set(true);
            return ControlFlow::Break(());
        }
        if let mixmake_train::Progress::Stepped { steps, point } = step {
            let due =
                last.is_none_or(|last| last.elapsed() >= PROGRESS_EVERY) || point.step == *steps;
            if due {
                last = Some(Instant::now());
                let note = format!("step {}/{steps} loss {:.3}", point.step, point.loss);
                progress(Progress {
                    done: point.tokens.min(total),
                    total,
                    unit: "tokens".into(),
                    note,
                });
            }
        }
        ControlFlow::Continue(())
    }
}

fn write(
    job: &Job,
    params: &TrainParams,
    drawn: &MixtureArtifact,
    report: &TrainReport,
) -> Result<(), Failure> {
    let part = |part: &mixmake_data::mixture::Part| TrainedPart {
        shard: part.shard.clone(),
        tokens: part.tokens,
        weight_requested: part.weight_requested,
        weight_achieved: part.weight_achieved,
    };
    let row = |row: &mixmake_train::EvalRow| LossRow {
        step: row.step,
        tokens: row.tokens,
        held_out: row.domain.clone(),
        loss: row.loss,
        held_out_tokens: row.tokens_evaluated,
    };
    let first = drawn.shards.first();
    let losses = Losses {
        parts: drawn.mixture.parts.iter().map(part).collect(),
        mixture_tokens: drawn.mixture.tokens_total(),
        tokens: report.tokens,
        steps: report.steps,
        tokenizer: first.map(|facts| facts.tokenizer.clone()).unwrap_or_default(),
        vocabulary: first.map_or(0, |facts| facts.vocabulary),
        mixture_seed: drawn.mixture.seed,
        configuration: params.clone(),
        rows: report.rows.iter().map(row).collect(),
    };
    artifact::write(&job.output(LOSSES), &losses)?;
    artifact::write(&job.output(CURVE), &report.curve)
}

fn facts(report: &TrainReport) -> Facts {
    let numerics = &report.numerics;
    Facts::from([
        ("device".into(), numerics.device.clone()),
        ("libtorch".into(), numerics.libtorch.clone()),
        ("precision".into(), format!("{:?}", numerics.precision).to_lowercase()),
        ("threads".into(), numerics.threads.to_string()),
        ("deterministic".into(), numerics.deterministic.to_string()),
        ("parameters".into(), report.parameters.to_string()),
        ("steps".into(), report.steps.to_string()),
        ("tokens".into(), report.tokens.to_string()),
    ])
}
