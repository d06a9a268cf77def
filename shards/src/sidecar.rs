//! The sidecar: mixmake's own facts about a shard, and where each sample came from.
//!
//! One line of JSON, padded so that it ends at a multiple of 8 bytes, then one record of 24 bytes a sample.
//! Knows digests as text, never paths: the same data on another machine has the same sidecar.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

use crate::writer::Output;
use crate::{Map, ShardError, map_file};

const FORMAT: &str = "mixmake-shard-sidecar";
const VERSION: u32 = 1;
const RECORD_BYTES: usize = 24;
/// Records are gathered up to this size before they go to the spool, which is a file beyond the second.
const BUFFER: usize = 1 << 16;
const SPOOL_MEMORY: usize = 4 << 20;

/// The facts of a shard, the first line of its sidecar.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub struct SidecarHeader {
    /// Always `mixmake-shard-sidecar`; set on writing.
    #[serde(default)]
    pub format: String,
    /// Version of the layout; set on writing.
    #[serde(default)]
    pub version: u32,
    /// BLAKE3 of `tokenizer.json`, in hexadecimal.
    pub tokenizer: String,
    /// Number of tokens in the vocabulary.
    pub vocabulary: u32,
    /// Samples, which are the shard's documents and sequences.
    pub documents: u64,
    /// Tokens in the shard.
    pub tokens: u64,
    /// Characters (Unicode scalar values) of the samples' text.
    pub chars: u64,
    /// The token appended to every sample, where one was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end_of_text: Option<u32>,
    /// BLAKE3 of the source files, in hexadecimal, in order of first use; set on writing.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// Where a sample came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Provenance {
    /// BLAKE3 of the source file, in hexadecimal.
    pub source: String,
    /// Line or row in that file, from 1.
    pub row: u64,
    /// Character of the document where the sample starts, from 0.
    pub start: u64,
}

/// Collects the provenance of a shard. Memory grows with the number of sources; of samples it holds 4 MiB at most.
#[derive(Debug)]
pub struct SidecarWriter {
    path: PathBuf,
    spool: SpooledTempFile,
    /// Records that are not in the spool yet.
    records: Vec<u8>,
    sources: BTreeMap<String, u64>,
    documents: u64,
}

impl SidecarWriter {
    /// Starts a sidecar; its records wait in memory, and many of them in an unnamed file of the same folder.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, ShardError> {
        let path = path.as_ref();
        let folder =
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self {
            path: path.to_path_buf(),
            spool: tempfile::spooled_tempfile_in(SPOOL_MEMORY, folder),
            records: Vec::new(),
            sources: BTreeMap::new(),
            documents: 0,
        })
    }

    /// Appends the provenance of the next sample.
    pub fn push(&mut self, source: &str, row: u64, start: u64) -> Result<(), ShardError> {
        let index = match self.sources.get(source) {
            Some(&index) => index,
            None => {
                let index = self.sources.len() as u64;
                self.sources.insert(source.to_string(), index);
                index
            }
        };
        let mut record = [0; RECORD_BYTES];
        for (field, number) in record.chunks_exact_mut(8).zip([index, row, start]) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        self.records.extend_from_slice(&record);
        if self.records.len() >= BUFFER {
            self.flush()?;
        }
        self.documents += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ShardError> {
        let failed = ShardError::io("write a scratch file beside", &self.path);
        self.spool.write_all(&self.records).map_err(failed)?;
        self.records.clear();
        Ok(())
    }

    /// Writes the sidecar. `header.documents` must be the number of samples pushed.
    pub fn finish(mut self, mut header: SidecarHeader) -> Result<(), ShardError> {
        self.flush()?;
        if header.documents != self.documents {
            return Err(ShardError::Sidecar(format!(
                "{} samples were described, {} counted",
                self.documents, header.documents
            )));
        }
        header.format = FORMAT.to_string();
        header.version = VERSION;
        header.sources = in_order_of_first_use(self.sources);
        let mut output = Output::create(&self.path)?;
        output.write(&header_line(&header)?)?;
        let failed = ShardError::io("write", &self.path);
        copy_spool(self.spool, &mut output).map_err(failed)?;
        output.finish()
    }
}

fn in_order_of_first_use(sources: BTreeMap<String, u64>) -> Vec<String> {
    let mut ordered: Vec<_> = sources.into_iter().collect();
    ordered.sort_by_key(|(_, index)| *index);
    ordered.into_iter().map(|(source, _)| source).collect()
}

fn header_line(header: &SidecarHeader) -> Result<Vec<u8>, ShardError> {
    let mut line = serde_json::to_vec(header).map_err(|e| ShardError::Sidecar(e.to_string()))?;
    while line.len() % 8 != 7 {
        line.push(b' ');
    }
    line.push(b'\n');
    Ok(line)
}

fn copy_spool(mut spool: SpooledTempFile, output: &mut Output) -> std::io::Result<()> {
    spool.rewind()?;
    std::io::copy(&mut spool, output)?;
    Ok(())
}

/// A sidecar over any bytes.
#[derive(Debug)]
pub struct Sidecar<D> {
    bytes: D,
    header: SidecarHeader,
    records_at: usize,
}

impl Sidecar<Map> {
    /// Maps a sidecar and checks its header and size.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ShardError> {
        Self::from_bytes(map_file(path.as_ref())?)
    }
}

impl<D: AsRef<[u8]>> Sidecar<D> {
    /// As [`Sidecar::open`], over bytes that are already there.
    pub fn from_bytes(bytes: D) -> Result<Self, ShardError> {
        let all = bytes.as_ref();
        let end = all
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(|| invalid("it has no header line"))?;
        let header: SidecarHeader =
            serde_json::from_slice(&all[..end]).map_err(|e| invalid(format!("its header: {e}")))?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(invalid(format!(
                "its format is `{}` {}, expected `{FORMAT}` {VERSION}",
                header.format, header.version
            )));
        }
        let records_at = end + 1;
        let records = (all.len() - records_at) as u128;
        if records != u128::from(header.documents) * RECORD_BYTES as u128 {
            return Err(invalid(format!(
                "{} samples need {RECORD_BYTES} bytes each, it has {records}",
                header.documents
            )));
        }
        Ok(Self { bytes, header, records_at })
    }

    /// The facts of the shard.
    pub fn header(&self) -> &SidecarHeader {
        &self.header
    }

    /// Where sample `i` came from.
    pub fn provenance(&self, i: u64) -> Result<Provenance, ShardError> {
        let count = self.header.documents;
        if i >= count {
            return Err(ShardError::OutOfRange { what: "sample", index: i, count });
        }
        let at = self.records_at + i as usize * RECORD_BYTES;
        let record = &self.bytes.as_ref()[at..at + RECORD_BYTES];
        let number = |field: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&record[field * 8..field * 8 + 8]);
            u64::from_le_bytes(word)
        };
        let source =
            usize::try_from(number(0)).ok().and_then(|index| self.header.sources.get(index));
        let source = source
            .ok_or_else(|| invalid(format!("sample {i} names source {}", number(0))))?
            .clone();
        Ok(Provenance { source, row: number(1), start: number(2) })
    }
}

fn invalid(problem: impl Into<String>) -> ShardError {
    ShardError::Sidecar(problem.into())
}
