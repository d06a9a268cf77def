//! Who holds a lease, and whether that process is still there.

use std::fs;
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::files;
use crate::record::Record;
use crate::sys;

/// A process that holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub host: String,
    /// One start of one machine, one table of processes: where `pid` means something. Empty where the
    /// system does not say.
    #[serde(default)]
    pub machine: String,
    pub pid: u32,
    /// Start time of the process, so that a reused pid is not mistaken for it.
    pub process_start: u64,
    pub target: String,
    /// When it began, in seconds since 1970 by its own clock.
    #[serde(default)]
    pub since: u64,
}

impl Record for Holder {
    const MAGIC: &'static str = "mixmake-lease 1";
}

impl Holder {
    #[must_use]
    pub fn this_process(target: &str) -> Self {
        let pid = std::process::id();
        Self {
            host: files::host(),
            machine: machine().to_owned(),
            pid,
            process_start: process_start(pid).unwrap_or(0),
            target: target.to_owned(),
            since: sys::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        }
    }

    /// One of which nothing can be read (yet).
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            host: "unknown".into(),
            machine: String::new(),
            pid: 0,
            process_start: 0,
            target: String::new(),
            since: 0,
        }
    }

    /// Whether it is a process of this machine that has ended. Of others nobody here can say.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.is_local() && process_start(self.pid) != Some(self.process_start)
    }

    pub(crate) fn is_local(&self) -> bool {
        !self.machine.is_empty() && self.host == files::host() && self.machine == machine()
    }
}

/// The machine's start and this process's table of processes: a restarted machine, or a container
/// with the same host name, counts its processes anew.
fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let processes = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let text = format!("{}{}", boot.trim(), processes.display());
        if text.is_empty() { text } else { crate::Digest::of(text.as_bytes()).short() }
    })
}

/// Clock ticks after boot at which a process started; `None` if there is no such process or it has
/// ended and only waits for its parent to take note.
fn process_start(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold anything; the 3rd is the state, the 22nd
    // the start.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_zombie_is_gone() {
        let mut child = Command::new("true").spawn().expect("started");
        let is_zombie = || {
            let stat =
                fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("not reaped");
            stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
        };
        while !is_zombie() {
            std::thread::yield_now();
        }
        assert_eq!(process_start(child.id()), None);
        child.wait().expect("reaped");
        assert!(!Holder::this_process("a").is_gone());
    }
}
