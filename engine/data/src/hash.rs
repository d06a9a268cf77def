//! The hashes that decide split, order and block position. Specified in `shards/FORMAT.md`; knows text only as bytes.

use std::sync::LazyLock;

/// Identity of a document: a derived-key BLAKE3 of its whole text. Compared as bytes, first byte first.
pub type DocumentHash = [u8; 32];

const DOCUMENT: &str = "mixmake v1 document";
const BLOCK: &str = "mixmake v1 block";

/// With its key derived: that costs as much as hashing a short text.
static DOCUMENT_HASHER: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key(DOCUMENT));

/// The identity of the document with this text, before any cutting.
pub fn document_hash(text: &str) -> DocumentHash {
    *DOCUMENT_HASHER.clone().update(text.as_bytes()).finalize().as_bytes()
}

/// Where the random block of `block_chars` characters starts in a document of `chars`:
/// uniform over `0..=chars - block_chars`; 0 where the document is not longer than the block.
pub fn block_start(document: &DocumentHash, chars: u64, block_chars: u64) -> u64 {
    let positions = u128::from(chars.saturating_sub(block_chars)) + 1;
    let hash = blake3::derive_key(BLOCK, document);
    let mut word = [0; 8];
    word.copy_from_slice(&hash[..8]);
    ((u128::from(u64::from_le_bytes(word)) * positions) >> 64) as u64
}

/// The first eight bytes of a document hash as a number in the order of the hash.
pub(crate) fn leading(document: &DocumentHash) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&document[..8]);
    u64::from_be_bytes(word)
}
