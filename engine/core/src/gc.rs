//! Garbage: what no workspace's targets, no run under way and no kept measurement reaches.
//!
//! Nothing is locked. A run leaves a mark while it is under way, and touches what it takes from the store; what
//! was touched since the oldest run under way began is in use. Results and objects are renamed before they
//! are removed and looked at once more under the new name: a run that touches one meanwhile either finds it
//! gone, and makes it again, or is seen to have touched it, and it is put back.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock;
use crate::digest::{Digest, Key};
use crate::exec::folder_bytes;
use crate::files::{self, At, FileError};
use crate::lease;
use crate::memory;
use crate::record::{self, ActionResult, Request};
use crate::store::{Store, entries};
use crate::sys;

/// Longer than any write of a small file takes.
const WRITE_TIME: Duration = Duration::from_secs(3600);
/// How far clocks of machines with runs under way may be apart.
const SLACK: Duration = Duration::from_secs(600);

/// What a path that may go is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Result,
    Object(Digest),
    Lease,
    Other,
}

/// One thing that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    pub path: PathBuf,
    pub bytes: u64,
    what: What,
}

/// What [`find`] found.
#[derive(Debug, Clone)]
pub struct Found {
    pub garbage: Vec<Garbage>,
    /// Why more was not looked at, in words for people.
    pub notes: Vec<String>,
    /// What was touched since then is in use; by the server's clock.
    in_use_since: SystemTime,
}

/// Everything that may go: results whose key no workspace remembers (current or one before) and
/// that hold no kept output, the objects only they reach, folders of actions that nobody runs or
/// wanted, and what killed processes left. Nothing that a run under way made or took.
pub fn find(store: &Store) -> Result<Found, FileError> {
    let in_use_since = in_use_since(store)?;
    let mut search = Search {
        store,
        in_use_since,
        roots: roots(store, in_use_since)?,
        reachable: HashSet::new(),
        garbage: Vec::new(),
        notes: Vec::new(),
    };
    search.requests()?;
    search.measurements()?;
    search.results()?;
    search.distrust()?;
    search.objects()?;
    search.abandoned()?;
    search.damaged()?;
    search.leftovers()?;
    let Search { garbage, notes, .. } = search;
    Ok(Found { garbage, notes, in_use_since })
}

/// When the oldest run or action under way began; now, if there is none.
fn in_use_since(store: &Store) -> Result<SystemTime, FileError> {
    let mut oldest = clock::exactly(store.root())?;
    for (_, path) in [store.list("runs")?, store.list("leases")?].concat() {
        if let Some(since) = lease::held_since(&path)? {
            oldest = oldest.min(UNIX_EPOCH + Duration::from_secs(since).saturating_sub(SLACK));
        }
    }
    Ok(oldest)
}

/// The keys from which everything that stays is reached.
fn roots(store: &Store, in_use_since: SystemTime) -> Result<HashSet<Key>, FileError> {
    let mut roots: HashSet<Key> = memory::remembered_keys(store)?.into_iter().collect();
    roots.extend(memory::wanted_keys(store)?);
    for (name, path) in store.list("leases")? {
        if lease::is_held(&path)?.is_some() {
            roots.extend(name.parse::<Key>());
        }
    }
    for (name, path) in [store.list("requests")?, store.list("results")?].concat() {
        if touched_since(&path, in_use_since) {
            roots.extend(name.parse::<Key>());
        }
    }
    Ok(roots)
}

/// Whether a file was made or taken since then; one that is gone was not.
fn touched_since(path: &Path, since: SystemTime) -> bool {
    let touched = sys::metadata(path).and_then(|metadata| metadata.modified());
    touched.is_ok_and(|touched| touched >= since)
}

struct Search<'a> {
    store: &'a Store,
    in_use_since: SystemTime,
    roots: HashSet<Key>,
    reachable: HashSet<Digest>,
    garbage: Vec<Garbage>,
    notes: Vec<String>,
}

