//! Leases: one process at a time runs an action, without a lock that could outlive it.
//!
//! A lease is a file made by a hard link (atomic on NFS too) that says who holds it; the holder touches it
//! every few seconds. One that was not touched for [`EXPIRY`], or whose holder was a process of
//! this machine that is gone, may be taken over. Machines that share a store must agree on the
//! time within that span.
//!
//! A take-over that loses a race costs work done twice, never wrong results: every holder writes
//! to a folder of its own, asks before it commits whether the lease is still its own, and results
//! are written atomically under a key that decides them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::files::{self, At, FileError};

/// How often a holder touches its lease.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// After how long without a touch a lease is anybody's.
pub const EXPIRY: Duration = Duration::from_secs(60);

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub host: String,
    pub pid: u32,
    /// Start time of the process, so that a reused pid is not mistaken for it.
    pub process_start: u64,
    pub target: String,
}

impl Holder {
    #[must_use]
    pub fn this_process(target: &str) -> Self {
        let pid = std::process::id();
        let process_start = process_start(pid).unwrap_or(0);
        Self { host: files::host(), pid, process_start, target: target.to_owned() }
    }

    fn is_gone(&self) -> bool {
        self.host == files::host() && process_start(self.pid) != Some(self.process_start)
    }
}

/// Clock ticks after boot at which a process started; `None` if there is no such process.
fn process_start(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold anything; the 22nd is the start.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// A held lease; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    holder: Holder,
    released: Arc<AtomicBool>,
    heart: Option<JoinHandle<()>>,
}

impl Lease {
    /// Takes the lease at `path`, or says who has it.
    pub fn acquire(path: &Path, holder: &Holder) -> Result<Result<Self, Holder>, FileError> {
        files::ensure_parent(path)?;
        for _ in 0..3 {
            if create(path, holder)? {
                return Ok(Ok(Self::keep_alive(path, holder)));
            }
            match read(path)? {
                Some((present, age)) if !present.is_gone() && age < EXPIRY => {
                    return Ok(Err(present));
                }
                Some((present, _)) => take_away(path, &present)?,
                None => {}
            }
        }
        Ok(Err(read(path)?.map_or_else(|| holder.clone(), |(present, _)| present)))
    }

    fn keep_alive(path: &Path, holder: &Holder) -> Self {
        let released = Arc::new(AtomicBool::new(false));
        let heart = std::thread::spawn({
            let (path, holder, released) = (path.to_owned(), holder.clone(), Arc::clone(&released));
            move || beat(&path, &holder, &released)
        });
        Self { path: path.to_owned(), holder: holder.clone(), released, heart: Some(heart) }
    }

    /// Who has the lease now, if it is no longer this holder.
    pub fn lost_to(&self) -> Result<Option<Holder>, FileError> {
        let present = read(&self.path)?.map(|(holder, _)| holder);
        Ok(match present {
            Some(present) if present == self.holder => None,
            Some(other) => Some(other),
            None => Some(unknown()),
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.released.store(true, Ordering::Relaxed);
        if let Some(heart) = self.heart.take() {
            heart.thread().unpark();
            let _ = heart.join();
        }
        if is_own(&self.path, &self.holder) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn is_own(path: &Path, holder: &Holder) -> bool {
    read(path).is_ok_and(|present| present.is_some_and(|(present, _)| present == *holder))
}

fn beat(path: &Path, holder: &Holder, released: &AtomicBool) {
    while !released.load(Ordering::Relaxed) {
        std::thread::park_timeout(HEARTBEAT);
        if is_own(path, holder) {
            let touched = OpenOptions::new().append(true).open(path);
            let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
        }
    }
}

/// A holder of which nothing can be read (yet).
fn unknown() -> Holder {
    Holder { host: "unknown".into(), pid: 0, process_start: 0, target: String::new() }
}

/// Makes the lease, whole from its first instant: a hard link to a finished file, which fails if
/// the name is taken (on NFS too).
fn create(path: &Path, holder: &Holder) -> Result<bool, FileError> {
    let text = serde_json::to_vec(holder).map_err(io::Error::from).at("encode", path)?;
    let own = format!("new-{}-{}-{:?}", holder.host, holder.pid, std::thread::current().id());
    let whole = path.with_extension(own);
    fs::write(&whole, &text).at("write", &whole)?;
    let linked = fs::hard_link(&whole, path);
    files::remove_all(&whole)?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(_) => create_without_links(path, &text),
    }
}

/// For file systems without hard links.
fn create_without_links(path: &Path, text: &[u8]) -> Result<bool, FileError> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text).map(|()| true).at("write", path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).at("create", path),
    }
}

