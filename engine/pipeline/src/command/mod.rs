//! The verbs, one a file.

mod causes;
mod diff;
mod dropped;
mod exec;
mod export;
mod families;
mod family;
mod fit;
mod gc;
mod graph;
mod init;
mod keep;
mod locked;
mod log;
mod losses;
mod man;
mod plan;
mod predict;
mod report;
pub mod run;
mod show;
mod standing;
mod status;
mod verify;
mod why;

use crate::cli::{Cli, Verb};
use crate::error::{Exit, Result};
use crate::runner::Stages;

/// Runs the verb of a command line.
pub fn run(cli: &Cli, stages: &Stages) -> Result<Exit> {
    let global = &cli.global;
    match &cli.verb {
        Verb::Run(args) => run::run(global, args),
        Verb::Plan(args) => plan::run(global, args),
        Verb::Status(targets) => status::run(global, targets),
        Verb::Why(targets) => why::run(global, targets),
        Verb::Graph(args) => graph::run(global, args),
        Verb::Diff(args) => diff::run(global, args),
        Verb::Log(args) => log::run(global, args),
        Verb::Losses(args) => losses::run(global, args),
        Verb::Fit(args) => fit::run(global, args),
        Verb::Predict(args) => predict::run(global, args),
        Verb::Show(args) => show::run(global, args),
        Verb::Dropped(args) => dropped::run(global, args),
        Verb::Report(args) => report::run(global, args),
        Verb::Export(args) => export::run(global, args),
        Verb::Verify(args) => verify::run(global, args),
        Verb::Gc(args) => gc::run(global, args),
        Verb::Init(args) => init::run(global, args),
        Verb::Schema(args) => {
            let schema = if args.events {
                crate::stream::schema::json_schema()
            } else {
                mixmake_manifest::json_schema()
            };
            crate::ui::print(&format!("{schema:#}"));
            Ok(Exit::Success)
        }
        Verb::Completions(args) => {
            let script = crate::complete::script(args.shell).map_err(|error| {
                crate::error::Error::internal(format!("cannot make the script: {error}"))
            })?;
            crate::ui::print(&script);
            Ok(Exit::Success)
        }
        Verb::Man(args) => man::run(global, args),
        Verb::Exec(args) => exec::run(global, args, stages),
        Verb::Keep => keep::run(),
    }
}
