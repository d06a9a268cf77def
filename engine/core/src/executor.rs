//! Where an action runs: in this process, or as `exec KEY` in one of its own.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::action::Cost;
use crate::digest::Key;
use crate::event::Progress;
use crate::exec::{self, ExecError, Executed, Failure, Runner};
use crate::files::{self, At};
use crate::lease::Holder;
use crate::store::Store;

/// How long a child that is told to stop may take before it is made to: long enough for the checkpoint of a large model.
pub const GRACE: Duration = Duration::from_secs(60);
/// How often it is asked whether to stop, and whether a child has ended.
const POLL: Duration = Duration::from_millis(20);
/// Tells a child who waits for it: one whose parent is another process by then ends at once.
pub const PARENT: &str = "MIXMAKE_PARENT";

/// What a process running `exec` writes to standard output, an object a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "message")]
pub enum ChildMessage {
    Progress {
        progress: Progress,
    },
    Held {
        holder: Holder,
    },
    /// An input was damaged: it is moved aside, and whoever made it must run again.
    DamagedInput {
        digest: crate::digest::Digest,
    },
    Failed {
        failure: String,
        hint: Option<String>,
    },
    /// The result is in the store; `ran` is false where it was there before.
    Done {
        ran: bool,
    },
}

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
}

/// Light actions here, heavy ones as processes of this program.
pub struct LocalExecutor<'a> {
    pub store: Store,
    pub runner: &'a dyn Runner,
    /// This program, started as `PROGRAM exec KEY --store DIR`.
    pub program: PathBuf,
    /// Name and version, for receipts.
    pub version: String,
    /// Variables for the processes it starts: advice, nothing that a key knows of.
    pub environment: Vec<(String, String)>,
    /// How long a child that is told to stop may take before it is made to; [`GRACE`] but for tests.
    pub grace: Duration,
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
            Cost::Heavy => self.in_process_of_its_own(key, work, progress, cancel),
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

    fn in_process_of_its_own(
        &self,
        key: Key,
        work: &Work,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
    ) -> Result<Executed, Ended> {
        let mut child = self.spawn(key, work)?;
        let stdout = child.stdout.take();
        let child = Mutex::new(child);
        let ended = AtomicBool::new(false);
        let (last, status) = std::thread::scope(|scope| {
            let watch = scope.spawn(|| stop_when_cancelled(&child, cancel, &ended, self.grace));
            let last = stdout.and_then(|stdout| follow(BufReader::new(stdout), progress));
            let status = wait(&child);
            ended.store(true, Ordering::SeqCst);
            watch.thread().unpark();
            (last, status)
        });
        let status = status.at("wait for", &self.program).map_err(ExecError::from)?;
        if cancel.is_set() && !status.success() {
            return Err(Ended::Interrupted);
        }
        self.conclude(key, last, status)
    }

    fn spawn(&self, key: Key, work: &Work) -> Result<Child, Ended> {
        let log = self.store.log_path(key);
        files::ensure_parent(&log).map_err(ExecError::from)?;
        // Appended to: whoever gets the lease empties it first.
        let log = OpenOptions::new().create(true).append(true).open(&log).at("write", &log);
        let log = log.map_err(ExecError::from)?;
        let mut command = Command::new(&self.program);
        command.arg("exec").arg(key.to_hex()).arg("--store").arg(self.store.root());
        command.env(PARENT, std::process::id().to_string());
        if work.force {
            command.arg("--force");
        }
        if let Some(device) = work.device {
            command.env("MIXMAKE_DEVICE", device.to_string());
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        Ok(command.spawn().at("start", &self.program).map_err(ExecError::from)?)
    }

    /// What an action of this process would have said to its log.
    fn log(&self, key: Key, failure: &Failure) {
        let hint = failure.hint.as_ref().map_or(String::new(), |hint| format!("help: {hint}\n"));
        let text = format!("error: {failure}\n{hint}");
        let _ = files::write_undurably(&self.store.log_path(key), text.as_bytes());
    }

    fn conclude(
        &self,
        key: Key,
        last: Option<ChildMessage>,
        status: ExitStatus,
    ) -> Result<Executed, Ended> {
        Err(Ended::Exec(match last {
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
            Some(ChildMessage::Progress { .. }) | None => {
                let message = format!("its process ended without a word ({status})");
                let hint = match status.signal() {
                    Some(9) => "the kernel may have run out of memory, or somebody killed it",
                    _ => "its log says more; this should not happen, please report it",
                };
                Failure::new(message).hint(hint).into()
            }
        }))
    }
}

/// Passes progress on; gives the last message that is not progress.
fn follow(lines: impl BufRead, progress: &mut dyn FnMut(Progress)) -> Option<ChildMessage> {
    let mut last = None;
    for line in lines.lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(ChildMessage::Progress { progress: step }) => progress(step),
            Ok(message) => last = Some(message),
            Err(_) => tracing::debug!("not a message: {line}"),
        }
    }
    last
}

fn locked(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits without keeping the child from whoever stops it.
fn wait(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    let mut pause = Duration::from_micros(100);
    loop {
        if let Some(status) = locked(child).try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(POLL);
    }
}

fn stop_when_cancelled(child: &Mutex<Child>, cancel: &Cancel, ended: &AtomicBool, grace: Duration) {
    let has_ended = || ended.load(Ordering::SeqCst);
    while !has_ended() && !cancel.is_set() {
        std::thread::park_timeout(POLL);
    }
    if !has_ended() {
        terminate(&mut locked(child));
    }
    let asked = Instant::now();
    while !has_ended() && asked.elapsed() < grace {
        std::thread::park_timeout(POLL);
    }
    if !has_ended() {
        let _ = locked(child).kill();
    }
}

/// Asks a child to stop; one that has ended is not taken for another process of its number.
fn terminate(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Ok(None), Some(pid)) = (child.try_wait(), pid) {
        let _ = kill_process(pid, Signal::TERM);
    }
}
