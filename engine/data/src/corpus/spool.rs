//! The external sort: kept texts wait in memory, or beyond a limit in a scratch file, while their places are sorted.
//! Knows byte ranges, not rules.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{DataError, DocumentHash};

/// Kept text that one worker holds in memory; what comes after goes to a file.
const MEMORY_BYTES: usize = 48 << 20;
/// Memory is taken in pieces of this size, or of a text's that is larger: one that grows would be copied and cleared anew.
const PIECE_BYTES: usize = 1 << 20;

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
    memory: Memory,
    file: Option<BufWriter<File>>,
    folder: PathBuf,
    written: u64,
}

/// Texts in pieces, none across two.
#[derive(Debug, Default)]
struct Memory {
    /// Each with the offset it starts at.
    pieces: Vec<(u64, Vec<u8>)>,
    bytes: u64,
}

impl Memory {
    fn push(&mut self, text: &[u8]) {
        let room = |piece: &(u64, Vec<u8>)| piece.1.capacity() - piece.1.len() >= text.len();
        if !self.pieces.last().is_some_and(room) {
            let piece = Vec::with_capacity(PIECE_BYTES.max(text.len()));
            self.pieces.push((self.bytes, piece));
        }
        if let Some((_, piece)) = self.pieces.last_mut() {
            piece.extend_from_slice(text);
        }
        self.bytes += text.len() as u64;
    }

    /// The text of that many bytes that was pushed at `offset`.
    fn get(&self, offset: u64, bytes: u64) -> Option<&[u8]> {
        // The last piece that starts there or before; of several that start there, empty texts' ones come first.
        let piece = self.pieces.partition_point(|(start, _)| *start <= offset).checked_sub(1)?;
        let (start, piece) = &self.pieces[piece];
        let from = usize::try_from(offset - start).ok()?;
        piece.get(from..from.checked_add(usize::try_from(bytes).ok()?)?)
    }
}

impl Spool {
    pub fn new(folder: &Path) -> Self {
        Self { memory: Memory::default(), file: None, folder: folder.to_path_buf(), written: 0 }
    }

    /// Appends text and returns its offset.
    pub fn push(&mut self, text: &str) -> Result<u64, DataError> {
        let offset = self.written;
        self.written += text.len() as u64;
        // With this text.
        if self.file.is_none() && self.written <= MEMORY_BYTES as u64 {
            self.memory.push(text.as_bytes());
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
    memory: Memory,
    file: Option<File>,
    folder: PathBuf,
}

impl SpoolReader {
    /// Whether no text had to go to a file.
    pub fn is_in_memory(&self) -> bool {
        self.file.is_none()
    }

    /// The text of an entry that lies in memory.
    pub fn text(&self, entry: &Entry) -> Result<&str, DataError> {
        let found = self.memory.get(entry.offset, entry.bytes);
        let found = found.and_then(|text| simdutf8::basic::from_utf8(text).ok());
        found.ok_or_else(|| {
            let failed = DataError::io("read a scratch file in", &self.folder);
            failed(ErrorKind::UnexpectedEof.into())
        })
    }

    /// The text of an entry: where it lies in memory, or read from the file into `buffer`.
    pub fn read<'a>(
        &'a self,
        entry: &Entry,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], DataError> {
        let failed = |e: std::io::Error| DataError::io("read a scratch file in", &self.folder)(e);
        let in_memory = self.memory.bytes;
        if entry.offset + entry.bytes <= in_memory {
            let found = self.memory.get(entry.offset, entry.bytes);
            return found.ok_or_else(|| failed(ErrorKind::UnexpectedEof.into()));
        }
        buffer.resize(entry.bytes as usize, 0);
        let Some(file) = &self.file else { return Err(failed(ErrorKind::UnexpectedEof.into())) };
        file.read_exact_at(buffer, entry.offset - in_memory).map_err(failed)?;
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_from_memory_and_from_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = Spool::new(folder.path());
        // Some fit a piece of memory together, some take one each, and one is empty.
        let sizes = [9 << 20, 3, 0, 700_000, 700_000, 9 << 20, 9 << 20, 9 << 20, 9 << 20, 9 << 20];
        let texts: Vec<String> =
            (b'a'..).zip(sizes).map(|(i, size)| char::from(i).to_string().repeat(size)).collect();
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
        assert!(spool.file.is_some() && spool.memory.bytes > 0, "both are used");
        let spool = spool.finish().expect("finished");
        let mut buffer = Vec::new();
        for (entry, text) in entries.iter().zip(&texts) {
            let found = spool.read(entry, &mut buffer).expect("read");
            assert!(found == text.as_bytes());
        }
    }
}
