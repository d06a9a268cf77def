//! Rows of a table of mixtures to runs, under the policies for blanks, sums and duplicates.

use std::collections::{HashMap, HashSet};

use mixmake_manifest::units;

use super::super::error::list;
use super::super::text::tokens;
use super::super::{Cell, TableError, values};
use super::roles::{MixtureKind, Roles, Target};
use super::sources::{ColumnRef, Sources};
use super::{OnBlank, OnDuplicate, OnSum, Policies, Run};

/// Relative slack of sums of numbers that are not rounded.
const ROUNDING: f64 = 1e-6;
/// Relative difference below which two mixtures are one: what normalising leaves.
const SAME: f64 = 1e-12;
/// Places of rows that a note shows.
const SHOWN: usize = 3;

/// Runs and what to know of them.
pub(super) struct Read {
    pub runs: Vec<Run>,
    pub notes: Vec<String>,
}

/// Reads every row.
pub(super) fn read(
    sources: &Sources,
    roles: &Roles,
    policies: Policies,
) -> Result<Read, TableError> {
    let mut reader = Reader {
        sources,
        roles,
        policies,
        unit: Unit::of(sources, roles),
        problems: Vec::new(),
        blank: Vec::new(),
        off: Vec::new(),
        normalised: 0,
    };
    let rows: Vec<(usize, Run)> =
        (0..sources.rows()).filter_map(|row| Some((row, reader.run(row)?))).collect();
    if !reader.problems.is_empty() {
        return Err(sources.problems(reader.problems, reader.unit.hint()));
    }
    let mut notes = reader.notes();
    if rows.is_empty() {
        return Err(sources.contents("no row is left", "see what was left out, and why, above"));
    }
    let runs = duplicates(sources, roles, policies.on_duplicate, rows, &mut notes)?;
    Ok(Read { runs, notes })
}

/// What weights sum to, and how exactly.
#[derive(Debug, Clone, Copy)]
struct Unit {
    sum: f64,
    /// Most that rounding of the cells explains.
    slack: f64,
}

impl Unit {
    fn of(sources: &Sources, roles: &Roles) -> Self {
        let columns = || roles.mixture.iter().map(|each| each.column);
        let cells = || (0..sources.rows()).flat_map(move |row| columns().map(move |c| (c, row)));
        let decimals = cells().map(|(column, row)| decimals(sources.cell(column, row))).max();
        let sums: Vec<f64> = (0..sources.rows())
            .map(|row| columns().filter_map(|column| number(sources.cell(column, row)).ok()).sum())
            .collect();
        let near = |sum: f64, whole: f64| (sum / whole - 1.0).abs() < 0.05;
        let percent = !sums.is_empty() && sums.iter().all(|sum| near(*sum, 100.0));
        let rounded = 0.5 * 10f64.powi(-decimals.unwrap_or(0)) * roles.mixture.len() as f64;
        let sum = if percent { 100.0 } else { 1.0 };
        Self { sum, slack: f64::max(rounded * (1.0 + ROUNDING), ROUNDING * sum) }
    }

    fn hint(self) -> &'static str {
        "correct them, or say what to do: `--on-blank skip-row|skip-cell`, `--on-sum normalise|skip-row`"
    }
}

/// Digits after the point; of a number that is no text as many as matter.
fn decimals(cell: &Cell) -> i32 {
    match cell {
        Cell::Blank => 0,
        // A Parquet file of rounded weights has them as they would be written.
        Cell::Number(number) => written(&number.to_string()),
        Cell::Text(text) if text.contains(['e', 'E']) => 7,
        Cell::Text(text) => written(text),
    }
}

/// Digits behind the point of a number as it is written.
fn written(number: &str) -> i32 {
    let digits = number.split_once('.').map_or(0, |(_, after)| after.len().min(15));
    digits.try_into().unwrap_or(15)
}

fn number(cell: &Cell) -> Result<f64, String> {
    match cell {
        Cell::Blank => Err("it is empty".into()),
        Cell::Number(number) if number.is_finite() => Ok(*number),
        Cell::Number(number) => Err(format!("`{number}` is not finite")),
        Cell::Text(text) => values::number(text),
    }
}

