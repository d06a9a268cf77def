//! Reads a whole store through and names every file that is not what its name says.

use crate::digest::{Digest, Key};
use crate::files::{self, At, FileError};
use crate::record::{self, ActionResult, Request};
use crate::store::Store;

/// What was found in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub objects: usize,
    pub results: usize,
    pub requests: usize,
    pub bytes: u64,
    /// One line a problem.
    pub problems: Vec<String>,
}

/// Checks every object, result and request; damaged ones are moved aside if `repair`, so that
/// the next run makes them again.
pub fn verify(
    store: &Store,
    repair: bool,
    progress: &mut dyn FnMut(u64),
) -> Result<Findings, FileError> {
    let mut findings = Findings::default();
    objects(store, repair, &mut findings, progress)?;
    records(store, repair, &mut findings)?;
    Ok(findings)
}

fn objects(
    store: &Store,
    repair: bool,
    findings: &mut Findings,
    progress: &mut dyn FnMut(u64),
) -> Result<(), FileError> {
    for (name, path) in store.list("objects")? {
        let (found, bytes) = Digest::of_file(&path).at("read", &path)?;
        findings.objects += 1;
        findings.bytes += bytes;
        progress(findings.bytes);
        if name.parse() != Ok(found) {
            findings.problems.push(format!(
                "object `{}` is damaged: its bytes have digest {found}",
                path.display()
            ));
            if repair {
                store.set_aside(&path)?;
            }
        }
    }
    Ok(())
}

fn records(store: &Store, repair: bool, findings: &mut Findings) -> Result<(), FileError> {
    for (name, path) in store.list("results")? {
        findings.results += 1;
        let bytes = files::read_if_present(&path)?.unwrap_or_default();
        let problem = match record::decode::<ActionResult>(&bytes) {
            Ok(result) if name.parse() != Ok(result.key) => {
                Some("it belongs to another key".to_owned())
            }
            Ok(result) => {
                findings.problems.extend(lost_measurements(store, &result));
                None
            }
            Err(damage) => Some(damage.to_string()),
        };
        report(store, repair, findings, "result", &path, problem)?;
    }
    for (name, path) in store.list("requests")? {
        findings.requests += 1;
        let bytes = files::read_if_present(&path)?.unwrap_or_default();
        let problem = match record::decode::<Request>(&bytes) {
            Ok(request) if name.parse::<Key>() != Ok(request.key) => {
                Some("it belongs to another key".to_owned())
            }
            Ok(_) => None,
            Err(damage) => Some(damage.to_string()),
        };
        report(store, repair, findings, "request", &path, problem)?;
    }
    Ok(())
}

fn report(
    store: &Store,
    repair: bool,
    findings: &mut Findings,
    kind: &str,
    path: &std::path::Path,
    problem: Option<String>,
) -> Result<(), FileError> {
    if let Some(problem) = problem {
        findings.problems.push(format!("{kind} `{}`: {problem}", path.display()));
        if repair {
            store.set_aside(path)?;
        }
    }
    Ok(())
}

/// Kept outputs (measurements) whose object is gone: those `gc` never takes.
fn lost_measurements(store: &Store, result: &ActionResult) -> Vec<String> {
    let lost = |output: &&record::OutputRecord| {
        output.keep && !store.has_object(output.digest, output.bytes)
    };
    let line = |output: &record::OutputRecord| {
        format!(
            "`{}` of result {} is lost; its action would run again",
            output.name,
            result.key.short()
        )
    };
    result.outputs.iter().filter(lost).map(line).collect()
}
