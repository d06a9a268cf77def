//! What a workspace remembers of its targets: the key each had, and what that key was made of.
//!
//! This is what `why` compares against and what `gc` starts from. Losing it loses explanations,
//! never results.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Key};
use crate::files::{self, At, FileError};
use crate::holder::Holder;
use crate::key::Fact;
use crate::lease::Lease;
use crate::record::{self, Record};
use crate::store::{Store, entries};

/// First words of the files that hold keys.
pub(crate) const TARGETS: &str = "mixmake-targets 1";
pub(crate) const WANTED: &str = "mixmake-wanted 1";

/// What a target's key was made of, with names for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub key: Key,
    /// Kind and version.
    pub kind: String,
    pub params: Vec<Fact>,
    pub inputs: Vec<SnapshotInput>,
}

impl Record for Snapshot {
    const MAGIC: &'static str = "mixmake-snapshot 1";
}

/// One input of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotInput {
    pub role: String,
    /// A target's output or a path.
    pub label: String,
    pub digest: Digest,
    pub attributes: Vec<Fact>,
    /// Of a file outside the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileStamp>,
}

/// What a file looked like when it was hashed, for explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileStamp {
    pub bytes: u64,
    /// Last modification, in seconds since 1970.
    pub modified: i64,
}

/// The keys a target has and had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    pub current: Key,
    pub previous: Option<Key>,
}

/// The memory of one workspace.
#[derive(Debug)]
pub struct Memory {
    store: Store,
    folder: PathBuf,
    targets: BTreeMap<String, Keys>,
    /// Names of the snapshots that were there when first asked.
    snapshots: OnceCell<HashSet<OsString>>,
    /// Targets whose keys are not written yet.
    changed: BTreeSet<String>,
    /// Keys that the last run wanted, made or not: their scratch folders are not garbage.
    wanted: BTreeSet<Key>,
}

impl Memory {
    /// The memory of the workspace at `workspace` (the manifest's absolute path) on this machine.
    pub fn load(store: &Store, workspace: &Path) -> Result<Self, FileError> {
        let name = format!("{}\n{}", files::host(), workspace.display());
        let folder = store.state_path().join(&Digest::of(name.as_bytes()).to_hex()[..32]);
        for (name, magic) in [("targets", TARGETS), ("wanted", WANTED)] {
            set_aside_if_damaged(store, &folder.join(name), magic)?;
        }
        let targets = read_targets(&folder)?;
        let snapshots = OnceCell::new();
        Ok(Self {
            store: store.clone(),
            folder,
            targets,
            snapshots,
            changed: BTreeSet::new(),
            wanted: BTreeSet::new(),
        })
    }

