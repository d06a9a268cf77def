//! Sixteen bytes at a time, by instructions that every x86-64 has: what [`super::gpt2_blocks`] and
//! [`super::bert_blocks`] make their masks of.

use std::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_set_epi64x,
    _mm_set1_epi8,
};

#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn load(bytes: &[u8; 16]) -> __m128i {
    let [low, high] = [0, 8].map(|at| {
        let mut half = [0; 8];
        half.copy_from_slice(&bytes[at..at + 8]);
        i64::from_le_bytes(half)
    });
    _mm_set_epi64x(high, low)
}

/// Which bytes are `byte`.
#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn equal(part: __m128i, byte: u8) -> __m128i {
    _mm_cmpeq_epi8(part, _mm_set1_epi8(byte as i8))
}

/// Which bytes are among the `count` from `first` on, of at most 127.
#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn within(part: __m128i, first: u8, count: u8) -> __m128i {
    // Comparisons are signed: what should count from 0 counts from -128.
    let moved = _mm_add_epi8(part, _mm_set1_epi8(0x80u8.wrapping_sub(first) as i8));
    _mm_cmplt_epi8(moved, _mm_set1_epi8((0x80 + count) as i8))
}

/// A bit a byte, of the sixteen with number `place` among four.
#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn bits(part: __m128i, place: usize) -> u64 {
    u64::from(_mm_movemask_epi8(part) as u16) << (16 * place)
}
