//! GPT-2's split of a text into words, without a regular-expression engine:
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
//!
//! What is a letter, a number or a space is what the `tokenizers` library's own expression takes for one.

use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::gpt2_blocks::Starts;
use super::{ascii, gpt2_blocks};
use crate::memory::{Table, Zeroed};

/// What the expression sees in a character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Class {
    /// Not asked yet.
    Unknown = 0,
    Letter,
    Number,
    Space,
    Other,
}

#[expect(unsafe_code, reason = "the trait needs it")]
// SAFETY: it has a value 0, `Unknown`.
unsafe impl Zeroed for Class {}

/// The class of every character, asked of the library when first seen.
pub(super) struct Classes {
    ascii: [Class; 128],
    others: Table<Class>,
    /// Whether [`gpt2_blocks`] takes ASCII for the same.
    pub blocks: bool,
}

impl Classes {
    pub fn new() -> Self {
        let mut ascii = [Class::Unknown; 128];
        for (byte, class) in ascii.iter_mut().enumerate() {
            *class = ask(byte as u8 as char);
        }
        let blocks = gpt2_blocks::serves(|byte| ascii[usize::from(byte)]);
        Self { ascii, others: Table::sparse(0x11_0000), blocks }
    }

    /// The class of a character beyond ASCII.
    #[inline]
    pub fn of(&mut self, c: char) -> Class {
        let class = &mut self.others[c as usize];
        if *class == Class::Unknown {
            *class = ask(c);
        }
        *class
    }
}

/// The library splits between two characters of unlike classes, and only there (a single space apart, which these
/// probes avoid).
pub(super) fn ask(c: char) -> Class {
    let together = |with: char| {
        let mut text = PreTokenizedString::from(format!("{with}{c}"));
        let split = ByteLevel::new(false, false, true).pre_tokenize(&mut text);
        split.is_ok() && text.get_splits(OffsetReferential::Original, OffsetType::None).len() == 1
    };
    match c {
        _ if together('a') => Class::Letter,
        _ if together('1') => Class::Number,
        _ if together('!') => Class::Other,
        _ => Class::Space,
    }
}

/// Where words of one text end. `padded` is the text and [`super::cache::PADDING`] bytes more.
pub(super) struct Words<'a> {
    pub text: &'a str,
    pub padded: &'a [u8],
    pub classes: &'a mut Classes,
}

/// Words whose ends are found before any of them is looked up.
pub(super) const RUN: usize = gpt2_blocks::BLOCK;

