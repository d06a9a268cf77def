//! Rows of a table of losses: mixtures, scales and what was measured, in an order that names and numbers alone decide.
//!
//! Knows names and numbers; not files, nor what is fitted to them.

use serde::{Deserialize, Serialize};

use super::error::LawError;

/// One training (or a mean of several) and its losses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Row {
    /// What messages call the row.
    pub name: String,
    /// Share of each training domain; at least 0, of sum 1.
    pub weights: Vec<f64>,
    /// Tokens trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<f64>,
    /// Parameters of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<f64>,
    /// Mean token cross-entropy of each validation domain in nats; `None` where it was not measured.
    pub losses: Vec<Option<f64>>,
    /// Seed or group: rows of one cluster may share noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// How many trainings the row averages; above 0.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

impl Row {
    /// A row of weights and losses.
    #[must_use]
    pub fn new(name: impl Into<String>, weights: Vec<f64>, losses: &[f64]) -> Self {
        let losses = losses.iter().map(|loss| Some(*loss)).collect();
        Self { name: name.into(), weights, losses, weight: 1.0, ..Self::default() }
    }

    /// A row of token amounts, whose sum is its tokens.
    #[must_use]
    pub fn from_amounts(name: impl Into<String>, amounts: &[f64], losses: &[f64]) -> Self {
        let total: f64 = amounts.iter().sum();
        Self::new(name, amounts.iter().map(|n| n / total).collect(), losses).tokens(total)
    }

    #[must_use]
    pub fn tokens(mut self, tokens: f64) -> Self {
        self.tokens = Some(tokens);
        self
    }

    #[must_use]
    pub fn size(mut self, size: f64) -> Self {
        self.size = Some(size);
        self
    }

    #[must_use]
    pub fn cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = Some(cluster.into());
        self
    }

    /// Numbers first, names last: what the order of rows rests on.
    fn key(&self) -> impl Iterator<Item = f64> + '_ {
        let scales = [self.tokens.unwrap_or(-1.0), self.size.unwrap_or(-1.0), self.weight];
        let losses = self.losses.iter().map(|loss| loss.unwrap_or(-1.0));
        self.weights.iter().copied().chain(scales).chain(losses)
    }

    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let numbers = self.key().zip(other.key()).map(|(p, q)| p.total_cmp(&q));
        let first = numbers.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then);
        first
            .then_with(|| self.cluster.cmp(&other.cluster))
            .then_with(|| self.name.cmp(&other.name))
    }
}

/// A checked table in canonical order: training and validation domains by name, rows by their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Observations {
    domains: Vec<String>,
    validation: Vec<String>,
    rows: Vec<Row>,
}

/// How far a row's weights may be from summing to 1 before it is refused.
pub const SUM_TOLERANCE: f64 = 1e-6;

impl Observations {
    /// Checks and sorts. Weights of every row are divided by their sum.
    ///
    /// # Errors
    /// [`LawError::Table`] names the row and the value that is not usable, or the name given twice.
    pub fn new(
        domains: Vec<String>,
        validation: Vec<String>,
        rows: Vec<Row>,
    ) -> Result<Self, LawError> {
        let domain_order = sorted_order(&domains, "training domain")?;
        let validation_order = sorted_order(&validation, "validation domain")?;
        check_scales(&rows)?;
        let mut canonical = Vec::with_capacity(rows.len());
        for mut row in rows {
            check(&row, domains.len(), validation.len())?;
            let weights: Vec<f64> = domain_order.iter().map(|&j| row.weights[j]).collect();
            let sum: f64 = weights.iter().sum();
            row.weights = weights.iter().map(|w| w / sum).collect();
            row.losses = validation_order.iter().map(|&v| row.losses[v]).collect();
            canonical.push(row);
        }
        canonical.sort_by(Row::compare);
        let pick = |order: &[usize], names: &[String]| -> Vec<String> {
            order.iter().map(|&k| names[k].clone()).collect()
        };
        Ok(Self {
            domains: pick(&domain_order, &domains),
            validation: pick(&validation_order, &validation),
            rows: canonical,
        })
    }

    /// Training domains, sorted.
    #[must_use]
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Validation domains, sorted.
    #[must_use]
    pub fn validation(&self) -> &[String] {
        &self.validation
    }

    /// Rows in canonical order, their lists in the order of the sorted names.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The same table with only some rows, in the order given.
    pub(crate) fn with_rows(&self, rows: Vec<Row>) -> Self {
        Self { domains: self.domains.clone(), validation: self.validation.clone(), rows }
    }
}

