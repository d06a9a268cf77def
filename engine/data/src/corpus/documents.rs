//! The documents file: what was read of some files, sorted, waiting to be chosen from.
//! Knows places in a file; a memory map, so that reading thousands of them at once takes no memory.
//!
//! A line of JSON (format, version, digests of the sources, number of documents), filled with spaces so that it ends at a
//! multiple of 8 bytes; for each document 72 bytes: hash (32), source (u64, index into the digests), row, first kept
//! character, place and bytes of its text (u64 each, little-endian); then the texts, in the same order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use mixmake_shards::{Map, map_file, release};
use serde::{Deserialize, Serialize};

use super::spec::Source;
use super::spool::{Entry, SpoolReader};
use crate::{DataError, DocumentHash};

const FORMAT: &str = "mixmake-documents";
const VERSION: u32 = 1;
const RECORD: usize = 72;

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    documents: u64,
    sources: Vec<String>,
}

/// A document as it waits in a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document<'a> {
    pub hash: &'a DocumentHash,
    /// BLAKE3 of the source file, in hexadecimal.
    pub source: &'a str,
    pub row: u64,
    /// First kept character of the whole document.
    pub start: u64,
    pub text: &'a str,
}

/// Writes sorted entries; only sources with documents are named.
pub(crate) fn write(
    path: &Path,
    entries: &[Entry],
    sources: &[&Source],
    spools: &[SpoolReader],
) -> Result<(), DataError> {
    let failed = || DataError::io("write", path);
    let file = File::create(path).map_err(failed())?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let header = Header {
        format: FORMAT.into(),
        version: VERSION,
        documents: entries.len() as u64,
        sources: sources.iter().map(|source| source.digest.clone()).collect(),
    };
    let mut line = serde_json::to_vec(&header).map_err(|e| failed()(std::io::Error::other(e)))?;
    while line.len() % 8 != 7 {
        line.push(b' ');
    }
    line.push(b'\n');
    file.write_all(&line).map_err(failed())?;
    let mut place = 0;
    for entry in entries {
        file.write_all(&record(entry, place)).map_err(failed())?;
        place += entry.bytes;
    }
    let mut buffer = Vec::new();
    for entry in entries {
        let text = spools[entry.spool as usize].read(entry, &mut buffer)?;
        file.write_all(text).map_err(failed())?;
    }
    file.into_inner().map(drop).map_err(|e| failed()(e.into_error()))
}

fn record(entry: &Entry, place: u64) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..32].copy_from_slice(&entry.hash);
    let numbers = [u64::from(entry.source), entry.row, entry.start, place, entry.bytes];
    for (field, number) in record[32..].chunks_exact_mut(8).zip(numbers) {
        field.copy_from_slice(&number.to_le_bytes());
    }
    record
}

/// Documents in order: of an opened file, or where they wait after reading.
pub(crate) enum Documents {
    Stored(Stored),
    Held(Held),
}

impl Documents {
    /// Maps a file and checks its header and size.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Stored::open(path).map(Self::Stored)
    }

    /// Sorted entries, where their texts all wait in memory; else the entries and texts as they were.
    pub fn hold(
        entries: Vec<Entry>,
        sources: &[&Source],
        spools: Vec<SpoolReader>,
    ) -> Result<Self, (Vec<Entry>, Vec<SpoolReader>)> {
        if !spools.iter().all(SpoolReader::is_in_memory) {
            return Err((entries, spools));
        }
        let sources = sources.iter().map(|source| source.digest.clone()).collect();
        Ok(Self::Held(Held { entries, sources, spools }))
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Stored(stored) => stored.len(),
            Self::Held(held) => held.entries.len(),
        }
    }

    /// What decides a document's place in the order, without looking at its text: hash, source, row.
    fn head(&self, index: usize) -> Result<(&DocumentHash, &str, u64), DataError> {
        match self {
            Self::Stored(stored) => stored.head(index),
            Self::Held(held) => Ok(held.head(index)),
        }
    }

    fn get(&self, index: usize) -> Result<Document<'_>, DataError> {
        match self {
            Self::Stored(stored) => stored.get(index),
            Self::Held(held) => held.get(index),
        }
    }
}

/// What was read, not written to a file.
pub(crate) struct Held {
    entries: Vec<Entry>,
    sources: Vec<String>,
    spools: Vec<SpoolReader>,
}

impl Held {
    fn head(&self, index: usize) -> (&DocumentHash, &str, u64) {
        let entry = &self.entries[index];
        (&entry.hash, &self.sources[entry.source as usize], entry.row)
    }

    fn get(&self, index: usize) -> Result<Document<'_>, DataError> {
        let entry = &self.entries[index];
        let (hash, source, row) = self.head(index);
        let text = self.spools[entry.spool as usize].text(entry)?;
        Ok(Document { hash, source, row, start: entry.start, text })
    }
}

/// An opened file.
pub(crate) struct Stored {
    path: PathBuf,
    bytes: Map,
    header: Header,
    records_at: usize,
    texts_at: usize,
}

