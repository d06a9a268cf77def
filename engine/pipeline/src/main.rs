//! `mixmake`: every verb; a training it hands to `mixmake-trainer`, which links libtorch.

use std::process::ExitCode;

/// Reading corpora takes and gives back buffers of megabytes, which the system's allocator has cleared anew each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mixmake::main(&mixmake::runner::Stages { train: None })
}
