//! Garbage: what no workspace's targets, no running action and no kept measurement reaches.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::digest::{Digest, Key};
use crate::exec::folder_bytes;
use crate::files::{self, FileError};
use crate::lease;
use crate::memory;
use crate::record::{self, ActionResult};
use crate::store::Store;

/// Longer than any write of a small file takes.
const WRITE_TIME: Duration = Duration::from_secs(3600);

/// One thing that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    pub path: PathBuf,
    pub bytes: u64,
}

/// Everything that may go: results whose key no workspace remembers (current or one before) and
/// that hold no kept output, the objects only they reach (none while an action runs), and folders
/// of actions that nobody runs or wanted.
pub fn find(store: &Store) -> Result<Vec<Garbage>, FileError> {
    // Listed before the results: an object whose result is written meanwhile is not on this list.
    let objects = store.list("objects")?;
    let mut remembered: HashSet<Key> = memory::remembered_keys(store)?.into_iter().collect();
    remembered.extend(memory::wanted_keys(store)?);
    let mut reachable: HashSet<Digest> = HashSet::new();
    let mut garbage = Vec::new();
    for (name, path) in store.list("results")? {
        let Some(result) = read_result(&path)? else { continue };
        let live = name.parse().is_ok_and(|key| remembered.contains(&key));
        if live {
            reachable.extend(result.outputs.iter().map(|output| output.digest));
        } else {
            let kept: Vec<_> = result.outputs.iter().filter(|output| output.keep).collect();
            reachable.extend(kept.iter().map(|output| output.digest));
            if kept.is_empty() {
                garbage.push(weigh(path));
            }
        }
    }
    // What runs now may be about to commit an object that is already there: none goes meanwhile.
    let objects = if is_busy(store)? { Vec::new() } else { objects };
    for (name, path) in objects {
        if name.parse().is_ok_and(|digest| !reachable.contains(&digest)) {
            garbage.push(weigh(path));
        }
    }
    garbage.extend(abandoned(store, &remembered)?);
    garbage.extend(leftovers(store)?);
    Ok(garbage)
}

/// Temporary files of writers that were killed: a write takes seconds, these are hours old.
fn leftovers(store: &Store) -> Result<Vec<Garbage>, FileError> {
    let mut garbage = Vec::new();
    for kind in ["results", "requests"] {
        let is_old = |path: &PathBuf| {
            let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
            modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > WRITE_TIME)
        };
        garbage.extend(store.temporaries(kind)?.into_iter().filter(is_old).map(weigh));
    }
    Ok(garbage)
}

/// Removes what [`find`] found.
pub fn remove(garbage: &[Garbage]) -> Result<(), FileError> {
    garbage.iter().try_for_each(|item| files::remove_all(&item.path))
}

fn read_result(path: &std::path::Path) -> Result<Option<ActionResult>, FileError> {
    let bytes = files::read_if_present(path)?.unwrap_or_default();
    Ok(record::decode(&bytes).ok())
}

/// Whether an action runs now.
pub fn is_busy(store: &Store) -> Result<bool, FileError> {
    for (_, path) in store.list("leases")? {
        if lease::is_held(&path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Working folders, requests and logs of actions that nobody runs and no workspace remembers.
fn abandoned(store: &Store, remembered: &HashSet<Key>) -> Result<Vec<Garbage>, FileError> {
    let mut garbage = Vec::new();
    for kind in ["work", "requests", "logs", "damaged"] {
        for (name, path) in top_level(store, kind)? {
            let key: Option<Key> = name.trim_end_matches(".log").parse().ok();
            let held = match key {
                Some(key) => lease::is_held(&store.lease_path(key))?.is_some(),
                None => false,
            };
            if !held && !key.is_some_and(|key| remembered.contains(&key)) {
                garbage.push(weigh(path));
            }
        }
    }
    Ok(garbage)
}

/// Entries by key: `work` holds folders, the others files that may lie one level deeper.
fn top_level(store: &Store, kind: &str) -> Result<Vec<(String, PathBuf)>, FileError> {
    if kind != "work" {
        return store.list(kind);
    }
    let paths = crate::store::entries(&store.root().join(kind))?;
    Ok(paths
        .into_iter()
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)))
        .collect())
}

fn weigh(path: PathBuf) -> Garbage {
    let bytes = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&path),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    Garbage { path, bytes }
}
