//! The fast encoders give the ids of the `tokenizers` library: on hostile strings everywhere, on real text where
//! `shared/data/corpora` is present. `examples/equality.rs` compares all of it.

mod common;
#[path = "common/hostile.rs"]
mod hostile;

use std::path::{Path, PathBuf};

use common::{Corpus, everything, shared, source};
use mixmake_data::corpus::{Format, SamplesSpec};
use mixmake_data::samples::SamplesReader;
use mixmake_data::tokenizer::{BpeSpec, Encoder, ShardSpec, train_bpe};

/// With the tokens of the post-processor, and cut, as encoder models take them.
fn encoders_spec() -> ShardSpec {
    ShardSpec { end_of_text: false, add_special_tokens: true, max_tokens: Some(300) }
}

fn plain() -> ShardSpec {
    ShardSpec { end_of_text: false, add_special_tokens: false, max_tokens: None }
}

/// Compares one by one and in one batch, so that caches are cold and warm; says how many texts there were.
fn check(tokenizer: &Path, spec: &ShardSpec, texts: &[&str]) -> usize {
    let fast = Encoder::load(tokenizer, spec).expect("a tokenizer");
    let oracle = Encoder::load_library(tokenizer, spec).expect("a tokenizer");
    assert!(fast.is_fast() && !oracle.is_fast(), "{}", tokenizer.display());
    for text in texts {
        let (found, expected) = (encode(&fast, text), encode(&oracle, text));
        if found != expected {
            let at = found.0.iter().zip(&expected.0).take_while(|(a, b)| a == b).count();
            let start: String = text.chars().take(200).collect();
            panic!(
                "token {at} differs ({} and {} tokens): {start:?}",
                found.0.len(),
                expected.0.len()
            );
        }
        assert_eq!(encode(&fast, text), expected, "the second time: {text:.200?}");
    }
    texts.len()
}

fn encode(encoder: &Encoder, text: &str) -> (Vec<u32>, bool) {
    let encoded = encoder.encode(&[text]).expect("encoded");
    (encoded.tokens, encoded.texts[0].truncated)
}

