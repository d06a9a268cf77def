//! Training of small and large language models on libtorch: GPT-2 and BERT exactly as Hugging Face
//! defines them, AdamW, evaluation per held-out domain, checkpoint and resume to the same bits.
//!
//! This is the only crate that links libtorch. It knows token ids and nothing else of the data: not
//! where they come from, how they were tokenized, or what a mixture is. It sees them through
//! [`Sequences`]. It never prints; an observer is told what happens.
//!
//! What decides the result of a training is [`TrainConfig`] and the sequences, in their order. The
//! same inputs give the same bits on one CPU model whatever runs beside them; [`Numerics`] says what
//! else may change bits (device, library).

mod batch;
mod branch;
mod checkpoint;
mod config;
mod cpu;
mod device;
mod dropout;
mod error;
mod evaluate;
mod files;
mod flops;
mod loss;
mod masking;
mod memory;
mod model;
mod network;
mod optimizer;
mod options;
mod parameters;
mod pending;
mod random;
mod saver;
mod schedule;
mod sequences;
mod shim;
mod trainer;
mod weights;

pub use batch::{Batch, Padding};
pub use config::{Architecture, ModelConfig, Precision, Schedule, TrainConfig, WarmUp};
pub use device::{Numerics, prepare};
pub use error::TrainError;
pub use evaluate::EvalRow;
pub use flops::{flops_per_token, peak_flops};
pub use memory::peak_memory;
pub use network::{Gradients, Network};
pub use options::{Deterministic, Options, Recompute};
pub use random::normals;
pub use schedule::learning_rate;
pub use sequences::{HeldOut, Sequences};
pub use trainer::{CurvePoint, Progress, TrainFiles, TrainReport, train};
