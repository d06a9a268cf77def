//! Files that no artifact is as it stands: datatrove's index of document ends, and llm.c's token file with its header.

use std::io::{self, Write};
use std::path::PathBuf;

use mixmake_shards::{Dtype, Shard};

/// A file made of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub what: What,
    pub bin: PathBuf,
    pub idx: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The end of every document in tokens, u64: what datatrove keeps as `.index`.
    DocumentEnds,
    /// 256 numbers of 32 bits, then the tokens: what llm.c's `dataloader.h` reads.
    LlmC,
}

/// The header of llm.c's token files: a magic number and a version for each width of tokens.
const LLMC_U16: [i32; 2] = [20240520, 1];
const LLMC_U32: [i32; 2] = [20240801, 7];
const LLMC_HEADER: usize = 256;

impl Made {
    /// Writes the file's bytes.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let shard = Shard::open(&self.bin, &self.idx).map_err(io::Error::other)?;
        match self.what {
            What::DocumentEnds => {
                for sequence in 0..shard.sequences() {
                    let range = shard.sequence_range(sequence).map_err(io::Error::other)?;
                    to.write_all(&range.end.to_le_bytes())?;
                }
                Ok(())
            }
            What::LlmC => {
                let mut header = [0; LLMC_HEADER];
                let kind = if shard.dtype() == Dtype::U16 { LLMC_U16 } else { LLMC_U32 };
                header[..2].copy_from_slice(&kind);
                header[2] = i32::try_from(shard.tokens()).map_err(|_| {
                    io::Error::other("llm.c's header counts at most 2147483647 tokens a file")
                })?;
                header.iter().try_for_each(|number| to.write_all(&number.to_le_bytes()))?;
                io::copy(&mut std::fs::File::open(&self.bin)?, to).map(drop)
            }
        }
    }

    /// What the file's bytes will be, without writing them.
    pub fn digest(&self) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        self.write(&mut hasher)?;
        Ok(hasher.finalize())
    }
}
