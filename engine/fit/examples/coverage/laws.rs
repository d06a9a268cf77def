//! Worlds of the laws of any table: two validation domains (BiMix: one per domain) over drawn mixtures, with noise.

use mixmake_fit::mixing::{
    Bootstrap, Bounds, FitOptions, Goal, LawName, Observations, Problem, bootstrap, fit, optimise,
};
use rayon::prelude::*;

use crate::truth::{LawWorld, least};
use crate::world::{Design, names};
use crate::{LEVEL, Tally};

/// Rows per parameter of a validation domain's law, about.
const ROWS: usize = 4;

fn holds(world: &LawWorld, number: u64, noise: f64) -> Option<Tally> {
    let m = world.domains;
    let design = Design::new(m, (ROWS * world.parameters()).max(30), number).noise(noise);
    let design = design.scales(&world.tokens, &world.sizes);
    let rows = design.rows(&*world.losses);
    let table = Observations::new(names("d", m), world.validation(), rows).ok()?;
    let uniform = vec![1.0 / m as f64; m];
    let options =
        FitOptions { starts: 8, reference: Some(uniform.clone()), ..FitOptions::default() };
    let floor = 0.2 / m as f64;
    let problem = Problem {
        goal: Goal::default(),
        bounds: Bounds::free(m).with_floor(floor),
        tokens: world.tokens.last().copied(),
        size: world.sizes.last().copied(),
    };
    let fitted = fit(&table, world.law, &options).ok()?;
    let proposed = optimise(&fitted, &problem).ok()?.weights;
    let draws = Bootstrap { draws: 200, level: LEVEL, seed: number, ..Bootstrap::default() };
    let found = bootstrap(&table, &fitted, &options, &problem, &draws).ok()?;
    let (_, best) = least(|h| world.mean(h), &vec![floor; m], &vec![1.0; m]);
    let mut tally = Tally::new(m);
    let within = |low: f64, high: f64, value: f64| low - 1e-6 <= value && value <= high + 1e-6;
    for (j, interval) in found.weights.iter().enumerate() {
        let bounded = best[j] < floor * (1.0 + 1e-4);
        let held = within(interval.low, interval.high, best[j]);
        tally.weight(j, bounded, held, interval.high - interval.low);
    }
    let really = world.mean(&uniform) - world.mean(&proposed);
    tally.gain = u64::from(within(found.gain.low, found.gain.high, really));
    tally.better = u64::from(found.gain.low > 0.0);
    tally.identified = m as u64;
    Some(tally)
}

pub fn tally(law: LawName, domains: usize, noise: f64, worlds: u64) -> Tally {
    let of = |number: u64| {
        let world = LawWorld::new(law, domains, 1_000_000 + number);
        holds(&world, number, noise).unwrap_or_else(|| Tally { none: 1, ..Tally::new(domains) })
    };
    let all: Vec<Tally> = (0..worlds).into_par_iter().map(of).collect();
    let mut sum = Tally { worlds: 0, ..Tally::new(domains) };
    all.iter().for_each(|tally| sum.add(tally));
    sum
}
