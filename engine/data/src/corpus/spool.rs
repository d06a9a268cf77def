//! The external sort: kept texts wait in memory, or beyond a limit in a scratch file, while their places are sorted.
//! Knows byte ranges, not rules.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{DataError, DocumentHash};

/// Kept text that one worker holds in memory; what comes after goes to a file.
const MEMORY_BYTES: usize = 48 << 20;

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

/// One worker's texts, being collected. Its file has no name, so nothing is left behind by a crash.
#[derive(Debug)]
pub(crate) struct Spool {
    memory: Vec<u8>,
    file: Option<BufWriter<File>>,
    folder: PathBuf,
    written: u64,
}

impl Spool {
    pub fn new(folder: &Path) -> Self {
        Self { memory: Vec::new(), file: None, folder: folder.to_path_buf(), written: 0 }
    }

    /// Appends text and returns its offset.
    pub fn push(&mut self, text: &str) -> Result<u64, DataError> {
        let offset = self.written;
        self.written += text.len() as u64;
        if self.file.is_none() && self.memory.len() + text.len() <= MEMORY_BYTES {
            self.memory.extend_from_slice(text.as_bytes());
            return Ok(offset);
        }
        let written = self.open()?.write_all(text.as_bytes());
        written.map_err(DataError::io("write a scratch file in", &self.folder))?;
        Ok(offset)
    }

    fn open(&mut self) -> Result<&mut BufWriter<File>, DataError> {
        if self.file.is_none() {
            let file = tempfile::tempfile_in(&self.folder)
                .map_err(DataError::io("create a scratch file in", &self.folder))?;
            self.file = Some(BufWriter::with_capacity(1 << 20, file));
        }
        // Just made where it was missing.
        self.file.as_mut().ok_or_else(|| {
            DataError::io("create a scratch file in", &self.folder)(
                std::io::ErrorKind::Other.into(),
            )
        })
    }

    pub fn finish(self) -> Result<SpoolReader, DataError> {
        let failed = DataError::io("write a scratch file in", &self.folder);
        let file = self.file.map(BufWriter::into_inner).transpose();
        let file = file.map_err(|e| failed(e.into_error()))?;
        Ok(SpoolReader { memory: self.memory, file, folder: self.folder })
    }
}

/// A finished spool.
#[derive(Debug)]
pub(crate) struct SpoolReader {
    memory: Vec<u8>,
    file: Option<File>,
    folder: PathBuf,
}

impl SpoolReader {
    /// Puts the text of an entry into `text`, replacing what was there.
    pub fn read(&self, entry: &Entry, text: &mut Vec<u8>) -> Result<(), DataError> {
        text.clear();
        let in_memory = self.memory.len() as u64;
        if entry.offset + entry.bytes <= in_memory {
            let start = entry.offset as usize;
            text.extend_from_slice(&self.memory[start..start + entry.bytes as usize]);
            return Ok(());
        }
        text.resize(entry.bytes as usize, 0);
        let failed = DataError::io("read a scratch file in", &self.folder);
        match &self.file {
            Some(file) => file.read_exact_at(text, entry.offset - in_memory).map_err(failed),
            None => Err(failed(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_from_memory_and_from_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::new(folder.path());
        let texts: Vec<String> =
            (0..7).map(|i| char::from(b'a' + i).to_string().repeat(9 << 20)).collect();
        let mut entries = Vec::new();
        for text in &texts {
            let offset = spool.push(text).expect("spooled");
            let bytes = text.len() as u64;
            entries.push(Entry {
                hash: [0; 32],
                source: 0,
                row: 0,
                start: 0,
                spool: 0,
                offset,
                bytes,
            });
        }
        assert!(spool.file.is_some() && !spool.memory.is_empty(), "both are used");
        let spool = spool.finish().expect("finished");
        let mut found = Vec::new();
        for (entry, text) in entries.iter().zip(&texts) {
            spool.read(entry, &mut found).expect("read");
            assert!(found == text.as_bytes());
        }
    }
}
