//! BPE's merges of one word: always the pair of lowest rank, the leftmost of equals. Knows ids and ranks, not bytes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

/// No such pair: above every rank.
pub(super) const NONE: u32 = 1 << RANK_BITS;
/// Words of more symbols go through a heap: looking through all for the lowest rank is quadratic.
const SCAN_MAX: usize = 48;
/// Ids below 2^20 and ranks below 2^24 fit a slot of eight bytes; no vocabulary of the field comes near.
const ID_BITS: u32 = 20;
const RANK_BITS: u32 = 24;
const EMPTY: u64 = u64::MAX;
const FILTER_BITS: usize = 1 << 19;
/// Slots that are looked at together, without a branch.
const BUCKET: usize = 4;

#[derive(Clone, Copy)]
#[repr(align(32))]
struct Bucket([u64; BUCKET]);

/// The merges of a vocabulary: a table from a pair of ids to its rank.
pub(super) struct Merges {
    /// A slot is left id, right id and rank, from the top. Small, so that a processor's cache holds it.
    buckets: Vec<Bucket>,
    /// A bit by another part of a pair's hash, set where a pair has it: most pairs asked for are none, and this is small.
    filter: Box<[u64; FILTER_BITS / 64]>,
    /// Pairs whose bucket was full.
    others: FxHashMap<u64, u32>,
    /// By rank, the id that the merge makes.
    made: Vec<u32>,
}

impl Merges {
    /// Of (left, right, new id) in order of rank. `None` if a pair comes twice, since which rank counts is the library's
    /// to say, and where a number does not fit.
    pub fn new(merges: &[(u32, u32, u32)]) -> Option<Self> {
        // The largest ids are not used, so that no slot looks empty.
        let fits = |id: u32| id < (1 << ID_BITS) - 1;
        if merges.len() > 1 << RANK_BITS || !merges.iter().all(|m| fits(m.0) && fits(m.1)) {
            return None;
        }
        let size = (merges.len() / 2 + 1).next_power_of_two();
        let mut table = Self {
            buckets: vec![Bucket([EMPTY; BUCKET]); size],
            filter: Box::new([0; FILTER_BITS / 64]),
            others: FxHashMap::default(),
            made: merges.iter().map(|merge| merge.2).collect(),
        };
        for (rank, &(left, right, _)) in merges.iter().enumerate() {
            if table.find(left, right) != NONE {
                return None;
            }
            let pair = pair(left, right);
            let (home, bit) = table.home(pair);
            table.filter[bit / 64] |= 1 << (bit % 64);
            match table.buckets[home].0.iter_mut().find(|slot| **slot == EMPTY) {
                Some(slot) => *slot = pair << RANK_BITS | rank as u64,
                None => drop(table.others.insert(pair, rank as u32)),
            }
        }
        Some(table)
    }

    /// The bucket of a pair and its bit in the filter.
    #[inline]
    fn home(&self, pair: u64) -> (usize, usize) {
        let hash = pair.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (
            (hash >> 32) as usize & (self.buckets.len() - 1),
            (hash >> 45) as usize & (FILTER_BITS - 1),
        )
    }

    /// The rank of a pair, or [`NONE`].
    #[inline]
    fn find(&self, left: u32, right: u32) -> u32 {
        let pair = pair(left, right);
        let (home, bit) = self.home(pair);
        let maybe = self.filter[bit / 64] >> (bit % 64) & 1;
        // A pair that is none is looked for in the first bucket, which is always near: no branch, it would be foreseen badly.
        let bucket = &self.buckets[home & (maybe as usize).wrapping_neg()].0;
        let mut rank = NONE;
        for slot in bucket {
            let own = (slot & ((1 << RANK_BITS) - 1)) as u32;
            rank = if slot >> RANK_BITS == pair { own } else { rank };
        }
        if rank == NONE && maybe == 1 && bucket[BUCKET - 1] != EMPTY {
            return self.others.get(&pair).copied().unwrap_or(NONE);
        }
        rank
    }

    /// Merges `ids` in place as far as it goes. `first` gives the rank of the two at a place of `ids` as they are now, or
    /// [`NONE`]: it is known of bytes without the table.
    #[inline]
    pub fn merge(&self, ids: &mut Vec<u32>, first: impl Fn(usize) -> u32) {
        match ids.len() {
            0..=1 => {}
            2..=8 => self.merge_short::<8>(ids, first),
            9..=16 => self.merge_short::<16>(ids, first),
            17..=SCAN_MAX => self.merge_short::<SCAN_MAX>(ids, first),
            _ => self.merge_long(ids),
        }
    }

    /// Symbols stay where they are and know their neighbours. `MAX` is at least their number, and a constant, so that the
    /// search for the lowest rank is a few vector operations.
    fn merge_short<const MAX: usize>(&self, ids: &mut Vec<u32>, first: impl Fn(usize) -> u32) {
        const { assert!(MAX <= 1 << PLACE_BITS) };
        let count = ids.len();
        let mut ranks = [LAST; MAX];
        let mut next = [0u8; MAX];
        let mut before = [0u8; MAX];
        for at in 0..count.saturating_sub(1) {
            ranks[at] = placed(first(at), at);
            next[at] = at as u8 + 1;
            before[at + 1] = at as u8;
        }
        if count > 0 {
            next[count - 1] = count as u8;
        }
        loop {
            let best = ranks.iter().fold(LAST, |best, &rank| best.min(rank));
            let (rank, at) = ((best >> PLACE_BITS) as usize, best as usize & (MAX_PLACE));
            if rank >= NONE as usize {
                break;
            }
            let right = next[at] as usize;
            ids[at] = self.made[rank];
            ranks[right] = LAST;
            let after = next[right] as usize;
            next[at] = after as u8;
            ranks[at] = LAST;
            if after < count {
                before[after] = at as u8;
                ranks[at] = placed(self.find(ids[at], ids[after]), at);
            }
            if at > 0 {
                let left = before[at] as usize;
                ranks[left] = placed(self.find(ids[left], ids[at]), left);
            }
        }
        let (mut kept, mut at) = (0, 0);
        while at < count {
            ids[kept] = ids[at];
            kept += 1;
            at = next[at] as usize;
        }
        ids.truncate(kept);
    }

