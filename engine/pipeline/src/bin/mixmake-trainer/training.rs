//! The work of a training: shards and a mixture to sequences, sequences to loss rows.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job};
use mixmake_data::mixture::Order;
use mixmake_train::{HeldOut, Sequences, TrainError, TrainFiles, TrainReport, peak_memory};

use mixmake::artifact::{self, LossRow, Losses, MixtureArtifact, ShardFacts, TrainedPart};
use mixmake::runner::Facts;
use mixmake::runtime::Runtime;
use mixmake::stage::mixture::OUTPUT as MIXTURE;
use mixmake::stage::shards::one;
use mixmake::stage::train::{CURVE, LOSSES, MODEL, MODEL_CONFIG, TrainParams};

use crate::configuration::{config, options};
use crate::live::Live;
use crate::sequences::{Drawn, Shard, Whole};

/// Trains one model.
pub fn run(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    let params: TrainParams = job.params()?;
    let drawn: MixtureArtifact = artifact::read(&one(job, "mixture")?.path)?;
    let held_out_facts = held_out_facts(job)?;
    let config = config(job, &params, &drawn, &held_out_facts)?;

    let shards = open(job, "shard", &drawn.shards)?;
    let order =
        Order::new(&drawn.mixture).map_err(|error| Failure::new(format!("{MIXTURE}: {error}")))?;
    let data = Drawn::new(&drawn.mixture, &order, &shards, params.epochs);

    let held_out_shards = open(job, "held-out-shard", &held_out_facts)?;
    let held_out_sets: Vec<_> =
        held_out_shards.iter().map(|shard| Whole { shard, unit: drawn.mixture.unit }).collect();
    let held_out: Vec<_> = held_out_sets
        .iter()
        .zip(&held_out_facts)
        .map(|(sequences, facts)| HeldOut { domain: facts.bin.clone(), sequences })
        .collect();

    let runtime = Runtime::of_this_process();
    let files = TrainFiles {
        model: job.output(MODEL),
        model_config: job.output(MODEL_CONFIG),
        checkpoints: Some(job.scratch()?.to_owned()),
        checkpoint_every: Duration::from_secs(runtime.checkpoint_every.into()),
    };
    let events = runtime.tensorboard.as_deref();
    let mut live = Live::new(&config, &job.target, data.len(), events, progress, job.cancel);
    let mut observe = |event: &mixmake_train::Progress| live.observe(event);
    let options = options(&runtime);
    let trained = mixmake_train::train(&config, &options, &data, &held_out, &files, &mut observe);
    if live.lacks_gpu() {
        return Err(gpu_unused());
    }
    let report = trained.map_err(|error| failure(&error))?;
    write(job, &params, &drawn, &report)?;
    Ok(facts(&report, live.seconds()))
}

fn held_out_facts(job: &Job) -> Result<Vec<ShardFacts>, Failure> {
    job.inputs("held-out").map(|input| artifact::read(&input.path)).collect()
}

fn failure(error: &TrainError) -> Failure {
    Failure::new(error.to_string())
}

/// Opens shards by the digests in their facts.
fn open(job: &Job, role: &str, facts: &[ShardFacts]) -> Result<Vec<Shard>, Failure> {
    let paths: HashMap<String, &PathBuf> =
        job.inputs(role).map(|input| (input.digest.to_hex(), &input.path)).collect();
    let path = |digest: &str| {
        paths.get(digest).copied().ok_or_else(|| {
            Failure::new(format!("the mixture draws from a shard {digest} that is no input"))
        })
    };
    let pairs = facts.iter().map(|facts| Ok((path(&facts.bin)?, path(&facts.idx)?)));
    let pairs = pairs.collect::<Result<Vec<_>, Failure>>()?;
    Shard::open_all(&pairs).map_err(|error| Failure::new(error.to_string()))
}

/// The plan counted on the GPU that this process was given: its precision is in the key.
fn gpu_unused() -> Failure {
    Failure::new("there is a GPU, but libtorch cannot use it: its CUDA half did not load")
        .hint("point LIBTORCH at a CUDA build, or hide the GPU with `CUDA_VISIBLE_DEVICES=` to train on the CPU")
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
        decayed: row.decayed,
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

/// What the receipt says of a training.
fn facts(report: &TrainReport, seconds: f64) -> Facts {
    let numerics = &report.numerics;
    let mut facts = Facts::from([
        ("device".into(), numerics.device.clone()),
        ("libtorch".into(), numerics.libtorch.clone()),
        ("precision".into(), format!("{:?}", numerics.precision).to_lowercase()),
        ("threads".into(), numerics.threads.to_string()),
        ("deterministic".into(), numerics.deterministic.to_string()),
        ("parameters".into(), report.parameters.to_string()),
        ("steps".into(), report.steps.to_string()),
        ("tokens".into(), report.tokens.to_string()),
        ("micro-batch".into(), report.micro_batch.to_string()),
        ("recompute".into(), report.recompute.to_string()),
        ("training-seconds".into(), format!("{seconds:.1}")),
    ]);
    facts.extend(numerics.driver.clone().map(|driver| ("driver".into(), driver)));
    facts.extend(peak_memory().map(|bytes| ("peak-memory-bytes".into(), bytes.to_string())));
    facts
}
