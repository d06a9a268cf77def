//! What two bytes next to each other can become: the rank of their merge, and whether any token has them side by side.

use super::merges::NONE;

/// Tables of every pair of bytes.
pub(super) struct BytePairs {
    ranks: Box<[u32]>,
    /// A bit a pair.
    joined: Box<[u64]>,
}

impl BytePairs {
    /// Of no merges.
    pub fn new() -> Self {
        Self { ranks: vec![NONE; 1 << 16].into(), joined: vec![0; 1 << 10].into() }
    }

    /// Adds a merge by the last byte of its left side and the first of its right, which are its sides where `whole`. Bytes
    /// inside of a side are another merge's.
    pub fn add(&mut self, last: u8, first: u8, whole: bool, rank: u32) {
        let index = index(last, first);
        if whole {
            self.ranks[index] = rank;
        }
        self.joined[index / 64] |= 1 << (index % 64);
    }

    /// The rank of the merge of two bytes, or [`NONE`].
    #[inline]
    pub fn rank(&self, left: u8, right: u8) -> u32 {
        self.ranks[index(left, right)]
    }

    /// Bytes of `word` that merges keep apart from the rest of it. No merge reaches over two bytes that no merge joins,
    /// so both sides become tokens as if they were words of their own.
    #[inline]
    pub fn piece(&self, word: &[u8]) -> usize {
        let apart = |pair: &[u8]| {
            let index = index(pair[0], pair[1]);
            self.joined[index / 64] >> (index % 64) & 1 == 0
        };
        word.windows(2).position(apart).map_or(word.len(), |at| at + 1)
    }
}

fn index(left: u8, right: u8) -> usize {
    usize::from(left) << 8 | usize::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fall_apart_where_no_merge_joins() {
        let mut pairs = BytePairs::new();
        pairs.add(b'a', b'b', true, 0);
        pairs.add(b'b', b'c', false, 1);
        assert_eq!((pairs.rank(b'a', b'b'), pairs.rank(b'b', b'c')), (0, NONE));
        assert_eq!(pairs.piece(b"abca"), 3);
        assert_eq!(pairs.piece(b"ba"), 1);
        assert_eq!(pairs.piece(b"abc"), 3);
        assert_eq!((pairs.piece(b"x"), pairs.piece(b"")), (1, 0));
    }
}
