//! `documents/DOMAIN`, or `documents/DOMAIN/GROUP` where there are many files: text files to documents, each group of
//! files on its own, so that a changed file costs what it holds.

use std::collections::BTreeMap;
use std::path::Path;

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job};
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_data::corpus::{self, DocumentFiles, ReadSpec};
use mixmake_manifest::schema::{self, Domain, StepOutput};
use serde_json::Value;

use super::download;
use super::files::DomainFiles;
use super::groups::{Group, Member, group};
use super::samples::{data_failure, data_progress, spec};
use super::{Reader, StageError, Stager, attributes};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "documents", version: 2 };
pub const DOCUMENTS: &str = "documents.bin";
pub const ACCOUNT: &str = "account.json";
pub const DROPPED: &str = "dropped.tsv.zst";

/// One action a group of the domain's files.
pub(super) fn add(
    stager: &mut Stager<'_>,
    index: usize,
    files: &DomainFiles,
) -> Result<Vec<ActionId>, StageError> {
    let folder = stager.manifest.folder().to_owned();
    let mut groups = group(&folder, &files.found, &files.remote);
    if !files.made.is_empty() {
        // What steps make is known by name only, so it is read together.
        let name = if groups.is_empty() { "" } else { "made" };
        groups.push(Group { name: name.to_owned(), files: Vec::new(), bytes: 0 });
    }
    if !files.unmatched.is_empty() {
        // They have no content to read, and the plan says so.
        let unmatched = files.unmatched.iter().cloned().map(Member::Here);
        match groups.first_mut() {
            Some(first) => first.files.extend(unmatched),
            None => {
                groups.push(Group { name: String::new(), files: unmatched.collect(), bytes: 0 });
            }
        }
    }
    let last = groups.len().saturating_sub(1);
    let made = |place: usize| if place == last { &files.made[..] } else { &[] };
    let groups = groups.iter().enumerate();
    groups.map(|(place, group)| add_group(stager, index, group, made(place), files)).collect()
}

fn add_group(
    stager: &mut Stager<'_>,
    index: usize,
    group: &Group,
    made: &[StepOutput],
    files: &DomainFiles,
) -> Result<ActionId, StageError> {
    let domain = &stager.manifest.domains[index];
    let mut inputs = Vec::with_capacity(group.files.len());
    for member in &group.files {
        let path = match member {
            Member::Here(path) => path,
            Member::Elsewhere(place) => {
                let file = &files.remote[*place];
                let source = download::add(stager, Reader::Domain(index), file)?;
                inputs.push(input("source", source, format_of(domain, &download::path(file))));
                continue;
            }
        };
        let file = stager.staged.graph.file(path);
        stager.staged.readers.insert(file, Reader::Domain(index));
        if files.unmatched.contains(path) {
            stager.staged.unmatched.insert(file);
        }
        inputs.push(input("source", Source::File(file), format_of(domain, path)));
    }
    for made in made {
        let step = &stager.manifest.steps[made.step];
        let output = step.outputs[made.output].clone();
        let format = format_of(domain, output.as_ref());
        let action = stager.staged.steps[made.step];
        inputs.push(input("source", Source::output(action, output), format));
    }
    let origins = origins(stager, domain);
    let target = match group.name.as_str() {
        "" => format!("documents/{}", domain.name),
        name => format!("documents/{}/{name}", domain.name),
    };
    stager.add(Action {
        target,
        kind: KIND,
        params: mixmake_core::action::params(&spec(domain).reading())?,
        inputs,
        outputs: [DOCUMENTS, ACCOUNT, DROPPED].map(OutputSpec::new).to_vec(),
        cost: Cost::Heavy,
        // How large a step's outputs are is not known yet.
        threads: group.threads().max(made.len()),
        pool: None,
        origins,
    })
}

/// A text file as an input, with the format it is read in.
pub(super) fn input(role: &'static str, source: Source, format: corpus::Format) -> Input {
    let format = serde_json::to_value(format).unwrap_or(Value::Null);
    Input { role, source, attributes: attributes([("format", format)]) }
}

fn origins(stager: &Stager<'_>, domain: &Domain) -> BTreeMap<String, String> {
    let both =
        |field: &str| vec![format!("domain.{}.{field}", domain.name), format!("corpus.{field}")];
    stager.origins(&[
        ("text", both("text")),
        ("join", both("join")),
        ("quotes", both("quotes")),
        ("filters", both("where")),
        ("format", both("format")),
        ("min-chars", both("min-chars")),
        ("max-chars", both("max-chars")),
        ("keep", both("block")),
        ("keep.first", both("block-chars")),
        ("keep.random", both("block-chars")),
        ("on-error", both("on-error")),
    ])
}

/// The format a file is read in: the manifest's, else by its name, else as one plain document.
fn format_of(domain: &Domain, path: &Path) -> corpus::Format {
    match domain.format {
        Some(schema::Format::JsonLines) => corpus::Format::JsonLines,
        Some(schema::Format::Parquet) => corpus::Format::Parquet,
        Some(schema::Format::Arrow) => corpus::Format::Arrow,
        Some(schema::Format::Csv) => corpus::Format::Csv,
        Some(schema::Format::Tsv) => corpus::Format::Tsv,
        Some(schema::Format::Plain) => corpus::Format::Plain,
        Some(schema::Format::Tar) => corpus::Format::Tar,
        None => guessed(path),
    }
}

pub(super) fn guessed(path: &Path) -> corpus::Format {
    corpus::Format::guess(path).unwrap_or(corpus::Format::Plain)
}

/// Reads the files of the group.
pub fn run(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    let spec: ReadSpec = job.params()?;
    let sources = sources(job, "source")?;
    let out = DocumentFiles {
        documents: job.output(DOCUMENTS),
        account: job.output(ACCOUNT),
        dropped: job.output(DROPPED),
    };
    let mut observe = |step| progress(data_progress(step));
    let account = corpus::read_documents(&sources, &spec, &out, job.scratch()?, &mut observe)
        .map_err(|error| download::named(job, data_failure(error)))?;
    let mut facts = Facts::from([
        ("files".into(), account.sources.to_string()),
        ("rows".into(), account.rows.to_string()),
        ("documents".into(), account.documents.to_string()),
        ("malformed rows".into(), account.problems.to_string()),
    ]);
    facts.extend(dropped_facts(&account.dropped));
    Ok(facts)
}

/// What every rule dropped, where it did.
pub(super) fn dropped_facts(dropped: &corpus::Dropped) -> impl Iterator<Item = (String, String)> {
    let rules = dropped.rules().into_iter().filter(|(_, count)| *count > 0);
    rules.map(|(rule, count)| (format!("dropped by {rule}"), count.to_string()))
}

/// The text files of a role, with their formats.
pub(super) fn sources(job: &Job, role: &str) -> Result<Vec<corpus::Source>, Failure> {
    job.inputs(role)
        .map(|input| {
            let format = input.attributes.get("format").cloned().unwrap_or(Value::Null);
            let format = serde_json::from_value(format).map_err(|error| {
                Failure::new(format!("format of `{}`: {error}", input.path.display()))
            })?;
            let (path, digest) = (input.path.clone(), input.digest.to_hex());
            Ok(corpus::Source { path, digest, format, stored: input.stored })
        })
        .collect()
}
