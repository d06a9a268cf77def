//! Training a byte-level BPE tokenizer: GPT-2's pre-tokenizer, all 256 bytes, one special token.
//!
//! The result depends on how often each word occurs and on nothing else: not on the order of samples or files,
//! nor on the number of threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, NormalizerWrapper, TokenizerImpl};

use super::spec::BpeSpec;
use crate::progress::Meter;
use crate::samples::{self, SampleBatch, SamplesReader};
use crate::{DataError, Progress, Work};

/// The special token of trained tokenizers, as in GPT-2; it gets id 0.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// The 256 bytes and the end-of-text token.
const VOCABULARY_MIN: u32 = 257;

type ByteLevelBpe = TokenizerImpl<BPE, NormalizerWrapper, ByteLevel, ByteLevel, ByteLevel>;

/// Trains on all samples of the given files and returns the bytes of `tokenizer.json`.
///
/// Errors: a vocabulary below 257, no text at all, or a samples file that cannot be read.
pub fn train_bpe(
    samples: &[PathBuf],
    spec: &BpeSpec,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<u8>, DataError> {
    if spec.vocabulary < VOCABULARY_MIN {
        let problem = format!("must be at least {VOCABULARY_MIN}: 256 bytes and `{END_OF_TEXT}`");
        return Err(DataError::Spec { field: "vocabulary", problem });
    }
    let mut total = 0;
    for path in samples {
        total += samples::count(path)?;
    }
    if total == 0 {
        return Err(DataError::Tokenizer("there is no sample to train on".into()));
    }
    let meter = Arc::new(Meter::new(total, Work::Samples));
    let texts = Texts::new(samples, Arc::clone(&meter));
    meter.watch(progress, || train(texts, spec))
}

fn train(texts: Texts, spec: &BpeSpec) -> Result<Vec<u8>, DataError> {
    let failure = Arc::clone(&texts.failure);
    let failed = |e: tokenizers::Error| DataError::Tokenizer(e.to_string());
    let mut trainer = BpeTrainer::builder()
        .vocab_size(spec.vocabulary as usize)
        .min_frequency(spec.min_frequency)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
        .build();
    let mut tokenizer = untrained();
    tokenizer.train(&mut trainer, texts).map_err(failed)?;
    // The iterator cannot return an error, so it ends early and leaves it here.
    if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    tokenizer.to_string(false).map(String::into_bytes).map_err(failed)
}

fn untrained() -> ByteLevelBpe {
    let byte_level = ByteLevel::new(false, true, true);
    let mut tokenizer = ByteLevelBpe::new(BPE::default());
    tokenizer
        .with_pre_tokenizer(Some(byte_level))
        .with_decoder(Some(byte_level))
        .with_post_processor(Some(byte_level.trim_offsets(false)));
    tokenizer
}

/// The texts of several samples files, one after the other.
pub(super) struct Texts<'a> {
    files: std::slice::Iter<'a, PathBuf>,
    reader: Option<SamplesReader>,
    batch: Option<SampleBatch>,
    next: usize,
    pub failure: Arc<Mutex<Option<DataError>>>,
    meter: Arc<Meter>,
}

impl<'a> Texts<'a> {
    pub fn new(files: &'a [PathBuf], meter: Arc<Meter>) -> Self {
        Self {
            files: files.iter(),
            reader: None,
            batch: None,
            next: 0,
            failure: Arc::default(),
            meter,
        }
    }

    fn next_text(&mut self) -> Result<Option<String>, DataError> {
        loop {
            if let Some(text) = self.batch.as_ref().and_then(|batch| batch.text(self.next)) {
                self.next += 1;
                return Ok(Some(text.to_string()));
            }
            self.batch = match self.reader.as_mut().and_then(SamplesReader::next_batch) {
                Some(batch) => Some(batch?),
                None => None,
            };
            self.next = 0;
            if self.batch.is_none() {
                let Some(file) = self.files.next() else { return Ok(None) };
                self.reader = Some(SamplesReader::open(file)?);
            }
        }
    }
}

impl Iterator for Texts<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        match self.next_text() {
            Ok(text) => {
                self.meter.add(u64::from(text.is_some()));
                text
            }
            Err(error) => {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        }
    }
}
