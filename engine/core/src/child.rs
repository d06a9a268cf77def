//! A process of this program that runs actions: starting it, talking with it, stopping it. Knows messages and processes,
//! not what an action is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::digest::Key;
use crate::event::Progress;
use crate::executor::Cancel;
use crate::lease::Holder;

/// How often a child is asked whether to stop, and whether it has ended.
const POLL: Duration = Duration::from_millis(20);
/// How long a child with nothing to do may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a process that serves is asked for: an object a line, on its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub key: Key,
    /// Run even if a result is there.
    pub force: bool,
    /// Threads that the action may keep busy.
    pub threads: usize,
}

/// What a process that runs actions writes to standard output, an object a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "message")]
pub enum ChildMessage {
    /// An order has come, from a process that serves.
    Begun,
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

/// What is heard of one action.
#[derive(Default)]
pub(crate) struct Heard {
    /// How the action ended, where the process said so.
    pub last: Option<ChildMessage>,
    /// Whether it said anything before.
    pub begun: bool,
    /// How the process ended, where it did.
    pub status: Option<ExitStatus>,
}

/// A running process of this program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Mutex<Child>,
    /// Of one that serves; closing it ends the process.
    orders: Option<ChildStdin>,
    messages: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts a process that runs one action and ends. What it says on standard error goes to `log`.
    pub fn alone(mut command: Command, log: File) -> io::Result<Self> {
        Self::spawn(command.stdin(Stdio::null()), log)
    }

    /// Starts a process that serves one action after the other. Until the first one, of which `log` is, it says nothing but
    /// why it cannot serve; then each action's log is its own to find.
    pub fn serving(mut command: Command, log: File) -> io::Result<Self> {
        Self::spawn(command.stdin(Stdio::piped()), log)
    }

    fn spawn(command: &mut Command, log: File) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn()?;
        let (orders, messages) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        Ok(Self { child: Mutex::new(child), orders, messages })
    }

    /// Asks for an action. Errors: it has ended, and did nothing of it.
    pub fn order(&mut self, order: &Order) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(&line)
    }

    /// Listens until the action is over: the process says so where it serves, and ends where it does not. Where `cancel`
    /// is set it is told to stop, and made to after `grace`.
    pub fn listen(
        &mut self,
        progress: &mut dyn FnMut(Progress),
        cancel: &Cancel,
        grace: Duration,
    ) -> io::Result<Heard> {
        let (child, orders, messages) = (&self.child, &mut self.orders, &mut self.messages);
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| stop_when_cancelled(child, cancel, &ended, grace));
            let serves = orders.is_some();
            let lines = messages.as_mut();
            let mut heard =
                lines.map_or_else(Heard::default, |lines| follow(lines, serves, progress));
            let mut status = Ok(None);
            if !serves || heard.last.is_none() {
                // One that serves and no longer speaks has ended, or else ends by this.
                *orders = None;
                status = wait(child).map(Some);
            }
            ended.store(true, Ordering::SeqCst);
            watch.thread().unpark();
            heard.status = status?;
            Ok(heard)
        })
    }
}

/// One that serves has nothing left to do, so it ends soon, unless it is stopped or hangs; others have ended.
impl Drop for Process {
    fn drop(&mut self) {
        self.orders = None;
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let asked = Instant::now();
        while matches!(child.try_wait(), Ok(None)) {
            if asked.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Passes progress on; gives the last message that is not progress, or at once the first where more actions may follow.
fn follow(lines: &mut impl BufRead, serves: bool, progress: &mut dyn FnMut(Progress)) -> Heard {
    let (mut heard, mut line) = (Heard::default(), Vec::new());
    // Any other line is some library's that the action uses.
    while matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
        match serde_json::from_slice(&line) {
            Ok(ChildMessage::Begun) => heard.begun = true,
            Ok(ChildMessage::Progress { progress: step }) => progress(step),
            Ok(message) => heard.last = Some(message),
            Err(_) => tracing::debug!("not a message: {}", String::from_utf8_lossy(&line)),
        }
        if serves && heard.last.is_some() {
            break;
        }
        line.clear();
    }
    heard
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
