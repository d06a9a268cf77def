//! Source files to two sample files, train and held-out, by rules that depend on content alone.
//!
//! Knows formats, documents and rules. Does not know tokenizers or mixtures: the split is made before and
//! without them, so nothing held out in one run can train another.

mod cut;
mod documents;
pub mod dropped;
mod extract;
mod intake;
mod near;
mod ngrams;
mod read;
mod select;
mod spec;
mod spool;
mod stats;
mod words;

pub use extract::{extract, read_documents};
pub use select::{Selection, select};
pub use spec::{
    Block, Compare, DocumentFiles, Format, HeldOut, Keep, OnError, ReadSpec, SampleFiles,
    SamplesSpec, SelectSpec, Source,
};
pub use stats::{Account, Dropped, Lengths, SamplesStats, SourceProblem};
