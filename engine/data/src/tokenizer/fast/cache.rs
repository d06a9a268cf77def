//! A cache from short words to ids: fixed size, two places a word, one cache line for both.
//! Knows bytes and ids, not how words become ids.

use rustc_hash::FxHashMap;

use crate::memory::{Table, Zeroed};

/// Longest word that fits a key, in bytes; its length takes the sixteenth.
pub(super) const SHORT: usize = 15;
/// What the padded text must have after its end, so that a key, or a block of [`super::gpt2_blocks`], can be read at once.
pub(super) const PADDING: usize = 64;

const BUCKETS: usize = 1 << 16;
/// Ids of entries with more than three wait here; the cache starts anew when it is full.
const SPILL_MAX: usize = 1 << 20;
const LONG_MAX: usize = 1 << 14;
const LONG_BYTES_MAX: usize = 128;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// The word's bytes, then its length in the last byte; 0 where nothing is kept.
    key: u128,
    count: u32,
    /// The ids, or where in the spill they start.
    ids: [u32; 3],
}

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([Entry; 2]);

#[expect(unsafe_code, reason = "the trait needs it")]
// SAFETY: it is numbers, which zero bytes are a value of.
unsafe impl Zeroed for Bucket {}

/// Where a word would be.
#[derive(Clone, Copy, Default)]
pub(super) struct Place(usize);

/// The ids of words seen before.
pub(super) struct WordCache {
    buckets: Table<Bucket>,
    spill: Vec<u32>,
    long: FxHashMap<Box<[u8]>, Box<[u32]>>,
}

/// No key: the word is too long for one.
pub(super) const LONG: u128 = u128::MAX;

/// The key of a word of any length, which is not empty.
#[inline]
pub(super) fn key_of(padded: &[u8], start: usize, length: usize) -> u128 {
    if length <= SHORT { key(padded, start, length) } else { LONG }
}

/// A word as the cache knows it.
#[inline]
pub(super) fn key(padded: &[u8], start: usize, length: usize) -> u128 {
    let mut window = [0; 16];
    window.copy_from_slice(&padded[start..start + 16]);
    let mask = (1u128 << (8 * length)) - 1;
    u128::from_le_bytes(window) & mask | (length as u128) << 120
}

impl WordCache {
    pub fn new() -> Self {
        Self { buckets: Table::new(BUCKETS), spill: Vec::new(), long: FxHashMap::default() }
    }

    /// Where a word is, if it is there. Its memory is asked for, so that it has come when it is needed.
    #[inline]
    pub fn place(&self, key: u128) -> Place {
        let place = place(key);
        prefetch(&self.buckets[place]);
        Place(place)
    }

    /// Appends the ids of a word from its place; says whether it is there.
    #[inline]
    pub fn append(&self, key: u128, Place(place): Place, out: &mut Vec<u32>) -> bool {
        let bucket = &self.buckets[place & (BUCKETS - 1)].0;
        // Which of the two is no branch: it would be foreseen badly.
        let entry = &bucket[usize::from(bucket[1].key == key)];
        if entry.key != key {
            return false;
        }
        let count = entry.count as usize;
        if count <= 3 {
            // Three at once and then the right length: no loop, no branch on the count.
            let length = out.len();
            out.extend_from_slice(&entry.ids);
            out.truncate(length + count);
        } else {
            let start = entry.ids[0] as usize;
            out.extend_from_slice(&self.spill[start..start + count]);
        }
        true
    }

    /// Keeps the ids of a short word. Of its two places the second is given up.
    pub fn insert(&mut self, key: u128, ids: &[u32]) {
        if self.spill.len() + ids.len() > SPILL_MAX {
            self.spill.clear();
            self.buckets.fill(Bucket::default());
        }
        let mut entry = Entry { key, count: ids.len() as u32, ids: [0; 3] };
        if ids.len() <= 3 {
            entry.ids[..ids.len()].copy_from_slice(ids);
        } else {
            entry.ids[0] = self.spill.len() as u32;
            self.spill.extend_from_slice(ids);
        }
        let bucket = &mut self.buckets[place(key)].0;
        // A word that is asked for again stays first; newcomers compete for the second place.
        let at = usize::from(bucket[0].key != 0);
        bucket[at] = entry;
    }

    pub fn long(&self, word: &[u8]) -> Option<&[u32]> {
        if word.len() > LONG_BYTES_MAX { None } else { self.long.get(word).map(Box::as_ref) }
    }

    /// Keeps the ids of a word beyond [`SHORT`], where it is not too long to come again.
    pub fn insert_long(&mut self, word: &[u8], ids: &[u32]) {
        if word.len() > LONG_BYTES_MAX {
            return;
        }
        if self.long.len() >= LONG_MAX {
            self.long.clear();
        }
        self.long.insert(word.into(), ids.into());
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the instruction takes a pointer")]
#[inline]
fn prefetch(bucket: &Bucket) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: SSE is part of x86-64, and a prefetch is a hint: it neither reads nor faults.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(bucket).cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_: &Bucket) {}

#[inline]
fn place(key: u128) -> usize {
    let (low, high) = (key as u64, (key >> 64) as u64);
    let product =
        u128::from(low ^ 0x9e37_79b9_7f4a_7c15) * u128::from(high ^ 0xd1b5_4a32_d192_ed03);
    let folded = product as u64 ^ (product >> 64) as u64;
    folded as usize & (BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_was_kept_for_every_word_or_nothing() {
        let mut cache = WordCache::new();
        let word = |i: u32| format!("{:x}", i.wrapping_mul(2_654_435_761));
        let ids = |i: u32| (0..i % 7).map(|j| i ^ j).collect::<Vec<_>>();
        let key_of = |i: u32| {
            let mut padded = word(i).into_bytes();
            let length = padded.len();
            padded.extend([7; PADDING]);
            key(&padded, 0, length)
        };
        for i in 0..400_000 {
            cache.insert(key_of(i), &ids(i));
        }
        let mut known = 0;
        for i in 0..400_000 {
            let mut out = vec![9];
            if cache.append(key_of(i), cache.place(key_of(i)), &mut out) {
                known += 1;
                assert_eq!(out[1..], ids(i), "{}", word(i));
            } else {
                assert_eq!(out, [9]);
            }
        }
        assert!(known > 50_000, "{known}");
    }
}
