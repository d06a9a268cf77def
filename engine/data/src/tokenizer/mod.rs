//! Tokenizers as `tokenizer.json`: trained on samples ([`train_bpe`]) or given, and applied to them ([`tokenize`]).
//!
//! Knows text and token ids. Does not know domains, mixtures or models.

mod bpe;
mod builtin;
mod encode;
mod fast;
mod spec;
mod tokenize;
mod wordpiece;

pub use bpe::{END_OF_TEXT, train_bpe};
pub use builtin::{Builtin, builtin};
pub use encode::{Encoded, EncodedText, Encoder};
pub use spec::{BpeSpec, ShardFiles, ShardSpec, ShardStats};
pub use tokenize::{tokenize, tokenize_with};
pub use wordpiece::train_wordpiece;