impl Search<'_> {
    fn add(&mut self, path: PathBuf, what: What) {
        let bytes = match sys::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&path),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        };
        self.garbage.push(Garbage { path, bytes, what });
    }

    fn is_root(&self, name: &str) -> bool {
        name.parse().is_ok_and(|key| self.roots.contains(&key))
    }

    /// What wanted actions read.
    fn requests(&mut self) -> Result<(), FileError> {
        for (name, path) in self.store.list("requests")? {
            if !self.is_root(&name) {
                continue;
            }
            let bytes = files::read_if_present(&path)?.unwrap_or_default();
            if let Ok(request) = record::decode::<Request>(&bytes) {
                let stored = request.inputs.iter().filter(|input| input.file.is_none());
                self.reachable.extend(stored.map(|input| input.digest));
            }
        }
        Ok(())
    }

    /// What was ever measured, whether its result is still there or not.
    fn measurements(&mut self) -> Result<(), FileError> {
        let names = self.store.list("kept")?;
        self.reachable.extend(names.iter().filter_map(|(name, _)| name.parse::<Digest>().ok()));
        Ok(())
    }

    fn results(&mut self) -> Result<(), FileError> {
        for (name, path) in self.store.list("results")? {
            let bytes = files::read_if_present(&path)?.unwrap_or_default();
            let Ok(result) = record::decode::<ActionResult>(&bytes) else { continue };
            let live = self.is_root(&name);
            let reached = result.outputs.iter().filter(|output| live || output.keep);
            self.reachable.extend(reached.map(|output| output.digest));
            if !live && !result.outputs.iter().any(|output| output.keep) {
                self.add(path, What::Result);
            }
        }
        Ok(())
    }

    /// Where what says what is needed cannot be read, nothing of it goes.
    fn distrust(&mut self) -> Result<(), FileError> {
        let is_damaged = |path: &PathBuf| -> Result<bool, FileError> {
            let bytes = files::read_if_present(path)?;
            Ok(bytes.is_some_and(|bytes| record::decode::<ActionResult>(&bytes).is_err()))
        };
        let mut unknown = memory::damaged_files(self.store)?;
        for (_, path) in self.store.list("results")? {
            if is_damaged(&path)? {
                unknown.push(path);
            }
        }
        let aside = self.store.list("damaged")?.into_iter();
        unknown.extend(aside.filter(|(name, _)| name.starts_with("state-")).map(|(_, path)| path));
        for path in &unknown {
            self.notes.push(format!(
                "`{}` is damaged, so what it reaches is not known and no result or object goes; `mixmake verify --repair` \
                 moves it aside, `mixmake run` in every workspace of this store makes anew what is lost, then remove what \
                 was moved aside",
                path.display()
            ));
        }
        if !unknown.is_empty() {
            self.garbage.retain(|item| item.what != What::Result);
        }
        Ok(())
    }

    fn objects(&mut self) -> Result<(), FileError> {
        if !self.notes.is_empty() {
            return Ok(());
        }
        for (name, path) in self.store.list("objects")? {
            let digest = name.parse::<Digest>();
            if let Ok(digest) = digest.map_err(|_| ())
                && !self.reachable.contains(&digest)
                && !touched_since(&path, self.in_use_since)
            {
                self.add(path, What::Object(digest));
            }
        }
        Ok(())
    }

    /// Working folders, requests and logs of actions that nobody runs and no workspace remembers.
    fn abandoned(&mut self) -> Result<(), FileError> {
        let mut found = [self.store.list("requests")?, self.store.list("logs")?].concat();
        for path in entries(&self.store.root().join("work"))? {
            let name = path.file_name().and_then(|name| name.to_str()).map(ToOwned::to_owned);
            found.extend(name.map(|name| (name, path)));
        }
        for (name, path) in found {
            if !self.is_root(name.trim_end_matches(".log"))
                && !touched_since(&path, self.in_use_since)
            {
                self.add(path, What::Other);
            }
        }
        Ok(())
    }

    /// What was moved aside, but for the only copy of a measurement.
    fn damaged(&mut self) -> Result<(), FileError> {
        for (name, path) in self.store.list("damaged")? {
            let digest = name.strip_prefix("objects-").and_then(|name| name.parse::<Digest>().ok());
            let only_copy = digest.is_some_and(|digest| {
                self.store.kept_path(digest).exists() && !self.store.object_path(digest).exists()
            });
            if !only_copy && !name.starts_with("state-") {
                self.add(path, What::Other);
            }
        }
        Ok(())
    }

    /// What killed processes left: leases, temporary files that are hours old, stores of `verify --rebuild`.
    fn leftovers(&mut self) -> Result<(), FileError> {
        for (_, path) in [self.store.list("runs")?, self.store.list("leases")?].concat() {
            if lease::is_held(&path)?.is_none() {
                self.add(path, What::Lease);
            }
        }
        let now = clock::now(self.store.root())?;
        let is_old = |path: &PathBuf| {
            let age = |touched| now.duration_since(touched).unwrap_or_default();
            let touched = sys::metadata(path).and_then(|metadata| metadata.modified());
            touched.is_ok_and(|touched| age(touched) > WRITE_TIME)
        };
        let mut left = Vec::new();
        for kind in
            ["objects", "results", "requests", "kept", "leases", "runs", "logs", "state", "damaged"]
        {
            left.extend(self.store.temporaries(kind)?);
        }
        for path in entries(self.store.root())? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("rebuild-") && !is_running(&path)? || name.starts_with(".clock") {
                left.push(path);
            }
        }
        left.into_iter().filter(is_old).for_each(|path| self.add(path, What::Other));
        Ok(())
    }
}

