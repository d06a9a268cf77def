//! `samples/DOMAIN`: text files to samples, held-out and training apart.

use std::collections::BTreeMap;

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job};
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_data::Work;
use mixmake_data::corpus::{self, Block, HeldOut, OnError, SampleFiles, SamplesSpec};
use mixmake_manifest::schema::{self, Domain};
use serde_json::Value;

use super::files::DomainFiles;
use super::{Reader, StageError, Stager, attributes};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "samples", version: 1 };
pub const TRAIN: &str = "train.arrow";
pub const HELD_OUT: &str = "held-out.arrow";
pub const STATS: &str = "stats.json";

pub(super) fn add(
    stager: &mut Stager<'_>,
    index: usize,
    files: &DomainFiles,
) -> Result<ActionId, StageError> {
    let domain = &stager.manifest.domains[index];
    let mut inputs = Vec::with_capacity(files.found.len());
    for path in files.found.iter().chain(&files.unmatched) {
        let file = stager.staged.graph.file(path);
        stager.staged.readers.insert(file, Reader::Domain(index));
        inputs.push(source(domain, path, Source::File(file)));
    }
    for path in &files.unmatched {
        let file = stager.staged.graph.file(path);
        stager.staged.unmatched.insert(file);
    }
    for made in &files.made {
        let step = &stager.manifest.steps[made.step];
        let output = step.outputs[made.output].clone();
        let action = stager.staged.steps[made.step];
        inputs.push(source(domain, output.clone().as_ref(), Source::output(action, output)));
    }
    let origins = origins(stager, domain);
    stager.add(Action {
        target: format!("samples/{}", domain.name),
        kind: KIND,
        params: mixmake_core::action::params(&spec(domain))?,
        inputs,
        outputs: vec![OutputSpec::new(TRAIN), OutputSpec::new(HELD_OUT), OutputSpec::new(STATS)],
        cost: Cost::Heavy,
        threads: usize::MAX,
        pool: None,
        origins,
    })
}

fn source(domain: &Domain, path: &std::path::Path, source: Source) -> Input {
    let format = serde_json::to_value(format_of(domain, path)).unwrap_or(Value::Null);
    Input { role: "source", source, attributes: attributes([("format", format)]) }
}

fn origins(stager: &Stager<'_>, domain: &Domain) -> BTreeMap<String, String> {
    let both =
        |field: &str| vec![format!("domain.{}.{field}", domain.name), format!("corpus.{field}")];
    stager.origins(&[
        ("min-chars", both("min-chars")),
        ("block", both("block")),
        ("block-chars", both("block-chars")),
        ("held-out", both("held-out")),
        ("drop-duplicates", both("duplicates")),
        ("on-error", both("on-error")),
        ("max-documents", both("max-documents")),
        ("text", both("text")),
        ("filters", both("where")),
        ("format", both("format")),
    ])
}

/// The format a file is read in: the manifest's, else by its name, else as one plain document.
fn format_of(domain: &Domain, path: &std::path::Path) -> corpus::Format {
    match domain.format {
        Some(schema::Format::JsonLines) => corpus::Format::JsonLines,
        Some(schema::Format::Parquet) => corpus::Format::Parquet,
        Some(schema::Format::Arrow) => corpus::Format::Arrow,
        Some(schema::Format::Csv) => corpus::Format::Csv,
        Some(schema::Format::Tsv) => corpus::Format::Tsv,
        Some(schema::Format::Plain) => corpus::Format::Plain,
        None => corpus::Format::guess(path).unwrap_or(corpus::Format::Plain),
    }
}

fn spec(domain: &Domain) -> SamplesSpec {
    SamplesSpec {
        text: domain.text.clone(),
        filters: domain.filters.clone(),
        min_chars: domain.min_chars,
        block: match domain.block {
            schema::Block::First => Block::First,
            schema::Block::Random => Block::Random,
            schema::Block::Every => Block::Every,
            schema::Block::Whole => Block::Whole,
        },
        block_chars: domain.block_chars,
        held_out: match domain.held_out {
            schema::HeldOut::Documents(count) => HeldOut::Documents(count),
            schema::HeldOut::Fraction(fraction) => HeldOut::Fraction(fraction),
        },
        drop_duplicates: domain.drop_duplicates,
        on_error: match domain.on_error {
            schema::OnError::Fail => OnError::Fail,
            schema::OnError::Skip => OnError::Skip,
        },
        max_documents: domain.max_documents,
    }
}

/// Reads the sources and writes both splits.
pub fn run(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    let spec: SamplesSpec = job.params()?;
    let sources = sources(job)?;
    let out = SampleFiles {
        train: job.output(TRAIN),
        held_out: job.output(HELD_OUT),
        stats: job.output(STATS),
    };
    let mut observe = |step| progress(data_progress(step));
    let stats =
        corpus::extract(&sources, &spec, &out, &job.scratch, &mut observe).map_err(data_failure)?;
    Ok(Facts::from([
        ("documents".into(), stats.rows.to_string()),
        ("malformed rows".into(), stats.problems.to_string()),
        ("training samples".into(), stats.samples_train.to_string()),
        ("held-out samples".into(), stats.samples_held_out.to_string()),
    ]))
}

fn sources(job: &Job) -> Result<Vec<corpus::Source>, Failure> {
    job.inputs("source")
        .map(|input| {
            let format = input.attributes.get("format").cloned().unwrap_or(Value::Null);
            let format = serde_json::from_value(format).map_err(|error| {
                Failure::new(format!("format of `{}`: {error}", input.path.display()))
            })?;
            Ok(corpus::Source { path: input.path.clone(), digest: input.digest.to_hex(), format })
        })
        .collect()
}

/// A data step's progress, in the engine's words.
pub(super) fn data_progress(step: mixmake_data::Progress) -> Progress {
    let unit = match step.work {
        Work::Bytes => "bytes",
        Work::Samples => "samples",
    };
    Progress { done: step.done, total: step.total, unit: unit.into(), note: String::new() }
}

/// A data error, with what to do about it where that is not in its words.
pub(super) fn data_failure(error: mixmake_data::DataError) -> Failure {
    Failure::new(error.to_string())
}
