//! From a token back to its text: file, row, character. Knows shards, samples and tokenizers; names files by digest.

use std::ops::Range;
use std::path::{Path, PathBuf};

use mixmake_shards::{Shard, ShardError, Sidecar};
use tokenizers::Tokenizer;

use crate::DataError;
use crate::samples::SamplesReader;

/// Characters shown on each side of a token.
const CONTEXT: usize = 100;

/// The files of one split of a shard.
#[derive(Clone, Debug)]
pub struct ShardPlace {
    /// Tokens.
    pub bin: PathBuf,
    /// Index.
    pub idx: PathBuf,
    /// Facts and provenance.
    pub sidecar: PathBuf,
}

/// Where a token's sample comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOrigin {
    /// The token's id.
    pub token: u32,
    /// The sample it is in, from 0.
    pub sample: u64,
    /// Its place in the sample, from 0.
    pub place: u64,
    /// BLAKE3 of the source file, in hexadecimal.
    pub source: String,
    /// Line or row in that file, from 1.
    pub row: u64,
    /// Character of the document where the sample starts, from 0.
    pub start: u64,
}

/// The characters a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenText {
    /// Characters of the whole document, from 0; none of a token that stands for no text.
    pub chars: Option<Range<u64>>,
    /// Up to 100 characters of the sample before it.
    pub before: String,
    /// Its own.
    pub text: String,
    /// Up to 100 characters of the sample after it.
    pub after: String,
}

/// Where token `position` of a shard comes from. Reads a few records whatever the size.
///
/// Errors: files that are no shard, a position beyond the end.
pub fn origin(shard: &ShardPlace, position: u64) -> Result<TokenOrigin, DataError> {
    let sidecar = Sidecar::open(&shard.sidecar)?;
    let shard = Shard::open(&shard.bin, &shard.idx)?;
    let sample = shard.sequence_at(position)?;
    let range = shard.sequence_range(sample)?;
    let provenance = sidecar.provenance(sample)?;
    let token = shard.slice(position..position + 1)?.to_vec();
    Ok(TokenOrigin {
        token: token.first().copied().unwrap_or_default(),
        sample,
        place: position - range.start,
        source: provenance.source,
        row: provenance.row,
        start: provenance.start,
    })
}

/// The text of a token: its sample is encoded again, which must give the shard's tokens.
///
/// Errors: files that cannot be read, and a samples file or tokenizer that the shard was not made of.
pub fn text(
    shard: &ShardPlace,
    origin: &TokenOrigin,
    samples: &Path,
    tokenizer_json: &Path,
) -> Result<TokenText, DataError> {
    let sample = sample_text(samples, origin.sample)?;
    let tokens = Shard::open(&shard.bin, &shard.idx)?.sequence(origin.sample)?.to_vec();
    let mut tokenizer =
        Tokenizer::from_file(tokenizer_json).map_err(|e| DataError::Tokenizer(e.to_string()))?;
    tokenizer.set_encode_special_tokens(true);
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|e| DataError::Tokenizer(e.to_string()))?;
    let offsets = offsets(&tokenizer, &sample, &tokens)?;
    let found = offsets.get(origin.place as usize).filter(|(start, end)| end > start);
    Ok(match found {
        Some(&(start, end)) => around(&sample, start, end, origin.start),
        None => TokenText {
            chars: None,
            before: String::new(),
            text: String::new(),
            after: String::new(),
        },
    })
}

fn sample_text(samples: &Path, index: u64) -> Result<String, DataError> {
    let mut reader = SamplesReader::open(samples)?;
    let mut before = 0;
    while let Some(batch) = reader.next_batch() {
        let batch = batch?;
        let inside = usize::try_from(index - before).ok().and_then(|place| batch.text(place));
        if let Some(text) = inside {
            return Ok(text.to_owned());
        }
        before += batch.len() as u64;
    }
    Err(ShardError::OutOfRange { what: "sample", index, count: before }.into())
}

/// Character offsets of every token, with the added tokens that the shard has.
fn offsets(
    tokenizer: &Tokenizer,
    text: &str,
    tokens: &[u32],
) -> Result<Vec<(usize, usize)>, DataError> {
    for add_special_tokens in [false, true] {
        let encoding = tokenizer
            .encode_char_offsets(text, add_special_tokens)
            .map_err(|e| DataError::Tokenizer(e.to_string()))?;
        // Samples may be cut to a context, and then end with an added token; or have one appended.
        let common = encoding.get_ids().iter().zip(tokens).take_while(|(a, b)| a == b).count();
        if common + 1 >= tokens.len().min(encoding.len()) && common > 0 {
            return Ok(encoding.get_offsets()[..common].to_vec());
        }
    }
    let problem = "gives other tokens for the sample's text than the shard has";
    Err(DataError::Tokenizer(format!("{problem}; build the shard again")))
}

fn around(sample: &str, start: usize, end: usize, document_start: u64) -> TokenText {
    let part = |from: usize, to: usize| sample.chars().skip(from).take(to - from).collect();
    TokenText {
        chars: Some(document_start + start as u64..document_start + end as u64),
        before: part(start.saturating_sub(CONTEXT), start),
        text: part(start, end),
        after: part(end, end + CONTEXT),
    }
}
