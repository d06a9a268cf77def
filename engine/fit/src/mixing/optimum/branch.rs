//! The global minimum of a smooth goal that is not convex: branch and bound.
//!
//! In a box of weights every law has a convex one below it (powers above 1 become chords), whose minimum bounds the goal
//! from below; local searches bound it from above. Boxes whose bound is above the best value found cannot hold the
//! minimum; the others are halved, lowest bound first, until the gap closes or the work is used up. The gap is reported.

use super::super::law::Model;
use super::super::surrogate::Predictor;
use super::functions::Functions;
use super::interior;
use super::{Found, Proof, Search, within};
use crate::random::Stream;

const STARTS: usize = 24;
/// Starts where only a local search is asked for.
const FEW: usize = 3;
const BOXES: usize = 400;
/// Relative gap at which the search ends.
const CLOSED: f64 = 1e-7;

struct Part {
    lower: Vec<f64>,
    upper: Vec<f64>,
    bound: f64,
    at: Vec<f64>,
}

pub(super) fn search(search: &Search<'_>) -> Found {
    let mut minima = local_minima(search, STARTS);
    let optima = distinct(&minima);
    let mut open = vec![part(search, search.lower.clone(), search.upper.clone())];
    let mut best = minima.swap_remove(0);
    for _ in 0..BOXES {
        open.retain(|part| part.bound < best.0 - CLOSED * best.0.abs());
        let Some(lowest) = (0..open.len()).min_by(|p, q| open[*p].bound.total_cmp(&open[*q].bound))
        else {
            break;
        };
        let parent = open.swap_remove(lowest);
        for child in halves(search, &parent) {
            let value = search.value(&child.at);
            if value < best.0 {
                best = polish(search, &child.at);
            }
            open.push(Part { bound: child.bound.max(parent.bound), ..child });
        }
    }
    let lowest = open.iter().map(|part| part.bound).fold(best.0, f64::min);
    // Boxes left out were within the tolerance of the best.
    let lower_bound = lowest.min(best.0 - CLOSED * best.0.abs());
    let proof = Proof::Global { lower_bound, gap: best.0 - lower_bound, starts: STARTS, optima };
    Found { weights: best.1, proof }
}

/// The lowest of the local minima near given mixtures and a few drawn ones.
pub(super) fn local(search: &Search<'_>, near: &[&[f64]]) -> Vec<f64> {
    let inside = |h: &&[f64]| polish(search, &within(h, &search.lower, &search.upper));
    let minima = near.iter().map(inside).chain(local_minima(search, FEW));
    let lowest = minima.min_by(|p, q| p.0.total_cmp(&q.0));
    lowest.map_or_else(|| search.lower.clone(), |(_, weights)| weights)
}

/// Local minima from seeded starts, the lowest first.
fn local_minima(search: &Search<'_>, starts: usize) -> Vec<(f64, Vec<f64>)> {
    let mut stream = Stream::new(0, 0x6c0b);
    let mut minima: Vec<(f64, Vec<f64>)> = (0..starts)
        .map(|index| {
            let draw = |_| if index == 0 { 1.0 } else { stream.exponential() };
            let shares: Vec<f64> = (0..search.lower.len()).map(draw).collect();
            polish(search, &within(&shares, &search.lower, &search.upper))
        })
        .collect();
    minima.sort_by(|p, q| p.0.total_cmp(&q.0));
    minima
}

fn polish(search: &Search<'_>, start: &[f64]) -> (f64, Vec<f64>) {
    let functions = Functions { search, instead: None, convexify: true };
    let end = interior::minimise(&functions, &search.lower, &search.upper, Some(start));
    let (value, before) = (search.value(&end.weights), search.value(start));
    if value < before { (value, end.weights) } else { (before, start.to_vec()) }
}

/// How many different minima there are among sorted ends.
fn distinct(minima: &[(f64, Vec<f64>)]) -> usize {
    let apart = |p: &[f64], q: &[f64]| p.iter().zip(q).any(|(p, q)| (p - q).abs() > 1e-3);
    let mut kept: Vec<&[f64]> = Vec::new();
    for (_, at) in minima {
        if kept.iter().all(|other| apart(at, other)) {
            kept.push(at);
        }
    }
    kept.len()
}

/// A box with the bound of its convex laws.
fn part(search: &Search<'_>, lower: Vec<f64>, upper: Vec<f64>) -> Part {
    let below = |target: usize| -> Option<Model> {
        let Predictor::Smooth { model, inner } = &search.surrogate.targets[target] else {
            return None;
        };
        if model.is_convex(inner) {
            return None;
        }
        model.below(&search.surrogate.fit.targets[target].form, inner, &lower, &upper)
    };
    let instead = (0..search.surrogate.targets.len()).map(below).collect();
    let functions = Functions { search, instead: Some(instead), convexify: false };
    let end = interior::minimise(&functions, &lower, &upper, None);
    Part { bound: end.lower_bound, at: end.weights, lower, upper }
}

/// Halves a box across its widest domain, at the bound's minimum where that is not near an edge.
fn halves(search: &Search<'_>, parent: &Part) -> Vec<Part> {
    let width = |j: usize| parent.upper[j] - parent.lower[j];
    let Some(widest) = (0..parent.lower.len()).max_by(|p, q| width(*p).total_cmp(&width(*q)))
    else {
        return Vec::new();
    };
    let at = ((parent.at[widest] - parent.lower[widest]) / width(widest)).clamp(0.3, 0.7);
    let cut = parent.lower[widest] + at * width(widest);
    let (mut below, mut above) = (parent.upper.clone(), parent.lower.clone());
    below[widest] = cut;
    above[widest] = cut;
    let feasible = |lower: &[f64], upper: &[f64]| {
        lower.iter().sum::<f64>() <= 1.0 && upper.iter().sum::<f64>() >= 1.0
    };
    [(parent.lower.clone(), below), (above, parent.upper.clone())]
        .into_iter()
        .filter(|(lower, upper)| feasible(lower, upper))
        .map(|(lower, upper)| {
            let upper = tighten(&lower, &upper);
            part(search, lower, upper)
        })
        .collect()
}

/// Upper bounds that the other lower bounds leave.
fn tighten(lower: &[f64], upper: &[f64]) -> Vec<f64> {
    let floors: f64 = lower.iter().sum();
    lower.iter().zip(upper).map(|(l, u)| u.min(1.0 - (floors - l)).max(*l)).collect()
}
