//! Every system call by which the store is read and changed, one function each: the one place
//! where tests put a crash, an error, a lost answer or a lost write (see `faults`).

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::digest::Digest;

/// What a call is about to do.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(test), expect(dead_code, reason = "only tests look at the paths"))]
pub(crate) enum Call<'a> {
    Read(&'a Path),
    Stat(&'a Path),
    List(&'a Path),
    Create(&'a Path),
    Write(&'a Path, &'a [u8]),
    Sync(&'a Path),
    SyncFolder(&'a Path),
    Rename(&'a Path, &'a Path),
    Link(&'a Path, &'a Path),
    Remove(&'a Path),
    MakeFolder(&'a Path),
    RemoveFolder(&'a Path),
    SetMode(&'a Path),
    Touch(&'a Path),
}

#[cfg(not(test))]
#[inline]
fn call<T>(_: Call<'_>, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    run()
}

#[cfg(test)]
use crate::faults::call;

/// A file's bytes.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    call(Call::Read(path), || fs::read(path))
}

/// A file's bytes and what `stat` says of that very file, even if the name is given to another one meanwhile.
/// Opening asks the server again where NFS would answer from its cache.
pub(crate) fn read_with_metadata(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    call(Call::Read(path), || {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok((bytes, metadata))
    })
}

/// Digest and length of a file's bytes.
pub(crate) fn digest(path: &Path) -> io::Result<(Digest, u64)> {
    call(Call::Read(path), || Digest::of_file(path))
}

pub(crate) fn metadata(path: &Path) -> io::Result<Metadata> {
    call(Call::Stat(path), || fs::metadata(path))
}

pub(crate) fn symlink_metadata(path: &Path) -> io::Result<Metadata> {
    call(Call::Stat(path), || fs::symlink_metadata(path))
}

/// Paths in a folder.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    call(Call::List(folder), || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect())
}

/// A new, empty file; an error if the name is taken.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    call(Call::Create(path), || OpenOptions::new().write(true).create_new(true).open(path))
}

/// Writes to a file opened under `path`.
pub(crate) fn write(file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    call(Call::Write(path, bytes), || file.write_all(bytes))
}

/// Replaces the bytes of a file that is there.
pub(crate) fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<File> {
    call(Call::Write(path, bytes), || {
        let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
        file.write_all(bytes)?;
        Ok(file)
    })
}

/// Makes a file's bytes durable.
pub(crate) fn sync(file: &File, path: &Path) -> io::Result<()> {
    call(Call::Sync(path), || file.sync_all())
}

/// Makes a folder's names durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    call(Call::SyncFolder(folder), || File::open(folder)?.sync_all())
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    call(Call::Rename(from, to), || fs::rename(from, to))
}

pub(crate) fn hard_link(from: &Path, to: &Path) -> io::Result<()> {
    call(Call::Link(from, to), || fs::hard_link(from, to))
}

pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    call(Call::Remove(path), || fs::remove_file(path))
}

pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    call(Call::MakeFolder(folder), || fs::create_dir(folder))
}

/// Removes an empty folder.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    call(Call::RemoveFolder(folder), || fs::remove_dir(folder))
}

pub(crate) fn make_read_only(path: &Path) -> io::Result<()> {
    call(Call::SetMode(path), || fs::set_permissions(path, Permissions::from_mode(0o444)))
}

/// Sets the time of the last modification to now, by the clock of the file system's server.
pub(crate) fn touch(path: &Path) -> io::Result<()> {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: omit, last_modification: now };
    call(Call::Touch(path), || Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::empty())?))
}

/// This machine's time.
#[cfg(not(test))]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
pub(crate) fn now() -> SystemTime {
    crate::faults::now()
}
