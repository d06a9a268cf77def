//! CSV and TSV with a header line. Rows are numbered by the line they start on, the header being line 1.
//!
//! A field in double quotes may hold separators, newlines and doubled quotes, in TSV too.

use std::io::BufRead;
use std::path::Path;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::{TEXT_SEPARATOR, bytes, describe_io};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::progress::Meter;

pub(crate) fn read(
    path: &Path,
    delimiter: u8,
    intake: &mut Intake,
    meter: &Meter,
) -> Result<(), DataError> {
    let file = match bytes::open(path, meter) {
        Ok(file) => file,
        Err(e) => {
            intake.unreadable(None, describe_io(&e));
            return Ok(());
        }
    };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
    let columns = match columns(&mut reader, intake) {
        Ok(columns) => columns,
        Err(message) => {
            intake.unreadable(Some(1), message);
            return Ok(());
        }
    };
    let mut record = ByteRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = record.position().map_or(line, |position| position.line());
                take(line, &record, &columns, intake)?;
            }
            Err(e) => {
                intake.unreadable(Some(line), describe(&e));
                return Ok(());
            }
        }
    }
}

/// Which fields of a record matter.
struct Columns {
    fields: usize,
    text: Vec<usize>,
    /// One for each filter; `None` where the file has no such column.
    filters: Vec<Option<usize>>,
}

fn columns(reader: &mut Reader<Box<dyn BufRead + '_>>, intake: &Intake) -> Result<Columns, String> {
    let header = reader.byte_headers().map_err(|e| describe(&e))?;
    if header.is_empty() {
        return Err("there is no header line".into());
    }
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
    Ok(Columns {
        fields: header.len(),
        text: text?,
        filters: intake.spec.filters.keys().map(|name| find(name)).collect(),
    })
}

fn take(
    line: u64,
    record: &ByteRecord,
    columns: &Columns,
    intake: &mut Intake,
) -> Result<(), DataError> {
    if record.len() != columns.fields {
        intake.unreadable(
            Some(line),
            format!("{} fields where the header has {}", record.len(), columns.fields),
        );
        return Ok(());
    }
    if !intake
        .admits(|i, _| columns.filters[i].map(|field| String::from_utf8_lossy(&record[field])))
    {
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
        Ok(parts) => intake.text(line, &parts.join(TEXT_SEPARATOR)),
        Err(message) => {
            intake.problem(Some(line), message);
            Ok(())
        }
    }
}

fn describe(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::Io(e) => describe_io(e),
        _ => format!("cannot read on: {error}"),
    }
}
