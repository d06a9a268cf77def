//! What a training says while it runs: progress for the display, a JSON line for each logged step in
//! the action's log, and TensorBoard events where they are wanted.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use mixmake_core::event;
use mixmake_core::executor::Cancel;
use mixmake_train::{Progress, TrainConfig, flops_per_token, peak_flops};
use serde_json::{Value, json};

use crate::tensorboard::EventFile;

/// Between two messages about progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Between two steps in the log.
const LOG_EVERY: Duration = Duration::from_secs(1);
/// Rates are of this long a time.
const WINDOW: Duration = Duration::from_secs(20);

/// The observer of one training.
pub struct Live<'p> {
    progress: &'p mut dyn FnMut(event::Progress),
    /// Tokens of the run at most.
    total: u64,
    flops_per_token: f64,
    /// FLOPs a second of the device, where they are known.
    peak: Option<f64>,
    started: Instant,
    /// (when, tokens so far), the oldest first.
    window: Vec<(Instant, u64)>,
    shown: Option<Instant>,
    logged: Option<Instant>,
    events: Option<EventFile>,
    lacks_gpu: bool,
    cancel: &'p Cancel,
}

impl<'p> Live<'p> {
    /// For a run over `sequences` that ends early once `cancel` is set; events go to a folder of the target in `tensorboard`.
    pub fn new(
        config: &TrainConfig,
        target: &str,
        sequences: u64,
        tensorboard: Option<&Path>,
        progress: &'p mut dyn FnMut(event::Progress),
        cancel: &'p Cancel,
    ) -> Self {
        let events = tensorboard.and_then(|folder| {
            EventFile::create(&folder.join(target))
                .inspect_err(|error| tracing::warn!("no TensorBoard events: {error}"))
                .ok()
        });
        Self {
            progress,
            total: sequences * u64::from(config.model.context),
            flops_per_token: flops_per_token(&config.model),
            peak: None,
            started: Instant::now(),
            window: Vec::new(),
            shown: None,
            logged: None,
            events,
            lacks_gpu: false,
            cancel,
        }
    }

    /// Whether the plan counted on a GPU that libtorch does not use.
    pub fn lacks_gpu(&self) -> bool {
        self.lacks_gpu
    }

    /// Since the training began.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    pub fn observe(&mut self, event: &Progress) -> ControlFlow<()> {
        match event {
            Progress::Started { numerics, step, steps, tokens, parameters, memory } => {
                self.peak = peak_flops(&numerics.device);
                self.window = vec![(Instant::now(), *tokens)];
                log(
                    &json!({ "event": "started", "step": step, "steps": steps, "parameters": parameters, "memory-expected-bytes": memory, "numerics": numerics }),
                );
                let gpu_given = std::env::var_os("MIXMAKE_DEVICE").is_some();
                if gpu_given && numerics.device.starts_with("cpu") {
                    self.lacks_gpu = true;
                    return ControlFlow::Break(());
                }
            }
            Progress::Stepped { steps, point } => self.stepped(*steps, point),
            Progress::Decaying { step, steps, tokens } => self.decaying(*step, *steps, *tokens),
            Progress::Evaluated(row) => {
                log(&json!({ "event": "evaluated", "row": row }));
                let held_out = if row.decayed { "decayed" } else { "held-out" };
                self.record(row.step, &[(&format!("{held_out}/{}", row.domain), row.loss)]);
            }
            Progress::Saved { step } => log(&json!({ "event": "checkpoint", "step": step })),
            Progress::Shrunk { micro_batch, recompute } => {
                log(
                    &json!({ "event": "out of memory, trying less", "micro-batch": micro_batch, "recompute": recompute }),
                );
            }
            _ => {}
        }
        if self.cancel.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn stepped(&mut self, steps: u64, point: &mixmake_train::CurvePoint) {
        let now = Instant::now();
        self.window.push((now, point.tokens));
        let old = self.window.iter().take_while(|(when, _)| now - *when > WINDOW).count();
        self.window.drain(..old.min(self.window.len() - 2));
        let last = point.step == steps;
        if last || self.shown.is_none_or(|shown| now - shown >= PROGRESS_EVERY) {
            self.shown = Some(now);
            let note = self.note(steps, point);
            let done = point.tokens.min(self.total);
            let (total, unit) = (self.total, "tokens".into());
            (self.progress)(event::Progress { done, total, unit, note });
        }
        if last || self.logged.is_none_or(|logged| now - logged >= LOG_EVERY) {
            self.logged = Some(now);
            log(&self.line(steps, point));
            self.record(
                point.step,
                &[
                    ("loss", point.loss),
                    ("learning-rate", point.learning_rate),
                    ("gradient-norm", point.gradient_norm),
                    ("tokens-per-second", self.rate()),
                ],
            );
        }
    }

    /// A step beside the run's own, which its rates and its progress leave out.
    fn decaying(&mut self, step: u64, steps: u64, tokens: u64) {
        let now = Instant::now();
        if self.shown.is_none_or(|shown| now - shown >= PROGRESS_EVERY) {
            self.shown = Some(now);
            let done = self.window.last().map_or(0, |(_, tokens)| *tokens).min(self.total);
            let note = format!("decaying at step {step} to {steps}, for {tokens} tokens");
            let (total, unit) = (self.total, "tokens".into());
            (self.progress)(event::Progress { done, total, unit, note });
        }
        // The time it takes is no step's.
        self.window = vec![(now, self.window.last().map_or(0, |(_, tokens)| *tokens))];
    }

    /// Tokens a second over the last while.
    fn rate(&self) -> f64 {
        let (Some(first), Some(last)) = (self.window.first(), self.window.last()) else {
            return 0.0;
        };
        let seconds = (last.0 - first.0).as_secs_f64();
        if seconds > 0.0 { (last.1 - first.1) as f64 / seconds } else { 0.0 }
    }

    /// Of the device's arithmetic, where it is known.
    fn utilisation(&self) -> Option<f64> {
        Some(self.rate() * self.flops_per_token / self.peak?)
    }

    fn note(&self, steps: u64, point: &mixmake_train::CurvePoint) -> String {
        let mut note = format!("step {}/{steps} loss {:.3}", point.step, point.loss);
        if let Some(share) = self.utilisation() {
            note += &format!(" {:.0} % of peak", 100.0 * share);
        }
        note
    }

    fn line(&self, steps: u64, point: &mixmake_train::CurvePoint) -> Value {
        let rate = self.rate();
        let left = (steps - point.step) as f64 * (point.tokens as f64 / point.step as f64);
        json!({
            "event": "step",
            "step": point.step,
            "steps": steps,
            "tokens": point.tokens,
            "loss": point.loss,
            "learning-rate": point.learning_rate,
            "gradient-norm": point.gradient_norm,
            "tokens-per-second": rate,
            "utilisation": self.utilisation(),
            "flops-per-second": rate * self.flops_per_token,
            "seconds-left": (rate > 0.0).then(|| left / rate),
        })
    }

    /// Adds scalars to the event file; one that can't be written is given up, the training goes on.
    fn record(&mut self, step: u64, scalars: &[(&str, f64)]) {
        if let Some(events) = &mut self.events
            && let Err(error) = events.scalars(step, scalars)
        {
            tracing::warn!("no more TensorBoard events: {error}");
            self.events = None;
        }
    }
}

/// A line of the action's log, which is this process's standard error; a full disk must not stop a
/// training for it.
fn log(line: &Value) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
