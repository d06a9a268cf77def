//! `keep RUN COMMAND`: a step's command, below a process that ends it, with all that it started, when the run that
//! wants it has ended: a killed run cannot do that itself.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{
    Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::cli::Keep;
use crate::error::{Error, Exit, Result};
use crate::processes::kill_tree;

pub fn run(args: &Keep) -> Result<Exit> {
    let cannot =
        |error: std::io::Error| Error::internal(format!("cannot start `/bin/sh`: {error}"));
    // Before there is anything to end. Of Ctrl-C, which the terminal sends to all, the run decides what follows.
    let signals = Signals::new([SIGTERM, SIGINT]).map_err(cannot)?;
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(args.run) {
        return Err(Error::internal("the run that wanted this command has ended"));
    }
    let mut child = start(&args.command).map_err(cannot)?;
    let ending = Arc::new(Mutex::new(()));
    end_with_the_run(signals, &child, Arc::clone(&ending));
    let status = child.wait().map_err(cannot)?;
    // The command is the first to be killed, and this process must not go before the last is.
    let _until_all_are = ending.lock().unwrap_or_else(PoisonError::into_inner);
    end_as(status)
}

/// The last word is what the shell calls itself in messages.
fn start(command: &str) -> std::io::Result<Child> {
    Command::new("/bin/sh").args(["-e", "-u", "-c", command, "step"]).spawn()
}

fn end_with_the_run(mut signals: Signals, child: &Child, ending: Arc<Mutex<()>>) {
    let Some(child) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    std::thread::spawn(move || {
        if signals.forever().any(|signal| signal == SIGTERM) {
            let _ending = ending.lock().unwrap_or_else(PoisonError::into_inner);
            kill_tree(child);
        }
    });
}

/// Ends this process as the command ended, so that whoever waits for it sees no difference.
fn end_as(status: ExitStatus) -> Result<Exit> {
    match (status.code(), status.signal()) {
        (Some(code), _) => std::process::exit(code),
        (None, Some(signal)) if signal == Signal::KILL.as_raw() => {
            let _ = kill_process(getpid(), Signal::KILL);
        }
        (None, Some(signal)) => {
            let _ = emulate_default_handler(signal);
        }
        (None, None) => {}
    }
    Err(Error::internal(format!("the command ended with {status}")))
}
