//! The full check of a pair: reads every number of the index and, for a vocabulary, every token.

use crate::{Shard, ShardError};

/// What a full check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Tokens in all sequences.
    pub tokens: u64,
    /// Sequences.
    pub sequences: u64,
    /// Documents.
    pub documents: u64,
    /// The largest token; `None` for a shard without tokens.
    pub largest_token: Option<u32>,
}

impl<D: AsRef<[u8]>> Shard<D> {
    /// Checks that sequences follow each other without gap or overlap and cover `.bin`, that document boundaries
    /// rise from 0 to the number of sequences, and that every token is below `vocabulary` where one is given
    /// (else below 2^31).
    pub fn verify(&self, vocabulary: Option<u32>) -> Result<Verified, ShardError> {
        self.verify_sequences()?;
        self.verify_documents()?;
        Ok(Verified {
            tokens: self.tokens(),
            sequences: self.sequences(),
            documents: self.documents(),
            largest_token: self.verify_tokens(vocabulary)?,
        })
    }

    fn verify_sequences(&self) -> Result<(), ShardError> {
        let mut end = 0;
        for i in 0..self.sequences() {
            let range = self.sequence_range(i)?;
            if range.start != end {
                return Err(ShardError::Index(format!(
                    "sequence {i} starts at token {}, but the one before ends at {end}",
                    range.start
                )));
            }
            end = range.end;
        }
        if end != self.tokens() {
            return Err(ShardError::Pair(format!(
                "sequences cover {end} tokens of {}",
                self.tokens()
            )));
        }
        Ok(())
    }

    fn verify_documents(&self) -> Result<(), ShardError> {
        let idx = self.idx.as_ref();
        let mut before = 0;
        for i in 0..self.layout.boundaries {
            let boundary = self.layout.boundary(idx, i);
            if boundary < before || (i == 0 && boundary != 0) {
                return Err(ShardError::Index(format!(
                    "document boundary {i} is {boundary}, after {before}"
                )));
            }
            before = boundary;
        }
        if before as u64 != self.sequences() {
            return Err(ShardError::Index(format!(
                "the last document ends at sequence {before} of {}",
                self.sequences()
            )));
        }
        Ok(())
    }

    fn verify_tokens(&self, vocabulary: Option<u32>) -> Result<Option<u32>, ShardError> {
        let largest = self.slice(0..self.tokens())?.iter().max();
        let vocabulary = vocabulary.unwrap_or(1 << 31);
        match largest {
            Some(token) if token >= vocabulary => Err(ShardError::Vocabulary { token, vocabulary }),
            _ => Ok(largest),
        }
    }
}
