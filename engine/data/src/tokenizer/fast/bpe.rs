//! GPT-2's byte-level BPE: words, then merges of their bytes, behind a cache of words.

use super::cache::{self, PADDING, SHORT, WordCache};
use super::gpt2_words::{Classes, Words};
use super::json::{Merge, Vocabulary};
use super::merges::Merges;

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
    pairs: Vec<u64>,
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
            pairs: Vec::new(),
        }
    }

    pub fn encode(&self, worker: &mut BpeWorker, text: &str, out: &mut Vec<u32>) {
        let BpeWorker { classes, cache, padded, ids, pairs } = worker;
        padded.clear();
        padded.extend_from_slice(text.as_bytes());
        padded.extend_from_slice(&[0; PADDING]);
        let mut words = Words { text, padded, classes };
        let mut start = 0;
        while start < text.len() {
            let end = words.end(start);
            let length = end - start;
            if length <= SHORT {
                let key = cache::key(words.padded, start, length);
                if !cache.append(key, out) {
                    self.merge(&text.as_bytes()[start..end], ids, pairs);
                    cache.insert(key, ids);
                    out.extend_from_slice(ids);
                }
            } else {
                let word = &text.as_bytes()[start..end];
                if let Some(known) = cache.long(word) {
                    out.extend_from_slice(known);
                } else {
                    self.merge(word, ids, pairs);
                    cache.insert_long(word, ids);
                    out.extend_from_slice(ids);
                }
            }
            start = end;
        }
    }

    fn merge(&self, word: &[u8], ids: &mut Vec<u32>, pairs: &mut Vec<u64>) {
        ids.clear();
        ids.extend(word.iter().map(|&byte| self.bytes[byte as usize]));
        self.merges.merge(ids, pairs);
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
