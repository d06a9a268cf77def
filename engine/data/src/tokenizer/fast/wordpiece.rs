//! BERT's WordPiece: basic tokenization, then the longest piece first, behind a cache of words.

use tokenizers::normalizers::BertNormalizer;

use super::bert_blocks::{self, Found, Padded, Run};
use super::bert_chars::{BertChars, Piece};
use super::cache::{self, PADDING, SHORT, WordCache};
use super::json::Vocabulary;
use super::pieces::{Pieces, Place};
use super::{NeedsLibrary, ascii};

/// The tables of a vocabulary.
pub(crate) struct WordPiece {
    normalizer: BertNormalizer,
    pieces: Pieces,
    unknown: u32,
    /// Words of more characters are unknown.
    chars_max: usize,
}

/// A thread's caches.
pub(crate) struct WordPieceWorker {
    chars: BertChars,
    /// What turns a letter into its piece by `or`, where words are found in blocks.
    blocks: Option<u8>,
    cache: WordCache,
    padded: Vec<u8>,
    runs: [Run; 2],
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
    /// `None` where there are more pieces than fit.
    pub fn new(
        vocabulary: &Vocabulary,
        unknown: u32,
        prefix: &str,
        chars_max: usize,
        normalizer: BertNormalizer,
    ) -> Option<Self> {
        let pieces = vocabulary.iter().flat_map(|(token, id)| {
            let rest = token.strip_prefix(prefix).map(|rest| (Place::Rest, rest, id));
            [Some((Place::First, token, id)), rest].into_iter().flatten()
        });
        let pieces = Pieces::new(pieces)?;
        Some(Self { normalizer, pieces, unknown, chars_max })
    }

    pub fn worker(&self) -> WordPieceWorker {
        let chars = BertChars::new(self.normalizer);
        WordPieceWorker {
            blocks: chars.letter_case.filter(|_| bert_blocks::serves(&chars)),
            chars,
            cache: WordCache::new(),
            padded: Vec::new(),
            runs: [Run::new(), Run::new()],
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
        worker.padded.clear();
        worker.padded.extend_from_slice(text.as_bytes());
        worker.padded.extend_from_slice(&[0; PADDING]);
        let mut at = 0;
        while at < text.len() {
            if let Some(letter_case) = worker.blocks {
                at = self.read_blocks(worker, text.len(), letter_case, at, out);
            }
            match self.read_characters(worker, text, at, out) {
                Ok(end) => at = end,
                Err(NeedsLibrary) => {
                    out.truncate(before);
                    return Err(NeedsLibrary);
                }
            }
        }
        self.end_word(worker, out);
        Ok(())
    }

    /// Words of ASCII from `at` on, as far as blocks tell; gives where they end.
    fn read_blocks(
        &self,
        worker: &mut WordPieceWorker,
        length: usize,
        letter_case: u8,
        mut at: usize,
        out: &mut Vec<u32>,
    ) -> usize {
        let WordPieceWorker { cache, padded, runs, ids, word: room, .. } = worker;
        let text = Padded { bytes: padded, length, letter_case };
        // The words of a run are looked up when those of the next are found: by then the cache's memory has come.
        let [mut run, mut next] = runs.each_mut();
        run.clear();
        loop {
            let (end, stops) = next.read(&text, at, cache);
            for word in run.words() {
                if !cache.append(word.key, word.place, out) {
                    self.encode_found(&text, word, room, cache, ids, out);
                }
            }
            at = end;
            if stops && next.words().is_empty() {
                return at;
            }
            std::mem::swap(&mut run, &mut next);
        }
    }

    /// A word of a block that was not found in the cache.
    #[inline(never)]
    fn encode_found(
        &self,
        text: &Padded,
        found: &Found,
        room: &mut Word,
        cache: &mut WordCache,
        ids: &mut Vec<u32>,
        out: &mut Vec<u32>,
    ) {
        let bytes = &text.bytes[found.start..found.start + found.length];
        let case = if bytes[0].is_ascii_punctuation() { 0 } else { text.letter_case };
        room.clear();
        bytes.iter().for_each(|&byte| room.push((byte | case) as char));
        self.encode_word(room, cache, ids, out);
        room.clear();
    }

    /// Reads one character after the other from `at` on, until the text ends or no word is under way and ASCII follows; gives
    /// where that is. At least one is read.
    fn read_characters(
        &self,
        worker: &mut WordPieceWorker,
        text: &str,
        mut at: usize,
        out: &mut Vec<u32>,
    ) -> Result<usize, NeedsLibrary> {
        let bytes = text.as_bytes();
        while at < bytes.len() {
            let letters = worker.chars.letter_case.zip(eight(bytes, at));
            let letters = letters.map(|(case, window)| (case, window, ascii::letters(window)));
            if let Some((case, window, count @ 1..)) = letters {
                worker.word.push_ascii(ascii::set(window, case), count);
                at += count;
                continue;
            }
            if bytes[at] < 128 {
                let piece = worker.chars.ascii(bytes[at]);
                self.take(worker, piece, out)?;
                at += 1;
            } else {
                let Some(c) = text[at..].chars().next() else { break };
                let piece = worker.chars.other(c);
                self.take(worker, piece, out)?;
                at += c.len_utf8();
            }
            let follows = worker.padded[at];
            if worker.word.chars == 0 && follows < 128 && worker.blocks.is_some() {
                break;
            }
        }
        Ok(at)
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
        if word.chars > 0 {
            self.encode_word(word, cache, ids, out);
            word.clear();
        }
    }

    /// The word that has been read.
    fn encode_word(
        &self,
        word: &Word,
        cache: &mut WordCache,
        ids: &mut Vec<u32>,
        out: &mut Vec<u32>,
    ) {
        let (length, chars) = (word.length, word.chars);
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
        let (mut start, mut place) = (0, Place::First);
        while start < word.len() {
            let Some((id, length)) = self.pieces.longest(place, &word[start..]) else {
                ids.clear();
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            start += length;
            place = Place::Rest;
        }
    }
}

#[inline]
fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
