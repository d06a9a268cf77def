//! Tables of optimal amounts: one row a scale, one column a domain.
//!
//! Without a column `tokens` the values are amounts in tokens. With it they may also be weights (of sum 1)
//! or multiples of the uniform amount (of sum m, the number of domains); which, the sums say.

use mixmake_fit::autoscale::Scale;

use super::text::tokens;
use super::{Cell, Table, TableError, values};

/// Relative difference within which a row's sum is the one expected: published weights are rounded.
const SUM_TOLERANCE: f64 = 5e-3;
/// Relative difference of a sum that is left as written: rounding of the eighth digit. Beyond it the
/// row is scaled to its total.
const AS_WRITTEN: f64 = 1e-6;
/// Relative difference within which a multiple is the floor.
const FLOOR_TOLERANCE: f64 = 1e-4;
/// Columns that name a scale.
const LABELS: [&str; 3] = ["scale", "name", "label"];
/// Columns of the total.
const TOTALS: [&str; 2] = ["tokens", "total"];

/// What the values of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Amounts,
    Weights,
    Multiples,
}

impl Kind {
    /// For the line that says how the table was read.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Amounts => "amounts in tokens",
            Self::Weights => "weights",
            Self::Multiples => "multiples of the uniform amount",
        }
    }
}

/// Optima by scale, in increasing total.
#[derive(Debug, Clone)]
pub struct Optima {
    pub domains: Vec<String>,
    pub kind: Kind,
    /// What the table calls each scale; its total where it has no name.
    pub labels: Vec<String>,
    pub scales: Vec<Scale>,
}

struct Row {
    /// Where it stands, for messages.
    place: String,
    label: Option<String>,
    total: Option<f64>,
    values: Vec<f64>,
}

/// Reads scales; a domain at `floor` times the uniform amount is marked as held there.
///
/// # Errors
/// [`TableError`] with all cells that cannot be used, or sums that fit no reading.
pub fn read(table: &Table, floor: Option<f64>) -> Result<Optima, TableError> {
    let find = |names: &[&str]| names.iter().find_map(|name| table.find(name));
    let (label, total) = (find(&LABELS), find(&TOTALS));
    let columns: Vec<usize> =
        (0..table.columns.len()).filter(|&c| Some(c) != label && Some(c) != total).collect();
    if columns.is_empty() {
        return Err(TableError::Contents {
            path: table.path.clone(),
            problem: "there is no column of a domain".into(),
            hint: "add a column a domain with its optimal tokens at each scale".into(),
        });
    }
    let rows = rows(table, label, total, &columns)?;
    let kind = kind(table, &rows)?;
    let mut scales: Vec<(Option<String>, Scale)> =
        rows.into_iter().map(|row| (row.label.clone(), scale(row, kind, floor))).collect();
    scales.sort_by(|left, right| left.1.total().total_cmp(&right.1.total()));
    let labels =
        scales.iter().map(|(label, scale)| label.clone().unwrap_or_else(|| tokens(scale.total())));
    Ok(Optima {
        domains: columns.iter().map(|&column| table.columns[column].clone()).collect(),
        kind,
        labels: labels.collect(),
        scales: scales.into_iter().map(|(_, scale)| scale).collect(),
    })
}

fn rows(
    table: &Table,
    label: Option<usize>,
    total: Option<usize>,
    columns: &[usize],
) -> Result<Vec<Row>, TableError> {
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for row in table.filled_rows() {
        match read_row(table, row, label, total, columns) {
            Ok(row) => rows.push(row),
            Err(problem) => problems.push(table.located(row, &problem)),
        }
    }
    if problems.is_empty() {
        Ok(rows)
    } else {
        Err(TableError::Rows { path: table.path.clone(), problems })
    }
}

