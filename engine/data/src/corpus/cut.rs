//! Which characters of a document become samples. Pure: text and rule in, character ranges out.

use std::ops::Range;

use super::spec::{Keep, SelectSpec};
use crate::DocumentHash;
use crate::hash::block_start;

/// The characters of a document that are kept; [`blocks`] cuts them into samples later.
pub(crate) fn kept(keep: Keep, hash: &DocumentHash, chars: u64) -> Range<u64> {
    match keep {
        Keep::First(block) => 0..block.min(chars),
        Keep::Random(block) => {
            let start = block_start(hash, chars, block);
            start..start + block.min(chars)
        }
        Keep::All => 0..chars,
    }
}

/// Bytes of a character range of `text`.
pub(crate) fn bytes_of(text: &str, chars: &Range<u64>) -> Range<usize> {
    let start = byte_of(text, chars.start);
    start..start + byte_of(&text[start..], chars.end - chars.start)
}

fn byte_of(text: &str, char_index: u64) -> usize {
    // A text of so many bytes has no more characters: no walk needed.
    if text.len() as u64 <= char_index {
        return text.len();
    }
    let mut left = usize::try_from(char_index).unwrap_or(usize::MAX);
    if text.as_bytes()[..left].is_ascii() {
        return left;
    }
    let mut at = 0;
    // Whole chunks first, by the bytes that begin a character, so that counting is vectorised.
    for chunk in text.as_bytes().chunks(64) {
        let starts = chunk.iter().filter(|&&byte| byte as i8 >= -0x40).count();
        if starts > left {
            break;
        }
        left -= starts;
        at += chunk.len();
    }
    let rest = text.as_bytes()[at..].iter().enumerate();
    let mut starts = rest.filter(|(_, byte)| **byte as i8 >= -0x40).map(|(i, _)| at + i);
    starts.nth(left).unwrap_or(text.len())
}

/// Cuts the kept text of one document into samples: (first character relative to `kept`, text).
pub(crate) fn blocks<'a>(spec: &SelectSpec, kept: &'a str) -> Vec<(u64, &'a str)> {
    let Some(block_chars) = spec.every else { return vec![(0, kept)] };
    let mut samples = Vec::new();
    let (mut rest, mut start) = (kept, 0);
    while !rest.is_empty() {
        let (block, after) = rest.split_at(byte_of(rest, block_chars));
        // Every block but the last is whole; only that one is counted.
        if !after.is_empty() || long_enough(block, block_chars.min(spec.min_chars.max(1))) {
            samples.push((start, block));
        }
        rest = after;
        start += block_chars;
    }
    samples
}

/// A last block stays where it is whole or would pass `min-chars` as a document; so a document that passed
/// always gives at least one sample.
fn long_enough(block: &str, least: u64) -> bool {
    block.chars().count() as u64 >= least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Block, Compare, HeldOut, OnError, SamplesSpec};
    use crate::document_hash;

    fn spec(block: Block, block_chars: u64, min_chars: u64) -> SamplesSpec {
        SamplesSpec {
            text: vec!["text".into()],
            join: "\n".into(),
            quotes: true,
            filters: Default::default(),
            min_chars,
            max_chars: None,
            block,
            block_chars,
            held_out: HeldOut::Documents(0),
            drop_duplicates: false,
            duplicates_of: Compare::Document,
            near_duplicates: None,
            decontaminate: None,
            on_error: OnError::Fail,
            max_documents: None,
        }
    }

    fn check(spec: &SamplesSpec, text: &str, expected: &[(u64, &str)]) {
        let chars = text.chars().count() as u64;
        let range = kept(spec.reading().keep, &document_hash(text), chars);
        let kept = &text[bytes_of(text, &range)];
        let found: Vec<_> = blocks(&spec.selection(), kept)
            .into_iter()
            .map(|(at, block)| (range.start + at, block))
            .collect();
        assert_eq!(found, expected, "{spec:?} on `{text}`");
    }

    #[test]
    fn cuts_count_characters_not_bytes() {
        check(&spec(Block::First, 3, 0), "äöüß!", &[(0, "äöü")]);
        check(&spec(Block::First, 9, 0), "äöü", &[(0, "äöü")]);
        check(&spec(Block::Whole, 0, 0), "äöü", &[(0, "äöü")]);
        check(&spec(Block::Random, 9, 0), "äöü", &[(0, "äöü")]);
    }

    #[test]
    fn the_last_block_needs_min_chars() {
        check(&spec(Block::Every, 3, 0), "abcdefg", &[(0, "abc"), (3, "def"), (6, "g")]);
        check(&spec(Block::Every, 3, 2), "abcdefg", &[(0, "abc"), (3, "def")]);
        check(&spec(Block::Every, 3, 2), "abcdefgh", &[(0, "abc"), (3, "def"), (6, "gh")]);
        check(&spec(Block::Every, 3, 9), "abcdefghi", &[(0, "abc"), (3, "def"), (6, "ghi")]);
        check(&spec(Block::Every, 5, 2), "ab", &[(0, "ab")]);
    }

    #[test]
    fn places_of_characters_in_long_texts() {
        let text: String = "a\u{e9}\u{6771}\u{1f980} x".chars().cycle().take(500).collect();
        let mut places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        places.push(text.len());
        for (index, &at) in places.iter().enumerate() {
            assert_eq!(byte_of(&text, index as u64), at);
            assert_eq!(bytes_of(&text, &(index as u64 / 2..index as u64)), places[index / 2]..at);
        }
        assert_eq!(byte_of(&text, u64::MAX), text.len());
    }

    #[test]
    fn random_blocks_reach_every_position() {
        let starts: std::collections::BTreeSet<u64> = (0..200)
            .map(|i| kept(Keep::Random(4), &document_hash(&i.to_string()), 8).start)
            .collect();
        assert_eq!(starts.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }
}
