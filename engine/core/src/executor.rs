//! Where an action runs: in this process, in one that serves many, or in one of its own.

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::action::Cost;
use crate::child::{ChildMessage, Heard, Order, Process};
use crate::digest::Key;
use crate::event::Progress;
use crate::exec::{self, ExecError, Executed, Failure, Runner};
use crate::files::{self, At};
use crate::store::Store;

/// How long a child that is told to stop may take before it is made to: long enough for the checkpoint of a large model.
pub const GRACE: Duration = Duration::from_secs(60);
/// Tells a child who waits for it: one whose parent is another process by then ends at once.
pub const PARENT: &str = "MIXMAKE_PARENT";

/// How an execution ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// Set once to stop everything.
#[derive(Debug, Default)]
pub struct Cancel {
    flag: AtomicBool,
}

impl Cancel {
    pub fn set(&self) {
        self.flag.store(true, Ordering::SeqCst);
    }

    #[must_use]
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }
}

/// Starts actions; the scheduler decides which and when.
pub trait Executor: Sync {
    /// Runs the action whose request is stored. `device` is the place in its pool, if it has one.
    fn execute(
        &self,
        key: Key,
        work: &Work,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Executed, Ended>;
}

/// How to run one action; nothing that decides its output.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub cost: Cost,
    /// Run even if a result is there: its bytes are not.
    pub force: bool,
    /// Which device of its pool it may use.
    pub device: Option<usize>,
    /// Whether other [`Cost::Heavy`] actions of the run are still to start, so that a process may wait for one.
    pub more: bool,
    /// Threads that a [`Cost::Heavy`] action may keep busy; it decides no output.
    pub threads: usize,
}

/// Light actions here, others in processes of this program: `exec --serve` for one after the other, `exec KEY` for one alone.
pub struct LocalExecutor<'a> {
    pub store: Store,
    pub runner: &'a dyn Runner,
    /// This program, started as `PROGRAM exec --store DIR` with a key or `--serve`.
    pub program: PathBuf,
    /// Name and version, for receipts.
    pub version: String,
    /// Variables for the processes it starts: advice, nothing that a key knows of.
    pub environment: Vec<(String, String)>,
    /// How long a child that is told to stop may take before it is made to; [`GRACE`] but for tests.
    pub grace: Duration,
    /// Processes that wait for an action; none at first.
    pub idle: Idle,
}

/// Processes that have done an action and can do another: starting one anew, and what it loads and warms up, takes longer
/// than many an action.
#[derive(Debug, Default)]
pub struct Idle(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    processes: Vec<Process>,
    /// Nothing is left for them to wait for.
    closed: bool,
    /// Actions under way that are to have the machine without them.
    alone: usize,
}

impl Idle {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that worked last: its memory is the warmest.
    fn take(&self) -> Option<Process> {
        self.waiting().processes.pop()
    }

    /// Keeps a process, or ends it.
    fn keep(&self, process: Process) {
        let mut waiting = self.waiting();
        if !waiting.closed && waiting.alone == 0 {
            waiting.processes.push(process);
        } else {
            // It is waited for, and not under the lock.
            drop(waiting);
            drop(process);
        }
    }

    /// Ends those that wait, and from now on all whose action ends.
    fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        let ended = std::mem::take(&mut waiting.processes);
        drop(waiting);
        // Not under the lock: each is waited for.
        drop(ended);
    }

    /// Ends those that wait, and keeps none until the guard is dropped.
    fn without(&self) -> Alone<'_> {
        let mut waiting = self.waiting();
        waiting.alone += 1;
        let ended = std::mem::take(&mut waiting.processes);
        drop(waiting);
        drop(ended);
        Alone(self)
    }
}

/// While there is one, no process waits.
struct Alone<'i>(&'i Idle);

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.0.waiting().alone -= 1;
    }
}

impl Executor for LocalExecutor<'_> {
    fn execute(
        &self,
        key: Key,
        work: &Work,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Executed, Ended> {
        match work.cost {
            Cost::Light | Cost::Command => self.in_this_process(key, work, progress, cancel),
            Cost::Heavy => self.in_served_process(key, work, progress, cancel),
            Cost::Alone => self.in_process_of_its_own(key, work, progress, cancel),
        }
    }
}

