//! The command line, as clap derives it. One variant a verb; what it does is in `command/<verb>.rs`.

#[cfg(test)]
mod reference;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::complete;
use crate::table::wide::{OnBlank, OnDuplicate, OnSum};

/// make for pre-training data mixtures
#[derive(Debug, Parser)]
#[command(
    name = "mixmake",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The manifest
    #[arg(short = 'm', long, global = true, value_name = "FILE", default_value = "mixmake.toml")]
    pub manifest: PathBuf,
    /// Change to this folder first
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The store; by default what the manifest says, else `.mixmake` beside it
    #[arg(long, global = true, value_name = "DIR", env = "MIXMAKE_STORE")]
    pub store: Option<PathBuf>,
    /// A key of the manifest, as if the file said so: `--set recipe.small.learning-rate=1e-3`
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Reach no server: what is not here is an error
    #[arg(long, global = true, env = "MIXMAKE_OFFLINE", value_parser = clap::builder::FalseyValueParser::new())]
    pub offline: bool,
    /// One JSON object for questions, newline-delimited events for `run`
    #[arg(long, global = true)]
    pub json: bool,
    /// Only errors on standard error
    #[arg(short = 'q', long, global = true)]
    pub quiet: bool,
    /// More about what is done; twice for all
    #[arg(short = 'v', long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Targets or globs of them.
#[derive(Debug, Clone, Args)]
pub struct Targets {
    /// Targets or globs (`ddo/*`, `train/uniform`); all where none is given
    #[arg(value_name = "TARGET|GLOB", add = ArgValueCompleter::new(complete::targets))]
    pub targets: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Bring targets up to date
    Run(Run),
    /// Show what would run, why and at what price
    Plan(Plan),
    /// Show where every target stands
    Status(Targets),
    /// Explain why targets would run, or why they last did
    Why(Targets),
    /// Show the graph of actions
    Graph(Graph),
    /// Compare with another manifest or a git revision of this one
    Diff(Diff),
    /// Show what targets' processes wrote, and their receipts
    Log(Log),
    /// List, filter and export measured losses; import outside tables beside them
    Losses(Losses),
    /// Fit laws of losses and find the optimal weights, from targets, tables or the store
    Fit(Box<Fit>),
    /// Predict weights at a larger scale, from targets or from tables
    Predict(Box<Predict>),
    /// Show which file, row and character a token of a shard comes from, and the text around it
    Show(Show),
    /// List the rows of a domain that a rule left out, and why
    Dropped(Dropped),
    /// Build the report, print its table and its path
    Report(Report),
    /// Link shards under the names that other tools expect
    Export(Export),
    /// Read the store through, or build a target again and compare
    Verify(Verify),
    /// Remove what nothing refers to any more
    Gc(Gc),
    /// Write a small commented manifest that runs
    Init(Init),
    /// Print the JSON Schema of manifests, or of the events of a run
    Schema(Schema),
    /// Print a script that makes a shell complete verbs, flags and targets
    Completions(Completions),
    /// Write the manual pages into a folder
    Man(Man),
    /// Run one action from its request; what `run` starts
    #[command(hide = true)]
    Exec(Exec),
    /// End the commands named on standard input when the run that names them is gone; what `run` starts
    #[command(hide = true)]
    Keep,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub targets: Targets,
    /// Threads in use at once; by default all of the machine's
    #[arg(short = 'j', long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Go on with what does not depend on a failure
    #[arg(short = 'k', long)]
    pub keep_going: bool,
    /// Only say what would run
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Fail (exit 4) instead of changing the lock file
    #[arg(long)]
    pub locked: bool,
    /// Ask anew what the manifest's URLs and revisions stand for, instead of going by the lock file
    #[arg(long, conflicts_with_all = ["locked", "offline"])]
    pub update_remote: bool,
    /// Write a trace of the run that browsers' trace viewers open (`chrome://tracing`, Perfetto)
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub trace: Option<PathBuf>,
    /// Say where the time went, by kind and action, and what the critical path was
    #[arg(long, conflicts_with = "dry_run")]
    pub timings: bool,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub targets: Targets,
    /// Exit 4 when something would run
    #[arg(long)]
    pub exit_code: bool,
    /// As after `run --update-remote`
    #[arg(long, conflicts_with = "offline")]
    pub update_remote: bool,
    /// Show every action, also those that are up to date
    #[arg(short = 'a', long)]
    pub all: bool,
    /// Estimate the time for so many threads; by default all of the machine's
    #[arg(short = 'j', long, value_name = "N")]
    pub jobs: Option<usize>,
}

