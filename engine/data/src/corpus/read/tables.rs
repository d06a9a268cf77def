//! Parquet and Arrow IPC: record batches, only the columns needed, one batch at a time. Rows are numbered from 1.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::columns::{Columns, roots};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::corpus::spec::{Format, ReadSpec};
use crate::progress::Meter;

/// Rows of a Parquet batch: few, because documents may be long and a batch is in memory at once.
const BATCH_ROWS: usize = 256;
const BUFFER: usize = 1 << 17;

pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>;
/// The schema of the batches and the batches, or why there are none.
type Opened = Result<(SchemaRef, Batches), String>;

pub(crate) fn read_parquet(
    path: &Path,
    intake: &mut Intake,
    meter: &Meter,
) -> Result<(), DataError> {
    read(path, intake, meter, open_parquet)
}

pub(crate) fn read_arrow(path: &Path, intake: &mut Intake, meter: &Meter) -> Result<(), DataError> {
    read(path, intake, meter, open_arrow)
}

fn read(
    path: &Path,
    intake: &mut Intake,
    meter: &Meter,
    open: fn(File, Option<&ReadSpec>) -> Opened,
) -> Result<(), DataError> {
    let opened = File::open(path)
        .map_err(|e| format!("cannot open: {e}"))
        .and_then(|file| guarded(|| open(file, Some(intake.spec))).and_then(|opened| opened));
    let (schema, batches) = match opened {
        Ok(opened) => opened,
        Err(message) => return intake.unreadable(None, message),
    };
    match Columns::find(&schema, intake.spec) {
        Ok(columns) => read_batches(batches, &columns, intake)?,
        Err(message) => intake.unreadable(None, message)?,
    }
    meter.add(std::fs::metadata(path).map_or(0, |metadata| metadata.len()));
    Ok(())
}

fn read_batches(
    mut batches: Batches,
    columns: &Columns,
    intake: &mut Intake,
) -> Result<(), DataError> {
    let mut row = 1;
    loop {
        match guarded(|| batches.next()) {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(batch))) => {
                columns.take(&batch, row, intake)?;
                row += batch.num_rows() as u64;
            }
            Ok(Some(Err(e))) => {
                return intake.unreadable(Some(row), format!("cannot read on: {e}"));
            }
            Err(message) => return intake.unreadable(Some(row), message),
        }
    }
}

/// All columns of a table.
pub(super) fn all_batches(file: File, format: Format) -> Result<Batches, String> {
    let open = if format == Format::Arrow { open_arrow } else { open_parquet };
    guarded(|| open(file, None)).and_then(|opened| opened).map(|(_, batches)| batches)
}

/// The columns that `spec` needs; all without one.
fn open_parquet(file: File, spec: Option<&ReadSpec>) -> Opened {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|e| format!("not a Parquet file: {e}"))?;
    let mask = match spec {
        Some(spec) => {
            ProjectionMask::roots(builder.parquet_schema(), roots(builder.schema(), spec))
        }
        None => ProjectionMask::all(),
    };
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| format!("cannot read the Parquet file: {e}"))?;
    Ok((arrow::array::RecordBatchReader::schema(&reader), Box::new(reader)))
}

/// The file format starts with `ARROW1`; without it the bytes are taken as a stream, as `datasets` caches them.
fn open_arrow(mut file: File, spec: Option<&ReadSpec>) -> Opened {
    let refused = |e: &dyn std::fmt::Display| format!("not an Arrow IPC file: {e}");
    let mut magic = Vec::new();
    Read::by_ref(&mut file).take(6).read_to_end(&mut magic).map_err(|e| refused(&e))?;
    file.rewind().map_err(|e| refused(&e))?;
    if magic == b"ARROW1" { open_arrow_file(file, spec) } else { open_arrow_stream(file) }
}

fn open_arrow_file(mut file: File, spec: Option<&ReadSpec>) -> Opened {
    let refused = |e: &dyn std::fmt::Display| format!("not an Arrow IPC file: {e}");
    // The columns to read are known only once the schema is, and a reader takes them when it is made.
    let whole = FileReader::try_new(&file, None).map_err(|e| refused(&e))?.schema();
    file.rewind().map_err(|e| refused(&e))?;
    let everything = || (0..whole.fields().len()).collect();
    let wanted = spec.map_or_else(everything, |spec| roots(&whole, spec));
    // A projecting reader still gives the whole schema, but its batches have the projected one.
    let schema = whole.project(&wanted).map_err(|e| refused(&e))?;
    let reader = FileReader::try_new(BufReader::with_capacity(BUFFER, file), Some(wanted));
    Ok((schema.into(), Box::new(reader.map_err(|e| refused(&e))?)))
}

fn open_arrow_stream(file: File) -> Opened {
    let reader = StreamReader::try_new(BufReader::with_capacity(BUFFER, file), None)
        .map_err(|e| format!("not an Arrow IPC file: {e}"))?;
    Ok((reader.schema(), Box::new(reader)))
}

/// These decoders are fed untrusted bytes and assert in places; a panic there is one more kind of corrupt file.
fn guarded<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(decode))
        .map_err(|_| "the file is corrupt: its decoder gave up".to_string())
}
