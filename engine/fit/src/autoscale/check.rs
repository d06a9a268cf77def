//! Checks of what AutoScale is given, and the check of the law on a scale in the middle.

use super::path::Path;
use super::{Law, Scale};
use crate::error::{Domain, FitError};

pub(super) fn positive(what: &str, value: f64) -> Result<(), FitError> {
    number(what, value, value > 0.0, "finite and above 0")
}

fn number(what: &str, value: f64, inside: bool, requirement: &'static str) -> Result<(), FitError> {
    if value.is_finite() && inside {
        return Ok(());
    }
    Err(FitError::Number { what: what.into(), value, requirement })
}

pub(super) fn scales(scales: &[Scale], law: Law) -> Result<(), FitError> {
    let [first, _, ..] = scales else {
        return Err(FitError::TooFewScales { found: scales.len() });
    };
    if first.amounts.is_empty() {
        return Err(FitError::NoDomains);
    }
    for (index, scale) in scales.iter().enumerate() {
        lengths(index, scale, first.amounts.len())?;
        for &amount in &scale.amounts {
            number(
                &format!("an amount of scale {index}"),
                amount,
                amount >= 0.0,
                "finite and at least 0",
            )?;
        }
        for &shift in scale.shifts.iter().flatten() {
            positive(&format!("a shift of scale {index}"), shift)?;
        }
        if law == Law::Shifted && scale.shifts.is_none() {
            return Err(FitError::NoShift { scale: index });
        }
    }
    increasing(scales)?;
    emptiness(scales)
}

fn lengths(index: usize, scale: &Scale, expected: usize) -> Result<(), FitError> {
    let lists = [
        ("the amounts", Some(scale.amounts.len())),
        ("`at_floor`", Some(scale.at_floor.len()).filter(|length| *length > 0)),
        ("`held`", Some(scale.held.len()).filter(|length| *length > 0)),
        ("`shifts`", scale.shifts.as_ref().map(Vec::len)),
    ];
    for (what, length) in lists {
        if let Some(found) = length.filter(|length| *length != expected) {
            return Err(FitError::Length {
                what: format!("{what} of scale {index}"),
                expected,
                found,
            });
        }
    }
    Ok(())
}

fn increasing(scales: &[Scale]) -> Result<(), FitError> {
    match scales.windows(2).position(|pair| pair[1].total() <= pair[0].total()) {
        Some(before) => Err(FitError::ScalesNotIncreasing { scale: before + 1 }),
        None => Ok(()),
    }
}

/// A domain may be absent altogether, but has no logarithm where it is absent at some scales only.
fn emptiness(scales: &[Scale]) -> Result<(), FitError> {
    for domain in 0..scales[0].amounts.len() {
        let empty = |scale: &Scale| scale.amounts[domain] == 0.0;
        let first = scales.iter().position(empty);
        if let Some(scale) = first.filter(|_| !scales.iter().all(empty)) {
            return Err(FitError::EmptyScaleDomain { scale, domain: Domain(domain) });
        }
    }
    Ok(())
}

/// How far the power law through the outer scales misses an optimum found between them: `predicted / middle - 1` of
/// each domain, at the position on the path that the middle total has in ln(total) (for 0.3B, 0.6B and 1.2B this is the
/// geometric mean of the outer two). Nothing is carried and nothing renormalised.
///
/// # Errors
/// Those of [`super::predict`] for the three scales.
pub fn middle_check(first: &Scale, middle: &Scale, last: &Scale) -> Result<Vec<f64>, FitError> {
    scales(&[first.clone(), middle.clone(), last.clone()], Law::Power)?;
    let path = Path::new(&[first.clone(), last.clone()], Law::Power, &[]);
    let position = (middle.total() / first.total()).ln() / (last.total() / first.total()).ln();
    let predicted = path.amounts(position);
    let miss = |(predicted, found): (&f64, &f64)| {
        if *found == 0.0 { 0.0 } else { predicted / found - 1.0 }
    };
    Ok(predicted.iter().zip(&middle.amounts).map(miss).collect())
}
