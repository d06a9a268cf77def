//! The parameters of an extraction, as an action hashes them, and the checks they must pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::DataError;

/// How the documents of a domain become samples: all of its rules. Two actions share them: [`ReadSpec`] is what
/// reading files needs, [`SelectSpec`] what choosing among their documents needs.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SamplesSpec {
    /// Columns that hold the text; dots reach into nested columns. Plain files ignore it.
    pub text: Vec<String>,
    /// What joins several text columns, and the parts of list-typed text.
    pub join: String,
    /// Whether double quotes enclose fields of CSV and TSV.
    pub quotes: bool,
    /// Keep rows whose column equals the value, compared as text (numbers and booleans as JSON writes them).
    #[serde(default)]
    pub filters: BTreeMap<String, String>,
    /// Drop documents of fewer characters (Unicode scalar values).
    pub min_chars: u64,
    /// Drop documents of more characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_chars: Option<u64>,
    /// Which part of a document is taken.
    pub block: Block,
    /// Characters of a block; ignored by [`Block::Whole`].
    pub block_chars: u64,
    /// What is set aside for evaluation.
    pub held_out: HeldOut,
    /// Keep one of several identical documents.
    pub drop_duplicates: bool,
    /// What must be equal for that.
    pub duplicates_of: Compare,
    /// Drop documents whose kept text resembles that of an earlier one at least so much (Jaccard, 0 to 1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub near_duplicates: Option<f64>,
    /// Drop documents whose kept text shares so many consecutive words with an evaluation text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decontaminate: Option<u32>,
    /// What a malformed row does.
    pub on_error: OnError,
    /// Train on at most so many documents, those of smallest hash after the held-out ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_documents: Option<u64>,
}

/// What two documents must have in common to be duplicates.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// The whole text, before any cutting.
    Document,
    /// The text of a sample.
    Block,
}

/// What reading the files of a domain needs to know. Every field decides output bytes, so all enter the key of reading:
/// what only decides among documents already read is in [`SelectSpec`], and costs no reading when it changes.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadSpec {
    /// See [`SamplesSpec::text`].
    pub text: Vec<String>,
    /// See [`SamplesSpec::join`].
    pub join: String,
    /// See [`SamplesSpec::quotes`].
    pub quotes: bool,
    /// See [`SamplesSpec::filters`].
    pub filters: BTreeMap<String, String>,
    /// See [`SamplesSpec::min_chars`].
    pub min_chars: u64,
    /// See [`SamplesSpec::max_chars`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_chars: Option<u64>,
    /// The characters of a document that any sample can hold.
    pub keep: Keep,
    /// See [`SamplesSpec::on_error`].
    pub on_error: OnError,
}

/// The characters of a document that its samples are cut from.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The first so many.
    First(u64),
    /// So many from a place that a hash of the document decides.
    Random(u64),
    /// All.
    All,
}

/// What decides which documents become which samples.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SelectSpec {
    /// The least a last, shorter block must have.
    pub min_chars: u64,
    /// Characters of every block; absent where a document's kept text is one sample.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub every: Option<u64>,
    /// See [`SamplesSpec::held_out`].
    pub held_out: HeldOut,
    /// See [`SamplesSpec::drop_duplicates`].
    pub drop_duplicates: bool,
    /// See [`SamplesSpec::duplicates_of`].
    pub duplicates_of: Compare,
    /// See [`SamplesSpec::near_duplicates`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub near_duplicates: Option<f64>,
    /// See [`SamplesSpec::decontaminate`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decontaminate: Option<u32>,
    /// See [`SamplesSpec::max_documents`].
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

/// The layout of a source file. JSON Lines, CSV, TSV, plain files and tar archives may be compressed with gzip,
/// zstd, xz or bzip2, which their first bytes tell.
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
    /// An archive whose files are one document each.
    Tar,
}

