//! Tables of losses: one row a run, with the domain it scaled, by which factor, and what it scored.
//!
//! The base run has no domain. Domains are joined by name in the order of their first row, never by
//! position. Rows of the same domain and factor are repeats over seeds.

use mixmake_fit::Domain;
use mixmake_fit::ddo::{Evidence, Measure, Objective};

use super::error::list;
use super::{Cell, Table, TableError, values};

/// Columns that describe a run and are no values of it.
const DESCRIPTIVE: [&str; 9] =
    ["domain", "factor", "mean", "seed", "run", "name", "step", "tokens", "key"];
/// A column that already holds the objective.
const MEAN: &str = "mean";
/// Relative difference between the column `mean` and the mean of the others that is more than rounding.
const MEAN_TOLERANCE: f64 = 1e-4;

/// How to read a table of losses.
#[derive(Debug, Clone)]
pub struct Reading<'a> {
    /// Columns to average; chosen by the table where empty.
    pub columns: &'a [String],
    pub measure: Measure,
    pub objective: Objective,
    /// Tokens of the base runs; multiples of the base amounts are all that is known without.
    pub tokens: Option<f64>,
    /// Weights of the base runs; uniform unless given.
    pub weights: Option<&'a [(String, f64)]>,
}

/// A table of losses, understood.
#[derive(Debug, Clone)]
pub struct LossTable {
    pub domains: Vec<String>,
    /// Columns that make the objective.
    pub columns: Vec<String>,
    /// Distinct factors, increasing.
    pub factors: Vec<f64>,
    pub evidence: Evidence,
    /// What a reader must know of the table.
    pub notes: Vec<String>,
}

/// One row: a run.
struct Row {
    /// Where it stands, for messages.
    place: String,
    /// Scaled domain and factor; none for a base run.
    change: Option<(usize, f64)>,
    values: Vec<f64>,
}

/// Reads the evidence of a DDO fit.
///
/// # Errors
/// [`TableError`] with all rows that cannot be used, a column that is not there, or no base run.
pub fn read(table: &Table, reading: &Reading<'_>) -> Result<LossTable, TableError> {
    let (domain, factor) = (table.require("domain")?, table.require("factor")?);
    let columns = columns(table, reading)?;
    let mut reader = Reader {
        table,
        domain,
        factor,
        columns: &columns,
        measure: reading.measure,
        domains: Vec::new(),
    };
    let rows = reader.rows()?;
    let domains = reader.domains;
    if domains.is_empty() || rows.iter().all(|row| row.change.is_some()) {
        return Err(not_an_experiment(table, domains.is_empty()));
    }
    let (domains, amounts) = amounts(domains, reading)?;
    let names: Vec<String> = columns.iter().map(|&column| table.columns[column].clone()).collect();
    let mut notes = identical(&rows, &domains);
    notes.extend(stale_mean(table, &columns));
    Ok(LossTable {
        factors: factors(&rows),
        evidence: evidence(reading.measure, &amounts, rows),
        domains,
        columns: names,
        notes,
    })
}

fn not_an_experiment(table: &Table, no_domains: bool) -> TableError {
    let (problem, hint) = if no_domains {
        (
            "no row names a domain",
            "every run but the base names the domain that it scaled, and the factor",
        )
    } else {
        (
            "there is no base run",
            "add the run that all others are compared with: a row with an empty `domain`",
        )
    };
    TableError::Contents { path: table.path.clone(), problem: problem.into(), hint: hint.into() }
}

/// Columns to average: those asked for, else `mean` where it is the objective, else every value column.
fn columns(table: &Table, reading: &Reading<'_>) -> Result<Vec<usize>, TableError> {
    if !reading.columns.is_empty() {
        return reading.columns.iter().map(|name| table.require(name.trim())).collect();
    }
    let same = matches!(
        (reading.measure, reading.objective),
        (Measure::Perplexity, Objective::MeanPerplexity)
            | (Measure::CrossEntropy, Objective::MeanCrossEntropy)
    );
    if let Some(mean) = table.find(MEAN).filter(|_| same) {
        return Ok(vec![mean]);
    }
    let values = value_columns(table);
    if values.is_empty() {
        return Err(TableError::Contents {
            path: table.path.clone(),
            problem: "there is no column of values".into(),
            hint: "add one a validation domain, or `mean`".into(),
        });
    }
    Ok(values)
}

