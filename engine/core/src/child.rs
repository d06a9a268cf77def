//! A process of this program that runs actions: starting it, talking with it, stopping it. Knows messages and processes,
//! not what an action is.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
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
pub(crate) struct Heard {
    /// The last message, where it is not progress.
    pub last: Option<ChildMessage>,
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
    /// Starts a process that runs one action and ends. What it says on standard error is appended to `log`: whoever gets
    /// the action's lease empties it first.
    pub fn alone(mut command: Command, log: &Path) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        Self::spawn(command.stdin(Stdio::null()).stderr(log))
    }

    /// Starts a process that serves one action after the other. It says nothing but in answer to an order.
    pub fn serving(mut command: Command) -> io::Result<Self> {
        Self::spawn(command.stdin(Stdio::piped()).stderr(Stdio::null()))
    }

    fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
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
        let (child, serves, messages) = (&self.child, self.orders.is_some(), &mut self.messages);
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| stop_when_cancelled(child, cancel, &ended, grace));
            let last = messages.as_mut().and_then(|lines| follow(lines, serves, progress));
            let status = if serves && last.is_some() { Ok(None) } else { wait(child).map(Some) };
            ended.store(true, Ordering::SeqCst);
            watch.thread().unpark();
            Ok(Heard { last, status: status? })
        })
    }
}

/// One that serves has nothing left to do; others have ended.
impl Drop for Process {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.get_mut().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

/// Passes progress on; gives the last message that is not progress, or at once the first where more actions may follow.
fn follow(
    lines: &mut impl BufRead,
    serves: bool,
    progress: &mut dyn FnMut(Progress),
) -> Option<ChildMessage> {
    let mut last = None;
    for line in lines.lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(ChildMessage::Progress { progress: step }) => progress(step),
            Ok(message) => last = Some(message),
            Err(_) => tracing::debug!("not a message: {line}"),
        }
        if serves && last.is_some() {
            break;
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
