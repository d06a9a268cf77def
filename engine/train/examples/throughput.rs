//! Training speed of a small GPT-2 on this machine's CPU or GPU:
//! `cargo run --release -p mixmake-train --example throughput -- [layers hidden heads context vocabulary rows steps threads]`.

#![expect(clippy::print_stdout, reason = "a program, not a library")]

use mixmake_train::{
    Architecture, ModelConfig, Precision, Progress, Schedule, Sequences, TrainConfig, TrainFiles,
    WarmUp, train,
};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Endless text of no meaning.
struct Noise {
    sequences: u64,
    context: u32,
    vocabulary: u32,
}

impl Sequences for Noise {
    fn len(&self) -> u64 {
        self.sequences
    }

    fn read(&self, index: u64, buffer: &mut Vec<i64>) {
        buffer.clear();
        let token = |i: u64| (index.wrapping_mul(0x9e37_79b9) ^ i.wrapping_mul(0x85eb_ca6b)) >> 7;
        let vocabulary = u64::from(self.vocabulary);
        buffer.extend((0..u64::from(self.context)).map(|i| (token(i) % vocabulary) as i64));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes = [3, 128, 4, 128, 4096, 16, 60, 1];
    for (size, argument) in sizes.iter_mut().zip(std::env::args().skip(1)) {
        *size = argument.parse()?;
    }
    let [layers, hidden, heads, context, vocabulary, rows, steps, threads] = sizes;
    let architecture = Architecture::Gpt2;
    let config = TrainConfig {
        model: ModelConfig {
            architecture,
            vocabulary,
            context,
            layers,
            hidden,
            heads,
            dropout: 0.0,
        },
        learning_rate: 1e-3,
        schedule: Schedule::Linear,
        warm_up: WarmUp::Fraction(0.1),
        weight_decay: 0.01,
        clip: 1.0,
        batch_sequences: rows.into(),
        precision: Precision::Auto,
        threads,
        seed: 1,
        evaluations: 1,
        masking: 0.0,
        mask_token: None,
        pad_token: None,
        special_tokens: vec![],
    };
    let folder = std::env::temp_dir();
    let files = TrainFiles {
        model: folder.join(format!("throughput-{}.safetensors", std::process::id())),
        model_config: folder.join(format!("throughput-{}.json", std::process::id())),
        checkpoints: None,
        checkpoint_every: Duration::MAX,
    };
    let data = Noise { sequences: u64::from(rows) * u64::from(steps), context, vocabulary };
    // The first steps fill caches and pools; the median step is not disturbed by a busy neighbour.
    let (mut last, mut times) = (Instant::now(), Vec::new());
    let report = train(&config, &data, &[], &files, &mut |progress| {
        if matches!(progress, Progress::Stepped { .. }) {
            times.push(last.elapsed().as_secs_f64());
            last = Instant::now();
        }
        ControlFlow::Continue(())
    })?;
    std::fs::remove_file(&files.model)?;
    std::fs::remove_file(&files.model_config)?;
    times.sort_by(f64::total_cmp);
    let tokens = f64::from(rows) * f64::from(context);
    let rate = |seconds: f64| tokens / seconds;
    println!(
        "{} parameters, {}x{} tokens a step, {:?}: {:.0} tokens/s at the median step, {:.0} at the fastest",
        report.parameters,
        rows,
        context,
        report.numerics,
        rate(times[times.len() / 2]),
        rate(times[0])
    );
    Ok(())
}
