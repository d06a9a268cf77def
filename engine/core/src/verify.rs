//! Reads a whole store through and names every file that is not what its name says.

use std::path::{Path, PathBuf};

use crate::digest::{Digest, Key};
use crate::file_index;
use crate::files::{self, At, FileError};
use crate::holder::Holder;
use crate::memory::{self, Snapshot};
use crate::record::{self, ActionResult, Damaged, Kept, Record, Request};
use crate::store::{FORMAT, Store, entries};
use crate::sys;

/// What was found in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub objects: usize,
    pub results: usize,
    pub requests: usize,
    /// Marks of measurements, leases, and what workspaces remember.
    pub others: usize,
    /// Of the objects.
    pub bytes: u64,
    /// One line a problem.
    pub problems: Vec<String>,
}

/// What a file of the store is, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Format,
    Object,
    Result,
    Request,
    Kept,
    Lease,
    Targets,
    Wanted,
    Files,
    Snapshot,
    /// Text for people, bytes of an action under way, what was moved aside: nothing believes these.
    Unchecked,
    Stranger,
}

/// Checks every file by which the store answers; damaged ones are moved aside if `repair`, so that
/// the next run makes them again. `progress` hears of the bytes read.
pub fn verify(
    store: &Store,
    repair: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Findings, FileError> {
    let mut findings = Findings::default();
    for path in files_below(store.root())? {
        let kind = kind_of(store, &path);
        findings.count(kind);
        let Some(problem) = check(store, kind, &path, &mut findings)? else {
            progress(findings.bytes);
            continue;
        };
        findings.problems.push(format!("{} `{}` {problem}", kind.word(), path.display()));
        if repair && kind != Kind::Stranger {
            store.set_aside(&path)?;
        }
    }
    Ok(findings)
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    let mut paths = entries(folder)?;
    paths.sort();
    for path in paths {
        // One that is gone was a temporary file.
        match sys::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => found.extend(files_below(&path)?),
            Ok(_) => found.push(path),
            Err(_) => {}
        }
    }
    Ok(found)
}

fn kind_of(store: &Store, path: &Path) -> Kind {
    let below = path.strip_prefix(store.root()).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_str().unwrap_or_default()).collect();
    let Some((name, above)) = parts.split_last() else { return Kind::Stranger };
    if name.starts_with('.') || above.first().is_some_and(|top| top.starts_with("rebuild-")) {
        return Kind::Unchecked;
    }
    match (above, *name) {
        ([], "format") => Kind::Format,
        (["objects", _], _) => Kind::Object,
        (["results", _], _) => Kind::Result,
        (["requests", _], _) => Kind::Request,
        (["kept", _], _) => Kind::Kept,
        (["leases" | "runs"], _) => Kind::Lease,
        (["state", _], "targets") => Kind::Targets,
        (["state", _], "wanted") => Kind::Wanted,
        (["state", _], "files") => Kind::Files,
        (["state", _, "snapshots"], _) => Kind::Snapshot,
        (["logs" | "damaged"] | ["state", _, "runs"] | ["work", ..], _) => Kind::Unchecked,
        _ => Kind::Stranger,
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Format => "the store's format",
            Self::Object => "object",
            Self::Result => "result",
            Self::Request => "request",
            Self::Kept => "mark of a measurement",
            Self::Lease => "lease",
            Self::Targets | Self::Wanted | Self::Files | Self::Snapshot => "memory of a workspace",
            Self::Unchecked | Self::Stranger => "file",
        }
    }
}

impl Findings {
    fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Object => self.objects += 1,
            Kind::Result => self.results += 1,
            Kind::Request => self.requests += 1,
            Kind::Unchecked => {}
            _ => self.others += 1,
        }
    }
}

/// What is wrong with a file, if anything is.
fn check(
    store: &Store,
    kind: Kind,
    path: &Path,
    findings: &mut Findings,
) -> Result<Option<String>, FileError> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match kind {
        Kind::Object => return object(name, path, findings),
        Kind::Unchecked => return Ok(None),
        Kind::Stranger => return Ok(Some("is no file of a store".to_owned())),
        _ => {}
    }
    // One that is gone was a lease, or replaced while the store was read.
    let Some(bytes) = files::read_if_present(path)? else { return Ok(None) };
    let sealed = |magic| record::unseal(magic, &bytes).map(|_| ());
    let damage = match kind {
        Kind::Format if bytes != FORMAT.as_bytes() => {
            Err(Damaged("does not say its version".into()))
        }
        Kind::Result => result(store, name, &bytes, findings),
        Kind::Request => named(name, &bytes, |request: &Request| request.key),
        Kind::Kept => kept(store, name, &bytes, findings),
        Kind::Lease => record::decode::<Holder>(&bytes).map(|_| ()),
        Kind::Snapshot => record::decode::<Snapshot>(&bytes).map(|_| ()),
        Kind::Targets => sealed(memory::TARGETS),
        Kind::Wanted => sealed(memory::WANTED),
        Kind::Files => sealed(file_index::HEADER),
        _ => Ok(()),
    };
    Ok(damage.err().map(|damage| format!("is not as it was written: {damage}")))
}

fn object(name: &str, path: &Path, findings: &mut Findings) -> Result<Option<String>, FileError> {
    let (found, bytes) = match sys::digest(path) {
        // Collected, or moved aside by a run, since it was listed.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.at("read", path)?,
    };
    findings.bytes += bytes;
    let right = name.parse() == Ok(found);
    Ok((!right).then(|| format!("is damaged: its bytes have digest {found}")))
}

/// A record that must stand under the key it speaks of.
fn named<R: Record>(name: &str, bytes: &[u8], key: impl Fn(&R) -> Key) -> Result<(), Damaged> {
    let record = record::decode::<R>(bytes)?;
    if name.parse() == Ok(key(&record)) {
        return Ok(());
    }
    Err(Damaged("it belongs to another key".into()))
}

/// A result, and whether its kept outputs (measurements, which `gc` never takes) are there.
fn result(store: &Store, name: &str, bytes: &[u8], findings: &mut Findings) -> Result<(), Damaged> {
    named(name, bytes, |result: &ActionResult| result.key)?;
    let result = record::decode::<ActionResult>(bytes)?;
    let lost = result
        .outputs
        .iter()
        .filter(|output| output.keep && !store.has_object(output.digest, output.bytes));
    findings.problems.extend(lost.map(|output| {
        format!(
            "`{}` of result {} is lost; its action would run again",
            output.name,
            result.key.short()
        )
    }));
    Ok(())
}

/// The mark of a measurement, and whether that is there although its result may not be.
fn kept(store: &Store, name: &str, bytes: &[u8], findings: &mut Findings) -> Result<(), Damaged> {
    let kept = record::decode::<Kept>(bytes)?;
    if name.parse::<Digest>() != Ok(kept.digest) {
        return Err(Damaged("it belongs to another object".into()));
    }
    if !store.has_object(kept.digest, kept.bytes) && !store.result_path(kept.key).exists() {
        let Kept { output, key, .. } = kept;
        findings.problems.push(format!("`{output}` of result {} is lost, with it", key.short()));
    }
    Ok(())
}