impl LocalExecutor<'_> {
    fn in_this_process(
        &self,
        key: Key,
        work: &Work,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Executed, Ended> {
        let (runner, force) = (self.runner, work.force);
        match exec::execute(&self.store, key, runner, &self.version, force, progress, cancel) {
            // Whatever a command that was stopped says of it.
            Err(ExecError::Failed(_)) if cancel.is_set() => Err(Ended::Interrupted),
            Err(ExecError::Failed(failure)) if work.cost == Cost::Light => {
                self.log(key, &failure);
                Err(ExecError::Failed(failure).into())
            }
            other => Ok(other?),
        }
    }

    /// By a process that serves, an idle one if there is one.
    fn in_served_process(
        &self,
        key: Key,
        work: &Work,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Executed, Ended> {
        let order = Order { key, force: work.force, threads: work.threads };
        let waited = self.waited(&order);
        if !work.more {
            self.idle.close();
        }
        if let Some(mut process) = waited {
            let heard = self.listen(&mut process, progress, cancel)?;
            if heard.begun || heard.last.is_some() || cancel.is_set() {
                return self.conclude_served(key, process, heard, cancel);
            }
            // It was dying when the order came, and nobody has begun.
        }
        let mut process = self.serving(key)?;
        // Where it ended at once, listening says how.
        let _ = process.order(&order);
        let heard = self.listen(&mut process, progress, cancel)?;
        self.conclude_served(key, process, heard, cancel)
    }

    /// A process that waited, asked for an action.
    fn waited(&self, order: &Order) -> Option<Process> {
        while let Some(mut process) = self.idle.take() {
            // One that has died meanwhile is no loss.
            if process.order(order).is_ok() {
                return Some(process);
            }
        }
        None
    }

    /// A new process that serves; what it says before an order is said of `key`.
    fn serving(&self, key: Key) -> Result<Process, ExecError> {
        let mut command = self.command();
        command.arg("--serve");
        let process = Process::serving(command, self.log_of(key)?);
        Ok(process.at("start", &self.program)?)
    }

    fn listen(
        &self,
        process: &mut Process,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Heard, ExecError> {
        let heard = process.listen(progress, cancel, self.grace);
        Ok(heard.at("wait for", &self.program)?)
    }

    fn conclude_served(
        &self,
        key: Key,
        process: Process,
        heard: Heard,
        cancel: &Cancel,
    ) -> Result<Executed, Ended> {
        if heard.status.is_none() && matches!(heard.last, Some(ChildMessage::Done { .. })) {
            self.idle.keep(process);
        }
        self.conclude(key, heard, cancel)
    }

    fn in_process_of_its_own(
        &self,
        key: Key,
        work: &Work,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Executed, Ended> {
        // What comes may need all memory, and for long.
        let _alone = self.idle.without();
        let mut command = self.command();
        command.arg(key.to_hex());
        if work.force {
            command.arg("--force");
        }
        if let Some(device) = work.device {
            command.env("MIXMAKE_DEVICE", device.to_string());
        }
        let process = Process::alone(command, self.log_of(key)?).at("start", &self.program);
        let mut process = process.map_err(ExecError::from)?;
        let heard = self.listen(&mut process, progress, cancel)?;
        self.conclude(key, heard, cancel)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("exec").arg("--store").arg(self.store.root());
        command.env(PARENT, std::process::id().to_string());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// An action's log, to append to: whoever gets its lease empties it first.
    fn log_of(&self, key: Key) -> Result<File, ExecError> {
        let log = self.store.log_path(key);
        files::ensure_parent(&log)?;
        Ok(OpenOptions::new().create(true).append(true).open(&log).at("write", &log)?)
    }

    /// What an action of this process would have said to its log.
    fn log(&self, key: Key, failure: &Failure) {
        let hint = failure.hint.as_ref().map_or(String::new(), |hint| format!("help: {hint}\n"));
        let text = format!("error: {failure}\n{hint}");
        let _ = files::write_undurably(&self.store.log_path(key), text.as_bytes());
    }

    fn conclude(&self, key: Key, heard: Heard, cancel: &Cancel) -> Result<Executed, Ended> {
        if cancel.is_set() && !matches!(heard.last, Some(ChildMessage::Done { .. })) {
            return Err(Ended::Interrupted);
        }
        Err(Ended::Exec(match heard.last {
            Some(ChildMessage::Done { ran }) => {
                if let Some(result) = self.store.result(key).map_err(ExecError::from)? {
                    return Ok(Executed { result, ran });
                }
                Failure::new("the action ended well, but its result is not in the store").into()
            }
            Some(ChildMessage::Held { holder }) => ExecError::Held(holder),
            Some(ChildMessage::DamagedInput { digest }) => ExecError::DamagedInput(digest),
            Some(ChildMessage::Failed { failure, hint }) => {
                ExecError::Failed(Failure { message: failure, hint })
            }
            Some(ChildMessage::Begun | ChildMessage::Progress { .. }) | None => {
                let how = heard.status.map_or("unknown".into(), |status| status.to_string());
                let message = format!("its process ended without a word ({how})");
                let hint = match heard.status.and_then(|status| status.signal()) {
                    Some(9) => "the kernel may have run out of memory, or somebody killed it",
                    _ => "its log says more; this should not happen, please report it",
                };
                Failure::new(message).hint(hint).into()
            }
        }))
    }
}
