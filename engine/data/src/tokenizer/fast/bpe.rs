//! GPT-2's byte-level BPE: words, then merges of their bytes, behind a cache of words.

use std::ops::Range;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::byte_pairs::BytePairs;
use super::cache::{self, PADDING, WordCache};
use super::gpt2_words::{Classes, RUN, Words};
use super::json::{Merge, Vocabulary};
use super::merges::Merges;

/// The tables of a vocabulary.
pub(crate) struct Bpe {
    merges: Merges,
    pairs: BytePairs,
    /// The id of each byte's token.
    bytes: Box<[u32; 256]>,
}

/// A thread's caches.
pub(crate) struct BpeWorker {
    classes: Classes,
    cache: WordCache,
    padded: Vec<u8>,
    ids: Vec<u32>,
}

impl Bpe {
    /// `None` where a byte has no token, or a merge names a token that is not there.
    pub fn new(vocabulary: &Vocabulary, merges: &[Merge]) -> Option<Self> {
        let mut bytes = Box::new([0; 256]);
        for (byte, id) in bytes.iter_mut().enumerate() {
            *id = vocabulary.id(byte_char(byte as u8).encode_utf8(&mut [0; 4]))?;
        }
        let (mut joined, mut pairs) = (String::new(), BytePairs::new());
        let (mut left_bytes, mut right_bytes) = (Vec::new(), Vec::new());
        let mut ids = Vec::with_capacity(merges.len());
        for (rank, Merge(left, right)) in merges.iter().enumerate() {
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            ids.push((vocabulary.id(left)?, vocabulary.id(right)?, vocabulary.id(&joined)?));
            to_bytes(left, &mut left_bytes)?;
            to_bytes(right, &mut right_bytes)?;
            pairs.add(&left_bytes, &right_bytes, rank as u32);
        }
        Some(Self { merges: Merges::new(&ids)?, pairs, bytes })
    }

    pub fn worker(&self) -> BpeWorker {
        BpeWorker {
            classes: Classes::new(),
            cache: WordCache::new(),
            padded: Vec::new(),
            ids: Vec::new(),
        }
    }

    pub fn encode(&self, worker: &mut BpeWorker, text: &str, out: &mut Vec<u32>) {
        let BpeWorker { classes, cache, padded, ids } = worker;
        padded.clear();
        padded.extend_from_slice(text.as_bytes());
        padded.extend_from_slice(&[0; PADDING]);
        let mut words = Words { text, padded, classes };
        let (mut start, mut ends, mut keys) = (0, [0; RUN], [0; RUN]);
        while start < text.len() {
            // First where some words end, then what they are: so the cache's memory is waited for once, not once a word.
            let count = words.ends(start, &mut ends);
            let mut at = start;
            for (&end, key) in ends[..count].iter().zip(&mut keys) {
                *key = cache::key_of(words.padded, at, end - at);
                at = end;
            }
            let mut at = start;
            for (&end, &key) in ends[..count].iter().zip(&keys) {
                let known = key != cache::LONG && cache.append(key, out);
                if !known {
                    self.encode_word(words.padded, at..end, key, cache, ids, out);
                }
                at = end;
            }
            start = at;
        }
    }

    /// A word that is not among the short ones known.
    #[inline(never)]
    fn encode_word(
        &self,
        padded: &[u8],
        word: Range<usize>,
        key: u128,
        cache: &mut WordCache,
        ids: &mut Vec<u32>,
        out: &mut Vec<u32>,
    ) {
        let first = self.pairs.piece(&padded[word.clone()]);
        if first == word.len() {
            return self.encode_piece(&padded[word], key, cache, ids, out);
        }
        let before = out.len();
        let (mut start, mut length) = (word.start, first);
        while length > 0 {
            let key = cache::key_of(padded, start, length);
            if key == cache::LONG || !cache.append(key, out) {
                self.encode_piece(&padded[start..start + length], key, cache, ids, out);
            }
            start += length;
            length = self.pairs.piece(&padded[start..word.end]);
        }
        // A long word of pieces hardly comes again, and its pieces are known now.
        if key != cache::LONG {
            cache.insert(key, &out[before..]);
        }
    }

    /// A word, or a part of one, that merges keep apart from what is around it.
    fn encode_piece(
        &self,
        piece: &[u8],
        key: u128,
        cache: &mut WordCache,
        ids: &mut Vec<u32>,
        out: &mut Vec<u32>,
    ) {
        if key == cache::LONG
            && let Some(known) = cache.long(piece)
        {
            out.extend_from_slice(known);
            return;
        }
        self.merge(piece, ids);
        match key {
            cache::LONG => cache.insert_long(piece, ids),
            _ => cache.insert(key, ids),
        }
        out.extend_from_slice(ids);
    }

    fn merge(&self, piece: &[u8], ids: &mut Vec<u32>) {
        ids.clear();
        ids.extend(piece.iter().map(|&byte| self.bytes[byte as usize]));
        self.merges.merge(ids, |at| self.pairs.rank(piece[at], piece[at + 1]));
    }
}

/// The bytes that a token in GPT-2's printable characters stands for; `None` where it has others.
fn to_bytes(token: &str, bytes: &mut Vec<u8>) -> Option<()> {
    static BYTES: LazyLock<FxHashMap<char, u8>> =
        LazyLock::new(|| (0..=255).map(|byte| (byte_char(byte), byte)).collect());
    bytes.clear();
    for c in token.chars() {
        let plain = c.is_ascii_graphic().then_some(c as u8);
        bytes.push(plain.or_else(|| BYTES.get(&c).copied())?);
    }
    Some(())
}

/// GPT-2's printable character for a byte: itself where printable, else the next one from U+0100 on.
pub(crate) fn byte_char(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return byte as char;
    }
    let before = (0..byte).filter(|&other| !printable(other)).count() as u32;
    char::from_u32(0x100 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}
