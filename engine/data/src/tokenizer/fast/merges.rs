//! BPE's merges of one word: always the pair of lowest rank, the leftmost of equals. Knows ids and ranks, not bytes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// No such pair.
const NONE: u64 = u64::MAX;
/// Words of more symbols go through a heap: scanning for the lowest rank is quadratic.
const SCAN_MAX: usize = 48;

/// The merges of a vocabulary: an open-addressing table from a pair of ids to its rank and the id it makes.
pub(super) struct Merges {
    /// (left and right id, rank and new id); `NONE` in the first where empty.
    slots: Vec<(u64, u64)>,
    mask: usize,
}

impl Merges {
    /// Of (left, right, new id) in order of rank. `None` if a pair comes twice: which rank counts is the library's
    /// to say.
    pub fn new(merges: &[(u32, u32, u32)]) -> Option<Self> {
        let size = (merges.len() * 2 + 2).next_power_of_two();
        let mut table = Self { slots: vec![(NONE, 0); size], mask: size - 1 };
        for (rank, &(left, right, new)) in merges.iter().enumerate() {
            let pair = u64::from(left) << 32 | u64::from(right);
            let mut at = table.home(pair);
            while table.slots[at].0 != NONE {
                if table.slots[at].0 == pair {
                    return None;
                }
                at = (at + 1) & table.mask;
            }
            table.slots[at] = (pair, (rank as u64) << 32 | u64::from(new));
        }
        Some(table)
    }

    fn home(&self, pair: u64) -> usize {
        (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & self.mask
    }

    /// Rank in the high half, new id in the low one; [`NONE`], which is above every rank, where the pair is no merge.
    #[inline]
    fn find(&self, left: u32, right: u32) -> u64 {
        let pair = u64::from(left) << 32 | u64::from(right);
        let mut at = self.home(pair);
        loop {
            let (found, merge) = self.slots[at];
            if found == pair {
                return merge;
            }
            if found == NONE {
                return NONE;
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Merges `ids` in place as far as it goes.
    pub fn merge(&self, ids: &mut Vec<u32>, scratch: &mut Vec<u64>) {
        if ids.len() <= SCAN_MAX { self.merge_short(ids, scratch) } else { self.merge_long(ids) }
    }

    /// `pairs[i]` is the merge of symbols i and i + 1.
    fn merge_short(&self, ids: &mut Vec<u32>, pairs: &mut Vec<u64>) {
        pairs.clear();
        pairs.extend(ids.windows(2).map(|pair| self.find(pair[0], pair[1])));
        loop {
            // The first of the smallest: ranks differ between pairs, so equals are the same pair.
            let mut best = (NONE, 0);
            for (at, &merge) in pairs.iter().enumerate() {
                if merge < best.0 {
                    best = (merge, at);
                }
            }
            let (merge, at) = best;
            if merge == NONE {
                return;
            }
            ids[at] = merge as u32;
            ids.remove(at + 1);
            pairs.remove(at);
            if at > 0 {
                pairs[at - 1] = self.find(ids[at - 1], ids[at]);
            }
            if at < pairs.len() {
                pairs[at] = self.find(ids[at], ids[at + 1]);
            }
        }
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
                heap.push(Reverse((merge >> 32, at)));
            }
        }
        while let Some(Reverse((rank, at))) = heap.pop() {
            if gone[at] || next[at] == end {
                continue;
            }
            let right = next[at];
            let merge = self.find(ids[at], ids[right]);
            if merge >> 32 != rank || merge == NONE {
                continue;
            }
            ids[at] = merge as u32;
            gone[right] = true;
            next[at] = next[right];
            if next[at] < end {
                before[next[at]] = at;
            }
            for left in [before[at], at] {
                if left < end && next[left] < end {
                    let merge = self.find(ids[left], ids[next[left]]);
                    if merge != NONE {
                        heap.push(Reverse((merge >> 32, left)));
                    }
                }
            }
        }
        let mut gone = gone.into_iter();
        ids.retain(|_| !gone.next().unwrap_or(false));
    }
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
                Some((merge, at)) if merge != NONE => {
                    ids[at] = merge as u32;
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
            table.merge_short(&mut short, &mut Vec::new());
            table.merge_long(&mut long);
            assert_eq!(short, expected, "{word:?}");
            assert_eq!(long, expected, "{word:?}");
        }
    }

    #[test]
    fn a_pair_twice_is_not_ours() {
        assert!(Merges::new(&[(0, 1, 2), (0, 1, 3)]).is_none());
    }
}
