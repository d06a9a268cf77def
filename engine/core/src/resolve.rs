//! From an action whose inputs' contents are known to its key, request and snapshot.

use std::sync::Arc;

use crate::action::{Input, Source};
use crate::digest::{Digest, Key};
use crate::file_index::FileFacts;
use crate::graph::{ActionId, FileId, Graph};
use crate::key::{self, NoEncoding, Preimage, ResolvedInput};
use crate::memory::{FileStamp, Snapshot, SnapshotInput};
use crate::record::{ActionResult, Request, RequestFile, RequestInput, RequestOutput};
use crate::store::Store;

/// What every question about a build is asked of.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    pub graph: &'a Graph,
    pub store: &'a Store,
    /// Facts of the graph's files, by [`crate::graph::FileId`]; none for one that cannot be read.
    pub files: &'a [Option<FileFacts>],
}

/// An action with its key.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub key: Key,
    /// Of each input, as the action declares them.
    digests: Vec<Digest>,
    /// Their canonical order.
    order: Vec<usize>,
}

/// A result known so far, by action.
pub type Results = [Option<Arc<ActionResult>>];

impl Build<'_> {
    /// The action's key, or `None` while the result of an action it reads from is unknown.
    pub fn resolve(&self, id: ActionId, results: &Results) -> Result<Option<Resolved>, NoEncoding> {
        let action = self.graph.action(id);
        let mut inputs = Vec::with_capacity(action.inputs.len());
        for input in &action.inputs {
            let Some(digest) = self.digest_of(input, results) else { return Ok(None) };
            inputs.push(ResolvedInput { role: input.role, digest, attributes: &input.attributes });
        }
        let order = key::canonical_order(&inputs)?;
        let sorted: Vec<_> = order.iter().map(|&index| inputs[index]).collect();
        let preimage = Preimage {
            kind: action.kind.name,
            version: action.kind.version,
            params: &action.params,
            inputs: &sorted,
            outputs: &key::output_names(&action.outputs),
        };
        let key = preimage.key()?;
        let digests = inputs.iter().map(|input| input.digest).collect();
        Ok(Some(Resolved { key, digests, order }))
    }

    fn digest_of(&self, input: &Input, results: &Results) -> Option<Digest> {
        match &input.source {
            Source::File(file) => self.files[file.0].map(|facts| facts.digest),
            Source::Output(producer, output) => {
                results[producer.0].as_ref()?.output(output).map(|output| output.digest)
            }
        }
    }

    /// What the key was made of, with names.
    pub fn snapshot(&self, id: ActionId, resolved: &Resolved) -> Result<Snapshot, NoEncoding> {
        let action = self.graph.action(id);
        let mut inputs = Vec::with_capacity(action.inputs.len());
        for (input, digest) in action.inputs.iter().zip(&resolved.digests) {
            inputs.push(SnapshotInput {
                role: input.role.to_owned(),
                label: self.graph.source_label(&input.source),
                digest: *digest,
                attributes: key::facts_of(&input.attributes)?,
                file: self.stamp(&input.source),
            });
        }
        let params = key::facts_of(&action.params)?;
        Ok(Snapshot { key: resolved.key, kind: action.kind.label(), params, inputs })
    }

    fn stamp(&self, source: &Source) -> Option<FileStamp> {
        let Source::File(file) = source else { return None };
        let facts = self.files[file.0]?;
        let modified = i64::try_from(facts.modified_nanos.div_euclid(1_000_000_000)).ok()?;
        Some(FileStamp { bytes: facts.bytes, modified })
    }

    /// What a process needs to run the action.
    #[must_use]
    pub fn request(&self, id: ActionId, resolved: &Resolved) -> Request {
        let action = self.graph.action(id);
        let inputs = resolved.order.iter().map(|&index| {
            let input = &action.inputs[index];
            RequestInput {
                role: input.role.to_owned(),
                digest: resolved.digests[index],
                attributes: input.attributes.clone(),
                name: self.name_of(&input.source),
                file: self.request_file(&input.source),
            }
        });
        let output = |output: &crate::OutputSpec| RequestOutput {
            name: output.name.clone().into_owned(),
            keep: output.keep,
        };
        Request {
            key: resolved.key,
            kind: action.kind.name.to_owned(),
            version: action.kind.version,
            params: action.params.clone(),
            inputs: inputs.collect(),
            outputs: action.outputs.iter().map(output).collect(),
            target: action.target.clone(),
            advice: self.graph.advice(id),
        }
    }

    /// Bytes of all inputs of an action whose producers' results are there.
    pub fn input_bytes(&self, id: ActionId, results: &Results) -> u64 {
        let bytes = |source: &Source| match source {
            Source::File(file) => Some(self.files[file.0]?.bytes),
            Source::Output(producer, name) => {
                let result = results[producer.0].as_ref()?;
                let output = result.outputs.iter().find(|output| output.name == **name)?;
                Some(output.bytes)
            }
        };
        self.graph.action(id).inputs.iter().filter_map(|input| bytes(&input.source)).sum()
    }

    fn name_of(&self, source: &Source) -> Option<String> {
        match source {
            Source::File(_) => None,
            Source::Output(producer, _) => self.graph.called(*producer).map(ToOwned::to_owned),
        }
    }

    fn request_file(&self, source: &Source) -> Option<RequestFile> {
        let Source::File(file) = source else { return None };
        let path = self.graph.file_path(*file);
        let facts = self.files[file.0]?;
        Some(RequestFile {
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            bytes: facts.bytes,
            modified_nanos: facts.modified_nanos,
        })
    }

    /// The files the action reads that are not there.
    #[must_use]
    pub fn missing_files(&self, id: ActionId) -> Vec<FileId> {
        let missing = |input: &Input| match input.source {
            Source::File(file) if self.files[file.0].is_none() => Some(file),
            Source::File(_) | Source::Output(..) => None,
        };
        self.graph.action(id).inputs.iter().filter_map(missing).collect()
    }

    /// The producers among the action's inputs whose bytes are not in the store.
    #[must_use]
    pub fn producers_without_bytes(&self, id: ActionId, results: &Results) -> Vec<ActionId> {
        let mut missing = Vec::new();
        for input in &self.graph.action(id).inputs {
            if let Source::Output(producer, output) = &input.source {
                let record = results[producer.0].as_ref().and_then(|result| result.output(output));
                let there =
                    record.is_none_or(|record| self.store.has_object(record.digest, record.bytes));
                if !there && !missing.contains(producer) {
                    missing.push(*producer);
                }
            }
        }
        missing
    }

    /// The first output of `result` whose bytes are not in the store.
    #[must_use]
    pub fn lost_output<'r>(&self, result: &'r ActionResult) -> Option<&'r str> {
        let lost = |output: &&crate::record::OutputRecord| {
            !self.store.has_object(output.digest, output.bytes)
        };
        result.outputs.iter().find(lost).map(|output| output.name.as_str())
    }
}
