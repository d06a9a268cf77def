//! Leases: one process at a time runs an action, without a lock that could outlive it.
//!
//! A lease is a file made by a hard link (atomic on NFS too) that says who holds it; the holder touches it
//! every few seconds. One that was not touched for [`EXPIRY`], or whose holder was a process of
//! this machine that is gone, may be taken over. All times are those of the file system's server, so
//! machines that share a store need not agree on the time.
//!
//! A take-over that loses a race costs work done twice, never wrong results: every holder writes
//! to a folder of its own, asks before it commits whether the lease is still its own, and results
//! are written atomically under a key that decides them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::clock;
use crate::files::{self, At, FileError};
pub use crate::holder::Holder;
use crate::record;
use crate::spare::Pool;
use crate::sys;

/// How often a holder touches its lease.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// After how long without a touch a lease is anybody's.
pub const EXPIRY: Duration = Duration::from_secs(60);
/// How long to wait for a file's turn, which takes whoever has it milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A held lease; given back when dropped.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    holder: Holder,
    released: Arc<AtomicBool>,
    heart: Option<JoinHandle<()>>,
    /// Where its file goes afterwards.
    spares: Arc<Pool>,
}

impl Lease {
    /// Takes the lease at `path`, or says who has it.
    pub fn acquire(path: &Path, holder: &Holder) -> Result<Result<Self, Holder>, FileError> {
        Self::acquire_with(path, holder, &Arc::default())
    }

    /// As [`Lease::acquire`], for one of many: a file of `spares` is used, and goes back to them.
    pub(crate) fn acquire_with(
        path: &Path,
        holder: &Holder,
        spares: &Arc<Pool>,
    ) -> Result<Result<Self, Holder>, FileError> {
        files::ensure_parent(path)?;
        for _ in 0..3 {
            let Made { taken, now } = create(path, holder, spares)?;
            if !taken {
                return Ok(Ok(Self::keep_alive(path, holder, spares)));
            }
            match read(path)? {
                Some(lease) if !lease.is_free(now) => return Ok(Err(lease.holder)),
                Some(lease) => take_away(path, &lease.holder, holder)?,
                None => {}
            }
        }
        Ok(Err(read(path)?.map_or_else(|| holder.clone(), |lease| lease.holder)))
    }

    /// Waits for a lease that others hold for instants only, no longer than [`PATIENCE`]; none if they do not let go.
    pub fn wait_for(path: &Path, holder: &Holder) -> Result<Option<Self>, FileError> {
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Ok(lease) = Self::acquire(path, holder)? {
                return Ok(Some(lease));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(None)
    }

    fn keep_alive(path: &Path, holder: &Holder, spares: &Arc<Pool>) -> Self {
        let released = Arc::new(AtomicBool::new(false));
        let heart = std::thread::spawn({
            let (path, holder, released) = (path.to_owned(), holder.clone(), Arc::clone(&released));
            move || beat(&path, &holder, &released)
        });
        let (path, holder, spares) = (path.to_owned(), holder.clone(), Arc::clone(spares));
        Self { path, holder, released, heart: Some(heart), spares }
    }

    /// Who has the lease now, if it is no longer this holder.
    pub fn lost_to(&self) -> Result<Option<Holder>, FileError> {
        let present = read(&self.path)?.map(|lease| lease.holder);
        Ok(match present {
            Some(present) if present == self.holder => None,
            Some(other) => Some(other),
            None => Some(Holder::unknown()),
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
            self.spares.keep(&self.path);
        }
    }
}

fn is_own(path: &Path, holder: &Holder) -> bool {
    read(path).is_ok_and(|present| present.is_some_and(|lease| lease.holder == *holder))
}

fn beat(path: &Path, holder: &Holder, released: &AtomicBool) {
    while !released.load(Ordering::Relaxed) {
        std::thread::park_timeout(HEARTBEAT);
        if !released.load(Ordering::Relaxed) && is_own(path, holder) {
            let _ = sys::touch(path);
        }
    }
}

/// What came of making a lease.
struct Made {
    /// Somebody else has the name.
    taken: bool,
    /// The server's time.
    now: SystemTime,
}

/// Makes the lease, whole from its first instant: a hard link to a finished file, which fails if
/// the name is taken (on NFS too).
fn create(path: &Path, holder: &Holder, spares: &Pool) -> Result<Made, FileError> {
    let text = record::encode(holder).map_err(io::Error::from).at("encode", path)?;
    let (whole, now) = write_whole(path, &text, spares)?;
    let made = link(path, &whole, &text, now);
    files::remove_all(&whole)?;
    made
}

fn link(path: &Path, whole: &Path, text: &[u8], now: SystemTime) -> Result<Made, FileError> {
    let taken = match sys::hard_link(whole, path) {
        Ok(()) => false,
        // NFS repeats a call whose answer was lost; the second finds the name that the first one made.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            !sys::metadata(whole).is_ok_and(|metadata| metadata.nlink() == 2)
        }
        Err(_) => !create_without_links(path, text)?,
    };
    Ok(Made { taken, now })
}

/// A file of another name with the text of the lease, and the server's time of writing it.
fn write_whole(
    path: &Path,
    text: &[u8],
    spares: &Pool,
) -> Result<(PathBuf, SystemTime), FileError> {
    if let Some(spare) = spares.take() {
        // Gone where a folder was cleaned by hand.
        let written = sys::overwrite(&spare, text).and_then(|file| file.metadata()?.modified());
        match written {
            Ok(now) => return Ok((spare, now)),
            Err(_) => files::remove_all(&spare)?,
        }
    }
    let whole = files::temporary_beside(path);
    match write_new(&whole, text) {
        Ok(now) => Ok((whole, now)),
        Err(error) => {
            let _ = files::remove_all(&whole);
            Err(error).at("write", &whole)
        }
    }
}

/// Writes a new file; gives the server's time of that.
fn write_new(path: &Path, text: &[u8]) -> io::Result<SystemTime> {
    let mut file = sys::create(path)?;
    sys::write(&mut file, path, text)?;
    file.metadata()?.modified()
}

/// For file systems without hard links.
fn create_without_links(path: &Path, text: &[u8]) -> Result<bool, FileError> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text).map(|()| true).at("write", path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).at("create", path),
    }
}