fn sorted_order(names: &[String], what: &str) -> Result<Vec<usize>, LawError> {
    if names.is_empty() {
        return Err(LawError::table(format!("the table has no {what}; give at least one")));
    }
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by(|p, q| names[*p].cmp(&names[*q]));
    match order.windows(2).find(|pair| names[pair[0]] == names[pair[1]]) {
        Some(pair) => Err(LawError::table(format!(
            "the {what} `{}` is given twice; names join columns, so each must be given once",
            names[pair[0]]
        ))),
        None => Ok(order),
    }
}

/// Tokens, and size, are known of all rows or of none: a law has no value where one is missing.
fn check_scales(rows: &[Row]) -> Result<(), LawError> {
    for (what, value) in
        [("tokens", (|row| row.tokens) as fn(&Row) -> Option<f64>), ("a size", |row| row.size)]
    {
        let known = rows.iter().filter(|row| value(row).is_some()).count();
        let missing = rows.iter().find(|row| value(row).is_none());
        if let Some(row) = missing.filter(|_| known > 0) {
            return Err(LawError::table(format!(
                "`{}` has no {what} while {known} other rows have; give {what} to every row or to none",
                row.name
            )));
        }
    }
    Ok(())
}

fn check(row: &Row, domains: usize, validation: usize) -> Result<(), LawError> {
    let name = &row.name;
    if row.weights.len() != domains || row.losses.len() != validation {
        return Err(LawError::table(format!(
            "`{name}` has {} weights and {} losses where {domains} and {validation} are expected; give one per domain",
            row.weights.len(),
            row.losses.len()
        )));
    }
    if let Some(weight) = row.weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
        return Err(LawError::table(format!(
            "`{name}` has the weight {weight}; weights must be finite and at least 0"
        )));
    }
    let sum: f64 = row.weights.iter().sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(LawError::table(format!(
            "the weights of `{name}` sum to {sum}; make them sum to 1"
        )));
    }
    let positive = |what: &str, value: f64| match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(LawError::table(format!(
            "`{name}` has {what} {value}; it must be finite and above 0"
        ))),
    };
    row.tokens.map_or(Ok(()), |tokens| positive("tokens of", tokens))?;
    row.size.map_or(Ok(()), |size| positive("a size of", size))?;
    positive("a weight (number of trainings) of", row.weight)?;
    row.losses.iter().flatten().try_for_each(|loss| positive("a loss of", *loss))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_and_numbers_decide_the_order() {
        let table = |domains: &[&str], rows: Vec<Row>| {
            Observations::new(names(domains), names(&["v", "u"]), rows).unwrap()
        };
        let (p, q) = (
            Row::new("p", vec![0.25, 0.75], &[1.0, 2.0]),
            Row::new("q", vec![0.5, 0.5], &[3.0, 4.0]),
        );
        let one = table(&["b", "a"], vec![p.clone(), q.clone()]);
        assert_eq!(one, table(&["b", "a"], vec![q.clone(), p.clone()]));
        let flipped =
            |row: Row| Row { weights: row.weights.iter().rev().copied().collect(), ..row };
        assert_eq!(one, table(&["a", "b"], vec![flipped(q), flipped(p)]));
        assert_eq!(one.domains(), ["a", "b"]);
        assert_eq!(one.rows()[0].losses, [Some(4.0), Some(3.0)]);
    }

    #[test]
    fn bad_tables_are_refused_with_what_to_do() {
        let check = |rows: Vec<Row>, expected: &str| {
            let error = Observations::new(names(&["a", "b"]), names(&["v"]), rows).unwrap_err();
            let words = error.to_string();
            assert!(words.contains(expected) && words.contains("; "), "{words}");
        };
        let row = |weights: &[f64], loss: f64| Row::new("r1", weights.to_vec(), &[loss]);
        check(vec![row(&[0.5, 0.4], 1.0)], "`r1` sum to 0.9");
        check(vec![row(&[1.5, -0.5], 1.0)], "the weight -0.5");
        check(vec![row(&[1.0], 1.0)], "1 weights and 1 losses");
        check(vec![row(&[0.5, 0.5], f64::NAN)], "a loss of NaN");
        check(
            vec![row(&[0.5, 0.5], 1.0).tokens(1e9), row(&[0.5, 0.5], 1.0)],
            "`r1` has no tokens while 1",
        );
        let twice = Observations::new(names(&["a", "a"]), names(&["v"]), Vec::new()).unwrap_err();
        assert!(twice.to_string().contains("`a` is given twice"));
    }
}
