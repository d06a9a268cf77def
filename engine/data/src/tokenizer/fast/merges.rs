//! BPE's merges of one word: always the pair of lowest rank, the leftmost of equals. Knows ids and ranks, not bytes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// No such pair: above every rank. Ranks are signed, since a baseline x86-64 has no vector minimum of unsigned numbers.
const NONE: i32 = i32::MAX;
/// Words of more symbols go through a heap: scanning for the lowest rank is quadratic.
const SCAN_MAX: usize = 48;
/// Ids below 2^20 and ranks below 2^24 fit a slot of eight bytes; no vocabulary of the field comes near.
const ID_BITS: u32 = 20;
const RANK_BITS: u32 = 24;
const EMPTY: u64 = u64::MAX;

/// The merges of a vocabulary: an open-addressing table from a pair of ids to its rank.
pub(super) struct Merges {
    /// Left id, right id and rank, from the top. Half the size of numbers apart, so that a cache holds it.
    slots: Vec<u64>,
    mask: usize,
    /// By rank, the id that the merge makes.
    made: Vec<u32>,
}

impl Merges {
    /// Of (left, right, new id) in order of rank. `None` if a pair comes twice, since which rank counts is the library's
    /// to say, and where a number does not fit.
    pub fn new(merges: &[(u32, u32, u32)]) -> Option<Self> {
        let size = (merges.len() * 2 + 2).next_power_of_two();
        let made = merges.iter().map(|merge| merge.2).collect();
        let mut table = Self { slots: vec![EMPTY; size], mask: size - 1, made };
        // The largest pair and rank are not used, so that no slot looks empty.
        let fits = |id: u32| id < (1 << ID_BITS) - 1;
        if merges.len() >= 1 << (RANK_BITS - 1) {
            return None;
        }
        for (rank, &(left, right, new)) in merges.iter().enumerate() {
            if !(fits(left) && fits(right) && fits(new)) {
                return None;
            }
            let pair = pair(left, right);
            let mut at = table.home(pair);
            while table.slots[at] != EMPTY {
                if table.slots[at] >> RANK_BITS == pair {
                    return None;
                }
                at = (at + 1) & table.mask;
            }
            table.slots[at] = pair << RANK_BITS | rank as u64;
        }
        Some(table)
    }

    fn home(&self, pair: u64) -> usize {
        (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & self.mask
    }

    /// The rank of a pair, or [`NONE`].
    #[inline]
    fn find(&self, left: u32, right: u32) -> i32 {
        let pair = pair(left, right);
        let mut at = self.home(pair);
        loop {
            let slot = self.slots[at];
            if slot >> RANK_BITS == pair {
                return (slot & ((1 << RANK_BITS) - 1)) as i32;
            }
            if slot == EMPTY {
                return NONE;
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Merges `ids` in place as far as it goes.
    pub fn merge(&self, ids: &mut Vec<u32>) {
        match ids.len() {
            0..=16 => self.merge_short::<16>(ids),
            17..=SCAN_MAX => self.merge_short::<SCAN_MAX>(ids),
            _ => self.merge_long(ids),
        }
    }

    /// `ranks[i]` is the merge of symbols i and i + 1. `MAX` is at least the number of symbols, and a constant, so that
    /// the search is a few vector operations.
    fn merge_short<const MAX: usize>(&self, ids: &mut Vec<u32>) {
        let mut ranks = [NONE; MAX];
        for (rank, pair) in ranks.iter_mut().zip(ids.windows(2)) {
            *rank = self.find(pair[0], pair[1]);
        }
        let mut count = ids.len();
        loop {
            let best = ranks.iter().fold(NONE, |best, &rank| best.min(rank));
            if best == NONE {
                break;
            }
            // The first of equals: one rank is one pair.
            let Some(at) = ranks.iter().position(|&rank| rank == best) else { break };
            ids[at] = self.made[best as usize];
            ids.copy_within(at + 2..count, at + 1);
            ranks.copy_within(at + 1.., at);
            ranks[MAX - 1] = NONE;
            count -= 1;
            if at > 0 {
                ranks[at - 1] = self.find(ids[at - 1], ids[at]);
            }
            if at + 1 < count {
                ranks[at] = self.find(ids[at], ids[at + 1]);
            }
        }
        ids.truncate(count);
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
            table.merge_short::<300>(&mut short);
            table.merge_long(&mut long);
            assert_eq!(short, expected, "{word:?}");
            assert_eq!(long, expected, "{word:?}");
            let mut chosen = word.clone();
            table.merge(&mut chosen);
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
        assert!(Merges::new(&[((1 << ID_BITS) - 2, (1 << ID_BITS) - 2, 2)]).is_some());
    }
}
