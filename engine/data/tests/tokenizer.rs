//! Training tokenizers and making shards.

mod common;

use std::path::{Path, PathBuf};

use common::{Corpus, everything, json_lines, shared};
use mixmake_data::DataError;
use mixmake_data::tokenizer::{
    BpeSpec, Builtin, END_OF_TEXT, Encoder, ShardFiles, ShardSpec, ShardStats, builtin, tokenize,
    train_bpe, train_wordpiece,
};
use mixmake_shards::{Shard, Sidecar};
use tokenizers::Tokenizer;

const TEXTS: [&str; 6] = [
    "the cat sat on the mat",
    "the cat ate the rat; the rat ate the hat",
    "日本語 🦀 the crab",
    "fn main() { println!(\"the\"); }",
    "a literal <|endoftext|> is text",
    "tab\tnul\0and\r\nnewlines",
];

fn samples(texts: &[&str]) -> Corpus {
    let corpus = Corpus::with("a.jsonl", json_lines(texts.iter().copied()));
    corpus.extract(&everything()).expect("extracted");
    corpus
}

fn bpe(vocabulary: u32) -> BpeSpec {
    BpeSpec { vocabulary, min_frequency: 2 }
}

fn train(files: &[PathBuf], vocabulary: u32) -> Vec<u8> {
    train_bpe(files, &bpe(vocabulary), &mut |_| {}).expect("trained")
}

fn plain() -> ShardSpec {
    ShardSpec { end_of_text: false, add_special_tokens: false, max_tokens: None }
}

/// A shard of a corpus, in the corpus's folder.
struct Made {
    files: ShardFiles,
    stats: ShardStats,
}

fn make(corpus: &Corpus, tokenizer: &Path, spec: &ShardSpec) -> Result<Made, DataError> {
    let files =
        ShardFiles { bin: corpus.path("b"), idx: corpus.path("i"), sidecar: corpus.path("s") };
    let stats = tokenize(&corpus.files().train, tokenizer, spec, &files, &mut |_| {})?;
    Ok(Made { files, stats })
}

impl Made {
    fn sequences(&self) -> Vec<Vec<u32>> {
        let shard = Shard::open(&self.files.bin, &self.files.idx).expect("a shard");
        let verified = shard.verify(Some(self.stats.vocabulary)).expect("verified");
        assert_eq!(
            (verified.tokens, verified.documents),
            (self.stats.tokens, self.stats.documents)
        );
        (0..shard.sequences()).map(|i| shard.sequence(i).expect("a sequence").to_vec()).collect()
    }
}

fn trained(corpus: &Corpus, vocabulary: u32) -> PathBuf {
    let path = corpus.path("tokenizer.json");
    std::fs::write(&path, train(&[corpus.files().train], vocabulary)).expect("written");
    path
}

#[test]
fn training_does_not_depend_on_the_order_of_samples_or_threads() {
    let (all, first, second) = (samples(&TEXTS), samples(&TEXTS[..3]), samples(&TEXTS[3..]));
    let (first, second) = (first.files().train, second.files().train);
    let expected = train(&[all.files().train], 300);
    assert_eq!(train(&[first.clone(), second.clone()], 300), expected);
    assert_eq!(train(&[second.clone(), first.clone()], 300), expected);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    assert_eq!(pool.install(|| train(&[second, first], 300)), expected);
    let tokenizer = Tokenizer::from_bytes(&expected).expect("a tokenizer");
    assert_eq!(tokenizer.token_to_id(END_OF_TEXT), Some(0));
    assert!(tokenizer.token_to_id("Ġthe").is_some(), "a frequent word is one token");
    assert!(tokenizer.get_vocab_size(true) <= 300 && tokenizer.get_vocab_size(true) > 257);
}

