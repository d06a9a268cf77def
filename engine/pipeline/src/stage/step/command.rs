//! The process of a step: its environment, its log, and its end, asked for or not.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mixmake_core::exec::{Failure, Job};
use mixmake_core::executor::Cancel;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::{Spec, keeper};
use crate::processes::kill_tree;

/// What every command sees of the environment, besides what the manifest sets and passes. Their
/// values are in no key: they say where programs and temporary files are, not what to make.
const INHERITED: [&str; 5] = ["PATH", "HOME", "USER", "LOGNAME", "TMPDIR"];
/// What every command sees unless the manifest says otherwise: the same order and the same time
/// everywhere.
const FIXED: [(&str, &str); 2] = [("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];
/// How much of the log's end is read for a message.
const TAIL_BYTES: u64 = 4096;
/// How soon a stopped run stops its commands.
const CANCEL_POLL: Duration = Duration::from_millis(50);

/// Runs the command in `folder` until it ends or the run is cancelled.
pub fn run(job: &Job<'_>, spec: &Spec, folder: &Path) -> Result<(), Failure> {
    let mut child = spawn(job, spec, folder)?;
    let _kept = keeper::keep(child.id());
    let status = wait(&mut child, job.cancel);
    let status = status.map_err(|error| Failure::new(format!("cannot wait for it: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(status, &job.log)) }
}

fn spawn(job: &Job<'_>, spec: &Spec, folder: &Path) -> Result<Child, Failure> {
    let cannot = |error| Failure::new(format!("cannot write `{}`: {error}", job.log.display()));
    if let Some(parent) = job.log.parent() {
        fs::create_dir_all(parent).map_err(cannot)?;
    }
    let log = File::create(&job.log).map_err(cannot)?;
    keeper::prepare();
    let mut command = Command::new("/bin/sh");
    // The last word is what the shell calls itself in messages.
    command.args(["-e", "-u", "-c", &spec.run, "step"]).current_dir(folder);
    command.env_clear().envs(FIXED);
    let passed = spec.pass_environment.iter().map(String::as_str).chain(INHERITED);
    command.envs(passed.filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.envs(&spec.environment);
    command.stdin(Stdio::null());
    command.stdout(log.try_clone().map_err(cannot)?).stderr(log);
    command.spawn().map_err(|error| Failure::new(format!("cannot start `/bin/sh`: {error}")))
}

/// Waits without reaping first, so that whoever cancels can only meet this very process.
fn wait(child: &mut Child, cancel: &Cancel) -> std::io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else { return child.wait() };
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) {
                if cancel.is_set() {
                    kill_tree(pid);
                }
                std::thread::park_timeout(CANCEL_POLL);
            }
        });
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        ended.store(true, Ordering::SeqCst);
        watch.thread().unpark();
    });
    child.wait()
}

fn failed(status: ExitStatus, log: &Path) -> Failure {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("its command ended with exit status {code}"),
        (None, Some(signal)) => format!("its command was killed by signal {signal}"),
        (None, None) => format!("its command ended badly ({status})"),
    };
    match last_line(log) {
        Some(line) => Failure::new(format!("{how}: {line}")),
        None => Failure::new(format!("{how} and said nothing")),
    }
}

/// The last line of the log that says something.
fn last_line(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let line = tail.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim().chars().filter(|letter| !letter.is_control()).take(400).collect())
}
