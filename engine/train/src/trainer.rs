//! The training loop. A step is a function of parameters, optimiser state and its number alone: batch
//! `s` holds sequences s·B to (s+1)·B, the learning rate, the masks and dropout follow from `s`. So a
//! run that was stopped anywhere goes on to the same bits.

use crate::batch::{Batch, Reader};
use crate::checkpoint::{self, History, State};
use crate::config::TrainConfig;
use crate::device::{Machine, Numerics};
use crate::error::TrainError;
use crate::evaluate::{EvalRow, mean_loss, set_name};
use crate::masking::Objective;
use crate::network::Network;
use crate::optimizer::{AdamW, clip};
use crate::parameters::zeros;
use crate::random::{derive, mix};
use crate::schedule::{is_evaluation, learning_rate};
use crate::sequences::{HeldOut, Sequences};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tch::{Tensor, no_grad_guard};

/// Where a run writes. None of it decides the result.
#[derive(Clone, Debug)]
pub struct TrainFiles {
    /// The trained weights, `.safetensors`.
    pub model: PathBuf,
    /// The model's shape, `config.json`.
    pub model_config: PathBuf,
    /// A folder of this run alone for its checkpoint; `None` for no checkpoints.
    pub checkpoints: Option<PathBuf>,
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
}

/// What just happened in a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// The run starts at `step` (above 0 when it continues from a checkpoint) of `steps`.
    Started { step: u64, steps: u64, tokens: u64, numerics: Numerics },
    /// One optimiser step is done.
    Stepped { steps: u64, point: CurvePoint },
    /// One held-out domain was evaluated.
    Evaluated(EvalRow),
    /// A checkpoint was written.
    Saved { step: u64 },
}

/// One optimiser step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CurvePoint {
    /// Steps done, this one included.
    pub step: u64,
    /// Training tokens seen.
    pub tokens: u64,
    /// Mean cross-entropy of the batch in nats, before the update.
    pub loss: f64,
    pub learning_rate: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
}

/// What a finished run has measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrainReport {
    pub steps: u64,
    /// Training tokens seen, all epochs.
    pub tokens: u64,
    /// How many numbers were trained.
    pub parameters: u64,
    pub rows: Vec<EvalRow>,
    pub curve: Vec<CurvePoint>,
    pub numerics: Numerics,
}

type Observer<'a> = &'a mut dyn FnMut(&Progress) -> ControlFlow<()>;

/// Trains a fresh model on `data` (already in training order, all epochs) and evaluates it on each of
/// `held_out`. Continues from the checkpoint of the same run where there is one. The observer may stop
/// the run: it then writes a checkpoint and returns [`TrainError::Interrupted`].
///
/// # Errors
/// A bad configuration, data that doesn't fit the model, a diverged loss, no memory, a file that can't
/// be written.
pub fn train(
    config: &TrainConfig,
    data: &dyn Sequences,
    held_out: &[HeldOut],
    files: &TrainFiles,
    observer: Observer,
) -> Result<TrainReport, TrainError> {
    config.validate()?;
    let machine = Machine::choose(config)?;
    let network = Network::new(&config.model, config.pad_token, config.seed)?;
    let mut run = Run::new(config, machine, network, data, held_out)?;
    run.resume(files)?;
    run.drive(files, observer)?;
    run.network.save(&files.model, &files.model_config)?;
    if let Some(folder) = &files.checkpoints {
        remove_checkpoint(folder)?;
    }
    Ok(run.report())
}

fn remove_checkpoint(folder: &std::path::Path) -> Result<(), TrainError> {
    let path = checkpoint::path(folder);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(TrainError::io(&path, error))
        }
        _ => Ok(()),
    }
}

struct Run<'a> {
    config: &'a TrainConfig,
    machine: Machine,
    network: Network,
    optimizer: AdamW,
    gradient: Tensor,
    training: Reader<'a>,
    held_out: &'a [HeldOut<'a>],
    steps: u64,
    history: History,
}

