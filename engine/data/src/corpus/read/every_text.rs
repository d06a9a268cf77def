//! Every text in a file, whatever its column: how evaluation files are read. Knows no rules; a file that cannot be
//! read whole is an error, since nothing may be missed.

use std::fs::File;
use std::io::BufRead;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use serde_json::Value;

use super::{ROW_BYTES_MAX, bytes, describe_io, plain, tables};
use crate::corpus::spec::{Format, Source};
use crate::progress::{Meter, Work};
use crate::{DataError, Problem};

/// Gives all strings of JSON Lines and tables, plain files whole, members of archives, to `take`.
pub(crate) fn every_text(source: &Source, take: &mut dyn FnMut(&str)) -> Result<(), DataError> {
    let meter = Meter::new(0, Work::Bytes);
    let read = match source.format {
        Format::JsonLines => json_lines(source, &meter, take),
        Format::Plain => whole(source, &meter, take),
        Format::Parquet | Format::Arrow => table(source, take),
        Format::Csv => separated(source, b',', &meter, take),
        Format::Tsv => separated(source, b'\t', &meter, take),
        Format::Tar => Err((None, "is an archive; name the files themselves".into())),
    };
    read.map_err(|(row, message)| {
        DataError::Evaluation(Problem { path: source.path.clone(), row, message })
    })
}

/// Row and what is wrong there.
type Read = Result<(), (Option<u64>, String)>;

fn json_lines(source: &Source, meter: &Meter, take: &mut dyn FnMut(&str)) -> Read {
    let mut kept = bytes::Decompressor::default();
    let mut file =
        bytes::open(&source.path, &mut kept, meter).map_err(|e| (None, describe_io(&e)))?;
    let mut line = Vec::new();
    for row in 1.. {
        let at = |message: String| (Some(row), message);
        line.clear();
        let limited = &mut std::io::Read::take(&mut file, ROW_BYTES_MAX as u64);
        let read = limited.read_until(b'\n', &mut line).map_err(|e| at(describe_io(&e)))?;
        if read == 0 {
            break;
        }
        let content =
            if row == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
        if !content.iter().all(u8::is_ascii_whitespace) {
            let value =
                serde_json::from_slice(content).map_err(|e| at(format!("not JSON: {e}")))?;
            strings(&value, take);
        }
    }
    Ok(())
}

fn strings(value: &Value, take: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => take(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, take)),
        Value::Object(map) => map.values().for_each(|item| strings(item, take)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn whole(source: &Source, meter: &Meter, take: &mut dyn FnMut(&str)) -> Read {
    let mut kept = bytes::Decompressor::default();
    let content = bytes::open(&source.path, &mut kept, meter)
        .map_err(|e| describe_io(&e))
        .and_then(|file| plain::whole(file, "cut it"))
        .map_err(|message| (None, message))?;
    take(plain::text(&content).map_err(|message| (None, message))?);
    Ok(())
}

fn separated(source: &Source, delimiter: u8, meter: &Meter, take: &mut dyn FnMut(&str)) -> Read {
    let mut kept = bytes::Decompressor::default();
    let file = bytes::open(&source.path, &mut kept, meter).map_err(|e| (None, describe_io(&e)))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(file);
    for record in reader.records() {
        let record = record.map_err(|e| (e.position().map(csv::Position::line), e.to_string()))?;
        record.iter().for_each(&mut *take);
    }
    Ok(())
}

fn table(source: &Source, take: &mut dyn FnMut(&str)) -> Read {
    let file = File::open(&source.path).map_err(|e| (None, describe_io(&e)))?;
    let batches = tables::all_batches(file, source.format).map_err(|message| (None, message))?;
    for batch in batches {
        let batch = batch.map_err(|e| (None, e.to_string()))?;
        batch.columns().iter().for_each(|column| column_texts(column, take));
    }
    Ok(())
}

fn column_texts(array: &dyn Array, take: &mut dyn FnMut(&str)) {
    let texts = |values: &mut dyn Iterator<Item = Option<&str>>, take: &mut dyn FnMut(&str)| {
        values.flatten().for_each(take);
    };
    match array.data_type() {
        DataType::Utf8 => texts(&mut array.as_string::<i32>().iter(), take),
        DataType::LargeUtf8 => texts(&mut array.as_string::<i64>().iter(), take),
        DataType::Utf8View => texts(&mut array.as_string_view().iter(), take),
        DataType::List(_) => column_texts(array.as_list::<i32>().values(), take),
        DataType::LargeList(_) => column_texts(array.as_list::<i64>().values(), take),
        DataType::Struct(_) => {
            array.as_struct().columns().iter().for_each(|column| column_texts(column, take));
        }
        DataType::Dictionary(_, values) => {
            if let Ok(plain) = arrow::compute::cast(array, values) {
                column_texts(&plain, take);
            }
        }
        _ => {}
    }
}
