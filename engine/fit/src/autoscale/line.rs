//! Lines in logarithms, and the positions of scales that make them fit best.
//!
//! Knows numbers only. Theorem 1 makes the amounts of all domains log-affine in one hidden coordinate t (the logarithm of
//! the optimum's multiplier), of which the scales are not told. Two scales are at 0 and 1; the positions of more are the
//! least-squares ones, found with the lines in turn (alternating least squares: the first principal component).

/// A line in ln: `exp(intercept + slope t)`, or nothing at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    intercept: f64,
    pub(super) slope: f64,
}

impl Line {
    pub(super) const NOTHING: Self = Self { intercept: f64::NEG_INFINITY, slope: 0.0 };

    pub(super) fn at(self, t: f64) -> f64 {
        (self.intercept + self.slope * t).exp()
    }

    pub(super) fn exists(self) -> bool {
        self.intercept.is_finite()
    }

    /// Sum of squares of `logs` about the line.
    pub(super) fn squares(self, t: &[f64], logs: &[f64]) -> f64 {
        let square = |(t, log): (&f64, &f64)| (self.intercept + self.slope * t - log).powi(2);
        if t.len() == 2 { 0.0 } else { t.iter().zip(logs).map(square).sum() }
    }
}

/// The least-squares line of `logs` in t; nothing where one is not finite (the logarithm of no tokens).
pub(super) fn fit(t: &[f64], logs: &[f64]) -> Line {
    if !logs.iter().all(|log| log.is_finite()) {
        return Line::NOTHING;
    }
    let count = t.len() as f64;
    let (mean_t, mean_log) = (t.iter().sum::<f64>() / count, logs.iter().sum::<f64>() / count);
    let covariance: f64 = t.iter().zip(logs).map(|(t, l)| (t - mean_t) * (l - mean_log)).sum();
    let variance: f64 = t.iter().map(|t| (t - mean_t).powi(2)).sum();
    let slope = covariance / variance;
    Line { intercept: mean_log - slope * mean_t, slope }
}

/// Turns of the alternating least squares; each shrinks the error by the ratio of the two largest components.
const TURNS: usize = 100;

/// Positions of the scales, 0 at the first and 1 at the last, from each domain's `logs` over the scales.
pub(super) fn positions(log_totals: &[f64], logs: &[Vec<f64>]) -> Vec<f64> {
    let start = from_0_to_1(log_totals.to_vec());
    if start.len() == 2 {
        return start;
    }
    let mut t = start.clone();
    for _ in 0..TURNS {
        t = from_0_to_1(closest(&t, logs));
    }
    let usable = t.windows(2).all(|pair| pair[0] < pair[1]);
    if usable { t } else { start }
}

/// The position of each scale that is closest to the lines through the old ones.
fn closest(t: &[f64], logs: &[Vec<f64>]) -> Vec<f64> {
    let lines: Vec<(Line, &Vec<f64>)> =
        logs.iter().map(|logs| (fit(t, logs), logs)).filter(|(line, _)| line.exists()).collect();
    let steepness: f64 = lines.iter().map(|(line, _)| line.slope * line.slope).sum();
    let position = |scale: usize| {
        let pull = |(line, logs): &(Line, &Vec<f64>)| line.slope * (logs[scale] - line.intercept);
        lines.iter().map(pull).sum::<f64>() / steepness
    };
    (0..t.len()).map(position).collect()
}

fn from_0_to_1(values: Vec<f64>) -> Vec<f64> {
    let (first, last) = (values[0], values[values.len() - 1]);
    values.iter().map(|value| (value - first) / (last - first)).collect()
}
