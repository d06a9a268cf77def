//! The training loop. A step is a function of parameters, optimiser state and its number alone: batch
//! `s` holds sequences s·B to (s+1)·B, the learning rate, the masks and dropout follow from `s`. So a
//! run that was stopped anywhere goes on to the same bits.
//!
//! The device is never waited for within a step: batches are read ahead by a thread of their own, and
//! what a step measures is read when something needs it. A step that is not finite changes nothing, so
//! it does no harm that it is noticed late.

mod branches;
mod checkpoints;
mod data;

use self::data::{Step, next, reader, reading};
use crate::batch::{Batch, Reader, Shape};
use crate::branch::branch_at;
use crate::checkpoint::{self, History, State};
use crate::config::TrainConfig;
use crate::device::{Machine, Numerics};
use crate::dropout::Chance;
use crate::error::TrainError;
use crate::evaluate::{EvalRow, mean_loss, set_name};
use crate::masking::Objective;
use crate::memory::{self, Plan};
use crate::network::{Network, Pass};
use crate::optimizer::{AdamW, Norm};
use crate::options::{Options, Recompute};
use crate::parameters::zeros;
use crate::pending::{Launched, Pending};
use crate::random::derive;
use crate::saver::Saver;
use crate::schedule::{is_evaluation, learning_rate};
use crate::sequences::{HeldOut, Sequences};
use crate::shim;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor, no_grad_guard};

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
    /// The run starts at `step` (above 0 when it continues from a checkpoint) of `steps`, and is expected to hold `memory`
    /// bytes at most.
    Started { step: u64, steps: u64, tokens: u64, parameters: u64, memory: u64, numerics: Numerics },
    /// One optimiser step is done.
    Stepped { steps: u64, point: CurvePoint },
    /// One step of a decay that branches off a `wsd` run, of a shorter run of `steps` in all.
    Decaying { step: u64, steps: u64, tokens: u64 },
    /// One held-out domain was evaluated.
    Evaluated(EvalRow),
    /// A checkpoint was written.
    Saved { step: u64 },
    /// A pass did not fit into memory; from here on, passes are of at most so many tokens.
    Shrunk { micro_batch: u64, recompute: bool },
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
    /// Tokens of a pass at the end of the run.
    pub micro_batch: u64,
    pub recompute: bool,
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
/// A bad configuration, data that doesn't fit the model, a model that doesn't fit the device, a diverged
/// loss, no memory, a device that failed, a file that can't be written.
pub fn train(
    config: &TrainConfig,
    options: &Options,
    data: &dyn Sequences,
    held_out: &[HeldOut],
    files: &TrainFiles,
    observer: Observer,
) -> Result<TrainReport, TrainError> {
    config.validate()?;
    let machine = Machine::choose(config)?;
    let plan = memory::plan(config, machine, options, files.checkpoints.is_some())?;
    let network = Network::new(&config.model, config.pad_token, config.seed)?;
    let mut run = Run::new(config, machine, options, plan, network, data, held_out)?;
    run.resume(files)?;
    run.drive(files, observer)?;
    let (network, report) = run.report();
    network.save(&files.model, &files.model_config)?;
    if let Some(folder) = &files.checkpoints {
        remove_checkpoint(folder)?;
    }
    Ok(report)
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
    options: &'a Options,
    machine: Machine,
    plan: Plan,
    network: Network,
    optimizer: AdamW,
    gradient: Tensor,
    training: Reader<'a>,
    held_out: &'a [HeldOut<'a>],
    steps: u64,
    /// Steps given to the device, and their tokens; `history` has those whose outcome is known.
    launched: (u64, u64),
    /// Tokens before the last of them.
    tokens_before: u64,
    pending: Pending,
    history: History,
    saver: Saver,
    saved_at: Instant,
}

