//! The models against `transformers`: logits, loss, every gradient, files, and a short training with
//! PyTorch's own AdamW, on vectors made by `vectors/make.py`.

use mixmake_train::{Batch, Network};
use safetensors::SafeTensors;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

fn open(folder: &Path) -> Network {
    Network::open(&folder.join("model.safetensors"), &folder.join("config.json"))
        .expect("committed model")
}

fn facts(name: &str) -> Value {
    let text = std::fs::read(folder(name).join("expected.json")).expect("committed file");
    serde_json::from_slice(&text).expect("committed file")
}

fn rows(value: &Value) -> Vec<Vec<i64>> {
    serde_json::from_value(value.clone()).expect("rows of token ids")
}

fn batch(facts: &Value) -> Batch {
    let sequences = rows(&facts["sequences"]);
    let targets = match &facts["targets"] {
        Value::Null => sequences.iter().map(|row| row[1..].to_vec()).collect(),
        targets => rows(targets),
    };
    Batch::new(&sequences.into_iter().zip(targets).collect::<Vec<_>>(), 0)
}

/// The largest difference, relative to the largest value of the tensor.
fn error(found: &[f32], expected: &[u8]) -> f64 {
    let expected: Vec<f32> = expected
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")))
        .collect();
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1e-3_f32, |most, x| most.max(x.abs()));
    let most = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(found.iter().all(|x| x.is_finite()));
    f64::from(most / scale)
}

fn check(name: &str) {
    let (network, facts) = (open(&folder(name)), facts(name));
    let buffer = std::fs::read(folder(name).join("expected.safetensors")).expect("committed file");
    let expected = SafeTensors::deserialize(&buffer).expect("committed file");
    let batch = batch(&facts);
    let logits = network.logits(&batch).expect("fits");
    let of = |name: &str| expected.tensor(name).unwrap_or_else(|_| panic!("no `{name}`")).data();
    assert!(error(&logits, of("logits")) < 1e-5, "logits: {:e}", error(&logits, of("logits")));
    let gradients = network.gradients(&batch).expect("fits");
    let loss = facts["loss"].as_f64().expect("number");
    assert!((gradients.loss / loss - 1.0).abs() < 1e-6, "loss {} for {loss}", gradients.loss);
    assert_eq!(gradients.tensors.len() + 1, expected.len());
    let mut worst = 0.0_f64;
    for (name, values) in &gradients.tensors {
        let error = error(values, of(name));
        assert!(error < 1e-5, "gradient of `{name}`: {error:e}");
        worst = worst.max(error);
    }
    eprintln!("{name}: logits {:.1e}, gradients {worst:.1e}", error(&logits, of("logits")));
}

#[test]
fn gpt2_is_the_gpt2_of_transformers() {
    check("gpt2");
}

#[test]
fn bert_is_the_bert_of_transformers() {
    check("bert");
}

/// What we write is, tensor for tensor, what `transformers` wrote.
#[test]
fn saved_models_hold_the_tensors_that_transformers_wrote() {
    for name in ["gpt2", "bert"] {
        let temporary = tempfile::tempdir().expect("temporary folder");
        let (weights, config) =
            (temporary.path().join("model.safetensors"), temporary.path().join("config.json"));
        let network = open(&folder(name));
        network.save(&weights, &config).expect("writable");
        let (ours, theirs) = (
            std::fs::read(&weights).expect("written"),
            std::fs::read(folder(name).join("model.safetensors")).expect("committed"),
        );
        let (ours, theirs) = (SafeTensors::deserialize(&ours), SafeTensors::deserialize(&theirs));
        let (ours, theirs) = (ours.expect("own file"), theirs.expect("committed"));
        let sorted = |file: &SafeTensors| {
            let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(sorted(&ours), sorted(&theirs));
        for (tensor, view) in theirs.tensors() {
            assert_eq!(ours.tensor(&tensor).expect("same names"), view, "{tensor}");
        }
        let again = Network::open(&weights, &config).expect("own files");
        assert_eq!(again.config(), network.config());
    }
}

#[test]
fn damaged_or_foreign_files_are_refused() {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let weights = temporary.path().join("model.safetensors");
    let message = |weights: &Path, config: &Path| match Network::open(weights, config) {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    };
    let (gpt2, bert) = (folder("gpt2"), folder("bert"));
    let text = message(&bert.join("model.safetensors"), &gpt2.join("config.json"));
    assert!(text.contains("none of the model's"), "{text}");
    let whole = std::fs::read(gpt2.join("model.safetensors")).expect("committed");
    std::fs::write(&weights, &whole[..whole.len() - 1]).expect("writable");
    let text = message(&weights, &gpt2.join("config.json"));
    assert!(text.contains("does not hold this model"), "{text}");
    let text = message(&temporary.path().join("absent"), &gpt2.join("config.json"));
    assert!(text.contains("absent"), "{text}");
    let config = temporary.path().join("config.json");
    for (change, problem) in [
        (("\"gelu_new\"", "\"relu\""), "activation_function"),
        (("\"n_embd\": 24", "\"n_embd\": 48"), "has shape"),
        (("\"n_layer\": 2", "\"n_layer\": 3"), "is missing"),
        (("\"n_layer\": 2", "\"n_layer\": 0"), "layers"),
    ] {
        let text = std::fs::read_to_string(gpt2.join("config.json")).expect("committed");
        std::fs::write(&config, text.replace(change.0, change.1)).expect("writable");
        let text = message(&gpt2.join("model.safetensors"), &config);
        assert!(text.contains(problem), "{text}");
    }
}
