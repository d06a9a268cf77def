//! The samples file: Arrow IPC with the columns `text`, `source`, `row`, `start`. Knows this layout and nothing of
//! what made it or who reads it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, LargeStringArray, LargeStringBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::array::{UInt64Array, UInt64Builder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;

use crate::DataError;

/// A batch ends at either limit: one of them bounds memory for short samples, the other for long ones. What a batch is made
/// of stays in a processor's cache, and so few pages of memory serve all batches.
const BATCH_SAMPLES: usize = 2048;
const BATCH_BYTES: usize = 2 << 20;

/// A sample and where it came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample<'a> {
    /// The text.
    pub text: &'a str,
    /// BLAKE3 of the source file, in hexadecimal.
    pub source: &'a str,
    /// Line or row in that file, from 1.
    pub row: u64,
    /// Character of the document where the sample starts, from 0.
    pub start: u64,
}

fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("text", DataType::LargeUtf8, false),
        Field::new("source", DataType::Utf8, false),
        Field::new("row", DataType::UInt64, false),
        Field::new("start", DataType::UInt64, false),
    ]))
}

/// Writes a samples file as a stream. The same samples give the same bytes.
pub(crate) struct SamplesWriter {
    path: PathBuf,
    file: FileWriter<BufWriter<File>>,
    text: LargeStringBuilder,
    source: StringBuilder,
    row: UInt64Builder,
    start: UInt64Builder,
    bytes: usize,
}

impl SamplesWriter {
    pub fn create(path: &Path) -> Result<Self, DataError> {
        let file = File::create(path).map_err(DataError::io("create", path))?;
        let file = FileWriter::try_new(BufWriter::with_capacity(1 << 18, file), &schema())
            .map_err(|e| write_error(path, e))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            text: text_builder(),
            source: StringBuilder::new(),
            row: UInt64Builder::new(),
            start: UInt64Builder::new(),
            bytes: 0,
        })
    }

    pub fn push(
        &mut self,
        text: &str,
        source: &str,
        row: u64,
        start: u64,
    ) -> Result<(), DataError> {
        self.text.append_value(text);
        self.source.append_value(source);
        self.row.append_value(row);
        self.start.append_value(start);
        self.bytes += text.len();
        if self.bytes >= BATCH_BYTES || self.row.len_samples() >= BATCH_SAMPLES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), DataError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.text.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.row.finish()),
            Arc::new(self.start.finish()),
        ];
        self.bytes = 0;
        let batch =
            RecordBatch::try_new(schema(), columns).map_err(|e| write_error(&self.path, e))?;
        self.file.write(&batch).map_err(|e| write_error(&self.path, e))?;
        // The next batch may have this one's memory.
        drop(batch);
        self.text = text_builder();
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), DataError> {
        if self.row.len_samples() > 0 {
            self.flush()?;
        }
        let mut file = self.file.into_inner().map_err(|e| write_error(&self.path, e))?;
        file.flush().map_err(DataError::io("write", &self.path))
    }
}

/// With room for a batch from the start: growing would copy it several times.
fn text_builder() -> LargeStringBuilder {
    LargeStringBuilder::with_capacity(BATCH_SAMPLES, BATCH_BYTES + BATCH_BYTES / 8)
}

/// `ArrayBuilder::len` without importing a trait whose other methods shadow the builders' own.
trait LenSamples {
    fn len_samples(&self) -> usize;
}

impl LenSamples for UInt64Builder {
    fn len_samples(&self) -> usize {
        arrow::array::ArrayBuilder::len(self)
    }
}

fn write_error(path: &Path, error: arrow::error::ArrowError) -> DataError {
    let error = match error {
        arrow::error::ArrowError::IoError(_, io) => io,
        other => std::io::Error::other(other),
    };
    DataError::io("write", path)(error)
}

/// Reads a samples file batch by batch.
pub struct SamplesReader {
    path: PathBuf,
    file: FileReader<BufReader<File>>,
}

impl SamplesReader {
    /// Opens a samples file and checks its columns.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::io("open", path))?;
        let file =
            FileReader::try_new(BufReader::new(file), None).map_err(|e| read_error(path, e))?;
        let expected = schema();
        let same = file
            .schema()
            .fields()
            .iter()
            .map(|f| (f.name(), f.data_type()))
            .eq(expected.fields().iter().map(|f| (f.name(), f.data_type())));
        if !same {
            return Err(read_error(
                path,
                format!("its columns are {}", column_names(&file.schema())),
            ));
        }
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// The next batch of samples, in the file's order.
    pub fn next_batch(&mut self) -> Option<Result<SampleBatch, DataError>> {
        let batch = self.file.next()?;
        Some(batch.map_err(|e| read_error(&self.path, e)).and_then(|batch| {
            SampleBatch::new(&batch).ok_or_else(|| {
                read_error(&self.path, "a column has another type than its schema says")
            })
        }))
    }
}

fn read_error(path: &Path, problem: impl ToString) -> DataError {
    DataError::Samples { path: path.to_path_buf(), problem: problem.to_string() }
}

fn column_names(schema: &Schema) -> String {
    let names: Vec<String> = schema.fields().iter().map(|f| format!("`{}`", f.name())).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// Number of samples in a file, from its batches' headers.
pub fn count(path: &Path) -> Result<u64, DataError> {
    let mut reader = SamplesReader::open(path)?;
    let mut samples = 0;
    while let Some(batch) = reader.next_batch() {
        samples += batch?.len() as u64;
    }
    Ok(samples)
}

/// Some samples of a file.
pub struct SampleBatch {
    text: LargeStringArray,
    source: StringArray,
    row: UInt64Array,
    start: UInt64Array,
}

impl SampleBatch {
    fn new(batch: &RecordBatch) -> Option<Self> {
        fn column<T: Clone + 'static>(batch: &RecordBatch, i: usize) -> Option<T> {
            batch.column(i).as_any().downcast_ref::<T>().cloned()
        }
        let batch = Self {
            text: column(batch, 0)?,
            source: column(batch, 1)?,
            row: column(batch, 2)?,
            start: column(batch, 3)?,
        };
        Some(batch)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.row.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.row.is_empty()
    }

    /// The text of sample `i`.
    pub fn text(&self, i: usize) -> Option<&str> {
        (i < self.len()).then(|| self.text.value(i))
    }

    /// The texts in order.
    pub fn texts(&self) -> Vec<&str> {
        (0..self.len()).map(|i| self.text.value(i)).collect()
    }

    /// The samples in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Sample<'_>> {
        (0..self.len()).map(|i| Sample {
            text: self.text.value(i),
            source: self.source.value(i),
            row: self.row.value(i),
            start: self.start.value(i),
        })
    }
}
