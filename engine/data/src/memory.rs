//! Large pieces of memory, in large pages where the system has them: fewer faults, and fewer misses where they are read at
//! random.

use std::alloc::{Layout, handle_alloc_error};
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Bytes, zero at first, that take memory when they are touched.
#[derive(Debug)]
pub(crate) struct Room {
    map: MmapMut,
}

impl Room {
    /// For what is filled, or read all over.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let room = Self::sparse(bytes)?;
        // It is advice: where it is not taken, the pages are small ones.
        #[cfg(target_os = "linux")]
        let _ = room.map.advise(memmap2::Advice::HugePage);
        Ok(room)
    }

    /// For what is touched here and there: pages as small as any.
    pub fn sparse(bytes: usize) -> io::Result<Self> {
        Ok(Self { map: MmapMut::map_anon(bytes)? })
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

/// Types whose value of zero bytes is their default, and that nothing need be done for at their end.
///
/// # Safety
///
/// Zero bytes are a valid value.
#[expect(unsafe_code, reason = "the compiler cannot know it")]
pub(crate) unsafe trait Zeroed: Copy {}

/// A table of a fixed size in memory of its own, zeros at first: a large one is not touched before it is used, as one from
/// an allocator may be.
pub(crate) struct Table<T> {
    room: Room,
    count: usize,
    of: PhantomData<T>,
}

impl<T: Zeroed> Table<T> {
    /// In large pages. For want of memory the program ends, as anywhere else.
    pub fn new(count: usize) -> Self {
        Self::of(count, Room::new)
    }

    /// As [`Table::new`], for one of which little will be used.
    pub fn sparse(count: usize) -> Self {
        Self::of(count, Room::sparse)
    }

    fn of(count: usize, room: impl Fn(usize) -> io::Result<Room>) -> Self {
        let bytes = (count * size_of::<T>()).max(1);
        let room = match room(bytes) {
            Ok(room) => room,
            Err(_) => handle_alloc_error(Layout::new::<T>()),
        };
        // A page's alignment is above that of any entry.
        debug_assert!(room.as_ptr().cast::<T>().is_aligned());
        Self { room, count, of: PhantomData }
    }
}

impl<T: Zeroed> Deref for Table<T> {
    type Target = [T];

    #[expect(unsafe_code, reason = "bytes become entries")]
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the room has bytes for that many, aligned as pages are, and zero or written as entries, so valid.
        unsafe { std::slice::from_raw_parts(self.room.as_ptr().cast(), self.count) }
    }
}

impl<T: Zeroed> DerefMut for Table<T> {
    #[expect(unsafe_code, reason = "bytes become entries")]
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else has it.
        unsafe { std::slice::from_raw_parts_mut(self.room.as_mut_ptr().cast(), self.count) }
    }
}

#[expect(unsafe_code, reason = "the trait needs it")]
mod plain {
    // SAFETY: every bit pattern is a number.
    unsafe impl super::Zeroed for u32 {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_zeros_and_keeps_what_is_written() {
        for mut table in [Table::<u32>::new(100_000), Table::sparse(100_000)] {
            assert_eq!(table.len(), 100_000);
            assert!(table.iter().all(|&entry| entry == 0));
            table[99_999] = 7;
            assert_eq!(table[99_999], 7);
        }
        assert!(Table::<u32>::new(0).is_empty());
    }
}
