//! `exec KEY`: one action from its request, in this process; messages as JSON lines on standard
//! output, whatever the action says on standard error. `exec --serve`: the actions that standard input asks for.

use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use mixmake_core::child::{ChildMessage, Order};
use mixmake_core::exec::{ExecError, execute};
use mixmake_core::executor::{Cancel, PARENT};
use mixmake_core::files;
use mixmake_core::record::{self, Request};
use mixmake_core::{Key, Store};
use rayon::{ThreadPool, ThreadPoolBuilder};
use rustix::process::{Signal, getpid, getppid, kill_process, set_parent_process_death_signal};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::run::VERSION;
use crate::cli::{Exec, Global};
use crate::error::{Error, Exit, Result};
use crate::runner::Stages;
use crate::stage::train;
use crate::workspace::{existing_store, gpu_count, threads};

/// The binary that links libtorch, beside this one.
const TRAINER: &str = "mixmake-trainer";

pub fn run(global: &Global, args: &Exec, stages: &Stages) -> Result<Exit> {
    match &args.key {
        Some(key) => alone(global, key, args.force, stages),
        None => serve(global, stages),
    }
}

fn alone(global: &Global, key: &str, force: bool, stages: &Stages) -> Result<Exit> {
    let key: Key = key.parse().map_err(|error| Error::usage(format!("{error}")))?;
    die_with_parent()?;
    let store = existing_store(global, None)?;
    if stages.train.is_none() && is_training(&store, key) {
        become_trainer();
    }
    let cancel = if stages.train.is_some() { stop_on_signals()? } else { Arc::default() };
    let message = act(&store, key, force, stages, &cancel);
    let success = matches!(message, ChildMessage::Done { .. });
    send(&message);
    Ok(if success { Exit::Success } else { Exit::ActionFailed })
}

/// Until standard input ends. What actions load and warm up serves those that follow.
fn serve(global: &Global, stages: &Stages) -> Result<Exit> {
    let store = existing_store(global, None)?;
    let (orders, received) = mpsc::channel();
    let working = Arc::new(Mutex::new(false));
    std::thread::spawn({
        let working = Arc::clone(&working);
        move || receive(&orders, &working)
    });
    let mut pool = None;
    for order in received {
        send(&ChildMessage::Begun);
        let obey = || act(&store, order.key, order.force, stages, &Cancel::default());
        let message = match say_to(&store, order.key) {
            // More than the machine has would do nothing but harm.
            Ok(()) => on_threads(&mut pool, order.threads.min(threads()), obey),
            Err(error) => ChildMessage::Failed { failure: error.message, hint: error.hint },
        };
        *locked(&working) = false;
        send(&message);
    }
    Ok(Exit::Success)
}

/// Within a pool of so many threads, which is kept while the number stays; where none can be made, with those there are.
fn on_threads<T: Send>(
    kept: &mut Option<ThreadPool>,
    threads: usize,
    work: impl FnOnce() -> T + Send,
) -> T {
    if kept.as_ref().is_none_or(|pool| pool.current_num_threads() != threads) {
        *kept = ThreadPoolBuilder::new().num_threads(threads).build().ok();
    }
    match kept {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// Passes orders on. Where there can be no more, the run has ended: nobody waits for what this process is doing.
fn receive(orders: &mpsc::Sender<Order>, working: &Mutex<bool>) {
    for line in std::io::stdin().lock().lines().map_while(std::io::Result::ok) {
        let Ok(order) = serde_json::from_str(&line) else { break };
        *locked(working) = true;
        if orders.send(order).is_err() {
            return;
        }
    }
    let working = locked(working);
    if *working {
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

fn locked(working: &Mutex<bool>) -> MutexGuard<'_, bool> {
    working.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Appends standard error to the log of an action from now on: whoever gets its lease empties it first.
fn say_to(store: &Store, key: Key) -> Result<()> {
    let path = store.log_path(key);
    let failed = |error: std::io::Error| {
        Error::internal(format!("cannot write `{}`: {error}", path.display()))
    };
    files::ensure_parent(&path).map_err(|error| Error::internal(error.to_string()))?;
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    rustix::stdio::dup2_stderr(&log).map_err(|error| failed(error.into()))
}

/// Runs one action; says how it ended.
fn act(store: &Store, key: Key, force: bool, stages: &Stages, cancel: &Cancel) -> ChildMessage {
    let mut progress = |progress| send(&ChildMessage::Progress { progress });
    let ended = execute(store, key, stages, VERSION, force, &mut progress, cancel);
    match ended {
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
    }
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
