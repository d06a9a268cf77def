//! What can be wrong with a table, and how it is said.

use std::io;

use mixmake_manifest::suggest;

use crate::error::{Error, Exit};

/// Problems of rows that a message shows; the rest is counted.
const MOST_SHOWN: usize = 10;

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("cannot read the table `{path}`: {source}")]
    Open { path: String, source: io::Error },
    #[error("cannot read `{path}` as {format}: {problem}")]
    Format { path: String, format: &'static str, problem: String },
    #[error("`{path}` has two columns `{name}`")]
    ColumnTwice { path: String, name: String },
    #[error("`{path}` has no rows")]
    NoRows { path: String },
    #[error("`{path}` has no column `{name}`; it has {}", list(columns))]
    MissingColumn { path: String, name: String, nearest: Option<String>, columns: Vec<String> },
    #[error("{}", rows(path, problems))]
    Rows { path: String, problems: Vec<String> },
    /// Cells or rows that cannot be used, each with its place.
    #[error("{}", rows(path, problems))]
    Cells { path: String, problems: Vec<String>, hint: String },
    /// What the table says contradicts itself or a flag.
    #[error("`{path}`: {problem}")]
    Contents { path: String, problem: String, hint: String },
    /// A flag's value cannot be read.
    #[error("`{flag} {value}`: {problem}")]
    Flag { flag: &'static str, value: String, problem: String },
    #[error("cannot write `{path}`: {problem}")]
    Write { path: String, problem: String },
}

/// "`a`, `b` and `c`", for messages.
pub(super) fn list(names: &[String]) -> String {
    suggest::list(names.iter().map(String::as_str), "and")
}

fn rows(path: &str, problems: &[String]) -> String {
    if let [only] = problems {
        return format!("`{path}`, {only}");
    }
    let mut text = format!("`{path}` has {} problems:", problems.len());
    for problem in problems.iter().take(MOST_SHOWN) {
        text.push_str(&format!("\n  {problem}"));
    }
    if problems.len() > MOST_SHOWN {
        text.push_str(&format!("\n  and {} more", problems.len() - MOST_SHOWN));
    }
    text
}

impl TableError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Open { .. } => "check the path: it is relative to the current folder".into(),
            Self::Format { format: "CSV", .. } => {
                "a table is CSV with a header row and commas (tabs in a `.tsv`), or Parquet".into()
            }
            Self::Format { .. } => "write it again, or give it as CSV".into(),
            Self::ColumnTwice { .. } => "give every column its own name".into(),
            Self::NoRows { .. } => {
                "below the header row there must be one row a run or scale".into()
            }
            Self::MissingColumn { nearest: Some(nearest), .. } => {
                format!("is `{nearest}` it? Columns go by name, in any order")
            }
            Self::MissingColumn { .. } => {
                "columns go by name, in any order; add it or rename one".into()
            }
            Self::Rows { .. } => "correct these cells, or leave the rows out".into(),
            Self::Contents { hint, .. } | Self::Cells { hint, .. } => hint.clone(),
            Self::Flag { .. } | Self::Write { .. } => return None,
        })
    }
}

impl From<TableError> for Error {
    fn from(error: TableError) -> Self {
        let exit = match error {
            TableError::Write { .. } => Exit::Internal,
            _ => Exit::Usage,
        };
        Self { hint: error.hint(), ..Self::new(exit, error.to_string()) }
    }
}