/// A number of at least 0, with or without a unit.
fn amount(cell: &Cell) -> Result<f64, String> {
    let value = match cell {
        // A plain number may be 0 or below, of which the latter has words of its own.
        Cell::Text(text) => values::number(text).or_else(|_| units::amount(text)),
        other => number(other),
    }?;
    if value < 0.0 { Err(format!("{value} is below 0")) } else { Ok(value) }
}

struct Reader<'t> {
    sources: &'t Sources,
    roles: &'t Roles,
    policies: Policies,
    unit: Unit,
    problems: Vec<String>,
    /// Rows with a blank that is left out, with their row or alone.
    blank: Vec<usize>,
    /// Rows whose weights miss the sum.
    off: Vec<usize>,
    /// Rows normalised within rounding.
    normalised: usize,
}

impl Reader<'_> {
    /// The run of a row; none where it is left out or has a problem.
    fn run(&mut self, row: usize) -> Option<Run> {
        let before = self.problems.len();
        let is_blank = |column: &ColumnRef| *self.sources.cell(*column, row) == Cell::Blank;
        let roles = self.roles;
        let mut needed =
            roles.mixture.iter().map(|each| each.column).chain(roles.tokens).chain(roles.size);
        let mut targets = roles.targets.iter().map(|target| target.column);
        let blank = needed.any(|c| is_blank(&c)) || targets.any(|c| is_blank(&c));
        if blank && self.policies.on_blank == OnBlank::SkipRow {
            self.blank.push(row);
            return None;
        }
        let amounts: Vec<Option<f64>> =
            roles.mixture.iter().map(|each| self.take(each.column, row, amount)).collect();
        let tokens = self.scale(roles.tokens, row);
        let size = self.scale(roles.size, row);
        let losses: Vec<Option<f64>> =
            roles.targets.iter().map(|target| self.loss(target, row)).collect();
        if self.problems.len() > before {
            return None;
        }
        if blank {
            self.blank.push(row);
        }
        let amounts: Vec<f64> = amounts.into_iter().flatten().collect();
        let (weights, tokens) = self.mixture(row, amounts, tokens)?;
        Some(Run {
            name: self.name(row),
            weights,
            tokens,
            size,
            seed: roles.seed.and_then(|column| text(self.sources.cell(column, row))),
            losses,
            repeats: 1.0,
        })
    }

    fn name(&self, row: usize) -> String {
        let key = self.sources.key;
        match key.and_then(|key| Some((self.sources.name(key), text(self.sources.cell(key, row))?)))
        {
            Some((column, key)) => format!("{column} {key}"),
            None => self.sources.place(row),
        }
    }

    fn take(
        &mut self,
        column: ColumnRef,
        row: usize,
        read: impl Fn(&Cell) -> Result<f64, String>,
    ) -> Option<f64> {
        match read(self.sources.cell(column, row)) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(self.sources.at_cell(column, row, &problem));
                None
            }
        }
    }

    /// Tokens or parameters: above 0.
    fn scale(&mut self, column: Option<ColumnRef>, row: usize) -> Option<f64> {
        let positive = |cell: &Cell| match amount(cell)? {
            0.0 => Err("it must be above 0".to_owned()),
            value => Ok(value),
        };
        self.take(column?, row, positive)
    }

    /// A cross-entropy; a blank one only where the policy leaves cells out.
    fn loss(&mut self, target: &Target, row: usize) -> Option<f64> {
        let blank = *self.sources.cell(target.column, row) == Cell::Blank;
        if blank && self.policies.on_blank == OnBlank::SkipCell {
            return None;
        }
        let value = |cell: &Cell| match (number(cell)?, target.is_perplexity) {
            (value, true) if value > 1.0 => Ok(value.ln()),
            (value, true) => Err(format!("{} is no perplexity: it must be above 1", short(value))),
            (value, false) if value > 0.0 && value.exp().is_finite() => Ok(value),
            (value, false) => Err(format!(
                "{} is no cross-entropy in nats: it must be above 0 and below 709",
                short(value)
            )),
        };
        self.take(target.column, row, value)
    }

    /// Weights of sum 1, and the total.
    fn mixture(
        &mut self,
        row: usize,
        amounts: Vec<f64>,
        tokens: Option<f64>,
    ) -> Option<(Vec<f64>, Option<f64>)> {
        let sum: f64 = amounts.iter().sum();
        if !(sum > 0.0 && sum.is_finite()) {
            let problem =
                if sum > 0.0 { "its weights have no finite sum" } else { "every domain has 0" };
            self.problems.push(self.sources.at_row(row, problem));
            return None;
        }
        let weights = amounts.iter().map(|amount| amount / sum).collect();
        match (self.roles.kind, tokens) {
            (MixtureKind::Amounts, None) => return Some((weights, Some(sum))),
            (MixtureKind::Amounts, Some(total)) if (sum / total - 1.0).abs() <= 5e-3 => {
                return Some((weights, Some(total)));
            }
            (MixtureKind::Weights, _) if (sum - self.unit.sum).abs() <= self.unit.slack => {
                self.normalised += usize::from((sum - self.unit.sum).abs() > ROUNDING * sum);
                return Some((weights, tokens));
            }
            _ => {}
        }
        self.off.push(row);
        match self.policies.on_sum {
            OnSum::SkipRow => None,
            OnSum::Normalise => Some((weights, tokens)),
            OnSum::Fail => {
                self.problems.push(self.sources.at_row(row, &self.misses(sum, tokens)));
                None
            }
        }
    }

    fn misses(&self, sum: f64, total: Option<f64>) -> String {
        match (self.roles.kind, total) {
            (MixtureKind::Amounts, Some(total)) => {
                format!("the amounts sum to {}, not to its {} tokens", tokens(sum), tokens(total))
            }
            _ => format!(
                "the weights sum to {sum:.6}, not to {} within rounding ({:.2e})",
                self.unit.sum, self.unit.slack
            ),
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut add = |rows: &[usize], what: &str| {
            if !rows.is_empty() {
                notes.push(format!("{} {what} ({})", count(rows.len()), self.places(rows)));
            }
        };
        match self.policies.on_blank {
            OnBlank::SkipRow => add(&self.blank, "with a blank cell left out, as asked"),
            _ => add(&self.blank, "with a blank loss, which alone is left out, as asked"),
        }
        match self.policies.on_sum {
            OnSum::SkipRow => add(&self.off, "with another sum left out, as asked"),
            _ => add(&self.off, "with another sum divided by it, as asked"),
        }
        if self.unit.sum != 1.0 {
            notes.push("weights are in percent".into());
        }
        if self.normalised > 0 {
            notes.push(format!(
                "{} sum to 1 only within the rounding of their weights and are divided by their sum",
                count(self.normalised)
            ));
        }
        notes
    }

    fn places(&self, rows: &[usize]) -> String {
        let shown: Vec<String> =
            rows.iter().take(SHOWN).map(|row| self.sources.place(*row)).collect();
        let more = if rows.len() > SHOWN { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    }
}

/// A number in a message: not three hundred digits of it.
fn short(value: f64) -> String {
    if value == 0.0 || (1e-6..1e9).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

fn count(rows: usize) -> String {
    format!("{rows} row{}", if rows == 1 { "" } else { "s" })
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Blank => None,
        Cell::Text(text) => Some(text.clone()),
        Cell::Number(number) => Some(number.to_string()),
    }
}

/// Rows of one mixture, scale and seed.
fn duplicates(
    sources: &Sources,
    roles: &Roles,
    policy: OnDuplicate,
    rows: Vec<(usize, Run)>,
    notes: &mut Vec<String>,
) -> Result<Vec<Run>, TableError> {
    let groups = grouped(rows);
    let repeated: Vec<&Vec<(usize, Run)>> = groups.iter().filter(|group| group.len() > 1).collect();
    let places = |group: &[(usize, Run)]| {
        let places: Vec<String> = group.iter().map(|(row, _)| sources.place(*row)).collect();
        list(&places).replace('`', "")
    };
    if policy == OnDuplicate::Fail && !repeated.is_empty() {
        let what =
            if roles.seed.is_some() { "mixture, scale and seed" } else { "mixture and scale" };
        let problems =
            repeated.iter().map(|group| format!("{} have the same {what}", places(group)));
        let hint = "leave one out, or say what they are: `--on-duplicate keep|mean|first`";
        return Err(sources.problems(problems.collect(), hint));
    }
    for group in &repeated {
        let mut seen = HashSet::new();
        let bits = |run: &Run| -> Vec<Option<u64>> {
            run.losses.iter().map(|loss| loss.map(f64::to_bits)).collect()
        };
        if group.iter().any(|(_, run)| !seen.insert(bits(run))) {
            notes.push(format!(
                "{} hold the same run with the same losses; a run given twice makes the noise look smaller than it is (`--on-duplicate first` takes one)",
                places(group)
            ));
        }
    }
    if let (Some(first), true) = (repeated.first(), policy != OnDuplicate::Keep) {
        let what = if policy == OnDuplicate::Mean { "averaged" } else { "reduced to their first" };
        let runs = repeated.len();
        notes.push(format!("{runs} repeated runs {what}, as asked ({}, …)", places(first)));
    }
    Ok(match policy {
        OnDuplicate::Keep | OnDuplicate::Fail => ungroup(groups),
        OnDuplicate::First => {
            groups.into_iter().filter_map(|mut group| Some(group.drain(..).next()?.1)).collect()
        }
        OnDuplicate::Mean => groups.iter().map(|group| mean(group)).collect(),
    })
}

/// Rows of the same run together, in the order of the first of each.
fn grouped(rows: Vec<(usize, Run)>) -> Vec<Vec<(usize, Run)>> {
    let mut groups: Vec<Vec<(usize, Run)>> = Vec::new();
    let mut drawers: HashMap<i64, Vec<usize>> = HashMap::new();
    for (row, run) in rows {
        let own = drawer(&run.weights);
        // Weights that agree lie in the same drawer or in neighbours.
        let near = (own - 1..=own + 1).filter_map(|key| drawers.get(&key)).flatten();
        match near.copied().filter(|&group| same_run(&groups[group][0].1, &run)).min() {
            Some(group) => groups[group].push((row, run)),
            None => {
                drawers.entry(own).or_default().push(groups.len());
                groups.push(vec![(row, run)]);
            }
        }
    }
    groups
}

/// Different mixtures lie in different drawers but for chance: a sum with unlike factors below 1, in steps of the most by which it
/// moves where every weight moves by [`SAME`].
fn drawer(weights: &[f64]) -> i64 {
    let factor = |place: usize| (0.618_034 * (place + 1) as f64).fract();
    let sum: f64 = weights.iter().enumerate().map(|(place, weight)| factor(place) * weight).sum();
    (sum / (SAME * weights.len().max(1) as f64)).floor() as i64
}

/// Back to the order of the table.
fn ungroup(groups: Vec<Vec<(usize, Run)>>) -> Vec<Run> {
    let mut rows: Vec<(usize, Run)> = groups.into_iter().flatten().collect();
    rows.sort_by_key(|(row, _)| *row);
    rows.into_iter().map(|(_, run)| run).collect()
}

fn same_run(one: &Run, other: &Run) -> bool {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= SAME;
    one.tokens == other.tokens
        && one.size == other.size
        && one.seed == other.seed
        && one.weights.iter().zip(&other.weights).all(near)
}

fn mean(group: &[(usize, Run)]) -> Run {
    let mean_of = |place: usize| {
        let known: Vec<f64> = group.iter().filter_map(|(_, run)| run.losses[place]).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    let first = &group[0].1;
    Run {
        losses: (0..first.losses.len()).map(mean_of).collect(),
        repeats: group.len() as f64,
        ..first.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_they_would_be_written_with() {
        let check = |cell: Cell, expected: i32| assert_eq!(decimals(&cell), expected, "{cell:?}");
        check(Cell::Number(0.123456), 6);
        check(Cell::Number(0.1 + 0.2), 15);
        check(Cell::Number(1.0), 0);
        check(Cell::Text("0.250".into()), 3);
        check(Cell::Text("2.5e-1".into()), 7);
        check(Cell::Blank, 0);
    }
}
