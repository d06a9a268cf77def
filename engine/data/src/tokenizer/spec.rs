//! The parameters of tokenizer actions, as they are hashed, and what comes out.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a tokenizer is trained, byte-level BPE or WordPiece.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BpeSpec {
    /// Tokens wanted, the 256 bytes (or the characters) and the special tokens included. A small corpus may give fewer.
    pub vocabulary: u32,
    /// A pair must occur so often to be merged.
    pub min_frequency: u64,
}

/// How samples become a shard.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ShardSpec {
    /// Append the tokenizer's end-of-text token to every sample.
    pub end_of_text: bool,
    /// Let the tokenizer's post-processor add its tokens (BERT's `[CLS]` and `[SEP]`).
    pub add_special_tokens: bool,
    /// Cut samples to so many tokens, added ones included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_tokens: Option<u32>,
}

/// Where a shard goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardFiles {
    /// Tokens.
    pub bin: PathBuf,
    /// Index.
    pub idx: PathBuf,
    /// Facts and provenance.
    pub sidecar: PathBuf,
}

/// What a shard holds.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub struct ShardStats {
    /// Samples, which are the shard's documents and sequences.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
    /// Characters of the samples' text, before any truncation to `max-tokens`.
    pub chars: u64,
    /// Tokens of the longest sample.
    pub longest: u64,
    /// Samples cut to `max-tokens`.
    pub truncated: u64,
    /// Tokens in the vocabulary (the largest id plus 1).
    pub vocabulary: u32,
}
