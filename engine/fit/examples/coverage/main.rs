//! How often intervals cover the truth, over as many worlds as asked:
//! `cargo run --release -p mixmake-fit --example coverage -- WORLDS [ddo|laws|both] [DOMAINS] [LAW] [NOISE]`.
//!
//! One line a cell: the share of worlds whose interval of level .8 holds the true optimal weight (mean and least over domains
//! whose optimum is at no bound), and the real gain of the proposed mixture. The tests hold smaller counts of the same.
#![expect(clippy::print_stdout, reason = "a program that reports")]

mod ddo;
mod laws;
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/mixing/truth.rs"]
mod truth;
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../../tests/mixing/world.rs"]
mod world;

use mixmake_fit::mixing::LawName;

const LEVEL: f64 = 0.8;

/// Counts over worlds.
#[derive(Clone)]
struct Tally {
    worlds: u64,
    /// Per domain: worlds where its optimum is inside the bounds, those of them that are covered, and the sum of widths.
    inside: Vec<(u64, u64, f64)>,
    /// The same of all domains together where the optimum is at a bound.
    bounded: (u64, u64),
    gain: u64,
    /// Worlds that called the proposed mixture better.
    better: u64,
    /// Domains with a law of their own.
    identified: u64,
    /// Worlds without intervals.
    none: u64,
}

impl Tally {
    fn new(domains: usize) -> Self {
        let inside = vec![(0, 0, 0.0); domains];
        Self { worlds: 1, inside, bounded: (0, 0), gain: 0, better: 0, identified: 0, none: 0 }
    }

    fn weight(&mut self, domain: usize, bounded: bool, held: bool, width: f64) {
        if bounded {
            self.bounded.0 += 1;
            self.bounded.1 += u64::from(held);
        } else {
            let inside = &mut self.inside[domain];
            *inside = (inside.0 + 1, inside.1 + u64::from(held), inside.2 + width);
        }
    }

    fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        for (sum, one) in self.inside.iter_mut().zip(&other.inside) {
            *sum = (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2);
        }
        self.bounded = (self.bounded.0 + other.bounded.0, self.bounded.1 + other.bounded.1);
        self.gain += other.gain;
        self.better += other.better;
        self.identified += other.identified;
        self.none += other.none;
    }

    /// `weights .81 (least .79, width .05), at bounds .99, gain .80, better .95`.
    fn line(&self) -> String {
        let share = |(of, count): (u64, u64)| count as f64 / of.max(1) as f64;
        let (of, count, width) =
            self.inside.iter().fold((0, 0, 0.0), |s, d| (s.0 + d.0, s.1 + d.1, s.2 + d.2));
        let often = self.inside.iter().filter(|d| d.0 * 4 >= self.worlds);
        let least = often.map(|d| share((d.0, d.1))).fold(f64::NAN, f64::min);
        let worlds = self.worlds - self.none;
        format!(
            "{worlds} worlds: weights {:.3} (least {least:.3}, of {of}, width {:.3}), at bounds {:.3} of {}, gain {:.3}, better {:.3}, laws {:.2}",
            share((of, count)),
            width / of.max(1) as f64,
            share(self.bounded),
            self.bounded.0,
            share((worlds, self.gain)),
            share((worlds, self.better)),
            share((worlds * self.inside.len() as u64, self.identified)),
        )
    }
}

fn ddo_worlds(worlds: u64, only: Option<usize>) -> Result<(), mixmake_fit::FitError> {
    use ddo::{Kind, World};
    let print = |world: World| -> Result<(), mixmake_fit::FitError> {
        if only.is_some_and(|domains| domains != world.domains) {
            return Ok(());
        }
        println!("{}: {}", world.name(), world.tally(worlds)?.line());
        Ok(())
    };
    for domains in [7, 3, 20] {
        for noise in [0.001, 0.005, 0.01, 0.02] {
            for kind in [Kind::Published, Kind::Drawn] {
                print(World { kind, domains, noise, base: 3, runs: 3 })?;
            }
        }
    }
    for (kind, domains) in [(Kind::Equal, 7), (Kind::Equal, 20), (Kind::Scarce, 7)] {
        for noise in [0.005, 0.02] {
            print(World { kind, domains, noise, base: 3, runs: 3 })?;
        }
    }
    for (base, runs) in [(3, 1), (1, 1), (5, 5)] {
        for noise in [0.001, 0.005] {
            print(World { kind: Kind::Drawn, domains: 7, noise, base, runs })?;
        }
    }
    Ok(())
}

/// Of one law, and at one noise, where they are named.
fn law_worlds(worlds: u64, only: Option<usize>, law: Option<LawName>, noise: Option<f64>) {
    let laws = LawName::ALL.into_iter().filter(|each| *each != LawName::Trees);
    for law in laws.filter(|each| law.is_none_or(|law| law == *each)) {
        for domains in [3, 7, 20].into_iter().filter(|m| only.is_none_or(|only| only == *m)) {
            if domains == 20
                && !matches!(
                    law,
                    LawName::Exponential | LawName::LogLinear | LawName::Bimix | LawName::Linear
                )
            {
                continue;
            }
            let noises = [0.002, 0.01, 0.02].into_iter();
            for noise in noises.filter(|each| noise.is_none_or(|noise| noise == *each)) {
                let tally = laws::tally(law, domains, noise, worlds);
                println!("{law}, {domains} domains, noise {noise}: {}", tally.line());
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let worlds: u64 = std::env::args().nth(1).map_or(Ok(400), |text| text.parse())?;
    let part = std::env::args().nth(2);
    let domains = std::env::args().nth(3).map(|text| text.parse()).transpose()?;
    let law = std::env::args().nth(4).map(|text| text.parse()).transpose()?;
    let noise = std::env::args().nth(5).map(|text| text.parse()).transpose()?;
    let error = (LEVEL * (1.0 - LEVEL) / worlds as f64).sqrt();
    println!(
        "level {LEVEL}, {worlds} worlds a cell, sampling error of a share of one domain or gain {error:.3}"
    );
    if part.as_deref() != Some("laws") {
        ddo_worlds(worlds, domains)?;
    }
    if part.as_deref() != Some("ddo") {
        law_worlds(worlds, domains, law, noise);
    }
    Ok(())
}
