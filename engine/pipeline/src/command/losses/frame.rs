//! Flat rows as a file: CSV and Parquet through a data frame, JSON as a list of objects.

use std::path::Path;

use polars::prelude::{Column, DataFrame};
use serde_json::{Map, Value};

use super::rows::Row;
use crate::error::{Error, Result};

/// Writes rows under the format that the file's name says.
pub(super) fn write(path: &Path, rows: &[Row]) -> Result<()> {
    let columns = columns(rows);
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        return Ok(crate::table::write_text(path, &json(&columns, rows))?);
    }
    let frame = columns.iter().map(|name| column(name, rows)).collect();
    let mut frame = DataFrame::new(rows.len(), frame)
        .map_err(|error| Error::internal(format!("cannot make a table of the losses: {error}")))?;
    Ok(crate::table::write(path, &mut frame)?)
}

/// Every column that any row has, in order.
fn columns(rows: &[Row]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (name, _) in rows.iter().flat_map(|row| &row.0) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    columns
}

/// Counts where all are counts, numbers where all are numbers, else text.
fn column(name: &str, rows: &[Row]) -> Column {
    let values = || rows.iter().map(|row| row.get(name));
    let all = |is: fn(&Value) -> bool| values().all(|value| value.is_null() || is(value));
    // Tokens of a domain that a training had none of are 0, not unknown.
    let absent = name.starts_with("tokens:").then_some(0);
    if all(Value::is_u64) {
        Column::new(
            name.into(),
            values().map(|value| value.as_u64().or(absent)).collect::<Vec<_>>(),
        )
    } else if all(Value::is_number) {
        let absent = absent.map(|_| 0.0);
        Column::new(
            name.into(),
            values().map(|value| value.as_f64().or(absent)).collect::<Vec<_>>(),
        )
    } else {
        let text = |value: &Value| match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        Column::new(name.into(), values().map(text).collect::<Vec<_>>())
    }
}

/// One object a row and line, so that the file can be read in parts and compared.
fn json(columns: &[String], rows: &[Row]) -> String {
    let object = |row: &Row| {
        let fields = columns.iter().map(|name| (name.clone(), row.get(name).clone()));
        Value::Object(fields.collect::<Map<_, _>>()).to_string()
    };
    let lines: Vec<String> = rows.iter().map(object).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}