impl<'a> Run<'a> {
    fn new(
        config: &'a TrainConfig,
        machine: Machine,
        mut network: Network,
        data: &'a dyn Sequences,
        held_out: &'a [HeldOut<'a>],
    ) -> Result<Run<'a>, TrainError> {
        network.place(machine.device, machine.kind())?;
        let set = "training set";
        if data.is_empty() {
            return Err(TrainError::NoSequences { set: set.into() });
        }
        if let Some(empty) = held_out.iter().find(|h| h.sequences.is_empty()) {
            return Err(TrainError::NoSequences { set: set_name(&empty.domain) });
        }
        Ok(Run {
            optimizer: AdamW::new(network.layout(), config.weight_decay, machine.device)?,
            gradient: zeros(network.layout(), machine.device)?,
            training: reader(config, data, set, Objective::training(config)),
            steps: data.len().div_ceil(config.batch_sequences),
            history: History::default(),
            config,
            machine,
            network,
            held_out,
        })
    }

    fn drive(&mut self, files: &TrainFiles, observer: Observer) -> Result<(), TrainError> {
        let started = Progress::Started {
            step: self.history.step,
            steps: self.steps,
            tokens: self.history.tokens,
            numerics: self.numerics(),
        };
        let mut flow = observer(&started);
        let mut saved = Instant::now();
        while self.history.step < self.steps {
            if flow.is_break() {
                self.checkpoint(files)?;
                return Err(TrainError::Interrupted { step: self.history.step });
            }
            let point = self.step()?;
            flow = observer(&Progress::Stepped { steps: self.steps, point });
            if is_evaluation(self.history.step, self.steps, self.config.evaluations) {
                self.evaluate(observer)?;
            }
            if saved.elapsed() >= files.checkpoint_every && self.history.step < self.steps {
                self.checkpoint(files)?;
                saved = Instant::now();
                let _ = observer(&Progress::Saved { step: self.history.step });
            }
        }
        Ok(())
    }

    /// One optimiser step over the sequences that its number names.
    fn step(&mut self) -> Result<CurvePoint, TrainError> {
        let step = self.history.step;
        let batches = self.batches(step)?;
        let predictions: u64 = batches.iter().map(Batch::predictions).sum();
        let rate = learning_rate(self.config, step, self.steps);
        let loss = self.gradient(step, &batches, predictions)?;
        let gradient_norm = clip(&mut self.gradient, self.config.clip)?;
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Err(TrainError::Diverged { step: step + 1, loss });
        }
        self.optimizer.step(self.network.flat(), &self.gradient, rate, step + 1)?;
        self.history.step += 1;
        self.history.tokens += batches.iter().map(Batch::tokens).sum::<u64>();
        let point = CurvePoint {
            step: step + 1,
            tokens: self.history.tokens,
            loss,
            learning_rate: rate,
            gradient_norm,
        };
        self.history.curve.push(point.clone());
        Ok(point)
    }

    fn batches(&self, step: u64) -> Result<Vec<Batch>, TrainError> {
        let start = step * self.config.batch_sequences;
        let end = self.training.data.len().min(start + self.config.batch_sequences);
        let batches: Vec<Batch> =
            self.training.batches(start..end, self.rows_per_pass()).collect::<Result<_, _>>()?;
        if batches.iter().all(|batch| batch.predictions() == 0) {
            return Err(TrainError::NothingToPredict {
                set: format!("training set's batch at step {}", step + 1),
            });
        }
        Ok(batches)
    }

    fn rows_per_pass(&self) -> u64 {
        (self.machine.tokens_per_pass() / u64::from(self.config.model.context)).max(1)
    }

    /// Fills the gradient of the mean loss over all predicted tokens of the step; that mean, in nats.
    fn gradient(
        &mut self,
        step: u64,
        batches: &[Batch],
        predictions: u64,
    ) -> Result<f64, TrainError> {
        let dropout = self.config.model.dropout;
        if dropout > 0.0 {
            tch::manual_seed((mix(derive("dropout", self.config.seed) ^ mix(step)) >> 1) as i64);
        }
        let scale = 1.0 / predictions as f64;
        {
            let _guard = no_grad_guard();
            let _ = self.gradient.f_zero_()?;
        }
        let working = self.network.working()?;
        let mut sum = 0.0;
        for batch in batches.iter().filter(|batch| batch.predictions() > 0) {
            sum += self.network.accumulate(&working, batch, scale, dropout, &mut self.gradient)?;
        }
        Ok(sum * scale)
    }

    fn evaluate(
        &mut self,
        observer: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        for held_out in self.held_out {
            let name = set_name(&held_out.domain);
            let reader =
                reader(self.config, held_out.sequences, &name, Objective::held_out(self.config));
            let (loss, tokens_evaluated) = mean_loss(&self.network, &reader, self.rows_per_pass())?;
            let (step, tokens) = (self.history.step, self.history.tokens);
            let row =
                EvalRow { step, tokens, domain: held_out.domain.clone(), loss, tokens_evaluated };
            self.history.rows.push(row.clone());
            let _ = observer(&Progress::Evaluated(row));
        }
        Ok(())
    }

    fn checkpoint(&self, files: &TrainFiles) -> Result<(), TrainError> {
        let Some(folder) = &files.checkpoints else { return Ok(()) };
        let state = State {
            parameters: self.network.flat().shallow_clone(),
            first: self.optimizer.first.shallow_clone(),
            second: self.optimizer.second.shallow_clone(),
        };
        checkpoint::write(folder, &self.digest()?, &state, &self.history)
    }

    fn resume(&mut self, files: &TrainFiles) -> Result<(), TrainError> {
        let Some(folder) = &files.checkpoints else { return Ok(()) };
        let Some((state, history)) = checkpoint::read(folder, &self.digest()?) else {
            return Ok(());
        };
        let _guard = no_grad_guard();
        for (target, saved) in [
            (self.network.flat(), &state.parameters),
            (&self.optimizer.first, &state.first),
            (&self.optimizer.second, &state.second),
        ] {
            target.shallow_clone().f_copy_(saved)?;
        }
        self.history = history;
        Ok(())
    }

    /// Names the run: configuration, numerics, how much data, and what its ends look like.
    fn digest(&self) -> Result<String, TrainError> {
        let mut hasher = blake3::Hasher::new();
        let facts = (self.config, self.numerics(), self.training.data.len());
        let facts = serde_json::to_vec(&facts)
            .map_err(|error| TrainError::Torch { detail: error.to_string() })?;
        hasher.update(&facts);
        hash_ends(&mut hasher, self.training.data);
        for held_out in self.held_out {
            hasher.update(held_out.domain.as_bytes());
            hash_ends(&mut hasher, held_out.sequences);
        }
        Ok(hasher.finalize().to_string())
    }

    fn numerics(&self) -> Numerics {
        self.machine.numerics(self.config.threads)
    }

    fn report(self) -> TrainReport {
        TrainReport {
            steps: self.steps,
            tokens: self.history.tokens,
            parameters: self.network.parameters(),
            numerics: self.numerics(),
            rows: self.history.rows,
            curve: self.history.curve,
        }
    }
}

