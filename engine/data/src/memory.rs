//! Large pieces of memory, in large pages where the system has them: fewer faults, and fewer misses where they are read at
//! random.

use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Bytes, zero at first, that take memory when they are touched.
#[derive(Debug)]
pub(crate) struct Room {
    map: MmapMut,
}

impl Room {
    pub fn new(bytes: usize) -> io::Result<Self> {
        let map = MmapMut::map_anon(bytes)?;
        // It is advice: where it is not taken, the pages are small ones.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Self { map })
    }
}

impl Deref for Room {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl DerefMut for Room {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.map
    }
}
