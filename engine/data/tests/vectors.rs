//! The vectors of FORMAT.md, and an independent implementation in Python, agree with this crate.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Corpus, everything, json_lines};
use mixmake_data::corpus::{HeldOut, SamplesSpec};
use mixmake_data::mixture::{Mixture, Order, Part, Permutation, Unit};
use mixmake_data::{block_start, document_hash};
use serde_json::{Value, json};

fn shards_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shards")
}

fn page() -> Value {
    let page = std::fs::read_to_string(shards_folder().join("FORMAT.md")).expect("FORMAT.md");
    let after = page.split_once("```json\n").expect("a block of vectors").1;
    serde_json::from_str(after.split_once("```").expect("a closing fence").0).expect("JSON")
}

fn key(hex: &str) -> [u8; 32] {
    *blake3::Hash::from_hex(hex).expect("a key").as_bytes()
}

/// The page gives long texts by their first 19 characters and their length.
fn text(vector: &Value) -> String {
    let (start, chars) = (
        vector["text"].as_str().expect("text"),
        vector["chars"].as_u64().expect("a length") as usize,
    );
    match start.chars().count() == chars {
        true => start.to_string(),
        false => start
            .chars()
            .take(if start.starts_with('x') { 1 } else { 8 })
            .cycle()
            .take(chars)
            .collect(),
    }
}

#[test]
fn documents_and_blocks() {
    let page = page();
    let vectors = page["documents"].as_array().expect("vectors");
    assert!(vectors.len() > 5);
    for vector in vectors {
        let hash = document_hash(&text(vector));
        assert_eq!(blake3::Hash::from(hash).to_hex().as_str(), vector["hash"], "{vector}");
        let chars = vector["chars"].as_u64().expect("a length");
        assert_eq!(json!(block_start(&hash, chars, 3)), vector["block-start-of-3"], "{vector}");
    }
}

/// Each rule of the page, through files and all.
#[test]
fn samples_of_documents() {
    let page = page();
    let vectors = page["samples"].as_array().expect("vectors");
    assert!(vectors.len() > 8);
    for vector in vectors {
        let corpus = Corpus::with("a.jsonl", json_lines([text(vector).as_str()]));
        let number = |field: &str| vector[field].as_u64().expect("a number");
        let spec = SamplesSpec {
            block: serde_json::from_value(vector["block"].clone()).expect("a rule"),
            block_chars: number("block-chars"),
            min_chars: number("min-chars"),
            ..everything()
        };
        let found: Vec<Value> = match corpus.extract(&spec) {
            Ok(_) => corpus.train().iter().map(|row| shown(row.3, &row.0)).collect(),
            Err(_) => Vec::new(),
        };
        assert_eq!(&json!(found), &vector["samples"], "{vector}");
    }
}

fn shown(start: u64, sample: &str) -> Value {
    json!([start, sample.chars().count(), sample.chars().take(19).collect::<String>()])
}

#[test]
fn splits_of_a_domain() {
    let page = page();
    let given = &page["splits"];
    let given_texts: Vec<&str> =
        given["texts"].as_array().expect("texts").iter().filter_map(Value::as_str).collect();
    let corpus = Corpus::with("a.jsonl", json_lines(given_texts.iter().copied()));
    for rule in given["rules"].as_array().expect("rules") {
        let held_out = match rule["held-out"].as_u64() {
            Some(documents) => HeldOut::Documents(documents),
            None => HeldOut::Fraction(rule["held-out"].as_f64().expect("a fraction")),
        };
        let spec = SamplesSpec {
            held_out,
            drop_duplicates: rule["drop-duplicates"] == true,
            max_documents: rule["max-documents"].as_u64(),
            ..everything()
        };
        corpus.extract(&spec).expect("extracted");
        let texts =
            |rows: Vec<common::Row>| json!(rows.into_iter().map(|row| row.0).collect::<Vec<_>>());
        assert_eq!(texts(corpus.held_out()), rule["held"], "{rule}");
        assert_eq!(texts(corpus.train()), rule["train"], "{rule}");
    }
}

#[test]
fn permutations() {
    let page = page();
    for vector in page["permutations"].as_array().expect("vectors") {
        let permutation = Permutation::new(
            vector["n"].as_u64().expect("n"),
            &key(vector["key"].as_str().expect("a key")),
        );
        let first = vector["first"].as_array().expect("a list");
        let found: Vec<u64> = (0..first.len() as u64).map(|i| permutation.get(i)).collect();
        assert_eq!(&json!(found), &vector["first"], "{vector}");
    }
}

#[test]
fn orders() {
    let page = page();
    let given = &page["order"]["mixture"];
    let parts = given["parts"].as_array().expect("parts").iter().map(|part| Part {
        shard: part["shard"].as_str().expect("a shard").into(),
        weight_requested: 0.0,
        weight_achieved: 0.0,
        units: part["units"].as_u64().expect("units"),
        units_available: part["units-available"].as_u64().expect("units"),
        tokens: 0,
    });
    let mixture = Mixture {
        seed: given["seed"].as_u64().expect("a seed"),
        unit: Unit::Sample,
        parts: parts.collect(),
    };
    let order = Order::new(&mixture).expect("an order");
    let epochs: Vec<Vec<(usize, u64)>> =
        (0..2).map(|epoch| (0..order.len()).map(|i| order.locate(epoch, i)).collect()).collect();
    assert_eq!(json!(epochs), page["order"]["epochs"]);
}

#[test]
fn python_agrees_on_other_cases() {
    let texts: Vec<String> = (0..40u32)
        .map(|i| "añ東🦀 x".chars().cycle().skip(i as usize % 5).take((i * i) as usize).collect())
        .collect();
    let keys: Vec<String> = (0..6u8).map(|i| blake3::hash(&[i]).to_hex().to_string()).collect();
    let sizes = [3u64, 17, 256, 257, 65_537, 123_456_789_012];
    let indices = [0u64, 1, 2];
    let cases = json!({
        "documents": texts.iter().map(|text| json!([text, 10])).collect::<Vec<_>>(),
        "permutations": sizes.iter().zip(&keys).map(|(n, key)| json!([n, key, indices])).collect::<Vec<_>>(),
    });
    let Some(answer) = ask_python(&cases) else { return };
    let documents: Vec<Value> = texts
        .iter()
        .map(|text| {
            let hash = document_hash(text);
            json!([
                blake3::Hash::from(hash).to_hex().as_str(),
                block_start(&hash, text.chars().count() as u64, 10)
            ])
        })
        .collect();
    assert_eq!(answer["documents"], json!(documents));
    let permutations: Vec<Vec<u64>> = sizes
        .iter()
        .zip(&keys)
        .map(|(&n, hex)| indices.map(|i| Permutation::new(n, &key(hex)).get(i)).to_vec())
        .collect();
    assert_eq!(answer["permutations"], json!(permutations));
}

fn ask_python(cases: &Value) -> Option<Value> {
    let script = shards_folder().join("tests/read_shard.py");
    let child = Command::new("python3")
        .arg(script)
        .arg("rules")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => {
            eprintln!("skipped: no python3 ({e})");
            return None;
        }
    };
    child.stdin.take().expect("a pipe").write_all(cases.to_string().as_bytes()).expect("asked");
    let output = child.wait_with_output().expect("answered");
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}
