//! From runs to points: which domain each run perturbs, by which factor, and the mean over repeats.
//!
//! Knows amounts and values; nothing of laws.

use super::{Evidence, Measure, Objective, Options, Run};
use crate::error::{Domain, FitError};

/// Relative difference within which a run's factor is one of those asked for.
const FACTOR_TOLERANCE: f64 = 0.02;

/// Runs of one domain at one factor.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) x: f64,
    /// Objectives of the runs.
    pub(super) objectives: Vec<f64>,
}

/// The evidence, understood.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    pub(super) base_amounts: Vec<f64>,
    /// Objectives of the base runs.
    pub(super) base: Vec<f64>,
    /// Their mean, L0.
    pub(super) base_objective: f64,
    /// Per domain, in increasing x, without the base.
    pub(super) groups: Vec<Vec<Group>>,
    /// Runs in which the other domains moved too.
    pub(super) others_changed: usize,
    /// Runs that the choice of factors leaves out.
    pub(super) left_out: usize,
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Which domain a run perturbs, by which factor.
struct Change {
    domain: Domain,
    factor: f64,
    others_changed: bool,
}

pub(super) fn observe(evidence: &Evidence, options: &Options) -> Result<Observed, FitError> {
    check(evidence)?;
    let tolerance = options.amount_tolerance;
    let base_amounts = base_amounts(&evidence.base, tolerance)?;
    let mut observed = Observed {
        groups: vec![Vec::new(); base_amounts.len()],
        base: evidence
            .base
            .iter()
            .map(|run| objective(run, evidence.measure, options.objective))
            .collect(),
        base_amounts,
        base_objective: 0.0,
        others_changed: 0,
        left_out: 0,
    };
    for (index, run) in evidence.perturbed.iter().enumerate() {
        let value = objective(run, evidence.measure, options.objective);
        match change(index, run, &observed.base_amounts, tolerance)? {
            // A perturbed run at the base amounts is a further base run.
            None => observed.base.push(value),
            Some(change) if !wanted(change.factor, options) => observed.left_out += 1,
            Some(change) => observed.add(&change, value, tolerance),
        }
    }
    observed.base_objective = mean(&observed.base);
    for groups in &mut observed.groups {
        groups.sort_by(|p, q| p.x.total_cmp(&q.x));
    }
    Ok(observed)
}

impl Observed {
    fn add(&mut self, change: &Change, value: f64, tolerance: f64) {
        self.others_changed += usize::from(change.others_changed);
        let groups = &mut self.groups[change.domain.0];
        match groups.iter_mut().find(|group| close(group.x, change.factor, tolerance)) {
            Some(group) => {
                // Whole samples make repeats differ by a few tokens: x is their mean too.
                let runs = group.objectives.len() as f64;
                group.x = (group.x * runs + change.factor) / (runs + 1.0);
                group.objectives.push(value);
            }
            None => groups.push(Group { x: change.factor, objectives: vec![value] }),
        }
    }
}

fn check(evidence: &Evidence) -> Result<(), FitError> {
    let first = evidence.base.first().ok_or(FitError::NoBaseRun)?;
    if first.amounts.is_empty() {
        return Err(FitError::NoDomains);
    }
    if first.values.is_empty() {
        return Err(length("values of base run 0", 1, 0));
    }
    for (kind, runs) in [("base", &evidence.base), ("perturbed", &evidence.perturbed)] {
        for (index, run) in runs.iter().enumerate() {
            check_run(&format!("{kind} run {index}"), run, first, evidence.measure)?;
        }
    }
    Ok(())
}

fn length(what: &str, expected: usize, found: usize) -> FitError {
    FitError::Length { what: what.into(), expected, found }
}

