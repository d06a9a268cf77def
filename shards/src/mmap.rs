//! The only place that maps files, and the only `unsafe` of this crate.

use std::fs::File;
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
    let is_file = file.metadata().map_err(ShardError::io("read", path))?.is_file();
    if !is_file {
        return Err(ShardError::io("read", path)(std::io::Error::other(
            "it is not a regular file",
        )));
    }
    // SAFETY: see the reason above.
    unsafe { Map::map(&file) }.map_err(ShardError::io("map", path))
}
