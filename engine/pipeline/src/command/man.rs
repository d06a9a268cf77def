//! `man`: the manual pages, one a verb, from the definition of the command line.

use clap::CommandFactory;
use mixmake_core::files::At;

use crate::cli::{Cli, Global, Man};
use crate::error::{Error, Exit, Result};
use crate::ui::print;

pub fn run(global: &Global, args: &Man) -> Result<Exit> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder).at("create the folder", folder)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(|error| {
        Error::internal(format!("cannot write `{}`: {error}", folder.display()))
    })?;
    if !global.quiet {
        print(&format!("manual pages: {}", folder.display()));
        eprintln!("`man -l {}` shows the first", folder.join("mixmake.1").display());
    }
    Ok(Exit::Success)
}
