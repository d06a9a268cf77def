//! Reading a pair: cheap to open, no copy until asked for. Knows nothing of where the bytes live.

use std::ops::Range;
use std::path::Path;

use crate::index::{Dtype, Layout};
use crate::{Map, ShardError, map_file};

/// A `.bin`/`.idx` pair over any bytes: memory maps ([`Shard::open`]) or buffers ([`Shard::from_bytes`]).
#[derive(Debug)]
pub struct Shard<D> {
    bin: D,
    pub(crate) idx: D,
    pub(crate) layout: Layout,
}

impl Shard<Map> {
    /// Maps both files (a small one is read) and checks magic, version, token type and that all sizes agree. Reads a few
    /// bytes whatever the size; [`Shard::verify`] checks the rest.
    pub fn open(bin: impl AsRef<Path>, idx: impl AsRef<Path>) -> Result<Self, ShardError> {
        Self::from_bytes(map_file(bin.as_ref())?, map_file(idx.as_ref())?)
    }

    /// Opens many pairs of (`.bin`, `.idx`), in order, on as many threads as the machine has: what a shard costs is the
    /// system calls. Errors: that of the first pair that can't be opened.
    pub fn open_all<P: AsRef<Path> + Sync>(pairs: &[(P, P)]) -> Result<Vec<Self>, ShardError> {
        let open = |pairs: &[(P, P)]| {
            pairs.iter().map(|(bin, idx)| Self::open(bin, idx)).collect::<Result<Vec<_>, _>>()
        };
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let size = pairs.len().div_ceil(threads).max(WORTH_A_THREAD);
        if size >= pairs.len() {
            return open(pairs);
        }
        let opened = std::thread::scope(|scope| {
            let started: Vec<_> =
                pairs.chunks(size).map(|chunk| scope.spawn(move || open(chunk))).collect();
            let joined = started.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.collect::<Vec<_>>()
        });
        let mut shards = Vec::with_capacity(pairs.len());
        for chunk in opened {
            shards.extend(chunk.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(shards)
    }
}

/// Fewer shards are opened sooner than a thread is started.
const WORTH_A_THREAD: usize = 64;

impl<D: AsRef<[u8]>> Shard<D> {
    /// As [`Shard::open`], over bytes that are already there.
    pub fn from_bytes(bin: D, idx: D) -> Result<Self, ShardError> {
        let layout = Layout::parse(idx.as_ref())?;
        let shard = Self { bin, idx, layout };
        shard.check_end()?;
        Ok(shard)
    }

    /// Number of tokens.
    pub fn tokens(&self) -> u64 {
        self.bytes() / self.dtype().width()
    }

    /// Number of sequences.
    pub fn sequences(&self) -> u64 {
        self.layout.sequences
    }

    /// Number of documents (groups of consecutive sequences; this crate writes one sequence a document).
    pub fn documents(&self) -> u64 {
        self.layout.boundaries - 1
    }

    /// How tokens are stored.
    pub fn dtype(&self) -> Dtype {
        self.layout.dtype
    }

    /// The tokens of sequence `i`.
    pub fn sequence(&self, i: u64) -> Result<Tokens<'_>, ShardError> {
        self.slice(self.sequence_range(i)?)
    }

    /// Where sequence `i` lies, in tokens from the start of `.bin`.
    pub fn sequence_range(&self, i: u64) -> Result<Range<u64>, ShardError> {
        if i >= self.sequences() {
            return Err(ShardError::OutOfRange {
                what: "sequence",
                index: i,
                count: self.sequences(),
            });
        }
        let width = self.dtype().width();
        let offset = u64::try_from(self.layout.offset(self.idx.as_ref(), i)).ok();
        let length = u64::try_from(self.layout.length(self.idx.as_ref(), i)).ok();
        match (offset, length) {
            (Some(offset), Some(length)) if offset.is_multiple_of(width) => {
                let start = offset / width;
                self.check_range(start, length)?;
                Ok(start..start + length)
            }
            _ => Err(ShardError::Index(format!(
                "the offset or length of sequence {i} is impossible"
            ))),
        }
    }

    /// The sequence that token `position` belongs to, by bisection. Needs increasing offsets (see [`Shard::verify`]).
    pub fn sequence_at(&self, position: u64) -> Result<u64, ShardError> {
        self.check_range(position, 1)?;
        let (mut low, mut high) = (0, self.sequences());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.sequence_range(middle)?.end <= position {
                low = middle + 1
            } else {
                high = middle
            }
        }
        Ok(low)
    }

