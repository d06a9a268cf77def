//! The parameters of an extraction, as an action hashes them, and the checks they must pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::DataError;

/// How documents become samples. Every field decides output bytes, so every field enters the action's key.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SamplesSpec {
    /// Columns that hold the text, joined by a newline; dots reach into nested columns. Plain files ignore it.
    pub text: Vec<String>,
    /// Keep rows whose column equals the value, compared as text (numbers and booleans as JSON writes them).
    #[serde(default)]
    pub filters: BTreeMap<String, String>,
    /// Drop documents of fewer characters (Unicode scalar values).
    pub min_chars: u64,
    /// Which part of a document is taken.
    pub block: Block,
    /// Characters of a block; ignored by [`Block::Whole`].
    pub block_chars: u64,
    /// What is set aside for evaluation.
    pub held_out: HeldOut,
    /// Keep one of several identical documents.
    pub drop_duplicates: bool,
    /// What a malformed row does.
    pub on_error: OnError,
    /// Train on at most so many documents, those of smallest hash after the held-out ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_documents: Option<u64>,
}

/// Which part of a document becomes samples.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Block {
    /// The first block.
    First,
    /// One block at a position that a hash of the document decides.
    Random,
    /// Every consecutive block; a last shorter one only where it has at least `min-chars` characters.
    Every,
    /// The whole document.
    Whole,
}

/// What is set aside for evaluation, by smallest document hash.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum HeldOut {
    /// So many documents; a few more where identical ones straddle the limit.
    Documents(u64),
    /// The documents in this fraction of the hash range; 1 makes a domain for evaluation only.
    Fraction(f64),
}

/// What a malformed row does.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// Read on to count them all, then fail.
    Fail,
    /// Leave it out and count it.
    Skip,
}

/// The layout of a source file. JSON Lines, CSV, TSV and plain files may be compressed with gzip, zstd or xz,
/// which their first bytes tell.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC, file or stream.
    Arrow,
    /// Comma-separated, with a header line, quoted fields may hold newlines.
    Csv,
    /// Tab-separated, otherwise as [`Format::Csv`].
    Tsv,
    /// The file is one document.
    Plain,
}

impl Format {
    /// The format that a name suggests, ignoring a compression suffix. `None` where it suggests nothing: any file
    /// can be read as [`Format::Plain`], but only if told so.
    pub fn guess(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = COMPRESSED.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            "parquet" | "pq" => Some(Self::Parquet),
            "arrow" | "feather" | "ipc" => Some(Self::Arrow),
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "txt" | "text" | "md" | "rst" | "tex" => Some(Self::Plain),
            _ => None,
        }
    }
}

const COMPRESSED: [&str; 4] = [".gz", ".zst", ".zstd", ".xz"];

/// A file to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Where it is now.
    pub path: PathBuf,
    /// BLAKE3 of its content, in hexadecimal: its name in every output.
    pub digest: String,
    /// Its layout.
    pub format: Format,
}

/// Where the outputs go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleFiles {
    /// Arrow IPC file of training samples.
    pub train: PathBuf,
    /// Arrow IPC file of held-out samples.
    pub held_out: PathBuf,
    /// JSON of [`super::SamplesStats`].
    pub stats: PathBuf,
}

impl SamplesSpec {
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let wrong =
            |field, problem: &str| Err(DataError::Spec { field, problem: problem.to_string() });
        if self.text.is_empty() || self.text.iter().any(String::is_empty) {
            return wrong("text", "must name at least one column, such as `text`");
        }
        if self.block != Block::Whole && self.block_chars == 0 {
            return wrong("block-chars", "must be at least 1");
        }
        match self.held_out {
            HeldOut::Fraction(f) if !(0.0..=1.0).contains(&f) => {
                wrong("held-out", "must be a fraction from 0 to 1")
            }
            _ if self.max_documents == Some(0) => {
                wrong("max-documents", "must be at least 1, or left out")
            }
            _ => Ok(()),
        }
    }
}