fn read_row(
    table: &Table,
    row: usize,
    label: Option<usize>,
    total: Option<usize>,
    columns: &[usize],
) -> Result<Row, String> {
    let label = label.map(|column| table.cell(column, row));
    let total = total.map(|column| amount(table, column, row)).transpose()?;
    if total == Some(0.0) {
        return Err("its total is 0".into());
    }
    let values =
        columns.iter().map(|&column| amount(table, column, row)).collect::<Result<Vec<_>, _>>()?;
    if values.iter().sum::<f64>() == 0.0 {
        return Err("every domain has 0".into());
    }
    let label = match label {
        Some(Cell::Text(text)) => Some(text.clone()),
        Some(Cell::Number(number)) => Some(number.to_string()),
        Some(Cell::Blank) | None => None,
    };
    Ok(Row { place: table.place(row), label, total, values })
}

/// A finite amount of at least 0, with or without a unit.
fn amount(table: &Table, column: usize, row: usize) -> Result<f64, String> {
    let value = match table.cell(column, row) {
        Cell::Blank => Err("it is empty".into()),
        Cell::Number(number) if number.is_finite() => Ok(*number),
        Cell::Number(number) => Err(format!("`{number}` is not finite")),
        // A plain number may be 0, which an amount with a unit is never written for.
        Cell::Text(text) => values::number(text).or_else(|_| values::tokens(text)),
    };
    let value = value
        .and_then(|value| if value < 0.0 { Err(format!("{value} is below 0")) } else { Ok(value) });
    value.map_err(|problem| format!("column `{}`: {problem}", table.columns[column]))
}

/// The one reading that fits the sums of all rows.
fn kind(table: &Table, rows: &[Row]) -> Result<Kind, TableError> {
    let close = |sum: f64, expected: f64| (sum / expected - 1.0).abs() <= SUM_TOLERANCE;
    let fits = |kind: Kind, row: &Row| {
        let Some(total) = row.total else { return kind == Kind::Amounts };
        let sum: f64 = row.values.iter().sum();
        match kind {
            Kind::Amounts => close(sum, total),
            Kind::Weights => close(sum, 1.0),
            Kind::Multiples => close(sum, row.values.len() as f64),
        }
    };
    let kinds = [Kind::Amounts, Kind::Weights, Kind::Multiples];
    let found = kinds.into_iter().find(|kind| rows.iter().all(|row| fits(*kind, row)));
    found.ok_or_else(|| unclear(table, rows, |row| kinds.into_iter().any(|kind| fits(kind, row))))
}

fn unclear(table: &Table, rows: &[Row], fits: impl Fn(&Row) -> bool) -> TableError {
    let domains = rows.first().map_or(0, |row| row.values.len());
    let problem = match rows.iter().find(|row| !fits(row)) {
        Some(row) => {
            let sum: f64 = row.values.iter().sum();
            format!("{}: the domains sum to {}", row.place, tokens(sum))
        }
        None => "the rows hold different things".into(),
    };
    TableError::Contents {
        path: table.path.clone(),
        problem,
        hint: format!(
            "with a column `tokens` every row sums to it (amounts), to 1 (weights) or to {domains} (multiples of the uniform amount)"
        ),
    }
}

fn scale(row: Row, kind: Kind, floor: Option<f64>) -> Scale {
    let sum: f64 = row.values.iter().sum();
    let total = row.total.filter(|_| kind != Kind::Amounts).unwrap_or(sum);
    let amounts: Vec<f64> = match kind {
        Kind::Amounts => row.values,
        Kind::Weights => scaled(&row.values, 1.0, total),
        Kind::Multiples => scaled(&row.values, row.values.len() as f64, total),
    };
    let uniform = total / amounts.len() as f64;
    let is_floor = |floor: f64| {
        let at = |amount: &f64| (amount / uniform - floor).abs() <= FLOOR_TOLERANCE * floor;
        amounts.iter().map(at).collect()
    };
    Scale { at_floor: floor.map(is_floor).unwrap_or_default(), amounts, ..Scale::default() }
}

/// Amounts of `total` tokens from values whose sum is about `expected`.
fn scaled(values: &[f64], expected: f64, total: f64) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    let sum = if (sum / expected - 1.0).abs() <= AS_WRITTEN { expected } else { sum };
    values.iter().map(|value| value * total / sum).collect()
}
