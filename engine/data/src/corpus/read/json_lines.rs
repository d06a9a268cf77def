//! JSON Lines: one object a line. Rows are numbered by line; lines of white space are no rows.
//!
//! A lone surrogate escape (`"\ud800"`) is no text and makes its row malformed. Of a repeated key the last counts.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::bytes::{Opened, WHOLE_BYTES_MAX};
use super::json_scan::{Wanted, scan};
use super::lines::{Line, Lines};
use super::{Buffers, ROW_BYTES_MAX, bytes, describe_io, literal};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::progress::Meter;

pub(crate) fn read(
    path: &Path,
    intake: &mut Intake,
    buffers: &mut Buffers,
    meter: &Meter,
) -> Result<(), DataError> {
    let Buffers { decompressor, lines, text } = buffers;
    let opened = match bytes::open_whole(path, decompressor, meter) {
        Ok(opened) => opened,
        Err(e) => return intake.unreadable(None, describe_io(&e)),
    };
    let spec = intake.spec;
    let wanted = Wanted::new(&spec.text, spec.filters.keys());
    let mut reading = Reading { wanted, text };
    match opened {
        Opened::Whole(bytes) => reading.take_whole(bytes, intake),
        Opened::Stream(file) => {
            reading.take_stream(&mut Lines::new(file, lines, ROW_BYTES_MAX), intake)
        }
    }
}

/// What is wanted of every line, where it can be read fast, and room for its text.
struct Reading<'a, 'b> {
    wanted: Option<Wanted<'a>>,
    text: &'b mut Vec<u8>,
}

impl Reading<'_, '_> {
    fn take_whole(&mut self, mut bytes: &[u8], intake: &mut Intake) -> Result<(), DataError> {
        const { assert!(WHOLE_BYTES_MAX < ROW_BYTES_MAX, "no line of a whole file is too long") };
        for number in 1.. {
            if bytes.is_empty() {
                break;
            }
            let end = match self.take_scanned(number, bytes, intake)? {
                Some(end) => end,
                None => {
                    let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
                    take_line(number, &bytes[..end], intake)?;
                    end
                }
            };
            bytes = bytes.get(end + 1..).unwrap_or_default();
        }
        Ok(())
    }

    fn take_stream<R: Read>(
        &mut self,
        lines: &mut Lines<'_, R>,
        intake: &mut Intake,
    ) -> Result<(), DataError> {
        for number in 1.. {
            match lines.next() {
                Ok(Line::End) => break,
                Ok(Line::Whole(line)) => self.take_line(number, line, intake)?,
                Ok(Line::TooLong) => {
                    let message = format!("the line is longer than {ROW_BYTES_MAX} bytes");
                    intake.unreadable(Some(number), message)?;
                }
                Err(e) => return intake.unreadable(Some(number), describe_io(&e)),
            }
        }
        Ok(())
    }

    fn take_line(
        &mut self,
        number: u64,
        line: &[u8],
        intake: &mut Intake,
    ) -> Result<(), DataError> {
        match self.take_scanned(number, line, intake)? {
            Some(_) => Ok(()),
            None => take_line(number, line, intake),
        }
    }

    /// Takes the first line of some bytes, where it can be read fast; gives where it ends.
    fn take_scanned(
        &mut self,
        number: u64,
        bytes: &[u8],
        intake: &mut Intake,
    ) -> Result<Option<usize>, DataError> {
        let scanned = self.wanted.as_ref().and_then(|wanted| scan(bytes, wanted, self.text));
        let Some(scanned) = scanned else { return Ok(None) };
        if admits(number, &scanned.values, intake)? {
            intake.text_of(number, scanned.text, scanned.chars)?;
        }
        Ok(Some(scanned.end))
    }
}

/// Whether the filters take a row. Metadata that cannot be understood makes it malformed.
fn admits(
    number: u64,
    object: &Map<String, Value>,
    intake: &mut Intake,
) -> Result<bool, DataError> {
    let columns = intake.spec.filters.keys();
    let values: Result<Vec<_>, String> = columns.map(|column| scalar(object, column)).collect();
    match values {
        Ok(values) => intake.admits(number, |filter, _| values[filter].as_deref()),
        Err(message) => intake.unreadable(Some(number), message).map(|()| false),
    }
}

