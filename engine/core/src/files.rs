//! Writing files so that a reader sees the old content or the new, never a part.
//!
//! What is relied on: `rename` replaces a name atomically, `fsync` of a file and of its folder
//! makes both durable. Nothing relies on `flock`.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A failed file operation, with the path it was about.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} `{}`: {source}", path.display())]
pub struct FileError {
    pub verb: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// Adds the verb and the path to an [`io::Result`].
pub trait At<T> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, verb: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError { verb, path: path.to_owned(), source })
    }
}

/// Replaces `path` by `bytes`, durably and atomically; makes the folders above it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let temporary = temporary_beside(path);
    ensure_parent(path)?;
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    if let Err(error) = written.at("write", &temporary).and_then(|()| move_into(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(())
}

/// Renames a whole, synced file to its final name and makes the name durable.
pub fn move_into(from: &Path, to: &Path) -> Result<(), FileError> {
    ensure_parent(to)?;
    fs::rename(from, to).at("rename to", to)?;
    sync_folder_of(to)
}

/// Makes the entries of the folder that holds `path` durable.
pub fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    // The folder of a bare name is the empty path, which cannot be opened.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).at("sync", folder)
}

/// Creates the folders above `path`.
pub fn ensure_parent(path: &Path) -> Result<(), FileError> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(()),
        Some(parent) => fs::create_dir_all(parent).at("create the folder", parent),
        None => Ok(()),
    }
}

/// A name beside `path` that no other process or thread uses.
fn temporary_beside(path: &Path) -> PathBuf {
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

/// Reads a file; a missing one is `None`.
pub fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at("read", path),
    }
}

/// Removes a file or a folder with all in it; a missing one is no error.
pub fn remove_all(path: &Path) -> Result<(), FileError> {
    let removed = match fs::symlink_metadata(path) {
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.at("remove", path),
    }
}

/// This machine's name, as it goes into leases and receipts.
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_whole_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/er/file");
        write(&path, b"one").expect("written");
        write(&path, b"two").expect("written again");
        assert_eq!(read_if_present(&path).expect("read"), Some(b"two".to_vec()));
        let names = fs::read_dir(path.parent().expect("parent")).expect("listed").count();
        assert_eq!(names, 1);
    }

    #[test]
    fn errors_name_the_path() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        write(&file, b"").expect("written");
        let error = write(&file.join("below"), b"").expect_err("a file is no folder");
        assert!(error.to_string().contains("file"), "{error}");
    }
}
