//! Intervals of the gain in worlds of every seed: a smaller count of what the example `coverage` measures.

use mixmake_fit::mixing::{
    Bootstrap, Bounds, FitOptions, Goal, LawName, Observations, Problem, bootstrap, fit, optimise,
};
use rayon::prelude::*;

use crate::truth::{LawWorld, least};
use crate::world::{Design, names};

/// Whether one world's interval of level .8 holds the gain that the proposed mixture really has over the uniform one, and of how many weights
/// it holds the best.
fn held(law: LawName, domains: usize, noise: f64, number: u64) -> (bool, usize) {
    let world = LawWorld::new(law, domains, 1_000_000 + number);
    let design = Design::new(domains, (4 * world.parameters()).max(30), number).noise(noise);
    let rows = design.rows(&*world.losses);
    let table = Observations::new(names("d", domains), world.validation(), rows).expect("usable");
    let uniform = vec![1.0 / domains as f64; domains];
    let options =
        FitOptions { starts: 8, reference: Some(uniform.clone()), ..FitOptions::default() };
    let floor = 0.2 / domains as f64;
    let bounds = Bounds::free(domains).with_floor(floor);
    let problem = Problem { goal: Goal::default(), bounds, tokens: None, size: None };
    let fitted = fit(&table, law, &options).expect("a fit");
    let proposed = optimise(&fitted, &problem).expect("an optimum").weights;
    let draws = Bootstrap { draws: 200, level: 0.8, seed: number, ..Bootstrap::default() };
    let found = bootstrap(&table, &fitted, &options, &problem, &draws).expect("intervals");
    let really = world.mean(&uniform) - world.mean(&proposed);
    let (_, best) = least(|h| world.mean(h), &vec![floor; domains], &vec![1.0; domains]);
    let weights = found.weights.iter().zip(&best);
    let weights = weights.filter(|(i, best)| i.low - 1e-6 <= **best && **best <= i.high + 1e-6);
    (found.gain.low <= really && really <= found.gain.high, weights.count())
}

/// 60 worlds of three domains. Of ddo's the pivot alone, without what redrawn laws give the proposed mixture, held the gain in 42.
#[test]
fn the_gain_is_held_as_often_as_stated() {
    for (law, noise, least, most) in
        [(LawName::Ddo, 0.002, 46, 58), (LawName::LogLinear, 0.01, 46, 58)]
    {
        let all: Vec<(bool, usize)> =
            (0..60_u64).into_par_iter().map(|number| held(law, 3, noise, number)).collect();
        let gains = all.iter().filter(|(gain, _)| *gain).count();
        let weights: usize = all.iter().map(|(_, weights)| weights).sum();
        eprintln!("{law}: gain {gains} of 60, weights {weights} of 180");
        assert!((least..=most).contains(&gains), "{law}: {gains}");
        assert!(weights >= 135, "{law}: {weights}");
    }
}