/// Names of the columns of values; `mean` only where it is the only one.
#[must_use]
pub fn value_names(table: &Table) -> Vec<String> {
    let columns = value_columns(table);
    let mean = table.find(MEAN).into_iter().collect();
    let columns = if columns.is_empty() { mean } else { columns };
    columns.into_iter().map(|column| table.columns[column].clone()).collect()
}

fn value_columns(table: &Table) -> Vec<usize> {
    let described = |name: &str| DESCRIPTIVE.iter().any(|known| name.eq_ignore_ascii_case(known));
    (0..table.columns.len()).filter(|&column| !described(&table.columns[column])).collect()
}

struct Reader<'t> {
    table: &'t Table,
    domain: usize,
    factor: usize,
    columns: &'t [usize],
    measure: Measure,
    domains: Vec<String>,
}

impl Reader<'_> {
    fn rows(&mut self) -> Result<Vec<Row>, TableError> {
        let (mut rows, mut problems) = (Vec::new(), Vec::new());
        for row in self.table.filled_rows() {
            match self.row(row) {
                Ok(row) => rows.push(row),
                Err(problem) => problems.push(self.table.located(row, &problem)),
            }
        }
        if problems.is_empty() {
            return Ok(rows);
        }
        Err(TableError::Rows { path: self.table.path.clone(), problems })
    }

    fn row(&mut self, row: usize) -> Result<Row, String> {
        let change = self.change(row)?;
        let values = self.columns.iter().map(|&column| self.value(column, row));
        Ok(Row { place: self.table.place(row), change, values: values.collect::<Result<_, _>>()? })
    }

    fn change(&mut self, row: usize) -> Result<Option<(usize, f64)>, String> {
        let factor = self.factor_at(row)?;
        let name = match self.table.cell(self.domain, row) {
            Cell::Blank => None,
            Cell::Text(name) => Some(name.clone()),
            Cell::Number(number) => Some(number.to_string()),
        };
        match (name, factor) {
            (None, None) => Ok(None),
            (None, Some(1.0)) => Ok(None),
            (None, Some(factor)) => Err(format!("a factor of {factor} but no domain")),
            (Some(name), None) => Err(format!("domain `{name}` without a factor")),
            (Some(name), Some(1.0)) => {
                Err(format!("`{name}` at factor 1 is the base run; leave its domain empty"))
            }
            (Some(name), Some(factor)) => Ok(Some((self.place(name), factor))),
        }
    }

    fn factor_at(&self, row: usize) -> Result<Option<f64>, String> {
        let factor = match self.table.cell(self.factor, row) {
            Cell::Blank => return Ok(None),
            Cell::Number(number) => values::factor(&number.to_string()),
            Cell::Text(text) => values::factor(text),
        };
        factor
            .map(Some)
            .map_err(|problem| format!("column `{}`: {problem}", self.table.columns[self.factor]))
    }

    fn place(&mut self, name: String) -> usize {
        let known = self.domains.iter().position(|domain| *domain == name);
        known.unwrap_or_else(|| {
            self.domains.push(name);
            self.domains.len() - 1
        })
    }

    fn value(&self, column: usize, row: usize) -> Result<f64, String> {
        let name = &self.table.columns[column];
        let value = match self.table.cell(column, row) {
            Cell::Blank => Err("it is empty".into()),
            Cell::Number(number) if number.is_finite() => Ok(*number),
            Cell::Number(number) => Err(format!("`{number}` is not finite")),
            Cell::Text(text) => values::number(text),
        };
        let value = value.map_err(|problem| format!("column `{name}`: {problem}"))?;
        match self.measure {
            Measure::CrossEntropy if value <= 0.0 => {
                Err(format!("column `{name}`: {value} is no cross-entropy: it must be above 0"))
            }
            Measure::Perplexity if value <= 1.0 => Err(format!(
                "column `{name}`: {value} is no perplexity: it must be above 1 (`--measure cross-entropy`?)"
            )),
            _ => Ok(value),
        }
    }
}