    /// The folder in which other state of this workspace lives.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn keys(&self, target: &str) -> Option<Keys> {
        self.targets.get(target).copied()
    }

    /// What the target's last key was made of.
    #[must_use]
    pub fn snapshot(&self, target: &str) -> Option<Snapshot> {
        self.read_snapshot(target, self.keys(target)?.current)
    }

    /// What the target's key before the last was made of.
    #[must_use]
    pub fn previous_snapshot(&self, target: &str) -> Option<Snapshot> {
        self.read_snapshot(target, self.keys(target)?.previous?)
    }

    /// A damaged one is moved aside, and the next run writes it again.
    fn read_snapshot(&self, target: &str, key: Key) -> Option<Snapshot> {
        let path = self.snapshot_path(target, key);
        let bytes = files::read_if_present(&path).ok()??;
        let snapshot = record::decode(&bytes);
        if let Err(damage) = &snapshot {
            tracing::warn!("`{}`: {damage}; moved aside", path.display());
            let _ = self.store.set_aside(&path);
        }
        snapshot.ok()
    }

    /// Whether the target is remembered under this key, with what it was made of.
    #[must_use]
    pub fn knows(&self, target: &str, key: Key) -> bool {
        let names = || {
            let paths = entries(&self.folder.join("snapshots")).unwrap_or_default();
            paths.iter().filter_map(|path| path.file_name()).map(ToOwned::to_owned).collect()
        };
        let has_snapshot = || {
            let name = snapshot_name(target, key);
            self.snapshots.get_or_init(names).contains(OsStr::new(&name))
        };
        self.keys(target).is_some_and(|keys| keys.current == key) && has_snapshot()
    }

    fn snapshot_path(&self, target: &str, key: Key) -> PathBuf {
        self.folder.join("snapshots").join(snapshot_name(target, key))
    }

    /// Remembers that `target` is now what `snapshot` says.
    pub fn remember(&mut self, target: &str, snapshot: &Snapshot) -> Result<(), FileError> {
        let before = self.targets.get(target).copied();
        let path = self.snapshot_path(target, snapshot.key);
        let bytes = record::encode(snapshot).map_err(std::io::Error::from).at("encode", &path)?;
        files::write_undurably(&path, &bytes)?;
        if before.is_some_and(|keys| keys.current == snapshot.key) {
            return Ok(());
        }
        if let Some(old) = before.and_then(|keys| keys.previous).filter(|old| *old != snapshot.key)
        {
            files::remove_all(&self.snapshot_path(target, old))?;
        }
        let previous = before.map(|keys| keys.current);
        self.targets.insert(target.to_owned(), Keys { current: snapshot.key, previous });
        self.changed.insert(target.to_owned());
        Ok(())
    }

    /// Remembers that a run is about to make the result of `key`.
    pub fn want(&mut self, key: Key) {
        self.wanted.insert(key);
    }

    /// Writes what changed, over what another run on the same workspace wrote meanwhile.
    pub fn save(&mut self) -> Result<(), FileError> {
        if !self.changed.is_empty() {
            let path = self.folder.join("targets");
            // One run at a time reads, adds and writes; a turn that does not come loses explanations of the other
            // run, never results.
            let me = Holder::this_process("what a workspace remembers");
            let _turn = Lease::wait_for(&self.store.turn_path(&path), &me)?;
            let mut targets = read_targets(&self.folder)?;
            for target in std::mem::take(&mut self.changed) {
                let keys = self.targets[&target];
                targets.insert(target, keys);
            }
            self.targets = targets;
            let lines: Vec<_> = self.targets.iter().map(format_line).collect();
            let sealed = record::seal(TARGETS, lines.concat().as_bytes());
            files::write(&path, &sealed)?;
        }
        if !self.wanted.is_empty() {
            let lines: Vec<_> = self.wanted.iter().map(|key| format!("{key}\n")).collect();
            let sealed = record::seal(WANTED, lines.concat().as_bytes());
            files::write(&self.folder.join("wanted"), &sealed)?;
        }
        Ok(())
    }
}

fn snapshot_name(target: &str, key: Key) -> String {
    format!("{}-{}", Digest::of(target.as_bytes()).short(), key.short())
}

/// The files of workspaces that hold keys and cannot be believed.
pub fn damaged_files(store: &Store) -> Result<Vec<PathBuf>, FileError> {
    let mut damaged = Vec::new();
    for folder in entries(&store.state_path())? {
        for (name, magic) in [("targets", TARGETS), ("wanted", WANTED)] {
            let path = folder.join(name);
            let bytes = files::read_if_present(&path)?;
            if bytes.is_some_and(|bytes| record::unseal(magic, &bytes).is_err()) {
                damaged.push(path);
            }
        }
    }
    Ok(damaged)
}

/// The keys that any workspace's last run wanted, made or not.
pub fn wanted_keys(store: &Store) -> Result<Vec<Key>, FileError> {
    let mut keys = Vec::new();
    for folder in entries(&store.state_path())? {
        let text = read_sealed(&folder.join("wanted"), WANTED)?;
        keys.extend(text.lines().filter_map(|line| line.parse::<Key>().ok()));
    }
    Ok(keys)
}

/// The keys that any workspace of the store remembers.
pub fn remembered_keys(store: &Store) -> Result<Vec<Key>, FileError> {
    let mut keys = Vec::new();
    for folder in entries(&store.state_path())? {
        for found in read_targets(&folder)?.into_values() {
            keys.push(found.current);
            keys.extend(found.previous);
        }
    }
    Ok(keys)
}

fn read_targets(folder: &Path) -> Result<BTreeMap<String, Keys>, FileError> {
    let text = read_sealed(&folder.join("targets"), TARGETS)?;
    Ok(text.lines().filter_map(parse_line).collect())
}

