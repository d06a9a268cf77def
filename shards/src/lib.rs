//! Token shards: the Megatron `.bin`/`.idx` pair and mixmake's sidecar, as `FORMAT.md` specifies them.
//!
//! Knows bytes, tokens and sequences. Deliberately does not know text, tokenizers, domains or mixtures,
//! nor where a file came from: the two halves of a pair may have unrelated names.
//!
//! [`Shard::open`] is cheap (a few reads whatever the size); [`Shard::verify`] reads everything.
#![deny(unsafe_code)]

mod error;
mod index;
mod mmap;
mod reader;
mod sidecar;
mod verify;
mod writer;

pub use error::ShardError;
pub use index::{Dtype, MAGIC, U16_VOCABULARY_LIMIT, VERSION};
pub use mmap::{Map, map_file, release};
pub use reader::{Shard, Tokens};
pub use sidecar::{Provenance, Sidecar, SidecarHeader, SidecarWriter};
pub use verify::Verified;
pub use writer::{ShardWriter, Written};
