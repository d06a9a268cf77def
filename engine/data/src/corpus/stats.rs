//! What an extraction read, dropped and kept: every row is accounted for. Names files by digest, so that the
//! statistics are the same bytes on every machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The account of an extraction: `rows = problems + dropped + documents_train + documents_held_out`, where a
/// problem of a whole file counts as a row.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub struct SamplesStats {
    /// Source files.
    pub sources: u64,
    /// Rows seen, problems included.
    pub rows: u64,
    /// Rows or files that could not be read, under `on-error = "skip"`.
    pub problems: u64,
    /// The first of them, by digest and row.
    pub problem_examples: Vec<SourceProblem>,
    /// Documents dropped, by rule.
    pub dropped: Dropped,
    /// Documents that repeat an earlier one, dropped or not.
    pub duplicates: u64,
    /// Characters of all documents whose text was read.
    pub chars_read: u64,
    /// Documents to train on.
    pub documents_train: u64,
    /// Documents held out.
    pub documents_held_out: u64,
    /// Samples to train on.
    pub samples_train: u64,
    /// Samples held out.
    pub samples_held_out: u64,
    /// Characters to train on.
    pub chars_train: u64,
    /// Characters held out.
    pub chars_held_out: u64,
}

/// Documents dropped, by rule.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub struct Dropped {
    /// By the filter on this column (the first, in the columns' order, that did not match).
    pub filters: BTreeMap<String, u64>,
    /// Fewer characters than `min-chars`, or none at all.
    pub min_chars: u64,
    /// Identical to a document kept.
    pub duplicates: u64,
    /// Beyond `max-documents`.
    pub max_documents: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.filters.values().sum::<u64>() + self.min_chars + self.duplicates + self.max_documents
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (column, count) in &other.filters {
            *self.filters.entry(column.clone()).or_default() += count;
        }
        self.min_chars += other.min_chars;
        self.duplicates += other.duplicates;
        self.max_documents += other.max_documents;
    }

    /// In words, for the error of an empty domain.
    pub(crate) fn describe(&self, problems: u64) -> String {
        let mut parts: Vec<String> = self
            .filters
            .iter()
            .map(|(column, count)| format!("{count} by the filter on `{column}`"))
            .collect();
        parts.push(format!("{} by `min-chars`", self.min_chars));
        parts.push(format!("{problems} malformed"));
        parts.join(", ")
    }
}

/// A malformed row, its file named by digest.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "kebab-case")]
pub struct SourceProblem {
    /// BLAKE3 of the file, in hexadecimal.
    pub source: String,
    /// Line or row from 1; absent where the whole file is concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub row: Option<u64>,
    /// What is wrong.
    pub message: String,
}
