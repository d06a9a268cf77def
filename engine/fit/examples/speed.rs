//! Times the fits that `bench/fit/scipy.py` times, on the same tables: JSON on stdout, the tables and starts in `FOLDER`.
//!
//! `cargo run --release -p mixmake-fit --example speed -- FOLDER`
#![expect(clippy::print_stdout, reason = "a program that reports")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use mixmake_fit::Domain;
use mixmake_fit::ddo::{self, Bootstrap, Evidence, Measure};
use mixmake_fit::mixing::{FitOptions, LawName, Observations, Row, fit, starts_of};

/// AutoScale's published laws of GPT-2 Large at 1.2B tokens.
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

fn evidence() -> Evidence {
    let y = |j: usize, x: f64| 1.0 + (x + A[j]).powf(-B[j]) - (1.0 + A[j]).powf(-B[j]);
    let runs: Vec<(Domain, f64, Vec<f64>)> =
        (0..7).flat_map(|j| [0.2, 3.0].map(|x| (Domain(j), x, vec![28.0 * y(j, x)]))).collect();
    Evidence::from_factors(Measure::Perplexity, &[1.2e9 / 7.0; 7], &[vec![28.0]], &runs)
}

/// CPU time of this process and its threads so far in milliseconds: what a loaded machine leaves comparable. 0 where `/proc` is
/// not Linux's.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or("");
    let ticks: f64 =
        after_name.split_whitespace().skip(11).take(2).flat_map(str::parse::<f64>).sum();
    10.0 * ticks
}

/// Median wall time and mean CPU time of repeated work in milliseconds.
fn time(times: usize, mut work: impl FnMut()) -> (f64, f64) {
    let cpu = cpu_ms();
    let mut all: Vec<f64> = (0..times)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    all.sort_by(f64::total_cmp);
    (all[times / 2], (cpu_ms() - cpu) / times as f64)
}

/// 2,500 rows of an inverse-sum world of 7 domains with 1 % noise.
fn table() -> (Observations, Vec<Row>) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut unit = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    };
    let c: Vec<f64> = (0..7).map(|_| 0.2 + unit()).collect();
    let g: Vec<f64> = (0..7).map(|_| 0.2 + 0.5 * unit()).collect();
    let rows: Vec<Row> = (0..2500)
        .map(|index| {
            let draws: Vec<f64> = (0..7).map(|_| -unit().ln()).collect();
            let sum: f64 = draws.iter().sum();
            let h: Vec<f64> = draws.iter().map(|d| d / sum).collect();
            let inner: f64 = (0..7).map(|j| c[j] * h[j].powf(g[j])).sum();
            let normal = (-2.0 * unit().ln()).sqrt() * (std::f64::consts::TAU * unit()).cos();
            Row::new(format!("{index:04}"), h, &[(1.3 + 1.0 / inner) * (1.0 + 0.01 * normal)])
        })
        .collect();
    let names = (0..7).map(|j| format!("d{j}")).collect();
    let table = Observations::new(names, vec!["v".into()], rows.clone());
    (table.unwrap_or_else(|error| panic!("{error}")), rows)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: speed FOLDER")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let evidence = evidence();
    let none = Bootstrap { draws: 0, ..Bootstrap::default() };
    let options = ddo::Options { bootstrap: none, ..ddo::Options::default() };
    let (ddo_wall, ddo_cpu) = time(20_000, || {
        std::hint::black_box(ddo::solve(&evidence, &options)).ok();
    });
    let many = ddo::Options {
        noise: Some(0.002),
        bootstrap: Bootstrap { draws: 10_000, ..Bootstrap::default() },
        ..ddo::Options::default()
    };
    let (draws_wall, draws_cpu) = time(3, || {
        std::hint::black_box(ddo::solve(&evidence, &many)).ok();
    });
    let (table, _) = table();
    let law = LawName::InverseSum;
    let options = FitOptions { starts: 200, ..FitOptions::default() };
    let mut rows = String::new();
    for row in table.rows() {
        for weight in &row.weights {
            write!(rows, "{weight:e},")?;
        }
        writeln!(rows, "{:e}", row.losses[0].unwrap_or(f64::NAN))?;
    }
    std::fs::write(folder.join("rows.csv"), rows)?;
    let mut starts = String::new();
    for start in &starts_of(&table, law, &options)?[0] {
        let numbers: Vec<String> = start.iter().map(|p| format!("{p:e}")).collect();
        writeln!(starts, "{}", numbers.join(","))?;
    }
    std::fs::write(folder.join("starts.csv"), starts)?;
    let mut cost = f64::NAN;
    let (fit_wall, fit_cpu) = time(3, || {
        if let Ok(fit) = std::hint::black_box(fit(&table, law, &options)) {
            cost = fit.targets[0].rms.powi(2) * 2500.0 / 2.0;
        }
    });
    println!(
        "{{\"ddo_ms\": [{ddo_wall:e}, {ddo_cpu:e}], \"draws_ms\": [{draws_wall:e}, {draws_cpu:e}], \"fit_ms\": [{fit_wall:e}, {fit_cpu:e}], \"fit_cost\": {cost:e}, \"threads\": {}}}",
        rayon::current_num_threads()
    );
    Ok(())
}
