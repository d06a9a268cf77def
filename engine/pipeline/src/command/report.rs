//! `report`: brings the report up to date, prints its table and where the page is.

use crate::artifact;
use crate::cli::{Global, Report};
use crate::error::{Error, Exit, Result};
use crate::stage::report::{DATA, PAGE};
use crate::ui;
use crate::workspace::{Workspace, tidy};

pub fn run(global: &Global, args: &Report) -> Result<Exit> {
    let run_args = crate::cli::Run {
        targets: crate::cli::Targets { targets: vec!["report".into()] },
        jobs: args.jobs,
        keep_going: false,
        dry_run: false,
        locked: false,
        update_remote: false,
        trace: None,
        timings: false,
    };
    let workspace = Workspace::open(global)?;
    if workspace.staged.report.is_none() {
        return Err(Error::usage("the manifest has no `[report]`")
            .hint("add one: `[report]` with a `title` will do"));
    }
    drop(workspace);
    let exit = super::run::run(&Global { json: false, ..global.clone() }, &run_args)?;
    if exit == Exit::Success {
        show(global)?;
    }
    Ok(exit)
}

/// Prints the report that is there.
pub fn show(global: &Global) -> Result<()> {
    let workspace = Workspace::open(global)?;
    let folder = workspace.out().join("report");
    let study = artifact::read(&folder.join(DATA))?;
    if global.json {
        ui::print(&mixmake_report::json(&study).to_string());
        return Ok(());
    }
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    ui::print(&mixmake_report::table(&study, ui::width().min(120), ui::color(terminal)));
    ui::print(&format!("\nreport: {}", tidy(&folder.join(PAGE)).display()));
    Ok(())
}
