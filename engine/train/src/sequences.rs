//! The trainer's whole view of the data: numbered sequences of token ids. Who packs, orders or repeats
//! them is none of its business. Batches are read by a thread of their own, hence `Sync`.

/// A training or held-out set: sequences of token ids.
pub trait Sequences: Sync {
    /// How many sequences there are; for training, over all epochs.
    fn len(&self) -> u64;

    /// Writes sequence `index` (below [`len`](Sequences::len)) into `buffer`, which is cleared first.
    /// A sequence holds at most the model's context of tokens.
    fn read(&self, index: u64, buffer: &mut Vec<i64>);

    /// What names the sample at `index` and the epoch it is drawn in, whatever else is drawn: the masks of
    /// a masked language model are a function of it. A held-out set's are its indices.
    fn sample(&self, index: u64) -> u64 {
        index
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A held-out set and the id that its loss rows carry.
pub struct HeldOut<'a> {
    pub domain: String,
    pub sequences: &'a dyn Sequences,
}

impl Sequences for [Vec<i64>] {
    fn len(&self) -> u64 {
        <[Vec<i64>]>::len(self) as u64
    }

    fn read(&self, index: u64, buffer: &mut Vec<i64>) {
        buffer.clear();
        if let Some(sequence) = usize::try_from(index).ok().and_then(|i| self.get(i)) {
            buffer.extend_from_slice(sequence);
        }
    }
}

impl Sequences for Vec<Vec<i64>> {
    fn len(&self) -> u64 {
        Sequences::len(self.as_slice())
    }

    fn read(&self, index: u64, buffer: &mut Vec<i64>) {
        Sequences::read(self.as_slice(), index, buffer);
    }
}
