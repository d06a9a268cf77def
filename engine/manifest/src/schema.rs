//! The validated manifest: what the user asked for, in plain types.
//!
//! Knows nothing of actions, keys or stores. Every value here has been checked on its own and
//! against the other tables; where it stood in the file is found through [`Manifest::origin`].

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::Source;
use crate::steps::{Outputs, is_reference};

/// One manifest, parsed and validated.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The file it was read from (or would have been).
    pub path: PathBuf,
    /// Its text, for diagnostics that later stages raise; every `--set` follows it, a line each.
    pub source: Arc<Source>,
    pub workspace: Workspace,
    pub runtime: Runtime,
    /// Absent only where the manifest has no domains (a table of losses alone).
    pub tokenizer: Option<Tokenizer>,
    /// Each after those it reads from, else in the order of the file.
    pub steps: Vec<Step>,
    /// In the order of the file.
    pub domains: Vec<Domain>,
    pub models: Vec<Model>,
    pub recipes: Vec<Recipe>,
    pub mixtures: Vec<Mixture>,
    pub trains: Vec<Train>,
    pub ddos: Vec<Ddo>,
    pub autoscales: Vec<AutoScale>,
    pub report: Option<Report>,
    /// Byte range of every value of the file, by dotted path (`domain.c4.min-chars`).
    pub spans: HashMap<String, Range<usize>>,
}

/// Where a value of the manifest stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Dotted path, `domain.c4.min-chars`.
    pub field: String,
    pub span: Range<usize>,
}

impl Manifest {
    /// The first of `fields` (dotted paths) that the file sets, for values with inherited defaults.
    #[must_use]
    pub fn origin(&self, fields: &[&str]) -> Option<Origin> {
        fields.iter().find_map(|field| {
            let span = self.spans.get(*field)?.clone();
            Some(Origin { field: (*field).to_owned(), span })
        })
    }

    /// Where an origin stands, for people: `demo.toml:12`, or `--set 2`.
    #[must_use]
    pub fn place(&self, origin: &Origin) -> String {
        self.source.place(origin.span.start).to_string()
    }

    /// The folder that relative paths of the manifest start from.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// What `pattern` (of a domain's `files`) says of outputs of steps: indices into
    /// [`Manifest::steps`] and their outputs; none where it speaks of files.
    #[must_use]
    pub fn step_outputs(&self, pattern: &str) -> Option<Vec<StepOutput>> {
        let index =
            || Outputs::new(self.steps.iter().map(|step| (step.name.as_str(), &step.outputs[..])));
        is_reference(pattern).then(|| index().matching(pattern).unwrap_or_default())
    }

    /// What a step's output is called in the manifest: `step.NAME/OUTPUT`.
    #[must_use]
    pub fn output_name(&self, output: StepOutput) -> String {
        let step = &self.steps[output.step];
        format!("step.{}/{}", step.name, step.outputs[output.output])
    }

    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    #[must_use]
    pub fn recipe(&self, name: &str) -> Option<&Recipe> {
        self.recipes.iter().find(|recipe| recipe.name == name)
    }
}

/// `[workspace]`: where things are kept. Never part of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workspace {
    /// `store`: folder of the store; default `.mixmake` beside the manifest.
    pub store: Option<PathBuf>,
    /// `out`: folder of readable pointers to artifacts; default `out` beside the manifest.
    pub out: Option<PathBuf>,
}

/// `[step.NAME]`: a command of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub name: String,
    /// `run`: for `sh -e -u`.
    pub run: String,
    /// `inputs`, in the order of the manifest.
    pub inputs: Vec<StepInput>,
    /// `outputs`: plain file names.
    pub outputs: Vec<String>,
    /// `environment`: variables to set.
    pub environment: BTreeMap<String, String>,
    /// `pass-environment`: names of variables to take over; their values are in no key.
    pub pass_environment: Vec<String>,
    /// `threads`: how many of `-j` it takes up. Never part of a key.
    pub threads: u32,
}