/// Whether an action runs in the store at `root`, which is one of a `verify --rebuild`.
fn is_running(root: &Path) -> Result<bool, FileError> {
    for path in entries(&root.join("leases"))? {
        if lease::is_held(&path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes what [`find`] found, but for what a run took meanwhile; gives what is gone.
pub fn remove(store: &Store, found: &Found) -> Result<Vec<Garbage>, FileError> {
    let mut removed = Vec::new();
    let mut reachable = HashSet::new();
    let results_first = |item: &&Garbage| item.what != What::Result;
    let mut garbage: Vec<_> = found.garbage.iter().collect();
    garbage.sort_by_key(results_first);
    for item in garbage {
        let gone = match item.what {
            What::Object(digest) if reachable.contains(&digest) => false,
            What::Result | What::Object(_) => {
                let gone = discard(store, &item.path, found.in_use_since)?;
                if !gone && item.what == What::Result {
                    let bytes = files::read_if_present(&item.path)?.unwrap_or_default();
                    let result = record::decode::<ActionResult>(&bytes);
                    let outputs = result.into_iter().flat_map(|result| result.outputs);
                    reachable.extend(outputs.map(|output| output.digest));
                }
                gone
            }
            What::Lease => lease::sweep(&item.path).map(|()| !item.path.exists())?,
            What::Other => files::remove_all(&item.path).map(|()| true)?,
        };
        if gone {
            removed.push(item.clone());
        }
    }
    Ok(removed)
}

/// Removes a file that nobody took since then; false if somebody did.
fn discard(store: &Store, path: &Path, since: SystemTime) -> Result<bool, FileError> {
    if touched_since(path, since) {
        return Ok(false);
    }
    let aside = files::temporary_beside(&store.root().join("damaged").join("gc"));
    files::ensure_parent(&aside)?;
    match sys::rename(path, &aside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        other => other.at("move aside", path)?,
    }
    if !touched_since(&aside, since) {
        files::remove_all(&aside)?;
        return Ok(true);
    }
    match sys::hard_link(&aside, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            sys::rename(&aside, path).at("put back", path)?;
        }
        _ => files::remove_all(&aside)?,
    }
    Ok(false)
}
