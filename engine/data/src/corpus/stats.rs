//! What an extraction read, dropped and kept: every row is accounted for. Names files by digest, so that the
//! statistics are the same bytes on every machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::spec::ReadSpec;

/// What reading some files of a domain gave: `rows = problems + dropped + documents`, where a problem of a whole file
/// counts as a row.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub struct Account {
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
    /// Documents taken.
    pub documents: u64,
    /// Characters of all documents whose text was read.
    pub chars_read: u64,
    /// Lengths of the same.
    pub lengths: Lengths,
    /// Columns of filters that no row had.
    pub columns_unseen: Vec<String>,
}

impl Account {
    /// Joins the accounts of all parts of a domain. A column is unseen only where no part saw it.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.sources == 0 {
            self.columns_unseen.clone_from(&other.columns_unseen);
        } else if other.rows > 0 {
            self.columns_unseen.retain(|column| other.columns_unseen.contains(column));
        }
        self.sources += other.sources;
        self.rows += other.rows;
        self.problems += other.problems;
        self.problem_examples.extend(other.problem_examples.iter().cloned());
        self.problem_examples.sort();
        self.problem_examples.truncate(super::intake::PROBLEMS_SHOWN);
        self.dropped.add(&other.dropped);
        self.documents += other.documents;
        self.chars_read += other.chars_read;
        self.lengths.merge(&other.lengths);
    }
}

/// The account of a domain: `rows = problems + dropped + documents_train + documents_held_out`, where a
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
    /// Samples (not documents) dropped because an earlier one has the same text, of every-block domains.
    pub duplicate_blocks: u64,
    /// Characters of all documents whose text was read.
    pub chars_read: u64,
    /// Lengths of the same.
    pub lengths: Lengths,
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

/// Documents by length in characters: entry 0 counts the empty ones, entry i those of 2^(i-1) to 2^i - 1.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(transparent)]
pub struct Lengths(pub Vec<u64>);

impl Lengths {
    pub(crate) fn add(&mut self, chars: u64) {
        let bucket = (u64::BITS - chars.leading_zeros()) as usize;
        if self.0.len() <= bucket {
            self.0.resize(bucket + 1, 0);
        }
        self.0[bucket] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// Documents dropped, by rule.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "kebab-case")]
pub struct Dropped {
    /// By the filter on this column (the first, in the columns' order, that did not match).
    pub filters: BTreeMap<String, u64>,
    /// Fewer characters than `min-chars`, or none at all.
    pub min_chars: u64,
    /// More characters than `max-chars`.
    pub max_chars: u64,
    /// Identical to a document kept.
    pub duplicates: u64,
    /// Identical to a document of an earlier domain.
    pub duplicates_across: u64,
    /// Much like a document kept.
    pub near_duplicates: u64,
    /// Sharing a run of words with an evaluation text.
    pub contaminated: u64,
    /// Beyond `max-documents`.
    pub max_documents: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.rules().iter().map(|(_, count)| count).sum()
    }

    /// Every rule by the name the manifest and lists give it, and what it dropped.
    pub fn rules(&self) -> Vec<(String, u64)> {
        let filters = self.filters.iter().map(|(column, &count)| (column.clone(), count));
        let others = [
            ("min-chars", self.min_chars),
            ("max-chars", self.max_chars),
            ("duplicates", self.duplicates),
            ("duplicates-across", self.duplicates_across),
            ("near-duplicates", self.near_duplicates),
            ("decontaminate", self.contaminated),
            ("max-documents", self.max_documents),
        ];
        filters.chain(others.map(|(rule, count)| (rule.to_owned(), count))).collect()
    }

    /// Counts a document that its length drops, and names the rule.
    pub(crate) fn by_length(&mut self, spec: &ReadSpec, chars: u64) -> Option<&'static str> {
        // An empty document can be no sample, whatever the rule.
        if chars < spec.min_chars.max(1) {
            self.min_chars += 1;
            Some("min-chars")
        } else if spec.max_chars.is_some_and(|max| chars > max) {
            self.max_chars += 1;
            Some("max-chars")
        } else {
            None
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (column, count) in &other.filters {
            *self.filters.entry(column.clone()).or_default() += count;
        }
        self.min_chars += other.min_chars;
        self.max_chars += other.max_chars;
        self.duplicates += other.duplicates;
        self.duplicates_across += other.duplicates_across;
        self.near_duplicates += other.near_duplicates;
        self.contaminated += other.contaminated;
        self.max_documents += other.max_documents;
    }

    /// In words, for the error of an empty domain.
    pub(crate) fn describe(&self, problems: u64) -> String {
        let filters = self.filters.iter();
        let mut parts: Vec<String> =
            filters.map(|(column, count)| format!("{count} by the filter on `{column}`")).collect();
        let rules = self.rules().into_iter().skip(self.filters.len());
        let shown = rules.filter(|(rule, count)| *count > 0 || rule == "min-chars");
        parts.extend(shown.map(|(rule, count)| format!("{count} by `{rule}`")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_by_powers_of_two() {
        let mut lengths = Lengths::default();
        [0, 1, 2, 3, 4, 7, 8, 1000].into_iter().for_each(|chars| lengths.add(chars));
        assert_eq!(lengths.0, [1, 1, 2, 2, 1, 0, 0, 0, 0, 0, 1]);
        let mut other = Lengths(vec![5]);
        other.merge(&lengths);
        assert_eq!(other.0[..3], [6, 1, 2]);
    }

    #[test]
    fn a_column_is_unseen_only_where_no_part_saw_it() {
        let part = |unseen: &[&str]| Account {
            sources: 1,
            rows: 1,
            columns_unseen: unseen.iter().map(|column| column.to_string()).collect(),
            ..Default::default()
        };
        let mut all = Account::default();
        all.add(&part(&["a", "b"]));
        all.add(&part(&["b"]));
        assert_eq!(all.columns_unseen, ["b"]);
        all.add(&part(&[]));
        assert!(all.columns_unseen.is_empty());
    }
}
