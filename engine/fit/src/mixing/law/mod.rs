//! Laws as sums of terms: values, analytic derivatives by parameters and by weights, starts and reports.
//!
//! Knows weights, tokens and size in the fit's units; nothing of how rows are searched or judged. Inside, a positive
//! parameter is its logarithm, so that every step of a search keeps its sign; [`Term::report`] gives the numbers of
//! the formula in tokens and parameters.

mod amounts;
mod bimix;
mod exponential;
mod inverse_sum;
mod linear;
mod reference;
mod scale;

use serde::{Deserialize, Serialize};

use super::options::{LawName, ScaleTerms};
use crate::random::Stream;

/// One point as the terms see it; tokens and size in the fit's units, 1 where there are none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) h: &'a [f64],
    pub(crate) ln_h: &'a [f64],
    pub(crate) tokens: f64,
    pub(crate) ln_tokens: f64,
    pub(crate) ln_size: f64,
}

/// A parameter inside a term.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot {
    pub(crate) name: &'static str,
    pub(crate) domain: Option<usize>,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    /// Kept as its logarithm.
    pub(crate) log: bool,
}

impl Slot {
    /// A positive parameter between `lower` and `upper`, kept as its logarithm.
    pub(crate) fn positive(
        name: &'static str,
        domain: Option<usize>,
        lower: f64,
        upper: f64,
    ) -> Self {
        Self { name, domain, lower: lower.ln(), upper: upper.ln(), log: true }
    }

    pub(crate) fn plain(name: &'static str, domain: Option<usize>, lower: f64, upper: f64) -> Self {
        Self { name, domain, lower, upper, log: false }
    }

    pub(crate) fn natural(&self, inside: f64) -> f64 {
        if self.log { inside.exp() } else { inside }
    }
}

/// A parameter as it is reported.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) domain: Option<usize>,
    pub(crate) value: f64,
    pub(crate) at_bound: bool,
}

/// What 1 means in a fit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Units {
    /// Tokens; `None` where rows have none, then a domain's amount is its weight.
    pub tokens: Option<f64>,
    /// Model parameters.
    pub size: Option<f64>,
    /// Amount of each domain in the reference mixture, in tokens where rows have them, else its weight.
    pub reference: Vec<f64>,
}

/// Which law, over what: enough to build its terms again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Form {
    pub(crate) law: LawName,
    pub(crate) domains: usize,
    pub(crate) scale: ScaleTerms,
    /// The training domain of the target's own name.
    pub(crate) own: Option<usize>,
    pub(crate) units: Units,
}

/// A part of a law.
pub(crate) trait Term: Send + Sync {
    fn slots(&self) -> Vec<Slot>;
    fn value(&self, p: &[f64], x: &Input<'_>) -> f64;
    /// What [`Term::gradient`] needs of the parameters at every point alike, so that it is computed once for all of them.
    fn constants(&self, _p: &[f64]) -> Vec<f64> {
        Vec::new()
    }
    /// The value; its derivatives by the inner parameters, overwritten. `constants` are those of the same parameters.
    fn gradient(&self, p: &[f64], constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64;
    /// Adds the derivatives by the weights at fixed tokens and size.
    fn slope(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]);
    /// Adds the second derivatives by the weights, row by row.
    fn curvature(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]);
    /// Whether the term is convex in the weights on the simplex.
    fn is_convex(&self, p: &[f64]) -> bool;
    /// A term that is convex in the weights and nowhere above this one between the bounds, as parameters `p` with changed
    /// powers; only asked where [`Term::is_convex`] is false.
    fn below(&self, _p: &[f64], _lower: &[f64], _upper: &[f64]) -> Option<Box<dyn Term>> {
        None
    }
    /// Other parameters of nearly the same values, each the middle of a valley that a descent from `p` does not reach.
    fn twins(&self, _p: &[f64]) -> Vec<Vec<f64>> {
        Vec::new()
    }
    /// Inner parameters to start from, for what other terms have left of the losses.
    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64>;
    /// The parameters of the formula.
    fn report(&self, p: &[f64], _units: &Units) -> Vec<Named> {
        let slots = self.slots();
        slots.iter().zip(p).map(|(slot, p)| named(slot, *p, slot.natural(*p))).collect()
    }
}

/// A slot's report with a value of its own.
pub(crate) fn named(slot: &Slot, inside: f64, value: f64) -> Named {
    let width = slot.upper - slot.lower;
    let near =
        |bound: f64| bound.is_finite() && (inside - bound).abs() <= 1e-9 * (1.0 + width.min(1e3));
    Named {
        name: slot.name,
        domain: slot.domain,
        value,
        at_bound: near(slot.lower) || near(slot.upper),
    }
}

