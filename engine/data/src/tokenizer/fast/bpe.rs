//! GPT-2's byte-level BPE: words, then merges of their bytes, behind a cache of words.

use std::ops::Range;

use super::byte_pairs::BytePairs;
use super::cache::{self, PADDING, Place, WordCache};
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
    runs: [Run; 2],
}

/// A word before it is looked up.
#[derive(Clone, Copy, Default)]
struct Found {
    end: usize,
    key: u128,
    place: Place,
}

/// Some words in a row.
struct Run {
    words: [Found; RUN],
    count: usize,
}

impl Run {
    fn new() -> Self {
        Self { words: [Found::default(); RUN], count: 0 }
    }

    /// Finds the words from `start` on, none at the text's end; gives where the last one ends.
    #[inline]
    fn read(&mut self, words: &mut Words, start: usize, cache: &WordCache) -> usize {
        let mut ends = [0; RUN];
        self.count = if start < words.text.len() { words.ends(start, &mut ends) } else { 0 };
        let mut at = start;
        for (&end, word) in ends[..self.count].iter().zip(&mut self.words) {
            let key = cache::key_of(words.padded, at, end - at);
            *word = Found { end, key, place: cache.place(key) };
            at = end;
        }
        at
    }
}

impl Bpe {
    /// `None` where a byte has no token, or a merge names a token that is not there.
    pub fn new(vocabulary: &Vocabulary, merges: &[Merge]) -> Option<Self> {
        let mut bytes = Box::new([0; 256]);
        let mut byte_of = [None; BYTE_CHARS];
        for (byte, id) in bytes.iter_mut().enumerate() {
            let c = byte_char(byte as u8);
            *id = vocabulary.id(c.encode_utf8(&mut [0; 4]))?;
            byte_of[c as usize] = Some(byte as u8);
        }
        let byte_of = |c: char| byte_of.get(c as usize).copied().flatten();
        let (mut pairs, mut ids) = (BytePairs::new(), Vec::with_capacity(merges.len()));
        let mut made = 0u32;
        for (rank, Merge(left, right)) in merges.iter().enumerate() {
            // Merges' tokens mostly have the ids of their order.
            let next = vocabulary.guess(made.saturating_add(1)).unwrap_or_default();
            made = match next.strip_prefix(&**left) {
                Some(rest) if rest == right => made + 1,
                _ => vocabulary.id(&format!("{left}{right}"))?,
            };
            ids.push((vocabulary.id(left)?, vocabulary.id(right)?, made));
            let (mut left, mut right) = (left.chars(), right.chars());
            let (last, first) = (byte_of(left.next_back()?)?, byte_of(right.next()?)?);
            let whole = left.as_str().is_empty() && right.as_str().is_empty();
            pairs.add(last, first, whole, rank as u32);
        }
        Some(Self { merges: Merges::new(&ids)?, pairs, bytes })
    }

    pub fn worker(&self) -> BpeWorker {
        BpeWorker {
            classes: Classes::new(),
            cache: WordCache::new(),
            padded: Vec::new(),
            ids: Vec::new(),
            runs: [Run::new(), Run::new()],
        }
    }

    pub fn encode(&self, worker: &mut BpeWorker, text: &str, out: &mut Vec<u32>) {
        let BpeWorker { classes, cache, padded, ids, runs } = worker;
        padded.clear();
        padded.extend_from_slice(text.as_bytes());
        padded.extend_from_slice(&[0; PADDING]);
        let mut words = Words { text, padded, classes };
        // The words of a run are looked up when those of the next are found: by then the cache's memory has come.
        let [mut run, mut next] = runs.each_mut();
        let mut start = 0;
        let mut read = run.read(&mut words, 0, cache);
        while run.count > 0 {
            read = next.read(&mut words, read, cache);
            for word in &run.words[..run.count] {
                if !cache.append(word.key, word.place, out) {
                    self.encode_word(words.padded, start..word.end, word.key, cache, ids, out);
                }
                start = word.end;
            }
            std::mem::swap(&mut run, &mut next);
        }
    }

    /// A word that was not found.
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
        // Some word before may have been this one.
        if cache.append(key, cache.place(key), out) {
            return;
        }
        let first = self.pairs.piece(&padded[word.clone()]);
        if first == word.len() {
            return self.encode_piece(&padded[word], key, cache, ids, out);
        }
        let before = out.len();
        let (mut start, mut length) = (word.start, first);
        while length > 0 {
            let key = cache::key_of(padded, start, length);
            if !cache.append(key, cache.place(key), out) {
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

/// Above all of [`byte_char`].
const BYTE_CHARS: usize = 0x200;

/// GPT-2's printable character for a byte: itself where printable, else the next one from U+0100 on.
pub(crate) fn byte_char(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return byte as char;
    }
    let before = (0..byte).filter(|&other| !printable(other)).count() as u32;
    char::from_u32(0x100 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}