impl Format {
    /// The format that a name suggests, ignoring a compression suffix. `None` where it suggests nothing: any file
    /// can be read as [`Format::Plain`], but only if told so.
    pub fn guess(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = COMPRESSED.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "tar" | "tgz" | "tbz" | "tbz2" | "txz" | "tzst" => Some(Self::Tar),
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

const COMPRESSED: [&str; 5] = [".gz", ".zst", ".zstd", ".xz", ".bz2"];

/// A file to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Where it is now.
    pub path: PathBuf,
    /// BLAKE3 of its content, in hexadecimal: its name in every output.
    pub digest: String,
    /// Its layout.
    pub format: Format,
    /// Whether it is kept by its content and so never changes; when it was last used may be noted as its time of change.
    pub stored: bool,
}

/// Where the outputs of reading go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentFiles {
    /// The documents taken, in the order of their hashes (`documents.rs` says how they lie).
    pub documents: PathBuf,
    /// JSON of [`super::Account`].
    pub account: PathBuf,
    /// Every row that was left out, and why: see [`super::dropped`].
    pub dropped: PathBuf,
}

/// Where the outputs of choosing go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleFiles {
    /// Arrow IPC file of training samples.
    pub train: PathBuf,
    /// Arrow IPC file of held-out samples.
    pub held_out: PathBuf,
    /// JSON of [`super::SamplesStats`].
    pub stats: PathBuf,
    /// Every document that was left out here, and why: see [`super::dropped`].
    pub dropped: PathBuf,
    /// Hashes of the documents that stayed, 32 bytes each, in order, where other domains need them.
    pub hashes: Option<PathBuf>,
}

impl SamplesSpec {
    /// The part that reading files needs.
    pub fn reading(&self) -> ReadSpec {
        ReadSpec {
            text: self.text.clone(),
            join: self.join.clone(),
            quotes: self.quotes,
            filters: self.filters.clone(),
            min_chars: self.min_chars,
            max_chars: self.max_chars,
            keep: match self.block {
                Block::First => Keep::First(self.block_chars),
                Block::Random => Keep::Random(self.block_chars),
                Block::Every | Block::Whole => Keep::All,
            },
            on_error: self.on_error,
        }
    }

    /// The part that choosing among documents needs.
    pub fn selection(&self) -> SelectSpec {
        let every = self.block == Block::Every;
        SelectSpec {
            min_chars: if every { self.min_chars } else { 0 },
            every: every.then_some(self.block_chars),
            held_out: self.held_out,
            drop_duplicates: self.drop_duplicates,
            duplicates_of: self.duplicates_of,
            near_duplicates: self.near_duplicates,
            decontaminate: self.decontaminate,
            max_documents: self.max_documents,
        }
    }
}

fn wrong(field: &'static str, problem: &str) -> Result<(), DataError> {
    Err(DataError::Spec { field, problem: problem.to_string() })
}

impl ReadSpec {
    pub(crate) fn check(&self) -> Result<(), DataError> {
        if self.text.is_empty() || self.text.iter().any(String::is_empty) {
            return wrong("text", "must name at least one column, such as `text`");
        }
        if matches!(self.keep, Keep::First(0) | Keep::Random(0)) {
            return wrong("block-chars", "must be at least 1");
        }
        if self.max_chars.is_some_and(|max| max < self.min_chars.max(1)) {
            return wrong("max-chars", "must not be below `min-chars`, or no document is left");
        }
        Ok(())
    }
}

impl SelectSpec {
    pub(crate) fn check(&self) -> Result<(), DataError> {
        if self.every == Some(0) {
            return wrong("block-chars", "must be at least 1");
        }
        if self.near_duplicates.is_some_and(|least| !(least > 0.0 && least <= 1.0)) {
            return wrong("near-duplicates", "must be a resemblance above 0 and at most 1");
        }
        if self.decontaminate == Some(0) {
            return wrong("decontaminate-words", "must be at least 1");
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