/// Chance of a start: the first is the usual one, the others are drawn.
pub(crate) struct Start<'a> {
    pub(crate) index: usize,
    pub(crate) stream: &'a mut Stream,
}

impl Start<'_> {
    /// The usual number for the first start, else uniform between the bounds.
    pub(crate) fn uniform(&mut self, usual: f64, low: f64, high: f64) -> f64 {
        let drawn = low + (high - low) * self.stream.unit();
        if self.index == 0 { usual } else { drawn }
    }

    /// The same, uniform in the logarithm.
    pub(crate) fn log_uniform(&mut self, usual: f64, low: f64, high: f64) -> f64 {
        self.uniform(usual.ln(), low.ln(), high.ln()).exp()
    }
}

/// The rows of one target, column by column in the fit's units.
#[derive(Debug, Clone, Default)]
pub(crate) struct Design {
    pub(crate) domains: usize,
    h: Vec<f64>,
    ln_h: Vec<f64>,
    tokens: Vec<f64>,
    ln_tokens: Vec<f64>,
    ln_size: Vec<f64>,
    pub(crate) y: Vec<f64>,
    pub(crate) weight: Vec<f64>,
}

impl Design {
    pub(crate) fn new(domains: usize) -> Self {
        Self { domains, ..Self::default() }
    }

    /// Adds a row; tokens and size in the fit's units.
    pub(crate) fn push(&mut self, h: &[f64], tokens: f64, size: f64, y: f64, weight: f64) {
        self.h.extend_from_slice(h);
        self.ln_h.extend(h.iter().map(|h| h.ln()));
        self.tokens.push(tokens);
        self.ln_tokens.push(tokens.ln());
        self.ln_size.push(size.ln());
        self.y.push(y);
        self.weight.push(weight);
    }

    pub(crate) fn len(&self) -> usize {
        self.y.len()
    }

