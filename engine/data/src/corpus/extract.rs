//! The whole pass: read sources on all threads, sort, split, write. Knows the order of steps, leaves each to its module.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use super::cut;
use super::intake::{Intake, Tally};
use super::read;
use super::spec::{OnError, SampleFiles, SamplesSpec, Source};
use super::split::{Split, split};
use super::spool::{Entry, Spool, SpoolReader};
use super::stats::{SamplesStats, SourceProblem};
use crate::progress::Meter;
use crate::samples::SamplesWriter;
use crate::{DataError, Problem, Progress, Work};

/// Reads `sources` in any order and writes the samples of both splits, in increasing order of document hash, and the
/// statistics. Output bytes depend on the files' contents and `spec` alone: not on paths, on the order of `sources`
/// or on the number of threads. Texts wait in unnamed files in `scratch`; memory grows by about 100 bytes a document.
///
/// Uses the threads of the current rayon pool. Errors: see [`DataError`]; a changed source always fails,
/// malformed rows as `spec.on_error` says.
pub fn extract(
    sources: &[Source],
    spec: &SamplesSpec,
    out: &SampleFiles,
    scratch: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<SamplesStats, DataError> {
    spec.check()?;
    let mut sources: Vec<&Source> = sources.iter().collect();
    // By content, so that an index into this list means the same whatever the order given.
    sources.sort_by(|a, b| (&a.digest, &a.path).cmp(&(&b.digest, &b.path)));
    let total = sources
        .iter()
        .filter_map(|source| std::fs::metadata(&source.path).ok())
        .map(|m| m.len())
        .sum();
    let meter = Meter::new(total, Work::Bytes);
    meter.watch(progress, || run(&sources, spec, out, scratch, &meter))
}

fn run(
    sources: &[&Source],
    spec: &SamplesSpec,
    out: &SampleFiles,
    scratch: &Path,
    meter: &Meter,
) -> Result<SamplesStats, DataError> {
    let taken = take_all(sources, spec, scratch, meter)?;
    check_taken(sources, spec, &taken)?;
    let split = split(taken.entries, spec)?;
    let train = write(&out.train, &split.train, sources, spec, &taken.spools)?;
    let held_out = write(&out.held_out, &split.held_out, sources, spec, &taken.spools)?;
    let stats = stats(sources, &taken.tally, &split, train, held_out);
    let json = serde_json::to_vec_pretty(&stats)
        .map_err(|e| DataError::io("write", &out.stats)(std::io::Error::other(e)))?;
    std::fs::write(&out.stats, json).map_err(DataError::io("write", &out.stats))?;
    Ok(stats)
}

/// Everything read, in no particular order.
struct Taken {
    entries: Vec<Entry>,
    spools: Vec<SpoolReader>,
    tally: Tally,
    filter_seen: Vec<bool>,
}

/// One worker a thread, each with one scratch file, taking the next source until none is left.
fn take_all(
    sources: &[&Source],
    spec: &SamplesSpec,
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
    };
    for intake in results.into_iter().flatten() {
        let intake = intake?;
        taken.entries.extend(intake.entries);
        taken.spools.push(intake.spool.finish()?);
        taken.tally.add(intake.tally);
        for (seen, also) in taken.filter_seen.iter_mut().zip(intake.filter_seen) {
            *seen |= also;
        }
    }
    Ok(taken)
}

fn take_some<'a>(
    worker: u32,
    next: &AtomicUsize,
    sources: &[&Source],
    spec: &'a SamplesSpec,
    scratch: &Path,
    meter: &Meter,
) -> Result<Intake<'a>, DataError> {
    let mut intake = Intake::new(spec, Spool::create(scratch)?, worker);
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(source) = sources.get(index) else { return Ok(intake) };
        intake.source = index as u32;
        take_source(source, &mut intake, meter)?;
    }
}

/// Reads one source and checks that it stayed as it was: its digest, and so the action's key, must describe
/// the bytes that were read.
fn take_source(source: &Source, intake: &mut Intake, meter: &Meter) -> Result<(), DataError> {
    let before = match stamp(&source.path) {
        Ok(before) => before,
        Err(e) => {
            intake.unreadable(None, format!("cannot open: {e}"));
            return Ok(());
        }
    };
    read::read(source, intake, meter)?;
    match stamp(&source.path) {
        Ok(after) if after == before => Ok(()),
        _ => Err(DataError::SourceChanged { path: source.path.clone() }),
    }
}

fn stamp(path: &PathBuf) -> std::io::Result<(u64, SystemTime)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.len(), metadata.modified()?))
}

fn check_taken(sources: &[&Source], spec: &SamplesSpec, taken: &Taken) -> Result<(), DataError> {
    let tally = &taken.tally;
    if tally.problems > 0 && spec.on_error == OnError::Fail {
        let mut first: Vec<Problem> = tally
            .first_problems
            .iter()
            .map(|p| Problem {
                path: sources[p.source as usize].path.clone(),
                row: p.row,
                message: p.message.clone(),
            })
            .collect();
        first.sort();
        return Err(DataError::Problems { total: tally.problems, first });
    }
    let unseen = taken.filter_seen.iter().position(|seen| !seen);
    if let (Some(column), true) = (unseen.and_then(|i| spec.filters.keys().nth(i)), tally.rows > 0)
    {
        return Err(DataError::FilterColumn { column: column.clone(), rows: tally.rows });
    }
    if taken.entries.is_empty() {
        return Err(DataError::Empty {
            rows: tally.rows,
            dropped: tally.dropped.describe(tally.problems),
        });
    }
    Ok(())
}

/// Samples and characters written.
struct Written {
    samples: u64,
    chars: u64,
}

fn write(
    path: &Path,
    entries: &[Entry],
    sources: &[&Source],
    spec: &SamplesSpec,
    spools: &[SpoolReader],
) -> Result<Written, DataError> {
    let mut writer = SamplesWriter::create(path)?;
    let mut written = Written { samples: 0, chars: 0 };
    for entry in entries {
        let kept = spools[entry.spool as usize].read(entry)?;
        let digest = &sources[entry.source as usize].digest;
        for (at, text) in cut::blocks(spec, &kept) {
            writer.push(text, digest, entry.row, entry.start + at)?;
            written.samples += 1;
            written.chars += text.chars().count() as u64;
        }
    }
    writer.finish()?;
    Ok(written)
}

fn stats(
    sources: &[&Source],
    tally: &Tally,
    split: &Split,
    train: Written,
    held_out: Written,
) -> SamplesStats {
    let mut dropped = tally.dropped.clone();
    dropped.duplicates = split.duplicates_dropped;
    dropped.max_documents = split.beyond_max;
    let example = |p: &super::intake::RowProblem| SourceProblem {
        source: sources[p.source as usize].digest.clone(),
        row: p.row,
        message: p.message.clone(),
    };
    SamplesStats {
        sources: sources.len() as u64,
        rows: tally.rows,
        problems: tally.problems,
        problem_examples: tally.first_problems.iter().map(example).collect(),
        dropped,
        duplicates: split.duplicates,
        chars_read: tally.chars,
        documents_train: split.train.len() as u64,
        documents_held_out: split.held_out.len() as u64,
        samples_train: train.samples,
        samples_held_out: held_out.samples,
        chars_train: train.chars,
        chars_held_out: held_out.chars,
    }
}
