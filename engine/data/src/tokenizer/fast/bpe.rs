//! GPT-2's byte-level BPE: words, then merges of their bytes, behind a cache of words.

use super::cache::{self, PADDING, SHORT, WordCache};
use super::gpt2_words::{Classes, Words};
use super::json::{Merge, Vocabulary};
use super::merges::Merges;

/// Words whose ends are found before any of them is looked up.
const RUN: usize = 64;

/// The tables of a vocabulary.
pub(crate) struct Bpe {
    merges: Merges,
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
        let mut joined = String::new();
        let ids = merges.iter().map(|Merge(left, right)| {
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            Some((vocabulary.id(left)?, vocabulary.id(right)?, vocabulary.id(&joined)?))
        });
        let ids: Vec<_> = ids.collect::<Option<_>>()?;
        Some(Self { merges: Merges::new(&ids)?, bytes })
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
        let (mut start, mut run) = (0, [(0, 0); RUN]);
        while start < text.len() {
            // First where some words end, then what they are: so the cache's memory is waited for once, not once a word.
            let mut count = 0;
            let first = start;
            while start < text.len() && count < RUN {
                let end = words.end(start);
                let short = end - start <= SHORT;
                run[count] =
                    (end, if short { cache::key(words.padded, start, end - start) } else { 0 });
                start = end;
                count += 1;
            }
            let mut at = first;
            for &(end, key) in &run[..count] {
                let known = key != 0 && cache.append(key, out);
                if !known {
                    self.encode_word(&text.as_bytes()[at..end], key, cache, ids, out);
                }
                at = end;
            }
        }
    }

    /// A word that is not among the short ones known; `key` is 0 where it is long.
    #[inline(never)]
    fn encode_word(
        &self,
        word: &[u8],
        key: u128,
        cache: &mut WordCache,
        ids: &mut Vec<u32>,
        out: &mut Vec<u32>,
    ) {
        if let Some(known) = if key == 0 { cache.long(word) } else { None } {
            out.extend_from_slice(known);
            return;
        }
        self.merge(word, ids);
        match key {
            0 => cache.insert_long(word, ids),
            _ => cache.insert(key, ids),
        }
        out.extend_from_slice(ids);
    }

    fn merge(&self, word: &[u8], ids: &mut Vec<u32>) {
        ids.clear();
        ids.extend(word.iter().map(|&byte| self.bytes[byte as usize]));
        self.merges.merge(ids);
    }
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