/// A lease as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub holder: Holder,
    /// By the server's clock.
    pub touched: SystemTime,
}

impl Found {
    fn is_free(&self, now: SystemTime) -> bool {
        let age = now.duration_since(self.touched).unwrap_or_default();
        self.holder.is_gone() || age >= EXPIRY
    }
}

/// The lease at `path`. One that is being written, or was damaged, has an unknown holder.
pub fn read(path: &Path) -> Result<Option<Found>, FileError> {
    let Some((bytes, metadata)) = files::read_with_metadata(path)? else { return Ok(None) };
    let touched = metadata.modified().at("stat", path)?;
    let holder = record::decode(&bytes).unwrap_or_else(|_| Holder::unknown());
    Ok(Some(Found { holder, touched }))
}

/// Whether somebody holds the lease at `path` now.
pub fn is_held(path: &Path) -> Result<Option<Holder>, FileError> {
    let Some(lease) = read(path)? else { return Ok(None) };
    let folder = path.parent().unwrap_or(path);
    Ok((!lease.is_free(clock::now(folder)?)).then_some(lease.holder))
}

/// When the lease at `path` was taken, in seconds since 1970 by its holder's clock; none if nobody holds it.
pub fn held_since(path: &Path) -> Result<Option<u64>, FileError> {
    Ok(is_held(path)?.map(|holder| holder.since))
}

/// Removes the lease at `path` if its holder is dead or silent.
pub fn sweep(path: &Path) -> Result<(), FileError> {
    match read(path)? {
        Some(lease) if is_held(path)?.is_none() => {
            take_away(path, &lease.holder, &Holder::this_process("gc"))
        }
        _ => Ok(()),
    }
}

