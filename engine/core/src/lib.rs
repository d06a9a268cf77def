//! The build engine: content digests, actions and their keys, the artifact store, plans and runs.
//!
//! It knows nothing of tokens, mixtures or TOML: an action is a kind, parameters and inputs, and
//! somebody else's [`exec::Runner`] does the work.
//!
//! The way through the modules: [`graph::Graph`] holds [`action::Action`]s; [`key`] turns an action and the
//! digests of its inputs into a [`Key`] and the facts that explain it, in one walk; [`store`]
//! keeps results by key and objects by digest; [`plan`] says what would run and why;
//! [`scheduler`] runs it through an [`executor::Executor`], which has [`child`] processes; [`exec`] is one action in
//! whatever process.

pub mod action;
pub mod cause;
pub mod child;
pub mod clock;
#[cfg(test)]
mod crash_tests;
pub mod digest;
pub mod event;
pub mod exec;
pub mod executor;
#[cfg(test)]
mod faults;
pub mod file_index;
pub mod files;
pub mod gc;
pub mod graph;
pub mod holder;
pub mod key;
pub mod lease;
pub mod lock;
pub mod memory;
#[cfg(test)]
mod model_tests;
pub mod parallel;
pub mod plan;
pub mod record;
pub mod resolve;
pub mod scheduler;
pub mod share;
mod spare;
pub mod store;
mod sys;
pub mod turn;
pub mod verify;

pub use action::{Action, Cost, Input, Kind, OutputSpec, Source};
pub use digest::{Digest, Key};
pub use graph::{ActionId, Graph};
pub use store::Store;
