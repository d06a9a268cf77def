//! The command line, as clap derives it. One variant a verb; what it does is in `command/<verb>.rs`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    #[arg(value_name = "TARGET|GLOB")]
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
    Log(Targets),
    /// List the measured losses
    Losses(Losses),
    /// Fit DDO's laws and find the optimal weights, from targets or from a table of losses
    Fit(Fit),
    /// Predict weights at a larger scale, from targets or from tables
    Predict(Predict),
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
    /// Print the JSON Schema of manifests
    Schema,
    /// Run one action from its request; what `run` starts
    #[command(hide = true)]
    Exec(Exec),
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
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub targets: Targets,
    /// Exit 4 when something would run
    #[arg(long)]
    pub exit_code: bool,
    /// Show every action, also those that are up to date
    #[arg(short = 'a', long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct Graph {
    #[command(flatten)]
    pub targets: Targets,
    #[arg(long, value_enum, default_value_t = GraphFormat::Tree)]
    pub format: GraphFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    Tree,
    Dot,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// A git revision of this manifest, or another manifest's path
    #[arg(value_name = "REV|FILE")]
    pub other: String,
}

#[derive(Debug, Args)]
pub struct Losses {
    #[command(flatten)]
    pub targets: Targets,
    /// Only the last evaluation of each training
    #[arg(long)]
    pub last: bool,
    /// Write them as a table (`.csv` or `.parquet`)
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Fit {
    /// Names of `[ddo]`; all where none is given
    #[arg(value_name = "TARGET|GLOB")]
    pub targets: Vec<String>,
    /// A table of losses: CSV or Parquet with columns `domain`, `factor` and one a validation domain
    #[arg(long, value_name = "FILE", conflicts_with = "targets")]
    pub table: Option<PathBuf>,
    #[command(flatten)]
    pub options: TableOptions,
}

/// How a table of losses is read and fitted.
#[derive(Debug, Clone, Args)]
pub struct TableOptions {
    /// Tokens of the base runs
    #[arg(long, value_name = "TOKENS", help_heading = "Tables")]
    pub tokens: Option<String>,
    /// Weights of the base runs, `c4=0.2,books=0.8`; uniform unless given
    #[arg(long, value_name = "WEIGHTS", help_heading = "Tables")]
    pub weights: Option<String>,
    /// What the values are
    #[arg(long, value_enum, default_value_t = MeasureArg::Perplexity, help_heading = "Tables")]
    pub measure: MeasureArg,
    /// What to make small
    #[arg(long, value_enum, default_value_t = MeasureArg::Perplexity, help_heading = "Tables")]
    pub objective: MeasureArg,
    /// Columns to average as the objective, by name; unless given, `mean` where it is there, else all value columns
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = "Tables")]
    pub columns: Vec<String>,
    /// Use only these factors, `3,1/5`
    #[arg(long, value_name = "FACTORS", value_delimiter = ',', help_heading = "Tables")]
    pub factors: Vec<String>,
    /// Least amount of a domain, in multiples of its base amount
    #[arg(long, value_name = "MULTIPLE", default_value_t = 0.2, help_heading = "Tables")]
    pub floor: f64,
    /// Standard deviation of one run's objective over seeds, relative to it, where the table shows none
    #[arg(long, value_name = "SD", help_heading = "Tables")]
    pub noise: Option<f64>,
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
    /// A table of optimal amounts: CSV or Parquet with a column a domain and one row a scale
    #[arg(long, value_name = "FILE", conflicts_with = "targets")]
    pub table: Option<PathBuf>,
    /// Total tokens to predict for; several give several rows
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', requires = "table")]
    pub tokens: Vec<String>,
    /// Stop at the first total that is not below the target, as the paper's Algorithm 2 does
    #[arg(long, requires = "table")]
    pub stepping: bool,
    /// Multiple of the uniform amount at which a domain counts as held at its floor: such a domain is carried there
    #[arg(long, value_name = "MULTIPLE", requires = "table")]
    pub floor: Option<f64>,
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
    /// `MODEL/model.safetensors` and `config.json` of trainings
    Transformers,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Run these targets again and compare their outputs with the store's
    #[arg(long, value_name = "TARGET|GLOB", num_args = 1..)]
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
pub struct Exec {
    pub key: String,
    /// Run although a result is there
    #[arg(long)]
    pub force: bool,
}
