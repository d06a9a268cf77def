//! What can go wrong between text and tokens. Every message says what happened, where, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use mixmake_shards::ShardError;

/// Why a data step failed.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A parameter that makes no sense.
    #[error("`{field}` {problem}")]
    Spec {
        /// The parameter, as the manifest spells it.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Rows that could not be read, under `on-error = "fail"`.
    #[error("{}", list_problems(*total, first))]
    Problems {
        /// How many there are.
        total: u64,
        /// The first few, by path and row.
        first: Vec<Problem>,
    },
    /// A source changed between its first and its last read byte.
    #[error("`{}` changed while it was read; wait until it is complete and run again", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
    },
    /// No document is left.
    #[error("no document is left of {rows} rows: {dropped}; loosen the rules or add files")]
    Empty {
        /// Rows read.
        rows: u64,
        /// What each rule dropped, in words.
        dropped: String,
    },
    /// A filter names a column that no row has.
    #[error(
        "the filter's column `{column}` is in none of the {rows} rows read; check its name (nested columns are written `meta.language`)"
    )]
    FilterColumn {
        /// The column.
        column: String,
        /// Rows read.
        rows: u64,
    },
    /// Nothing would be left to train on.
    #[error(
        "holding out {held_out} of {documents} documents leaves none to train on; hold out fewer or add files"
    )]
    HeldOutTakesAll {
        /// Documents the rule holds out.
        held_out: u64,
        /// Documents there are.
        documents: u64,
    },
    /// A samples file that cannot be understood.
    #[error("`{}` is not a samples file: {problem}; build it again", path.display())]
    Samples {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A documents file that cannot be understood.
    #[error("`{}` is not a documents file: {problem}; build it again", path.display())]
    Documents {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Evaluation texts that cannot be read: then nothing could be compared with them.
    #[error("the evaluation text {0}; mend it, or take it out of `decontaminate`")]
    Evaluation(Problem),
    /// A tokenizer that cannot be loaded, used or trained.
    #[error("the tokenizer: {0}")]
    Tokenizer(String),
    /// A shard that cannot be written or read.
    #[error(transparent)]
    Shard(#[from] ShardError),
}

impl DataError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

/// One malformed row or file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Line or row from 1; `None` where the whole file is concerned.
    pub row: Option<u64>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            Some(row) => write!(f, "{}:{row}: {}", self.path.display(), self.message),
            None => write!(f, "{}: {}", self.path.display(), self.message),
        }
    }
}

fn list_problems(total: u64, first: &[Problem]) -> String {
    let mut text = match total {
        1 => "1 row could not be read".to_string(),
        n => format!("{n} rows could not be read"),
    };
    for problem in first {
        text.push_str(&format!("\n  {problem}"));
    }
    if total > first.len() as u64 {
        text.push_str(&format!("\n  and {} more", total - first.len() as u64));
    }
    text.push_str(
        "\nmend the files, or set `on-error = \"skip\"` to count and leave out such rows",
    );
    text
}