/// The holder and the time since the last touch. A lease that is being written reads as held.
pub fn read(path: &Path) -> Result<Option<(Holder, Duration)>, FileError> {
    let Some(bytes) = files::read_if_present(path)? else { return Ok(None) };
    let Ok(metadata) = fs::metadata(path) else { return Ok(None) };
    let modified = metadata.modified().at("stat", path)?;
    let age = SystemTime::now().duration_since(modified).unwrap_or_default();
    Ok(Some((serde_json::from_slice(&bytes).unwrap_or_else(|_| unknown()), age)))
}

/// Whether somebody holds the lease at `path` now.
pub fn is_held(path: &Path) -> Result<Option<Holder>, FileError> {
    Ok(read(path)?
        .filter(|(holder, age)| !holder.is_gone() && *age < EXPIRY)
        .map(|(holder, _)| holder))
}

/// Removes a dead lease by renaming it first: of several that try, one succeeds. If what was
/// renamed is not the dead one, somebody was quicker and it is put back.
fn take_away(path: &Path, dead: &Holder) -> Result<(), FileError> {
    let aside = path.with_extension(format!("expired-{}-{}", files::host(), std::process::id()));
    match fs::rename(path, &aside) {
        Ok(()) => {
            if !is_own(&aside, dead) {
                // Fails only where yet another lease was made meanwhile, which then stands.
                let _ = fs::hard_link(&aside, path);
            }
            files::remove_all(&aside)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).at("take over", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lease");
        let me = Holder::this_process("train/a");
        let held = Lease::acquire(&path, &me).expect("io").expect("free");
        assert_eq!(Lease::acquire(&path, &me).expect("io").expect_err("held"), me);
        drop(held);
        assert!(Lease::acquire(&path, &me).expect("io").is_ok());
    }

    #[test]
    fn the_lease_of_a_dead_process_is_taken_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lease");
        let me = Holder::this_process("train/a");
        let dead = Holder { process_start: me.process_start + 1, ..me.clone() };
        assert!(create(&path, &dead).expect("created"));
        assert!(Lease::acquire(&path, &me).expect("io").is_ok());
    }

    #[test]
    fn a_lost_lease_is_noticed_and_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lease");
        let me = Holder::this_process("train/a");
        let held = Lease::acquire(&path, &me).expect("io").expect("free");
        assert_eq!(held.lost_to().expect("read"), None);
        let successor = Holder { pid: me.pid + 1, ..me };
        fs::write(&path, serde_json::to_vec(&successor).expect("encoded")).expect("replaced");
        assert_eq!(held.lost_to().expect("read"), Some(successor));
        drop(held);
        assert!(path.exists(), "the successor's lease is not ours to remove");
    }

    #[test]
    fn a_fresh_lease_is_put_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lease");
        let me = Holder::this_process("train/a");
        let dead = Holder { pid: me.pid + 1, ..me.clone() };
        assert!(create(&path, &me).expect("created"));
        take_away(&path, &dead).expect("put back");
        assert!(is_own(&path, &me));
    }

    #[test]
    fn the_lease_of_another_machine_expires() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lease");
        let me = Holder::this_process("train/a");
        let far = Holder { host: "elsewhere".into(), ..me.clone() };
        assert!(create(&path, &far).expect("created"));
        assert!(Lease::acquire(&path, &me).expect("io").is_err());
        let file = OpenOptions::new().append(true).open(&path).expect("opened");
        file.set_modified(SystemTime::now() - EXPIRY - Duration::from_secs(1)).expect("aged");
        assert!(Lease::acquire(&path, &me).expect("io").is_ok());
    }
}