impl Stored {
    fn open(path: &Path) -> Result<Self, DataError> {
        let bytes = map_file(path)?;
        let refused = |problem: &str| invalid(path, problem);
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| refused("it has no header line"))?;
        let header: Header =
            serde_json::from_slice(&bytes[..end]).map_err(|e| invalid(path, &e.to_string()))?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(refused("it is of another format or version"));
        }
        let records_at = end + 1;
        let size = (bytes.len() - records_at) as u128;
        if size < u128::from(header.documents) * RECORD as u128 {
            return Err(refused("it is shorter than its header says"));
        }
        let texts_at = records_at + header.documents as usize * RECORD;
        Ok(Self { path: path.to_path_buf(), bytes, header, records_at, texts_at })
    }

    fn len(&self) -> usize {
        self.header.documents as usize
    }

    fn record(&self, index: usize) -> &[u8] {
        let at = self.records_at + index * RECORD;
        &self.bytes[at..at + RECORD]
    }

    fn head(&self, index: usize) -> Result<(&DocumentHash, &str, u64), DataError> {
        let record = self.record(index);
        let damaged = || invalid(&self.path, "a record points outside of it");
        let hash = record[..32].try_into().map_err(|_| damaged())?;
        let source = usize::try_from(number(record, 0)).ok();
        let source = source.and_then(|i| self.header.sources.get(i)).ok_or_else(damaged)?;
        Ok((hash, source, number(record, 1)))
    }

    fn get(&self, index: usize) -> Result<Document<'_>, DataError> {
        let (hash, source, row) = self.head(index)?;
        let record = self.record(index);
        let damaged = || invalid(&self.path, "a record points outside of it");
        let place = usize::try_from(number(record, 3))
            .ok()
            .and_then(|place| self.texts_at.checked_add(place));
        let range = place.zip(usize::try_from(number(record, 4)).ok());
        let range = range.and_then(|(from, bytes)| Some(from..from.checked_add(bytes)?));
        let text = range.and_then(|range| self.bytes.get(range)).ok_or_else(damaged)?;
        Ok(Document {
            hash,
            source,
            row,
            start: number(record, 2),
            text: simdutf8::basic::from_utf8(text)
                .map_err(|e| invalid(&self.path, &e.to_string()))?,
        })
    }
}

/// One of the numbers after a record's hash.
fn number(record: &[u8], field: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&record[32 + field * 8..40 + field * 8]);
    u64::from_le_bytes(word)
}

fn invalid(path: &Path, problem: &str) -> DataError {
    DataError::Documents { path: path.to_path_buf(), problem: problem.to_owned() }
}

/// The documents of several files in one order: by hash, source and row.
pub(crate) struct Merged<'a> {
    files: &'a [Documents],
    next: BinaryHeap<Reverse<Head<'a>>>,
    places: Vec<Place>,
}

/// How far a file was read.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Records and bytes of texts that were given out.
    records: usize,
    texts: usize,
    /// How many of those bytes had been when memory was last given up.
    released: usize,
}

/// Texts of all files together that stay in memory behind the place where they are read.
const BEHIND_BYTES: usize = 64 << 20;

/// The order, and where the document is.
type Head<'a> = (&'a DocumentHash, &'a str, u64, usize, usize);

impl<'a> Merged<'a> {
    pub fn new(files: &'a [Documents]) -> Result<Self, DataError> {
        let places = vec![Place::default(); files.len()];
        let mut merged = Self { files, next: BinaryHeap::new(), places };
        for file in 0..files.len() {
            merged.push(file, 0)?;
        }
        Ok(merged)
    }

    fn push(&mut self, file: usize, index: usize) -> Result<(), DataError> {
        if index < self.files[file].len() {
            let (hash, source, row) = self.files[file].head(index)?;
            self.next.push(Reverse((hash, source, row, file, index)));
        }
        Ok(())
    }

    /// The next document.
    pub fn next(&mut self) -> Result<Option<Document<'a>>, DataError> {
        let Some(Reverse((.., file, index))) = self.next.pop() else { return Ok(None) };
        let document = self.files[file].get(index)?;
        self.places[file].records = index;
        self.places[file].texts += document.text.len();
        self.push(file, index + 1)?;
        Ok(Some(document))
    }

    /// Gives up the memory of what was given out: it lies in the order in which it is read, and is read once. It may still be
    /// used.
    pub fn release(&mut self) {
        let behind = BEHIND_BYTES / self.files.len().max(1);
        for (file, place) in self.files.iter().zip(&mut self.places) {
            let Documents::Stored(file) = file else { continue };
            if place.texts - place.released > behind {
                let Stored { bytes, records_at, texts_at, .. } = file;
                release(bytes, *records_at..records_at + place.records * RECORD);
                release(bytes, texts_at + place.released..texts_at + place.texts);
                place.released = place.texts;
            }
        }
    }
}
