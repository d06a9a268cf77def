//! `mixmake`: every verb; a training it hands to `mixmake-trainer`, which links libtorch.

use std::process::ExitCode;

fn main() -> ExitCode {
    mixmake::main(&mixmake::runner::Stages { train: None })
}
