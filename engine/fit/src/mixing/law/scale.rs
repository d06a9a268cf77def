//! The constant and the terms in tokens and size: `A/N^alpha + B/D^beta`, and the joint law's, whose amplitudes depend on
//! the mixture: `(sum_j CA_j h_j)^gA / N^alpha + (sum_j CB_j h_j)^gB / D^beta` (Shukor et al., arXiv 2507.09404).

use super::{Design, Input, Named, Slot, Start, Term, Units, named};
use crate::mixing::options::ScaleTerms;
use crate::numeric::matrix::dot;
use crate::numeric::statistics::mean;

/// What no mixture and no scale removes.
pub(super) struct Constant {
    pub(super) name: &'static str,
    pub(super) highest: f64,
}

impl Term for Constant {
    fn slots(&self) -> Vec<Slot> {
        vec![Slot::plain(self.name, None, 0.0, self.highest.max(0.0))]
    }

    fn value(&self, p: &[f64], _x: &Input<'_>) -> f64 {
        p[0]
    }

    fn gradient(&self, p: &[f64], _constants: &[f64], _x: &Input<'_>, out: &mut [f64]) -> f64 {
        out[0] = 1.0;
        p[0]
    }

    fn slope(&self, _p: &[f64], _x: &Input<'_>, _out: &mut [f64]) {}

    fn curvature(&self, _p: &[f64], _x: &Input<'_>, _out: &mut [f64]) {}

    fn is_convex(&self, _p: &[f64]) -> bool {
        true
    }

    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64> {
        let constant = design.smallest() * random.uniform(0.6, 0.0, 0.98);
        rest.iter_mut().for_each(|y| *y -= constant);
        vec![constant]
    }
}

const EXPONENTS: (f64, f64) = (1e-3, 4.0);
const AMPLITUDES: (f64, f64) = (1e-8, 1e4);

fn exponent(name: &'static str) -> Slot {
    Slot::positive(name, None, EXPONENTS.0, EXPONENTS.1)
}

/// Which scales a pair of terms covers, each with the logarithm of its input.
fn logs(tokens: bool, size: bool, x: &Input<'_>) -> impl Iterator<Item = f64> {
    [size.then_some(x.ln_size), tokens.then_some(x.ln_tokens)].into_iter().flatten()
}

/// The units of the same scales.
fn units_of(tokens: bool, size: bool, units: &Units) -> impl Iterator<Item = f64> {
    let unit = |wanted: bool, unit: Option<f64>| wanted.then(|| unit.unwrap_or(1.0));
    [unit(size, units.size), unit(tokens, units.tokens)].into_iter().flatten()
}

/// The part of the losses that a scale's term starts with, which it takes from the rest.
fn take(design: &Design, rest: &mut [f64], random: &mut Start<'_>, ln: &[f64]) -> (f64, f64) {
    let exponent = random.log_uniform(0.4, 0.1, 1.2);
    let least = rest.iter().copied().fold(f64::INFINITY, f64::min).max(1e-3 * mean(&design.y));
    let largest = ln.iter().map(|ln| (-exponent * ln).exp()).fold(0.0, f64::max);
    let amplitude = random.uniform(0.3, 0.05, 0.8) * least / largest;
    for (y, ln) in rest.iter_mut().zip(ln) {
        *y -= amplitude * (-exponent * ln).exp();
    }
    (amplitude, exponent)
}

fn column(design: &Design, value: impl Fn(&Input<'_>) -> f64) -> Vec<f64> {
    design.inputs().map(|x| value(&x)).collect()
}

/// `A/N^alpha + B/D^beta`, or one of them, or nothing.
pub(super) struct Scales {
    pub(super) tokens: bool,
    pub(super) size: bool,
}

impl Term for Scales {
    fn slots(&self) -> Vec<Slot> {
        let pair = |amplitude, power| {
            [Slot::positive(amplitude, None, AMPLITUDES.0, AMPLITUDES.1), exponent(power)]
        };
        let size = self.size.then(|| pair("A", "alpha"));
        let tokens = self.tokens.then(|| pair("B", "beta"));
        [size, tokens].into_iter().flatten().flatten().collect()
    }

    fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        let logs = logs(self.tokens, self.size, x);
        p.chunks_exact(2).zip(logs).map(|(p, ln)| (p[0] - p[1].exp() * ln).exp()).sum()
    }

    fn gradient(&self, p: &[f64], _constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        let logs = logs(self.tokens, self.size, x);
        let mut sum = 0.0;
        for ((p, out), ln) in p.chunks_exact(2).zip(out.chunks_exact_mut(2)).zip(logs) {
            let exponent = p[1].exp();
            let value = (p[0] - exponent * ln).exp();
            out.copy_from_slice(&[value, -value * exponent * ln]);
            sum += value;
        }
        sum
    }

    fn slope(&self, _p: &[f64], _x: &Input<'_>, _out: &mut [f64]) {}

    fn curvature(&self, _p: &[f64], _x: &Input<'_>, _out: &mut [f64]) {}

    fn is_convex(&self, _p: &[f64]) -> bool {
        true
    }

    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64> {
        let mut parts = Vec::new();
        for (wanted, ln) in [
            (self.size, column(design, |x| x.ln_size)),
            (self.tokens, column(design, |x| x.ln_tokens)),
        ] {
            if wanted {
                let (amplitude, exponent) = take(design, rest, random, &ln);
                parts.extend([amplitude.ln(), exponent.ln()]);
            }
        }
        parts
    }

    fn report(&self, p: &[f64], units: &Units) -> Vec<Named> {
        let slots = self.slots();
        let scales = units_of(self.tokens, self.size, units);
        let pairs = p.chunks_exact(2).zip(slots.chunks_exact(2)).zip(scales);
        pairs
            .flat_map(|((p, slots), unit)| {
                let exponent = p[1].exp();
                [
                    named(&slots[0], p[0], p[0].exp() * unit.powf(exponent)),
                    named(&slots[1], p[1], exponent),
                ]
            })
            .collect()
    }
}

/// The joint law's terms. Each scale has one amplitude per domain, a power of their mean and an exponent.
pub(super) struct Joint {
    pub(super) domains: usize,
    pub(super) scale: ScaleTerms,
}

/// One scale's part: `(C . h)^g exp(-e ln)`.
struct Part {
    /// `C . h`.
    mix: f64,
    power: f64,
    exponent: f64,
    value: f64,
}

impl Part {
    /// From parameters without their logarithms.
    fn new(c: &[f64], x: &Input<'_>, ln: f64) -> Self {
        let m = x.h.len();
        let mix = dot(&c[..m], x.h);
        let (power, exponent) = (c[m], c[m + 1]);
        Self { mix, power, exponent, value: (power * mix.ln() - exponent * ln).exp() }
    }
}

impl Joint {
    fn logs(&self, x: &Input<'_>) -> impl Iterator<Item = f64> {
        logs(self.scale.tokens(), self.scale.size(), x)
    }

    fn parts<'a>(&self, p: &'a [f64], x: &'a Input<'_>) -> impl Iterator<Item = (&'a [f64], Part)> {
        let part = move |p: &[f64], ln| {
            let natural: Vec<f64> = p.iter().map(|p| p.exp()).collect();
            Part::new(&natural, x, ln)
        };
        let each = p.chunks_exact(self.domains + 2).zip(self.logs(x));
        each.map(move |(p, ln)| (p, part(p, ln)))
    }
}

impl Term for Joint {
    fn slots(&self) -> Vec<Slot> {
        let part = |amplitude, power, name| {
            let amplitude = move |j| Slot::positive(amplitude, Some(j), AMPLITUDES.0, AMPLITUDES.1);
            (0..self.domains)
                .map(amplitude)
                .chain([Slot::positive(power, None, 0.05, 5.0), exponent(name)])
                .collect::<Vec<_>>()
        };
        let size = self.scale.size().then(|| part("CA", "gA", "alpha"));
        let tokens = self.scale.tokens().then(|| part("CB", "gB", "beta"));
        [size, tokens].into_iter().flatten().flatten().collect()
    }

    fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        self.parts(p, x).map(|(_, part)| part.value).sum()
    }

    /// Every parameter without its logarithm.
    fn constants(&self, p: &[f64]) -> Vec<f64> {
        p.iter().map(|p| p.exp()).collect()
    }

    fn gradient(&self, _p: &[f64], constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        let m = self.domains;
        let mut sum = 0.0;
        let parts = constants.chunks_exact(m + 2).zip(self.logs(x));
        for ((c, ln), out) in parts.zip(out.chunks_exact_mut(m + 2)) {
            let part = Part::new(c, x, ln);
            let by_mix = part.power * part.value / part.mix;
            for j in 0..m {
                out[j] = by_mix * c[j] * x.h[j];
            }
            out[m] = part.value * part.mix.ln() * part.power;
            out[m + 1] = -part.value * ln * part.exponent;
            sum += part.value;
        }
        sum
    }

    fn slope(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        for (p, part) in self.parts(p, x) {
            let by_mix = part.power * part.value / part.mix;
            out.iter_mut().zip(p).for_each(|(out, c)| *out += by_mix * c.exp());
        }
    }

    fn curvature(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let m = self.domains;
        for (p, part) in self.parts(p, x) {
            let bend = part.power * (part.power - 1.0) * part.value / (part.mix * part.mix);
            for i in 0..m {
                for j in 0..m {
                    out[i * m + j] += bend * (p[i] + p[j]).exp();
                }
            }
        }
    }

    fn is_convex(&self, p: &[f64]) -> bool {
        p.chunks_exact(self.domains + 2).all(|p| p[self.domains] >= 0.0)
    }

    fn below(&self, p: &[f64], lower: &[f64], upper: &[f64]) -> Option<Box<dyn Term>> {
        let m = self.domains;
        let chords = p.chunks_exact(m + 2).map(|p| {
            let c: Vec<f64> = p[..m].iter().map(|c| c.exp()).collect();
            let (low, high) = super::super::optimum::range_of(&c, lower, upper);
            (p[m].exp() < 1.0).then_some((low, high))
        });
        Some(Box::new(JointBelow {
            chords: chords.collect(),
            joint: Self { domains: m, scale: self.scale },
        }))
    }

    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64> {
        let mut parts = Vec::new();
        for (wanted, ln) in [
            (self.scale.size(), column(design, |x| x.ln_size)),
            (self.scale.tokens(), column(design, |x| x.ln_tokens)),
        ] {
            if wanted {
                let (amplitude, exponent) = take(design, rest, random, &ln);
                let power = random.log_uniform(1.0, 0.4, 2.0);
                let usual = amplitude.ln() / power;
                parts.extend((0..self.domains).map(|_| usual + random.uniform(0.0, -0.7, 0.7)));
                parts.extend([power.ln(), exponent.ln()]);
            }
        }
        parts
    }

    fn report(&self, p: &[f64], units: &Units) -> Vec<Named> {
        let (m, slots) = (self.domains, self.slots());
        let scales = units_of(self.scale.tokens(), self.scale.size(), units);
        let parts = p.chunks_exact(m + 2).zip(slots.chunks_exact(m + 2)).zip(scales);
        parts
            .flat_map(|((p, slots), unit)| {
                let (power, exponent) = (p[m].exp(), p[m + 1].exp());
                let in_units = unit.powf(exponent / power);
                let value = move |k: usize| if k < m { p[k].exp() * in_units } else { p[k].exp() };
                (0..m + 2).map(move |k| named(&slots[k], p[k], value(k)))
            })
            .collect()
    }
}

/// The joint terms with every power below 1 replaced by its chord over the range of the mix: convex and nowhere above.
struct JointBelow {
    joint: Joint,
    chords: Vec<Option<(f64, f64)>>,
}

impl JointBelow {
    /// The chord's slope in `C . h` and its value.
    fn chord(part: &Part, (low, high): (f64, f64)) -> (f64, f64) {
        let scale = part.value / part.mix.powf(part.power);
        let (at_low, at_high) = (low.powf(part.power), high.powf(part.power));
        let slope = if high > low { (at_high - at_low) / (high - low) } else { 0.0 };
        (scale * slope, scale * (at_low + slope * (part.mix - low)))
    }
}

impl Term for JointBelow {
    fn slots(&self) -> Vec<Slot> {
        self.joint.slots()
    }

    fn value(&self, p: &[f64], x: &Input<'_>) -> f64 {
        let parts = self.joint.parts(p, x).zip(&self.chords);
        parts.map(|((_, part), c)| c.map_or(part.value, |c| Self::chord(&part, c).1)).sum()
    }

    fn constants(&self, p: &[f64]) -> Vec<f64> {
        self.joint.constants(p)
    }

    fn gradient(&self, p: &[f64], constants: &[f64], x: &Input<'_>, out: &mut [f64]) -> f64 {
        // Bounds are never fitted: only values and derivatives by the weights are asked for.
        self.joint.gradient(p, constants, x, out)
    }

    fn slope(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        for ((p, part), chord) in self.joint.parts(p, x).zip(&self.chords) {
            let by_mix = match chord {
                Some(chord) => Self::chord(&part, *chord).0,
                None => part.power * part.value / part.mix,
            };
            out.iter_mut().zip(p).for_each(|(out, c)| *out += by_mix * c.exp());
        }
    }

    fn curvature(&self, p: &[f64], x: &Input<'_>, out: &mut [f64]) {
        let m = self.joint.domains;
        for ((p, part), chord) in self.joint.parts(p, x).zip(&self.chords) {
            if chord.is_some() {
                continue;
            }
            let bend = part.power * (part.power - 1.0) * part.value / (part.mix * part.mix);
            for i in 0..m {
                for j in 0..m {
                    out[i * m + j] += bend * (p[i] + p[j]).exp();
                }
            }
        }
    }

    fn is_convex(&self, _p: &[f64]) -> bool {
        true
    }

    fn start(&self, design: &Design, rest: &mut [f64], random: &mut Start<'_>) -> Vec<f64> {
        self.joint.start(design, rest, random)
    }
}
