//! One text to token ids. The oracle of ids is the `tokenizers` library; [`super::fast`] equals it where it serves.
//!
//! A literal special token in a text (`<|endoftext|>`, `[CLS]`) is text: it is encoded as the ordinary tokens of
//! its characters, never as the special id, so no document can end another. Added tokens that `tokenizer.json` does not
//! mark special still match.

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use tokenizers::{Tokenizer, TruncationParams};

use super::bpe::END_OF_TEXT;
use super::fast::{self, FastTokenizer, NeedsLibrary};
use super::spec::ShardSpec;
use crate::DataError;

/// Names of end-of-text tokens, most specific first.
pub(super) const END_OF_TEXT_NAMES: [&str; 4] = [END_OF_TEXT, "<|end_of_text|>", "</s>", "[SEP]"];

/// A tokenizer set up for a shard.
pub struct Encoder {
    json: Vec<u8>,
    name: String,
    spec: ShardSpec,
    fast: Option<FastTokenizer>,
    /// Loaded where the fast path does not serve, at the first text that needs it.
    fallback: OnceLock<Result<Tokenizer, String>>,
    /// Of threads that are not encoding just now: their caches stay warm.
    workers: Mutex<Vec<fast::Worker>>,
    end_of_text: Option<u32>,
    /// BLAKE3 of `tokenizer.json`, in hexadecimal.
    pub(crate) digest: String,
    /// The largest id plus 1.
    pub(crate) vocabulary: u32,
}

/// The tokens of some texts, one after the other.
#[derive(Default, Debug)]
pub struct Encoded {
    /// All tokens.
    pub tokens: Vec<u32>,
    /// For each text, where its tokens end and how many characters it has.
    pub texts: Vec<EncodedText>,
}

/// One of the texts of an [`Encoded`].
#[derive(Clone, Copy, Debug)]
pub struct EncodedText {
    /// Where its tokens end; they start where those of the text before end.
    pub end: usize,
    /// Its characters.
    pub chars: u64,
    /// Whether it was cut to the spec's `max_tokens`.
    pub truncated: bool,
}

impl Encoder {
    /// Reads a `tokenizer.json`. Errors: a file that cannot be read or is no tokenizer, one without the end-of-text
    /// token asked for, or a `max_tokens` that leaves no room for text.
    pub fn load(path: &Path, spec: &ShardSpec) -> Result<Self, DataError> {
        let json = std::fs::read(path).map_err(DataError::io("read", path))?;
        let fast = fast::recognise(&json);
        Self::new(json, path.display().to_string(), fast, spec)
    }

    /// As [`Encoder::load`], but every text goes through the `tokenizers` library: the oracle of ids.
    pub fn load_library(path: &Path, spec: &ShardSpec) -> Result<Self, DataError> {
        let json = std::fs::read(path).map_err(DataError::io("read", path))?;
        Self::new(json, path.display().to_string(), None, spec)
    }

    fn new(
        json: Vec<u8>,
        name: String,
        fast: Option<FastTokenizer>,
        spec: &ShardSpec,
    ) -> Result<Self, DataError> {
        let mut encoder = Self {
            digest: blake3::hash(&json).to_hex().to_string(),
            json,
            name,
            spec: spec.clone(),
            fast,
            fallback: OnceLock::new(),
            workers: Mutex::new(Vec::new()),
            end_of_text: None,
            vocabulary: 0,
        };
        encoder.vocabulary = encoder
            .largest_id()?
            .and_then(|id| id.checked_add(1))
            .ok_or_else(|| DataError::Tokenizer(format!("`{}` has no vocabulary", encoder.name)))?;
        if spec.end_of_text {
            encoder.end_of_text = Some(encoder.find_end_of_text()?);
        }
        encoder.room()?;
        Ok(encoder)
    }

    /// The token appended to each text, where the spec asks for one.
    pub fn end_of_text(&self) -> Option<u32> {
        self.end_of_text
    }

    /// Whether this tokenizer's pipeline is one that the fast encoders implement.
    pub fn is_fast(&self) -> bool {
        self.fast.is_some()
    }

