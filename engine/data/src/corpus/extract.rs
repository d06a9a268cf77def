//! Reading: sources on all threads to one documents file and its account. Knows the order of steps, leaves each to
//! its module; what is decided among documents is `select`'s.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use super::dropped;
use super::intake::{Intake, RowProblem, Tally};
use super::select::{Selection, choose};
use super::spec::{DocumentFiles, OnError, ReadSpec, SampleFiles, SamplesSpec, Source};
use super::spool::{Entry, Spool, SpoolReader};
use super::stats::{Account, SamplesStats, SourceProblem};
use super::{documents, documents::Documents, read};
use crate::progress::Meter;
use crate::{DataError, Problem, Progress, Work};

/// Reads `sources` in any order and writes the samples of both splits, in increasing order of document hash, and the
/// statistics: [`read_documents`] and [`select()`] in one step, for corpora that need no keeping of what was read.
///
/// Errors: those of both.
pub fn extract(
    sources: &[Source],
    spec: &SamplesSpec,
    out: &SampleFiles,
    scratch: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<SamplesStats, DataError> {
    let (reading, selecting) = (spec.reading(), spec.selection());
    selecting.check()?;
    reading.check()?;
    let sources = sorted(sources);
    let meter = meter(&sources);
    let Read { entries, spools, account, .. } =
        meter.watch(progress, || read_all(&sources, &reading, scratch, &meter))?;
    let folder;
    let held = Documents::hold(entries, &sources, spools);
    let documents = match held {
        Ok(documents) => documents,
        Err((entries, spools)) => {
            folder = tempfile::tempdir_in(scratch)
                .map_err(DataError::io("create a scratch folder in", scratch))?;
            let path = folder.path().join("documents");
            documents::write(&path, &entries, &sources, &spools)?;
            Documents::open(&path)?
        }
    };
    let parts = || Ok(vec![documents]);
    choose(parts, account, &Selection::default(), &selecting, out, progress)
}

/// Reads `sources` in any order and writes the documents that pass the rules for one document, sorted, what was counted,
/// and the list of what was left out. Output bytes depend on the files' contents and `spec` alone: not on paths, on the
/// order of `sources` or on the number of threads. Memory grows by about 100 bytes a document; texts beyond 48 MiB a
/// thread wait in unnamed files in `scratch`.
///
/// Uses the threads of the current rayon pool. Errors: see [`DataError`]; a changed source always fails,
/// malformed rows as `spec.on_error` says.
pub fn read_documents(
    sources: &[Source],
    spec: &ReadSpec,
    out: &DocumentFiles,
    scratch: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Account, DataError> {
    spec.check()?;
    let sources = sorted(sources);
    let meter = meter(&sources);
    meter.watch(progress, || run(&sources, spec, out, scratch, &meter))
}

/// By content, so that an index into this list means the same whatever the order given.
fn sorted(sources: &[Source]) -> Vec<&Source> {
    let mut sources: Vec<&Source> = sources.iter().collect();
    sources.sort_by(|a, b| (&a.digest, &a.path).cmp(&(&b.digest, &b.path)));
    sources
}

fn meter(sources: &[&Source]) -> Meter {
    let sizes = sources.iter().filter_map(|source| std::fs::metadata(&source.path).ok());
    Meter::new(sizes.map(|metadata| metadata.len()).sum(), Work::Bytes)
}

fn run(
    sources: &[&Source],
    spec: &ReadSpec,
    out: &DocumentFiles,
    scratch: &Path,
    meter: &Meter,
) -> Result<Account, DataError> {
    let read = read_all(sources, spec, scratch, meter)?;
    documents::write(&out.documents, &read.entries, sources, &read.spools)?;
    dropped::write(&out.dropped, read.logs.into_iter().map(|(_, frame)| frame))?;
    write_json(&out.account, &read.account)?;
    Ok(read.account)
}

/// Everything read, in order.
struct Read {
    entries: Vec<Entry>,
    spools: Vec<SpoolReader>,
    account: Account,
    /// What was left out, by source.
    logs: Vec<(u32, Vec<u8>)>,
}

fn read_all(
    sources: &[&Source],
    spec: &ReadSpec,
    scratch: &Path,
    meter: &Meter,
) -> Result<Read, DataError> {
    let mut taken = take_all(sources, spec, scratch, meter)?;
    refuse_problems(sources, spec, &taken.tally)?;
    taken.entries.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
    taken.logs.sort_unstable_by_key(|(source, _)| *source);
    let account = account(sources, spec, taken.tally, taken.entries.len(), &taken.filter_seen);
    Ok(Read { entries: taken.entries, spools: taken.spools, account, logs: taken.logs })
}

pub(super) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), DataError> {
    let failed = || DataError::io("write", path);
    let json = serde_json::to_vec_pretty(value).map_err(|e| failed()(std::io::Error::other(e)))?;
    std::fs::write(path, json).map_err(failed())
}

/// Everything read, in no particular order.
struct Taken {
    entries: Vec<Entry>,
    spools: Vec<SpoolReader>,
    tally: Tally,
    filter_seen: Vec<bool>,
    logs: Vec<(u32, Vec<u8>)>,
}

/// One worker a thread, each with one spool, taking the next source until none is left.
fn take_all(
    sources: &[&Source],
    spec: &ReadSpec,
    scratch: &Path,
    meter: &Meter,
) -> Result<Taken, DataError> {
    let next = AtomicUsize::new(0);
    let workers = rayon::current_num_threads().min(sources.len()).max(1);
    let mut results: Vec<Option<Result<Intake, DataError>>> = (0..workers).map(|_| None).collect();
    rayon::scope(|scope| {
        for (worker, result) in results.iter_mut().enumerate() {
            let next = &next;
            scope.spawn(move |_| {
                *result = Some(take_some(worker as u32, next, sources, spec, scratch, meter))
            });
        }
    });
    let mut taken = Taken {
        entries: Vec::new(),
        spools: Vec::new(),
        tally: Tally::default(),
        filter_seen: vec![false; spec.filters.len()],
        logs: Vec::new(),
    };
    for intake in results.into_iter().flatten() {
        let intake = intake?;
        match taken.entries.is_empty() {
            true => taken.entries = intake.entries,
            false => taken.entries.extend(intake.entries),
        }
        taken.spools.push(intake.spool.finish()?);
        taken.tally.add(intake.tally);
        taken.logs.extend(intake.logs);
        for (seen, also) in taken.filter_seen.iter_mut().zip(intake.filter_seen) {
            *seen |= also;
        }
    }
    Ok(taken)
}

fn take_some<'a>(
    worker: u32,
    next: &AtomicUsize,
    sources: &[&'a Source],
    spec: &'a ReadSpec,
    scratch: &Path,
    meter: &Meter,
) -> Result<Intake<'a>, DataError> {
    let mut intake = Intake::new(spec, Spool::new(scratch), worker);
    let mut buffers = read::Buffers::take();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(source) = sources.get(index) else { break };
        intake.begin(index as u32, source);
        take_source(source, &mut intake, &mut buffers, meter)?;
        intake.end()?;
    }
    buffers.keep();
    Ok(intake)
}

