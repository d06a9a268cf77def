//! The external sort: kept texts wait in scratch files while only their places are held in memory.
//! Knows byte ranges, not rules.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{DataError, DocumentHash};

/// A kept document: its identity, where it came from and where its kept text waits.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub hash: DocumentHash,
    /// Index into the sources, which are sorted by digest.
    pub source: u32,
    pub row: u64,
    /// First kept character of the document.
    pub start: u64,
    pub spool: u32,
    pub offset: u64,
    pub bytes: u64,
}

impl Entry {
    /// The total order of documents: by hash, then by content of the file and row. Independent of paths and of the
    /// order of reading; entries that agree in it have equal output bytes.
    pub fn order(&self) -> (&DocumentHash, u32, u64) {
        (&self.hash, self.source, self.row)
    }
}

/// One worker's scratch file, being written. It has no name, so nothing is left behind by a crash.
#[derive(Debug)]
pub(crate) struct Spool {
    file: BufWriter<File>,
    folder: PathBuf,
    written: u64,
}

impl Spool {
    pub fn create(folder: &Path) -> Result<Self, DataError> {
        let file = tempfile::tempfile_in(folder)
            .map_err(DataError::io("create a scratch file in", folder))?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, file),
            folder: folder.to_path_buf(),
            written: 0,
        })
    }

    /// Appends text and returns its offset.
    pub fn push(&mut self, text: &str) -> Result<u64, DataError> {
        let offset = self.written;
        self.file
            .write_all(text.as_bytes())
            .map_err(DataError::io("write a scratch file in", &self.folder))?;
        self.written += text.len() as u64;
        Ok(offset)
    }

    pub fn finish(self) -> Result<SpoolReader, DataError> {
        let failed = DataError::io("write a scratch file in", &self.folder);
        let file = self.file.into_inner().map_err(|e| failed(e.into_error()))?;
        Ok(SpoolReader { file, folder: self.folder })
    }
}

/// A finished scratch file.
#[derive(Debug)]
pub(crate) struct SpoolReader {
    file: File,
    folder: PathBuf,
}

impl SpoolReader {
    pub fn read(&self, entry: &Entry) -> Result<String, DataError> {
        let mut bytes = vec![0; entry.bytes as usize];
        let failed = || DataError::io("read a scratch file in", &self.folder);
        self.file.read_exact_at(&mut bytes, entry.offset).map_err(failed())?;
        String::from_utf8(bytes).map_err(|e| failed()(std::io::Error::other(e)))
    }
}
