//! CSV and TSV with a header line. Rows are numbered by the line they start on, the header being line 1.
//!
//! A field in double quotes may hold separators, newlines and doubled quotes, in TSV too, unless `quotes` is false.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{BufRead, Read};
use std::path::Path;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::json_lines::{compared, literal_member};
use super::{ROW_BYTES_MAX, bytes, describe_io};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::progress::Meter;

pub(crate) fn read(
    path: &Path,
    delimiter: u8,
    intake: &mut Intake,
    kept: &mut bytes::Decompressor,
    meter: &Meter,
) -> Result<(), DataError> {
    let file = match bytes::open(path, kept, meter) {
        Ok(file) => file,
        Err(e) => return intake.unreadable(None, describe_io(&e)),
    };
    let (budget, raw) = (Cell::new(ROW_BYTES_MAX), Cell::new(0));
    let end = if intake.spec.quotes { END } else { &[] };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(intake.spec.quotes)
        .flexible(true)
        .from_reader(Budgeted { file, budget: &budget, raw: &raw, end });
    let columns = match columns(&mut reader, intake) {
        Ok(columns) => columns,
        Err(message) => return intake.unreadable(Some(1), message),
    };
    // A record is taken when the next one has come: the last one may have a quote that never ends.
    let (mut record, mut before, mut before_line) = (ByteRecord::new(), ByteRecord::new(), None);
    loop {
        let line = reader.position().line();
        budget.set(ROW_BYTES_MAX);
        let found = reader.read_byte_record(&mut record);
        if let Some(before_line) = before_line {
            if matches!(found, Ok(false)) && intake.spec.quotes {
                return match is_end(&before) {
                    true => Ok(()),
                    false => intake.unreadable(Some(before_line), OPEN),
                };
            }
            take(before_line, &before, &columns, intake)?;
        }
        match found {
            Ok(false) => return Ok(()),
            Ok(true) => {
                before_line = Some(record.position().map_or(line, |position| position.line()));
                std::mem::swap(&mut before, &mut record);
            }
            Err(e) => return intake.unreadable(Some(line), describe(&e)),
        }
    }
}

/// Put behind a file: a record of its own where all quotes before it are closed, else it closes the one that is open.
const END: &[u8] = b"\n\"\0end\n";
const OPEN: &str =
    "the file ends inside of a quoted field: it is truncated, or a quote is missing or not meant";

/// Whether that is what is behind the file.
fn is_end(record: &ByteRecord) -> bool {
    record == [&b"\0end\n"[..]][..]
}

/// Ends a record that never ends: without it one missing quote would take the rest of the file into memory.
struct Budgeted<'a> {
    file: Box<dyn BufRead + 'a>,
    /// Bytes that the record being read may still take.
    budget: &'a Cell<usize>,
    /// Bytes of the file so far.
    raw: &'a Cell<u64>,
    /// What is still to come behind the file.
    end: &'static [u8],
}

impl Read for Budgeted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.raw.set(self.raw.get() + read as u64);
        if read == 0 && self.raw.get() > 0 {
            return self.end.read(buffer);
        }
        match self.budget.get().checked_sub(read) {
            Some(left) => self.budget.set(left),
            None => {
                return Err(std::io::Error::other(format!(
                    "the record is longer than {ROW_BYTES_MAX} bytes; a quote may be missing \
                     (`quotes = false` takes them as text)"
                )));
            }
        }
        Ok(read)
    }
}

/// Which fields of a record matter.
struct Columns {
    fields: usize,
    text: Vec<usize>,
    filters: Vec<Option<Found>>,
}

/// Where a filter's value is: a field, or a member of the object that a field holds as text.
struct Found {
    field: usize,
    /// Names of the column and of the member.
    member: Option<(String, String)>,
}

fn columns(reader: &mut Reader<Budgeted>, intake: &Intake) -> Result<Columns, String> {
    let header = reader.byte_headers().map_err(|e| describe(&e))?;
    if header.iter().next_back().is_some_and(|column| column.ends_with(b"\n\0end")) {
        return Err(OPEN.into());
    }
    if header.is_empty() || is_end(header) {
        return Err("there is no header line".into());
    }
    // A byte-order mark is no part of the first name.
    let name = |column: &[u8]| column.strip_prefix(b"\xef\xbb\xbf").unwrap_or(column).to_vec();
    let header: Vec<Vec<u8>> = header.iter().map(name).collect();
    let find = |name: &str| header.iter().position(|column| column == name.as_bytes());
    let missing = |name: &String| {
        let names: Vec<String> =
            header.iter().map(|name| format!("`{}`", String::from_utf8_lossy(name))).collect();
        format!("no column `{name}` in the header, which has {}", names.join(", "))
    };
    let text = intake
        .spec
        .text
        .iter()
        .map(|name| find(name).ok_or_else(|| missing(name)))
        .collect::<Result<_, _>>();
    let filter = |column: &String| {
        let whole = find(column).map(|field| Found { field, member: None });
        whole.or_else(|| {
            column.match_indices('.').find_map(|(dot, _)| {
                let member = Some((column[..dot].to_owned(), column[dot + 1..].to_owned()));
                Some(Found { field: find(&column[..dot])?, member })
            })
        })
    };
    Ok(Columns {
        fields: header.len(),
        text: text?,
        filters: intake.spec.filters.keys().map(filter).collect(),
    })
}

fn take(
    line: u64,
    record: &ByteRecord,
    columns: &Columns,
    intake: &mut Intake,
) -> Result<(), DataError> {
    if record.len() != columns.fields {
        let message = format!("{} fields where the header has {}", record.len(), columns.fields);
        return intake.unreadable(Some(line), message);
    }
    let values: Result<Vec<_>, String> = columns
        .filters
        .iter()
        .map(|found| found.as_ref().map_or(Ok(None), |found| value(record, found)))
        .collect();
    let values = match values {
        Ok(values) => values,
        Err(message) => return intake.unreadable(Some(line), message),
    };
    if !intake.admits(line, |filter, _| values[filter].as_deref())? {
        return Ok(());
    }
    let parts: Result<Vec<&str>, String> = columns
        .text
        .iter()
        .map(|&field| {
            std::str::from_utf8(&record[field]).map_err(|e| {
                format!("invalid UTF-8 at byte {} of field {}", e.valid_up_to() + 1, field + 1)
            })
        })
        .collect();
    match parts {
        Ok(parts) => intake.text(line, &parts.join(&intake.spec.join)),
        Err(message) => intake.problem(Some(line), message),
    }
}

fn value<'a>(record: &'a ByteRecord, found: &Found) -> Result<Option<Cow<'a, str>>, String> {
    let text = String::from_utf8_lossy(&record[found.field]);
    let Some((outer, inner)) = &found.member else { return Ok(Some(text)) };
    if text.is_empty() {
        return Ok(None);
    }
    let member = literal_member(outer, &text, inner)?;
    Ok(member.as_ref().and_then(compared).map(Cow::Owned))
}

fn describe(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::Io(e) => describe_io(e),
        _ => format!("cannot read on: {error}"),
    }
}
