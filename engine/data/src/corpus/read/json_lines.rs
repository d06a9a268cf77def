//! JSON Lines: one object a line. Rows are numbered by line; lines of white space are no rows.
//!
//! A lone surrogate escape (`"\ud800"`) is no text and makes its row malformed. Of a repeated key the last counts.

use std::borrow::Cow;
use std::io::{BufRead, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::{ROW_BYTES_MAX, TEXT_SEPARATOR, bytes, describe_io};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::progress::Meter;

pub(crate) fn read(path: &Path, intake: &mut Intake, meter: &Meter) -> Result<(), DataError> {
    let mut file = match bytes::open(path, meter) {
        Ok(file) => file,
        Err(e) => {
            intake.unreadable(None, describe_io(&e));
            return Ok(());
        }
    };
    let mut line = Vec::new();
    for number in 1.. {
        match next_line(&mut *file, &mut line) {
            Ok(Line::End) => break,
            Ok(Line::Whole) => take_line(number, &line, intake)?,
            Ok(Line::TooLong) => {
                intake.unreadable(
                    Some(number),
                    format!("the line is longer than {ROW_BYTES_MAX} bytes"),
                );
            }
            Err(e) => {
                intake.unreadable(Some(number), describe_io(&e));
                break;
            }
        }
    }
    Ok(())
}

enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads up to a newline, keeping at most [`ROW_BYTES_MAX`] bytes in memory.
fn next_line(file: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<Line> {
    line.clear();
    let read = Read::take(&mut *file, ROW_BYTES_MAX as u64).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(Line::End);
    }
    if read == ROW_BYTES_MAX && line.last() != Some(&b'\n') {
        line.clear();
        skip_line(file)?;
        return Ok(Line::TooLong);
    }
    Ok(Line::Whole)
}

fn skip_line(file: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let buffer = file.fill_buf()?;
        let newline = buffer.iter().position(|&byte| byte == b'\n');
        let used = newline.map_or(buffer.len(), |at| at + 1);
        file.consume(used);
        if newline.is_some() || used == 0 {
            return Ok(());
        }
    }
}

fn take_line(number: u64, line: &[u8], intake: &mut Intake) -> Result<(), DataError> {
    let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let object = match parse(line) {
        Ok(object) => object,
        Err(message) => {
            intake.unreadable(Some(number), message);
            return Ok(());
        }
    };
    if !intake.admits(|_, column| lookup(&object, column).and_then(scalar)) {
        return Ok(());
    }
    match text(&object, &intake.spec.text) {
        Ok(text) => intake.text(number, &text),
        Err(message) => {
            intake.problem(Some(number), message);
            Ok(())
        }
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

/// The value of a dotted column: the whole name first, then one level down at each dot.
fn lookup<'a>(object: &'a Map<String, Value>, column: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(column) {
        return Some(value);
    }
    column.match_indices('.').find_map(|(dot, _)| match object.get(&column[..dot]) {
        Some(Value::Object(inner)) => lookup(inner, &column[dot + 1..]),
        _ => None,
    })
}

/// A value as filters compare it; null, arrays and objects compare with nothing.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text<'a>(object: &'a Map<String, Value>, columns: &[String]) -> Result<Cow<'a, str>, String> {
    let mut parts = columns.iter().map(|column| {
        let value = lookup(object, column).ok_or_else(|| format!("no column `{column}`"))?;
        value_text(column, value)
    });
    match (parts.next(), columns.len()) {
        (Some(only), 1) => only,
        (first, _) => {
            let parts: Vec<Cow<str>> = first.into_iter().chain(parts).collect::<Result<_, _>>()?;
            Ok(Cow::Owned(parts.join(TEXT_SEPARATOR)))
        }
    }
}

fn value_text<'a>(column: &str, value: &'a Value) -> Result<Cow<'a, str>, String> {
    let not_text =
        |value: &Value| format!("column `{column}` is {} where text is expected", kind(value));
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Array(parts) => {
            let parts: Vec<&str> = parts
                .iter()
                .map(|part| part.as_str().ok_or_else(|| not_text(part)))
                .collect::<Result<_, _>>()?;
            Ok(Cow::Owned(parts.join(TEXT_SEPARATOR)))
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
