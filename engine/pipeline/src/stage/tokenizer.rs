//! `tokenizer`: one trained on the training samples of every domain, one that comes with the program, or a file.

use std::path::Path;

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job};
use mixmake_core::graph::FileId;
use mixmake_core::{Action, ActionId, Cost, Input, Kind, OutputSpec, Source};
use mixmake_data::tokenizer::{self, BpeSpec, Builtin};
use mixmake_manifest::schema::{BuiltinTokenizer, TokenizerSource};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::samples::{self, data_failure, data_progress};
use super::{Reader, StageError, Stager, download};
use crate::runner::Facts;

pub const BPE: Kind = Kind { name: "tokenizer-bpe", version: 1 };
pub const WORDPIECE: Kind = Kind { name: "tokenizer-wordpiece", version: 1 };
pub const BUILTIN: Kind = Kind { name: "tokenizer-builtin", version: 1 };
pub const OUTPUT: &str = "tokenizer.json";

/// The manifest's tokenizer.
#[derive(Debug, Clone, Copy)]
pub enum Chosen {
    File(FileId),
    Made(ActionId),
    Downloaded(ActionId),
}

impl Chosen {
    /// The tokenizer as an input.
    pub fn input(self) -> Input {
        let source = match self {
            Self::File(file) => Source::File(file),
            Self::Made(action) => Source::output(action, OUTPUT),
            Self::Downloaded(action) => Source::output(action, download::CONTENT),
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
        TokenizerSource::Url(url) => elsewhere(stager, url).map(Some),
        TokenizerSource::Bpe { vocabulary, min_frequency } => {
            let spec = BpeSpec { vocabulary: *vocabulary, min_frequency: *min_frequency };
            train(stager, BPE, &spec).map(|action| Some(Chosen::Made(action)))
        }
        TokenizerSource::WordPiece { vocabulary, min_frequency } => {
            let spec = BpeSpec { vocabulary: *vocabulary, min_frequency: *min_frequency };
            train(stager, WORDPIECE, &spec).map(|action| Some(Chosen::Made(action)))
        }
        TokenizerSource::Builtin(BuiltinTokenizer::Gpt2) => {
            builtin(stager, Builtin::Gpt2).map(|action| Some(Chosen::Made(action)))
        }
    }
}

/// One that is downloaded. Where it is not known what the URL stands for, it is a missing file, for whoever needs it to say.
fn elsewhere(stager: &mut Stager<'_>, url: &str) -> Result<Chosen, StageError> {
    let Some(file) = stager.remotes.files(url).first() else {
        let missing = stager.staged.graph.file(Path::new(url));
        stager.staged.readers.insert(missing, Reader::Tokenizer);
        return Ok(Chosen::File(missing));
    };
    download::action(stager, Reader::Tokenizer, file).map(Chosen::Downloaded)
}

fn builtin(stager: &mut Stager<'_>, name: Builtin) -> Result<ActionId, StageError> {
    let origins = stager.origins(&[("builtin", vec!["tokenizer.builtin".into()])]);
    stager.add(Action {
        target: "tokenizer".into(),
        kind: BUILTIN,
        params: mixmake_core::action::params(&BuiltinParams { builtin: name })?,
        inputs: Vec::new(),
        outputs: vec![OutputSpec::new(OUTPUT)],
        cost: Cost::Light,
        threads: 1,
        pool: None,
        origins,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct BuiltinParams {
    builtin: Builtin,
}

fn train(stager: &mut Stager<'_>, kind: Kind, spec: &BpeSpec) -> Result<ActionId, StageError> {
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
        kind,
        params: mixmake_core::action::params(spec)?,
        inputs,
        outputs: vec![OutputSpec::new(OUTPUT)],
        cost: Cost::Heavy,
        threads: usize::MAX,
        pool: None,
        origins,
    })
}

type Train = fn(
    &[std::path::PathBuf],
    &BpeSpec,
    &mut dyn FnMut(mixmake_data::Progress),
) -> Result<Vec<u8>, mixmake_data::DataError>;

/// Trains a byte-level BPE.
pub fn run_bpe(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    run(job, tokenizer::train_bpe, progress)
}

/// Trains a WordPiece.
pub fn run_wordpiece(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    run(job, tokenizer::train_wordpiece, progress)
}

fn run(job: &Job, train: Train, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    let spec: BpeSpec = job.params()?;
    let samples: Vec<_> = job.inputs("samples").map(|input| input.path.clone()).collect();
    let mut observe = |step| progress(data_progress(step));
    let json = train(&samples, &spec, &mut observe).map_err(data_failure)?;
    write(job, json)?;
    Ok(Facts::from([("library".into(), "tokenizers 0.22.2".into())]))
}

/// Writes a tokenizer that comes with the program.
pub fn run_builtin(job: &Job) -> Result<Facts, Failure> {
    let params: BuiltinParams = job.params()?;
    write(job, tokenizer::builtin(params.builtin).map_err(data_failure)?)?;
    Ok(Facts::new())
}

fn write(job: &Job, json: Vec<u8>) -> Result<(), Failure> {
    let path = job.output(OUTPUT);
    std::fs::write(&path, json)
        .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))
}
