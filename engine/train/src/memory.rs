//! How much memory a training needs, before it starts.
//!
//! An estimate: what AdamW and the gradients hold is exact, what autograd keeps of a layer is counted
//! from the operators of a block, and kernels' workspaces are an allowance.

use crate::config::{Precision, TrainConfig};
use crate::device::Machine;
use crate::error::TrainError;
use crate::loss::chunk_rows;
use crate::model::Model;
use crate::options::{Options, Recompute};
use crate::shim;
use tch::Device;

/// Activations of a block that autograd keeps, in units of the width: inputs of both norms and what
/// they give (4), projections (3), mixed heads (1), both sides of the gelu (8), outputs (2).
const WIDTHS_KEPT: u64 = 18;

/// How a run is cut into passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Tokens of a pass.
    pub micro_batch: u64,
    pub recompute: bool,
}

/// Bytes that a run needs: always, and by a token of a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Needs {
    always: u64,
    by_token: u64,
}

impl Needs {
    /// Of a run that may write checkpoints.
    fn of(config: &TrainConfig, machine: Machine, recompute: bool, checkpoints: bool) -> Needs {
        let (_, layout) = Model::new(&config.model, config.pad_token);
        let parameters = layout.numel() as u64;
        let bf16 = machine.precision == Precision::Bf16;
        // fp32 master, gradient and two moments, and a bf16 copy.
        let states = parameters * if bf16 { 18 } else { 16 };
        let bytes: u64 = if bf16 { 2 } else { 4 };
        let (layers, hidden) = (u64::from(config.model.layers), u64::from(config.model.hidden));
        let block = WIDTHS_KEPT * hidden * bytes;
        let kept = if recompute { layers * hidden * bytes + block } else { layers * block };
        // Chunks of logits: three of them in fp32 or so.
        let vocabulary = u64::from(config.model.vocabulary);
        let rows = chunk_rows(machine.device, vocabulary as i64) as u64;
        let logits = vocabulary * rows.min(config.tokens_at_most()) * 12;
        // Gradients on their way into the flat buffer: of the tables, and of what is sent back at once.
        let table = vocabulary * hidden * bytes;
        let returned = if recompute { parameters / layers.max(1) } else { parameters } * bytes;
        let workspace = if machine.device == Device::Cpu { 1 << 27 } else { 1 << 30 };
        // In the memory of the host: a checkpoint that is being written, and what a branch of a `wsd` run goes back to.
        let copies = match machine.device {
            Device::Cpu => u64::from(config.has_branches()) + u64::from(checkpoints),
            _ => 0,
        };
        let always = states + copies * parameters * 12 + logits + 2 * table + returned + workspace;
        Needs { always, by_token: kept }
    }

    fn bytes(self, tokens: u64) -> u64 {
        self.always.saturating_add(self.by_token.saturating_mul(tokens))
    }
}

impl TrainConfig {
    /// Tokens of a step at most.
    fn tokens_at_most(&self) -> u64 {
        self.batch_sequences.saturating_mul(self.model.context.into())
    }
}

impl Plan {
    /// The bytes that a run is expected to hold at most.
    pub fn bytes(self, config: &TrainConfig, machine: Machine, checkpoints: bool) -> u64 {
        Needs::of(config, machine, self.recompute, checkpoints).bytes(self.micro_batch)
    }
}

/// Chooses the passes of a run: what the options say, else what fits.
///
/// # Errors
/// [`TrainError::WontFit`] where not even one row fits.
pub(crate) fn plan(
    config: &TrainConfig,
    machine: Machine,
    options: &Options,
    checkpoints: bool,
) -> Result<Plan, TrainError> {
    let available = available(machine.device);
    let row = u64::from(config.model.context);
    let without = Needs::of(config, machine, false, checkpoints);
    let with = Needs::of(config, machine, true, checkpoints);
    let least = with.bytes(row);
    if let Some(available) = available.filter(|&available| available < least) {
        let device = if machine.device == Device::Cpu { "machine" } else { "GPU" };
        return Err(TrainError::WontFit { device, needed: least, available });
    }
    let fits = |needs: Needs, tokens| available.is_none_or(|bytes| needs.bytes(tokens) <= bytes);
    let recompute = match options.recompute {
        Recompute::Always => true,
        Recompute::Never => false,
        Recompute::Auto => !fits(without, options.micro_batch.unwrap_or(row)),
    };
    let needs = if recompute { with } else { without };
    let micro_batch = options.micro_batch.unwrap_or_else(|| {
        let mut tokens = machine.tokens_per_pass().min(config.tokens_at_most()).max(row);
        while tokens > row && !fits(needs, tokens) {
            tokens /= 2;
        }
        tokens.max(row)
    });
    Ok(Plan { micro_batch: micro_batch.max(row), recompute })
}

/// Bytes that are free on the device, with a tenth left to others; `None` where nobody knows.
fn available(device: Device) -> Option<u64> {
    let free = match device {
        Device::Cuda(index) => shim::device_memory(index).ok()?.free,
        _ => meminfo("/proc/meminfo", "MemAvailable:")?,
    };
    Some(free / 10 * 9)
}

/// The most memory that this process has held: on its GPU where it has one, else in all.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    match Device::cuda_if_available() {
        Device::Cuda(index) => shim::device_memory(index).ok().map(|memory| memory.peak),
        _ => meminfo("/proc/self/status", "VmHWM:"),
    }
}

/// The number of kB in the line that starts with `field`, in bytes.
fn meminfo(path: &str, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;

    fn config(layers: u32, hidden: u32) -> TrainConfig {
        let text = format!(
            r#"{{"model":{{"architecture":"gpt2","vocabulary":50257,"context":1024,"layers":{layers},"hidden":{hidden},"heads":1,"dropout":0.0}},
            "learning-rate":1.0,"schedule":"linear","warm-up":{{"steps":0}},"weight-decay":0.0,"clip":0.0,"batch-sequences":80,
            "precision":"auto","threads":1,"seed":0,"evaluations":1}}"#
        );
        serde_json::from_str(&text).expect("valid")
    }

    const GPU: Machine = Machine { device: Device::Cuda(0), precision: Precision::Bf16 };

    #[test]
    fn gpt2_large_fits_in_24_gigabytes_by_the_estimate() {
        let large = config(36, 1280);
        let with = Needs::of(&large, GPU, true, true).bytes(1024);
        assert!((15..21).contains(&(with / 1_000_000_000)), "{with}");
        let without = Needs::of(&large, GPU, false, true);
        assert!(without.by_token > 5 * Needs::of(&large, GPU, true, true).by_token);
    }

    #[test]
    fn what_cannot_fit_is_said_before_it_starts() {
        let machine = Machine { device: Device::Cpu, precision: Precision::Fp32 };
        let error =
            plan(&config(1 << 12, 1 << 16), machine, &Options::default(), true).expect_err("huge");
        assert!(error.to_string().contains("this training needs about"), "{error}");
        let model = ModelConfig { layers: 1, hidden: 64, ..config(1, 64).model };
        let small = TrainConfig { model, ..config(1, 64) };
        let plan = plan(&small, machine, &Options::default(), true).expect("small");
        assert_eq!(plan, Plan { micro_batch: 2048, recompute: false });
    }

    #[test]
    fn options_come_before_estimates() {
        let machine = Machine { device: Device::Cpu, precision: Precision::Fp32 };
        let options =
            Options { micro_batch: Some(5000), recompute: Recompute::Always, ..Options::default() };
        let plan = plan(&config(2, 64), machine, &options, true).expect("small");
        assert_eq!(plan, Plan { micro_batch: 5000, recompute: true });
        assert!(peak_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