    /// Tokens `range`, across sequences.
    pub fn slice(&self, range: Range<u64>) -> Result<Tokens<'_>, ShardError> {
        self.check_range(range.start, range.end.saturating_sub(range.start))?;
        let width = self.dtype().width();
        let bytes = &self.bin.as_ref()
            [(range.start * width) as usize..(range.end.max(range.start) * width) as usize];
        Ok(Tokens { bytes, dtype: self.dtype() })
    }

    /// Copies `out.len()` tokens from token `start` on, across sequences: how training blocks are read.
    pub fn copy_range(&self, start: u64, out: &mut [i64]) -> Result<(), ShardError> {
        self.check_range(start, out.len() as u64)?;
        self.slice(start..start + out.len() as u64)?.copy_to(out);
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.bin.as_ref().len() as u64
    }

    fn check_range(&self, start: u64, length: u64) -> Result<(), ShardError> {
        match start.checked_add(length) {
            Some(end) if end <= self.tokens() => Ok(()),
            end => Err(ShardError::OutOfRange {
                what: "token",
                index: end.unwrap_or(u64::MAX),
                count: self.tokens(),
            }),
        }
    }

    /// The last sequence must end where `.bin` ends.
    fn check_end(&self) -> Result<(), ShardError> {
        let width = self.dtype().width();
        if !self.bytes().is_multiple_of(width) {
            return Err(ShardError::Pair(format!(
                "{} bytes are not whole tokens of {width} bytes",
                self.bytes()
            )));
        }
        let end = match self.sequences() {
            0 => 0,
            n => self.sequence_range(n - 1).map_err(|e| ShardError::Pair(e.to_string()))?.end,
        };
        if end != self.tokens() {
            return Err(ShardError::Pair(format!(
                "the last sequence ends at token {end}, the token file has {}",
                self.tokens()
            )));
        }
        Ok(())
    }
}

/// A run of tokens inside a shard; nothing is copied. Negative numbers, which a foreign file could hold and
/// [`Shard::verify`] refuses, read as values above 2^31.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    bytes: &'a [u8],
    dtype: Dtype,
}

impl<'a> Tokens<'a> {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.width() as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Token `i`.
    pub fn get(&self, i: usize) -> Option<u32> {
        let width = self.dtype.width() as usize;
        let at = i.checked_mul(width)?;
        self.bytes.get(at..at.checked_add(width)?).map(|token| decode(self.dtype, token))
    }

    /// The tokens in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = u32> + 'a {
        let Self { bytes, dtype } = self;
        bytes.chunks_exact(dtype.width() as usize).map(move |token| decode(dtype, token))
    }

    /// The tokens in a new vector.
    pub fn to_vec(self) -> Vec<u32> {
        self.iter().collect()
    }

    /// Copies as many tokens as both sides have. One loop a type, so that the compiler vectorises it.
    pub fn copy_to(self, out: &mut [i64]) {
        match self.dtype {
            Dtype::U16 => {
                for (to, from) in out.iter_mut().zip(self.bytes.chunks_exact(2)) {
                    *to = i64::from(u16::from_le_bytes([from[0], from[1]]));
                }
            }
            Dtype::I32 => {
                for (to, from) in out.iter_mut().zip(self.bytes.chunks_exact(4)) {
                    *to = i64::from(u32::from_le_bytes([from[0], from[1], from[2], from[3]]));
                }
            }
        }
    }
}

fn decode(dtype: Dtype, token: &[u8]) -> u32 {
    match dtype {
        Dtype::U16 => u32::from(u16::from_le_bytes([token[0], token[1]])),
        Dtype::I32 => u32::from_le_bytes([token[0], token[1], token[2], token[3]]),
    }
}
