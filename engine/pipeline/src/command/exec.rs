//! `exec KEY`: one action from its request, in this process; messages as JSON lines on standard
//! output, whatever the action says on standard error.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::sync::Arc;

use mixmake_core::exec::{ExecError, execute};
use mixmake_core::executor::{Cancel, ChildMessage, PARENT};
use mixmake_core::record::{self, Request};
use mixmake_core::{Key, Store};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::run::VERSION;
use crate::cli::{Exec, Global};
use crate::error::{Error, Exit, Result};
use crate::runner::Stages;
use crate::stage::train;
use crate::workspace::{existing_store, gpu_count};

/// The binary that links libtorch, beside this one.
const TRAINER: &str = "mixmake-trainer";

pub fn run(global: &Global, args: &Exec, stages: &Stages) -> Result<Exit> {
    let key: Key = args.key.parse().map_err(|error| Error::usage(format!("{error}")))?;
    die_with_parent()?;
    let store = existing_store(global, None)?;
    if stages.train.is_none() && is_training(&store, key) {
        become_trainer();
    }
    let mut progress = |progress| send(&ChildMessage::Progress { progress });
    let cancel = if stages.train.is_some() { stop_on_signals()? } else { Arc::default() };
    let ended = execute(&store, key, stages, VERSION, args.force, &mut progress, &cancel);
    let message = match ended {
        Ok(executed) => ChildMessage::Done { ran: executed.ran },
        Err(ExecError::Held(holder)) => ChildMessage::Held { holder },
        Err(ExecError::DamagedInput(digest)) => ChildMessage::DamagedInput { digest },
        Err(ExecError::Failed(failure)) => {
            log(&failure.message);
            ChildMessage::Failed { failure: failure.message, hint: failure.hint }
        }
        Err(other) => {
            let error = match other {
                ExecError::Store(error) => Error::from(error),
                other => Error::internal(other.to_string()),
            };
            log(&error.message);
            ChildMessage::Failed { failure: error.message, hint: error.hint }
        }
    };
    let success = matches!(message, ChildMessage::Done { .. });
    send(&message);
    Ok(if success { Exit::Success } else { Exit::ActionFailed })
}

/// A training writes a checkpoint before it stops, whoever asks it to: the run, Slurm, or a terminal's Ctrl-C, which
/// reaches all of its processes. Asked twice, it stops at once, unless there is a run: its signal may follow the
/// terminal's, and whether to be patient is for it to say. Other actions have nothing to keep, and just end.
fn stop_on_signals() -> Result<Arc<Cancel>> {
    let cancel = Arc::<Cancel>::default();
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Error::internal(format!("cannot watch signals: {error}")))?;
    let has_run = std::env::var_os(PARENT).is_some();
    std::thread::spawn({
        let cancel = Arc::clone(&cancel);
        move || {
            for signal in signals.forever() {
                if cancel.is_set() && !has_run {
                    std::process::exit(128 + signal);
                }
                cancel.set();
            }
        }
    });
    Ok(cancel)
}

/// A killed `run` must not leave trainings behind that nobody waits for; nor may it have been killed before this.
fn die_with_parent() -> Result<()> {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let parent = std::env::var(PARENT).ok().and_then(|parent| parent.parse().ok());
    let present = getppid().map(|parent| parent.as_raw_nonzero().get());
    match parent {
        Some(parent) if present != Some(parent) => {
            Err(Error::internal("the run that started this action has ended"))
        }
        _ => Ok(()),
    }
}

/// To the action's log, which may lie on the very disk that is full: then the message has to do.
fn log(message: &str) {
    let _ = writeln!(std::io::stderr(), "error: {message}");
}

fn send(message: &ChildMessage) {
    if let Ok(line) = serde_json::to_string(message) {
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

fn is_training(store: &Store, key: Key) -> bool {
    let bytes = std::fs::read(store.request_path(key)).unwrap_or_default();
    record::decode::<Request>(&bytes).is_ok_and(|request| request.kind == train::KIND.name)
}

/// Replaces this process by the binary that can train; comes back only where there is none, and
/// the runner says so.
fn become_trainer() {
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = std::process::Command::new(program.with_file_name(TRAINER));
    command.args(std::env::args_os().skip(1));
    if let Some(device) = device() {
        command.env("CUDA_VISIBLE_DEVICES", device);
    }
    let error = command.exec();
    tracing::debug!("cannot start {TRAINER}: {error}");
}

/// The GPU at the place that the scheduler gave, among those that are visible; where several runs
/// share a GPU, there are more places than GPUs.
fn device() -> Option<String> {
    let place: usize = std::env::var("MIXMAKE_DEVICE").ok()?.parse().ok()?;
    let place = place % gpu_count().max(1);
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let device = visible.split(',').nth(place).filter(|device| !device.is_empty());
    Some(device.map_or_else(|| place.to_string(), ToOwned::to_owned))
}