#[test]
fn shards_decode_to_the_texts_and_lead_back_to_rows() {
    let corpus = samples(&TEXTS);
    let tokenizer = trained(&corpus, 300);
    let made = make(&corpus, &tokenizer, &plain()).expect("made");
    let sidecar = Sidecar::open(&made.files.sidecar).expect("a sidecar");
    let decoder = Tokenizer::from_file(&tokenizer).expect("a tokenizer");
    let rows = corpus.train();
    assert_eq!(made.stats.documents, 6);
    assert_eq!(made.stats.chars, TEXTS.iter().map(|text| text.chars().count() as u64).sum::<u64>());
    for (i, (tokens, row)) in made.sequences().iter().zip(&rows).enumerate() {
        assert_eq!(decoder.decode(tokens, false).expect("decoded"), row.0);
        let place = sidecar.provenance(i as u64).expect("a place");
        assert_eq!((place.source, place.row, place.start), (row.1.clone(), row.2, row.3));
        assert_eq!(TEXTS[place.row as usize - 1], row.0);
    }
    let json = std::fs::read(&tokenizer).expect("a file");
    assert_eq!(sidecar.header().tokenizer, blake3::hash(&json).to_hex().as_str());
    assert_eq!(sidecar.header().tokens, made.stats.tokens);
}

#[test]
fn a_literal_special_token_in_a_text_is_text() {
    let corpus = samples(&TEXTS);
    let tokenizer = trained(&corpus, 300);
    let without = make(&corpus, &tokenizer, &plain()).expect("made").sequences();
    assert!(without.iter().flatten().all(|&token| token != 0));
    let spec = ShardSpec { end_of_text: true, ..plain() };
    let with = make(&corpus, &tokenizer, &spec).expect("made").sequences();
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(with[..with.len() - 1], without[..]);
        assert_eq!(with.last(), Some(&0));
    }
}

#[test]
fn samples_are_cut_to_max_tokens() {
    let corpus = samples(&TEXTS);
    let tokenizer = trained(&corpus, 300);
    let whole = make(&corpus, &tokenizer, &plain()).expect("made").sequences();
    let spec = ShardSpec { end_of_text: true, max_tokens: Some(9), ..plain() };
    let made = make(&corpus, &tokenizer, &spec).expect("made");
    assert_eq!(
        (made.stats.longest, made.stats.truncated),
        (9, whole.iter().filter(|w| w.len() > 8).count() as u64)
    );
    for (cut, whole) in made.sequences().iter().zip(&whole) {
        let kept = whole.len().min(8);
        assert_eq!(cut[..kept], whole[..kept]);
        assert_eq!((cut.len(), cut[kept]), (kept + 1, 0));
    }
    let refused = make(&corpus, &tokenizer, &ShardSpec { max_tokens: Some(1), ..spec });
    assert!(matches!(refused, Err(DataError::Spec { field: "max-tokens", .. })));
}

#[test]
fn bad_tokenizers_and_samples_are_refused() {
    let corpus = samples(&TEXTS);
    let check = |content: &str, expected: &str| {
        let path = corpus.path("bad.json");
        std::fs::write(&path, content).expect("written");
        let refusal = make(&corpus, &path, &ShardSpec { end_of_text: true, ..plain() })
            .err()
            .expect(expected)
            .to_string();
        assert!(refusal.contains(expected), "{refusal}");
    };
    check("{", "bad.json` is not a tokenizer.json");
    check(
        r#"{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}"#,
        "it has no end-of-text token",
    );
    let refusal = train_bpe(&[corpus.path("a.jsonl")], &bpe(300), &mut |_| {})
        .expect_err("no samples")
        .to_string();
    assert!(refusal.contains("a.jsonl` is not a samples file"), "{refusal}");
    let small = train_bpe(&[corpus.files().train], &bpe(256), &mut |_| {});
    assert!(matches!(small, Err(DataError::Spec { field: "vocabulary", .. })));
    let nothing = train_bpe(&[corpus.files().held_out], &bpe(300), &mut |_| {})
        .expect_err("no text")
        .to_string();
    assert!(nothing.contains("no sample to train on"), "{nothing}");
}

#[test]
fn gpt2_ids_are_the_published_ones() {
    let Some(gpt2) = shared("data/corpora/tokenizers/gpt2/tokenizer.json") else { return };
    let corpus = samples(&["Hello world", "<|endoftext|>"]);
    let made = make(&corpus, &gpt2, &ShardSpec { end_of_text: true, ..plain() }).expect("made");
    let mut sequences = made.sequences();
    sequences.sort_unstable();
    assert_eq!(sequences[1], [15496, 995, 50256]);
    assert!(!sequences[0][..sequences[0].len() - 1].contains(&50256), "the literal is text");
    assert_eq!(made.stats.vocabulary, 50257);
}