fn reader<'a>(
    config: &TrainConfig,
    data: &'a dyn Sequences,
    set: &'a str,
    objective: Objective,
) -> Reader<'a> {
    let (context, vocabulary) = (config.model.context, config.model.vocabulary);
    Reader { data, set, objective, context, vocabulary, pad: config.pad_token.unwrap_or(0).into() }
}

fn hash_ends(hasher: &mut blake3::Hasher, data: &dyn Sequences) {
    hasher.update(&data.len().to_le_bytes());
    let mut tokens = Vec::new();
    for index in [0, data.len() / 2, data.len().saturating_sub(1)] {
        data.read(index, &mut tokens);
        tokens.iter().for_each(|token| {
            hasher.update(&token.to_le_bytes());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::path::Path;

    /// Twenty steps against PyTorch's own AdamW, clipping and linear schedule, from the weights and on
    /// the batches of `tests/vectors/make.py`; the last batch is short.
    #[test]
    fn training_follows_pytorchs() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/gpt2");
        let open = |name: &str| std::fs::read(folder.join(name)).expect("committed file");
        let expected: Value =
            serde_json::from_slice(&open("expected.json")).expect("committed file");
        let data: Vec<Vec<i64>> =
            serde_json::from_value(expected["training"].clone()).expect("rows");
        let network = Network::open(&folder.join("model.safetensors"), &folder.join("config.json"));
        let network = network.expect("committed model");
        let config = json!({
            "model": network.config(), "learning-rate": 0.01, "schedule": "linear", "warm-up": {"steps": 4},
            "weight-decay": 0.1, "clip": 1.0, "batch-sequences": 3, "precision": "fp32", "threads": 1,
            "seed": 0, "evaluations": 1,
        });
        let config: TrainConfig = serde_json::from_value(config).expect("valid");
        let machine = Machine::choose(&config).expect("a device");
        let mut run = Run::new(&config, machine, network, &data, &[]).expect("valid");
        assert_eq!(run.steps, 20);
        let close = |found: f64, expected: &Value, what: &str| {
            let expected = expected.as_f64().expect("number");
            assert!((found / expected - 1.0).abs() < 2e-5, "{what}: {found} for {expected}");
        };
        for step in 0..20 {
            let point = run.step().expect("finite");
            close(point.loss, &expected["losses"][step], &format!("loss of step {step}"));
            close(point.gradient_norm, &expected["norms"][step], &format!("norm of step {step}"));
        }
        let norm =
            run.network.flat().f_norm().and_then(|norm| norm.f_double_value(&[])).expect("finite");
        close(norm, &expected["final_norm"], "norm of the parameters");
    }
}
