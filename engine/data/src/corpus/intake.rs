//! Where rows arrive, whatever the format: filtered, measured, hashed, cut, spooled, counted.
//! Knows the rules for one document; does not know formats, nor other documents.

use super::cut;
use super::dropped::DropLog;
use super::spec::{ReadSpec, Source};
use super::spool::{Entry, Spool};
use super::stats::{Dropped, Lengths};
use crate::{DataError, document_hash};

/// Problems kept with their words; all are counted.
pub(crate) const PROBLEMS_SHOWN: usize = 10;

/// A malformed row of a source, which is an index here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowProblem {
    pub source: u32,
    pub row: Option<u64>,
    pub message: String,
}

/// What one worker has taken in.
#[derive(Debug)]
pub(crate) struct Intake<'a> {
    pub spec: &'a ReadSpec,
    pub spool: Spool,
    pub spool_index: u32,
    pub source: u32,
    /// Digest of the source being read.
    digest: &'a str,
    pub entries: Vec<Entry>,
    pub tally: Tally,
    /// For each filter, whether any row had its column.
    pub filter_seen: Vec<bool>,
    log: DropLog,
    /// The lists of finished sources, by index.
    pub logs: Vec<(u32, Vec<u8>)>,
}

/// What one worker, and then all together, counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub rows: u64,
    pub chars: u64,
    pub lengths: Lengths,
    pub dropped: Dropped,
    pub problems: u64,
    pub first_problems: Vec<RowProblem>,
}

impl<'a> Intake<'a> {
    pub fn new(spec: &'a ReadSpec, spool: Spool, spool_index: u32) -> Self {
        Self {
            spec,
            spool,
            spool_index,
            source: 0,
            digest: "",
            entries: Vec::new(),
            tally: Tally::default(),
            filter_seen: vec![false; spec.filters.len()],
            log: DropLog::default(),
            logs: Vec::new(),
        }
    }

    /// Starts the source with that index.
    pub fn begin(&mut self, index: u32, source: &'a Source) {
        self.source = index;
        self.digest = &source.digest;
    }

    /// Ends it.
    pub fn end(&mut self) -> Result<(), DataError> {
        let frame = std::mem::take(&mut self.log).finish().map_err(compress)?;
        if !frame.is_empty() {
            self.logs.push((self.source, frame));
        }
        Ok(())
    }

    /// Counts a row and says whether its metadata passes every filter. `value` gives a column's value, or `None`
    /// where the row lacks it, which never matches.
    pub fn admits<S: AsRef<str>>(
        &mut self,
        row: u64,
        mut value: impl FnMut(usize, &str) -> Option<S>,
    ) -> Result<bool, DataError> {
        self.tally.rows += 1;
        let mut failed = None;
        for (i, (column, wanted)) in self.spec.filters.iter().enumerate() {
            let found = value(i, column);
            self.filter_seen[i] |= found.is_some();
            if failed.is_none() && found.is_none_or(|found| found.as_ref() != wanted) {
                failed = Some(column);
            }
        }
        let Some(column) = failed else { return Ok(true) };
        *self.tally.dropped.filters.entry(column.clone()).or_default() += 1;
        self.log.note(self.digest, row, "where", column).map_err(compress)?;
        Ok(false)
    }

    /// Takes the text of an admitted row.
    pub fn text(&mut self, row: u64, text: &str) -> Result<(), DataError> {
        self.text_of(row, text, text.chars().count() as u64)
    }

    /// The same where its characters were counted.
    pub fn text_of(&mut self, row: u64, text: &str, chars: u64) -> Result<(), DataError> {
        self.tally.chars += chars;
        self.tally.lengths.add(chars);
        if let Some(rule) = self.tally.dropped.by_length(self.spec, chars) {
            return self.log.note(self.digest, row, rule, &chars.to_string()).map_err(compress);
        }
        let hash = document_hash(text);
        let kept = cut::kept(self.spec.keep, &hash, chars);
        let kept_text = &text[cut::bytes_of(text, &kept)];
        self.entries.push(Entry {
            hash,
            source: self.source,
            row,
            start: kept.start,
            spool: self.spool_index,
            offset: self.spool.push(kept_text)?,
            bytes: kept_text.len() as u64,
        });
        Ok(())
    }

    /// Notes that an admitted row is malformed.
    pub fn problem(
        &mut self,
        row: Option<u64>,
        message: impl Into<String>,
    ) -> Result<(), DataError> {
        let message = message.into();
        self.tally.problems += 1;
        self.log.note(self.digest, row.unwrap_or(0), "malformed", &message).map_err(compress)?;
        self.tally.note(RowProblem { source: self.source, row, message });
        Ok(())
    }

    /// Notes a row that could not even be told apart, or a file that could not be read (on).
    pub fn unreadable(
        &mut self,
        row: Option<u64>,
        message: impl Into<String>,
    ) -> Result<(), DataError> {
        self.tally.rows += 1;
        self.problem(row, message)
    }
}

fn compress(error: std::io::Error) -> DataError {
    DataError::io("compress", std::path::Path::new("the list of dropped rows"))(error)
}

impl Tally {
    /// Keeps the smallest problems, so that the ones shown do not depend on who read what.
    fn note(&mut self, problem: RowProblem) {
        let at = self.first_problems.partition_point(|other| *other < problem);
        if at < PROBLEMS_SHOWN {
            self.first_problems.insert(at, problem);
            self.first_problems.truncate(PROBLEMS_SHOWN);
        }
    }

    pub fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.chars += other.chars;
        self.lengths.merge(&other.lengths);
        self.dropped.add(&other.dropped);
        self.problems += other.problems;
        for problem in other.first_problems {
            self.note(problem);
        }
    }
}
