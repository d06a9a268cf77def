//! Manifests: TOML to a validated [`schema::Manifest`], with every error at once and located.
//!
//! The only crate that knows TOML. It knows nothing of actions, shards or training.
//!
//! A manifest goes through four steps, each a module: [`tree`] (text and `--set` to a tree of
//! spanned values), [`read`] (the tree against the table of [`keys`]: names, types, ranges),
//! [`check`] (what the tables say of each other) and [`build`] (plain types, no more errors).
//! The JSON Schema comes from the same table of keys.

mod build;
mod check;
pub mod diagnostic;
mod document;
mod json_schema;
pub mod keys;
mod overrides;
mod parse;
mod read;
mod remote;
pub mod schema;
pub mod source;
mod steps;
pub mod suggest;
mod template;
mod tree;
pub mod units;
mod values;

pub use diagnostic::{Diagnostic, Diagnostics, Label};
pub use json_schema::json_schema;
pub use parse::{load, parse};
pub use remote::is_remote;
pub use source::{Place, Source};
pub use template::init_template;
