//! Training a WordPiece tokenizer as BERT's: its normalizer and pre-tokenizer, its five special tokens.
//!
//! The pieces are those that merging the commonest pairs gives, as in the `tokenizers` library. The library numbers the
//! characters in the order of a hash table; here they are counted and numbered first, so that the same words give the
//! same tokenizer, whatever the order of samples or the number of threads.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use serde_json::{Map, Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    Trainer,
};

use super::bpe::Texts;
use super::spec::BpeSpec;
use crate::progress::Meter;
use crate::samples;
use crate::{DataError, Progress, Work};

/// In the order of their ids, from 0.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const PREFIX: &str = "##";
/// Characters that get a token, the commonest; a text with others has unknown words.
const ALPHABET_MAX: usize = 1000;

/// Trains on all samples of the given files and returns the bytes of `tokenizer.json`. A quarter of the vocabulary at
/// most, and at most 1,000 tokens, go to characters at the start of a word, and as many to those within.
///
/// Errors: a vocabulary below 100, no text at all, or a samples file that cannot be read.
pub fn train_wordpiece(
    samples: &[PathBuf],
    spec: &BpeSpec,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<u8>, DataError> {
    if spec.vocabulary < 100 {
        let problem = "must be at least 100: the special tokens, characters and some pieces";
        return Err(DataError::Spec { field: "vocabulary", problem: problem.into() });
    }
    let mut total = 0;
    for path in samples {
        total += samples::count(path)?;
    }
    if total == 0 {
        return Err(DataError::Tokenizer("there is no sample to train on".into()));
    }
    // Once for the characters, once for the words.
    let meter = Arc::new(Meter::new(2 * total, Work::Samples));
    meter.watch(progress, || {
        let alphabet = alphabet(Texts::new(samples, Arc::clone(&meter)), spec)?;
        train(Texts::new(samples, Arc::clone(&meter)), &alphabet, spec)
    })
}

/// The commonest characters of all words; of equally common ones those of smaller code.
fn alphabet(mut texts: Texts, spec: &BpeSpec) -> Result<BTreeSet<char>, DataError> {
    let mut counts: HashMap<char, u64> = HashMap::new();
    for text in texts.by_ref() {
        for c in words(&text).map_err(failed)?.iter().flat_map(|word| word.chars()) {
            *counts.entry(c).or_default() += 1;
        }
    }
    if let Some(error) = texts.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    let mut counts: Vec<(char, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    counts.truncate(ALPHABET_MAX.min(spec.vocabulary as usize / 4));
    Ok(counts.into_iter().map(|(c, _)| c).collect())
}

fn train(texts: Texts, alphabet: &BTreeSet<char>, spec: &BpeSpec) -> Result<Vec<u8>, DataError> {
    let failure = Arc::clone(&texts.failure);
    // All that the trainer would number in an order of its own comes first.
    let first = SPECIAL.iter().map(|token| token.to_string());
    let first = first.chain(alphabet.iter().map(char::to_string));
    let first = first.chain(alphabet.iter().map(|c| format!("{PREFIX}{c}")));
    let mut trainer = BpeTrainer::builder()
        .vocab_size(spec.vocabulary as usize)
        .min_frequency(spec.min_frequency)
        .show_progress(false)
        .special_tokens(first.map(|token| AddedToken::from(token, true)).collect())
        .initial_alphabet(alphabet.iter().copied().collect())
        .limit_alphabet(alphabet.len())
        .continuing_subword_prefix(PREFIX.into())
        .build();
    trainer.feed(texts, words).map_err(failed)?;
    if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    let mut pieces = BPE::default();
    trainer.train(&mut pieces).map_err(failed)?;
    serde_json::to_vec(&tokenizer(&pieces)).map_err(|e| DataError::Tokenizer(e.to_string()))
}

fn failed(error: tokenizers::Error) -> DataError {
    DataError::Tokenizer(error.to_string())
}

fn words(text: &str) -> tokenizers::Result<Vec<String>> {
    let mut split = PreTokenizedString::from(text);
    split.normalize(|text| BertNormalizer::default().normalize(text))?;
    BertPreTokenizer.pre_tokenize(&mut split)?;
    let words = split.get_splits(OffsetReferential::Original, OffsetType::None);
    Ok(words.into_iter().map(|(word, _, _)| word.to_string()).collect())
}

fn tokenizer(pieces: &BPE) -> Value {
    let mut tokens: Vec<(String, u32)> = pieces.get_vocab().into_iter().collect();
    tokens.sort_unstable_by_key(|&(_, id)| id);
    let vocabulary: Map<String, Value> =
        tokens.into_iter().map(|(token, id)| (token, json!(id))).collect();
    let special = |(id, token): (usize, &&str)| {
        json!({"id": id, "content": token, "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true})
    };
    let token =
        |name: &str, sequence: u8| json!({"SpecialToken": {"id": name, "type_id": sequence}});
    let text = |name: &str, sequence: u8| json!({"Sequence": {"id": name, "type_id": sequence}});
    let around = |name: &str, id: u32| json!({"id": name, "ids": [id], "tokens": [name]});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": SPECIAL.iter().enumerate().map(special).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0)],
            "pair": [token("[CLS]", 0), text("A", 0), token("[SEP]", 0), text("B", 1), token("[SEP]", 1)],
            "special_tokens": {"[CLS]": around("[CLS]", 2), "[SEP]": around("[SEP]", 3)},
        },
        "decoder": {"type": "WordPiece", "prefix": PREFIX, "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": SPECIAL[1], "continuing_subword_prefix": PREFIX,
            "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}