    /// The same over a linked list of symbols and a heap of candidate merges; stale candidates are passed over.
    fn merge_long(&self, ids: &mut Vec<u32>) {
        let end = ids.len();
        let mut next: Vec<usize> = (1..=end).collect();
        let mut before: Vec<usize> = (0..end).map(|i| i.wrapping_sub(1)).collect();
        let mut gone = vec![false; end];
        let mut heap = BinaryHeap::new();
        for (at, pair) in ids.windows(2).enumerate() {
            let merge = self.find(pair[0], pair[1]);
            if merge != NONE {
                heap.push(Reverse((merge, at)));
            }
        }
        while let Some(Reverse((rank, at))) = heap.pop() {
            if gone[at] || next[at] == end {
                continue;
            }
            let right = next[at];
            if self.find(ids[at], ids[right]) != rank {
                continue;
            }
            ids[at] = self.made[rank as usize];
            gone[right] = true;
            next[at] = next[right];
            if next[at] < end {
                before[next[at]] = at;
            }
            for left in [before[at], at] {
                if left < end && next[left] < end {
                    let merge = self.find(ids[left], ids[next[left]]);
                    if merge != NONE {
                        heap.push(Reverse((merge, left)));
                    }
                }
            }
        }
        let mut gone = gone.into_iter();
        ids.retain(|_| !gone.next().unwrap_or(false));
    }
}

/// A rank and its place in one number, so that the smallest is the leftmost of lowest rank. Signed: a baseline x86-64 has
/// no vector minimum of unsigned numbers.
fn placed(rank: u32, at: usize) -> i32 {
    (rank << PLACE_BITS) as i32 | at as i32
}

const PLACE_BITS: u32 = 6;
const MAX_PLACE: usize = (1 << PLACE_BITS) - 1;
const LAST: i32 = i32::MAX;

fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << ID_BITS | u64::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Merges {
        // 0..4 are symbols; ranks are chosen so that overlaps, repeats and chains all occur.
        let merges = [
            (0, 0, 4),
            (1, 2, 5),
            (0, 1, 6),
            (4, 4, 7),
            (6, 2, 8),
            (5, 3, 9),
            (7, 0, 10),
            (3, 3, 11),
            (8, 9, 12),
        ];
        Merges::new(&merges).expect("no pair twice")
    }

    /// The definition, word by word.
    fn slowly(table: &Merges, mut ids: Vec<u32>) -> Vec<u32> {
        loop {
            let pairs = ids.windows(2).enumerate();
            let best = pairs.map(|(at, pair)| (table.find(pair[0], pair[1]), at)).min();
            match best {
                Some((rank, at)) if rank != NONE => {
                    ids[at] = table.made[rank as usize];
                    ids.remove(at + 1);
                }
                _ => return ids,
            }
        }
    }

    #[test]
    fn both_ways_merge_as_defined() {
        let table = table();
        let mut state = 1u32;
        for length in (0..300).flat_map(|n| [n % 60, n]) {
            let word: Vec<u32> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // Runs of one symbol are where leftmost matters.
                    (state >> 30).min(state >> 28)
                })
                .collect();
            let expected = slowly(&table, word.clone());
            let (mut short, mut long) = (word.clone(), word.clone());
            if length <= SCAN_MAX {
                table.merge_short::<SCAN_MAX>(&mut short, |at| table.find(word[at], word[at + 1]));
                assert_eq!(short, expected, "{word:?}");
            }
            table.merge_long(&mut long);
            assert_eq!(long, expected, "{word:?}");
            let mut chosen = word.clone();
            table.merge(&mut chosen, |at| table.find(word[at], word[at + 1]));
            assert_eq!(chosen, expected, "{word:?}");
        }
    }

    #[test]
    fn a_pair_twice_is_not_ours() {
        assert!(Merges::new(&[(0, 1, 2), (0, 1, 3)]).is_none());
        assert!(Merges::new(&[(0, 1, 2), (1, 0, 3)]).is_some());
    }

    #[test]
    fn numbers_that_do_not_fit_are_not_ours() {
        assert!(Merges::new(&[(0, 1 << ID_BITS, 2)]).is_none());
        assert!(Merges::new(&[(u32::MAX, 1, 2)]).is_none());
        let largest = (1 << ID_BITS) - 2;
        assert!(Merges::new(&[(largest, largest, 2)]).is_some());
    }

    #[test]
    fn every_pair_is_found_also_in_full_buckets() {
        // Every left id once, so no pair comes twice.
        let merges: Vec<_> =
            (0..40_000u32).map(|i| (i * 40_503 % 65_521, i.pow(2) % 65_519, i)).collect();
        let table = Merges::new(&merges).expect("no pair twice");
        assert!(!table.others.is_empty(), "some buckets are full");
        for (rank, &(left, right, _)) in merges.iter().enumerate() {
            assert_eq!(table.find(left, right), rank as u32);
            assert_eq!(table.find(left, right + 70_000), NONE);
        }
    }
}
