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
    let of_model = |name: &str| expected.tensor(name).map(|tensor| floats(tensor.data()));
    let logits = of_model("logits")?;
    let logits = difference(&network.logits(&batch)?, &logits, largest(&logits));
    let found = network.gradients(&batch)?;
    let loss = relative(found.loss, facts["loss"].as_f64().ok_or("no loss")?);
    let mut gradient = 0.0_f64;
    let mut of = "";
    for (name, values) in &found.tensors {
        let expected = of_model(name)?;
        // Attention does not depend on a constant added to all keys: that gradient is 0 but for rounding, and is
        // measured by that of the queries.
        let scale = if name.ends_with(".key.bias") {
            largest(&of_model(&name.replace(".key.", ".query."))?)
        } else {
            largest(&expected)
        };
        let apart = difference(values, &expected, scale);
        if apart > gradient {
            (gradient, of) = (apart, name);
        }
    }
    let (name, count) = (folder.display(), network.parameters());
    println!(
        "{name}: {count} parameters; largest relative difference of logits {logits:.1e}, loss {loss:.1e}, gradients {gradient:.1e} (`{of}`)"
    );
    Ok(logits.max(loss).max(gradient))
}

fn relative(found: f64, expected: f64) -> f64 {
    (found / expected - 1.0).abs()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}

/// The largest difference, of `scale`; not a number where one of them is none.
fn difference(found: &[f32], expected: &[f32], scale: f32) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let apart = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    f64::from(apart.fold(0.0, |most, each| if each <= most { most } else { each }) / scale)
}
