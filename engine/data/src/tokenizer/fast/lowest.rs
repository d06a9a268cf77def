//! The merges of a short word with the ranks of its pairs in two registers: the lowest rank, the leftmost of equals, is one
//! instruction, and no rank waits in memory for the next step. Knows ids and ranks, not what they stand for.

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{merge, served};

/// No such pair: above every rank that is used here.
pub(super) const NONE: u16 = u16::MAX;
/// Symbols of the longest word.
pub(super) const SYMBOLS_MAX: usize = 15;

/// No other processor has these instructions.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn served() -> bool {
    false
}
