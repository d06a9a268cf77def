//! Writing a data frame under the format that the file's name says.

use std::fs::File;
use std::path::Path;

use polars::prelude::{CsvWriter, DataFrame, ParquetWriter, SerWriter};

use super::TableError;

/// Writes a text file that a flag names.
///
/// # Errors
/// A file that cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), TableError> {
    std::fs::write(path, text).map_err(|error| TableError::Write {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}

/// Writes `frame` as CSV or Parquet, by the path's ending.
///
/// # Errors
/// Another ending, or a file that cannot be written.
pub fn write(path: &Path, frame: &mut DataFrame) -> Result<(), TableError> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let shown = path.display().to_string();
    let fail = |problem: String| TableError::Write { path: shown.clone(), problem };
    let parquet = match extension.as_deref() {
        Some("csv") => false,
        Some("parquet" | "pq") => true,
        _ => {
            let problem = "it must end in `.csv`, `.parquet` or `.json`".into();
            return Err(TableError::Flag { flag: "--output", value: shown, problem });
        }
    };
    let mut file = File::create(path).map_err(|error| fail(error.to_string()))?;
    let written = if parquet {
        ParquetWriter::new(&mut file).finish(frame).map(|_| ())
    } else {
        CsvWriter::new(&mut file).finish(frame)
    };
    written.map_err(|error| fail(error.to_string()))?;
    file.sync_all().map_err(|error| fail(error.to_string()))
}