fn hostile_texts() -> Vec<String> {
    hostile::hostile()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// A tokenizer trained on the hostile strings themselves, so that its merges are about them.
fn trained_bpe(corpus: &mut Corpus) -> PathBuf {
    let texts: Vec<String> = (1000..1100).map(|seed| hostile::random(seed, 300)).collect();
    corpus.add("a.jsonl", common::json_lines(texts.iter().map(String::as_str)));
    corpus.extract(&everything()).expect("extracted");
    let spec = BpeSpec { vocabulary: 600, min_frequency: 2 };
    let json = train_bpe(&[corpus.files().train], &spec, &mut |_| {}).expect("trained");
    let path = corpus.path("tokenizer.json");
    std::fs::write(&path, json).expect("written");
    path
}

#[test]
fn trained_bpe_on_hostile_strings() {
    let mut corpus = Corpus::new();
    let tokenizer = trained_bpe(&mut corpus);
    let texts = hostile_texts();
    assert!(check(&tokenizer, &plain(), &strs(&texts)) > 1000);
    check(
        &tokenizer,
        &ShardSpec { end_of_text: true, max_tokens: Some(40), ..plain() },
        &strs(&texts[..200]),
    );
}

#[test]
fn gpt2_on_hostile_strings() {
    let Some(gpt2) = shared("data/corpora/tokenizers/gpt2/tokenizer.json") else { return };
    check(&gpt2, &plain(), &strs(&hostile_texts()));
}

#[test]
fn bert_on_hostile_strings() {
    let Some(bert) = shared("data/corpora/tokenizers/bert-base-uncased/tokenizer.json") else {
        return;
    };
    let texts = hostile_texts();
    check(&bert, &plain(), &strs(&texts));
    check(&bert, &encoders_spec(), &strs(&texts));
}

/// BERT's other settings, each of which changes what becomes of a character.
#[test]
fn bert_with_other_settings_on_hostile_strings() {
    let Some(bert) = shared("data/corpora/tokenizers/bert-base-uncased/tokenizer.json") else {
        return;
    };
    let json = std::fs::read_to_string(bert).expect("a tokenizer");
    let corpus = Corpus::new();
    let texts: Vec<String> = hostile_texts().into_iter().step_by(7).collect();
    for (from, to) in [
        ("\"lowercase\": true", "\"lowercase\": false"),
        ("\"strip_accents\": null", "\"strip_accents\": false"),
        ("\"clean_text\": true", "\"clean_text\": false"),
        ("\"handle_chinese_chars\": true", "\"handle_chinese_chars\": false"),
        ("\"max_input_chars_per_word\": 100", "\"max_input_chars_per_word\": 3"),
    ] {
        assert!(json.contains(from), "{from}");
        let path = corpus.path("tokenizer.json");
        std::fs::write(&path, json.replace(from, to)).expect("written");
        check(&path, &encoders_spec(), &strs(&texts));
    }
}

/// Real documents, whole, from a file of every domain.
#[test]
fn on_real_text() {
    for set in ["redpajama", "bert"] {
        let Some(folder) = shared(&format!("data/corpora/{set}")) else { return };
        let tokenizer = match set {
            "bert" => shared("data/corpora/tokenizers/bert-base-uncased/tokenizer.json"),
            _ => shared("data/corpora/tokenizers/gpt2/tokenizer.json"),
        };
        let Some(tokenizer) = tokenizer else { return };
        for domain in std::fs::read_dir(folder).expect("a folder") {
            let domain = domain.expect("a domain").path();
            let texts = some_texts(&domain, 120);
            assert_eq!(check(&tokenizer, &plain(), &strs(&texts)), 120, "{}", domain.display());
        }
    }
}

/// The first texts of a domain's first file in the order of their hashes, up to 3,000 characters each.
fn some_texts(domain: &Path, count: usize) -> Vec<String> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(domain).expect("a folder").map(|f| f.expect("a file").path()).collect();
    files.sort();
    let part = files.iter().find(|f| f.to_string_lossy().contains("part-")).expect("a part");
    let mut corpus = Corpus::new();
    corpus.sources.push(source(part, Format::guess(part).expect("a known name")));
    let column = ["review_body", "article"].into_iter().find(|column| {
        let spec = SamplesSpec { text: vec![column.to_string()], ..first_characters() };
        corpus.extract(&spec).is_ok()
    });
    let column = column.unwrap_or("text").to_string();
    corpus.extract(&SamplesSpec { text: vec![column], ..first_characters() }).expect("extracted");
    let mut reader = SamplesReader::open(&corpus.files().train).expect("samples");
    let batch = reader.next_batch().expect("a batch").expect("a batch");
    batch.texts().into_iter().take(count).map(String::from).collect()
}

fn first_characters() -> SamplesSpec {
    SamplesSpec { block: mixmake_data::corpus::Block::First, block_chars: 3000, ..everything() }
}

/// What is nearly GPT-2 or BERT is the library's.
#[test]
fn other_pipelines_are_the_librarys() {
    let mut corpus = Corpus::new();
    let tokenizer = trained_bpe(&mut corpus);
    let json = std::fs::read_to_string(&tokenizer).expect("a tokenizer");
    let is_fast = |json: &str| {
        let path = corpus.path("other.json");
        std::fs::write(&path, json).expect("written");
        Encoder::load(&path, &plain()).expect("a tokenizer").is_fast()
    };
    assert!(is_fast(&json));
    for (from, to) in [
        ("\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\"}"),
        ("\"add_prefix_space\":false", "\"add_prefix_space\":true"),
        ("\"use_regex\":true", "\"use_regex\":false"),
        ("\"dropout\":null", "\"dropout\":0.5"),
        ("\"ignore_merges\":false", "\"ignore_merges\":true"),
        ("\"special\":true", "\"special\":false"),
        ("\"content\":\"<|endoftext|>\"", "\"content\":\"<|other|>\""),
    ] {
        assert!(json.contains(from), "{from}");
        assert!(!is_fast(&json.replacen(from, to, 1)), "{to}");
    }
}
