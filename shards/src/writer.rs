//! Writing a pair as a stream: tokens go to `.bin` at once, the index keeps four bytes a document until the end.
//!
//! Writes to the paths given and nowhere else; making a file visible only once whole, and durable, is the caller's business.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::ShardError;
use crate::index::{Dtype, Layout};

/// A pair being written; one document is one sequence.
#[derive(Debug)]
pub struct ShardWriter {
    bin: Output,
    idx: PathBuf,
    dtype: Dtype,
    vocabulary: u32,
    lengths: Vec<i32>,
    tokens: u64,
    scratch: Vec<u8>,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Tokens in all documents.
    pub tokens: u64,
    /// Documents, which are sequences too.
    pub documents: u64,
}

impl ShardWriter {
    /// Starts `PREFIX.bin` and `PREFIX.idx` for a vocabulary of so many tokens.
    pub fn create(prefix: impl AsRef<Path>, vocabulary: u32) -> Result<Self, ShardError> {
        let with = |extension: &str| {
            let mut path = prefix.as_ref().as_os_str().to_os_string();
            path.push(extension);
            PathBuf::from(path)
        };
        Self::create_at(with(".bin"), with(".idx"), vocabulary)
    }

    /// Starts a pair whose two files have unrelated names.
    pub fn create_at(
        bin: impl AsRef<Path>,
        idx: impl AsRef<Path>,
        vocabulary: u32,
    ) -> Result<Self, ShardError> {
        if vocabulary == 0 || vocabulary > 1 << 31 {
            return Err(ShardError::VocabularySize(u64::from(vocabulary)));
        }
        Ok(Self {
            bin: Output::create(bin.as_ref())?,
            idx: idx.as_ref().to_path_buf(),
            dtype: Dtype::for_vocabulary(vocabulary),
            vocabulary,
            lengths: Vec::new(),
            tokens: 0,
            scratch: Vec::new(),
        })
    }

    /// Appends a document, which may be empty.
    pub fn push_document(&mut self, tokens: &[u32]) -> Result<(), ShardError> {
        let length = i32::try_from(tokens.len()).map_err(|_| ShardError::TooLong(tokens.len()))?;
        // The largest first, in one vectorised pass; which one it is matters only where it is too large.
        if let Some(token) = tokens.iter().copied().max().filter(|&token| token >= self.vocabulary)
        {
            return Err(ShardError::Vocabulary { token, vocabulary: self.vocabulary });
        }
        self.scratch.resize(tokens.len() * self.dtype.width() as usize, 0);
        match self.dtype {
            Dtype::U16 => {
                for (out, &token) in self.scratch.chunks_exact_mut(2).zip(tokens) {
                    out.copy_from_slice(&(token as u16).to_le_bytes());
                }
            }
            Dtype::I32 => {
                for (out, &token) in self.scratch.chunks_exact_mut(4).zip(tokens) {
                    out.copy_from_slice(&token.to_le_bytes());
                }
            }
        }
        self.bin.write(&self.scratch)?;
        self.lengths.push(length);
        self.tokens += tokens.len() as u64;
        Ok(())
    }

    /// Writes the index. Neither file is synced: what must outlive a crash, and when, is the caller's business too.
    pub fn finish(self) -> Result<Written, ShardError> {
        let documents = self.lengths.len() as u64;
        self.bin.finish()?;
        write_index(&self.idx, self.dtype, &self.lengths)?;
        Ok(Written { tokens: self.tokens, documents })
    }
}

fn write_index(path: &Path, dtype: Dtype, lengths: &[i32]) -> Result<(), ShardError> {
    let sequences = lengths.len() as u64;
    let mut idx = Output::create(path)?;
    idx.write(&Layout { dtype, sequences, boundaries: sequences + 1 }.header())?;
    for length in lengths {
        idx.write(&length.to_le_bytes())?;
    }
    let mut offset = 0;
    for &length in lengths {
        idx.write(&i64::to_le_bytes(offset))?;
        offset += i64::from(length) * dtype.width() as i64;
    }
    for boundary in 0..=sequences {
        idx.write(&boundary.to_le_bytes())?;
    }
    idx.finish()
}

/// A buffered file that knows its name for errors.
#[derive(Debug)]
pub(crate) struct Output {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Output {
    pub fn create(path: &Path) -> Result<Self, ShardError> {
        let file = File::create(path).map_err(ShardError::io("create", path))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 18, file), path: path.to_path_buf() })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ShardError> {
        self.file.write_all(bytes).map_err(ShardError::io("write", &self.path))
    }

    pub fn finish(mut self) -> Result<(), ShardError> {
        self.file.flush().map_err(ShardError::io("write", &self.path))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
