//! WordPiece's vocabulary as two tries, of pieces that start a word and of those that go on, in one hash table: the longest
//! piece at the start of some bytes is found in one pass over them. A node is its slot in the table, which holds what
//! leads to it, so that a step reads four bytes.

/// No node.
const EMPTY: u32 = u32::MAX;
/// Set where a piece ends.
const ENDS: u32 = 1 << 31;
/// Nodes, roots included, are below it: with a byte they leave the topmost bit free.
const NODES_MAX: usize = 1 << 23;

/// Where a piece stands in its word, as the root of its trie.
#[derive(Clone, Copy)]
pub(super) enum Place {
    First = 0,
    Rest = 1,
}

/// The tries.
pub(super) struct Pieces {
    /// By node the one before it and the byte that leads on from there, and [`ENDS`]. A power of two of them, at most five
    /// eighths used.
    nodes: Vec<u32>,
    /// By node, the id of the piece that ends there.
    ids: Vec<u32>,
}

impl Pieces {
    /// Of pieces with their ids; the last one of a piece counts. `None` where there are too many.
    pub fn new<'p>(pieces: impl Iterator<Item = (Place, &'p str, u32)> + Clone) -> Option<Self> {
        // Pieces share about half of their bytes.
        let bytes: usize = pieces.clone().map(|(_, piece, _)| piece.len()).sum();
        let mut size = (bytes / 2).next_power_of_two().max(1 << 8);
        while size < NODES_MAX {
            let mut made = Self { nodes: vec![EMPTY; size], ids: vec![0; size] };
            let mut left = size / 8 * 5;
            if pieces.clone().all(|(place, piece, id)| made.insert(place, piece, id, &mut left)) {
                return Some(made);
            }
            size *= 2;
        }
        None
    }

    /// Adds a piece, of `left` nodes that may be made yet; false where they are not enough.
    fn insert(&mut self, place: Place, piece: &str, id: u32, left: &mut usize) -> bool {
        let Some((&last, before)) = piece.as_bytes().split_last() else { return true };
        let mut node = self.root(place);
        for &byte in before {
            match self.step(node, byte, left) {
                Some(next) => node = next as u32,
                None => return false,
            }
        }
        let Some(end) = self.step(node, last, left) else { return false };
        self.nodes[end] |= ENDS;
        self.ids[end] = id;
        true
    }

    /// The node that a byte leads to, made where it is not there.
    fn step(&mut self, node: u32, byte: u8, left: &mut usize) -> Option<usize> {
        let step = step(node, byte);
        let slot = self.slot(step);
        if self.nodes[slot] == EMPTY {
            *left = left.checked_sub(1)?;
            self.nodes[slot] = step;
        }
        Some(slot)
    }

    /// Behind all slots, so that it is none of them.
    #[inline]
    fn root(&self, place: Place) -> u32 {
        self.nodes.len() as u32 + place as u32
    }

    /// Where a node is, or would be.
    #[inline]
    fn slot(&self, step: u32) -> usize {
        let mask = self.nodes.len() - 1;
        let mut slot = (u64::from(step).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & mask;
        while self.nodes[slot] & !ENDS != step && self.nodes[slot] != EMPTY {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The longest piece that `word` starts with, and its bytes. Never an empty one. Pieces are UTF-8, so none ends inside of
    /// a character.
    #[inline]
    pub fn longest(&self, place: Place, word: &[u8]) -> Option<(u32, usize)> {
        let (mut node, mut found) = (self.root(place), None);
        for (at, &byte) in word.iter().enumerate() {
            let slot = self.slot(step(node, byte));
            let there = self.nodes[slot];
            if there == EMPTY {
                break;
            }
            node = slot as u32;
            if there & ENDS != 0 {
                found = Some((slot, at + 1));
            }
        }
        found.map(|(slot, length)| (self.ids[slot], length))
    }
}

#[inline]
fn step(node: u32, byte: u8) -> u32 {
    node << 8 | u32::from(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_many_pieces_is_found() {
        let word = |i: u32| format!("{i:x}").repeat(1 + i as usize % 3);
        let all: std::collections::BTreeMap<String, u32> =
            (0..300_000).step_by(3).map(|i| (word(i), i)).collect();
        let pieces = Pieces::new(all.iter().map(|(piece, id)| (Place::First, &**piece, *id)));
        let pieces = pieces.expect("not too many");
        for i in (0..300_000).step_by(2) {
            let text = word(i) + "zz";
            let lengths = (1..=text.len()).rev();
            let expected = lengths.into_iter().find_map(|n| Some((*all.get(&text[..n])?, n)));
            assert_eq!(pieces.longest(Place::First, text.as_bytes()), expected, "{text}");
            assert_eq!(pieces.longest(Place::Rest, text.as_bytes()), None);
        }
    }

    #[test]
    fn pieces_that_share_nothing_need_a_larger_table() {
        let all: Vec<String> = ('\u{4e00}'..'\u{9000}').map(String::from).collect();
        let pieces = Pieces::new(all.iter().zip(0..).map(|(c, id)| (Place::First, &**c, id)));
        let pieces = pieces.expect("not too many");
        for (c, id) in all.iter().zip(0..) {
            assert_eq!(pieces.longest(Place::First, c.as_bytes()), Some((id, 3)));
        }
    }

    #[test]
    fn pieces_that_start_and_that_go_on_are_apart() {
        let list = [(Place::First, "a", 1), (Place::Rest, "ab", 2), (Place::Rest, "", 3)];
        let pieces = Pieces::new(list.into_iter()).expect("not too many");
        assert_eq!(pieces.longest(Place::First, b"ab"), Some((1, 1)));
        assert_eq!(pieces.longest(Place::Rest, b"abc"), Some((2, 2)));
        assert_eq!(pieces.longest(Place::Rest, b"a"), None);
        assert_eq!(pieces.longest(Place::Rest, b""), None);
    }

    #[test]
    fn the_last_id_of_a_piece_counts_and_of_none_there_is_none() {
        let list = [(Place::First, "a", 1), (Place::First, "a", 2)];
        let pieces = Pieces::new(list.into_iter()).expect("not too many");
        assert_eq!(pieces.longest(Place::First, b"a"), Some((2, 1)));
        let none = Pieces::new(std::iter::empty()).expect("not too many");
        assert_eq!(none.longest(Place::First, b"a"), None);
    }
}
