//! DDO's worlds: laws near AutoScale's published ones, a base run and two others a domain, repeated over seeds, with noise.

use mixmake_fit::ddo::{self, Evidence, Measure, Uncertainty};
use mixmake_fit::{Domain, FitError};
use rayon::prelude::*;

use crate::world::Random;
use crate::{LEVEL, Tally};

/// AutoScale's published laws of GPT-2 Large at 1.2B tokens: a and b.
const PUBLISHED: [(f64, f64); 7] = [
    (2.6658731959, 1.2492023890),
    (6.6161755919, 1.4360012484),
    (2.6736027595, 1.5362602612),
    (2.4631072680, 1.8287307259),
    (2.5183840995, 1.1858721474),
    (2.8899578930, 1.9536275988),
    (3.3191739234, 1.9266710006),
];

/// What the domains of a world are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// The published laws in turn: the same truth in every world.
    Published,
    /// a and b drawn about the published ones, anew for every world.
    Drawn,
    /// All domains alike: the reference is the optimum.
    Equal,
    /// As drawn, and only .8 of its reference amount exists of the first domain.
    Scarce,
}

#[derive(Clone, Copy)]
pub struct World {
    pub kind: Kind,
    pub domains: usize,
    /// Relative standard deviation of one run.
    pub noise: f64,
    /// Runs at the base amounts.
    pub base: usize,
    /// Runs at every other amount.
    pub runs: usize,
}

/// Relative objective less the base's.
fn change((a, b): (f64, f64), x: f64) -> f64 {
    (x + a).powf(-b) - (1.0 + a).powf(-b)
}

impl World {
    pub fn name(&self) -> String {
        let Self { kind, domains, noise, base, runs } = self;
        format!(
            "ddo {kind:?}, {domains} domains, noise {noise}, seeds {base} base and {runs} other"
        )
        .to_lowercase()
    }

    fn laws(&self, world: u64) -> Vec<(f64, f64)> {
        let mut random = Random::new(1_000_000 + world);
        let law = |j: usize| match self.kind {
            Kind::Published => PUBLISHED[j % 7],
            Kind::Equal => PUBLISHED[2],
            Kind::Drawn | Kind::Scarce => {
                let (a, b) = PUBLISHED[(random.unit() * 7.0) as usize % 7];
                (a * random.between(-0.2, 0.2).exp(), b * random.between(-0.2, 0.2).exp())
            }
        };
        (0..self.domains).map(law).collect()
    }

    fn evidence(&self, laws: &[(f64, f64)], world: u64, noise: f64) -> Evidence {
        let mut random = Random::new(world);
        let mut noisy = |value: f64| vec![value * (1.0 + noise * random.normal())];
        let base: Vec<Vec<f64>> = (0..self.base).map(|_| noisy(28.0)).collect();
        let runs = (0..self.domains).flat_map(|j| [0.2, 3.0].map(|x| (j, x)));
        let runs = runs.flat_map(|run| std::iter::repeat_n(run, self.runs));
        let perturbed: Vec<_> =
            runs.map(|(j, x)| (Domain(j), x, noisy(28.0 * (1.0 + change(laws[j], x))))).collect();
        Evidence::from_factors(Measure::Perplexity, &vec![1.0; self.domains], &base, &perturbed)
    }

    fn options(&self, draws: usize, seed: u64) -> ddo::Options {
        let mut caps = vec![None; self.domains];
        if self.kind == Kind::Scarce {
            caps[0] = Some(0.8);
        }
        ddo::Options {
            caps: Some(caps),
            // Single runs at three amounts show no noise: then it is given.
            noise: (self.base < 2 && self.runs < 2).then_some(self.noise),
            bootstrap: ddo::Bootstrap { draws, level: LEVEL, seed },
            ..ddo::Options::default()
        }
    }

    /// Whether the intervals of one world hold the true optimal weights (where the optimum is at no bound) and the gain that
    /// the proposed mixture really has.
    fn holds(&self, world: u64) -> Result<Tally, FitError> {
        let laws = self.laws(world);
        let truth = ddo::solve(&self.evidence(&laws, 0, 0.0), &self.options(0, 0))?;
        let fit =
            ddo::solve(&self.evidence(&laws, world + 1, self.noise), &self.options(200, world))?;
        let mut tally = Tally::new(self.domains);
        let Uncertainty::Intervals { weights, gain, .. } = &fit.uncertainty else {
            return Ok(tally);
        };
        let holds =
            |i: &ddo::Interval, value: f64| i.low - 1e-12 <= value && value <= i.high + 1e-12;
        for (j, interval) in weights.iter().enumerate() {
            let bounded = truth.optimum.at_floor[j] || truth.optimum.at_cap[j];
            let held = holds(interval, truth.optimum.weights[j]);
            tally.weight(j, bounded, held, interval.high - interval.low);
        }
        let really: f64 =
            (0..self.domains).map(|j| -28.0 * change(laws[j], fit.optimum.multiples[j])).sum();
        tally.gain = u64::from(holds(gain, really));
        tally.better = u64::from(gain.low > 0.0);
        tally.identified = fit.identified() as u64;
        Ok(tally)
    }

    pub fn tally(&self, worlds: u64) -> Result<Tally, FitError> {
        let all: Vec<_> = (0..worlds).into_par_iter().map(|world| self.holds(world)).collect();
        let mut sum = Tally { worlds: 0, ..Tally::new(self.domains) };
        for tally in all {
            sum.add(&tally?);
        }
        Ok(sum)
    }
}
