//! BPE's merges of one word: always the pair of lowest rank, the leftmost of equals. Knows ids and ranks, not bytes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::lowest;

/// No such pair: above every rank.
pub(super) const NONE: u32 = 1 << RANK_BITS;
/// Words of more symbols go through a heap: looking through all for the lowest rank is quadratic.
const SCAN_MAX: usize = 48;
/// Ids below 2^20 and ranks below 2^24 fit a slot of eight bytes; no vocabulary of the field comes near.
const ID_BITS: u32 = 20;
const RANK_BITS: u32 = 24;
const EMPTY: u64 = u64::MAX;
/// An id that no pair has, see [`Merges::new`].
const NOTHING: u32 = (1 << ID_BITS) - 1;
/// Pairs of a group choose their slots together; so many slots a group.
const SLOTS_A_GROUP: usize = 4;
/// How often all groups are tried with other hashes; the first try is nearly always enough.
const TRIES: u64 = 64;

/// The merges of a vocabulary: a table from a pair of ids to its rank, of a perfect hash: a pair has one slot, found by its
/// hash and its group's pilot, so that a look at it decides, and the table is small enough for a processor's cache.
/// (Pilots as in Fox, Chen and Heath, "A faster algorithm for constructing minimal perfect hash functions", SIGIR 1992.)
pub(super) struct Merges {
    /// A slot is left id, right id and rank, from the top. A power of two of them.
    slots: Vec<u64>,
    /// By group, what makes the slots of its pairs differ from each other and from those of all other groups.
    pilots: Vec<u8>,
    seed: u64,
    /// By rank, the id that the merge makes.
    made: Made,
    /// Whether the ranks of short words are kept in registers.
    in_registers: bool,
}

/// The ids of merges, by rank.
enum Made {
    /// Mostly the ranks moved on: nothing to look up.
    After(u32),
    Listed(Vec<u32>),
}

impl Made {
    fn new(merges: &[(u32, u32, u32)]) -> Self {
        let first = merges.first().map_or(0, |merge| merge.2);
        if merges.iter().enumerate().all(|(rank, merge)| merge.2 as usize == rank + first as usize)
        {
            return Self::After(first);
        }
        Self::Listed(merges.iter().map(|merge| merge.2).collect())
    }

    #[inline]
    fn by(&self, rank: usize) -> u32 {
        match self {
            Self::After(first) => first + rank as u32,
            Self::Listed(ids) => ids[rank],
        }
    }
}

impl Merges {
    /// Of (left, right, new id) in order of rank. `None` if a pair comes twice, since which rank counts is the library's
    /// to say, and where a number does not fit.
    pub fn new(merges: &[(u32, u32, u32)]) -> Option<Self> {
        // The largest ids are not used, so that no slot looks empty.
        let fits = |id: u32| id < (1 << ID_BITS) - 1;
        if merges.len() > 1 << RANK_BITS
            || !merges.iter().all(|m| fits(m.0) && fits(m.1) && fits(m.2))
        {
            return None;
        }
        // At most five slots in six are taken: fuller ones take long to find pilots for.
        let size = (merges.len() + merges.len() / 5 + 1).next_power_of_two().max(SLOTS_A_GROUP);
        let mut table = Self {
            slots: Vec::new(),
            pilots: Vec::new(),
            seed: 0,
            made: Made::new(merges),
            in_registers: merges.len() <= usize::from(lowest::NONE) && lowest::served(),
        };
        for seed in 0..TRIES {
            table.slots = vec![EMPTY; size];
            table.pilots = vec![0; size / SLOTS_A_GROUP];
            table.seed = seed;
            match table.fill(merges) {
                Filled::All => return Some(table),
                Filled::PairTwice => return None,
                Filled::NoPilot => {}
            }
        }
        None
    }

    fn fill(&mut self, merges: &[(u32, u32, u32)]) -> Filled {
        // Entries in the order of their groups, by counting. Hashing twice takes less than keeping what it gave.
        let groups = self.pilots.len();
        let mut ends = vec![0u32; groups + 1];
        for &(left, right, _) in merges {
            ends[self.group(self.hash(pair(left, right))) + 1] += 1;
        }
        for group in 0..groups {
            ends[group + 1] += ends[group];
        }
        let (mut places, mut sorted) = (ends.clone(), vec![0; merges.len()]);
        for (rank, &(left, right, _)) in merges.iter().enumerate() {
            let pair = pair(left, right);
            let place = &mut places[self.group(self.hash(pair))];
            sorted[*place as usize] = pair << RANK_BITS | rank as u64;
            *place += 1;
        }
        // Large groups choose first, while there is room.
        let mut order: Vec<_> = (0..groups).collect();
        order.sort_by_key(|&group| Reverse(ends[group + 1] - ends[group]));
        for group in order {
            let of_group = &sorted[ends[group] as usize..ends[group + 1] as usize];
            match self.settle(group, of_group) {
                Filled::All => {}
                other => return other,
            }
        }
        Filled::All
    }