#[derive(Debug, Args)]
pub struct Graph {
    #[command(flatten)]
    pub targets: Targets,
    /// What to write to standard output
    #[arg(long, value_enum, default_value_t = GraphFormat::Tree)]
    pub format: GraphFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Text, below each action what it reads from
    Tree,
    /// The language of Graphviz
    Dot,
    /// A picture
    Svg,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// A git revision of this manifest, or another manifest's path
    #[arg(value_name = "REV|FILE")]
    pub old: String,
    /// What to compare it with; by default this manifest as it is
    #[arg(value_name = "REV|FILE")]
    pub new: Option<String>,
}

#[derive(Debug, Args)]
pub struct Log {
    #[command(flatten)]
    pub targets: Targets,
    /// Go on showing what a running action writes, until it ends
    #[arg(short = 'f', long)]
    pub follow: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Losses {
    #[command(subcommand)]
    pub verb: Option<LossesVerb>,
    #[command(flatten)]
    pub targets: Targets,
    /// Every training of the store, of any manifest and of the past
    #[arg(short = 'a', long)]
    pub all: bool,
    /// Only the last evaluation of each training
    #[arg(long)]
    pub last: bool,
    /// Only rows of which this holds: `domain=c4`, `target=ddo/*`, `step>=100`, `kind=imported`; several must all hold
    #[arg(long = "where", value_name = "CONDITION")]
    pub conditions: Vec<String>,
    /// Write them as a table (`.csv`, `.parquet` or `.json`)
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// One row a training, with its tokens by domain and its final losses, as `fit --table` reads them
    #[arg(long, requires = "output")]
    pub wide: bool,
}

#[derive(Debug, Subcommand)]
pub enum LossesVerb {
    /// Take an outside table into the store, as evidence of its own kind
    Import(Box<Import>),
    /// List what is imported
    Imports,
    /// Take an import away
    Remove {
        /// Its name, or the start of its key
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct Import {
    /// CSV or Parquet, as `fit --table` reads it
    pub file: PathBuf,
    /// What to call it; the file's name unless given
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub roles: RoleArgs,
    #[command(flatten)]
    pub experiment: ExperimentArgs,
}

#[derive(Debug, Args)]
pub struct Fit {
    /// Names of `[ddo]`; all where none is given and no other source
    #[arg(value_name = "TARGET|GLOB")]
    pub targets: Vec<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub roles: RoleArgs,
    #[command(flatten)]
    pub experiment: ExperimentArgs,
    #[command(flatten)]
    pub options: TableOptions,
    #[command(flatten)]
    pub laws: LawArgs,
    /// Write a page with the fits over their points, predicted against observed, and the weights
    #[arg(long, value_name = "FILE.html")]
    pub page: Option<PathBuf>,
}

/// Where losses come from.
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    /// A table, CSV or Parquet: one row a run with `weight_*` or `tokens:*` and `*_loss` or `*_ppl`; or DDO's `domain`, `factor` and values
    #[arg(long, value_name = "FILE", conflicts_with_all = ["targets", "from_store"], help_heading = "Sources")]
    pub table: Option<PathBuf>,
    /// Final losses of every training in the store, of any manifest, joined by what their shards are
    #[arg(long, conflicts_with = "targets", help_heading = "Sources")]
    pub from_store: bool,
    /// Of those only trainings of which this holds: `target=ddo/*`, `recipe=proxy`, `hidden=64`
    #[arg(
        long = "where",
        value_name = "CONDITION",
        requires = "from_store",
        help_heading = "Sources"
    )]
    pub conditions: Vec<String>,
    /// A table of `losses import`, by name; beside other sources its rows are pooled with theirs, and that is said
    #[arg(long, value_name = "NAME", conflicts_with = "targets", help_heading = "Sources")]
    pub imported: Vec<String>,
}

