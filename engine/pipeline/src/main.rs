//! `mixmake`: every verb; a training it hands to `mixmake-trainer`, which links libtorch.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Manifests, plans and records are many small allocations, most of them on one thread and freed on another or never.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    mixmake::main(&mixmake::runner::Stages { train: None })
}
