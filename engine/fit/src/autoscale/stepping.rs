//! Algorithm 2: whole steps until the total reaches the target.
//!
//! Two scales under the power law take `N3 = N2^2 / N1` as written, which keeps whole numbers whole; otherwise the path is
//! read at steps as long as the last two scales are apart.

use super::path::Path;
use super::{Amounts, Scale};
use crate::error::FitError;

const MOST_STEPS: usize = 1000;

/// The steps and the position on the path of the last.
pub(super) fn chain(
    scales: &[Scale],
    path: &Path,
    target: f64,
) -> Result<(f64, Vec<Amounts>), FitError> {
    let largest = scales.last().map_or(0.0, Scale::total);
    if largest >= target {
        return Err(FitError::TargetNotAbove { target, largest });
    }
    let mut chain: Vec<Amounts> = Vec::new();
    for step in 1..=MOST_STEPS {
        let position = 1.0 + path.last_step * step as f64;
        let amounts = match scales {
            [first, second] if !path.is_shifted() => squared(first, second, &chain, path),
            _ => path.amounts(position),
        };
        let next = Amounts::new(amounts);
        let (total, before) = (next.total, chain.last().map_or(largest, |last| last.total));
        if !total.is_finite() || total <= before {
            return Err(FitError::Unreachable { target, lowest: largest, highest: before });
        }
        chain.push(next);
        if total >= target {
            return Ok((position, chain));
        }
    }
    Err(FitError::TooManySteps { target, steps: MOST_STEPS })
}

/// `N3_j = N2_j^2 / N1_j` of the last two members of first, second, chain.
fn squared(first: &Scale, second: &Scale, chain: &[Amounts], path: &Path) -> Vec<f64> {
    let (before, last) = match chain {
        [] => (&first.amounts, &second.amounts),
        [only] => (&second.amounts, &only.amounts),
        [.., before, last] => (&before.amounts, &last.amounts),
    };
    let square =
        |(before, last): (&f64, &f64)| if *before == 0.0 { 0.0 } else { last * last / before };
    let mut amounts: Vec<f64> = before.iter().zip(last).map(square).collect();
    path.carry(&mut amounts);
    amounts
}
