//! A store with trainings that nobody ran, and the program over it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use mixmake::artifact::{LossRow, Losses, ShardFacts, TrainedPart};
use mixmake::stage::train::{TrainParams, WarmUp};
use mixmake_core::Store;
use mixmake_core::digest::{Digest, Key};
use mixmake_core::record::{ActionResult, OutputRecord, Receipt, Request};
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;

pub struct Place {
    pub folder: TempDir,
    store: Store,
}

/// A digest that stands for some bytes.
pub fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_hex()
}

fn key(text: &str) -> Key {
    Key::from_bytes(*Digest::of(text.as_bytes()).as_bytes())
}

/// A mixture's tokens by domain.
pub type Amounts<'a> = [(&'a str, u64)];

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&folder.path().join("store")).expect("a store");
        Self { folder, store }
    }

    fn object(&self, value: &impl Serialize, name: &str, keep: bool) -> OutputRecord {
        let path = self.folder.path().join("object");
        fs::write(&path, serde_json::to_vec(value).expect("JSON")).expect("written");
        let (digest, bytes) = self.store.insert(&path).expect("inserted");
        OutputRecord { name: name.into(), digest, bytes, keep }
    }

    fn result(&self, kind: &str, target: &str, outputs: Vec<OutputRecord>) {
        let key = key(&format!("{kind} {target}"));
        let result = ActionResult {
            key,
            kind: kind.into(),
            version: 1,
            outputs,
            receipt: Receipt::default(),
        };
        self.store.put_result(&result).expect("a result");
        let request = Request {
            key,
            kind: kind.into(),
            version: 1,
            params: serde_json::Map::new(),
            inputs: vec![],
            outputs: vec![],
            target: target.rsplit(' ').next().unwrap_or(target).into(),
            advice: serde_json::Map::new(),
        };
        self.store.put_request(&request).expect("a request");
    }

    /// The shards of a domain; its bytes are those of `content`.
    pub fn shards(&self, domain: &str, content: &str) {
        let facts = |split: &str| ShardFacts {
            bin: digest(&format!("{content} {split}")),
            idx: digest("idx"),
            tokens: 1_000_000,
            sequences: 10,
            chars: 10,
            longest: 10,
            vocabulary: 10,
            tokenizer: digest("tokenizer"),
        };
        let outputs = vec![
            self.object(&facts("train"), mixmake::stage::shards::TRAIN.facts, false),
            self.object(&facts("held-out"), mixmake::stage::shards::HELD_OUT.facts, false),
        ];
        self.result("shards", &format!("{content} shards/{domain}"), outputs);
    }

    /// A training with the losses that `loss` gives at the weights it drew, at two steps.
    pub fn training(
        &self,
        target: &str,
        amounts: &Amounts<'_>,
        hidden: u32,
        loss: impl Fn(usize, &[f64]) -> f64,
    ) {
        self.training_with(target, amounts, hidden, &[(50, 1.0, false), (100, 0.0, false)], loss);
    }

    /// As [`Place::training`], with rows at each of `ends`: a step of 100, what is added to the loss there, and
    /// whether it is of a branch.
    pub fn training_with(
        &self,
        target: &str,
        amounts: &Amounts<'_>,
        hidden: u32,
        ends: &[(u64, f64, bool)],
        loss: impl Fn(usize, &[f64]) -> f64,
    ) {
        let total: u64 = amounts.iter().map(|(_, tokens)| tokens).sum();
        let weights: Vec<f64> =
            amounts.iter().map(|(_, tokens)| *tokens as f64 / total as f64).collect();
        let part = |((content, tokens), weight): (&(&str, u64), &f64)| TrainedPart {
            shard: digest(&format!("{content} train")),
            tokens: *tokens,
            weight_requested: *weight,
            weight_achieved: *weight,
        };
        let mut rows = Vec::new();
        for &(step, extra, decayed) in ends {
            rows.extend(amounts.iter().enumerate().map(|(place, (content, _))| LossRow {
                step,
                tokens: total * step / 100,
                held_out: digest(&format!("{content} held-out")),
                loss: loss(place, &weights) + extra,
                held_out_tokens: 5000,
                decayed,
            }));
        }
        let losses = Losses {
            parts: amounts.iter().zip(&weights).map(part).collect(),
            mixture_tokens: total,
            tokens: total,
            steps: 100,
            tokenizer: digest("tokenizer"),
            vocabulary: 10,
            mixture_seed: 1,
            configuration: configuration(hidden),
            rows,
        };
        let outputs = vec![self.object(&losses, mixmake::stage::train::LOSSES, true)];
        self.result("train", target, outputs);
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mixmake"))
            .current_dir(self.folder.path())
            .env_remove("MIXMAKE_STORE")
            .args(["--store", "store"])
            .args(arguments)
            .output()
            .expect("the program starts")
    }

    #[track_caller]
    pub fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).expect("text") + &stderr
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json", "-q"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    }

    /// Runs what must be refused: exit code and standard error.
    pub fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains("panicked") && !output.status.success(), "{stderr}");
        (output.status.code(), stderr)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn configuration(hidden: u32) -> TrainParams {
    TrainParams {
        architecture: "gpt2".into(),
        layers: 2,
        hidden,
        heads: 4,
        context: 128,
        dropout: 0.0,
        learning_rate: 3e-3,
        schedule: "linear".into(),
        decay: None,
        warm_up: WarmUp::Fraction(0.1),
        warm_up_from_zero: true,
        weight_decay: 0.01,
        clip: 1.0,
        batch_tokens: 256,
        epochs: 1,
        precision: "fp32".into(),
        threads: 1,
        seed: 1,
        evaluations: 2,
        evaluate_at_steps: vec![],
        evaluate_at_tokens: vec![],
        branches: false,
        padding: "packed".into(),
        masking: None,
    }
}