    /// Finds a group's pilot and fills its slots.
    fn settle(&mut self, group: usize, entries: &[u64]) -> Filled {
        let pairs = entries.iter().map(|entry| entry >> RANK_BITS);
        if pairs.clone().enumerate().any(|(at, pair)| pairs.clone().skip(at + 1).any(|p| p == pair))
        {
            return Filled::PairTwice;
        }
        for pilot in 0..=u8::MAX {
            let mut filled = 0;
            for &entry in entries {
                let slot = self.slot(self.hash(entry >> RANK_BITS), pilot);
                if self.slots[slot] != EMPTY {
                    break;
                }
                self.slots[slot] = entry;
                filled += 1;
            }
            if filled == entries.len() {
                self.pilots[group] = pilot;
                return Filled::All;
            }
            for &entry in &entries[..filled] {
                let slot = self.slot(self.hash(entry >> RANK_BITS), pilot);
                self.slots[slot] = EMPTY;
            }
        }
        Filled::NoPilot
    }

    #[inline]
    fn hash(&self, pair: u64) -> u64 {
        (pair ^ self.seed << (2 * ID_BITS)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[inline]
    fn group(&self, hash: u64) -> usize {
        (hash >> 40) as usize & (self.pilots.len() - 1)
    }

    #[inline]
    fn slot(&self, hash: u64, pilot: u8) -> usize {
        let mixed = (hash ^ hash >> 32).wrapping_mul(u64::from(pilot) << 32 | 0xd1b5_4a33);
        (mixed >> 32) as usize & (self.slots.len() - 1)
    }

    /// The rank of a pair, or [`NONE`].
    #[inline]
    fn find(&self, left: u32, right: u32) -> u32 {
        let pair = pair(left, right);
        let hash = self.hash(pair);
        let slot = self.slots[self.slot(hash, self.pilots[self.group(hash)])];
        let rank = (slot & ((1 << RANK_BITS) - 1)) as u32;
        if slot >> RANK_BITS == pair { rank } else { NONE }
    }

    /// Merges `ids` in place as far as it goes. `first` gives the rank of the two at a place of `ids` as they are now, or
    /// [`NONE`]: it is known of bytes without the table.
    #[inline]
    pub fn merge(&self, ids: &mut Vec<u32>, first: impl Fn(usize) -> u32) {
        match ids.len() {
            0..=1 => {}
            2..=lowest::SYMBOLS_MAX if self.in_registers => self.merge_in_registers(ids, first),
            2..=8 => self.merge_short::<8>(ids, first),
            9..=16 => self.merge_short::<16>(ids, first),
            17..=SCAN_MAX => self.merge_short::<SCAN_MAX>(ids, first),
            _ => self.merge_long(ids),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn merge_in_registers(&self, ids: &mut Vec<u32>, first: impl Fn(usize) -> u32) {
        self.merge_short::<16>(ids, first);
    }

    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "a processor's instructions need it")]
    #[inline]
    fn merge_in_registers(&self, ids: &mut Vec<u32>, first: impl Fn(usize) -> u32) {
        let short = |rank: u32| rank.min(u32::from(lowest::NONE)) as u16;
        // SAFETY: `in_registers` says that the processor has these instructions.
        let kept = unsafe {
            lowest::merge(
                ids,
                NOTHING,
                |at| short(first(at)),
                |left, right| short(self.find(left, right)),
                |rank| self.made.by(usize::from(rank)),
            )
        };
        ids.truncate(kept);
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
            ids[at] = self.made.by(rank);
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
            ids[at] = self.made.by(rank as usize);
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

/// Whether every pair of some has its slot.
enum Filled {
    All,
    PairTwice,
    NoPilot,
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
                    ids[at] = table.made.by(rank as usize);
                    ids.remove(at + 1);
                }
                _ => return ids,
            }
        }
    }

    #[test]
    fn all_ways_merge_as_defined() {
        let table = table();
        let elsewhere = Merges { in_registers: false, ..self::table() };
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
            // With this processor's registers, where they serve, and without.
            for table in [&table, &elsewhere] {
                let mut chosen = word.clone();
                table.merge(&mut chosen, |at| table.find(word[at], word[at + 1]));
                assert_eq!(chosen, expected, "{word:?}");
            }
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
    fn every_pair_is_found_and_no_other() {
        for count in [0, 1, 2, 3, 7, 1000, 40_000] {
            // Every left id once, so no pair comes twice.
            let merges: Vec<_> =
                (0..count).map(|i: u32| (i * 40_503 % 65_521, i.pow(2) % 65_519, i)).collect();
            let table = Merges::new(&merges).expect("no pair twice");
            for (rank, &(left, right, _)) in merges.iter().enumerate() {
                assert_eq!(table.find(left, right), rank as u32);
                assert_eq!(table.find(left, right + 70_000), NONE);
            }
            assert_eq!(table.find(99_999, 99_999), NONE);
        }
    }

    #[test]
    fn ids_that_follow_ranks_or_do_not() {
        let after = Merges::new(&[(0, 1, 7), (1, 0, 8)]).expect("fits");
        let listed = Merges::new(&[(0, 1, 7), (1, 0, 3)]).expect("fits");
        assert!(matches!((&after.made, &listed.made), (Made::After(7), Made::Listed(_))));
        assert_eq!([after.made.by(1), listed.made.by(1)], [8, 3]);
    }
}