impl Words<'_> {
    /// The ends of some words, the first of which starts at `start`, before the text's end; gives how many, at least one.
    #[inline]
    pub fn ends(&mut self, start: usize, ends: &mut [usize; RUN]) -> usize {
        let mut count = 0;
        let mut rest =
            if self.classes.blocks { self.starts(start) } else { Starts { bits: 0, last: false } };
        while rest.bits != 0 {
            ends[count] = start + rest.bits.trailing_zeros() as usize;
            count += 1;
            rest.bits &= rest.bits - 1;
        }
        if rest.last {
            ends[count] = self.text.len();
            count += 1;
        } else if count == 0 {
            ends[0] = self.end(start);
            count = 1;
        }
        count
    }

    /// The end of the word that starts at `start`, which is before the text's end.
    #[inline]
    pub fn end(&mut self, start: usize) -> usize {
        let first = self.padded[start];
        if first == b' ' {
            // The commonest word of all: a space and ASCII letters.
            let letters = self.letters(start + 1);
            if letters > start + 1 {
                return self.rest_of_letters(letters);
            }
            return match self.class(start + 1) {
                None | Some((Class::Space, _)) => self.spaces(start),
                Some((class, width)) => self.run(start + 1 + width, class),
            };
        }
        if first == b'\''
            && let Some(end) = self.contraction(start + 1)
        {
            return end;
        }
        match self.class(start) {
            None => start,
            Some((Class::Space, _)) => self.spaces(start),
            Some((class, width)) => self.run(start + width, class),
        }
    }

    /// The end of `s`, `t`, `m`, `d`, `re`, `ve` or `ll` at `at`; the padding is none of them.
    pub fn contraction(&self, at: usize) -> Option<usize> {
        match (self.padded[at], self.padded[at + 1]) {
            (b's' | b't' | b'm' | b'd', _) => Some(at + 1),
            (b'r' | b'v', b'e') | (b'l', b'l') => Some(at + 2),
            _ => None,
        }
    }

    #[inline]
    fn rest_of_letters(&mut self, at: usize) -> usize {
        if self.padded[at] < 128 { at } else { self.run(at, Class::Letter) }
    }

    /// Class and bytes of the character at `at`; `None` at the end.
    #[inline]
    fn class(&mut self, at: usize) -> Option<(Class, usize)> {
        let byte = self.padded[at];
        if at >= self.text.len() {
            return None;
        }
        if byte < 128 {
            return Some((self.classes.ascii[byte as usize], 1));
        }
        let c = self.text[at..].chars().next()?;
        Some((self.classes.of(c), c.len_utf8()))
    }

    /// The end of a run of one class that has begun.
    #[inline]
    fn run(&mut self, mut at: usize, class: Class) -> usize {
        loop {
            if class == Class::Letter {
                at = self.letters(at);
            }
            match self.class(at) {
                Some((next, width)) if next == class => at += width,
                _ => return at,
            }
        }
    }

    /// Skips ASCII letters, eight at a time. The padding is no letter, so this ends.
    #[inline]
    fn letters(&self, mut at: usize) -> usize {
        while at + 8 <= self.padded.len() {
            let mut window = [0; 8];
            window.copy_from_slice(&self.padded[at..at + 8]);
            let count = ascii::letters(u64::from_le_bytes(window));
            if count < 8 {
                return at + count;
            }
            at += 8;
        }
        at
    }

    /// White space: all of it at the end of the text, all but its last character before something else, which takes
    /// that one (where it is a space) or leaves it alone.
    fn spaces(&mut self, start: usize) -> usize {
        let (mut last, mut at) = (start, start);
        while let Some((Class::Space, width)) = self.class(at) {
            last = at;
            at += width;
        }
        if at >= self.text.len() || last == start { at } else { last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::fast::cache::PADDING;

    fn ours(text: &str, classes: &mut Classes) -> Vec<usize> {
        let padded = [text.as_bytes(), &[0; PADDING]].concat();
        let mut words = Words { text, padded: &padded, classes };
        let mut ends = Vec::new();
        let mut at = 0;
        while at < text.len() {
            at = words.end(at);
            ends.push(at);
        }
        let (mut run, mut in_blocks) = ([0; RUN], Vec::new());
        let mut at = 0;
        while at < text.len() {
            let count = words.ends(at, &mut run);
            in_blocks.extend_from_slice(&run[..count]);
            at = run[count - 1];
        }
        assert_eq!(in_blocks, ends, "{text:?}");
        ends
    }

    fn librarys(text: &str) -> Vec<usize> {
        let mut split = PreTokenizedString::from(text);
        ByteLevel::new(false, false, true).pre_tokenize(&mut split).expect("split");
        let splits = split.get_splits(OffsetReferential::Original, OffsetType::Byte);
        splits.into_iter().map(|(_, (_, end), _)| end).collect()
    }

    #[test]
    fn every_character_in_every_company() {
        let mut classes = Classes::new();
        let all: Vec<char> = (0..0x11_0000).filter_map(char::from_u32).collect();
        for some in all.chunks(1000) {
            let text: String = some.iter().map(|c| format!("{c}a{c}1{c}!{c} {c}")).collect();
            assert_eq!(ours(&text, &mut classes), librarys(&text), "near {:?}", some[0]);
        }
    }

    #[test]
    fn every_short_string_of_every_class() {
        let mut classes = Classes::new();
        let parts = ["a", "é", "1", "!", "'", "s", "re", " ", "\n", "\u{3000}"];
        for i in 0..parts.len().pow(5) {
            let pick = |place: u32| parts[i / parts.len().pow(place) % parts.len()];
            let text = (0..5).map(pick).collect::<String>();
            assert_eq!(ours(&text, &mut classes), librarys(&text), "{text:?}");
        }
    }
}
