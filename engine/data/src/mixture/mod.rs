//! How many units of each shard train, and in which order. Pure: weights, counts and a seed in; counts and places out.
//!
//! Knows shards by digest and size. Does not read them, and does not know domains, epochs' number or models.

mod apportion;
mod compose;
mod order;
mod permutation;
mod spec;

pub use apportion::apportion;
pub use compose::compose;
pub use order::{Epoch, Order};
pub use permutation::Permutation;
pub use spec::{
    Mixture, MixtureError, MixtureRequest, Part, ShardFacts, Shortage, Total, TotalRule, Unit,
};
