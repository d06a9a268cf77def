//! BERT's WordPiece: basic tokenization, then the longest piece first, behind a cache of words.

use rustc_hash::FxHashMap;
use tokenizers::normalizers::BertNormalizer;

use super::bert_chars::{BertChars, Piece};
use super::cache::{self, SHORT, WordCache};
use super::json::Vocabulary;
use super::{NeedsLibrary, ascii};

/// The tables of a vocabulary.
pub(crate) struct WordPiece {
    normalizer: BertNormalizer,
    /// Pieces that start a word, and those that go on, without their `##`.
    first: Pieces,
    rest: Pieces,
    unknown: u32,
    /// Words of more characters are unknown.
    chars_max: usize,
}

#[derive(Default)]
struct Pieces {
    ids: FxHashMap<Box<[u8]>, u32>,
    longest: usize,
}

/// A thread's caches.
pub(crate) struct WordPieceWorker {
    chars: BertChars,
    cache: WordCache,
    word: Word,
    ids: Vec<u32>,
}

/// The word being read: its bytes with room after them, so that eight can be stored and sixteen read at once.
struct Word {
    bytes: Vec<u8>,
    length: usize,
    chars: usize,
    chars_max: usize,
}

impl Word {
    fn new(chars_max: usize) -> Self {
        Self { bytes: vec![0; 4 * chars_max + 32], length: 0, chars: 0, chars_max }
    }

    #[inline]
    fn push(&mut self, c: char) {
        self.chars += 1;
        if self.chars <= self.chars_max {
            self.length += c.encode_utf8(&mut self.bytes[self.length..]).len();
        }
    }

    /// Appends the first `count` of eight ASCII bytes.
    #[inline]
    fn push_ascii(&mut self, bytes: u64, count: usize) {
        self.chars += count;
        if self.chars <= self.chars_max {
            self.bytes[self.length..self.length + 8].copy_from_slice(&bytes.to_le_bytes());
            self.length += count;
        }
    }

    fn clear(&mut self) {
        self.length = 0;
        self.chars = 0;
    }
}

impl WordPiece {
    pub fn new(
        vocabulary: &Vocabulary,
        unknown: u32,
        prefix: &str,
        chars_max: usize,
        normalizer: BertNormalizer,
    ) -> Self {
        let (mut first, mut rest) = (Pieces::default(), Pieces::default());
        for (token, &id) in &vocabulary.0 {
            first.insert(token, id);
            if let Some(token) = token.strip_prefix(prefix) {
                rest.insert(token, id);
            }
        }
        Self { normalizer, first, rest, unknown, chars_max }
    }

    pub fn worker(&self) -> WordPieceWorker {
        WordPieceWorker {
            chars: BertChars::new(self.normalizer),
            cache: WordCache::new(),
            word: Word::new(self.chars_max),
            ids: Vec::new(),
        }
    }

    pub fn encode(
        &self,
        worker: &mut WordPieceWorker,
        text: &str,
        out: &mut Vec<u32>,
    ) -> Result<(), NeedsLibrary> {
        let before = out.len();
        worker.word.clear();
        let encoded = self.read(worker, text, out);
        match encoded {
            Ok(()) => self.end_word(worker, out),
            Err(NeedsLibrary) => out.truncate(before),
        }
        encoded
    }

    fn read(
        &self,
        worker: &mut WordPieceWorker,
        text: &str,
        out: &mut Vec<u32>,
    ) -> Result<(), NeedsLibrary> {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if let (Some(case), Some(window)) = (worker.chars.letter_case, eight(bytes, at)) {
                let count = ascii::letters(window);
                if count > 0 {
                    worker.word.push_ascii(ascii::set(window, case), count);
                    at += count;
                    continue;
                }
            }
            if bytes[at] < 128 {
                let piece = worker.chars.ascii(bytes[at]);
                self.take(worker, piece, out)?;
                at += 1;
                continue;
            }
            let Some(c) = text[at..].chars().next() else { break };
            let piece = worker.chars.other(c);
            self.take(worker, piece, out)?;
            at += c.len_utf8();
        }
        Ok(())
    }

    #[inline]
    fn take(
        &self,
        worker: &mut WordPieceWorker,
        piece: Piece,
        out: &mut Vec<u32>,
    ) -> Result<(), NeedsLibrary> {
        match piece {
            Piece::Nothing => {}
            Piece::Space => self.end_word(worker, out),
            Piece::Word(c) => worker.word.push(c),
            Piece::Alone(c) => {
                self.end_word(worker, out);
                worker.word.push(c);
                self.end_word(worker, out);
            }
            Piece::Several(index) => {
                for i in 0..worker.chars.several(index).len() {
                    let piece = worker.chars.several(index)[i];
                    self.take(worker, piece, out)?;
                }
            }
            Piece::Library => return Err(NeedsLibrary),
        }
        Ok(())
    }

    #[inline]
    fn end_word(&self, worker: &mut WordPieceWorker, out: &mut Vec<u32>) {
        let WordPieceWorker { cache, word, ids, .. } = worker;
        let (length, chars) = (word.length, word.chars);
        if chars == 0 {
            return;
        }
        word.clear();
        if chars > self.chars_max {
            out.push(self.unknown);
        } else if length <= SHORT {
            let key = cache::key(&word.bytes, 0, length);
            if !cache.append(key, cache.place(key), out) {
                self.pieces(&word.bytes[..length], ids);
                cache.insert(key, ids);
                out.extend_from_slice(ids);
            }
        } else {
            let bytes = &word.bytes[..length];
            if let Some(known) = cache.long(bytes) {
                out.extend_from_slice(known);
            } else {
                self.pieces(bytes, ids);
                cache.insert_long(bytes, ids);
                out.extend_from_slice(ids);
            }
        }
    }

    /// The longest piece first; a word with an unknown rest is unknown as a whole.
    fn pieces(&self, word: &[u8], ids: &mut Vec<u32>) {
        ids.clear();
        let mut start = 0;
        while start < word.len() {
            let pieces = if start == 0 { &self.first } else { &self.rest };
            let Some((id, length)) = pieces.longest(&word[start..]) else {
                ids.clear();
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            start += length;
        }
    }
}

impl Pieces {
    fn insert(&mut self, piece: &str, id: u32) {
        self.longest = self.longest.max(piece.len());
        self.ids.insert(piece.as_bytes().into(), id);
    }

    /// The longest piece that `word` starts with. Pieces are UTF-8, so none ends inside a character. Never an empty one.
    fn longest(&self, word: &[u8]) -> Option<(u32, usize)> {
        let lengths = 1..=word.len().min(self.longest);
        lengths.rev().find_map(|length| Some((*self.ids.get(&word[..length])?, length)))
    }
}

#[inline]
fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
