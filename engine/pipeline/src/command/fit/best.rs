//! The best of the rows that were measured: of one scale, since at more tokens or in a larger model any mixture is better.

use mixmake_fit::mixing::{Goal, GoalKind, Observations, Problem, Row};

/// Tokens or sizes within a hundredth are one scale: whole samples make amounts differ by less.
const SAME_SCALE: f64 = 0.01;

/// The best row at the scale of the answer.
pub(super) struct Best {
    pub row: String,
    pub value: f64,
    /// Rows of that scale that have every loss that counts.
    pub among: usize,
}

impl Best {
    /// None where no row of the scale has every loss that counts.
    pub fn new(observations: &Observations, problem: &Problem) -> Option<Self> {
        let rows = observations.rows().iter();
        let rows: Vec<&Row> = rows.filter(|row| is_at(row, problem.tokens, problem.size)).collect();
        let names = observations.validation();
        let among = rows.iter().filter(|row| value(row, &problem.goal, names).is_some()).count();
        let (row, value) = of(&rows, &problem.goal, names)?;
        Some(Self { row: row.name.clone(), value, among })
    }
}

/// Whether a row was trained at a scale; what is not said of the scale or the row is the same for all rows.
pub(super) fn is_at(row: &Row, tokens: Option<f64>, size: Option<f64>) -> bool {
    let same = |own: Option<f64>, asked: Option<f64>| match (own, asked) {
        (Some(own), Some(asked)) => (own - asked).abs() <= SAME_SCALE * asked,
        _ => true,
    };
    same(row.tokens, tokens) && same(row.size, size)
}

/// The row of least measured goal.
pub(super) fn of<'r>(rows: &[&'r Row], goal: &Goal, names: &[String]) -> Option<(&'r Row, f64)> {
    let scored = rows.iter().filter_map(|row| Some((*row, value(row, goal, names)?)));
    scored.min_by(|one, other| one.1.total_cmp(&other.1))
}

/// The goal of a row's losses; none where one that counts is blank.
fn value(row: &Row, goal: &Goal, names: &[String]) -> Option<f64> {
    let counts = |name: &String| {
        goal.importance.is_empty() || goal.importance.get(name).is_some_and(|w| *w > 0.0)
    };
    let pairs = names.iter().zip(&row.losses);
    // What does not count may be blank.
    let losses: Option<Vec<f64>> =
        pairs.map(|(name, loss)| if counts(name) { *loss } else { Some(f64::NAN) }).collect();
    Some(measured(goal, names, &losses?))
}

/// The goal of losses that were measured.
pub(super) fn measured(goal: &Goal, names: &[String], losses: &[f64]) -> f64 {
    let weight = |name: &String| match goal.importance.is_empty() {
        true => 1.0,
        false => goal.importance.get(name).copied().unwrap_or(0.0),
    };
    let counted: Vec<(f64, f64)> = names
        .iter()
        .map(weight)
        .zip(losses.iter().copied())
        .filter(|(weight, _)| *weight > 0.0)
        .collect();
    let total: f64 = counted.iter().map(|(weight, _)| weight).sum();
    match goal.kind {
        GoalKind::WorstLoss => {
            counted.iter().map(|(_, loss)| *loss).fold(f64::NEG_INFINITY, f64::max)
        }
        GoalKind::MeanLoss => {
            counted.iter().map(|(weight, loss)| weight * loss).sum::<f64>() / total
        }
        GoalKind::MeanPerplexity => {
            counted.iter().map(|(weight, loss)| weight * loss.exp()).sum::<f64>() / total
        }
    }
}
