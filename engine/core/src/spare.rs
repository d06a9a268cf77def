//! Working folders and lease files that wait for the next action instead of being removed.
//!
//! Trivial actions are mostly the making and removing of such names, and on some file systems to make a file soon
//! after others were removed is slow (an ext4 without a journal looks at every inode that was freed in the last
//! seconds). What is spare has a temporary file's name, belongs to one process, and goes when that ends; what a
//! killed one leaves is `gc`'s.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::files;
use crate::sys;

/// Spare names of one kind, of one process in one store.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    paths: Mutex<Vec<PathBuf>>,
}

impl Pool {
    /// One of them, which is no longer in the pool.
    pub(crate) fn take(&self) -> Option<PathBuf> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Renames `path`, which nobody uses any more, to a spare name; removes it where that fails.
    pub(crate) fn keep(&self, path: &Path) {
        let spare = files::temporary_beside(path);
        if sys::rename(path, &spare).is_ok() {
            self.paths.lock().unwrap_or_else(PoisonError::into_inner).push(spare);
        } else {
            let _ = files::remove_all(path);
        }
    }

    /// Removes all of them.
    pub(crate) fn clear(&self) {
        while let Some(path) = self.take() {
            let _ = files::remove_all(&path);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_kept_is_used_again_and_goes_at_the_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        fs::write(&path, "text").expect("written");
        let pool = Pool::default();
        pool.keep(&path);
        let spare = pool.take().expect("kept");
        assert_eq!(fs::read_to_string(&spare).expect("read"), "text");
        assert!(!path.exists() && pool.take().is_none());
        fs::rename(&spare, &path).expect("used");
        pool.keep(&path);
        drop(pool);
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0);
    }
}