/// Which columns of a table are what; recognised by name unless given.
#[derive(Debug, Clone, Args)]
pub struct RoleArgs {
    /// A second table whose rows belong to the first's
    #[arg(long, value_name = "FILE", help_heading = "Columns")]
    pub join: Option<PathBuf>,
    /// The column that names runs in both tables
    #[arg(long, value_name = "COLUMN", requires = "join", help_heading = "Columns")]
    pub on: Option<String>,
    /// Columns of mixture weights, `w_*`: the star is the domain's name
    #[arg(long, value_name = "PATTERNS", help_heading = "Columns")]
    pub weight_columns: Option<String>,
    /// Columns of tokens a domain, `tokens:*`
    #[arg(long, value_name = "PATTERNS", help_heading = "Columns")]
    pub amount_columns: Option<String>,
    /// Columns of cross-entropies, `*_loss`
    #[arg(long, value_name = "PATTERNS", help_heading = "Columns")]
    pub loss_columns: Option<String>,
    /// Columns of perplexities, `*_ppl`
    #[arg(long, value_name = "PATTERNS", help_heading = "Columns")]
    pub perplexity_columns: Option<String>,
    /// The column of total training tokens
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub tokens_column: Option<String>,
    /// The column of model sizes
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub size_column: Option<String>,
    /// The column of seeds
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub seed_column: Option<String>,
    /// What rows of the same mixture, scale and seed are
    #[arg(long, value_enum, default_value_t, help_heading = "Columns")]
    pub on_duplicate: OnDuplicate,
    /// What a blank cell does
    #[arg(long, value_enum, default_value_t, help_heading = "Columns")]
    pub on_blank: OnBlank,
    /// What weights do that miss a sum of 1 by more than their rounding
    #[arg(long, value_enum, default_value_t, help_heading = "Columns")]
    pub on_sum: OnSum,
}

/// What a table with `domain` and `factor` leaves unsaid.
#[derive(Debug, Clone, Args)]
pub struct ExperimentArgs {
    /// Tokens of the base runs
    #[arg(long, value_name = "TOKENS", help_heading = "DDO tables")]
    pub tokens: Option<String>,
    /// Weights of the base runs, `c4=0.2,books=0.8`; uniform unless given
    #[arg(long, value_name = "WEIGHTS", help_heading = "DDO tables")]
    pub weights: Option<String>,
    /// What the values are
    #[arg(long, value_enum, default_value_t = MeasureArg::Perplexity, help_heading = "DDO tables")]
    pub measure: MeasureArg,
}

/// How a DDO table is fitted.
#[derive(Debug, Clone, Args)]
pub struct TableOptions {
    /// Columns to average as the objective, by name; unless given, `mean` where it is there, else all value columns
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "DDO tables")]
    pub columns: Vec<String>,
    /// Use only these factors, `3,1/5`
    #[arg(long, value_name = "FACTORS", value_delimiter = ',', help_heading = "DDO tables")]
    pub factors: Vec<String>,
    /// Standard deviation of one run's objective over seeds, relative to it, where the table shows none
    #[arg(long, value_name = "SD", help_heading = "DDO tables")]
    pub noise: Option<f64>,
}