impl<'a> Run<'a> {
    fn new(
        config: &'a TrainConfig,
        machine: Machine,
        options: &'a Options,
        plan: Plan,
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
        if machine.device != Device::Cpu {
            shim::deterministic(options.deterministic.holds(network.parameters()));
        }
        Ok(Run {
            optimizer: AdamW::new(network.layout(), config.weight_decay, machine.device)?,
            gradient: zeros(network.layout(), machine.device)?,
            training: reader(config, machine, data, set.into(), Objective::training(config)),
            steps: data.len().div_ceil(config.batch_sequences),
            launched: (0, 0),
            tokens_before: 0,
            pending: Pending::new(machine.device),
            history: History { micro_batch: plan.micro_batch, ..History::default() },
            saver: Saver::new(None, None),
            saved_at: Instant::now(),
            config,
            options,
            machine,
            plan,
            network,
            held_out,
        })
    }

    fn drive(&mut self, files: &TrainFiles, observer: Observer) -> Result<(), TrainError> {
        let started = Progress::Started {
            step: self.history.step,
            steps: self.steps,
            tokens: self.history.tokens,
            parameters: self.network.parameters(),
            memory: self.plan.bytes(self.config, self.machine, files.checkpoints.is_some()),
            numerics: self.numerics(),
        };
        let last = (self.history.step > 0).then_some(self.history.step);
        self.saver = Saver::new(files.checkpoints.as_deref(), last);
        self.saved_at = Instant::now();
        let mut flow = observer(&started);
        while self.launched.0 < self.steps {
            match self.stretch(files, observer, &mut flow) {
                Err(TrainError::OutOfMemory { detail }) => self.shrink(detail, observer)?,
                other => other.map_err(|error| self.at_step(error))?,
            }
        }
        self.saver.finish().map(|_| ())
    }

    /// Steps until the end, or until one does not fit into memory. A thread reads batches ahead.
    fn stretch(
        &mut self,
        files: &TrainFiles,
        observer: Observer,
        flow: &mut ControlFlow<()>,
    ) -> Result<(), TrainError> {
        let mut reader = self.training.clone();
        reader.shape = self.shape(true);
        let (steps, rows) = (self.launched.0..self.steps, self.config.batch_sequences);
        reading(&reader, steps, rows, |batches| self.consume(batches, files, observer, flow))
    }

    fn consume(
        &mut self,
        batches: &Receiver<Step>,
        files: &TrainFiles,
        observer: Observer,
        flow: &mut ControlFlow<()>,
    ) -> Result<(), TrainError> {
        while self.launched.0 < self.steps {
            if flow.is_break() {
                return self.interrupt(observer);
            }
            let ((done, seen), before) = (self.launched, self.tokens_before);
            if let Some(branch) = branch_at(self.config, done, self.steps, before, seen)
                && !self.has_branch(branch)
            {
                *flow = self.settle(observer)?;
                if flow.is_continue() {
                    *flow = self.branch(branch, observer)?;
                }
                continue;
            }
            let batches = next(batches)?;
            let rate = learning_rate(self.config, self.launched.0, self.steps);
            self.launch(&batches, rate)?;
            let ((done, seen), before) = (self.launched, self.tokens_before);
            let evaluates = is_evaluation(self.config, done, self.steps, before, seen);
            // Before the next one is begun, which would take the place of this one.
            if let Some(step) = self.saver.poll()? {
                let _ = observer(&Progress::Saved { step });
            }
            let saves = self.saver.is_wanted()
                && self.saved_at.elapsed() >= files.checkpoint_every
                && self.saver.is_idle()
                && self.launched.0 < self.steps;
            if evaluates || saves || self.pending.is_due() || self.launched.0 == self.steps {
                *flow = self.settle(observer)?;
            }
            if evaluates {
                let (step, tokens) = self.launched;
                self.evaluate(step, tokens, false, observer)?;
            }
            if saves {
                self.checkpoint()?;
            }
        }
        Ok(())
    }

