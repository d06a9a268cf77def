//! `keep`: the process beside a run that ends its commands, with all that they started, when the run is gone: a killed
//! run cannot do that itself. See `stage/step/keeper.rs` for who starts it.

use std::collections::BTreeSet;
use std::io::BufRead;

use rustix::process::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Exit, Result};
use crate::processes::kill_tree;

/// Reads `+PID` and `-PID`, a line each, for as long as the run lives: its end of the pipe is closed however it dies.
pub fn run() -> Result<Exit> {
    let cannot = |error: std::io::Error| Error::internal(format!("cannot keep commands: {error}"));
    // What a terminal or a shell sends to all is for the run to decide about.
    let _ignored = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(cannot)?;
    let mut running = BTreeSet::new();
    for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
        match line.split_at_checked(1) {
            Some(("+", pid)) => running.extend(pid.parse::<i32>()),
            Some((_, pid)) => running.retain(|known| pid.parse() != Ok(*known)),
            None => {}
        }
    }
    running.into_iter().filter_map(Pid::from_raw).for_each(kill_tree);
    Ok(Exit::Success)
}
