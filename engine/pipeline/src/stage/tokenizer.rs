//! `tokenizer`: a byte-level BPE trained on the training samples of every domain, or a file.

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job};
use mixmake_core::graph::FileId;
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_data::tokenizer::{self, BpeSpec};
use mixmake_manifest::schema::TokenizerSource;
use serde_json::Map;

use super::samples::{self, data_failure, data_progress};
use super::{StageError, Stager};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "tokenizer-bpe", version: 1 };
pub const OUTPUT: &str = "tokenizer.json";

/// The manifest's tokenizer.
#[derive(Debug, Clone, Copy)]
pub enum Chosen {
    File(FileId),
    Trained(ActionId),
}

impl Chosen {
    /// The tokenizer as an input.
    pub fn input(self) -> Input {
        let source = match self {
            Self::File(file) => Source::File(file),
            Self::Trained(action) => Source::output(action, OUTPUT),
        };
        Input { role: "tokenizer", source, attributes: Map::new() }
    }
}

pub(super) fn add(stager: &mut Stager<'_>) -> Result<Option<Chosen>, StageError> {
    let Some(tokenizer) = &stager.manifest.tokenizer else { return Ok(None) };
    match &tokenizer.source {
        TokenizerSource::File { path, .. } => {
            let path = stager.manifest.folder().join(path);
            Ok(Some(Chosen::File(stager.staged.graph.file(&path))))
        }
        TokenizerSource::Bpe { vocabulary, min_frequency } => {
            let spec = BpeSpec { vocabulary: *vocabulary, min_frequency: *min_frequency };
            train(stager, &spec).map(|action| Some(Chosen::Trained(action)))
        }
    }
}

fn train(stager: &mut Stager<'_>, spec: &BpeSpec) -> Result<ActionId, StageError> {
    let input = |domain: usize| Input {
        role: "samples",
        source: Source::output(stager.staged.samples[domain], samples::TRAIN),
        attributes: Map::new(),
    };
    let inputs = stager.training_domains().into_iter().map(input).collect();
    let origins = stager.origins(&[
        ("vocabulary", vec!["tokenizer.vocabulary".into()]),
        ("min-frequency", vec!["tokenizer.min-frequency".into()]),
    ]);
    stager.add(Action {
        target: "tokenizer".into(),
        kind: KIND,
        params: mixmake_core::action::params(spec)?,
        inputs,
        outputs: vec![OutputSpec::new(OUTPUT)],
        cost: Cost::Heavy,
        threads: usize::MAX,
        pool: None,
        origins,
    })
}

/// Trains the tokenizer.
pub fn run(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    let spec: BpeSpec = job.params()?;
    let samples: Vec<_> = job.inputs("samples").map(|input| input.path.clone()).collect();
    let mut observe = |step| progress(data_progress(step));
    let json = tokenizer::train_bpe(&samples, &spec, &mut observe).map_err(data_failure)?;
    let path = job.output(OUTPUT);
    std::fs::write(&path, json)
        .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
    Ok(Facts::from([("library".into(), "tokenizers 0.22.2".into())]))
}
