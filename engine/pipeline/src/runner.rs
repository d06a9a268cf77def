//! Which code does the work of which kind of action.

use std::collections::BTreeMap;

use mixmake_core::Kind;
use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job, Runner};

use crate::stage::{
    autoscale, ddo, documents, download, mixture, report, samples, shards, step, tokenizer, train,
};

/// What a stage adds to the receipt.
pub type Facts = BTreeMap<String, String>;

/// The work of a training, in binaries that link libtorch.
pub type Train = fn(&Job, &mut dyn FnMut(Progress)) -> Result<Facts, Failure>;

/// Runs every kind of this program's actions.
#[derive(Debug, Clone, Copy)]
pub struct Stages {
    pub train: Option<Train>,
}

/// Every kind, with what it does in a few words; the documentation of keys is made from it.
pub const KINDS: [(Kind, &str); 13] = [
    (step::KIND, "a command of the user's"),
    (download::KIND, "a file that is elsewhere to its bytes"),
    (documents::KIND, "text files to documents that pass the rules for one document"),
    (samples::KIND, "documents to samples of both splits"),
    (tokenizer::BPE, "samples to a byte-level BPE"),
    (tokenizer::WORDPIECE, "samples to a WordPiece tokenizer"),
    (tokenizer::BUILTIN, "a tokenizer that comes with the program"),
    (shards::KIND, "samples and a tokenizer to token shards"),
    (mixture::KIND, "weights and an amount to exact counts"),
    (train::KIND, "a mixture to loss rows and a model"),
    (ddo::KIND, "losses to laws and the optimal weights"),
    (autoscale::KIND, "optima of two scales to weights at a third"),
    (report::KIND, "everything to a page and a table"),
];

impl Runner for Stages {
    fn run(&self, job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
        let known = KINDS.iter().find(|(kind, _)| kind.name == job.kind);
        match known {
            Some((kind, _)) if kind.version == job.version => self.dispatch(job, progress),
            Some((kind, _)) => Err(Failure::new(format!(
                "the request is for `{}` version {}, this program has version {}",
                job.kind, job.version, kind.version
            ))
            .hint("run the program that planned it, or plan again with this one")),
            None => Err(Failure::new(format!("this program knows no action `{}`", job.kind))),
        }
    }
}

impl Stages {
    fn dispatch(&self, job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
        match job.kind.as_str() {
            name if name == step::KIND.name => step::run(job),
            name if name == download::KIND.name => download::run(job, progress),
            name if name == documents::KIND.name => documents::run(job, progress),
            name if name == samples::KIND.name => samples::run(job, progress),
            name if name == tokenizer::BPE.name => tokenizer::run_bpe(job, progress),
            name if name == tokenizer::WORDPIECE.name => tokenizer::run_wordpiece(job, progress),
            name if name == tokenizer::BUILTIN.name => tokenizer::run_builtin(job),
            name if name == shards::KIND.name => shards::run(job, progress),
            name if name == mixture::KIND.name => mixture::run(job),
            name if name == train::KIND.name => self.train(job, progress),
            name if name == ddo::KIND.name => ddo::run(job),
            name if name == autoscale::KIND.name => autoscale::run(job),
            _ => report::run(job),
        }
    }

    fn train(&self, job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
        let no_training = || {
            Failure::new(
                "there is no `mixmake-trainer` beside `mixmake`, so nothing can be trained",
            )
            .hint("build both with the `train` feature and libtorch, see README.md")
        };
        self.train.ok_or_else(no_training)?(job, progress)
    }
}