/// What a step reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepInput {
    /// A glob or path, relative to the manifest, and its place in `inputs`.
    Files {
        pattern: String,
        place: usize,
    },
    Output(StepOutput),
}

/// One output of one step, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepOutput {
    pub step: usize,
    pub output: usize,
}

/// `[runtime]`: how trainings are carried out. Never part of a key; of a result it can change the
/// rounding at most, and receipts name what was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// `runs-per-gpu`: trainings that share a GPU; default 1.
    pub runs_per_gpu: u32,
    /// `micro-batch`: tokens of a forward and backward pass; absent for `"auto"`, what fits.
    pub micro_batch: Option<u64>,
    /// `recompute`: activations within layers are computed again instead of being kept.
    pub recompute: Recompute,
    /// `deterministic`: a GPU adds up in a fixed order.
    pub deterministic: Deterministic,
    /// `checkpoint-every`: seconds between checkpoints of a training; 0 for as often as they can be written.
    pub checkpoint_every: u32,
    /// `tensorboard`: folder for event files, a folder a training.
    pub tensorboard: Option<PathBuf>,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            runs_per_gpu: 1,
            micro_batch: None,
            recompute: Recompute::Auto,
            deterministic: Deterministic::Auto,
            checkpoint_every: 300,
            tensorboard: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recompute {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deterministic {
    Auto,
    Always,
    Never,
}

/// `[tokenizer]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tokenizer {
    pub source: TokenizerSource,
    /// `end-of-text = true`: append the end-of-text token to every sample.
    pub end_of_text: bool,
}

/// Where the tokenizer comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenizerSource {
    /// `file = "tokenizer.json"`, of Hugging Face; `origin = "…"` says where to get it.
    File { path: PathBuf, origin: Option<String> },
    /// `file = "https://…"`, or another URL of one: downloaded.
    Url(String),
    /// `train = "bpe"`, `vocabulary = 4096`, `min-frequency = 2`: byte-level BPE trained on the
    /// training samples of every domain.
    Bpe { vocabulary: u32, min_frequency: u64 },
    /// `train = "wordpiece"`, with the same keys: BERT's WordPiece.
    WordPiece { vocabulary: u32, min_frequency: u64 },
    /// `builtin = "gpt2"`: one that comes with the program.
    Builtin(BuiltinTokenizer),
}

/// `builtin` of `[tokenizer]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltinTokenizer {
    Gpt2,
}

/// `[domain.NAME]`, with `[corpus]` giving the default of every key but `files` and `origin`.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    pub name: String,
    /// `files`: globs or paths, relative to the manifest; outputs of steps; or URLs, also for what `hub` and
    /// `revision` say (`hf://datasets/OWNER/NAME@REVISION/PATH`). `file://` is a path here already.
    pub files: Vec<String>,
    /// `exclude`: globs taken away from `files`, in the same forms.
    pub exclude: Vec<String>,
    /// `origin`: where to get the files, shown when they are missing. Never part of a key.
    pub origin: Option<String>,
    /// `format`: default by the file's name.
    pub format: Option<Format>,
    /// `text`: the column(s) that hold the text, dotted for nested ones.
    pub text: Vec<String>,
    /// `join`: what joins several of them, and the parts of list-typed text.
    pub join: String,
    /// `quotes`: whether double quotes enclose fields of CSV and TSV.
    pub quotes: bool,
    /// `where = { "meta.language" = "en" }`: rows to keep; values compared as text.
    pub filters: BTreeMap<String, String>,
    /// `min-chars`: documents with fewer Unicode scalar values are dropped.
    pub min_chars: u64,
    /// `max-chars`: documents with more are dropped.
    pub max_chars: Option<u64>,
    /// `block = "first" | "random" | "every" | "whole"`.
    pub block: Block,
    /// `block-chars`.
    pub block_chars: u64,
    /// `held-out = 200` documents, or `"2%"` of the hash range.
    pub held_out: HeldOut,
    /// `duplicates = "keep" | "drop" | "drop-across"`: exact duplicates.
    pub duplicates: Duplicates,
    /// `duplicates-of = "document" | "block"`: of samples' texts rather than of whole documents.
    pub duplicates_of_blocks: bool,
    /// `near-duplicates`: the least resemblance of what is dropped, 0 to 1.
    pub near_duplicates: Option<f64>,
    /// `decontaminate`: globs of evaluation texts, or URLs.
    pub decontaminate: Vec<String>,
    /// `decontaminate-words`: words of a run that must not be shared.
    pub decontaminate_words: u32,
    /// `on-error = "fail" | "skip"`: what a malformed row does.
    pub on_error: OnError,
    /// `train = false`: the domain is only evaluated on; no mixture may draw from it.
    pub train: bool,
    /// `max-documents`: at most so many documents, those of smallest hash; absent: all.
    pub max_documents: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `jsonl`: JSON Lines, plain or compressed (gzip, zstd, xz, bzip2).
    JsonLines,
    /// `parquet`.
    Parquet,
    /// `arrow`: Arrow IPC.
    Arrow,
    /// `csv`.
    Csv,
    /// `tsv`.
    Tsv,
    /// `plain`: one document a file.
    Plain,
    /// `tar`: one document a file of the archive.
    Tar,
}

