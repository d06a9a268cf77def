//! Shards as the train crate reads them: numbered sequences of token ids.

use mixmake_data::mixture::{Epoch, Mixture, Order, Unit};
use mixmake_shards::Map;
use mixmake_train::Sequences;

pub type Shard = mixmake_shards::Shard<Map>;

/// Sequences of a mixture in training order, all epochs.
pub struct Drawn<'a> {
    mixture: &'a Mixture,
    shards: &'a [Shard],
    epochs: Vec<Epoch<'a, 'a>>,
    per_epoch: u64,
}

impl<'a> Drawn<'a> {
    pub fn new(
        mixture: &'a Mixture,
        order: &'a Order<'a>,
        shards: &'a [Shard],
        epochs: u32,
    ) -> Self {
        let epochs = (0..u64::from(epochs)).map(|epoch| order.epoch(epoch)).collect();
        Self { mixture, shards, epochs, per_epoch: order.len() }
    }

    /// The shard and the unit in it at position `index` of all epochs.
    fn locate(&self, index: u64) -> Option<(usize, u64)> {
        let epoch = usize::try_from(index.checked_div(self.per_epoch)?).ok()?;
        Some(self.epochs.get(epoch)?.locate(index % self.per_epoch))
    }
}

impl Sequences for Drawn<'_> {
    fn len(&self) -> u64 {
        self.per_epoch * self.epochs.len() as u64
    }

    fn read(&self, index: u64, buffer: &mut Vec<i64>) {
        buffer.clear();
        if let Some((part, unit)) = self.locate(index) {
            read_unit(&self.shards[part], self.mixture.unit, unit, buffer);
        }
    }

    /// A function of the shard, the unit in it and the epoch, so that a sample is masked alike in every
    /// mixture that draws it.
    fn sample(&self, index: u64) -> u64 {
        let Some((part, unit)) = self.locate(index) else { return index };
        let mut hasher = blake3::Hasher::new_derive_key("mixmake 2026 sample of an epoch v1");
        hasher.update(self.mixture.parts[part].shard.as_bytes());
        hasher.update(&unit.to_le_bytes());
        hasher.update(&(index / self.per_epoch).to_le_bytes());
        let mut word = [0; 8];
        hasher.finalize_xof().fill(&mut word);
        u64::from_le_bytes(word)
    }
}

/// A held-out shard from end to end; its last block may be short.
pub struct Whole<'a> {
    pub shard: &'a Shard,
    pub unit: Unit,
}

impl Sequences for Whole<'_> {
    fn len(&self) -> u64 {
        match self.unit {
            Unit::Block { tokens } => self.shard.tokens().div_ceil(tokens.max(1)),
            Unit::Sample => self.shard.sequences(),
        }
    }

    fn read(&self, index: u64, buffer: &mut Vec<i64>) {
        read_unit(self.shard, self.unit, index, buffer);
    }
}

/// Copies a unit's tokens; out of range, it is empty and the trainer says so.
fn read_unit(shard: &Shard, unit: Unit, index: u64, buffer: &mut Vec<i64>) {
    let range = match unit {
        Unit::Block { tokens } => {
            let start = index.saturating_mul(tokens);
            start..start.saturating_add(tokens).min(shard.tokens())
        }
        Unit::Sample => shard.sequence_range(index).unwrap_or(0..0),
    };
    buffer.clear();
    buffer.resize(usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0), 0);
    if shard.copy_range(range.start, buffer).is_err() {
        buffer.clear();
    }
}