/// The law, what to make small, within which bounds, and how sure that is.
#[derive(Debug, Clone, Args)]
pub struct LawArgs {
    /// `auto` (by cross-validated error), or one of ddo, exponential, additive, inverse-sum, inverse-sum-joint, bimix, log-linear, linear, trees
    #[arg(long, help_heading = "Law and optimum")]
    pub law: Option<String>,
    /// What to make small; mean-loss unless given, for DDO tables mean-perplexity
    #[arg(long, value_enum, help_heading = "Law and optimum")]
    pub objective: Option<ObjectiveArg>,
    /// Validation domains that count, and how much: `c4=2,books`; all alike unless given
    #[arg(long, value_name = "DOMAINS", help_heading = "Law and optimum")]
    pub importance: Option<String>,
    /// Least amounts: `0.2` (times the reference's), `5%` (of all tokens), or by domain, `books=5%,c4=0.5`
    #[arg(long, value_name = "BOUNDS", help_heading = "Law and optimum")]
    pub floor: Option<String>,
    /// Greatest amounts, written alike
    #[arg(long, value_name = "BOUNDS", help_heading = "Law and optimum")]
    pub cap: Option<String>,
    /// Let weights that no bound holds leave the range that the rows have: laws say little there
    #[arg(long, help_heading = "Law and optimum")]
    pub beyond_trained: bool,
    /// Tokens that exist, `c4=1.2B,books=300M`
    #[arg(long, value_name = "TOKENS", help_heading = "Law and optimum")]
    pub available: Option<String>,
    /// How often they may be drawn
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1.0,
        requires = "available",
        help_heading = "Law and optimum"
    )]
    pub max_repeats: f64,
    /// The mixture to compare with: `uniform`, `best` (of the rows), or `c4=0.2,books=0.8`
    #[arg(long, value_name = "MIXTURE", help_heading = "Law and optimum")]
    pub reference: Option<String>,
    /// The total of tokens to find the optimum for, measured or not
    #[arg(long, value_name = "TOKENS", help_heading = "Law and optimum")]
    pub at: Option<String>,
    /// The model size to find it for
    #[arg(long, value_name = "PARAMETERS", help_heading = "Law and optimum")]
    pub at_size: Option<String>,
    /// Propose so many mixtures worth training next
    #[arg(long, value_name = "K", default_value_t = 0, help_heading = "Law and optimum")]
    pub suggest: usize,
    /// Fits to redrawn losses that intervals rest on; 0 for none
    #[arg(long, value_name = "N", help_heading = "Law and optimum")]
    pub bootstrap: Option<usize>,
    /// Probability that an interval covers
    #[arg(long, default_value_t = 0.9, help_heading = "Law and optimum")]
    pub level: f64,
    /// Parts of the cross-validation
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Law and optimum")]
    pub folds: usize,
    /// Of every random choice: starts, folds, draws
    #[arg(long, default_value_t = 0, help_heading = "Law and optimum")]
    pub seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ObjectiveArg {
    /// Mean cross-entropy over the validation domains
    #[value(alias = "cross-entropy")]
    MeanLoss,
    /// Mean perplexity over them
    #[value(alias = "perplexity")]
    MeanPerplexity,
    /// The highest cross-entropy of any
    Worst,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MeasureArg {
    Perplexity,
    CrossEntropy,
}

#[derive(Debug, Args)]
pub struct Predict {
    /// Names of `[autoscale]`; all where none is given
    #[arg(value_name = "TARGET|GLOB")]
    pub targets: Vec<String>,
    /// Optimal amounts, a column a domain and a row a scale; or tables of losses at two or more scales, each its own or one with several
    #[arg(long, value_name = "FILE", conflicts_with = "targets")]
    pub table: Vec<PathBuf>,
    /// Total tokens to predict for; several give several rows
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', requires = "table")]
    pub tokens: Vec<String>,
    /// Tokens of each table of losses that does not say them, in their order
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', requires = "table")]
    pub at: Vec<String>,
    /// What is log-affine in the scale: amounts, or amounts and DDO's own shift (which tables of losses know)
    #[arg(long, value_enum, default_value_t = ScaleLawArg::Power, requires = "table")]
    pub law: ScaleLawArg,
    /// Stop at the first total that is not below the target, as the paper's Algorithm 2 does
    #[arg(long, requires = "table")]
    pub stepping: bool,
    /// Of optima: the multiple of the uniform amount that counts as held at its floor. Of losses: the least amount, in multiples of the base's (0.2)
    #[arg(long, value_name = "MULTIPLE", requires = "table")]
    pub floor: Option<f64>,
    /// Extrapolate a domain at its floor at every scale too, as the reference code does
    #[arg(long, requires = "table")]
    pub no_carry: bool,
    /// Weights of the base runs, `c4=0.2,books=0.8`; uniform unless given
    #[arg(long, value_name = "WEIGHTS", requires = "table", help_heading = "Tables of losses")]
    pub weights: Option<String>,
    /// What the values are
    #[arg(long, value_enum, default_value_t = MeasureArg::Perplexity, help_heading = "Tables of losses")]
    pub measure: MeasureArg,
    /// What to make small: a mean
    #[arg(long, value_enum, help_heading = "Tables of losses")]
    pub objective: Option<ObjectiveArg>,
    /// Columns to average as the objective
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Tables of losses")]
    pub columns: Vec<String>,
    /// Use only these factors, `3,1/5`
    #[arg(long, value_name = "FACTORS", value_delimiter = ',', help_heading = "Tables of losses")]
    pub factors: Vec<String>,
    /// Standard deviation of one run's objective over seeds, relative to it, where the tables show none
    #[arg(long, value_name = "SD", help_heading = "Tables of losses")]
    pub noise: Option<f64>,
    /// Fits to redrawn losses that intervals rest on; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Tables of losses")]
    pub bootstrap: usize,
    /// Probability that an interval covers
    #[arg(long, default_value_t = 0.9, help_heading = "Tables of losses")]
    pub level: f64,
    /// Of the redrawn losses
    #[arg(long, default_value_t = 0, help_heading = "Tables of losses")]
    pub seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScaleLawArg {
    /// ln N: Theorem 1
    Power,
    /// ln (N0 + N): as DDO's law implies
    Shifted,
}

#[derive(Debug, Args)]
pub struct Show {
    /// A domain, its shards' target, or the path of a `.bin`
    #[arg(value_name = "SHARD")]
    pub shard: String,
    /// Place of the token in `.bin`, from 0
    #[arg(value_name = "POSITION")]
    pub position: u64,
    /// Of the domain's held-out shard
    #[arg(long)]
    pub held_out: bool,
}

#[derive(Debug, Args)]
pub struct Dropped {
    #[arg(value_name = "DOMAIN")]
    pub domain: String,
    /// Only what this rule left out: `min-chars`, `where`, `malformed`, `duplicates`, …
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Report {
    /// Threads in use at once; by default all of the machine's
    #[arg(short = 'j', long, value_name = "N")]
    pub jobs: Option<usize>,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub targets: Targets,
    /// Whose names and layout
    #[arg(long = "as", value_enum)]
    pub layout: Layout,
    /// Where to
    #[arg(short = 'o', long, value_name = "DIR")]
    pub output: PathBuf,
    /// Replace other files that are there
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// `DOMAIN_train.bin` and `.idx`
    Megatron,
    /// `DOMAIN/train.bin` and `val.bin`, headerless u16
    Nanogpt,
    /// `DOMAIN/train.npy` and `held-out.npy`, headerless
    Olmo,
    /// `DOMAIN/train/000_00000.ds` and `.ds.index`
    Datatrove,
    /// `DOMAIN_train.bin` and `DOMAIN_val.bin`, with llm.c's header
    Llmc,
    /// `MODEL/model.safetensors` and `config.json` of trainings
    Transformers,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Run these targets again and compare their outputs with the store's
    #[arg(
        long,
        value_name = "TARGET|GLOB",
        num_args = 1..,
        add = ArgValueCompleter::new(complete::targets)
    )]
    pub rebuild: Vec<String>,
    /// Move damaged files aside, so that the next run makes them again
    #[arg(long)]
    pub repair: bool,
}

#[derive(Debug, Args)]
pub struct Gc {
    /// Only list what would go
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Replace a manifest that is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Schema {
    /// Of the lines that `run --json` prints
    #[arg(long)]
    pub events: bool,
}

#[derive(Debug, Args)]
pub struct Completions {
    /// `source <(mixmake completions bash)`, in `~/.bashrc`
    #[arg(value_enum)]
    pub shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
pub struct Man {
    /// Where to; made where there is none
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct Exec {
    #[arg(required_unless_present = "serve")]
    pub key: Option<String>,
    /// Run although a result is there
    #[arg(long)]
    pub force: bool,
    /// Run what is asked for on standard input, one action after the other; what `run` starts
    #[arg(long, hide = true, conflicts_with_all = ["key", "force"])]
    pub serve: bool,
}