/// What happens to documents that occur more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    Keep,
    /// Within the domain.
    Drop,
    /// Within the domain, and those of the domains before it.
    DropAcross,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    First,
    Random,
    Every,
    Whole,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HeldOut {
    Documents(u64),
    /// Of the hash range, 0 to 1.
    Fraction(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    Fail,
    Skip,
}

/// `[model.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub name: String,
    /// `architecture = "gpt2" | "bert"`.
    pub architecture: Architecture,
    /// `layers`, `hidden`, `heads`.
    pub layers: u32,
    pub hidden: u32,
    pub heads: u32,
    /// `context`: tokens a sequence.
    pub context: u32,
    /// `dropout`, default 0.
    pub dropout: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Gpt2,
    Bert,
}

/// `[recipe.NAME]`: how to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub name: String,
    /// `model`: name of a `[model]`.
    pub model: String,
    /// `learning-rate`: the peak.
    pub learning_rate: f64,
    /// `schedule = "linear" | "cosine" | "constant" | "wsd"`, with `decay` for the last: the decay after warm-up; default linear, to 0.
    pub schedule: Schedule,
    /// `warm-up = "10%"` of the steps, or a number of steps.
    pub warm_up: WarmUp,
    /// `warm-up-from-zero`: whether the first step of a warm-up has rate 0; default true.
    pub warm_up_from_zero: bool,
    /// `weight-decay`, on matrices and embeddings only; default 0.01.
    pub weight_decay: f64,
    /// `clip`: the global gradient norm; 0 means none; default 1.
    pub clip: f64,
    /// `batch-tokens`: tokens an optimiser step; a multiple of the model's context.
    pub batch_tokens: u64,
    /// `epochs`: passes over the mixture, default 1.
    pub epochs: u32,
    /// `precision = "auto" | "fp32" | "bf16"`; auto is bf16 on a GPU and fp32 on the CPU.
    pub precision: Precision,
    /// `threads` of a training on the CPU; default 1. Part of the key, it changes bits.
    pub threads: u32,
    /// `seed` of initialisation, order and dropout; default 1.
    pub seed: u64,
    /// `evaluations = 8`: evenly spaced points at which held-out loss is measured, the end included.
    pub evaluations: u32,
    /// `evaluate-at-steps`, `evaluate-at-tokens`: more points; sorted.
    pub evaluate_at_steps: Vec<u64>,
    pub evaluate_at_tokens: Vec<u64>,
    /// `padding = "packed" | "longest" | "context"`.
    pub padding: Padding,
    /// `masking = 0.15`: share of tokens masked, BERT only.
    pub masking: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    Linear,
    Cosine,
    Constant,
    /// Constant, then to 0 in a line over the last `decay` of all steps.
    Wsd {
        decay: f64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    Packed,
    Longest,
    Context,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WarmUp {
    Steps(u64),
    /// Of all steps, 0 to 1.
    Fraction(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    Auto,
    Fp32,
    Bf16,
}

/// `[mixture.NAME]`: fixed weights. `uniform` exists without being declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    pub name: String,
    /// `weights = { c4 = 0.15, … }`, sum 1 (±1e-6 by default; `normalise = true` rescales);
    /// one entry for every domain that trains, in the order of `domains`.
    pub weights: Vec<(String, f64)>,
}

/// What a training draws: `mixture = "uniform" | "NAME" | "ddo.NAME" | "autoscale.NAME"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MixtureRef {
    Uniform,
    Named(String),
    /// The optimum of a `[ddo.NAME]`.
    Ddo(String),
    /// The prediction of an `[autoscale.NAME]`.
    AutoScale(String),
}

