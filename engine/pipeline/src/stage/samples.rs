//! `samples/DOMAIN`: the documents of all its files to samples, held-out and training apart.

use std::collections::BTreeMap;

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job};
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_data::Work;
use mixmake_data::corpus::{
    self, Block, Compare, HeldOut, OnError, SampleFiles, SamplesSpec, SelectSpec, Selection,
};
use mixmake_manifest::schema::{self, Domain, Duplicates};
use serde_json::Map;

use super::documents::{self, dropped_facts, guessed, sources};
use super::download;
use super::files::DomainFiles;
use super::{Reader, StageError, Stager};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "samples", version: 3 };
pub const TRAIN: &str = "train.arrow";
pub const HELD_OUT: &str = "held-out.arrow";
pub const STATS: &str = "stats.json";
pub const DROPPED: &str = "dropped.tsv.zst";
/// What later domains compare with; made only where one does.
pub const HASHES: &str = "documents.hashes";

pub(super) fn add(
    stager: &mut Stager<'_>,
    index: usize,
    parts: &[ActionId],
    files: &DomainFiles,
) -> Result<ActionId, StageError> {
    let domain = &stager.manifest.domains[index];
    let output = |role, action: ActionId, output: &'static str| Input {
        role,
        source: Source::output(action, output),
        attributes: Map::new(),
    };
    let mut inputs = Vec::with_capacity(2 * parts.len());
    for &part in parts {
        inputs.push(output("documents", part, documents::DOCUMENTS));
        inputs.push(output("account", part, documents::ACCOUNT));
    }
    if domain.duplicates == Duplicates::DropAcross {
        inputs.extend(stager.staged.samples.iter().map(|&other| output("earlier", other, HASHES)));
    }
    for path in &files.evaluation {
        let file = stager.staged.graph.file(path);
        stager.staged.readers.entry(file).or_insert(Reader::Domain(index));
        inputs.push(documents::input("evaluation", Source::File(file), guessed(path)));
    }
    for file in &files.remote_evaluation {
        let source = download::add(stager, Reader::Domain(index), file)?;
        inputs.push(documents::input("evaluation", source, guessed(&download::path(file))));
    }
    let origins = origins(stager, domain);
    let mut outputs = [TRAIN, HELD_OUT, STATS, DROPPED].map(OutputSpec::new).to_vec();
    let later = &stager.manifest.domains[index + 1..];
    if later.iter().any(|domain| domain.duplicates == Duplicates::DropAcross) {
        outputs.push(OutputSpec::new(HASHES));
    }
    stager.add(Action {
        target: format!("samples/{}", domain.name),
        kind: KIND,
        params: mixmake_core::action::params(&spec(domain).selection())?,
        inputs,
        outputs,
        cost: Cost::Heavy,
        // Only these rules look at documents on several threads.
        threads: match domain.near_duplicates.is_some() || !domain.decontaminate.is_empty() {
            true => usize::MAX,
            false => 1,
        },
        pool: None,
        origins,
    })
}

fn origins(stager: &Stager<'_>, domain: &Domain) -> BTreeMap<String, String> {
    let both =
        |field: &str| vec![format!("domain.{}.{field}", domain.name), format!("corpus.{field}")];
    stager.origins(&[
        ("min-chars", both("min-chars")),
        ("every", both("block-chars")),
        ("held-out", both("held-out")),
        ("held-out.documents", both("held-out")),
        ("held-out.fraction", both("held-out")),
        ("drop-duplicates", both("duplicates")),
        ("duplicates-of", both("duplicates-of")),
        ("near-duplicates", both("near-duplicates")),
        ("decontaminate", both("decontaminate-words")),
        ("max-documents", both("max-documents")),
    ])
}

/// All rules of a domain, in the data crate's words.
pub(super) fn spec(domain: &Domain) -> SamplesSpec {
    SamplesSpec {
        text: domain.text.clone(),
        join: domain.join.clone(),
        quotes: domain.quotes,
        filters: domain.filters.clone(),
        min_chars: domain.min_chars,
        max_chars: domain.max_chars,
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
        drop_duplicates: domain.duplicates != Duplicates::Keep,
        duplicates_of: match domain.duplicates_of_blocks {
            true => Compare::Block,
            false => Compare::Document,
        },
        near_duplicates: domain.near_duplicates,
        decontaminate: (!domain.decontaminate.is_empty()).then_some(domain.decontaminate_words),
        on_error: match domain.on_error {
            schema::OnError::Fail => OnError::Fail,
            schema::OnError::Skip => OnError::Skip,
        },
        max_documents: domain.max_documents,
    }
}

/// Chooses among the documents and writes both splits.
pub fn run(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    let spec: SelectSpec = job.params()?;
    let paths = |role: &str| job.inputs(role).map(|input| input.path.clone()).collect();
    let selection = Selection {
        documents: paths("documents"),
        accounts: paths("account"),
        earlier: paths("earlier"),
        evaluation: sources(job, "evaluation")?,
    };
    let out = SampleFiles {
        train: job.output(TRAIN),
        held_out: job.output(HELD_OUT),
        stats: job.output(STATS),
        dropped: job.output(DROPPED),
        hashes: job.makes(HASHES).then(|| job.output(HASHES)),
    };
    let mut observe = |step| progress(data_progress(step));
    let stats = corpus::select(&selection, &spec, &out, &mut observe).map_err(data_failure)?;
    let mut facts = Facts::from([
        ("documents".into(), stats.rows.to_string()),
        ("malformed rows".into(), stats.problems.to_string()),
        ("duplicates".into(), stats.duplicates.to_string()),
        ("training samples".into(), stats.samples_train.to_string()),
        ("held-out samples".into(), stats.samples_held_out.to_string()),
        ("characters".into(), (stats.chars_train + stats.chars_held_out).to_string()),
    ]);
    facts.extend(dropped_facts(&stats.dropped));
    facts.insert("document lengths".into(), lengths(&stats.lengths));
    Ok(facts)
}

/// Documents by their characters: `1024-2047: 2341, …`.
fn lengths(lengths: &corpus::Lengths) -> String {
    let named = |(bucket, count): (usize, &u64)| {
        // Bucket 0 holds the empty ones, bucket i those of 2^(i-1) to 2^i - 1.
        let least = (1u128 << bucket) >> 1;
        let most = (1u128 << bucket) - 1;
        (*count > 0).then(|| match least == most {
            true => format!("{least}: {count}"),
            false => format!("{least}-{most}: {count}"),
        })
    };
    lengths.0.iter().enumerate().filter_map(named).collect::<Vec<_>>().join(", ")
}

/// A data step's progress, in the engine's words.
pub(super) fn data_progress(step: mixmake_data::Progress) -> Progress {
    let unit = match step.work {
        Work::Bytes => "bytes",
        Work::Documents => "documents",
        Work::Samples => "samples",
    };
    Progress { done: step.done, total: step.total, unit: unit.into(), note: String::new() }
}

/// A data error, with what to do about it where that is not in its words.
pub(super) fn data_failure(error: mixmake_data::DataError) -> Failure {
    Failure::new(error.to_string())
}
