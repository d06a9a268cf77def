//! One text to token ids. The oracle of ids is the `tokenizers` library; a faster path must equal it.
//!
//! A literal special token in a text (`<|endoftext|>`, `[CLS]`) is text: it is encoded as the ordinary tokens of
//! its characters, never as the special id, so no document can end another. Added tokens that `tokenizer.json` does not
//! mark special still match.

use std::path::Path;

use tokenizers::{Tokenizer, TruncationParams};

use super::bpe::END_OF_TEXT;
use super::spec::ShardSpec;
use crate::DataError;

/// Names of end-of-text tokens, most specific first.
const END_OF_TEXT_NAMES: [&str; 4] = [END_OF_TEXT, "<|end_of_text|>", "</s>", "[SEP]"];

/// A tokenizer set up for a shard.
pub(crate) struct Encoder {
    tokenizer: Tokenizer,
    add_special_tokens: bool,
    end_of_text: Option<u32>,
    /// BLAKE3 of `tokenizer.json`, in hexadecimal.
    pub digest: String,
    /// The largest id plus 1.
    pub vocabulary: u32,
}

/// The tokens of one text.
pub(crate) struct Encoded {
    pub tokens: Vec<u32>,
    pub chars: u64,
    pub truncated: bool,
}

impl Encoder {
    pub fn load(path: &Path, spec: &ShardSpec) -> Result<Self, DataError> {
        let json = std::fs::read(path).map_err(DataError::io("read", path))?;
        let mut tokenizer = Tokenizer::from_bytes(&json).map_err(|e| {
            DataError::Tokenizer(format!("`{}` is not a tokenizer.json: {e}", path.display()))
        })?;
        tokenizer.set_encode_special_tokens(true);
        tokenizer.with_padding(None);
        let end_of_text = if spec.end_of_text { Some(end_of_text(&tokenizer)?) } else { None };
        truncate(&mut tokenizer, spec)?;
        let largest = tokenizer.get_vocab(true).into_values().max();
        let vocabulary = largest.and_then(|id| id.checked_add(1)).ok_or_else(|| {
            DataError::Tokenizer(format!("`{}` has no vocabulary", path.display()))
        })?;
        Ok(Self {
            tokenizer,
            add_special_tokens: spec.add_special_tokens,
            end_of_text,
            digest: blake3::hash(&json).to_hex().to_string(),
            vocabulary,
        })
    }

    pub fn end_of_text(&self) -> Option<u32> {
        self.end_of_text
    }

    pub fn encode(&self, text: &str) -> Result<Encoded, DataError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, self.add_special_tokens)
            .map_err(|e| DataError::Tokenizer(format!("cannot encode a sample: {e}")))?;
        let mut tokens = Vec::with_capacity(encoding.len() + 1);
        tokens.extend_from_slice(encoding.get_ids());
        tokens.extend(self.end_of_text);
        Ok(Encoded {
            tokens,
            chars: text.chars().count() as u64,
            truncated: !encoding.get_overflowing().is_empty(),
        })
    }
}

fn end_of_text(tokenizer: &Tokenizer) -> Result<u32, DataError> {
    END_OF_TEXT_NAMES.iter().find_map(|name| tokenizer.token_to_id(name)).ok_or_else(|| {
        DataError::Tokenizer(format!(
            "it has no end-of-text token ({})",
            END_OF_TEXT_NAMES.join(", ")
        ))
    })
}

/// Sets truncation as the spec says, whatever `tokenizer.json` says.
fn truncate(tokenizer: &mut Tokenizer, spec: &ShardSpec) -> Result<(), DataError> {
    let failed = |e: tokenizers::Error| DataError::Tokenizer(e.to_string());
    tokenizer.with_truncation(None).map_err(failed)?;
    let Some(max_tokens) = spec.max_tokens else { return Ok(()) };
    let added = tokenizer.encode_fast("", spec.add_special_tokens).map_err(failed)?.len();
    let end = usize::from(spec.end_of_text);
    let max_length = (max_tokens as usize).saturating_sub(end);
    if max_length <= added {
        let problem = format!("must be above {}, the tokens added to every sample", added + end);
        return Err(DataError::Spec { field: "max-tokens", problem });
    }
    tokenizer
        .with_truncation(Some(TruncationParams { max_length, ..Default::default() }))
        .map_err(failed)?;
    Ok(())
}
