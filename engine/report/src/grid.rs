//! A table before it is drawn: the terminal, Markdown and HTML render the same one.

/// A titled table. Rows have as many cells as there are columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    /// A sentence, names in backticks.
    pub title: String,
    /// What the first column lists.
    pub corner: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// Below the table, sentences.
    pub notes: Vec<String>,
}

/// Head of a column: a name, and a scale or unit under it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub name: String,
    pub sub: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub label: String,
    /// Place among the study's domains, for a row that is a domain.
    pub domain: Option<usize>,
    /// Sums up the rows above.
    pub summary: bool,
    pub cells: Vec<Cell>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub text: String,
    /// Best of its row.
    pub best: bool,
}

impl Cell {
    pub fn new(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), best: false }
    }
}

impl Column {
    pub fn new(name: impl Into<String>, sub: impl Into<String>) -> Column {
        Column { name: name.into(), sub: sub.into() }
    }
}

/// A row of numbers, its smallest marked where there is something to choose from.
pub(crate) fn lower_is_better(
    values: &[Option<f64>],
    show: impl Fn(Option<f64>) -> String,
) -> Vec<Cell> {
    let best = values.iter().flatten().copied().reduce(f64::min);
    let choice = values.iter().flatten().count() > 1;
    let cells = values.iter();
    cells.map(|&v| Cell { text: show(v), best: choice && v.is_some() && v == best }).collect()
}
