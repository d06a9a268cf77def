//! Whether rows identify a law, and which rows would.
//!
//! Before a fit: are there enough different rows, and does every domain vary on its own. After it: is there a change of
//! the parameters that no row sees but another mixture would. A change that no mixture sees is harmless (the power of a
//! domain whose amplitude is 0) and only noted.

use super::error::{LawError, Reason};
use super::law::{Form, Input, Model};
use super::observations::Observations;
use super::options::LawName;
use super::suggest;
use super::targets::{Setup, Target};
use crate::numeric::eigen;
use crate::random::Stream;

/// A change of the parameters moves the rows' predictions by less than this, relative to single parameters.
const UNSEEN: f64 = 1e-6;
/// And other mixtures' by more than this.
const SEEN: f64 = 1e-3;
/// The largest change of an inner parameter that is looked at, and the least change of a prediction that matters, relative
/// to the losses.
const CHANGE: f64 = 5.0;
const MATTERS: f64 = 1e-4;

/// The refusal, with mixtures that would help.
pub(super) fn refuse(
    observations: &Observations,
    law: LawName,
    target: Option<&Target>,
    reasons: Vec<Reason>,
    seed: u64,
) -> LawError {
    let missing = reasons.iter().map(|reason| match reason {
        Reason::TooFewRows { rows, parameters } => parameters + 1 - rows,
        _ => observations.domains().len(),
    });
    let count = missing.max().unwrap_or(0).clamp(1, 2 * observations.domains().len() + 1);
    let bounds = super::Bounds::free(observations.domains().len());
    LawError::NotIdentified {
        law,
        target: target.map(|target| target.name.clone()),
        reasons,
        would_identify: suggest::without_fit(observations, &bounds, count, seed),
        domains: observations.domains().to_vec(),
    }
}

/// What can be said before any search.
pub(super) fn check_table(
    observations: &Observations,
    law: LawName,
    setup: &Setup,
) -> Result<(), LawError> {
    for target in &setup.targets {
        let reasons = table_reasons(observations, law, setup, target);
        if !reasons.is_empty() {
            return Err(refuse(observations, law, Some(target), reasons, 0));
        }
    }
    Ok(())
}

fn table_reasons(
    observations: &Observations,
    law: LawName,
    setup: &Setup,
    target: &Target,
) -> Vec<Reason> {
    if law == LawName::Bimix && target.own.is_none() {
        return vec![Reason::NoOwnDomain { validation: target.name.clone() }];
    }
    let mut reasons = domain_reasons(observations, law, target);
    let rows = distinct_rows(target);
    let parameters = match law {
        // The fewest rows of which two leaves can be made.
        LawName::Trees => 20,
        _ => Model::new(&super::estimate::form(law, setup, target), f64::INFINITY).slots.len(),
    };
    if rows < parameters {
        reasons.push(Reason::TooFewRows { rows, parameters });
    }
    reasons
}

/// Domains that don't vary, or only together with others.
fn domain_reasons(observations: &Observations, law: LawName, target: &Target) -> Vec<Reason> {
    let (m, design) = (observations.domains().len(), &target.design);
    let amount = |x: &Input<'_>, j: usize| x.h[j] * x.tokens;
    let by_amount = matches!(law, LawName::Ddo | LawName::Additive);
    let value = |x: &Input<'_>, j: usize| if by_amount { amount(x, j) } else { x.h[j] };
    let looked_at: Vec<usize> = match (law, target.own) {
        (LawName::Bimix, Some(own)) => vec![own],
        (LawName::Trees, _) => Vec::new(),
        _ if m == 1 => Vec::new(),
        _ => (0..m).collect(),
    };
    let constant = |j: &usize| {
        let values = design.inputs().map(|x| value(&x, *j));
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        high - low <= 1e-9 * high.max(f64::MIN_POSITIVE)
    };
    let never: Vec<usize> = looked_at.iter().copied().filter(constant).collect();
    let mut reasons: Vec<Reason> = never
        .iter()
        .map(|&j| Reason::NeverVaried { domain: observations.domains()[j].clone() })
        .collect();
    let linear = matches!(law, LawName::Exponential | LawName::LogLinear | LawName::Linear);
    if reasons.is_empty() && linear {
        reasons.extend(dependent(observations, target));
    }
    reasons
}

/// Directions of the weights that no row takes.
fn dependent(observations: &Observations, target: &Target) -> Vec<Reason> {
    let m = observations.domains().len();
    let mut moments = vec![0.0; m * m];
    for x in target.design.inputs() {
        (0..m * m).for_each(|k| moments[k] += x.h[k / m] * x.h[k % m]);
    }
    let scale: Vec<f64> = (0..m).map(|j| moments[j * m + j].sqrt()).collect();
    (0..m * m).for_each(|k| moments[k] /= scale[k / m] * scale[k % m]);
    let (values, vectors) = eigen::symmetric(&moments, m);
    let blind = values.iter().zip(vectors.chunks(m)).filter(|(value, _)| **value < 1e-11);
    blind
        .map(|(_, vector)| {
            let large = vector.iter().map(|v| v.abs()).fold(0.0, f64::max);
            let named = (0..m).filter(|&j| vector[j].abs() > 0.1 * large);
            Reason::Dependent {
                domains: named.map(|j| observations.domains()[j].clone()).collect(),
            }
        })
        .collect()
}