/// `[train.NAME]`: one training.
#[derive(Debug, Clone, PartialEq)]
pub struct Train {
    pub name: String,
    pub mixture: MixtureRef,
    pub recipe: String,
    /// `tokens = "300k"`: tokens of the mixture (an epoch of it).
    pub tokens: u64,
    /// `seed`: instead of the recipe's.
    pub seed: Option<u64>,
    /// `max-repeats`: how often a domain's tokens may be drawn; default 1, without replacement.
    pub max_repeats: u32,
}

/// `[ddo.NAME]`: Direct Data Optimization at one scale (methods.md section 2).
#[derive(Debug, Clone, PartialEq)]
pub struct Ddo {
    pub name: String,
    pub recipe: String,
    pub tokens: u64,
    /// `reference`: the base mixture, default uniform.
    pub reference: MixtureRef,
    /// `factors = [3, "1/3"]`.
    pub factors: Vec<f64>,
    /// `seeds = [1, 2]` or `seeds = 2`: every run once a seed; default the recipe's.
    pub seeds: Vec<u64>,
    /// Seeds of the base run: `seeds`, and those of `base-seeds` that are not among them.
    pub base_seeds: Vec<u64>,
    /// `total = "free" | "fixed"`.
    pub total: Total,
    /// `objective = "perplexity" | "cross-entropy"`: mean over the validation domains.
    pub objective: Objective,
    /// `floor = 0.2 | "5%" | { c4 = 0.5, books = "5%" }`: one for every domain that trains, in the order of `domains`; 0.2
    /// of those not named.
    pub floors: Vec<Limit>,
    /// `cap`, alike; none of those not named.
    pub caps: Vec<Option<Limit>>,
    /// `noise`: standard deviation of one run's objective, relative to it.
    pub noise: Option<f64>,
    /// `draws`: redrawn fits that intervals rest on.
    pub draws: u64,
    /// `level`: probability that an interval covers.
    pub level: f64,
    pub max_repeats: u32,
}

/// A bound on the amount of a domain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Of its base amount.
    Multiple(f64),
    /// Of all tokens.
    Share(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    Free,
    Fixed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    Perplexity,
    CrossEntropy,
}

/// `[autoscale.NAME]`: the prediction at a larger scale (methods.md section 3).
#[derive(Debug, Clone, PartialEq)]
pub struct AutoScale {
    pub name: String,
    /// `from = ["small", "medium"]`: names of `[ddo]`, two or more.
    pub from: Vec<String>,
    /// `tokens`: the target.
    pub tokens: u64,
    /// `mode = "continuous" | "stepping"`.
    pub mode: Mode,
    /// `law = "power" | "shifted"`: N_i, or N0_i + N_i, log-affine.
    pub law: ScaleLaw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Continuous,
    Stepping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScaleLaw {
    Power,
    Shifted,
}

/// `[report]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub title: String,
    /// `trains = ["predicted", "uniform"]`: the trainings to compare; default all.
    pub trains: Vec<String>,
    /// `baseline = "uniform"`: steps saved are counted against it.
    pub baseline: Option<String>,
    /// `baselines = { ours = "theirs" }`: a baseline of a training's own, such as that of its scale.
    pub baselines: BTreeMap<String, String>,
}
