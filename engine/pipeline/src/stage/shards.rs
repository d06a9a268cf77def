//! `shards/DOMAIN`: samples to tokens, as a Megatron pair with its sidecar, for both splits.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job, JobInput};
use mixmake_core::{Action, ActionId, Cost, Digest, Input, Kind, OutputSpec, Source};
use mixmake_data::tokenizer::{Encoder, ShardFiles, ShardSpec, ShardStats, tokenize_with};
use mixmake_manifest::diagnostic::{Diagnostic, Diagnostics};
use serde_json::Map;

use super::samples::{self, data_failure, data_progress};
use super::{StageError, Stager, download};
use crate::artifact::{self, ShardFacts};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "shards", version: 1 };

/// The four files of a split.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    pub samples: &'static str,
    pub role: &'static str,
    pub bin: &'static str,
    pub idx: &'static str,
    pub sidecar: &'static str,
    pub facts: &'static str,
}

pub const TRAIN: Split = Split {
    samples: samples::TRAIN,
    role: "train",
    bin: "train.bin",
    idx: "train.idx",
    sidecar: "train.provenance",
    facts: "train.json",
};

pub const HELD_OUT: Split = Split {
    samples: samples::HELD_OUT,
    role: "held-out",
    bin: "held-out.bin",
    idx: "held-out.idx",
    sidecar: "held-out.provenance",
    facts: "held-out.json",
};

pub(super) fn add(stager: &mut Stager<'_>, domain: usize) -> Result<ActionId, StageError> {
    let name = stager.manifest.domains[domain].name.clone();
    let (Some(tokenizer), Some(chosen)) = (&stager.manifest.tokenizer, stager.tokenizer) else {
        let message = "there are domains but no `[tokenizer]`".to_owned();
        let item = Diagnostic::at(stager.manifest, &[&format!("domain.{name}")], message)
            .help("add `[tokenizer]` with `file = \"tokenizer.json\"`, `builtin = \"gpt2\"` or `train = \"bpe\"`");
        return Err(StageError::Manifest(Diagnostics { items: vec![item] }));
    };
    let spec = spec(stager, tokenizer.end_of_text);
    let mut inputs = vec![chosen.input()];
    for split in [TRAIN, HELD_OUT] {
        inputs.push(Input {
            role: split.role,
            source: Source::output(stager.staged.samples[domain], split.samples),
            attributes: Map::new(),
        });
    }
    let outputs = [TRAIN, HELD_OUT]
        .iter()
        .flat_map(|split| [split.bin, split.idx, split.sidecar, split.facts].map(OutputSpec::new));
    let origins = stager.origins(&[("end-of-text", vec!["tokenizer.end-of-text".into()])]);
    let parts = &stager.staged.documents[domain];
    let threads = parts.iter().map(|&part| stager.staged.graph.action(part).threads).sum();
    stager.add(Action {
        target: format!("shards/{name}"),
        kind: KIND,
        params: mixmake_core::action::params(&spec)?,
        inputs,
        outputs: outputs.collect(),
        cost: Cost::Heavy,
        // A domain that is worth reading on so many is worth tokenizing on as many.
        threads,
        pool: None,
        origins,
    })
}

/// Encoder models take a padded sample a row, so samples carry the model's special tokens and are
/// cut to its context; decoder models take blocks of the concatenated samples.
fn spec(stager: &Stager<'_>, end_of_text: bool) -> ShardSpec {
    let context = stager.encoder_context;
    ShardSpec { end_of_text, add_special_tokens: context.is_some(), max_tokens: context }
}

/// Tokenizes both splits.
pub fn run(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    let spec: ShardSpec = job.params()?;
    let tokenizer = one(job, "tokenizer")?;
    let encoder = encoder(tokenizer, &spec).map_err(|error| download::named(job, error))?;
    let mut facts = Facts::new();
    for split in [TRAIN, HELD_OUT] {
        let samples = one(job, split.role)?;
        let files = ShardFiles {
            bin: job.output(split.bin),
            idx: job.output(split.idx),
            sidecar: job.output(split.sidecar),
        };
        let mut observe = |step| progress(data_progress(step));
        let stats =
            tokenize_with(&samples.path, &encoder, &files, &mut observe).map_err(data_failure)?;
        let written = ShardFacts {
            bin: digest(&files.bin)?,
            idx: digest(&files.idx)?,
            tokenizer: tokenizer.digest.to_hex(),
            ..described(&stats)
        };
        artifact::write(&job.output(split.facts), &written)?;
        facts.insert(format!("{} tokens", split.role), stats.tokens.to_string());
        facts.insert(format!("{} characters", split.role), stats.chars.to_string());
        if stats.tokens > 0 {
            let ratio = stats.chars as f64 / stats.tokens as f64;
            facts.insert(format!("{} characters a token", split.role), format!("{ratio:.3}"));
        }
    }
    Ok(facts)
}

/// A loaded tokenizer, by what it was loaded from.
type Loaded = (Digest, ShardSpec, Arc<Encoder>);

/// The last one of this process: what it learned from one split or domain serves the next.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

fn encoder(tokenizer: &JobInput, spec: &ShardSpec) -> Result<Arc<Encoder>, Failure> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*loaded {
        Some((digest, of, encoder)) if *digest == tokenizer.digest && of == spec => {
            return Ok(Arc::clone(encoder));
        }
        _ => {}
    }
    let encoder = Arc::new(Encoder::load(&tokenizer.path, spec).map_err(data_failure)?);
    *loaded = Some((tokenizer.digest, spec.clone(), Arc::clone(&encoder)));
    Ok(encoder)
}

fn described(stats: &ShardStats) -> ShardFacts {
    ShardFacts {
        bin: String::new(),
        idx: String::new(),
        tokens: stats.tokens,
        sequences: stats.documents,
        chars: stats.chars,
        longest: stats.longest,
        vocabulary: stats.vocabulary,
        tokenizer: String::new(),
    }
}

fn digest(path: &Path) -> Result<String, Failure> {
    let (digest, _) = Digest::of_file(path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))?;
    Ok(digest.to_hex())
}

/// The one input of a role.
pub fn one<'j>(job: &'j Job, role: &str) -> Result<&'j mixmake_core::exec::JobInput, Failure> {
    job.inputs(role)
        .next()
        .ok_or_else(|| Failure::new(format!("the request has no input `{role}`")))
}