fn take_line(number: u64, line: &[u8], intake: &mut Intake) -> Result<(), DataError> {
    let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let object = match parse(line) {
        Ok(object) => object,
        Err(message) => return intake.unreadable(Some(number), message),
    };
    if !admits(number, &object, intake)? {
        return Ok(());
    }
    match text(&object, &intake.spec.text, &intake.spec.join) {
        Ok(text) => intake.text(number, &text),
        Err(message) => intake.problem(Some(number), message),
    }
}

fn parse(line: &[u8]) -> Result<Map<String, Value>, String> {
    let line = std::str::from_utf8(line)
        .map_err(|e| format!("invalid UTF-8 at byte {} of the line", e.valid_up_to() + 1))?;
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("{} where a JSON object is expected", kind(&other))),
        Err(e) => Err(format!("not JSON: {} (column {})", without_place(&e), e.column())),
    }
}

/// serde_json appends its own line number, which is always 1 here and would mislead.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_string(),
        None => text,
    }
}

/// The value of a dotted column: the whole name first, then one level down at each dot, also into an object that is
/// stored as text. The error says why such a text is none.
fn lookup<'a>(
    object: &'a Map<String, Value>,
    column: &str,
) -> Result<Option<Cow<'a, Value>>, String> {
    if let Some(value) = object.get(column) {
        return Ok(Some(Cow::Borrowed(value)));
    }
    for (dot, _) in column.match_indices('.') {
        let (outer, inner) = (&column[..dot], &column[dot + 1..]);
        let found = match object.get(outer) {
            Some(Value::Object(map)) => lookup(map, inner)?,
            Some(Value::String(text)) => literal_member(outer, text, inner)?.map(Cow::Owned),
            _ => None,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Column `inner` of the object that a text of column `outer` holds.
pub(super) fn literal_member(
    outer: &str,
    text: &str,
    inner: &str,
) -> Result<Option<Value>, String> {
    match literal::parse(text).map_err(|problem| format!("column `{outer}` holds {problem}"))? {
        Value::Object(map) => Ok(lookup(&map, inner)?.map(Cow::into_owned)),
        _ => Ok(None),
    }
}

/// A value as filters compare it; null, arrays and objects compare with nothing.
fn scalar<'a>(
    object: &'a Map<String, Value>,
    column: &str,
) -> Result<Option<Cow<'a, str>>, String> {
    Ok(lookup(object, column)?.and_then(|value| match value {
        Cow::Borrowed(Value::String(text)) => Some(Cow::Borrowed(text.as_str())),
        value => compared(&value).map(Cow::Owned),
    }))
}

/// As filters compare a value.
pub(super) fn compared(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text<'a>(
    object: &'a Map<String, Value>,
    columns: &[String],
    join: &str,
) -> Result<Cow<'a, str>, String> {
    let mut parts = columns.iter().map(|column| {
        let value = lookup(object, column)?.ok_or_else(|| format!("no column `{column}`"))?;
        match value {
            Cow::Borrowed(value) => value_text(column, value, join),
            Cow::Owned(value) => Ok(Cow::Owned(value_text(column, &value, join)?.into_owned())),
        }
    });
    match (parts.next(), columns.len()) {
        (Some(only), 1) => only,
        (first, _) => {
            let parts: Vec<Cow<str>> = first.into_iter().chain(parts).collect::<Result<_, _>>()?;
            Ok(Cow::Owned(parts.join(join)))
        }
    }
}

fn value_text<'a>(column: &str, value: &'a Value, join: &str) -> Result<Cow<'a, str>, String> {
    let not_text =
        |value: &Value| format!("column `{column}` is {} where text is expected", kind(value));
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Array(parts) => {
            let parts: Vec<&str> = parts
                .iter()
                .map(|part| part.as_str().ok_or_else(|| not_text(part)))
                .collect::<Result<_, _>>()?;
            Ok(Cow::Owned(parts.join(join)))
        }
        other => Err(not_text(other)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
