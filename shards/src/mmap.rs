//! The only place that maps files, and the only `unsafe` of this crate.

use std::fs::File;
use std::io::Read;
use std::ops::{Deref, Range};
use std::path::Path;

use crate::ShardError;

/// Files of no more bytes are read: that takes less time than mapping them, and a process may have some 65,000 maps only.
const READ_MAX: usize = 16 << 10;

/// A whole file for reading: a mapping of it, or its bytes where they are few.
#[derive(Debug)]
pub struct Map(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped(memmap2::Mmap),
    Read(Box<[u8]>),
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Read(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Maps a file for reading, or reads it where it is small.
#[expect(
    unsafe_code,
    reason = "a mapping is only sound while nobody truncates or rewrites the file: shards are objects of a \
              content-addressed store, complete and read-only before their names exist, and replaced by rename"
)]
pub fn map_file(path: &Path) -> Result<Map, ShardError> {
    let mut file = File::open(path).map_err(ShardError::io("open", path))?;
    // Not `File::metadata`, which asks for more, by a slower call: a corpus has thousands of shards.
    let found = rustix::fs::fstat(&file).map_err(|e| ShardError::io("read", path)(e.into()))?;
    if !rustix::fs::FileType::from_raw_mode(found.st_mode).is_file() {
        return Err(ShardError::io("read", path)(std::io::Error::other(
            "it is not a regular file",
        )));
    }
    let length = usize::try_from(found.st_size)
        .map_err(|_| ShardError::io("map", path)(std::io::ErrorKind::FileTooLarge.into()))?;
    if length <= READ_MAX {
        let mut bytes = vec![0; length].into_boxed_slice();
        file.read_exact(&mut bytes).map_err(ShardError::io("read", path))?;
        return Ok(Map(Bytes::Read(bytes)));
    }
    // Its length is known, and need not be asked for again.
    // SAFETY: see the reason above.
    unsafe { memmap2::MmapOptions::new().len(length).map(&file) }
        .map(|map| Map(Bytes::Mapped(map)))
        .map_err(ShardError::io("map", path))
}

/// Gives up the memory of pages that lie wholly in `bytes` of a mapping: what is read once, in order, need not stay resident.
/// Reading them again is allowed and brings them back from the file.
#[expect(
    unsafe_code,
    reason = "dropping pages is only sound where they come back with the same content"
)]
pub fn release(map: &Map, bytes: Range<usize>) {
    let Bytes::Mapped(map) = &map.0 else { return };
    let start = bytes.start.next_multiple_of(PAGE);
    let end = bytes.end.min(map.len()) / PAGE * PAGE;
    if start < end {
        // SAFETY: the mapping is read-only and of a file, so its pages hold nothing that the file does not.
        // It is advice: where it is not taken, the pages stay.
        let _ = unsafe {
            map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start)
        };
    }
}

/// At least a page, and a whole number of them, on every machine in use.
const PAGE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_every_size_are_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for size in [0, 1, READ_MAX - 1, READ_MAX, READ_MAX + 1, 1 << 20] {
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &bytes).expect("written");
            let map = map_file(&path).expect("mapped");
            assert!(map[..] == bytes[..], "{size}");
            assert_eq!(matches!(map.0, Bytes::Mapped(_)), size > READ_MAX);
        }
        assert!(map_file(folder.path()).is_err(), "a folder is no file");
    }

    #[test]
    fn released_pages_come_back_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..5 * PAGE + 7).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).expect("written");
        let map = map_file(&path).expect("mapped");
        for range in [0..0, 1..PAGE, 0..PAGE, 5..4 * PAGE + 9, 0..usize::MAX, 9 * PAGE..10 * PAGE] {
            assert!(map[..] == bytes[..]);
            release(&map, range.clone());
            assert!(map[..] == bytes[..], "{range:?}");
        }
    }
}
