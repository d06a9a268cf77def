//! Full-size models against `transformers`: `parity FOLDER` reads what `bench/train/full_size.py` wrote
//! and prints the largest differences; fails where logits, loss or a gradient's norm differ by more than
//! 1e-5 of the largest value.

#![expect(clippy::print_stdout, reason = "a program, not a library")]

use mixmake_train::{Batch, Network};
use safetensors::SafeTensors;
use serde_json::Value;
use std::error::Error;
use std::path::Path;

const TOLERANCE: f64 = 1e-5;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("give the folder that full_size.py wrote")?;
    let mut worst = 0.0_f64;
    for name in ["gpt2", "bert"] {
        worst = worst.max(check(&Path::new(&folder).join(name))?);
    }
    if worst <= TOLERANCE {
        Ok(())
    } else {
        Err(format!("{worst:e} is more than {TOLERANCE:e}").into())
    }
}

/// The largest difference of a model, after printing each.
fn check(folder: &Path) -> Result<f64, Box<dyn Error>> {
    let network = Network::open(&folder.join("model.safetensors"), &folder.join("config.json"))?;
    let facts: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json"))?)?;
    let rows: Vec<Vec<i64>> = serde_json::from_value(facts["sequences"].clone())?;
    let targets: Vec<Vec<i64>> = serde_json::from_value(facts["targets"].clone())?;
    let batch = Batch::new(&rows.into_iter().zip(targets).collect::<Vec<_>>(), 0);

    let file = std::fs::read(folder.join("expected.safetensors"))?;
    let expected = SafeTensors::deserialize(&file)?;
    let logits = difference(&network.logits(&batch)?, expected.tensor("logits")?.data());
    let found = network.gradients(&batch)?;
    let loss = relative(found.loss, facts["loss"].as_f64().ok_or("no loss")?);
    let mut gradient = 0.0_f64;
    for (name, values) in &found.tensors {
        let norm = values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let expected = facts["gradient_norms"][name].as_f64().ok_or("no such gradient")?;
        // A gradient that is 0 but for rounding, such as that of the keys' bias, has no relative error.
        let scale = if expected < 1e-6 { 1.0 } else { expected };
        gradient = gradient.max((norm - expected).abs() / scale);
    }
    let (name, count) = (folder.display(), network.parameters());
    println!(
        "{name}: {count} parameters; largest relative difference of logits {logits:.1e}, loss {loss:.1e}, gradient norms {gradient:.1e}"
    );
    Ok(logits.max(loss).max(gradient))
}

fn relative(found: f64, expected: f64) -> f64 {
    (found / expected - 1.0).abs()
}

/// The largest difference, relative to the largest value.
fn difference(found: &[f32], expected: &[u8]) -> f64 {
    let expected = expected.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let (mut most, mut scale) = (0.0_f32, 0.0_f32);
    for (found, expected) in found.iter().zip(expected) {
        most = most.max((found - expected).abs());
        scale = scale.max(expected.abs());
    }
    f64::from(most / scale)
}
