//! End-to-end tests: each drives the binary as a user would, on text written for it, and says what
//! must have run, what must not, and what must be said.
//!
//! They know the command line, the manifest, the layout of `out/` and the lock file; nothing of the crates.

mod asking;
mod bad_data;
mod clouds;
mod corpora;
mod corpus;
mod determinism;
mod disk_full;
mod fitting;
mod garbage;
mod harness;
mod incremental;
mod interruption;
mod key_fields;
mod key_strangers;
mod killed_trainings;
mod kills;
mod leaks;
mod locked;
mod planning;
mod real_corpora;
mod remote;
#[path = "../../engine/remote/tests/server/mod.rs"]
mod server;
mod serving;
mod shell;
mod shipped;
mod small;
mod steps;
mod store_damage;
mod store_kinds;
mod store_sharing;
mod stream;
mod study;
mod verbs;