fn distinct_rows(target: &Target) -> usize {
    let mut keys: Vec<Vec<u64>> = target
        .design
        .inputs()
        .map(|x| {
            let numbers = x.h.iter().copied().chain([x.tokens, x.ln_size]);
            numbers.map(|v| (v * 1e9).round().to_bits()).collect()
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys.len()
}

/// What the end of a search shows.
pub(super) struct Verdict {
    pub(super) reasons: Vec<Reason>,
    /// Parameters that no prediction depends on.
    pub(super) harmless: Vec<String>,
}

/// Looks for changes of the parameters that the rows do not see.
pub(super) fn check_fit(
    observations: &Observations,
    form: &Form,
    model: &Model,
    target: &Target,
    at: &[f64],
) -> Verdict {
    let n = at.len();
    let (rows, mut elsewhere) = gradients(model, target, at);
    let effect = |k: usize| -> f64 {
        let all = rows.chunks_exact(n).chain(elsewhere.chunks_exact(n));
        all.map(|row| row[k].abs()).fold(0.0, f64::max)
    };
    let effects: Vec<f64> = (0..n).map(effect).collect();
    let least = 1e-9 * target.design.y.iter().map(|y| y.abs()).fold(0.0, f64::max);
    let mut moments = vec![0.0; n * n];
    let scaled = |row: &[f64], k: usize| row[k] / effects[k].max(least);
    for row in rows.chunks_exact(n) {
        for i in 0..n {
            (0..n).for_each(|j| moments[i * n + j] += scaled(row, i) * scaled(row, j));
        }
    }
    let unseen = UNSEEN * UNSEEN * target.design.len() as f64;
    let (values, vectors) = eigen::symmetric(&moments, n);
    elsewhere.extend_from_slice(&rows);
    let mut verdict = Verdict { reasons: Vec::new(), harmless: Vec::new() };
    for (value, vector) in values.iter().zip(vectors.chunks_exact(n)) {
        if *value > unseen {
            continue;
        }
        let change = |row: &[f64]| (0..n).map(|k| scaled(row, k) * vector[k]).sum::<f64>().abs();
        let largest = elsewhere.chunks_exact(n).map(change).fold(0.0, f64::max);
        let moved = (0..n).map(|k| vector[k].abs() / effects[k].max(least)).fold(0.0, f64::max);
        let matters = largest * CHANGE / moved > MATTERS * least / 1e-9;
        let named = parameters(observations, model, vector);
        if largest > SEEN && matters {
            verdict.reasons.push(Reason::Undetermined { parameters: named });
        } else {
            verdict.harmless.extend(named);
        }
    }
    verdict.reasons.extend(shape_reasons(observations, form, model, at));
    verdict
}

/// Derivatives at the rows, and at mixtures between the least and largest weights that rows have, at the rows' scales.
fn gradients(model: &Model, target: &Target, at: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (n, m, design) = (at.len(), target.design.domains, &target.design);
    let mut rows = vec![0.0; n * design.len()];
    let mut range = vec![(f64::INFINITY, 0.0_f64); m];
    for (row, out) in rows.chunks_exact_mut(n).enumerate() {
        let x = design.input(row);
        model.gradient(at, &x, out);
        range.iter_mut().zip(x.h).for_each(|(r, h)| *r = (r.0.min(*h), r.1.max(*h)));
    }
    let mut elsewhere = vec![0.0; n * (8 * m + 32)];
    let mut stream = Stream::new(0, 0);
    for (k, out) in elsewhere.chunks_exact_mut(n).enumerate() {
        let mut h: Vec<f64> =
            range.iter().map(|(low, high)| low + (high - low) * stream.unit()).collect();
        let sum: f64 = h.iter().sum();
        h.iter_mut().for_each(|h| *h /= sum);
        let ln_h: Vec<f64> = h.iter().map(|h| h.ln()).collect();
        let x = Input { h: &h, ln_h: &ln_h, ..design.input(k * 7 % design.len()) };
        model.gradient(at, &x, out);
    }
    (rows, elsewhere)
}

/// The parameters that take part in a change.
fn parameters(observations: &Observations, model: &Model, vector: &[f64]) -> Vec<String> {
    let large = vector.iter().map(|v| v.abs()).fold(0.0, f64::max);
    let slots = model.slots.iter().zip(vector).filter(|(_, v)| v.abs() > 0.2 * large);
    slots
        .map(|(slot, _)| match slot.domain {
            Some(j) => format!("{}[{}]", slot.name, observations.domains()[j]),
            None => slot.name.to_owned(),
        })
        .collect()
}

/// Change of the relative loss between a fifth of the reference amount and three times it below which there is none.
const NO_EFFECT: f64 = 1e-5;

/// DDO's law says that more of every domain helps ever more slowly: where the search ends with a domain of no effect, more of
/// it does not help.
fn shape_reasons(
    observations: &Observations,
    form: &Form,
    model: &Model,
    at: &[f64],
) -> Vec<Reason> {
    if form.law != LawName::Ddo {
        return Vec::new();
    }
    // Inside the law: the unit of losses, then ln a and ln b of every domain.
    let effect = |pair: &[f64]| {
        let (a, b) = (pair[0].exp(), pair[1].exp());
        (0.2 + a).powf(-b) - (3.0 + a).powf(-b)
    };
    let domains = model.slots[1..].chunks_exact(2).zip(at[1..].chunks_exact(2));
    let flat = domains.filter(|(_, pair)| effect(pair) < NO_EFFECT);
    flat.filter_map(|(slots, _)| slots[0].domain)
        .map(|j| Reason::NotConvexDecreasing { domain: observations.domains()[j].clone() })
        .collect()
}
