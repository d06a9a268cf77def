//! Text to samples ([`corpus`]), samples to tokens ([`tokenizer`]), tokens to training orders ([`mixture`]).
//!
//! Knows files, documents, tokens and counts. Deliberately does not know manifests, actions, the store, models
//! or losses: it is given paths to read and paths to write, and its outputs name sources by digest, never by path,
//! so that the same data gives the same bytes on any machine. `shards/FORMAT.md` specifies every rule here
//! that decides an output.

pub mod corpus;
mod error;
mod hash;
mod memory;
pub mod mixture;
mod progress;
pub mod provenance;
pub mod samples;
pub mod tokenizer;

pub use error::{DataError, Problem};
pub use hash::{DocumentHash, block_start, document_hash};
pub use progress::{Progress, Work};
