//! The only place that maps files, and the only `unsafe` of this crate.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use crate::ShardError;

/// A read-only mapping of a whole file.
pub type Map = memmap2::Mmap;

/// Maps a file for reading. An empty file gives an empty mapping.
#[expect(
    unsafe_code,
    reason = "a mapping is only sound while nobody truncates or rewrites the file: shards are objects of a \
              content-addressed store, complete and read-only before their names exist, and replaced by rename"
)]
pub fn map_file(path: &Path) -> Result<Map, ShardError> {
    let file = File::open(path).map_err(ShardError::io("open", path))?;
    let metadata = file.metadata().map_err(ShardError::io("read", path))?;
    if !metadata.is_file() {
        return Err(ShardError::io("read", path)(std::io::Error::other(
            "it is not a regular file",
        )));
    }
    let length = usize::try_from(metadata.len())
        .map_err(|_| ShardError::io("map", path)(std::io::ErrorKind::FileTooLarge.into()))?;
    // Its length is known, and need not be asked for again: a corpus has thousands of shards.
    // SAFETY: see the reason above.
    unsafe { memmap2::MmapOptions::new().len(length).map(&file) }
        .map_err(ShardError::io("map", path))
}

/// Gives up the memory of pages that lie wholly in `bytes` of a mapping: what is read once, in order, need not stay resident.
/// Reading them again is allowed and brings them back from the file.
#[expect(
    unsafe_code,
    reason = "dropping pages is only sound where they come back with the same content"
)]
pub fn release(map: &Map, bytes: Range<usize>) {
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
