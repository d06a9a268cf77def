//! JSON Lines: one object a line. Rows are numbered by line; lines of white space are no rows.
//!
//! A lone surrogate escape (`"\ud800"`) is no text and makes its row malformed. Of a repeated key the last counts.

use std::borrow::Cow;
use std::path::Path;

use serde_json::{Map, Value};

use super::json_scan::{Wanted, scan};
use super::lines::{Line, Lines};
use super::{ROW_BYTES_MAX, TEXT_SEPARATOR, bytes, describe_io};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::progress::Meter;

pub(crate) fn read(path: &Path, intake: &mut Intake, meter: &Meter) -> Result<(), DataError> {
    let file = match bytes::open(path, meter) {
        Ok(file) => file,
        Err(e) => {
            intake.unreadable(None, describe_io(&e));
            return Ok(());
        }
    };
    let spec = intake.spec;
    let wanted = Wanted::new(&spec.text, spec.filters.keys());
    let mut reading = Reading { wanted, text: String::new() };
    let mut lines = Lines::new(file, ROW_BYTES_MAX);
    for number in 1.. {
        match lines.next() {
            Ok(Line::End) => break,
            Ok(Line::Whole(line)) => reading.take_line(number, line, intake)?,
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

/// What is wanted of every line, where it can be read fast, and room for its text.
struct Reading<'a> {
    wanted: Option<Wanted<'a>>,
    text: String,
}

impl Reading<'_> {
    fn take_line(
        &mut self,
        number: u64,
        line: &[u8],
        intake: &mut Intake,
    ) -> Result<(), DataError> {
        let scanned = self.wanted.as_ref().and_then(|wanted| scan(line, wanted, &mut self.text));
        let Some(object) = scanned else { return take_line(number, line, intake) };
        if intake.admits(|_, column| lookup(&object, column).and_then(scalar)) {
            intake.text(number, &self.text)?;
        }
        Ok(())
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
