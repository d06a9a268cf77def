//! The list of what was left out: every row, with its reason. Knows rows and words, not rules.
//!
//! The file is zstd over lines of text: `#` and a source's digest, then for each of its rows that was left out the row
//! (0 for a whole file), the reason and a detail, separated by tabs. Sources stand in the order of their digests.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use crate::DataError;

const LEVEL: i32 = 1;

/// One row that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedRow {
    /// BLAKE3 of the file, in hexadecimal.
    pub source: String,
    /// Line or row from 1; 0 where the whole file is concerned.
    pub row: u64,
    /// The rule, as the statistics call it: `min-chars`, `malformed`, …
    pub reason: String,
    /// What the rule found: a column, a number of characters, another row, a decoder's words.
    pub detail: String,
}

/// The rows left out of one source, compressed as they come.
#[derive(Default)]
pub(crate) struct DropLog {
    encoder: Option<zstd::stream::write::Encoder<'static, Vec<u8>>>,
    line: Vec<u8>,
}

impl std::fmt::Debug for DropLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DropLog({})", if self.encoder.is_some() { "some" } else { "none" })
    }
}

impl DropLog {
    /// Notes a row of the source with that digest.
    pub fn note(
        &mut self,
        digest: &str,
        row: u64,
        reason: &str,
        detail: &str,
    ) -> std::io::Result<()> {
        self.line.clear();
        if self.encoder.is_none() {
            self.encoder = Some(zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?);
            writeln!(self.line, "#{digest}")?;
        }
        write!(self.line, "{row}\t{reason}\t")?;
        // A detail is one field of one line, whatever a decoder said.
        self.line.extend(detail.bytes().map(|byte| if byte < b' ' { b' ' } else { byte }));
        self.line.push(b'\n');
        match &mut self.encoder {
            Some(encoder) => encoder.write_all(&self.line),
            None => Ok(()),
        }
    }

    /// A whole frame; nothing where nothing was left out.
    pub fn finish(self) -> std::io::Result<Vec<u8>> {
        self.encoder.map_or(Ok(Vec::new()), |encoder| encoder.finish())
    }
}

/// Writes frames, one a source, as one file; always at least an empty frame, so that the file says that it is whole.
pub(crate) fn write(
    path: &Path,
    frames: impl IntoIterator<Item = Vec<u8>>,
) -> Result<(), DataError> {
    let failed = || DataError::io("write", path);
    let mut file = std::fs::File::create(path).map_err(failed())?;
    let empty = zstd::encode_all(&b""[..], LEVEL).map_err(failed())?;
    for frame in frames.into_iter().chain([empty]) {
        file.write_all(&frame).map_err(failed())?;
    }
    Ok(())
}

/// Gives every row of a list to `take`, in the file's order; stops where that says false.
///
/// Errors: a file that cannot be read or is no such list.
pub fn read(path: &Path, take: &mut dyn FnMut(DroppedRow) -> bool) -> Result<(), DataError> {
    let failed = || DataError::io("read", path);
    let file = std::fs::File::open(path).map_err(failed())?;
    let decoder = zstd::stream::read::Decoder::new(file).map_err(failed())?;
    let mut source = String::new();
    for line in BufReader::new(decoder).lines() {
        let line = line.map_err(failed())?;
        if let Some(digest) = line.strip_prefix('#') {
            source = digest.to_owned();
            continue;
        }
        let row = parse(&source, &line).ok_or_else(|| {
            failed()(std::io::Error::other(format!(
                "`{line}` is no line of a list of dropped rows"
            )))
        })?;
        if !take(row) {
            break;
        }
    }
    Ok(())
}

fn parse(source: &str, line: &str) -> Option<DroppedRow> {
    let mut fields = line.splitn(3, '\t');
    Some(DroppedRow {
        source: source.to_owned(),
        row: fields.next()?.parse().ok()?,
        reason: fields.next()?.to_owned(),
        detail: fields.next()?.to_owned(),
    })
}
