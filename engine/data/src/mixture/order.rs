//! The training order: from a position in an epoch to a unit of a shard, in constant memory. Reads nothing.

use super::{Mixture, MixtureError, Part, Permutation};

const UNIT_ORDER: &str = "mixmake v1 unit order";
const EPOCH_ORDER: &str = "mixmake v1 epoch order";

/// The order of a mixture's units. All epochs have the same units; each has its own order.
///
/// The k-th unit drawn from a shard is decided by the seed and the shard alone, so a larger count of a shard extends a
/// smaller one whatever else is in the mixture. Beyond the units that exist, further rounds draw in further orders.
#[derive(Debug)]
pub struct Order<'a> {
    mixture: &'a Mixture,
    /// Cumulative units before each part, and the total.
    starts: Vec<u64>,
    /// Each part's first round.
    first_rounds: Vec<Permutation>,
}

impl<'a> Order<'a> {
    /// The order of a mixture. Errors: a mixture whose counts overflow, or that draws from a shard without units.
    pub fn new(mixture: &'a Mixture) -> Result<Self, MixtureError> {
        let mut starts = vec![0u64];
        for part in &mixture.parts {
            let end = starts[starts.len() - 1].checked_add(part.units);
            starts.push(end.ok_or_else(|| MixtureError::Invalid("its counts overflow".into()))?);
            if part.units > 0 && part.units_available == 0 {
                return Err(MixtureError::Invalid(format!(
                    "it draws from shard `{}`, which has no unit",
                    part.shard
                )));
            }
        }
        let first_rounds = mixture.parts.iter().map(|part| round(mixture.seed, part, 0)).collect();
        Ok(Self { mixture, starts, first_rounds })
    }

    /// Units in an epoch.
    pub fn len(&self) -> u64 {
        self.starts[self.starts.len() - 1]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part and the unit within its shard at position `i` of an epoch, both from 0.
    ///
    /// # Panics
    /// As indexing does, if `i` is not below [`Order::len`].
    pub fn locate(&self, epoch: u64, i: u64) -> (usize, u64) {
        self.epoch(epoch).locate(i)
    }

    /// One epoch's order, for callers that read many positions of it.
    pub fn epoch(&self, epoch: u64) -> Epoch<'_, 'a> {
        let key = key(EPOCH_ORDER, &[&self.mixture.seed.to_le_bytes(), &epoch.to_le_bytes()]);
        Epoch { order: self, positions: Permutation::new(self.len(), &key) }
    }

    /// The `k`-th unit drawn from part `part`.
    fn drawn(&self, part: usize, k: u64) -> u64 {
        let facts = &self.mixture.parts[part];
        let (repeat, within) = (k / facts.units_available, k % facts.units_available);
        match repeat {
            0 => self.first_rounds[part].get(within),
            _ => round(self.mixture.seed, facts, repeat).get(within),
        }
    }
}

/// One epoch of an [`Order`].
#[derive(Debug)]
pub struct Epoch<'o, 'a> {
    order: &'o Order<'a>,
    positions: Permutation,
}

impl Epoch<'_, '_> {
    /// As [`Order::locate`].
    ///
    /// # Panics
    /// As indexing does, if `i` is not below [`Order::len`].
    pub fn locate(&self, i: u64) -> (usize, u64) {
        let position = self.positions.get(i);
        // The last part that starts at or before the position: parts without units start where the next one does.
        let part = self.order.starts.partition_point(|&start| start <= position) - 1;
        (part, self.order.drawn(part, position - self.order.starts[part]))
    }
}

fn round(seed: u64, part: &Part, repeat: u64) -> Permutation {
    let key = key(UNIT_ORDER, &[&seed.to_le_bytes(), &repeat.to_le_bytes(), part.shard.as_bytes()]);
    Permutation::new(part.units_available, &key)
}

fn key(context: &str, material: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for bytes in material {
        hasher.update(bytes);
    }
    *hasher.finalize().as_bytes()
}