/// Removes a dead lease. Of several that try, the one whose turn it is looks again first, so that nobody's fresh
/// lease is taken for the dead one.
fn take_away(path: &Path, dead: &Holder, me: &Holder) -> Result<(), FileError> {
    let turn = path.with_extension("turn");
    let Made { taken, now } = create(&turn, me, &Pool::default())?;
    if taken {
        // Only a second crash, within the few instants of a turn, leaves one behind.
        if read(&turn)?.is_some_and(|other| other.is_free(now)) {
            files::remove_all(&turn)?;
        }
        return Ok(());
    }
    if is_own(path, dead) {
        files::remove_all(path)?;
    }
    files::remove_all(&turn)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::faults;

    fn lease_path() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lease");
        (folder, path)
    }

    fn age(path: &Path, by: Duration) {
        let file = OpenOptions::new().append(true).open(path).expect("opened");
        file.set_modified(SystemTime::now() - by).expect("aged");
    }

    fn made_by(path: &Path, holder: &Holder) {
        assert!(!create(path, holder, &Pool::default()).expect("created").taken);
    }

    #[test]
    fn one_holder_at_a_time() {
        let (_folder, path) = lease_path();
        let me = Holder::this_process("train/a");
        let held = Lease::acquire(&path, &me).expect("io").expect("free");
        assert_eq!(Lease::acquire(&path, &me).expect("io").expect_err("held"), me);
        drop(held);
        assert!(Lease::acquire(&path, &me).expect("io").is_ok());
    }

    #[test]
    fn the_lease_of_a_dead_process_is_taken_over() {
        let (folder, path) = lease_path();
        let me = Holder::this_process("train/a");
        let dead = Holder { process_start: me.process_start + 1, ..me.clone() };
        made_by(&path, &dead);
        assert!(Lease::acquire(&path, &me).expect("io").is_ok());
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0, "nothing is left");
    }

    #[test]
    fn a_lost_lease_is_noticed_and_left_alone() {
        let (_folder, path) = lease_path();
        let me = Holder::this_process("train/a");
        let held = Lease::acquire(&path, &me).expect("io").expect("free");
        assert_eq!(held.lost_to().expect("read"), None);
        let successor = Holder { pid: me.pid + 1, ..me };
        fs::write(&path, record::encode(&successor).expect("encoded")).expect("replaced");
        assert_eq!(held.lost_to().expect("read"), Some(successor));
        drop(held);
        assert!(path.exists(), "the successor's lease is not ours to remove");
    }

    #[test]
    fn a_fresh_lease_is_not_taken_for_the_dead_one() {
        let (_folder, path) = lease_path();
        let me = Holder::this_process("train/a");
        let dead = Holder { pid: me.pid + 1, ..me.clone() };
        made_by(&path, &me);
        take_away(&path, &dead, &me).expect("looked at again");
        assert!(is_own(&path, &me));
    }

    #[test]
    fn a_crash_while_taking_over_holds_nobody_up() {
        let (_folder, path) = lease_path();
        let me = Holder::this_process("train/a");
        let dead = Holder { process_start: me.process_start + 1, ..me.clone() };
        made_by(&path, &dead);
        made_by(&path.with_extension("turn"), &dead);
        assert!(Lease::acquire(&path, &me).expect("io").is_ok());
    }

    #[test]
    fn eight_that_find_a_dead_lease_get_one_between_them() {
        for _ in 0..50 {
            let (_folder, path) = lease_path();
            let me = Holder::this_process("train/a");
            made_by(&path, &Holder { process_start: me.process_start + 1, ..me.clone() });
            let taken: Vec<_> = std::thread::scope(|scope| {
                let try_it = |number: u32| {
                    let holder = Holder { target: number.to_string(), ..me.clone() };
                    Lease::acquire(&path, &holder).expect("io").ok()
                };
                let threads: Vec<_> =
                    (0..8).map(|number| scope.spawn(move || try_it(number))).collect();
                threads.into_iter().filter_map(|thread| thread.join().expect("ended")).collect()
            });
            assert!(taken.len() <= 1, "{taken:?}");
        }
    }

    #[test]
    fn the_lease_of_another_machine_expires() {
        let (_folder, path) = lease_path();
        let me = Holder::this_process("train/a");
        let far = Holder { host: "elsewhere".into(), ..me.clone() };
        made_by(&path, &far);
        assert!(Lease::acquire(&path, &me).expect("io").is_err());
        assert_eq!(is_held(&path).expect("io"), Some(far));
        age(&path, EXPIRY + Duration::from_secs(1));
        assert_eq!(is_held(&path).expect("io"), None);
        assert!(Lease::acquire(&path, &me).expect("io").is_ok());
    }

    /// Another start of the machine, or another container of its name: its process numbers say nothing.
    #[test]
    fn a_process_of_another_boot_is_not_taken_for_gone() {
        let (_folder, path) = lease_path();
        let me = Holder::this_process("train/a");
        let other = Holder { machine: "another-boot".into(), pid: u32::MAX, ..me.clone() };
        made_by(&path, &other);
        assert_eq!(Lease::acquire(&path, &me).expect("io").expect_err("held"), other);
    }

    #[test]
    fn a_clock_that_is_a_day_off_changes_nothing() {
        for skew in [-86_400, 0, 86_400] {
            let (_folder, path) = lease_path();
            faults::skew(skew);
            let me = Holder::this_process("train/a");
            made_by(&path, &Holder { host: "elsewhere".into(), ..me.clone() });
            assert!(is_held(&path).expect("io").is_some(), "{skew}");
            assert!(Lease::acquire(&path, &me).expect("io").is_err(), "{skew}");
            age(&path, EXPIRY + Duration::from_secs(1));
            assert!(is_held(&path).expect("io").is_none(), "{skew}");
            assert!(Lease::acquire(&path, &me).expect("io").is_ok(), "{skew}");
        }
        faults::skew(0);
    }

    #[test]
    fn a_damaged_lease_is_waited_out() {
        let (_folder, path) = lease_path();
        let me = Holder::this_process("train/a");
        made_by(&path, &me);
        let mut bytes = fs::read(&path).expect("read");
        let last = bytes.len() - 4;
        bytes[last] ^= 1;
        fs::write(&path, bytes).expect("flipped");
        assert_eq!(is_held(&path).expect("io"), Some(Holder::unknown()));
        age(&path, EXPIRY + Duration::from_secs(1));
        assert!(Lease::acquire(&path, &me).expect("io").is_ok());
    }
}
