//! `mixmake-trainer`: the same program with libtorch linked in, so that it can run trainings. Started
//! by `mixmake exec`; nobody needs to call it.

mod configuration;
mod live;
mod sequences;
mod tensorboard;
mod training;

use std::process::ExitCode;

fn main() -> ExitCode {
    mixmake::main(&mixmake::runner::Stages { train: Some(training::run) })
}
