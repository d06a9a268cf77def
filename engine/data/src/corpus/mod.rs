//! Source files to two sample files, train and held-out, by rules that depend on content alone.
//!
//! Knows formats, documents and rules. Does not know tokenizers or mixtures: the split is made before and
//! without them, so nothing held out in one run can train another.

mod cut;
mod extract;
mod intake;
mod read;
mod spec;
mod split;
mod spool;
mod stats;

pub use extract::extract;
pub use spec::{Block, Format, HeldOut, OnError, SampleFiles, SamplesSpec, Source};
pub use stats::{Dropped, SamplesStats, SourceProblem};
