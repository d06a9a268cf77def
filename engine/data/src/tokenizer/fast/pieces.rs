//! WordPiece's vocabulary as two tries, of pieces that start a word and of those that go on, whose edges lie in one hash
//! table: the longest piece at the start of some bytes is found in one pass over them.

/// No node, and no id.
const NONE: u32 = u32::MAX;
const NODES_MAX: usize = 1 << 24;

/// An edge of a trie; `from` is a node and the byte that leads on from it.
#[derive(Clone, Copy)]
struct Edge {
    from: u32,
    to: u32,
}

const EMPTY: Edge = Edge { from: NONE, to: NONE };

/// Where a piece stands in its word, as the root of its trie.
#[derive(Clone, Copy)]
pub(super) enum Place {
    First = 0,
    Rest = 1,
}

pub(super) struct Pieces {
    /// A power of two of them, at most half of them used.
    edges: Vec<Edge>,
    /// By node, the id of the piece that ends there.
    ids: Vec<u32>,
}

impl Pieces {
    pub fn new() -> Self {
        Self { edges: vec![EMPTY; 1 << 16], ids: vec![NONE; 2] }
    }

    /// Adds a piece; false where there are too many.
    pub fn insert(&mut self, place: Place, piece: &str, id: u32) -> bool {
        let mut node = place as u32;
        for &byte in piece.as_bytes() {
            let from = node << 8 | u32::from(byte);
            let slot = self.slot(from);
            node = self.edges[slot].to;
            if node == NONE {
                if self.ids.len() >= NODES_MAX - 1 {
                    return false;
                }
                node = self.ids.len() as u32;
                self.ids.push(NONE);
                self.edges[slot] = Edge { from, to: node };
                if self.ids.len() > self.edges.len() / 2 {
                    self.grow();
                }
            }
        }
        self.ids[node as usize] = id;
        true
    }

    fn grow(&mut self) {
        let larger = vec![EMPTY; 2 * self.edges.len()];
        for edge in std::mem::replace(&mut self.edges, larger) {
            if edge.to != NONE {
                let slot = self.slot(edge.from);
                self.edges[slot] = edge;
            }
        }
    }

    /// Where an edge is, or would be.
    #[inline]
    fn slot(&self, from: u32) -> usize {
        let mask = self.edges.len() - 1;
        let mut slot = (u64::from(from).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & mask;
        while self.edges[slot].from != from && self.edges[slot].to != NONE {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The longest piece that `word` starts with, and its bytes. Never an empty one. Pieces are UTF-8, so none ends inside of
    /// a character.
    #[inline]
    pub fn longest(&self, place: Place, word: &[u8]) -> Option<(u32, usize)> {
        let (mut node, mut found) = (place as u32, None);
        for (at, &byte) in word.iter().enumerate() {
            node = self.edges[self.slot(node << 8 | u32::from(byte))].to;
            if node == NONE {
                break;
            }
            let id = self.ids[node as usize];
            if id != NONE {
                found = Some((id, at + 1));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_many_pieces_is_found() {
        let mut pieces = Pieces::new();
        // Enough of them that the table grows.
        let word = |i: u32| format!("{i:x}").repeat(1 + i as usize % 3);
        let all: std::collections::BTreeMap<String, u32> =
            (0..300_000).step_by(3).map(|i| (word(i), i)).collect();
        for (piece, &id) in &all {
            assert!(pieces.insert(Place::First, piece, id));
        }
        assert!(pieces.edges.len() > 1 << 16);
        for i in (0..300_000).step_by(2) {
            let text = word(i) + "zz";
            let lengths = (1..=text.len()).rev();
            let expected = lengths.into_iter().find_map(|n| Some((*all.get(&text[..n])?, n)));
            assert_eq!(pieces.longest(Place::First, text.as_bytes()), expected, "{text}");
            assert_eq!(pieces.longest(Place::Rest, text.as_bytes()), None);
        }
    }

    #[test]
    fn pieces_that_start_and_that_go_on_are_apart() {
        let mut pieces = Pieces::new();
        assert!(pieces.insert(Place::First, "a", 1) && pieces.insert(Place::Rest, "ab", 2));
        assert!(pieces.insert(Place::Rest, "", 3));
        assert_eq!(pieces.longest(Place::First, b"ab"), Some((1, 1)));
        assert_eq!(pieces.longest(Place::Rest, b"abc"), Some((2, 2)));
        assert_eq!(pieces.longest(Place::Rest, b"a"), None);
        assert_eq!(pieces.longest(Place::Rest, b""), None);
    }
}
