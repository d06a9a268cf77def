//! The content-addressed store: objects by digest, results and requests by key.
//!
//! A digest exists only once its object is whole: objects are written elsewhere in the store,
//! synced, renamed and made read-only. There is no database and no lasting lock; see [`crate::lease`]
//! for what keeps two processes from doing the same work.
//!
//! ```text
//! objects/ab/<digest>   artifacts, read-only
//! results/ab/<key>      what an action gave, with its receipt
//! requests/ab/<key>     all that `exec` needs to run it
//! kept/ab/<digest>      that an object is a measurement, which is never collected, whatever becomes of its result
//! leases/<key>          who is running it now
//! runs/<process>        which runs are under way
//! work/<key>/           its outputs and its scratch folder, which survives a crash so that it can resume
//! logs/<key>.log        what it wrote to standard error
//! damaged/              what was found broken, moved aside
//! state/                what each workspace remembers, see crate::memory
//! ```

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::digest::{Digest, Key};
use crate::files::{self, At, FileError};
use crate::holder::Holder;
use crate::parallel;
use crate::record::{self, ActionResult, Damaged, Kept, Request};
use crate::spare::Pool;
use crate::sys;

/// Layout version, in the store's `format` file.
pub(crate) const FORMAT: &str = "mixmake-store 1\n";

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` is not a store that this version reads: its `format` file says `{found}`", path.display())]
    Format { path: PathBuf, found: String },
    #[error("cannot encode a record: {0}")]
    Encode(#[from] serde_json::Error),
}

/// An open store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// Folders whose names this process has made durable, or found so.
    settled: Arc<Mutex<HashSet<PathBuf>>>,
    /// Working folders that are done with.
    pub(crate) spare_work: Arc<Pool>,
    /// Lease files that are done with.
    pub(crate) spare_leases: Arc<Pool>,
}

impl Store {
    /// Opens the store at `root`, creating it where there is none.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let format = root.join("format");
        match files::read_if_present(&format)? {
            Some(found) if found == FORMAT.as_bytes() => {}
            Some(found) => {
                let found = String::from_utf8_lossy(&found).trim().to_owned();
                return Err(StoreError::Format { path: root.to_owned(), found });
            }
            None => files::write(&format, FORMAT.as_bytes())?,
        }
        Ok(Self::new(fs::canonicalize(root).at("open", root)?))
    }

    /// The store at `root`, which need not exist: for questions, which must not make one. One
    /// that is not there answers like an empty one.
    pub fn at(root: &Path) -> Result<Self, StoreError> {
        if let Some(there) = Self::open_existing(root)? {
            return Ok(there);
        }
        Ok(Self::new(std::path::absolute(root).at("find", root)?))
    }

    fn new(root: PathBuf) -> Self {
        let (spare_work, spare_leases) = Default::default();
        Self { root, settled: Arc::default(), spare_work, spare_leases }
    }

    /// Whether there is a store on disk.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.root.join("format").exists()
    }

    /// Opens the store at `root`; none where there is none.
    pub fn open_existing(root: &Path) -> Result<Option<Self>, StoreError> {
        match files::read_if_present(&root.join("format"))? {
            Some(_) => Self::open(root).map(Some),
            None => Ok(None),
        }
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn sharded(&self, kind: &str, hex: &str) -> PathBuf {
        self.root.join(kind).join(&hex[..2]).join(hex)
    }

    #[must_use]
    pub fn object_path(&self, digest: Digest) -> PathBuf {
        self.sharded("objects", &digest.to_hex())
    }

    #[must_use]
    pub fn result_path(&self, key: Key) -> PathBuf {
        self.sharded("results", &key.to_hex())
    }

    #[must_use]
    pub fn request_path(&self, key: Key) -> PathBuf {
        self.sharded("requests", &key.to_hex())
    }

    #[must_use]
    pub fn lease_path(&self, key: Key) -> PathBuf {
        self.root.join("leases").join(key.to_hex())
    }

    /// The lease of whoever's turn it is to change a file that several runs write.
    #[must_use]
    pub fn turn_path(&self, file: &Path) -> PathBuf {
        let name = Digest::of(file.as_os_str().as_encoded_bytes());
        self.root.join("leases").join(name.to_hex())
    }

    #[must_use]
    pub fn kept_path(&self, digest: Digest) -> PathBuf {
        self.sharded("kept", &digest.to_hex())
    }

    /// The mark of a run under way.
    #[must_use]
    pub fn run_path(&self, holder: &Holder) -> PathBuf {
        let Holder { host, pid, process_start, .. } = holder;
        self.root.join("runs").join(format!("{host}-{pid}-{process_start}"))
    }

    #[must_use]
    pub fn work_path(&self, key: Key) -> PathBuf {
        self.root.join("work").join(key.to_hex())
    }

    #[must_use]
    pub fn log_path(&self, key: Key) -> PathBuf {
        self.root.join("logs").join(format!("{key}.log"))
    }

    #[must_use]
    pub fn state_path(&self) -> PathBuf {
        self.root.join("state")
    }

    /// Whether the object is there with the right size. Its bytes are checked by
    /// [`Store::check_object`] before an action uses them, and by `verify`.
    #[must_use]
    pub fn has_object(&self, digest: Digest, bytes: u64) -> bool {
        sys::metadata(&self.object_path(digest)).is_ok_and(|metadata| metadata.len() == bytes)
    }

    /// Whether the object is there and whole, read through to its last byte; a damaged one is moved aside, so that
    /// the next plan sees it missing and rebuilds it.
    pub fn check_object(&self, digest: Digest) -> Result<bool, FileError> {
        let path = self.object_path(digest);
        let found = match sys::digest(&path) {
            Ok((found, _)) => found,
            // Another action that reads it was first to find it damaged.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error).at("read", &path),
        };
        if found != digest {
            tracing::warn!("`{}`: its bytes have digest {found}; moved aside", path.display());
            self.set_aside(&path)?;
        }
        Ok(found == digest)
    }

    /// An object's bytes, all of them checked; none of one that is gone or damaged, which is then moved aside.
    pub fn read_object(&self, digest: Digest) -> Result<Option<Vec<u8>>, FileError> {
        let path = self.object_path(digest);
        let Some(bytes) = files::read_if_present(&path)? else { return Ok(None) };
        if Digest::of(&bytes) == digest {
            return Ok(Some(bytes));
        }
        tracing::warn!("`{}` is damaged; moved aside, its action will run again", path.display());
        self.set_aside(&path)?;
        Ok(None)
    }

    /// Takes finished files into the store, each under the digest of its bytes; gives digests and sizes. One that is
    /// there already is replaced: its bytes might be damaged, these are not. All are durable afterwards; what has to be
    /// waited for is asked of the disk at once.
    pub fn insert_all(&self, files: &[PathBuf]) -> Result<Vec<(Digest, u64)>, FileError> {
        let digest = |file: &PathBuf| sys::digest(file).at("read", file);
        let found = files.iter().map(digest).collect::<Result<Vec<_>, _>>()?;
        for synced in parallel::at_once(files, |file| finish(file)) {
            synced?;
        }
        let objects: Vec<_> = found.iter().map(|(digest, _)| self.object_path(*digest)).collect();
        for (file, object) in files.iter().zip(&objects) {
            files::make_parent(object, false)?;
            sys::rename(file, object).at("rename to", object)?;
        }
        self.settle(&objects)?;
        Ok(found)
    }

    /// As [`Store::insert_all`], of one file.
    pub fn insert(&self, file: &Path) -> Result<(Digest, u64), FileError> {
        let digest = sys::digest(file).at("read", file)?;
        self.insert_all(&[file.to_owned()])?;
        Ok(digest)
    }

    /// Writes records, each whole or not at all, durably.
    fn put(&self, records: &[(PathBuf, Vec<u8>)]) -> Result<(), FileError> {
        for (path, bytes) in records {
            files::make_parent(path, false)?;
            files::write_synced(path, bytes)?;
        }
        let paths: Vec<_> = records.iter().map(|(path, _)| path).collect();
        self.settle(&paths)
    }

    /// Makes the names of files durable, and those of the folders above them, the latter once a process: whoever made
    /// them may have died before that.
    fn settle<P: AsRef<Path>>(&self, paths: &[P]) -> Result<(), FileError> {
        let settled = || self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut changed, mut named) = (BTreeSet::new(), Vec::new());
        for path in paths.iter().map(AsRef::as_ref) {
            changed.extend(path.parent());
            for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.root) {
                if settled().contains(folder) {
                    break;
                }
                changed.extend(folder.parent());
                named.push(folder.to_owned());
            }
        }
        let changed: Vec<_> = changed.into_iter().collect();
        for synced in parallel::at_once(&changed, |folder| files::sync_folder(folder)) {
            synced?;
        }
        settled().extend(named);
        Ok(())
    }

    /// The result under `key`; a damaged one is moved aside and reported as absent.
    pub fn result(&self, key: Key) -> Result<Option<ActionResult>, FileError> {
        let path = self.result_path(key);
        let Some(bytes) = files::read_if_present(&path)? else { return Ok(None) };
        match record::decode::<ActionResult>(&bytes) {
            Ok(result) if result.key == key => Ok(Some(result)),
            Ok(_) => self.disbelieve(&path, &Damaged("it belongs to another key".into())),
            Err(damage) => self.disbelieve(&path, &damage),
        }
    }

    fn disbelieve<T>(&self, path: &Path, damage: &Damaged) -> Result<Option<T>, FileError> {
        tracing::warn!("`{}`: {damage}; moved aside, its action will run again", path.display());
        self.set_aside(path)?;
        Ok(None)
    }

    /// Moves a broken file out of the way, keeping it for whoever wants to look.
    pub fn set_aside(&self, path: &Path) -> Result<(), FileError> {
        let name = path.file_name().unwrap_or_default();
        let kind = path
            .strip_prefix(&self.root)
            .ok()
            .and_then(|below| below.components().next())
            .map(|kind| kind.as_os_str().to_string_lossy().into_owned())
            .unwrap_or_default();
        let to = self.root.join("damaged").join(format!("{kind}-{}", name.to_string_lossy()));
        // A move that a power cut half undid leaves both names on one file, and to rename one into the other is
        // nothing, by POSIX: the damaged file would stay for ever.
        match sys::remove_file(&to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).at("remove", &to)?;
            }
            _ => {}
        }
        match files::move_into(path, &to) {
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Writes a result; the last step of an action, after which it counts as done.
    pub fn put_result(&self, result: &ActionResult) -> Result<(), StoreError> {
        let mut records = Vec::new();
        for output in result.outputs.iter().filter(|output| output.keep) {
            let (key, name) = (result.key, output.name.clone());
            let kept = Kept { digest: output.digest, bytes: output.bytes, key, output: name };
            records.push((self.kept_path(output.digest), record::encode(&kept)?));
        }
        self.put(&records)?;
        Ok(self.put(&[(self.result_path(result.key), record::encode(result)?)])?)
    }

    /// Writes a request, which whoever needs it after a power cut writes again.
    pub fn put_request(&self, request: &Request) -> Result<(), StoreError> {
        let bytes = record::encode(request)?;
        Ok(files::write_undurably(&self.request_path(request.key), &bytes)?)
    }

    /// Removes the names that waited for another action.
    pub(crate) fn remove_spares(&self) {
        self.spare_work.clear();
        self.spare_leases.clear();
    }

    /// Says that a result and what is there of its objects are in use, so that a `gc` beside leaves them; false if
    /// the result is gone.
    pub fn use_result(&self, result: &ActionResult) -> Result<bool, FileError> {
        for output in &result.outputs {
            self.use_object(output.digest)?;
        }
        touch(&self.result_path(result.key))
    }

    /// As [`Store::use_result`], of one object.
    pub fn use_object(&self, digest: Digest) -> Result<bool, FileError> {
        touch(&self.object_path(digest))
    }

    /// Every file name below `kind/`, sorted, with its path.
    pub fn list(&self, kind: &str) -> Result<Vec<(String, PathBuf)>, FileError> {
        self.list_all(kind, false)
    }

    /// Files below `kind/` that are being written, or that a killed writer left.
    pub fn temporaries(&self, kind: &str) -> Result<Vec<PathBuf>, FileError> {
        Ok(self.list_all(kind, true)?.into_iter().map(|(_, path)| path).collect())
    }

    fn list_all(&self, kind: &str, temporary: bool) -> Result<Vec<(String, PathBuf)>, FileError> {
        let mut found = Vec::new();
        let folder = self.root.join(kind);
        for shard in entries(&folder)? {
            if shard.is_dir() {
                found.extend(entries(&shard)?);
            } else {
                found.push(shard);
            }
        }
        let mut named: Vec<_> = found
            .into_iter()
            .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)))
            .filter(|(name, _)| name.starts_with('.') == temporary)
            .collect();
        named.sort();
        Ok(named)
    }
}

/// Makes a file's bytes durable and its own those of an object.
fn finish(file: &Path) -> Result<(), FileError> {
    fs::File::open(file).and_then(|open| sys::sync(&open, file)).at("sync", file)?;
    sys::make_read_only(file).at("make read-only", file)?;
    // However old the action made it look: `gc` goes by this.
    sys::touch(file).at("touch", file)
}

/// False if there is no such file.
fn touch(path: &Path) -> Result<bool, FileError> {
    match sys::touch(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        // Another user's file, which a `gc` of ours cannot take either.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(true),
        Err(error) => Err(error).at("touch", path),
    }
}

/// Paths in a folder; none if it does not exist.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    match sys::list(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.at("list", folder),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::record::Receipt;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(&folder.path().join("store")).expect("opened");
        (folder, store)
    }

    fn insert(folder: &Path, store: &Store, text: &str) -> Digest {
        let file = folder.join("file");
        fs::write(&file, text).expect("written");
        store.insert(&file).expect("inserted").0
    }

    #[test]
    fn objects_are_read_only_and_shared() {
        let (folder, store) = store();
        let one = insert(folder.path(), &store, "same");
        let two = insert(folder.path(), &store, "same");
        assert_eq!(one, two);
        let metadata = fs::metadata(store.object_path(one)).expect("there");
        assert!(metadata.permissions().readonly());
        assert!(store.has_object(one, 4));
        assert!(!store.has_object(one, 5));
    }

    #[test]
    fn a_damaged_object_is_found_and_set_aside() {
        let (folder, store) = store();
        let digest = insert(folder.path(), &store, "good");
        let path = store.object_path(digest);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("writable");
        fs::write(&path, "evil").expect("overwritten");
        assert!(!store.check_object(digest).expect("read"));
        assert!(!store.has_object(digest, 4));
        assert!(!store.check_object(digest).expect("gone is not whole"));
        assert_eq!(store.list("damaged").expect("listed").len(), 1);
    }

    /// What a power cut leaves of a move whose one half was durable; the model test found it.
    #[test]
    fn a_damaged_object_goes_even_where_its_copy_is_the_same_file() {
        let (folder, store) = store();
        let digest = insert(folder.path(), &store, "good");
        let path = store.object_path(digest);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("writable");
        fs::write(&path, "evil").expect("overwritten");
        assert!(!store.check_object(digest).expect("read"));
        let (_, aside) = store.list("damaged").expect("listed").remove(0);
        fs::hard_link(&aside, &path).expect("both names");
        assert!(!store.check_object(digest).expect("read"));
        assert!(!path.exists() && aside.exists());
    }

    #[test]
    fn a_damaged_result_is_absent() {
        let (_folder, store) = store();
        let key = Key::from_bytes([3; 32]);
        let result = ActionResult {
            key,
            kind: "k".into(),
            version: 1,
            outputs: vec![],
            receipt: Receipt::default(),
        };
        store.put_result(&result).expect("stored");
        assert_eq!(store.result(key).expect("read"), Some(result));
        let path = store.result_path(key);
        let mut bytes = fs::read(&path).expect("read");
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::write(&path, bytes).expect("flipped");
        assert_eq!(store.result(key).expect("read"), None);
        assert!(!path.exists());
    }

    #[test]
    fn another_format_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("format"), "mixmake-store 9\n").expect("written");
        let error = Store::open(folder.path()).expect_err("refused");
        assert!(error.to_string().contains("mixmake-store 9"), "{error}");
    }
}
