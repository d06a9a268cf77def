//! Garbage: what no workspace's targets, no running action and no kept measurement reaches.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use crate::digest::{Digest, Key};
use crate::exec::folder_bytes;
use crate::files::{self, FileError};
use crate::lease;
use crate::memory;
use crate::record::{self, ActionResult, Request};
use crate::store::Store;

/// One thing that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    pub path: PathBuf,
    pub bytes: u64,
}

/// Everything that may go: results whose key no workspace remembers (current or one before) and
/// that hold no kept output, the objects only they reach, and folders of actions nobody runs.
pub fn find(store: &Store) -> Result<Vec<Garbage>, FileError> {
    let remembered: HashSet<Key> = memory::remembered_keys(store)?.into_iter().collect();
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
    reachable.extend(digests_in_use(store)?);
    for (name, path) in store.list("objects")? {
        if name.parse().is_ok_and(|digest| !reachable.contains(&digest)) {
            garbage.push(weigh(path));
        }
    }
    garbage.extend(abandoned(store, &remembered)?);
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

/// Inputs of actions that hold a lease now.
fn digests_in_use(store: &Store) -> Result<Vec<Digest>, FileError> {
    let mut digests = Vec::new();
    for (name, path) in store.list("leases")? {
        let Ok(key) = name.parse::<Key>() else { continue };
        if lease::is_held(&path)?.is_none() {
            continue;
        }
        let bytes = files::read_if_present(&store.request_path(key))?.unwrap_or_default();
        if let Ok(request) = record::decode::<Request>(&bytes) {
            digests.extend(request.inputs.into_iter().map(|input| input.digest));
        }
    }
    Ok(digests)
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
