//! What can go wrong in a training, and what to do about it.

use std::path::PathBuf;
use tch::TchError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    #[error("`{field}` {problem}")]
    Config { field: &'static str, problem: &'static str },
    #[error("the {set} has no sequences; give it at least one")]
    NoSequences { set: String },
    #[error(
        "the {set} has no token to predict: each sequence needs two tokens (`gpt2`) or one that may be masked (`bert`)"
    )]
    NothingToPredict { set: String },
    #[error(
        "sequence {sequence} of the {set} has {length} tokens, the model's `context` is {context}; shorten it or raise `context`"
    )]
    TooLong { set: String, sequence: u64, length: usize, context: u32 },
    #[error(
        "sequence {sequence} of the {set} holds token {token}, but `vocabulary` is {vocabulary}; use the tokenizer the data was written with"
    )]
    UnknownToken { set: String, sequence: u64, token: i64, vocabulary: u32 },
    #[error(
        "the loss is {loss} and the gradient's norm {norm} at step {step}: training diverged; lower `learning-rate`, lengthen `warm-up` or set `clip` to 1.0. {}",
        kept(*checkpoint)
    )]
    Diverged { step: u64, loss: f64, norm: f64, checkpoint: Option<u64> },
    #[error(
        "out of memory: {detail}; set `micro-batch` in `[runtime]` lower or `recompute` to \"always\", choose a smaller `hidden`, `layers` or `context`, or a larger device"
    )]
    OutOfMemory { detail: String },
    #[error(
        "this training needs about {} on the {device}, which has {} left, even with `recompute` and one row a pass; choose a smaller `hidden`, `layers` or `context`, or a larger device",
        gigabytes(*needed),
        gigabytes(*available)
    )]
    WontFit { device: &'static str, needed: u64, available: u64 },
    #[error(
        "the GPU failed: {detail}; `nvidia-smi` and the kernel's log say whether it is still there. Run the same command again once it is"
    )]
    DeviceLost { detail: String },
    #[error("at step {step}: {source}. {}", kept(*checkpoint))]
    At { step: u64, checkpoint: Option<u64>, source: Box<TrainError> },
    #[error("libtorch: {detail}")]
    Torch { detail: String },
    #[error("`{path}`: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("`{path}` does not hold this model: {problem}")]
    Weights { path: PathBuf, problem: String },
    #[error("stopped at step {step} as asked; the same command continues from there")]
    Interrupted { step: u64 },
}

impl TrainError {
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> TrainError {
        TrainError::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn weights(path: &std::path::Path, problem: impl ToString) -> TrainError {
        TrainError::Weights { path: path.to_path_buf(), problem: problem.to_string() }
    }
}

/// What is left of a run that failed.
fn kept(checkpoint: Option<u64>) -> String {
    match checkpoint {
        Some(step) => format!("The last good checkpoint, of step {step}, is kept"),
        None => "There is no checkpoint yet: the run would start afresh".to_owned(),
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

impl From<TchError> for TrainError {
    /// libtorch reports with a C++ backtrace; its first line is what a user can act on.
    fn from(error: TchError) -> TrainError {
        let message = match error {
            TchError::Torch(message) => message,
            other => other.to_string(),
        };
        let detail = message.lines().next().unwrap_or_default().trim().to_owned();
        let lower = message.to_lowercase();
        if lower.contains("out of memory") || lower.contains("can't allocate memory") {
            TrainError::OutOfMemory { detail }
        } else if lower.contains("cuda error") || lower.contains("cudnn_status") {
            TrainError::DeviceLost { detail }
        } else {
            TrainError::Torch { detail }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torch_messages_are_classified() {
        let check = |message: &str, start: &str| {
            let error = TrainError::from(TchError::Torch(message.to_owned())).to_string();
            assert!(error.starts_with(start), "{error}");
            assert!(!error.contains("frame #0"), "{error}");
        };
        check("CUDA out of memory. Tried to allocate 2.00 GiB.\nframe #0: c10", "out of memory");
        check(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried",
            "out of memory",
        );
        check(
            "CUDA error: an illegal memory access was encountered\nCUDA kernel",
            "the GPU failed",
        );
        check("mat1 and mat2 shapes cannot be multiplied\nframe #0: c10", "libtorch: mat1");
    }
}