fn set_aside_if_damaged(store: &Store, path: &Path, magic: &str) -> Result<(), FileError> {
    let Some(bytes) = files::read_if_present(path)? else { return Ok(()) };
    if let Err(damage) = record::unseal(magic, &bytes) {
        tracing::warn!("`{}`: {damage}; moved aside, a run remembers anew", path.display());
        // A question can be answered although the store cannot be written.
        let _ = store.set_aside(path);
    }
    Ok(())
}

/// The text of a sealed file; none of one that is missing. A damaged one is named and not believed: what it
/// remembered is lost, and the next run remembers it anew.
fn read_sealed(path: &Path, magic: &str) -> Result<String, FileError> {
    let Some(bytes) = files::read_if_present(path)? else { return Ok(String::new()) };
    match record::unseal(magic, &bytes) {
        Ok(body) => Ok(String::from_utf8_lossy(body).into_owned()),
        Err(damage) => {
            tracing::warn!("`{}`: {damage}; it is not believed", path.display());
            Ok(String::new())
        }
    }
}

fn format_line((target, keys): (&String, &Keys)) -> String {
    let previous = keys.previous.map_or("-".to_owned(), |key| key.to_hex());
    format!("{}\t{previous}\t{target}\n", keys.current)
}

fn parse_line(line: &str) -> Option<(String, Keys)> {
    let mut parts = line.splitn(3, '\t');
    let current = parts.next()?.parse().ok()?;
    let previous = parts.next()?.parse().ok();
    Some((parts.next()?.to_owned(), Keys { current, previous }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_two_keys_a_target() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("opened");
        let snapshot = |byte| Snapshot {
            key: Key::from_bytes([byte; 32]),
            kind: "k v1".into(),
            params: vec![],
            inputs: vec![],
        };
        let mut memory = Memory::load(&store, Path::new("/m.toml")).expect("loaded");
        for byte in [1, 2, 2, 3] {
            memory.remember("a b", &snapshot(byte)).expect("remembered");
        }
        memory.save().expect("saved");
        let memory = Memory::load(&store, Path::new("/m.toml")).expect("loaded");
        assert_eq!(memory.snapshot("a b"), Some(snapshot(3)));
        assert_eq!(memory.previous_snapshot("a b"), Some(snapshot(2)));
        assert_eq!(remembered_keys(&store).expect("read").len(), 2);
        let other = Memory::load(&store, Path::new("/n.toml")).expect("loaded");
        assert_eq!(other.keys("a b"), None);
    }

    #[test]
    fn eight_that_save_in_the_same_instant_lose_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("opened");
        let load = || Memory::load(&store, Path::new("/m.toml")).expect("loaded");
        let save = |run: u8| {
            let mut memory = load();
            for round in 0..5 {
                let key = Key::from_bytes([run * 16 + round; 32]);
                let snapshot =
                    Snapshot { key, kind: "k v1".into(), params: vec![], inputs: vec![] };
                memory.remember(&format!("{run}-{round}"), &snapshot).expect("remembered");
                memory.save().expect("saved");
            }
        };
        std::thread::scope(|scope| {
            for run in 0..8 {
                scope.spawn(move || save(run));
            }
        });
        assert_eq!(remembered_keys(&store).expect("read").len(), 40);
    }

    #[test]
    fn two_runs_at_once_lose_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("opened");
        let load = || Memory::load(&store, Path::new("/m.toml")).expect("loaded");
        let snapshot = |byte| Snapshot {
            key: Key::from_bytes([byte; 32]),
            kind: "k v1".into(),
            params: vec![],
            inputs: vec![],
        };
        let (mut one, mut two) = (load(), load());
        one.remember("a", &snapshot(1)).expect("remembered");
        two.remember("b", &snapshot(2)).expect("remembered");
        two.want(Key::from_bytes([3; 32]));
        one.save().expect("saved");
        two.save().expect("saved");
        assert!(load().keys("a").is_some() && load().keys("b").is_some());
        assert_eq!(wanted_keys(&store).expect("read"), [Key::from_bytes([3; 32])]);
    }
}