/// Base amounts in tokens, or with a mean of 1 where the tokens are not known.
fn amounts(
    domains: Vec<String>,
    reading: &Reading<'_>,
) -> Result<(Vec<String>, Vec<f64>), TableError> {
    let (domains, weights) = match reading.weights {
        None => {
            let weight = 1.0 / domains.len() as f64;
            let weights = vec![weight; domains.len()];
            (domains, weights)
        }
        Some(weights) => {
            let value: Vec<_> =
                weights.iter().map(|(name, weight)| format!("{name}={weight}")).collect();
            let flag =
                |problem| TableError::Flag { flag: "--weights", value: value.join(","), problem };
            values::join_weights(weights, domains).map_err(flag)?
        }
    };
    let total = reading.tokens.unwrap_or(domains.len() as f64);
    let amounts = weights.iter().map(|weight| weight * total).collect();
    Ok((domains, amounts))
}

fn factors(rows: &[Row]) -> Vec<f64> {
    let mut factors: Vec<f64> = rows.iter().filter_map(|row| Some(row.change?.1)).collect();
    factors.sort_by(f64::total_cmp);
    factors.dedup();
    factors
}

fn evidence(measure: Measure, amounts: &[f64], rows: Vec<Row>) -> Evidence {
    let (mut base, mut perturbed) = (Vec::new(), Vec::new());
    for row in rows {
        match row.change {
            None => base.push(row.values),
            Some((domain, factor)) => perturbed.push((Domain(domain), factor, row.values)),
        }
    }
    Evidence::from_factors(measure, amounts, &base, &perturbed)
}

/// Runs of different seeds never score the very same: such rows are one run twice.
fn identical(rows: &[Row], domains: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let same = |other: &&Row| other.change == row.change && other.values == row.values;
        if let Some(first) = rows[..place].iter().find(same) {
            let run = match row.change {
                None => "the base run".to_owned(),
                Some((domain, factor)) => format!("`{}` at {factor}", domains[domain]),
            };
            notes.push(format!(
                "{} and {} are identical ({run}); one run given twice makes the noise look smaller than it is",
                first.place, row.place
            ));
        }
    }
    notes
}

/// A `mean` that is not the mean of the table's own columns was computed from something else.
fn stale_mean(table: &Table, columns: &[usize]) -> Option<String> {
    let mean = table.find(MEAN).filter(|mean| columns == [*mean])?;
    let values = value_columns(table);
    let number = |column: usize, row: usize| match table.cell(column, row) {
        Cell::Blank => None,
        Cell::Number(number) => Some(*number),
        Cell::Text(text) => values::number(text).ok(),
    };
    let off = |row: &usize| {
        let cells: Option<Vec<f64>> = values.iter().map(|&column| number(column, *row)).collect();
        let (cells, mean) = (cells?, number(mean, *row)?);
        let average = cells.iter().sum::<f64>() / cells.len() as f64;
        (average.is_finite() && (mean / average - 1.0).abs() > MEAN_TOLERANCE)
            .then_some((mean, average))
    };
    let rows: Vec<usize> = (0..table.rows()).filter(|row| off(row).is_some()).collect();
    let first = *rows.first()?;
    let (given, average) = off(&first)?;
    Some(format!(
        "`mean` is the objective, but in {} of {} rows it is not the mean of the other columns ({}: {given} for {average:.6}); `--columns` chooses others",
        rows.len(),
        table.rows(),
        table.place(first)
    ))
}

/// Refuses factors that no row has.
///
/// # Errors
/// The first such factor, with those that the table has.
pub fn check_factors(table: &LossTable, wanted: &[f64]) -> Result<(), TableError> {
    let has = |factor: f64| {
        table.factors.iter().any(|known| (known - factor).abs() <= 0.02 * factor.max(*known))
    };
    let Some(absent) = wanted.iter().find(|factor| !has(**factor)) else { return Ok(()) };
    let known: Vec<String> = table.factors.iter().map(f64::to_string).collect();
    Err(TableError::Flag {
        flag: "--factors",
        value: absent.to_string(),
        problem: format!("no row has this factor; the table has {}", known.join(", ")),
    })
}

/// The objective in words, with the columns it is over where a table has them.
#[must_use]
pub fn objective_in_words(objective: Objective, columns: &[String]) -> String {
    let what = match objective {
        Objective::MeanPerplexity => "mean perplexity",
        Objective::MeanCrossEntropy => "mean cross-entropy",
    };
    match columns {
        [] => what.to_owned(),
        [only] => format!("{what}, column {}", list(std::slice::from_ref(only))),
        _ => format!("{what} over {}", list(columns)),
    }
}
