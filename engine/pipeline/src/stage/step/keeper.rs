//! Tells `mixmake keep` which commands run, so that they end even if this process is killed. One such process a run,
//! started with its first command; without it commands run all the same.

use std::io::Write;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A command that is kept until this is dropped.
#[derive(Debug)]
pub struct Kept(u32);

/// Where to write, as soon as there is anybody to read.
fn pipe() -> Option<&'static Mutex<ChildStdin>> {
    static PIPE: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();
    PIPE.get_or_init(|| start().map(Mutex::new)).as_ref()
}

fn start() -> Option<ChildStdin> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.arg("keep").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = command.spawn();
    if let Err(error) = &started {
        tracing::debug!("commands will outlive a killed run: {error}");
    }
    started.ok()?.stdin
}

/// Starts the process that keeps commands, before there is one to keep.
pub fn prepare() {
    let _ = pipe();
}

/// From now on the process `pid` is to end with this one.
#[must_use]
pub fn keep(pid: u32) -> Kept {
    tell('+', pid);
    Kept(pid)
}

impl Drop for Kept {
    fn drop(&mut self) {
        tell('-', self.0);
    }
}

fn tell(sign: char, pid: u32) {
    let Some(pipe) = pipe() else { return };
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = pipe.write_all(format!("{sign}{pid}\n").as_bytes());
}
