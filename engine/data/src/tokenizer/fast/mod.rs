//! Encoders of our own for the two pipelines of the field: GPT-2's byte-level BPE and BERT's WordPiece.
//!
//! They give the ids that the `tokenizers` library gives, many times faster, and only for a `tokenizer.json` whose
//! whole pipeline is exactly what stands here ([`recognise`]); every other file is the library's. What a character
//! is (letter, number, space; lower case, accent, punctuation) is asked of the library itself, once a character.
//!
//! Tables are shared by all threads; caches belong to a [`Worker`].

mod ascii;
mod bert_blocks;
mod bert_chars;
mod bpe;
mod byte_pairs;
mod cache;
mod gpt2_blocks;
mod gpt2_words;
mod json;
mod lowest;
mod merges;
mod pieces;
mod recognise;
#[cfg(target_arch = "x86_64")]
mod sixteens;
mod wordpiece;

pub(crate) use json::Vocabulary;
pub(crate) use recognise::recognise;

use self::bpe::{Bpe, BpeWorker};
use self::wordpiece::{WordPiece, WordPieceWorker};

/// A tokenizer whose pipeline is implemented here.
pub(crate) struct FastTokenizer {
    model: Model,
    /// Ids that the post-processor puts before and after a text.
    pub before: Vec<u32>,
    pub after: Vec<u32>,
    /// Of the names that an end-of-text token may have, in their order, the first token there is.
    pub end_of_text: Option<u32>,
    pub largest_id: Option<u32>,
}

pub(crate) enum Model {
    Bpe(Bpe),
    WordPiece(WordPiece),
}

/// One thread's caches and buffers. Memory is bounded whatever the text.
pub(crate) enum Worker {
    Bpe(Box<BpeWorker>),
    WordPiece(Box<WordPieceWorker>),
}

/// A text with a character that only the library can place: its normal form depends on its neighbours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NeedsLibrary;

impl FastTokenizer {
    pub fn worker(&self) -> Worker {
        match &self.model {
            Model::Bpe(bpe) => Worker::Bpe(Box::new(bpe.worker())),
            Model::WordPiece(model) => Worker::WordPiece(Box::new(model.worker())),
        }
    }

    /// Appends the ids of `text`, without the post-processor's. Where the library is needed, `out` is as it was.
    pub fn encode(
        &self,
        worker: &mut Worker,
        text: &str,
        out: &mut Vec<u32>,
    ) -> Result<(), NeedsLibrary> {
        match (&self.model, worker) {
            (Model::Bpe(bpe), Worker::Bpe(worker)) => {
                bpe.encode(worker, text, out);
                Ok(())
            }
            (Model::WordPiece(model), Worker::WordPiece(worker)) => model.encode(worker, text, out),
            _ => Err(NeedsLibrary),
        }
    }
}
