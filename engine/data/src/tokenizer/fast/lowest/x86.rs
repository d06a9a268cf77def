//! With the instructions of x86-64 processors since about 2013.

use std::arch::x86_64::{
    __m128i, _mm_blendv_epi8, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_minpos_epu16, _mm_set1_epi16,
};

use super::{NONE, SYMBOLS_MAX};

const LANES: usize = SYMBOLS_MAX + 1;

/// Whether this processor has what [`merge`] needs.
pub(in super::super) fn served() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("lzcnt")
}

/// Ranks of pairs, each at the place of its left symbol.
#[derive(Clone, Copy)]
struct Ranks([__m128i; 2]);

impl Ranks {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn new(ranks: &[u16; LANES]) -> Self {
        let (low, high) = ranks.split_at(LANES / 2);
        // SAFETY: 16 bytes can be read from each half.
        #[expect(unsafe_code, reason = "the instruction takes a pointer")]
        unsafe {
            Self([_mm_loadu_si128(low.as_ptr().cast()), _mm_loadu_si128(high.as_ptr().cast())])
        }
    }

    /// The lowest rank and the leftmost place that has it.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn lowest(self) -> (u16, usize) {
        let [low, high] = self.0.map(|half| _mm_cvtsi128_si32(_mm_minpos_epu16(half)) as u32);
        let (rank, at) = if (high as u16) < (low as u16) { (high, 8) } else { (low, 0) };
        (rank as u16, (rank >> 16) as usize + at)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn set(&mut self, at: usize, rank: u16) {
        let rank = _mm_set1_epi16(rank as i16);
        for (half, lanes) in self.0.iter_mut().zip(lane(at)) {
            *half = _mm_blendv_epi8(*half, rank, lanes);
        }
    }
}

/// All bits of the lane with that number, of both halves.
#[target_feature(enable = "avx2")]
#[inline]
fn lane(at: usize) -> [__m128i; 2] {
    static ONES: [i16; 3 * LANES] = {
        let mut ones = [0; 3 * LANES];
        ones[LANES] = -1;
        ones
    };
    // The window whose place `at` is the set one.
    let window = ONES[LANES - at % LANES..].as_ptr();
    // SAFETY: at least 2 * LANES of them lie behind any place up to LANES.
    #[expect(unsafe_code, reason = "the instruction takes a pointer")]
    unsafe {
        [_mm_loadu_si128(window.cast()), _mm_loadu_si128(window.add(LANES / 2).cast())]
    }
}

/// Merges `ids` in place; gives how many are left. `first` gives the rank of the two at a place of `ids` as they are at
/// first, `find` that of any two, `made` the id of a rank. `nothing` is an id that is in no pair.
#[target_feature(enable = "avx2,bmi1,lzcnt")]
#[inline]
pub(in super::super) fn merge(
    ids: &mut [u32],
    nothing: u32,
    first: impl Fn(usize) -> u16,
    find: impl Fn(u32, u32) -> u16,
    made: impl Fn(u16) -> u32,
) -> usize {
    let count = ids.len();
    // Symbols stand one place on: with nothing at both ends, every symbol has neighbours.
    let mut symbols = [nothing; LANES + 1];
    symbols[1..=count].copy_from_slice(ids);
    let mut ranks = [NONE; LANES];
    for (at, rank) in ranks[1..count].iter_mut().enumerate() {
        *rank = first(at);
    }
    let mut ranks = Ranks::new(&ranks);
    // A bit a place that still has a symbol.
    let mut there = (1u32 << (count + 2)) - 1;
    loop {
        let (rank, at) = ranks.lowest();
        if rank == NONE {
            break;
        }
        let at = at % LANES;
        let right = at + 1 + (there >> (at + 1)).trailing_zeros() as usize;
        let after = right + 1 + (there >> (right + 1)).trailing_zeros() as usize;
        let before = 31 - (there & ((1 << at) - 1)).leading_zeros() as usize;
        there &= !(1 << right);
        let new = made(rank);
        symbols[at] = new;
        ranks.set(right, NONE);
        ranks.set(at, find(new, symbols[after % (LANES + 1)]));
        ranks.set(before, find(symbols[before % LANES], new));
    }
    let mut kept = 0;
    let mut left = there & ((1 << (count + 1)) - 1) & !1;
    while left != 0 {
        ids[kept] = symbols[left.trailing_zeros() as usize % LANES];
        kept += 1;
        left &= left - 1;
    }
    kept
}