fn check_run(which: &str, run: &Run, first: &Run, measure: Measure) -> Result<(), FitError> {
    if run.amounts.len() != first.amounts.len() {
        return Err(length(
            &format!("the amounts of {which}"),
            first.amounts.len(),
            run.amounts.len(),
        ));
    }
    if run.values.len() != first.values.len() {
        return Err(length(
            &format!("the losses of {which}"),
            first.values.len(),
            run.values.len(),
        ));
    }
    let bad = |what: &str, value: f64, requirement| FitError::Number {
        what: format!("{what} of {which}"),
        value,
        requirement,
    };
    if let Some(&amount) = run.amounts.iter().find(|n| !(n.is_finite() && **n >= 0.0)) {
        return Err(bad("an amount", amount, "finite and at least 0"));
    }
    let usable = |value: f64| match measure {
        Measure::CrossEntropy => value > 0.0 && value.exp().is_finite(),
        Measure::Perplexity => value > 1.0 && value.is_finite(),
    };
    match (run.values.iter().find(|value| !usable(**value)), measure) {
        (None, _) => Ok(()),
        (Some(&value), Measure::CrossEntropy) => {
            Err(bad("a cross-entropy", value, "above 0 and below 709"))
        }
        (Some(&value), Measure::Perplexity) => {
            Err(bad("a perplexity", value, "finite and above 1"))
        }
    }
}

/// The mean over validation domains that is to be made small.
fn objective(run: &Run, measure: Measure, objective: Objective) -> f64 {
    let convert = |value: f64| match (measure, objective) {
        (Measure::CrossEntropy, Objective::MeanPerplexity) => value.exp(),
        (Measure::Perplexity, Objective::MeanCrossEntropy) => value.ln(),
        _ => value,
    };
    mean(&run.values.iter().map(|value| convert(*value)).collect::<Vec<_>>())
}

fn close(one: f64, other: f64, tolerance: f64) -> bool {
    (one - other).abs() <= tolerance * one.abs().max(other.abs())
}

fn base_amounts(base: &[Run], tolerance: f64) -> Result<Vec<f64>, FitError> {
    let first = &base[0].amounts;
    for (run, other) in base.iter().enumerate() {
        let differs = first.iter().zip(&other.amounts).position(|(n, m)| !close(*n, *m, tolerance));
        if let Some(domain) = differs {
            return Err(FitError::BaseRunsDiffer { run, domain: Domain(domain) });
        }
    }
    if let Some(domain) = first.iter().position(|n| *n == 0.0) {
        return Err(FitError::EmptyBaseDomain { domain: Domain(domain) });
    }
    let amount =
        |domain: usize| mean(&base.iter().map(|run| run.amounts[domain]).collect::<Vec<_>>());
    Ok((0..first.len()).map(amount).collect())
}

fn wanted(factor: f64, options: &Options) -> bool {
    let near = |wanted: &f64| close(*wanted, factor, FACTOR_TOLERANCE);
    options.factors.as_ref().is_none_or(|factors| factors.iter().any(near))
}

/// Recognises what a run changes; `None` when it has the base amounts.
///
/// With a free total one domain's ratio differs from 1. With a fixed total the others share a ratio other than 1; then
/// the odd one out is the perturbed domain, and of two domains the one that moved further in proportion.
fn change(run: usize, of: &Run, base: &[f64], tolerance: f64) -> Result<Option<Change>, FitError> {
    let ratios: Vec<f64> = of.amounts.iter().zip(base).map(|(n, m)| n / m).collect();
    let changed: Vec<Domain> =
        (0..ratios.len()).filter(|&j| !close(ratios[j], 1.0, tolerance)).map(Domain).collect();
    if let Some(domain) = of.perturbed {
        if !changed.contains(&domain) {
            return Err(FitError::NotPerturbed { run, domain });
        }
        return Ok(Some(found(&ratios, domain, changed.len() > 1)));
    }
    match changed[..] {
        [] => Ok(None),
        [domain] => Ok(Some(found(&ratios, domain, false))),
        _ => match odd_one_out(&ratios, tolerance) {
            Some(domain) => Ok(Some(found(&ratios, domain, true))),
            None => Err(FitError::AmbiguousRun { run, changed }),
        },
    }
}

fn found(ratios: &[f64], domain: Domain, others_changed: bool) -> Change {
    Change { domain, factor: ratios[domain.0], others_changed }
}

/// The only domain without which all ratios agree.
fn odd_one_out(ratios: &[f64], tolerance: f64) -> Option<Domain> {
    let agree_without = |&odd: &usize| {
        let others: Vec<f64> = (0..ratios.len()).filter(|j| *j != odd).map(|j| ratios[j]).collect();
        others.iter().all(|ratio| close(*ratio, others[0], tolerance))
    };
    let candidates: Vec<usize> = (0..ratios.len()).filter(agree_without).collect();
    let [odd] = candidates[..] else {
        return None;
    };
    Some(Domain(odd))
}
