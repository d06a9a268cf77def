//! Digests of external files, recomputed only when size, modification time or inode changed.
//!
//! A file modified so shortly before it was hashed that a later write could carry the same
//! time stamp is hashed again the next time.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::digest::Digest;
use crate::files::{self, At, FileError};
use crate::parallel;
use crate::record;

/// Coarsest time stamps of file systems in use (FAT counts 2 s).
pub(crate) const RACY_NANOS: i128 = 2_000_000_000;
pub(crate) const HEADER: &str = "mixmake-files 2";

/// What is known of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    pub digest: Digest,
    pub bytes: u64,
    pub modified_nanos: i128,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    facts: FileFacts,
    inode: u64,
    hashed_nanos: i128,
}

impl Entry {
    fn matches(&self, metadata: &Metadata) -> bool {
        self.facts.bytes == metadata.len()
            && self.facts.modified_nanos == modified_nanos(metadata)
            && self.inode == metadata.ino()
            && self.hashed_nanos - self.facts.modified_nanos > RACY_NANOS
    }
}

/// Nanoseconds since 1970 of the last modification.
#[must_use]
pub fn modified_nanos(metadata: &Metadata) -> i128 {
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}

/// The stat index of one workspace.
#[derive(Debug)]
pub struct FileIndex {
    path: PathBuf,
    entries: HashMap<PathBuf, Entry>,
    changed: bool,
    /// How many files were read in this process; what a no-op must keep at 0.
    pub hashed: usize,
}

impl FileIndex {
    /// Reads the index; a missing or damaged one is empty, since it only saves time.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let bytes = files::read_if_present(path)?.unwrap_or_default();
        // A flipped bit here would put a result under the digest of bytes that nobody has.
        let text = String::from_utf8_lossy(record::unseal(HEADER, &bytes).unwrap_or_default());
        let entries = text.lines().filter_map(parse_line).collect();
        Ok(Self { path: path.to_owned(), entries, changed: false, hashed: 0 })
    }

    /// Facts of every path, in order, each on its own since one may be missing; `threads` read
    /// at once.
    pub fn facts(
        &mut self,
        paths: &[PathBuf],
        threads: usize,
    ) -> Vec<Result<FileFacts, FileError>> {
        let known = parallel::map(paths, threads, |path| self.known(path));
        let todo: Vec<usize> =
            (0..known.len()).filter(|&index| matches!(known[index], Ok(None))).collect();
        let mut fresh: HashMap<_, _> = hash_all(paths, &todo, threads).into_iter().collect();
        self.hashed += todo.len();
        let mut facts = Vec::with_capacity(paths.len());
        for (index, known) in known.into_iter().enumerate() {
            let entry = match known {
                Ok(Some(known)) => Ok(known),
                Err(error) => Err(error),
                Ok(None) => self.learn(&paths[index], fresh.remove(&index)),
            };
            facts.push(entry);
        }
        facts
    }

    fn learn(
        &mut self,
        path: &Path,
        fresh: Option<Result<Entry, FileError>>,
    ) -> Result<FileFacts, FileError> {
        let unread = || Err(std::io::Error::other("it was not read")).at("hash", path);
        let entry = fresh.unwrap_or_else(unread)?;
        self.entries.insert(path.to_owned(), entry);
        self.changed = true;
        Ok(entry.facts)
    }

    fn known(&self, path: &Path) -> Result<Option<FileFacts>, FileError> {
        let metadata = fs::metadata(path).at("read", path)?;
        let entry = self.entries.get(path).filter(|entry| entry.matches(&metadata));
        Ok(entry.map(|entry| entry.facts))
    }

    /// Writes the index if it changed.
    pub fn save(&mut self) -> Result<(), FileError> {
        if !self.changed {
            return Ok(());
        }
        let mut lines: Vec<_> = self.entries.iter().filter_map(format_line).collect();
        lines.sort();
        files::write(&self.path, &record::seal(HEADER, lines.concat().as_bytes()))?;
        self.changed = false;
        Ok(())
    }
}

fn hash_all(
    paths: &[PathBuf],
    todo: &[usize],
    threads: usize,
) -> Vec<(usize, Result<Entry, FileError>)> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(todo.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, todo.len().max(1)) {
            scope.spawn(|| {
                while let Some(&index) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let entry = hash(&paths[index]);
                    if let Ok(mut done) = done.lock() {
                        done.push((index, entry));
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn hash(path: &Path) -> Result<Entry, FileError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let metadata = fs::metadata(path).at("read", path)?;
    let (digest, bytes) = Digest::of_file(path).at("read", path)?;
    let facts = FileFacts { digest, bytes, modified_nanos: modified_nanos(&metadata) };
    let hashed_nanos = i128::try_from(now.as_nanos()).unwrap_or(0);
    Ok(Entry { facts, inode: metadata.ino(), hashed_nanos })
}

/// `digest bytes modified inode hashed path`; a path with a line break is not indexed.
fn format_line((path, entry): (&PathBuf, &Entry)) -> Option<String> {
    let path = path.to_str().filter(|path| !path.contains('\n'))?;
    let FileFacts { digest, bytes, modified_nanos } = entry.facts;
    let mut line = String::new();
    writeln!(
        line,
        "{digest} {bytes} {modified_nanos} {} {} {path}",
        entry.inode, entry.hashed_nanos
    )
    .ok()?;
    Some(line)
}

fn parse_line(line: &str) -> Option<(PathBuf, Entry)> {
    let mut parts = line.splitn(6, ' ');
    let facts = FileFacts {
        digest: parts.next()?.parse().ok()?,
        bytes: parts.next()?.parse().ok()?,
        modified_nanos: parts.next()?.parse().ok()?,
    };
    let inode = parts.next()?.parse().ok()?;
    let hashed_nanos = parts.next()?.parse().ok()?;
    Some((parts.next()?.into(), Entry { facts, inode, hashed_nanos }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn write_old(path: &Path, text: &str) {
        fs::write(path, text).expect("written");
        let file = fs::OpenOptions::new().append(true).open(path).expect("opened");
        file.set_modified(SystemTime::now() - Duration::from_secs(100)).expect("aged");
    }

    fn digest(index: &mut FileIndex, paths: &[PathBuf]) -> Digest {
        index.facts(paths, 2)[0].as_ref().expect("readable").digest
    }

    #[test]
    fn unchanged_files_are_not_read_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (index_path, file) = (folder.path().join("index"), folder.path().join("a file"));
        write_old(&file, "one");
        let paths = [file.clone()];
        let mut index = FileIndex::load(&index_path).expect("loaded");
        let first = digest(&mut index, &paths);
        assert_eq!((index.hashed, first), (1, Digest::of(b"one")));
        index.save().expect("saved");

        let mut index = FileIndex::load(&index_path).expect("loaded");
        assert_eq!(digest(&mut index, &paths), first);
        assert_eq!(index.hashed, 0);

        fs::write(&file, "two").expect("written");
        assert_eq!(digest(&mut index, &paths), Digest::of(b"two"));
        digest(&mut index, &paths);
        assert_eq!(index.hashed, 2, "a file as young as its hash is not trusted");
    }

    #[test]
    fn all_missing_files_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut index = FileIndex::load(&folder.path().join("index")).expect("loaded");
        let paths = [folder.path().join("x"), folder.path().join("y")];
        assert!(index.facts(&paths, 1).iter().all(Result::is_err));
    }
}