/// Reads one source and checks that it stayed as it was: its digest, and so the action's key, must describe
/// the bytes that were read.
fn take_source(
    source: &Source,
    intake: &mut Intake,
    buffers: &mut read::Buffers,
    meter: &Meter,
) -> Result<(), DataError> {
    let before = match stamp(source) {
        Ok(before) => before,
        Err(e) => return intake.unreadable(None, format!("cannot open: {e}")),
    };
    read::read(source, intake, buffers, meter)?;
    match stamp(source) {
        Ok(after) if after == before => Ok(()),
        _ => Err(DataError::SourceChanged { path: source.path.clone() }),
    }
}

fn stamp(source: &Source) -> std::io::Result<(u64, Option<SystemTime>)> {
    let metadata = std::fs::metadata(&source.path)?;
    let modified = if source.stored { None } else { Some(metadata.modified()?) };
    Ok((metadata.len(), modified))
}

fn refuse_problems(sources: &[&Source], spec: &ReadSpec, tally: &Tally) -> Result<(), DataError> {
    if tally.problems == 0 || spec.on_error == OnError::Skip {
        return Ok(());
    }
    let problem = |p: &RowProblem| Problem {
        path: sources[p.source as usize].path.clone(),
        row: p.row,
        message: p.message.clone(),
    };
    let mut first: Vec<Problem> = tally.first_problems.iter().map(problem).collect();
    first.sort();
    Err(DataError::Problems { total: tally.problems, first })
}

fn account(
    sources: &[&Source],
    spec: &ReadSpec,
    tally: Tally,
    documents: usize,
    filter_seen: &[bool],
) -> Account {
    let example = |p: RowProblem| SourceProblem {
        source: sources[p.source as usize].digest.clone(),
        row: p.row,
        message: p.message,
    };
    let unseen = spec.filters.keys().zip(filter_seen).filter(|(_, seen)| !**seen);
    Account {
        sources: sources.len() as u64,
        rows: tally.rows,
        problems: tally.problems,
        problem_examples: tally.first_problems.into_iter().map(example).collect(),
        dropped: tally.dropped,
        documents: documents as u64,
        chars_read: tally.chars,
        lengths: tally.lengths,
        columns_unseen: unseen.map(|(column, _)| column.clone()).collect(),
    }
}
