//! The files of one table of mixtures: a single one, or two joined by a column that both have.
//!
//! Rows are pairs of rows, and every cell still knows its file, line and column.

use std::collections::HashMap;

use super::super::error::list;
use super::super::{Cell, Table, TableError};

/// A column of one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnRef {
    table: usize,
    column: usize,
}

/// Tables side by side.
#[derive(Debug)]
pub struct Sources {
    tables: Vec<Table>,
    /// For every row, its row in each table.
    rows: Vec<Vec<usize>>,
    /// The columns by which they were joined.
    pub key: Option<ColumnRef>,
    /// What a reader must know of the join.
    pub notes: Vec<String>,
}

/// Names of columns that number or name runs.
const KEYS: [&str; 6] = ["index", "id", "run", "target", "name", "key"];

impl Sources {
    #[must_use]
    pub fn one(table: Table) -> Self {
        let rows = table.filled_rows().map(|row| vec![row]).collect();
        let key = KEYS.iter().find_map(|name| table.find(name));
        let key = key.map(|column| ColumnRef { table: 0, column });
        Self { tables: vec![table], rows, key, notes: Vec::new() }
    }

    /// Joins two tables by the column `on`, else by the one usual key that both have.
    ///
    /// # Errors
    /// No such column, a blank or repeated key, or no row in common.
    pub fn joined(left: Table, right: Table, on: Option<&str>) -> Result<Self, TableError> {
        let name = match on {
            Some(name) => name.to_owned(),
            None => common_key(&left, &right)?,
        };
        let (left_keys, right_keys) = (keys(&left, &name)?, keys(&right, &name)?);
        let by_key: HashMap<&str, usize> =
            right_keys.iter().map(|(key, row)| (key.as_str(), *row)).collect();
        let pairs = left_keys.iter().filter_map(|(key, row)| Some((*row, *by_key.get(&**key)?)));
        let rows: Vec<Vec<usize>> = pairs.map(|(one, other)| vec![one, other]).collect();
        if rows.is_empty() {
            return Err(TableError::Contents {
                path: right.path.clone(),
                problem: format!("no row has a `{name}` that `{}` has", left.path),
                hint: format!(
                    "both files must name their runs alike in `{name}`; `--on` names another column"
                ),
            });
        }
        let mut notes = Vec::new();
        let alone = |table: &Table, all: usize| {
            let count = all - rows.len();
            (count > 0).then(|| {
                format!("{count} of {all} rows of `{}` have no partner in the other file and are left out", table.path)
            })
        };
        notes.extend(alone(&left, left_keys.len()));
        notes.extend(alone(&right, right_keys.len()));
        let key = left.find(&name).map(|column| ColumnRef { table: 0, column });
        Ok(Self { tables: vec![left, right], rows, key, notes })
    }

    /// Every column but the second file's key.
    #[must_use]
    pub fn columns(&self) -> Vec<ColumnRef> {
        let key = self.key.map(|key| self.name(key).to_owned());
        let mut columns = Vec::new();
        for (table, each) in self.tables.iter().enumerate() {
            let repeated = |column: usize| {
                table > 0 && key.as_ref().is_some_and(|key| each.find(key) == Some(column))
            };
            let own = (0..each.columns.len()).filter(|&column| !repeated(column));
            columns.extend(own.map(|column| ColumnRef { table, column }));
        }
        columns
    }

    #[must_use]
    pub fn name(&self, column: ColumnRef) -> &str {
        &self.tables[column.table].columns[column.column]
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    #[must_use]
    pub fn cell(&self, column: ColumnRef, row: usize) -> &Cell {
        self.tables[column.table].cell(column.column, self.rows[row][column.table])
    }

    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.tables.iter().map(|table| table.path.clone()).collect()
    }

    /// `a.csv` or `a.csv and b.csv`, without marks.
    #[must_use]
    pub fn title(&self) -> String {
        self.paths().join(" and ")
    }

    /// Where a row stands in the first file.
    #[must_use]
    pub fn place(&self, row: usize) -> String {
        self.tables[0].place(self.rows[row][0])
    }

    /// A cell's problem with its file, line and column.
    #[must_use]
    pub fn at_cell(&self, column: ColumnRef, row: usize, problem: &str) -> String {
        let table = &self.tables[column.table];
        let place = table.place(self.rows[row][column.table]);
        format!("{}{place}, column `{}`: {problem}", self.file(column.table), self.name(column))
    }

    /// A row's problem with its file and line.
    #[must_use]
    pub fn at_row(&self, row: usize, problem: &str) -> String {
        format!("{}{}: {problem}", self.file(0), self.place(row))
    }

    /// The file is named once where there is one, and with every problem where there are two.
    fn file(&self, table: usize) -> String {
        if self.tables.len() == 1 {
            String::new()
        } else {
            format!("`{}`, ", self.tables[table].path)
        }
    }

    /// An error about the whole of it.
    #[must_use]
    pub fn contents(&self, problem: impl Into<String>, hint: impl Into<String>) -> TableError {
        TableError::Contents { path: self.title(), problem: problem.into(), hint: hint.into() }
    }

    /// An error with all problems.
    #[must_use]
    pub fn problems(&self, problems: Vec<String>, hint: &str) -> TableError {
        TableError::Cells { path: self.title(), problems, hint: hint.to_owned() }
    }
}

fn common_key(left: &Table, right: &Table) -> Result<String, TableError> {
    let both = |name: &&str| left.find(name).is_some() && right.find(name).is_some();
    if let Some(name) = KEYS.iter().find(|name| both(name)) {
        return Ok((*name).to_owned());
    }
    let shared: Vec<String> =
        left.columns.iter().filter(|name| right.find(name).is_some()).cloned().collect();
    match &shared[..] {
        [only] => Ok(only.clone()),
        _ => Err(TableError::Contents {
            path: right.path.clone(),
            problem: match &shared[..] {
                [] => format!("it shares no column with `{}`", left.path),
                several => format!("it shares {} with `{}`", list(several), left.path),
            },
            hint: "say which column names the runs in both files: `--on index`".into(),
        }),
    }
}

/// Every filled row's key, each once.
fn keys(table: &Table, name: &str) -> Result<Vec<(String, usize)>, TableError> {
    let column = table.require(name)?;
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    let mut first: HashMap<String, usize> = HashMap::new();
    for row in table.filled_rows() {
        let key = match table.cell(column, row) {
            Cell::Blank => {
                problems.push(table.located(row, &format!("column `{name}`: it is empty")));
                continue;
            }
            // `1`, `1.0` and the integer 1 of a Parquet file are one key.
            Cell::Text(text) => text.parse::<f64>().map_or(text.clone(), |key| key.to_string()),
            Cell::Number(number) => number.to_string(),
        };
        if let Some(before) = first.insert(key.clone(), row) {
            let place = table.place(before);
            problems
                .push(table.located(row, &format!("column `{name}`: {key} stands in {place} too")));
        }
        keys.push((key, row));
    }
    if problems.is_empty() {
        Ok(keys)
    } else {
        Err(TableError::Cells {
            path: table.path.clone(),
            problems,
            hint: "every run has one row and one key in each file".into(),
        })
    }
}