    /// Gives the device one optimiser step over `batches` at the learning rate `rate`.
    fn launch(&mut self, batches: &[Batch], rate: f64) -> Result<(), TrainError> {
        let step = self.launched.0;
        let predictions: u64 = batches.iter().map(Batch::predictions).sum();
        let loss = self.gradient(batches, predictions)?;
        let norm = Norm::new(&self.gradient, self.config.clip, &loss)?;
        self.optimizer.step(self.network.flat(), &self.gradient, &norm, rate, step + 1)?;
        let tokens = self.launched.1 + batches.iter().map(Batch::tokens).sum::<u64>();
        self.tokens_before = self.launched.1;
        self.launched = (step + 1, tokens);
        let launched = Launched { step: step + 1, tokens, learning_rate: rate };
        self.pending.push(launched, &loss, &norm.norm)
    }

    /// Fills the gradient of the mean loss over all predicted tokens of the step; that mean, in nats, as
    /// a scalar on the device.
    fn gradient(&mut self, batches: &[Batch], predictions: u64) -> Result<Tensor, TrainError> {
        let device = self.machine.device;
        let scale = 1.0 / predictions as f64;
        {
            let _guard = no_grad_guard();
            let _ = self.gradient.f_zero_()?;
        }
        let pass = Pass { dropout: self.dropout(), recompute: self.plan.recompute };
        let working = self.network.working()?;
        let into = self.network.layout().views(&self.gradient)?;
        let mut sum = Tensor::f_zeros([], (Kind::Double, device))?;
        for batch in batches.iter().filter(|batch| batch.predictions() > 0) {
            sum = sum.f_add(&self.network.accumulate(&working, batch, scale, pass, &into)?)?;
        }
        Ok(sum.f_mul_scalar(scale)?)
    }

    fn dropout(&self) -> Option<Chance> {
        let probability = self.config.model.dropout;
        let key = derive("dropout", self.config.seed);
        (probability > 0.0).then_some(Chance { probability, key })
    }

