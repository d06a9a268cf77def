//! `exec KEY`: one action from its request, in this process; messages as JSON lines on standard
//! output, whatever the action says on standard error.

use std::io::Write;

use mixmake_core::Key;
use mixmake_core::exec::{ExecError, execute};
use mixmake_core::executor::ChildMessage;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::run::VERSION;
use crate::cli::{Exec, Global};
use crate::error::{Error, Exit, Result};
use crate::runner::Stages;
use crate::workspace::open_store;

pub fn run(global: &Global, args: &Exec) -> Result<Exit> {
    let key: Key = args.key.parse().map_err(|error| Error::usage(format!("{error}")))?;
    // A killed `run` must not leave trainings behind that nobody waits for.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    choose_device();
    let store = open_store(global, None)?;
    let mut progress = |progress| send(&ChildMessage::Progress { progress });
    let ended = execute(&store, key, &Stages, VERSION, args.force, &mut progress);
    let message = match ended {
        Ok(_) => ChildMessage::Done,
        Err(ExecError::Held(holder)) => ChildMessage::Held { holder },
        Err(ExecError::DamagedInput(digest)) => ChildMessage::DamagedInput { digest },
        Err(ExecError::Failed(failure)) => {
            eprintln!("error: {failure}");
            ChildMessage::Failed { failure: failure.message, hint: failure.hint }
        }
        Err(other) => {
            let error = match other {
                ExecError::Store(error) => Error::from(error),
                other => Error::internal(other.to_string()),
            };
            eprintln!("error: {}", error.message);
            ChildMessage::Failed { failure: error.message, hint: error.hint }
        }
    };
    let success = matches!(message, ChildMessage::Done);
    send(&message);
    Ok(if success { Exit::Success } else { Exit::ActionFailed })
}

fn send(message: &ChildMessage) {
    if let Ok(line) = serde_json::to_string(message) {
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

/// The scheduler gives a place among the GPUs; libtorch must see that one only, and reads the
/// variable when it first looks for a GPU, which is later than this.
fn choose_device() {
    let Ok(place) = std::env::var("MIXMAKE_DEVICE") else { return };
    let Ok(place) = place.parse::<usize>() else { return };
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let device = visible.split(',').nth(place).filter(|device| !device.is_empty());
    let device = device.map_or_else(|| place.to_string(), ToOwned::to_owned);
    restart_with_device(&device);
}

/// Setting a variable of a running process is unsafe where threads may read it; a fresh process
/// is not.
fn restart_with_device(device: &str) {
    use std::os::unix::process::CommandExt;
    let Ok(program) = std::env::current_exe() else { return };
    let error = std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .env_remove("MIXMAKE_DEVICE")
        .env("CUDA_VISIBLE_DEVICES", device)
        .exec();
    tracing::warn!("cannot restart on device {device}: {error}");
}
