//! The text that diagnostics point into: the manifest, followed by every `--set` of the command
//! line, so that one byte offset places any value. Knows nothing of TOML.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A manifest's text with the overrides appended, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub path: PathBuf,
    pub text: Arc<str>,
    /// Byte range in `text` of each `--set`, in the order of the command line.
    pub overrides: Vec<Range<usize>>,
    /// Where each line of `text` ends, so that finding a line does not read the text.
    line_ends: Vec<usize>,
}

/// A position as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The manifest's path, or `--set 2`.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In Unicode scalar values, counted from 1.
    pub column: usize,
    /// The part of the text that `file` names.
    pub part: Range<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if self.file.starts_with("--set ") { Ok(()) } else { write!(formatter, ":{}", self.line) }
    }
}

impl Source {
    /// The file's text alone.
    #[must_use]
    pub fn new(path: &Path, text: &str) -> Self {
        Self::of(path, text.to_owned(), Vec::new())
    }

    /// The file's text, then each override on a line of its own.
    #[must_use]
    pub fn with_overrides(path: &Path, text: &str, overrides: &[String]) -> Self {
        let mut whole = text.to_owned();
        let mut ranges = Vec::with_capacity(overrides.len());
        for line in overrides {
            whole.push('\n');
            ranges.push(whole.len()..whole.len() + line.len());
            whole.push_str(line);
        }
        Self::of(path, whole, ranges)
    }

    fn of(path: &Path, text: String, overrides: Vec<Range<usize>>) -> Self {
        let line_ends = text.match_indices('\n').map(|(end, _)| end).collect();
        Self { path: path.to_owned(), text: text.into(), overrides, line_ends }
    }

    /// How many lines end before byte `at`.
    fn lines_before(&self, at: usize) -> usize {
        self.line_ends.partition_point(|end| *end < at)
    }

    /// The manifest without its overrides.
    #[must_use]
    pub fn file_text(&self) -> &str {
        &self.text[..self.file_len()]
    }

    fn file_len(&self) -> usize {
        self.overrides.first().map_or(self.text.len(), |first| first.start - 1)
    }

    /// Where byte `at` stands; an offset past the end is the end's, one inside a character is
    /// that character's.
    #[must_use]
    pub fn place(&self, at: usize) -> Place {
        let at = floor_boundary(&self.text, at);
        let (file, part) =
            match self.overrides.iter().position(|part| part.start <= at && at <= part.end) {
                Some(index) => (format!("--set {}", index + 1), self.overrides[index].clone()),
                None => (self.path.display().to_string(), 0..self.file_len()),
            };
        let at = at.clamp(part.start, part.end);
        let ended = self.lines_before(at);
        let line_start = ended.checked_sub(1).map_or(0, |last| self.line_ends[last] + 1);
        Place {
            line: ended - self.lines_before(part.start) + 1,
            column: self.text[line_start.max(part.start)..at].chars().count() + 1,
            file,
            part,
        }
    }

    /// `span` moved onto character boundaries inside the text.
    #[must_use]
    pub fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = floor_boundary(&self.text, span.start);
        start..floor_boundary(&self.text, span.end).max(start)
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