#[test]
fn bert_samples_have_their_special_tokens() {
    let Some(bert) = shared("data/corpora/tokenizers/bert-base-uncased/tokenizer.json") else {
        return;
    };
    let long = "word ".repeat(400);
    let corpus = samples(&["Hello World", &long, "[SEP] is text"]);
    let spec = ShardSpec { add_special_tokens: true, max_tokens: Some(300), ..plain() };
    let made = make(&corpus, &bert, &spec).expect("made");
    let mut sequences = made.sequences();
    sequences.sort_by_key(Vec::len);
    assert_eq!(sequences[0], [101, 7592, 2088, 102]);
    assert_eq!(
        sequences[1].iter().filter(|&&token| token == 102).count(),
        1,
        "the literal is text"
    );
    assert_eq!((sequences[2].len(), sequences[2][0], sequences[2][299]), (300, 101, 102));
    assert_eq!((made.stats.truncated, made.stats.vocabulary), (1, 30522));
    let refused = make(&corpus, &bert, &ShardSpec { max_tokens: Some(2), ..spec });
    assert!(matches!(refused, Err(DataError::Spec { field: "max-tokens", .. })));
}

#[test]
fn a_wordpiece_depends_on_the_words_alone_and_is_fast() {
    let (all, first, second) = (samples(&TEXTS), samples(&TEXTS[..3]), samples(&TEXTS[3..]));
    let train = |files: &[&Corpus]| {
        let files: Vec<PathBuf> = files.iter().map(|corpus| corpus.files().train).collect();
        train_wordpiece(&files, &bpe(150), &mut |_| {}).expect("trained")
    };
    let expected = train(&[&all]);
    for _ in 0..3 {
        assert_eq!(train(&[&second, &first]), expected);
    }
    let tokenizer = Tokenizer::from_bytes(&expected).expect("a tokenizer");
    let ids = |text: &str| tokenizer.encode(text, true).expect("encoded").get_ids().to_vec();
    for (id, token) in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].iter().enumerate() {
        assert_eq!(tokenizer.token_to_id(token), Some(id as u32));
    }
    assert_eq!(
        ids("THE cat"),
        [2, ids("the")[1], ids("cat")[1], 3],
        "frequent words are one piece, lower case"
    );
    assert!(tokenizer.get_vocab_size(true) <= 150);
    assert_eq!(ids("\u{4e00}"), [2, 1, 3], "a character that was not there is unknown");
    let path = all.path("wordpiece.json");
    std::fs::write(&path, &expected).expect("written");
    let fast = Encoder::load(&path, &plain()).expect("a tokenizer");
    assert!(fast.is_fast());
    for text in TEXTS {
        let expected = tokenizer.encode_fast(text, false).expect("encoded");
        assert_eq!(fast.encode(&[text]).expect("encoded").tokens, expected.get_ids(), "{text}");
    }
    let small = train_wordpiece(&[all.files().train], &bpe(99), &mut |_| {});
    assert!(matches!(small, Err(DataError::Spec { field: "vocabulary", .. })));
}

#[test]
fn the_built_in_gpt2_is_the_published_one() {
    let json = builtin(Builtin::Gpt2).expect("a tokenizer");
    let corpus = samples(&TEXTS);
    let path = corpus.path("gpt2.json");
    std::fs::write(&path, &json).expect("written");
    let fast =
        Encoder::load(&path, &ShardSpec { end_of_text: true, ..plain() }).expect("a tokenizer");
    assert!(fast.is_fast());
    assert_eq!(fast.encode(&["Hello world"]).expect("encoded").tokens, [15496, 995, 50256]);
    let Some(published) = shared("data/corpora/tokenizers/gpt2/tokenizer.json") else { return };
    let parse = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).expect("JSON");
    let (ours, published) = (parse(&json), parse(&std::fs::read(published).expect("a file")));
    for part in ["vocab", "merges"] {
        assert!(ours["model"][part] == published["model"][part], "{part}");
    }
    for part in ["added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder"] {
        assert_eq!(ours[part], published[part], "{part}");
    }
}
