//! Tests only: a layer under [`crate::sys`] that lets a process die, a call fail or a power cut take what was not
//! synced, at any call below a folder it watches.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::sys::Call;

thread_local!(static SKEW: Cell<i64> = const { Cell::new(0) });

/// Sets this thread's clock off by so many seconds.
pub(crate) fn skew(seconds: i64) {
    SKEW.set(seconds);
}

pub(crate) fn now() -> SystemTime {
    let by = Duration::from_secs(SKEW.get().unsigned_abs());
    if SKEW.get() < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
}

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies before it.
    Crash,
    /// The process dies in it: half of a write is done.
    CrashWithin,
    /// It fails with this number; nothing is done, but half of a write.
    Error(i32),
    /// It is done, but fails with this number: the answer was lost (NFS).
    AnswerLost(i32),
}

/// A watched folder.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    fault: Option<(usize, Fault)>,
    /// Calls of these kinds only are counted, where set.
    dead: bool,
    log: Vec<String>,
    /// What each name was when its folder was last synced: nothing, or a link to the file.
    before: BTreeMap<PathBuf, Option<PathBuf>>,
    /// Inodes of files with bytes that were not synced.
    unsynced: BTreeSet<u64>,
    links: usize,
}

static DISKS: Mutex<Vec<Arc<Disk>>> = Mutex::new(Vec::new());

fn disks() -> MutexGuard<'static, Vec<Arc<Disk>>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches all calls below `root` until the answer is dropped.
pub(crate) fn watch(root: &Path) -> Watched {
    let disk = Arc::new(Disk { root: root.to_owned(), state: Mutex::default() });
    fs::create_dir_all(disk.shelf()).expect("a folder beside it");
    disks().push(Arc::clone(&disk));
    Watched(disk)
}

pub(crate) struct Watched(Arc<Disk>);

impl Drop for Watched {
    fn drop(&mut self) {
        disks().retain(|disk| !Arc::ptr_eq(disk, &self.0));
    }
}

impl std::ops::Deref for Watched {
    type Target = Disk;

    fn deref(&self) -> &Disk {
        &self.0
    }
}

/// What [`crate::sys`] does in tests.
pub(crate) fn call<T>(what: Call<'_>, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let path = paths(what).0;
    let disk = disks().iter().find(|disk| path.starts_with(&disk.root)).cloned();
    match disk {
        Some(disk) => disk.call(what, run),
        None => run(),
    }
}

fn paths(what: Call<'_>) -> (&Path, Option<&Path>) {
    match what {
        Call::Rename(from, to) | Call::Link(from, to) => (from, Some(to)),
        Call::Read(path)
        | Call::Stat(path)
        | Call::List(path)
        | Call::Create(path)
        | Call::Write(path, _)
        | Call::Sync(path)
        | Call::SyncFolder(path)
        | Call::Remove(path)
        | Call::MakeFolder(path)
        | Call::RemoveFolder(path)
        | Call::SetMode(path)
        | Call::Touch(path) => (path, None),
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where overwritten files are kept for a power cut to bring back.
    fn shelf(&self) -> PathBuf {
        self.root.with_extension("shelf")
    }

    /// At the `number`-th call from now on, counted from 1, `fault` happens.
    pub(crate) fn set(&self, number: usize, fault: Fault) {
        let mut state = self.state();
        state.calls = 0;
        state.log.clear();
        state.fault = Some((number, fault));
    }

    /// The machine is on again, or the fault is mended; true if it had happened.
    pub(crate) fn mend(&self) -> bool {
        let mut state = self.state();
        state.dead = false;
        state.fault.take().is_some_and(|(number, _)| state.calls >= number)
    }

    /// The last calls, for messages.
    pub(crate) fn last_calls(&self) -> String {
        let state = self.state();
        state.log[state.log.len().saturating_sub(6)..].join("\n")
    }

    fn call<T>(&self, what: Call<'_>, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        if state.dead {
            return Err(io::Error::from_raw_os_error(5));
        }
        state.calls += 1;
        let line = format!("{}: {what:.120?}", state.calls);
        state.log.push(line);
        let fault = state.fault.filter(|(number, _)| *number == state.calls);
        match fault.map(|(_, fault)| fault) {
            None => self.really(&mut state, what, run),
            Some(Fault::Crash) => {
                state.dead = true;
                Err(io::Error::from_raw_os_error(5))
            }
            Some(Fault::CrashWithin) => {
                half(what);
                state.dead = true;
                Err(io::Error::from_raw_os_error(5))
            }
            Some(Fault::Error(number)) => {
                half(what);
                Err(io::Error::from_raw_os_error(number))
            }
            Some(Fault::AnswerLost(number)) => {
                self.really(&mut state, what, run)?;
                Err(io::Error::from_raw_os_error(number))
            }
        }
    }

    fn really<T>(
        &self,
        state: &mut State,
        what: Call<'_>,
        run: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let inode = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.ino());
        match what {
            Call::Create(path) | Call::MakeFolder(path) | Call::Remove(path) => {
                self.note(state, path);
            }
            Call::Rename(from, to) => {
                self.note(state, from);
                self.note(state, to);
            }
            Call::Link(_, to) => self.note(state, to),
            Call::Write(path, _) => {
                state.unsynced.insert(inode(path));
            }
            _ => {}
        }
        let done = run()?;
        match what {
            Call::Sync(path) => {
                state.unsynced.remove(&inode(path));
            }
            Call::SyncFolder(folder) => {
                state.before.retain(|name, _| name.parent() != Some(folder));
            }
            _ => {}
        }
        Ok(done)
    }

    /// Remembers what a name stood for when its folder was last synced.
    fn note(&self, state: &mut State, path: &Path) {
        // Who syncs the folder above the watched one is not seen.
        if state.before.contains_key(path) || path == self.root || path.is_dir() {
            return;
        }
        state.links += 1;
        let kept = self.shelf().join(state.links.to_string());
        let there = fs::hard_link(path, &kept).is_ok();
        state.before.insert(path.to_owned(), there.then_some(kept));
    }

    /// The power fails: of each name that was not synced since it changed, and of each file with bytes that were
    /// not, `loses` says whether the old state comes back. A file loses its second half, or all.
    pub(crate) fn power_cut(&self, mut loses: impl FnMut() -> bool) {
        let mut state = self.state();
        for file in files_below(&self.root) {
            let Ok(metadata) = fs::metadata(&file) else { continue };
            if state.unsynced.contains(&metadata.ino()) && loses() {
                let keep = if loses() { metadata.len() / 2 } else { 0 };
                writable(&file);
                let open = fs::OpenOptions::new().write(true).open(&file).expect("opened");
                open.set_len(keep).expect("cut");
            }
        }
        // The deepest names first, so that a lost folder does not hide what was in it.
        for (name, before) in std::mem::take(&mut state.before).into_iter().rev() {
            if !loses() {
                continue;
            }
            if name.is_dir() {
                fs::remove_dir_all(&name).expect("lost");
            } else {
                let _ = fs::remove_file(&name);
            }
            if let Some(kept) = before {
                let _ = fs::hard_link(kept, &name);
            }
        }
        state.unsynced.clear();
    }
}

/// Half of a write, and nothing of any other call.
fn half(what: Call<'_>) {
    if let Call::Write(path, bytes) = what {
        let _ = fs::write(path, &bytes[..bytes.len() / 2]);
    }
}

fn writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("made writable");
}

/// A folder in memory, where there is one: these tests sync thousands of times.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
