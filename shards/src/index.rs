//! The layout of `.idx`: header and the positions of its three tables. Knows offsets, not tokens.
//!
//! Nothing here is cast: the tables start at byte 34, so every number is unaligned and is read from its bytes.

use crate::ShardError;

/// The first nine bytes of an index.
pub const MAGIC: &[u8; 9] = b"MMIDIDX\0\0";
/// The version that this crate writes and reads.
pub const VERSION: u64 = 1;
/// Vocabularies of at least this size need four bytes a token (Megatron's rule).
pub const U16_VOCABULARY_LIMIT: u32 = 65_500;

pub(crate) const HEADER_BYTES: u64 = 9 + 8 + 1 + 8 + 8;

/// How a token is stored in `.bin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// Two bytes, little-endian.
    U16,
    /// Four bytes, little-endian, never negative.
    I32,
}

impl Dtype {
    /// The type for a vocabulary of this many tokens.
    pub fn for_vocabulary(vocabulary: u32) -> Self {
        if vocabulary < U16_VOCABULARY_LIMIT { Self::U16 } else { Self::I32 }
    }

    /// Bytes a token takes.
    pub fn width(self) -> u64 {
        match self {
            Self::U16 => 2,
            Self::I32 => 4,
        }
    }

    /// The type's code in the index.
    pub fn code(self) -> u8 {
        match self {
            Self::U16 => 8,
            Self::I32 => 4,
        }
    }

    /// The name used in the sidecar.
    pub fn name(self) -> &'static str {
        match self {
            Self::U16 => "u16",
            Self::I32 => "i32",
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            8 => Some(Self::U16),
            4 => Some(Self::I32),
            _ => None,
        }
    }
}

/// The header of an index and where its tables lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub dtype: Dtype,
    pub sequences: u64,
    /// Entries of the document table: documents + 1.
    pub boundaries: u64,
}

impl Layout {
    /// Reads the header and checks that the file has exactly the size the header implies.
    pub fn parse(idx: &[u8]) -> Result<Self, ShardError> {
        let header = idx.get(..HEADER_BYTES as usize).ok_or_else(|| {
            ShardError::Index(format!(
                "it has {} bytes, fewer than the header's {HEADER_BYTES}",
                idx.len()
            ))
        })?;
        if &header[..9] != MAGIC {
            return Err(ShardError::Index("it does not start with `MMIDIDX`".into()));
        }
        let version = u64_at(header, 9);
        if version != VERSION {
            return Err(ShardError::Index(format!("its version is {version}, expected {VERSION}")));
        }
        let dtype = Dtype::from_code(header[17]).ok_or_else(|| {
            ShardError::Index(format!(
                "its token type code is {}, expected 8 (u16) or 4 (i32)",
                header[17]
            ))
        })?;
        let layout = Self { dtype, sequences: u64_at(header, 18), boundaries: u64_at(header, 26) };
        layout.check_size(idx.len() as u64)?;
        Ok(layout)
    }

    fn check_size(&self, actual: u64) -> Result<(), ShardError> {
        if self.boundaries == 0 {
            return Err(ShardError::Index(
                "its document table is empty, expected at least the entry 0".into(),
            ));
        }
        let expected = u128::from(HEADER_BYTES)
            + 12 * u128::from(self.sequences)
            + 8 * u128::from(self.boundaries);
        if expected != u128::from(actual) {
            return Err(ShardError::Index(format!(
                "{} sequences and {} document boundaries need {expected} bytes, it has {actual}",
                self.sequences, self.boundaries
            )));
        }
        Ok(())
    }

    /// The header's bytes.
    pub fn header(&self) -> [u8; HEADER_BYTES as usize] {
        let mut bytes = [0; HEADER_BYTES as usize];
        bytes[..9].copy_from_slice(MAGIC);
        bytes[9..17].copy_from_slice(&VERSION.to_le_bytes());
        bytes[17] = self.dtype.code();
        bytes[18..26].copy_from_slice(&self.sequences.to_le_bytes());
        bytes[26..34].copy_from_slice(&self.boundaries.to_le_bytes());
        bytes
    }

    // The three readers below stay inside the file whenever `i` is inside its table, because
    // `check_size` has compared the tables with the file's size.

    /// Length of sequence `i` in tokens, as stored.
    pub fn length(&self, idx: &[u8], i: u64) -> i32 {
        i32_at(idx, (HEADER_BYTES + 4 * i) as usize)
    }

    /// Byte offset of sequence `i` in `.bin`, as stored.
    pub fn offset(&self, idx: &[u8], i: u64) -> i64 {
        u64_at(idx, (HEADER_BYTES + 4 * self.sequences + 8 * i) as usize) as i64
    }

    /// Entry `i` of the document table, as stored.
    pub fn boundary(&self, idx: &[u8], i: u64) -> i64 {
        u64_at(idx, (HEADER_BYTES + 12 * self.sequences + 8 * i) as usize) as i64
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    i32::from_le_bytes(word)
}
