//! BERT's words among 64 bytes of ASCII, by a few operations on bit masks: the same that [`super::bert_chars`] gives one
//! character after the other, where it takes ASCII for what it is by BERT's own settings ([`serves`]).

use super::bert_chars::{BertChars, Piece};
use super::cache::{self, Place, WordCache};

/// Bytes that are looked at together; the padded text has as many after its end.
pub(super) const BLOCK: usize = 64;

/// Of each of 64 bytes one bit; a byte that has none is for others to understand.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Masks {
    /// Letters and digits, which make words.
    words: u64,
    /// Punctuation, each a word of its own.
    alone: u64,
    /// What separates words.
    spaces: u64,
}

/// A word before it is looked up.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    pub start: usize,
    pub length: usize,
    pub key: u128,
    pub place: Place,
}

/// Some words in a row.
pub(super) struct Run {
    words: [Found; BLOCK],
    count: usize,
}

/// A text, and [`cache::PADDING`] bytes more.
pub(super) struct Padded<'a> {
    pub bytes: &'a [u8],
    /// Of the text.
    pub length: usize,
    /// What turns an ASCII letter into its piece by `or`; it leaves digits as they are.
    pub letter_case: u8,
}

impl Run {
    pub fn new() -> Self {
        Self { words: [Found::default(); BLOCK], count: 0 }
    }

    pub fn clear(&mut self) {
        self.count = 0;
    }

    pub fn words(&self) -> &[Found] {
        &self.words[..self.count]
    }

    /// Finds words from `start` on, where none is under way; gives the place up to which all are found, and whether what is
    /// there is not to be understood here.
    #[inline]
    pub fn read(&mut self, text: &Padded, start: usize, cache: &WordCache) -> (usize, bool) {
        self.count = 0;
        let Some(bytes) = text.bytes.get(start..).and_then(|rest| rest.first_chunk::<BLOCK>())
        else {
            return (start, true);
        };
        let Masks { words, alone, spaces } = masks(bytes);
        let left = text.length - start;
        let understood = (!(words | alone | spaces)).trailing_zeros() as usize;
        let known = understood.min(left);
        let words = words & below(known);
        let begins = words & !(words << 1);
        let mut starts = begins | alone & below(known);
        let mut done = known;
        if known < left && known > 0 && words >> (known - 1) & 1 == 1 {
            // A word that may go on.
            done = 63 - begins.leading_zeros() as usize;
            starts &= below(done);
        }
        let case = u128::from_le_bytes([text.letter_case; 16]);
        while starts != 0 {
            let at = starts.trailing_zeros() as usize;
            starts &= starts - 1;
            let letters = (!(words >> at)).trailing_zeros() as usize;
            let length = letters.max(1);
            let (start, mut key) = (start + at, cache::LONG);
            if length <= cache::SHORT {
                // Of punctuation no byte.
                let lower = case & ((1u128 << (8 * letters)) - 1);
                key = cache::key(text.bytes, start, length) | lower;
            }
            self.words[self.count] = Found { start, length, key, place: cache.place(key) };
            self.count += 1;
        }
        (start + done, done == 0 || known < left.min(BLOCK))
    }
}

/// The lowest `count` bits, of at most 64.
fn below(count: usize) -> u64 {
    1u64.checked_shl(count as u32).unwrap_or(0).wrapping_sub(1)
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
    use std::arch::x86_64::{__m128i, _mm_andnot_si128, _mm_or_si128, _mm_set1_epi8};

    use super::sixteens::{bits, equal, load, within};
    let mut masks = Masks::default();
    for (i, part) in bytes.as_chunks::<16>().0.iter().enumerate() {
        let part = load(part);
        let bits = |part: __m128i| bits(part, i);
        let letters = within(_mm_or_si128(part, _mm_set1_epi8(0x20)), b'a', 26);
        let words = _mm_or_si128(letters, within(part, b'0', 10));
        let newlines = _mm_or_si128(within(part, b'\t', 2), equal(part, b'\r'));
        masks.words |= bits(words);
        masks.alone |= bits(_mm_andnot_si128(words, within(part, b'!', 94)));
        masks.spaces |= bits(_mm_or_si128(equal(part, b' '), newlines));
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
        masks.words |= bit(byte.is_ascii_alphanumeric());
        masks.alone |= bit(byte.is_ascii_punctuation());
        masks.spaces |= bit(matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }
    masks
}

/// Whether ASCII becomes what the masks say of it; other bytes than these are read one after the other.
pub(super) fn serves(chars: &BertChars) -> bool {
    let Some(case) = chars.letter_case else { return false };
    (0..128u8).all(|byte| {
        let piece = chars.ascii(byte);
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => piece == Piece::Word((byte | case) as char),
            b' ' | b'\t' | b'\n' | b'\r' => piece == Piece::Space,
            byte if byte.is_ascii_punctuation() => piece == Piece::Alone(byte as char),
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::normalizers::BertNormalizer;

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

    #[test]
    fn serves_berts_settings_and_says_where_it_does_not() {
        for settings in 0..16u8 {
            let bit = |i: u8| settings >> i & 1 == 1;
            let normalizer = BertNormalizer::new(bit(0), bit(1), bit(2).then_some(true), bit(3));
            let chars = BertChars::new(normalizer);
            assert!(serves(&chars), "{normalizer:?}");
            assert_eq!(chars.letter_case, Some(if bit(3) { 0x20 } else { 0 }));
        }
    }

    /// What is found of a text, byte for byte: words in the case of the vocabulary.
    #[test]
    fn words_are_found_up_to_what_is_not_understood() {
        let text = "Some words, of\twhich\u{7f}é 12a-Z ".to_owned() + &"w".repeat(70);
        let padded = [text.as_bytes(), &[0; cache::PADDING]].concat();
        let cache = WordCache::new();
        let mut run = Run::new();
        let mut from = |start: usize| {
            let text = Padded { bytes: &padded, length: text.len(), letter_case: 0x20 };
            let (end, stops) = run.read(&text, start, &cache);
            let words: Vec<(String, u128)> = run
                .words()
                .iter()
                .map(|word| {
                    let bytes = &padded[word.start..word.start + word.length];
                    (String::from_utf8_lossy(bytes).into_owned(), word.key)
                })
                .collect();
            (words, end, stops)
        };
        let lower = |word: &str| {
            let bytes = [word.to_lowercase().as_bytes(), &[0; 16]].concat();
            cache::key(&bytes, 0, word.len())
        };
        let named = |words: &[&str]| -> Vec<(String, u128)> {
            words.iter().map(|word| (word.to_string(), lower(word))).collect()
        };
        // The word before the odd byte belongs to what comes after it.
        assert_eq!(from(0), (named(&["Some", "words", ",", "of"]), 15, true));
        assert_eq!(from(15), (named(&[]), 15, true));
        let after = text.find('é').expect("there") + 2;
        let (words, end, stops) = from(after);
        assert_eq!((words, stops), (named(&["12a", "-", "Z"]), false));
        // A word of more than a block is not found either.
        assert_eq!(from(end), (vec![], end, true));
        assert_eq!(from(text.len()), (vec![], text.len(), true));
    }
}
