//! Writing files so that a reader sees the old content or the new, never a part.
//!
//! What is relied on: `rename` replaces a name atomically, `fsync` of a file and of its folder
//! makes both durable. Nothing relies on `flock`.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys;

/// A failed file operation, with the path it was about.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} `{}`: {source}{note}", path.display())]
pub struct FileError {
    pub verb: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
    /// On a full disk: how much is free, and how much was to be written.
    pub note: String,
}

impl FileError {
    /// Whether the file system or a quota is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        is_full(&self.source)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Adds the verb and the path to an [`io::Result`].
pub trait At<T> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| {
            let note = if is_full(&source) { format!(" ({})", room(path)) } else { String::new() };
            FileError { verb, path: path.to_owned(), source, note }
        })
    }
}

/// Replaces `path` by `bytes`, durably and atomically; makes the folders above it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, true)
}

/// Replaces `path` by `bytes`, atomically for every process, but a power cut may leave any bytes: for what
/// carries its digest and is written anew before it is needed.
pub fn write_undurably(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, false)
}

fn replace(path: &Path, bytes: &[u8], durably: bool) -> Result<(), FileError> {
    make_parent(path, durably)?;
    replace_name(path, bytes, durably)?;
    if durably { sync_folder_of(path) } else { Ok(()) }
}

/// Replaces `path` by durable bytes, atomically; its name, and the folder above it, are the caller's to make and to sync.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace_name(path, bytes, true)
}

fn replace_name(path: &Path, bytes: &[u8], synced: bool) -> Result<(), FileError> {
    let temporary = temporary_beside(path);
    let written = write_new(&temporary, bytes, synced)
        .and_then(|()| sys::rename(&temporary, path).at("rename to", path));
    if let Err(mut error) = written {
        let _ = sys::remove_file(&temporary);
        if error.is_full() {
            error.note = format!(" ({} to be written; {})", amount(bytes.len() as u64), room(path));
        }
        return Err(error);
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8], durably: bool) -> Result<(), FileError> {
    let written = (|| {
        let mut file = sys::create(path)?;
        sys::write(&mut file, path, bytes)?;
        if durably { sys::sync(&file, path) } else { Ok(()) }
    })();
    written.at("write", path)
}

/// Renames a whole, synced file to its final name and makes the name durable.
pub fn move_into(from: &Path, to: &Path) -> Result<(), FileError> {
    ensure_parent(to)?;
    sys::rename(from, to).at("rename to", to)?;
    sync_folder_of(to)
}

/// Makes the entries of the folder that holds `path` durable.
pub fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    // The folder of a bare name is the empty path, which cannot be opened.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or(Path::new(".")))
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), FileError> {
    sys::sync_folder(folder).at("sync", folder)
}

/// Creates the folders above `path`, durably.
pub fn ensure_parent(path: &Path) -> Result<(), FileError> {
    make_parent(path, true)
}

pub(crate) fn make_parent(path: &Path, durably: bool) -> Result<(), FileError> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(()),
        Some(parent) => ensure_folder(parent, durably).at("create the folder", parent),
        None => Ok(()),
    }
}

/// Creates `folder` and those above it; where `durably`, every name that is made is durable afterwards.
pub(crate) fn ensure_folder(folder: &Path, durably: bool) -> io::Result<()> {
    if sys::metadata(folder).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    let made = sys::make_folder(folder).or_else(|error| match (error.kind(), folder.parent()) {
        (io::ErrorKind::NotFound, Some(parent)) if !parent.as_os_str().is_empty() => {
            ensure_folder(parent, durably)?;
            sys::make_folder(folder)
        }
        _ => Err(error),
    });
    match made {
        // Another process was quicker; or the answer was lost and the call repeated, on NFS.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        other => other?,
    }
    if !durably {
        return Ok(());
    }
    let above = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    sys::sync_folder(above.unwrap_or(Path::new(".")))
}

/// A name beside `path` that no other process or thread uses.
pub(crate) fn temporary_beside(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(
        ".{}-{}-{}.tmp",
        host(),
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    ));
    path.with_file_name(name)
}

/// How often a read is tried again that met a file replaced on the server (`ESTALE`, on NFS).
const STALE_TRIES: usize = 4;

/// Reads a file; a missing one is `None`.
pub fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    present(path, || sys::read(path))
}

/// Reads a file with what `stat` says of it; a missing one is `None`.
pub(crate) fn read_with_metadata(path: &Path) -> Result<Option<(Vec<u8>, Metadata)>, FileError> {
    present(path, || sys::read_with_metadata(path))
}

fn present<T>(path: &Path, read: impl Fn() -> io::Result<T>) -> Result<Option<T>, FileError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match read() {
            Ok(read) => return Ok(Some(read)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error)
                if error.kind() == io::ErrorKind::StaleNetworkFileHandle && tries < STALE_TRIES => {
            }
            Err(error) => return Err(error).at("read", path),
        }
    }
}

/// Removes a file or a folder with all in it; a missing one is no error.
pub fn remove_all(path: &Path) -> Result<(), FileError> {
    match remove_tree(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.at("remove", path),
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    if !sys::symlink_metadata(path)?.is_dir() {
        return sys::remove_file(path);
    }
    for entry in sys::list(path)? {
        match remove_tree(&entry) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sys::remove_folder(path)
}

/// What is free where `path` is (or will be), in words.
#[must_use]
pub fn room(path: &Path) -> String {
    let there = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(there) {
        Ok(found) if found.f_files > 0 && found.f_favail == 0 => {
            "its file system has no room for another file: no inodes are free".to_owned()
        }
        Ok(found) => {
            format!("{} free on its file system", amount(found.f_bavail * found.f_frsize))
        }
        Err(_) => "how much is free there is not known".to_owned(),
    }
}

/// Bytes for people: exact below 10 kB, three digits above.
#[must_use]
pub fn amount(bytes: u64) -> String {
    if bytes < 10_000 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1e3;
    let mut units = ["kB", "MB", "GB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1e3
        && let Some(next) = units.next()
    {
        (value, unit) = (value / 1e3, next);
    }
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// This machine's name, as it goes into leases and receipts.
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_write_replaces_whole_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/er/file");
        write(&path, b"one").expect("written");
        write_undurably(&path, b"two").expect("written again");
        assert_eq!(read_if_present(&path).expect("read"), Some(b"two".to_vec()));
        let names = fs::read_dir(path.parent().expect("parent")).expect("listed").count();
        assert_eq!(names, 1);
        remove_all(folder.path()).expect("removed");
        assert!(!folder.path().exists());
        remove_all(folder.path()).expect("a missing one is no error");
    }

    #[test]
    fn errors_name_the_path() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        write(&file, b"").expect("written");
        let error = write(&file.join("below"), b"").expect_err("a file is no folder");
        assert!(error.to_string().contains("file"), "{error}");
    }

    #[test]
    fn amounts() {
        let check = |bytes, text: &str| assert_eq!(amount(bytes), text);
        check(0, "0 bytes");
        check(9_999, "9999 bytes");
        check(12_345, "12.3 kB");
        check(2_345_678, "2.35 MB");
        check(123_456_789_012, "123 GB");
        check(5_000_000_000_000, "5000 GB");
    }
}
