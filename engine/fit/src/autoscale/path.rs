//! The path of amounts through the scales: one line per domain in logarithms.
//!
//! Knows the lines and how to find a total on them; not how the scales were checked.

use super::line::{self, Line};
use super::{Amounts, Law, Scale};
use crate::error::{Domain, FitError};

/// Amounts along t, which is 0 at the smallest and 1 at the largest scale.
pub(super) struct Path {
    /// Of `N_j`, or of `N0_j + N_j` under the shifted law.
    reach: Vec<Line>,
    /// Of `N0_j`; nothing under the power law.
    shift: Vec<Line>,
    /// Share of the total of each carried domain, else `None`.
    pub(super) carried: Vec<Option<f64>>,
    pub(super) rms_log: f64,
    /// ln of the growth of the total from t = 0 to 1.
    log_growth: f64,
    /// ln of the growth of the total over the last two scales, in units of t.
    pub(super) last_step: f64,
}

impl Path {
    /// The path through checked scales.
    pub(super) fn new(scales: &[Scale], law: Law, carried: &[Domain]) -> Self {
        let last = scales.len() - 1;
        let shift_of = |scale: &Scale, j: usize| match (law, &scale.shifts) {
            (Law::Shifted, Some(shifts)) => shifts[j],
            _ => 0.0,
        };
        let reach_of = |scale: &Scale, j: usize| match scale.amounts[j] {
            0.0 => 0.0,
            amount => amount + shift_of(scale, j),
        };
        let domains = 0..scales[0].amounts.len();
        let logs = |value: &dyn Fn(&Scale, usize) -> f64| -> Vec<Vec<f64>> {
            let over = |j: usize| scales.iter().map(|scale| value(scale, j).ln()).collect();
            domains.clone().map(over).collect()
        };
        let (reach_logs, shift_logs) = (logs(&reach_of), logs(&shift_of));
        let share = |scale: &Scale, j: usize| scale.amounts[j] / scale.total();
        let carried: Vec<Option<f64>> = domains
            .clone()
            .map(|j| carried.contains(&Domain(j)).then(|| share(&scales[last], j)))
            .collect();
        let log_totals: Vec<f64> = scales.iter().map(|scale| scale.total().ln()).collect();
        let followed: Vec<Vec<f64>> = domains
            .filter(|&j| carried[j].is_none() && scales[0].amounts[j] > 0.0)
            .map(|j| reach_logs[j].clone())
            .collect();
        let t = line::positions(&log_totals, &followed);
        let squares: f64 = followed.iter().map(|logs| line::fit(&t, logs).squares(&t, logs)).sum();
        Self {
            rms_log: (squares / (followed.len() * scales.len()) as f64).sqrt(),
            reach: reach_logs.iter().map(|logs| line::fit(&t, logs)).collect(),
            shift: shift_logs.iter().map(|logs| line::fit(&t, logs)).collect(),
            carried,
            log_growth: log_totals[last] - log_totals[0],
            last_step: 1.0 - t[last - 1],
        }
    }

    /// Growth of each domain, `d ln reach / d ln total`; 1 for a carried one.
    pub(super) fn growth(&self) -> Vec<f64> {
        let of = |(line, carried): (&Line, &Option<f64>)| match carried {
            Some(_) => 1.0,
            None => line.slope / self.log_growth,
        };
        self.reach.iter().zip(&self.carried).map(of).collect()
    }

    /// Amounts at t; carried domains get their share of the total that results.
    pub(super) fn amounts(&self, t: f64) -> Vec<f64> {
        let amount = |j: usize| (self.reach[j].at(t) - self.shift[j].at(t)).max(0.0);
        let mut amounts: Vec<f64> = (0..self.reach.len()).map(amount).collect();
        self.carry(&mut amounts);
        amounts
    }

    /// Sets carried domains to their shares of a total to which the others contribute the rest.
    pub(super) fn carry(&self, amounts: &mut [f64]) {
        let kept: f64 = self.carried.iter().flatten().sum();
        let others = amounts.iter().zip(&self.carried).filter(|(_, c)| c.is_none()).map(|(n, _)| n);
        let total = others.sum::<f64>() / (1.0 - kept);
        for (amount, share) in amounts.iter_mut().zip(&self.carried) {
            if let Some(share) = share {
                *amount = share * total;
            }
        }
    }

    /// Whether the shifted law leaves a domain nothing at t.
    pub(super) fn emptied(&self, domain: usize, t: f64) -> bool {
        self.reach[domain].exists() && self.reach[domain].at(t) <= self.shift[domain].at(t)
    }

    /// Whether N0 plays a part.
    pub(super) fn is_shifted(&self) -> bool {
        self.shift.iter().any(|line| line.exists())
    }

    fn total(&self, t: f64) -> f64 {
        self.amounts(t).iter().sum()
    }

    /// The t of a total, to the last bit: beyond the largest scale the first t that reaches it.
    pub(super) fn position(&self, target: f64) -> Result<f64, FitError> {
        // ln(total) along the path is near t ln(growth); this allows a path twice as slow and more.
        let guess = (target / self.total(1.0)).ln() / self.log_growth;
        let reach = 4.0 * guess.abs() + 4.0;
        let (mut low, mut high) = if target >= self.total(1.0) {
            (1.0, 1.0 + reach)
        } else if target >= self.total(0.0) {
            (0.0, 1.0)
        } else {
            (-reach, 0.0)
        };
        let (lowest, highest) = (self.total(low), self.total(high));
        if !(lowest <= target && target <= highest) {
            return Err(FitError::Unreachable { target, lowest, highest });
        }
        loop {
            let middle = f64::midpoint(low, high);
            if middle <= low || middle >= high {
                return Ok(middle);
            }
            if self.total(middle) < target {
                low = middle;
            } else {
                high = middle;
            }
        }
    }

    /// Amounts at t scaled by what rounding of t left, so that they sum to the target.
    pub(super) fn exactly(&self, t: f64, target: f64) -> Amounts {
        let amounts = self.amounts(t);
        let scale = target / amounts.iter().sum::<f64>();
        Amounts::new(amounts.iter().map(|n| n * scale).collect())
    }
}
