//! How often intervals cover the truth, over as many worlds as asked: `cargo run --release -p mixmake-fit --example coverage -- 1000`.
//!
//! Worlds: DDO with seven domains of AutoScale's published laws and three seeds a run; two validation domains under the
//! exponential and the inverse-sum law over three training domains and 40 rows. The tests hold smaller counts of the same.
#![expect(clippy::print_stdout, reason = "a program that reports")]

use mixmake_fit::Domain;
use mixmake_fit::ddo::{self, Evidence, Measure, Uncertainty};
use mixmake_fit::mixing::{
    Bootstrap, Bounds, FitOptions, Goal, LawFit, LawName, Observations, Problem, Row, bootstrap,
    fit, optimise,
};
use rayon::prelude::*;

const A: [f64; 7] = [
    2.6658731959,
    6.6161755919,
    2.6736027595,
    2.4631072680,
    2.5183840995,
    2.8899578930,
    3.3191739234,
];
const B: [f64; 7] = [
    1.2492023890,
    1.4360012484,
    1.5362602612,
    1.8287307259,
    1.1858721474,
    1.9536275988,
    1.9266710006,
];
const LEVEL: f64 = 0.8;

struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

fn random(seed: u64) -> Random {
    Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn y(j: usize, x: f64) -> f64 {
    1.0 + (x + A[j]).powf(-B[j]) - (1.0 + A[j]).powf(-B[j])
}

/// The published experiment with three seeds of every run and noise.
fn evidence(world: u64, noise: f64) -> Evidence {
    let mut random = random(world);
    let mut noisy = |value: f64| vec![value * (1.0 + noise * random.normal())];
    let seeds = if noise > 0.0 { 3 } else { 1 };
    let base: Vec<Vec<f64>> = (0..seeds).map(|_| noisy(28.0)).collect();
    let runs = (0..7).flat_map(|j| [0.2, 3.0].map(|x| (j, x)));
    let runs = runs.flat_map(|run| std::iter::repeat_n(run, seeds));
    let perturbed: Vec<_> = runs.map(|(j, x)| (Domain(j), x, noisy(28.0 * y(j, x)))).collect();
    Evidence::from_factors(Measure::Perplexity, &[1.0; 7], &base, &perturbed)
}

/// Per domain how many worlds' intervals hold the true optimal weight, and the same of the gain.
fn ddo_worlds(
    worlds: u64,
    noise: f64,
) -> Result<(Vec<u64>, u64), Box<dyn std::error::Error + Send + Sync>> {
    let truth = ddo::solve(&evidence(0, 0.0), &ddo::Options::default())?;
    let of = |world: u64| -> Result<Vec<bool>, mixmake_fit::FitError> {
        let options = ddo::Options {
            bootstrap: ddo::Bootstrap { draws: 400, level: LEVEL, seed: world },
            ..ddo::Options::default()
        };
        let fit = ddo::solve(&evidence(world + 1, noise), &options)?;
        let Uncertainty::Intervals { weights, gain, .. } = &fit.uncertainty else {
            return Ok(vec![false; 8]);
        };
        let holds =
            |i: &ddo::Interval, value: f64| i.low - 1e-12 <= value && value <= i.high + 1e-12;
        let mut held: Vec<bool> =
            weights.iter().zip(&truth.optimum.weights).map(|(i, w)| holds(i, *w)).collect();
        let really: f64 = (0..7).map(|j| 28.0 * (y(j, 1.0) - y(j, fit.optimum.multiples[j]))).sum();
        held.push(holds(gain, really));
        Ok(held)
    };
    let all: Vec<_> = (0..worlds).into_par_iter().map(of).collect();
    let mut counts = vec![0; 8];
    for world in all {
        counts.iter_mut().zip(world?).for_each(|(count, held)| *count += u64::from(held));
    }
    let gain = counts.pop().unwrap_or(0);
    Ok((counts, gain))
}

fn truth(law: LawName, h: &[f64]) -> Vec<f64> {
    let inner = |t: [f64; 3]| t.iter().zip(h).map(|(t, h)| t * h).sum::<f64>();
    let sum = |c: [f64; 3]| c.iter().zip(h).map(|(c, h)| c * h.powf(0.4)).sum::<f64>();
    match law {
        LawName::Exponential => {
            vec![1.0 + inner([-1.5, 0.2, 0.6]).exp(), 1.2 + inner([0.5, -1.2, 0.4]).exp()]
        }
        _ => vec![1.0 + 1.0 / sum([1.2, 0.3, 0.4]), 1.2 + 1.0 / sum([0.4, 1.3, 0.3])],
    }
}

fn table(law: LawName, world: u64, rows: usize, noise: f64) -> Observations {
    let mut random = random(world);
    let row = |index: usize| {
        let draws: Vec<f64> = (0..3).map(|_| -random.unit().ln()).collect();
        let sum: f64 = draws.iter().sum();
        let h: Vec<f64> = match index {
            0 => vec![1.0 / 3.0; 3],
            _ => draws.iter().map(|d| d / sum).collect(),
        };
        let losses: Vec<f64> =
            truth(law, &h).iter().map(|l| l * (1.0 + noise * random.normal())).collect();
        Row::new(format!("{index}"), h, &losses)
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Observations::new(names(&["a", "b", "c"]), names(&["u", "v"]), (0..rows).map(row).collect())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn law_worlds(law: LawName, worlds: u64) -> [u64; 3] {
    let options =
        FitOptions { starts: 8, reference: Some(vec![1.0 / 3.0; 3]), ..FitOptions::default() };
    let problem =
        Problem { goal: Goal::default(), bounds: Bounds::free(3), tokens: None, size: None };
    let solved = |table: &Observations| -> Option<(LawFit, Vec<f64>)> {
        let fit = fit(table, law, &options).ok()?;
        let weights = optimise(&fit, &problem).ok()?.weights;
        Some((fit, weights))
    };
    let Some((_, best)) = solved(&table(law, 0, 80, 0.0)) else { return [0; 3] };
    let of = |world: u64| -> Option<[bool; 3]> {
        let table = table(law, world + 1, 40, 0.01);
        let (fitted, proposed) = solved(&table)?;
        let draws = Bootstrap { draws: 200, level: LEVEL, seed: world, ..Bootstrap::default() };
        let found = bootstrap(&table, &fitted, &options, &problem, &draws).ok()?;
        let mean = |h: &[f64]| truth(law, h).iter().sum::<f64>() / 2.0;
        let really = mean(&[1.0 / 3.0; 3]) - mean(&proposed);
        let holds = |low: f64, high: f64, value: f64| low - 1e-9 <= value && value <= high + 1e-9;
        Some([
            holds(found.weights[0].low, found.weights[0].high, best[0]),
            holds(found.weights[1].low, found.weights[1].high, best[1]),
            holds(found.gain.low, found.gain.high, really),
        ])
    };
    let all: Vec<[bool; 3]> =
        (0..worlds).into_par_iter().map(|world| of(world).unwrap_or([false; 3])).collect();
    [0, 1, 2].map(|k| all.iter().filter(|world| world[k]).count() as u64)
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let worlds: u64 = std::env::args().nth(1).map_or(Ok(400), |text| text.parse())?;
    let share = |count: u64| count as f64 / worlds as f64;
    let error = (LEVEL * (1.0 - LEVEL) / worlds as f64).sqrt();
    println!("level {LEVEL}, {worlds} worlds each, sampling error of a share {error:.3}");
    for noise in [0.0005, 0.002, 0.005] {
        let (weights, gain) = ddo_worlds(worlds, noise)?;
        let weights: Vec<String> = weights.iter().map(|w| format!("{:.3}", share(*w))).collect();
        println!("ddo, noise {noise}: weights {} gain {:.3}", weights.join(" "), share(gain));
    }
    for law in [LawName::Exponential, LawName::InverseSum] {
        let [a, b, gain] = law_worlds(law, worlds).map(share);
        println!("{law}, noise 0.01: weights {a:.3} {b:.3} gain {gain:.3}");
    }
    Ok(())
}