    /// Waits for what was launched and tells the observer of it.
    fn settle(&mut self, observer: Observer) -> Result<ControlFlow<()>, TrainError> {
        let mut flow = ControlFlow::Continue(());
        for point in self.pending.read()? {
            self.check_finite(&point)?;
            let step = point.step;
            (self.history.step, self.history.tokens) = (step, point.tokens);
            self.history.curve.push(point.clone());
            if observer(&Progress::Stepped { steps: self.steps, point }).is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }

    fn check_finite(&mut self, point: &CurvePoint) -> Result<(), TrainError> {
        let (step, loss, norm) = (point.step, point.loss, point.gradient_norm);
        if loss.is_finite() && norm.is_finite() {
            return Ok(());
        }
        self.saver.finish()?;
        Err(TrainError::Diverged { step, loss, norm, checkpoint: self.saver.last() })
    }

    fn interrupt(&mut self, observer: Observer) -> Result<(), TrainError> {
        let _ = self.settle(observer)?;
        self.checkpoint()?;
        if let Some(step) = self.saver.finish()? {
            let _ = observer(&Progress::Saved { step });
        }
        Err(TrainError::Interrupted { step: self.history.step })
    }

    /// Halves the passes, or keeps less of each, after one did not fit; the step is done again. Where
    /// that is not left to us, or nothing smaller exists, the run fails.
    fn shrink(&mut self, detail: String, observer: Observer) -> Result<(), TrainError> {
        let _ = self.settle(observer)?;
        let row = u64::from(self.config.model.context);
        let plan = match self.plan {
            Plan { micro_batch, recompute }
                if micro_batch >= 2 * row && self.options.micro_batch.is_none() =>
            {
                Plan { micro_batch: micro_batch / 2, recompute }
            }
            Plan { micro_batch, recompute: false } if self.options.recompute == Recompute::Auto => {
                Plan { micro_batch, recompute: true }
            }
            _ => return Err(self.at_step(TrainError::OutOfMemory { detail })),
        };
        self.plan = plan;
        self.history.micro_batch = plan.micro_batch;
        if self.machine.device != Device::Cpu {
            shim::empty_cache()?;
        }
        let Plan { micro_batch, recompute } = plan;
        let _ = observer(&Progress::Shrunk { micro_batch, recompute });
        Ok(())
    }

    /// Failures of the machine say where the run was and what is left of it.
    fn at_step(&mut self, error: TrainError) -> TrainError {
        let machine = matches!(
            error,
            TrainError::OutOfMemory { .. }
                | TrainError::DeviceLost { .. }
                | TrainError::Torch { .. }
        );
        if !machine {
            return error;
        }
        // What fails here as well has nothing to add.
        let _ = self.saver.finish();
        let step = self.launched.0 + 1;
        TrainError::At { step, checkpoint: self.saver.last(), source: Box::new(error) }
    }

    /// The loss of every held-out set, as of `step` and `tokens`.
    fn evaluate(
        &mut self,
        step: u64,
        tokens: u64,
        decayed: bool,
        observer: Observer,
    ) -> Result<(), TrainError> {
        for held_out in self.held_out {
            let name = set_name(&held_out.domain);
            let objective = Objective::held_out(self.config);
            let mut reader = reader(self.config, self.machine, held_out.sequences, name, objective);
            // Not left to whoever goes on with the next step: this one's losses would be missing.
            let (loss, tokens_evaluated) = loop {
                reader.shape = self.shape(false);
                match mean_loss(&self.network, &reader) {
                    Err(TrainError::OutOfMemory { detail }) => self.shrink(detail, observer)?,
                    other => break other?,
                }
            };
            let domain = held_out.domain.clone();
            let row = EvalRow { step, tokens, domain, loss, tokens_evaluated, decayed };
            self.history.rows.push(row.clone());
            let _ = observer(&Progress::Evaluated(row));
        }
        Ok(())
    }

    /// How batches are cut, in training or in evaluation.
    fn shape(&self, training: bool) -> Shape {
        Shape {
            padding: self.config.padding,
            tokens: self.plan.micro_batch,
            slack: self.machine.slack(),
            alone: training && self.config.model.dropout > 0.0,
        }
    }

    fn numerics(&self) -> Numerics {
        let deterministic = self.options.deterministic.holds(self.network.parameters());
        self.machine.numerics(self.config.threads, deterministic)
    }

    /// What is left of a run that is done. Saving the model takes a copy of it, for which the gradient and the
    /// optimiser's moments make room.
    fn report(self) -> (Network, TrainReport) {
        let report = TrainReport {
            steps: self.steps,
            tokens: self.history.tokens,
            parameters: self.network.parameters(),
            micro_batch: self.plan.micro_batch,
            recompute: self.plan.recompute,
            numerics: self.numerics(),
            rows: self.history.rows,
            curve: self.history.curve,
        };
        (self.network, report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::path::Path;

    fn committed(name: &str) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/gpt2");
        let text = std::fs::read(folder.join(name)).expect("committed file");
        serde_json::from_slice(&text).expect("committed file")
    }

    /// Twenty steps against PyTorch's own AdamW and clipping from the weights and on the batches of
    /// `tests/vectors/make.py`, under `schedule`; the last batch is short.
    fn check_steps(schedule: Value, expected: &Value) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/gpt2");
        let data: Vec<Vec<i64>> =
            serde_json::from_value(committed("expected.json")["training"].clone()).expect("rows");
        let network = Network::open(&folder.join("model.safetensors"), &folder.join("config.json"));
        let network = network.expect("committed model");
        let mut config = json!({
            "model": network.config(), "learning-rate": 0.01, "warm-up": {"steps": 4},
            "weight-decay": 0.1, "clip": 1.0, "batch-sequences": 3, "precision": "fp32", "threads": 1,
            "seed": 0, "evaluations": 1,
        });
        for (key, value) in schedule.as_object().expect("keys of a configuration") {
            config[key] = value.clone();
        }
        let config: TrainConfig = serde_json::from_value(config).expect("valid");
        let machine = Machine::choose(&config).expect("a device");
        let options = Options::default();
        let plan = Plan { micro_batch: 2048, recompute: false };
        let run = Run::new(&config, machine, &options, plan, network, &data, &[]);
        let mut run = run.expect("valid");
        assert_eq!(run.steps, 20);
        let close = |found: f64, expected: &Value, what: &str| {
            let expected = expected.as_f64().expect("number");
            assert!((found / expected - 1.0).abs() < 2e-5, "{what}: {found} for {expected}");
        };
        for step in 0..20 {
            let batches = data::batches_of(&run.training, step as u64, 3).expect("valid");
            let rate = learning_rate(&config, step as u64, 20);
            run.launch(&batches, rate).expect("fits");
            let point = run.pending.read().expect("finite").remove(0);
            close(point.loss, &expected["losses"][step], &format!("loss of step {step}"));
            close(point.gradient_norm, &expected["norms"][step], &format!("norm of step {step}"));
        }
        let norm =
            run.network.flat().f_norm().and_then(|norm| norm.f_double_value(&[])).expect("finite");
        close(norm, &expected["final_norm"], "norm of the parameters");
    }

    #[test]
    fn training_follows_pytorchs() {
        check_steps(json!({"schedule": "linear"}), &committed("expected.json"));
    }

    #[test]
    fn other_schedules_follow_pytorchs() {
        let expected = committed("schedules.json");
        check_steps(json!({"schedule": "cosine"}), &expected["cosine"]);
        let wsd = json!({"schedule": "wsd", "decay": 0.3, "warm-up-from-zero": false});
        check_steps(wsd, &expected["wsd"]);
    }

    /// Memory that ran out is answered by smaller passes, then by recomputation, unless the user has
    /// chosen either; then it is an error with the step and what is left.
    #[test]
    fn what_does_not_fit_is_tried_smaller() {
        let text = r#"{"model":{"architecture":"gpt2","vocabulary":8,"context":4,"layers":1,"hidden":4,"heads":1,"dropout":0.0},
            "learning-rate":1.0,"schedule":"linear","warm-up":{"steps":0},"weight-decay":0.0,"clip":0.0,"batch-sequences":4,
            "precision":"fp32","threads":1,"seed":0,"evaluations":1}"#;
        let config: TrainConfig = serde_json::from_str(text).expect("valid");
        let data = vec![vec![1_i64, 2, 3, 4]; 4];
        let shrunk = |options: Options| {
            let machine = Machine::choose(&config).expect("a device");
            let plan = Plan { micro_batch: 16, recompute: false };
            let network = Network::new(&config.model, None, 0).expect("small");
            let run = Run::new(&config, machine, &options, plan, network, &data, &[]);
            let mut run = run.expect("valid");
            let mut plans = vec![];
            loop {
                let told = &mut |_: &Progress| ControlFlow::Continue(());
                match run.shrink("no memory".into(), told) {
                    Ok(()) => plans.push((run.plan.micro_batch, run.plan.recompute)),
                    Err(error) => return (plans, error.to_string()),
                }
            }
        };
        let (plans, error) = shrunk(Options::default());
        assert_eq!(plans, [(8, false), (4, false), (4, true)]);
        assert!(
            error.starts_with("at step 1: out of memory: no memory; set `micro-batch`"),
            "{error}"
        );
        assert!(error.contains("There is no checkpoint yet"), "{error}");
        let fixed = Options { micro_batch: Some(16), ..Options::default() };
        assert_eq!(shrunk(fixed).0, [(16, true)]);
    }
}
