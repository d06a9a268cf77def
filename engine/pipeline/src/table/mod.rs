//! Tables that users bring or take away: CSV and Parquet, through polars.
//!
//! Knows cells, rows and columns by name; what they mean is in [`losses`] and [`optima`]. A CSV is read as
//! text and every cell is understood here, so that a bad one is named by row and column instead of
//! changing its column's type.

mod error;
mod lines;
pub mod losses;
pub mod names;
mod nearest;
pub mod optima;
pub mod text;
pub mod values;
mod write;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use polars::prelude::{
    AnyValue, Column, CsvReadOptions, DataFrame, ParquetReader, PolarsError, SerReader,
};

pub use error::TableError;
pub use write::write;

/// First bytes of every Parquet file.
const PARQUET_MAGIC: &[u8; 4] = b"PAR1";

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Blank,
    Number(f64),
    Text(String),
}

/// A table in memory, cells by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// As shown in messages.
    pub path: String,
    pub columns: Vec<String>,
    cells: Vec<Vec<Cell>>,
    rows: usize,
}

impl Table {
    /// Reads a table. Parquet is recognised by its first bytes, everything else is CSV (tabs in a `.tsv`).
    ///
    /// # Errors
    /// A file that cannot be opened or is of neither format, or has no rows or one column twice.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let shown = path.display().to_string();
        let bytes =
            fs::read(path).map_err(|source| TableError::Open { path: shown.clone(), source })?;
        if bytes.starts_with(PARQUET_MAGIC) {
            let frame = ParquetReader::new(Cursor::new(&bytes[..])).finish();
            let problem = |error: PolarsError| unreadable(&shown, "Parquet", first_line(&error));
            return Self::of_frame(shown.clone(), &frame.map_err(problem)?);
        }
        let separator = separator(path);
        let problem = |error: PolarsError| {
            let place = lines::bad_line(&bytes, separator);
            unreadable(&shown, "CSV", place.unwrap_or_else(|| first_line(&error)))
        };
        Self::of_frame(shown.clone(), &read_csv(&bytes, separator).map_err(problem)?)
    }

    fn of_frame(path: String, frame: &DataFrame) -> Result<Self, TableError> {
        let columns: Vec<String> =
            frame.columns().iter().map(|column| column.name().trim().to_owned()).collect();
        if let Some(name) = columns.iter().find_map(|name| name.split_once("_duplicated_")) {
            return Err(TableError::ColumnTwice { path, name: name.0.to_owned() });
        }
        if frame.height() == 0 {
            return Err(TableError::NoRows { path });
        }
        let cells = frame.columns().iter().map(cells).collect();
        Ok(Self { path, columns, cells, rows: frame.height() })
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Places of the rows that hold anything: a blank line is no row.
    pub fn filled_rows(&self) -> impl Iterator<Item = usize> {
        let filled = |row: &usize| self.cells.iter().any(|column| column[*row] != Cell::Blank);
        (0..self.rows).filter(filled)
    }

    /// The cell at a column's and a row's place, both from 0.
    #[must_use]
    pub fn cell(&self, column: usize, row: usize) -> &Cell {
        self.cells.get(column).and_then(|cells| cells.get(row)).unwrap_or(&Cell::Blank)
    }

    /// The place of a column; capitals do not matter where no other column differs only by them.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|column| column == name);
        exact.or_else(|| self.columns.iter().position(|column| column.eq_ignore_ascii_case(name)))
    }

    /// The place of a column that must be there.
    ///
    /// # Errors
    /// [`TableError::MissingColumn`] with the nearest name that is there.
    pub fn require(&self, name: &str) -> Result<usize, TableError> {
        self.find(name).ok_or_else(|| TableError::MissingColumn {
            path: self.path.clone(),
            name: name.to_owned(),
            nearest: nearest::nearest(name, self.columns.iter().map(String::as_str)),
            columns: self.columns.clone(),
        })
    }
}

fn unreadable(path: &str, format: &'static str, problem: String) -> TableError {
    TableError::Format { path: path.to_owned(), format, problem }
}

fn separator(path: &Path) -> u8 {
    let tabs = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
    if tabs { b'\t' } else { b',' }
}

/// Every column as text.
fn read_csv(bytes: &[u8], separator: u8) -> Result<DataFrame, PolarsError> {
    CsvReadOptions::default()
        .with_infer_schema_length(Some(0))
        .map_parse_options(|options| options.with_separator(separator))
        .into_reader_with_file_handle(Cursor::new(bytes))
        .finish()
}

fn cells(column: &Column) -> Vec<Cell> {
    (0..column.len()).map(|row| column.get(row).map_or(Cell::Blank, |value| cell(&value))).collect()
}

fn cell(value: &AnyValue<'_>) -> Cell {
    let text = match value {
        AnyValue::Null => return Cell::Blank,
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Boolean(value) => value.to_string(),
        other => match other.extract::<f64>() {
            Some(number) => return Cell::Number(number),
            None => other.to_string(),
        },
    };
    if text.trim().is_empty() { Cell::Blank } else { Cell::Text(text.trim().to_owned()) }
}

fn first_line(error: &PolarsError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}
