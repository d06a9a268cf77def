//! What the binaries `mixmake` and `mixmake-trainer` share: the command line, the verbs, the stages.
//! Reads the command line, runs one verb, turns errors into words and exit codes. Results go to
//! standard output, everything else to standard error.
//!
//! `mixmake` does not link libtorch, whose loading alone would make every question slow;
//! `mixmake-trainer` does, and is what `mixmake exec` becomes for a training.

pub mod artifact;
mod cli;
mod command;
mod complete;
mod error;
mod evidence;
mod history;
mod processes;
mod remote;
pub mod runner;
pub mod runtime;
pub mod stage;
mod stream;
mod table;
mod targets;
mod timeline;
mod ui;
mod workspace;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::error::{Error, Exit};
use crate::runner::Stages;

/// The whole program, with what this binary can run.
#[must_use]
pub fn main(stages: &Stages) -> ExitCode {
    complete::answer();
    let cli = Cli::parse();
    start_log(&cli);
    match enter(&cli).and_then(|()| command::run(&cli, stages)) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            report(&cli, &error);
            ExitCode::from(error.exit as u8)
        }
    }
}

fn enter(cli: &Cli) -> error::Result<()> {
    let Some(folder) = &cli.global.directory else { return Ok(()) };
    std::env::set_current_dir(folder)
        .map_err(|error| Error::usage(format!("cannot change to `{}`: {error}", folder.display())))
}

fn report(cli: &Cli, error: &Error) {
    if cli.global.json {
        let line = match cli.verb {
            // The stream of a run is events to its last line.
            cli::Verb::Run(_) => serde_json::to_value(stream::Refusal::now(error)),
            _ => Ok(error.to_json()),
        };
        ui::print(&line.unwrap_or_default().to_string());
    }
    let is_stopped = matches!(error.exit, Exit::Interrupted | Exit::Terminated);
    if !is_stopped || error.diagnostics.is_some() {
        eprintln!("{}", error.render(ui::color(std::io::stderr().is_terminal())));
    }
}

fn start_log(cli: &Cli) {
    let level = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("MIXMAKE_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(format!(
            "mixmake={level},mixmake_core={level},mixmake_remote={level},mixmake_train={level}"
        ))
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ui::color(std::io::stderr().is_terminal()))
        .without_time()
        .with_target(false)
        .init();
}