    pub(crate) fn input(&self, row: usize) -> Input<'_> {
        let span = row * self.domains..(row + 1) * self.domains;
        Input {
            h: &self.h[span.clone()],
            ln_h: &self.ln_h[span],
            tokens: self.tokens[row],
            ln_tokens: self.ln_tokens[row],
            ln_size: self.ln_size[row],
        }
    }

    pub(crate) fn inputs(&self) -> impl Iterator<Item = Input<'_>> {
        (0..self.len()).map(|row| self.input(row))
    }

    /// Every k-th row.
    pub(crate) fn every(&self, k: usize) -> Self {
        let mut sample = Self::new(self.domains);
        for row in (0..self.len()).step_by(k) {
            let x = self.input(row);
            sample.push(x.h, x.tokens, x.ln_size.exp(), self.y[row], self.weight[row]);
        }
        sample
    }

    /// All weights, row by row.
    pub(crate) fn weights(&self) -> &[f64] {
        &self.h
    }

    pub(crate) fn smallest(&self) -> f64 {
        self.y.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// A law: the sum of its terms.
pub(crate) struct Model {
    terms: Vec<(Box<dyn Term>, usize, usize)>,
    pub(crate) slots: Vec<Slot>,
}

impl Model {
    /// The law of a form; `lowest` is the smallest loss, which no constant exceeds.
    pub(crate) fn new(form: &Form, lowest: f64) -> Self {
        let (m, scale) = (form.domains, form.scale);
        let constant =
            |name| -> Box<dyn Term> { Box::new(scale::Constant { name, highest: lowest }) };
        let scales = |tokens: bool| -> Box<dyn Term> {
            Box::new(scale::Scales { tokens: tokens && scale.tokens(), size: scale.size() })
        };
        let terms: Vec<Box<dyn Term>> = match form.law {
            LawName::Ddo => vec![Box::new(reference::Ddo::new(&form.units)), scales(false)],
            LawName::Exponential => {
                vec![constant("c"), scales(true), Box::new(exponential::Exponential::plain(m))]
            }
            LawName::LogLinear => vec![Box::new(exponential::Exponential::scaled(m, scale))],
            LawName::Linear => vec![scales(true), Box::new(linear::Linear { domains: m })],
            LawName::Additive => {
                vec![constant("c"), scales(false), Box::new(amounts::Additive { domains: m })]
            }
            LawName::InverseSum => {
                vec![constant("E"), scales(true), Box::new(inverse_sum::InverseSum::new(m))]
            }
            LawName::InverseSumJoint => vec![
                constant("E"),
                Box::new(scale::Joint { domains: m, scale }),
                Box::new(inverse_sum::InverseSum::new(m)),
            ],
            LawName::Bimix => vec![
                scales(false),
                Box::new(bimix::Bimix { own: form.own.unwrap_or(0), tokens: scale.tokens() }),
            ],
            // Trees have no terms; they are grown, not searched.
            LawName::Trees => Vec::new(),
        };
        Self::of(terms)
    }

    fn of(terms: Vec<Box<dyn Term>>) -> Self {
        let mut slots = Vec::new();
        let mut placed = Vec::new();
        for term in terms {
            let from = slots.len();
            slots.extend(term.slots());
            placed.push((term, from, slots.len()));
        }
        Self { terms: placed, slots }
    }

    pub(crate) fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        self.terms.iter().map(|(term, from, to)| term.value(&p[*from..*to], x)).sum()
    }

    /// The law at these parameters, for the gradients of many points.
    pub(crate) fn at<'a>(&'a self, p: &'a [f64]) -> At<'a> {
        let constants = self.terms.iter().map(|(term, from, to)| term.constants(&p[*from..*to]));
        At { model: self, p, constants: constants.collect() }
    }

    /// The value; its derivatives by the inner parameters, overwritten.
    pub(crate) fn gradient(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        self.at(p).gradient(x, out)
    }

    /// Derivatives by the weights, overwritten.
    pub(crate) fn slope(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        out.fill(0.0);
        self.terms.iter().for_each(|(term, from, to)| term.slope(&p[*from..*to], x, out));
    }

    /// Second derivatives by the weights, overwritten.
    pub(crate) fn curvature(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        out.fill(0.0);
        self.terms.iter().for_each(|(term, from, to)| term.curvature(&p[*from..*to], x, out));
    }

    pub(crate) fn is_convex(&self, p: &[f64]) -> bool {
        self.terms.iter().all(|(term, from, to)| term.is_convex(&p[*from..*to]))
    }

    /// A law convex in the weights and nowhere above this one between the bounds; `None` where a term knows none.
    pub(crate) fn below(
        &self,
        form: &Form,
        p: &[f64],
        lower: &[f64],
        upper: &[f64],
    ) -> Option<Self> {
        let mut whole = Self::new(form, f64::INFINITY);
        for ((term, from, to), own) in self.terms.iter().zip(&mut whole.terms) {
            if !term.is_convex(&p[*from..*to]) {
                own.0 = term.below(&p[*from..*to], lower, upper)?;
            }
        }
        Some(whole)
    }

    /// Parameters of nearly the same values, each with one term's [`Term::twins`] for its own.
    pub(crate) fn twins(&self, p: &[f64]) -> Vec<Vec<f64>> {
        let whole = |from: usize, to: usize, own: Vec<f64>| [&p[..from], &own, &p[to..]].concat();
        let of = |(term, from, to): &(Box<dyn Term>, usize, usize)| -> Vec<Vec<f64>> {
            let own = term.twins(&p[*from..*to]).into_iter();
            own.map(|own| whole(*from, *to, own)).collect()
        };
        self.terms.iter().flat_map(of).collect()
    }

    /// Inner parameters to start from: each term takes its part of the losses, the last the rest.
    pub(crate) fn start(&self, design: &Design, index: usize, stream: &mut Stream) -> Vec<f64> {
        let mut rest = design.y.clone();
        let mut random = Start { index, stream };
        let parts = self.terms.iter().map(|(term, ..)| term.start(design, &mut rest, &mut random));
        let mut start: Vec<f64> = parts.flatten().collect();
        for (p, slot) in start.iter_mut().zip(&self.slots) {
            *p = if p.is_finite() { p.clamp(slot.lower, slot.upper) } else { slot.lower.max(-1.0) };
        }
        start
    }

    pub(crate) fn report(&self, p: &[f64], units: &Units) -> Vec<Named> {
        self.terms.iter().flat_map(|(term, from, to)| term.report(&p[*from..*to], units)).collect()
    }
}

/// A law with its parameters.
pub(crate) struct At<'a> {
    model: &'a Model,
    p: &'a [f64],
    /// Of every term.
    constants: Vec<Vec<f64>>,
}

impl At<'_> {
    /// The value; its derivatives by the inner parameters, overwritten.
    pub(crate) fn gradient(&self, x: &Input<'_>, out: &mut [f64]) -> f64 {
        let terms = self.model.terms.iter().zip(&self.constants);
        terms
            .map(|((term, from, to), constants)| {
                term.gradient(&self.p[*from..*to], constants, x, &mut out[*from..*to])
            })
            .sum()
    }
}

#[cfg(test)]
mod tests;
