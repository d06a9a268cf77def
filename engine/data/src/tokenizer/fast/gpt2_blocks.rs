//! Where GPT-2's words start among 64 bytes, by a few operations on bit masks: the same words as [`super::gpt2_words`]
//! finds one after the other, for stretches whose white space is ASCII.

use super::gpt2_words::{Class, Words};

/// Bytes that are looked at together; the padded text has as many after its end.
pub(super) const BLOCK: usize = 64;

/// Of each of 64 bytes one bit: what an ASCII byte is, or that it is none.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Masks {
    letters: u64,
    numbers: u64,
    spaces: u64,
    /// Spaces that a word takes with it.
    blanks: u64,
    quotes: u64,
    /// Bytes of characters beyond ASCII.
    beyond: u64,
}

/// What is known of some words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Starts {
    /// Bit i: a word starts i bytes after the first one. Bit 0 is never set.
    pub bits: u64,
    /// Whether the last of them ends where the text does.
    pub last: bool,
}

impl Words<'_> {
    /// Starts of words behind the one that starts at `start`, as far as 64 bytes tell; none where they do not.
    #[inline]
    pub fn starts(&mut self, start: usize) -> Starts {
        let bytes: &[u8; BLOCK] = match self.padded[start..].first_chunk() {
            Some(bytes) => bytes,
            None => return Starts { bits: 0, last: false },
        };
        let mut masks = masks(bytes);
        let left = self.text.len() - start;
        let mut known = left.min(BLOCK);
        if masks.beyond & below(known) != 0 {
            known = self.class_others(&mut masks, start, known);
        }
        let last = known == left && left < BLOCK;
        let white = masks.spaces | if last { !below(known) } else { 0 };
        let mut starts = boundaries(&masks, white);
        self.cut_contractions(start, masks.quotes, &mut starts);
        // Whether the last known byte, where it is a space, starts a word is for the one behind it to say.
        let sure = if last { known } else { known.saturating_sub(1) };
        Starts { bits: starts & below(sure) & !1, last }
    }

    /// Puts the classes of characters beyond ASCII into the masks; gives how many bytes are known now: white space beyond
    /// ASCII and a character that goes on behind the block end that.
    fn class_others(&mut self, masks: &mut Masks, start: usize, known: usize) -> usize {
        let mut at = 0;
        loop {
            let others = masks.beyond & !below(at);
            if others == 0 || others.trailing_zeros() as usize >= known {
                return known;
            }
            at = others.trailing_zeros() as usize;
            let Some(c) = self.text[start + at..].chars().next() else { return at };
            let width = c.len_utf8();
            if at + width > known {
                return at;
            }
            let bits = below(width) << at;
            match self.classes.of(c) {
                Class::Letter => masks.letters |= bits,
                Class::Number => masks.numbers |= bits,
                Class::Space => return at,
                Class::Other | Class::Unknown => {}
            }
            at += width;
        }
    }

    /// `'s`, `'re` and the like are words of their own where their quote starts one.
    fn cut_contractions(&self, start: usize, quotes: u64, starts: &mut u64) {
        let mut candidates = quotes & (*starts | 1);
        while candidates != 0 {
            let at = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            if let Some(end) = self.contraction(start + at + 1) {
                *starts &= !(below(2) << at << 1);
                *starts |= below(1).checked_shl((end - start) as u32).unwrap_or(0);
                *starts |= below(1) << at;
            }
        }
    }
}

/// The lowest `count` bits, of at most 64.
fn below(count: usize) -> u64 {
    1u64.checked_shl(count as u32).unwrap_or(0).wrapping_sub(1)
}

/// A word starts where the class changes, but not behind a space that goes with it; white space starts one where it
/// begins, and with its last character before something else.
fn boundaries(masks: &Masks, white: u64) -> u64 {
    let Masks { letters, numbers, blanks, .. } = *masks;
    let others = !(letters | numbers | white);
    let begins = |class: u64| class & !(class << 1);
    let changes = begins(letters) | begins(numbers) | begins(others);
    changes & !(blanks << 1) | white & (!(white << 1) | !(white >> 1))
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that every x86-64 has need it all the same")]
#[inline]
fn masks(bytes: &[u8; BLOCK]) -> Masks {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { masks_of_sixteens(bytes) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn masks_of_sixteens(bytes: &[u8; BLOCK]) -> Masks {
    use std::arch::x86_64::{__m128i, _mm_or_si128, _mm_set1_epi8};

    use super::sixteens::{bits, equal, load, within};
    let mut masks = Masks::default();
    for (i, part) in bytes.as_chunks::<16>().0.iter().enumerate() {
        let part = load(part);
        let bits = |part: __m128i| bits(part, i);
        let blanks = equal(part, b' ');
        masks.letters |= bits(within(_mm_or_si128(part, _mm_set1_epi8(0x20)), b'a', 26));
        masks.numbers |= bits(within(part, b'0', 10));
        masks.spaces |= bits(_mm_or_si128(blanks, within(part, b'\t', 5)));
        masks.blanks |= bits(blanks);
        masks.quotes |= bits(equal(part, b'\''));
        masks.beyond |= bits(part);
    }
    masks
}

#[cfg(not(target_arch = "x86_64"))]
fn masks(bytes: &[u8; BLOCK]) -> Masks {
    byte_by_byte(bytes)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn byte_by_byte(bytes: &[u8; BLOCK]) -> Masks {
    let mut masks = Masks::default();
    for (i, byte) in bytes.iter().enumerate() {
        let bit = |is: bool| u64::from(is) << i;
        masks.letters |= bit(byte.is_ascii_alphabetic());
        masks.numbers |= bit(byte.is_ascii_digit());
        masks.spaces |= bit(matches!(byte, b' ' | b'\t'..=b'\r'));
        masks.blanks |= bit(*byte == b' ');
        masks.quotes |= bit(*byte == b'\'');
        masks.beyond |= bit(!byte.is_ascii());
    }
    masks
}

/// Whether the library's classes of ASCII are those of the masks.
pub(super) fn serves(class: impl Fn(u8) -> Class) -> bool {
    (0..128).all(|byte: u8| {
        let expected = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Number,
            b' ' | b'\t'..=b'\r' => Class::Space,
            _ => Class::Other,
        };
        class(byte) == expected
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_masks_at_every_place() {
        for byte in 0..=255 {
            for place in 0..BLOCK {
                let mut bytes = [b'x'; BLOCK];
                bytes[place] = byte;
                assert_eq!(masks(&bytes), byte_by_byte(&bytes), "{byte} at {place}");
            }
        }
    }
}
