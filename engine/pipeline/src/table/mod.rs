//! Tables that users bring or take away: CSV and Parquet.
//!
//! Knows cells, rows and columns by name; what they mean is in [`losses`], [`optima`] and [`wide`]. A CSV is
//! read as text, so that a bad cell is named by line and column instead of changing its column's type.

pub mod bounds;
mod csv;
mod error;
pub mod experiment;
pub mod losses;
pub mod names;
pub mod optima;
pub mod tables;
pub mod text;
pub mod values;
pub mod wide;
mod write;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use mixmake_manifest::suggest::nearest;
use polars::prelude::{AnyValue, Column, DataFrame, ParquetReader, PolarsError, SerReader};

pub use error::TableError;
pub use write::{write, write_text};

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
    /// Line of every row; none for Parquet.
    lines: Option<Vec<u64>>,
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
        let csv = csv::read(&bytes, separator(path));
        let csv = csv.map_err(|problem| unreadable(&shown, "CSV", problem))?;
        Self::new(shown, csv.columns, csv.cells, Some(csv.lines))
    }

    fn of_frame(path: String, frame: &DataFrame) -> Result<Self, TableError> {
        let columns: Vec<String> =
            frame.columns().iter().map(|column| column.name().trim().to_owned()).collect();
        Self::new(path, columns, frame.columns().iter().map(cells).collect(), None)
    }

    /// A table of cells by column.
    fn new(
        path: String,
        columns: Vec<String>,
        cells: Vec<Vec<Cell>>,
        lines: Option<Vec<u64>>,
    ) -> Result<Self, TableError> {
        let twice = |(place, name): &(usize, &String)| columns[..*place].contains(name);
        if let Some((_, name)) = columns.iter().enumerate().find(twice) {
            return Err(TableError::ColumnTwice { path, name: name.clone() });
        }
        let rows = cells.first().map_or(0, Vec::len);
        if rows == 0 {
            return Err(TableError::NoRows { path });
        }
        Ok(Self { path, columns, cells, rows, lines })
    }

    /// Where a row stands, for messages: its line, or its number where there are no lines.
    #[must_use]
    pub fn place(&self, row: usize) -> String {
        match self.lines.as_ref().and_then(|lines| lines.get(row)) {
            Some(line) => format!("line {line}"),
            None => format!("row {}", row + 1),
        }
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Its rows by the value of `tokens`, smallest first; empty where there is no such column.
    ///
    /// # Errors
    /// A cell of that column that is no amount of tokens.
    pub fn split_by_tokens(&self) -> Result<Vec<(f64, Self)>, TableError> {
        let Some(column) = self.find("tokens") else { return Ok(Vec::new()) };
        let (mut groups, mut problems): (Vec<(f64, Vec<usize>)>, Vec<String>) = Default::default();
        for row in self.filled_rows() {
            let tokens = match self.cell(column, row) {
                Cell::Blank => Err("it is empty".to_owned()),
                Cell::Number(number) => values::tokens(&number.to_string()),
                Cell::Text(text) => values::tokens(text),
            };
            match tokens {
                Ok(tokens) => match groups.iter_mut().find(|(known, _)| *known == tokens) {
                    Some((_, rows)) => rows.push(row),
                    None => groups.push((tokens, vec![row])),
                },
                Err(problem) => {
                    problems.push(self.located(row, &format!("column `tokens`: {problem}")));
                }
            }
        }
        if !problems.is_empty() {
            return Err(TableError::Rows { path: self.path.clone(), problems });
        }
        groups.sort_by(|one, other| one.0.total_cmp(&other.0));
        Ok(groups.into_iter().map(|(tokens, rows)| (tokens, self.part(&rows))).collect())
    }

    /// Some of its rows, which keep their lines.
    fn part(&self, rows: &[usize]) -> Self {
        let cells = |column: &Vec<Cell>| rows.iter().map(|&row| column[row].clone()).collect();
        Self {
            path: self.path.clone(),
            columns: self.columns.clone(),
            cells: self.cells.iter().map(cells).collect(),
            rows: rows.len(),
            lines: self.lines.as_ref().map(|lines| rows.iter().map(|&row| lines[row]).collect()),
        }
    }

    /// A problem with its place: of a cell where it starts with its column's name, else of the row.
    #[must_use]
    pub fn located(&self, row: usize, problem: &str) -> String {
        let link = if problem.starts_with("column `") { ", " } else { ": " };
        format!("{}{link}{problem}", self.place(row))
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
            nearest: nearest(name, self.columns.iter().map(String::as_str)).map(String::from),
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
