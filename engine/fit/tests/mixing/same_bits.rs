//! The same table gives the same bits on any number of threads and in any order of rows and columns.

use mixmake_fit::mixing::{
    Bootstrap, Bounds, FitOptions, Folds, Goal, GoalKind, LawName, Observations, Problem, Row,
    bootstrap, choose, fit, optimise, suggest,
};

use crate::world::{Design, Random, names};

fn truth(h: &[f64], _: f64, _: f64) -> Vec<f64> {
    let part =
        |v: usize| (0..4).map(|j| (0.3 + ((j + v) % 4) as f64 * 0.3) * h[j].powf(0.4)).sum::<f64>();
    (0..3).map(|v| 1.5 + 1.0 / part(v)).collect()
}

/// Everything the crate answers, as text that shows every bit.
fn answers(table: &Observations) -> String {
    let options = FitOptions { starts: 12, ..FitOptions::default() };
    let problem = Problem {
        goal: Goal::new(GoalKind::MeanPerplexity),
        bounds: Bounds::free(4).with_floor(0.02),
        tokens: None,
        size: None,
    };
    let laws = [LawName::InverseSum, LawName::Exponential, LawName::Trees];
    let choice = choose(table, &laws, &options, &Folds::default()).expect("a choice");
    let mut text = format!("{choice:?}");
    for law in laws {
        let fitted = fit(table, law, &options).expect("a fit");
        text += &format!("{:?}{:?}", fitted.targets, optimise(&fitted, &problem));
        if law != LawName::Trees {
            let draws = Bootstrap { draws: 30, ..Bootstrap::default() };
            text += &format!("{:?}", bootstrap(table, &fitted, &options, &problem, &draws));
            text += &format!("{:?}", suggest(table, &fitted, &problem, 3, 1));
        }
    }
    text
}

fn with_threads(threads: usize, table: &Observations) -> String {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(|| answers(table))
}

#[test]
fn threads_and_orders_do_not_matter() {
    let rows = Design::new(4, 40, 7).noise(0.01).rows(&truth);
    let table = Observations::new(names("d", 4), names("v", 3), rows.clone()).expect("usable");
    let one = with_threads(1, &table);
    assert!(one == with_threads(4, &table), "1 and 4 threads differ");
    // Rows, domains and validation domains in another order.
    let mut random = Random::new(8);
    let (domains, validation) = ([2, 0, 3, 1], [1, 2, 0]);
    let mut shuffled: Vec<Row> = rows
        .iter()
        .map(|row| Row {
            weights: domains.iter().map(|&j| row.weights[j]).collect(),
            losses: validation.iter().map(|&v| row.losses[v]).collect(),
            ..row.clone()
        })
        .collect();
    for k in (1..shuffled.len()).rev() {
        shuffled.swap(k, (random.unit() * (k + 1) as f64) as usize);
    }
    let of =
        |names: Vec<String>, order: &[usize]| order.iter().map(|&k| names[k].clone()).collect();
    let other =
        Observations::new(of(names("d", 4), &domains), of(names("v", 3), &validation), shuffled);
    assert!(one == answers(&other.expect("usable")), "orders differ");
}
