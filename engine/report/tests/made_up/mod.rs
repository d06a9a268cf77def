//! Made-up studies: every number follows from a few laws, none was measured.

#![allow(dead_code, reason = "each test and the example use some of these")]

use mixmake_report::data::*;

pub const NAMES: [&str; 5] = ["rust", "c-cpp", "prose", "config", "notebooks"];

/// Five domains (one held-out only), two fits, one prediction, two trainings of eight evaluations.
pub fn realistic() -> Study {
    study(&NAMES, 0.94)
}

/// The same, but the predicted mixture ends above the baseline.
pub fn not_better() -> Study {
    let mut study = study(&NAMES, 1.012);
    study.comparisons[0].steps_saved = None;
    study.comparisons[0].words =
        "never reaches the final mean perplexity of `uniform` in 1200 steps".into();
    study
}

/// A study of many domains.
pub fn many_domains(count: usize) -> Study {
    let names: Vec<String> = (0..count).map(|i| format!("domain-number-{i}")).collect();
    study(&names.iter().map(String::as_str).collect::<Vec<_>>(), 0.97)
}

/// A study without anything in it.
pub fn empty() -> Study {
    Study {
        title: String::new(),
        domains: vec![],
        fits: vec![],
        predictions: vec![],
        trainings: vec![],
        baseline: None,
        comparisons: vec![],
    }
}

fn study(names: &[&str], gain: f64) -> Study {
    // The last of several domains is only evaluated on.
    let trained = if names.len() > 1 { names.len() - 1 } else { 1 };
    let fits = vec![fit("ddo.small", 300e3, trained, 0.0), fit("ddo.medium", 900e3, trained, 0.6)];
    let path: Vec<(f64, Vec<f64>)> = (0..9)
        .map(|i| {
            let t = i as f64 / 4.0;
            (300e3 * 3f64.powf(t), normalised((0..trained).map(|d| weight(d, 0.6 * t)).collect()))
        })
        .collect();
    let weights = path[8].1.clone();
    let uniform = vec![1.0 / trained as f64; trained];
    Study {
        title: "demo: four kinds of text from vendored sources".into(),
        domains: names.iter().enumerate().map(|(d, n)| domain(d, n, d < trained)).collect(),
        fits,
        predictions: vec![Prediction {
            name: "large".into(),
            tokens: 2.7e6,
            weights: weights.clone(),
            weight_intervals: None,
            path,
            notes: vec!["`config` is at its floor at both scales and is carried there.".into()],
        }],
        trainings: vec![
            training("uniform", "uniform", uniform, names.len(), 1.0),
            training("predicted", "autoscale.large", weights, names.len(), gain),
        ],
        baseline: Some(0),
        comparisons: vec![Comparison {
            training: 1,
            mean_perplexity_difference: -1.3,
            steps_saved: Some(0.21),
            words: "reaches the final mean perplexity of `uniform` at step 948 of 1200: 21 % of \
                    the steps saved"
                .into(),
        }],
    }
}

fn domain(index: usize, name: &str, trains: bool) -> Domain {
    let size = 1 + (index as u64 * 7) % 5;
    Domain {
        name: name.into(),
        trains,
        train_tokens: if trains { 812_345 * size } else { 0 },
        held_out_tokens: 48_000 + 311 * size,
        documents_read: 5_210 * size,
        dropped: vec![("min-chars".into(), 402 * size), ("duplicate".into(), 17 * size)],
        train_samples: if trains { 3_100 * size } else { 0 },
        held_out_samples: 200,
        chars: if trains { 3_190_000 } else { 180_000 } * size,
        duplicates: 23 * size,
        lengths: (0..18)
            .map(|bucket: u64| size * bucket.pow(3).min((18 - bucket).pow(4)))
            .collect(),
    }
}

/// Unnormalised weight of a domain; `t` runs with the logarithm of scale.
fn weight(domain: usize, t: f64) -> f64 {
    let lean = [0.35, -0.15, 0.1, -0.6][domain % 4];
    ([1.2, 0.9, 1.5, 0.5][domain % 4] * f64::exp(lean * t)).max(0.2)
}

fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

fn fit(name: &str, tokens: f64, trained: usize, t: f64) -> Fit {
    let weights = normalised((0..trained).map(|d| weight(d, t)).collect());
    Fit {
        name: name.into(),
        tokens,
        objective: "mean perplexity".into(),
        reference_weights: vec![1.0 / trained as f64; trained],
        multiples: weights.iter().map(|w| w * trained as f64).collect(),
        weight_intervals: None,
        weights,
        curves: (0..trained).map(|d| curve(d, t)).collect(),
        objective_reference: 61.4 - 20.0 * t,
        objective_optimum: 59.9 - 20.0 * t,
        objective_optimum_interval: None,
        notes: if trained > 3 {
            vec![
                "`config`: the points are not convex and decreasing, held at its reference.".into(),
            ]
        } else {
            vec![]
        },
    }
}

fn curve(domain: usize, t: f64) -> FitCurve {
    if domain == 3 && t == 0.0 {
        let points = vec![(1.0 / 3.0, 1.002), (1.0, 1.0), (3.0, 1.004)];
        return FitCurve { points, at_floor: true, ..FitCurve::default() };
    }
    let (a, b) = (2.2 + 0.4 * (domain % 3) as f64, 1.3 + 0.2 * (domain % 4) as f64 - 0.2 * t);
    let c = 1.0 - (1.0 + a).powf(-b);
    let points = [1.0 / 3.0, 1.0, 3.0].map(|x| (x, (x + a).powf(-b) + c)).to_vec();
    FitCurve {
        points,
        law: Some([a, b, c]),
        rms: Some(0.0),
        at_floor: domain % 4 == 3,
        ..FitCurve::default()
    }
}

fn training(name: &str, mixture: &str, weights: Vec<f64>, domains: usize, gain: f64) -> Training {
    let evaluations = [0u64, 150, 300, 450, 600, 750, 900, 1050, 1200].map(|step| {
        let losses = (0..domains).map(|d| loss(d, step as f64, gain));
        Evaluation { step, tokens: step * 2250, losses: losses.collect() }
    });
    Training {
        name: name.into(),
        mixture: mixture.into(),
        tokens: 2_700_000,
        steps: 1200,
        weights,
        evaluations: evaluations.to_vec(),
    }
}

/// From ln(4096) at step 0 down a power law; a mixture shifts the end by its gain, some domains more.
fn loss(domain: usize, step: f64, gain: f64) -> f64 {
    let floor = 2.1 + 0.22 * (domain % 4) as f64;
    let lean = [1.9, -0.6, 1.2, 0.3, 0.8][domain % 5];
    let learnt = 1.0 - (1.0 + step / 60.0).powf(-1.0);
    4096f64.ln() - (4096f64.ln() - floor) * learnt + gain.ln() * lean * learnt
}
