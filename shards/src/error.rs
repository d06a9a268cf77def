//! What can be wrong with a shard. Every message names the file, the fact and, where there is one, the remedy.

use std::path::{Path, PathBuf};

/// Why a shard could not be written, opened, read or verified.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was being done: `read`, `write`, `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The index is not a Megatron index of version 1, or contradicts itself.
    #[error("the index is not a valid version 1 shard index: {0}; build the shard again")]
    Index(String),
    /// The index and the token file disagree.
    #[error("the index and the token file do not belong together: {0}; build the shard again")]
    Pair(String),
    /// The sidecar cannot be understood.
    #[error("the sidecar is not valid: {0}; build the shard again")]
    Sidecar(String),
    /// A token that the vocabulary does not have.
    #[error(
        "token {token} is outside the vocabulary of {vocabulary}; was it made by another tokenizer?"
    )]
    Vocabulary {
        /// The token.
        token: u32,
        /// The number of tokens in the vocabulary.
        vocabulary: u32,
    },
    /// A vocabulary that the format cannot hold.
    #[error("a vocabulary of {0} does not fit the format, which holds 1 to 2147483648 tokens")]
    VocabularySize(u64),
    /// A document that the format cannot hold.
    #[error("a document of {0} tokens does not fit the format's 32-bit length; cut it into blocks")]
    TooLong(usize),
    /// A read beyond the end.
    #[error("{what} {index} was asked for, but the shard has {count}")]
    OutOfRange {
        /// `sequence`, `token` or `sample`.
        what: &'static str,
        /// The number asked for (for a range, its end).
        index: u64,
        /// How many there are.
        count: u64,
    },
}

impl ShardError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