    /// Encodes some texts on this thread. Errors: a text that the library refuses.
    pub fn encode(&self, texts: &[&str]) -> Result<Encoded, DataError> {
        let mut encoded = Encoded::default();
        encoded.texts.reserve(texts.len());
        // Somewhat more than there mostly are: growing would copy them.
        encoded.tokens.reserve(texts.iter().map(|text| text.len()).sum::<usize>() * 2 / 5);
        let mut worker = self.fast.as_ref().map(|fast| self.take_worker(fast));
        for text in texts {
            let truncated = self.encode_one(worker.as_mut(), text, &mut encoded.tokens)?;
            let chars = text.chars().count() as u64;
            encoded.texts.push(EncodedText { end: encoded.tokens.len(), chars, truncated });
        }
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).extend(worker);
        Ok(encoded)
    }

    fn take_worker(&self, fast: &FastTokenizer) -> fast::Worker {
        let idle = self.workers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| fast.worker())
    }

    fn encode_one(
        &self,
        worker: Option<&mut fast::Worker>,
        text: &str,
        out: &mut Vec<u32>,
    ) -> Result<bool, DataError> {
        let truncated = match (&self.fast, worker) {
            (Some(fast), Some(worker)) => match self.encode_fast(fast, worker, text, out) {
                Ok(truncated) => truncated,
                Err(NeedsLibrary) => self.encode_library(text, out)?,
            },
            _ => self.encode_library(text, out)?,
        };
        out.extend(self.end_of_text);
        Ok(truncated)
    }

    fn encode_fast(
        &self,
        fast: &FastTokenizer,
        worker: &mut fast::Worker,
        text: &str,
        out: &mut Vec<u32>,
    ) -> Result<bool, NeedsLibrary> {
        let start = out.len();
        let around = self.spec.add_special_tokens;
        if around {
            out.extend_from_slice(&fast.before);
        }
        if let Err(NeedsLibrary) = fast.encode(worker, text, out) {
            out.truncate(start);
            return Err(NeedsLibrary);
        }
        let after: &[u32] = if around { &fast.after } else { &[] };
        let room = self.max_length().map(|max| start + max - after.len());
        let truncated = room.is_some_and(|room| out.len() > room);
        if let Some(room) = room {
            out.truncate(room);
        }
        out.extend_from_slice(after);
        Ok(truncated)
    }

    fn encode_library(&self, text: &str, out: &mut Vec<u32>) -> Result<bool, DataError> {
        let encoding = self
            .fallback()?
            .encode_fast(text, self.spec.add_special_tokens)
            .map_err(|e| DataError::Tokenizer(format!("cannot encode a sample: {e}")))?;
        out.extend_from_slice(encoding.get_ids());
        Ok(!encoding.get_overflowing().is_empty())
    }

    fn fallback(&self) -> Result<&Tokenizer, DataError> {
        let loaded = self.fallback.get_or_init(|| {
            let mut tokenizer = Tokenizer::from_bytes(&self.json)
                .map_err(|e| format!("`{}` is not a tokenizer.json: {e}", self.name))?;
            tokenizer.set_encode_special_tokens(true);
            tokenizer.with_padding(None);
            // Whatever `tokenizer.json` says, the spec decides.
            let truncation = self
                .max_length()
                .map(|max_length| TruncationParams { max_length, ..Default::default() });
            tokenizer.with_truncation(truncation).map_err(|e| e.to_string())?;
            Ok(tokenizer)
        });
        loaded.as_ref().map_err(|problem| DataError::Tokenizer(problem.clone()))
    }

    /// Tokens of a text, those around it included, but for the end-of-text token.
    fn max_length(&self) -> Option<usize> {
        let end = usize::from(self.spec.end_of_text);
        self.spec.max_tokens.map(|max| (max as usize).saturating_sub(end))
    }

    /// Refuses a limit that leaves no room for text.
    fn room(&self) -> Result<(), DataError> {
        let Some(max_length) = self.max_length() else { return Ok(()) };
        let added = match (&self.fast, self.spec.add_special_tokens) {
            (_, false) => 0,
            (Some(fast), true) => fast.before.len() + fast.after.len(),
            (None, true) => self.added_by_library()?,
        };
        if max_length <= added {
            let added = added + usize::from(self.spec.end_of_text);
            let problem = format!("must be above {added}, the tokens added to every sample");
            return Err(DataError::Spec { field: "max-tokens", problem });
        }
        Ok(())
    }

    /// Asked of a tokenizer without truncation, which would panic where nothing fits.
    fn added_by_library(&self) -> Result<usize, DataError> {
        let failed = |e: tokenizers::Error| DataError::Tokenizer(e.to_string());
        let mut tokenizer = Tokenizer::from_bytes(&self.json).map_err(failed)?;
        tokenizer.with_truncation(None).map_err(failed)?;
        tokenizer.with_padding(None);
        Ok(tokenizer.encode_fast("", true).map_err(failed)?.len())
    }

    fn largest_id(&self) -> Result<Option<u32>, DataError> {
        match &self.fast {
            Some(fast) => Ok(fast.largest_id),
            None => Ok(self.fallback()?.get_vocab(true).into_values().max()),
        }
    }

    fn find_end_of_text(&self) -> Result<u32, DataError> {
        let found = match &self.fast {
            Some(fast) => fast.end_of_text,
            None => {
                let library = self.fallback()?;
                END_OF_TEXT_NAMES.iter().find_map(|name| library.token_to_id(name))
            }
        };
        if let Some(id) = found {
            return Ok(id);
        }
        let names = END_OF_TEXT_NAMES.join(", ");
        Err(DataError::Tokenizer(format!("it has no end-of-text token ({names})")))
    }
}
