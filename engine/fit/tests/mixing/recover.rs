//! Parameters, and where they are not identifiable optima, of every law from its own worlds.

use mixmake_fit::mixing::{
    Bounds, FitOptions, Goal, GoalKind, LawFit, LawName, Point, Problem, fit, optimise,
};

use crate::world::{Design, Random, Truth};

fn options() -> FitOptions {
    FitOptions { starts: 24, ..FitOptions::default() }
}

fn fitted(design: &Design, law: LawName, truth: &Truth<'_>) -> LawFit {
    fit(&design.table(truth), law, &options()).unwrap_or_else(|error| panic!("{law}: {error}"))
}

fn close(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * (1.0 + expected.abs())
}

/// Values of a parameter by domain, or the single one.
fn values(fit: &LawFit, target: usize, name: &str) -> Vec<f64> {
    let named = fit.targets[target].parameters.iter().filter(|p| p.name == name);
    named.map(|p| p.value).collect()
}

fn check(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(close(*found, *expected, tolerance), "{what}: {found} for {expected}");
    }
}

#[test]
fn exponential_worlds_of_3_to_20_domains() {
    for domains in [3, 7, 20] {
        let mut random = Random::new(domains as u64);
        let (c, k) = (random.between(1.0, 2.0), random.between(1.0, 2.0));
        let mut t: Vec<f64> = (0..domains).map(|_| random.between(-2.0, 1.0)).collect();
        let centre = t.iter().sum::<f64>() / domains as f64;
        t.iter_mut().for_each(|t| *t -= centre);
        let inner = |h: &[f64]| t.iter().zip(h).map(|(t, h)| t * h).sum::<f64>();
        let truth = |h: &[f64], _: f64, _: f64| vec![c + k * inner(h).exp()];
        let fit = fitted(&Design::new(domains, 4 * domains, 1), LawName::Exponential, &truth);
        check(&values(&fit, 0, "c"), &[c], 1e-5, "c");
        check(&values(&fit, 0, "k"), &[k], 1e-5, "k");
        check(&values(&fit, 0, "t"), &t, 1e-4, "t");
    }
}

#[test]
fn inverse_sum_worlds_with_scales_and_their_forecasts() {
    for domains in [3, 6] {
        let mut random = Random::new(10 + domains as u64);
        let c: Vec<f64> = (0..domains).map(|_| random.between(0.3, 1.5)).collect();
        let g: Vec<f64> = (0..domains).map(|_| random.between(0.2, 0.8)).collect();
        let truth = |h: &[f64], tokens: f64, size: f64| {
            let sum: f64 = (0..domains).map(|j| c[j] * h[j].powf(g[j])).sum();
            vec![1.2 + 1.0 / sum + 40.0 / size.powf(0.3) + 300.0 / tokens.powf(0.35)]
        };
        let design =
            Design::new(domains, 20 * domains, 2).scales(&[1e8, 3e8, 1e9, 4e9], &[1e6, 1e7, 5e7]);
        let fit = fitted(&design, LawName::InverseSum, &truth);
        check(&values(&fit, 0, "g"), &g, 2e-3, "g");
        check(&values(&fit, 0, "C"), &c, 2e-3, "C");
        check(&values(&fit, 0, "alpha"), &[0.3], 2e-3, "alpha");
        check(&values(&fit, 0, "beta"), &[0.35], 2e-3, "beta");
        let weights = random.mixture(domains);
        let unseen = Point { weights, tokens: Some(1e11), size: Some(3e9) };
        let forecast = fit.predict(&unseen).expect("a forecast")[0];
        let expected = truth(&unseen.weights, 1e11, 3e9)[0];
        assert!(close(forecast, expected, 1e-4), "{forecast} for {expected}");
    }
}

/// The joint law's amplitudes are nearly redundant: its predictions are what must be right.
#[test]
fn joint_worlds_are_forecast_at_unseen_scales() {
    let (c, g) = ([0.5, 1.1, 0.8], [0.3, 0.5, 0.7]);
    let truth = |h: &[f64], tokens: f64, size: f64| {
        let sum: f64 = (0..3).map(|j| c[j] * h[j].powf(g[j])).sum();
        let mix = |parts: [f64; 3]| (0..3).map(|j| parts[j] * h[j]).sum::<f64>();
        let by_size = mix([30.0, 60.0, 45.0]).powf(0.9) / size.powf(0.3);
        let by_tokens = mix([900.0, 300.0, 500.0]).powf(1.1) / tokens.powf(0.4);
        vec![1.0 + 1.0 / sum + by_size + by_tokens]
    };
    let design = Design::new(3, 120, 3).scales(&[1e8, 4e8, 2e9, 8e9], &[1e6, 1e7, 1e8]);
    let fit = fitted(&design, LawName::InverseSumJoint, &truth);
    assert!(fit.targets[0].rms < 1e-6, "{}", fit.targets[0].rms);
    let point = Point { weights: vec![0.5, 0.3, 0.2], tokens: Some(4e10), size: Some(1e9) };
    let (found, expected) =
        (fit.predict(&point).expect("a forecast")[0], truth(&point.weights, 4e10, 1e9)[0]);
    assert!(close(found, expected, 1e-3), "{found} for {expected}");
}

#[test]
fn log_linear_linear_and_bimix_worlds() {
    for domains in [3, 7, 20] {
        let mut random = Random::new(20 + domains as u64);
        let w: Vec<f64> = (0..domains).map(|_| random.between(2.0, 5.0)).collect();
        let sum = |h: &[f64]| w.iter().zip(h).map(|(w, h)| w * h).sum::<f64>();
        let linear = |h: &[f64], _: f64, _: f64| vec![sum(h)];
        let fit = fitted(&Design::new(domains, 3 * domains, 4), LawName::Linear, &linear);
        check(&values(&fit, 0, "w"), &w, 1e-8, "w");
        let t: Vec<f64> = w.iter().map(|w| w / 4.0).collect();
        let log_linear = |h: &[f64], tokens: f64, _: f64| {
            let inner: f64 = t.iter().zip(h).map(|(t, h)| t * h).sum();
            vec![(inner + 2.0).exp() / tokens.powf(0.1)]
        };
        let design = Design::new(domains, 5 * domains, 5).scales(&[1e8, 3e8, 1e9], &[]);
        let fit = fitted(&design, LawName::LogLinear, &log_linear);
        check(&values(&fit, 0, "beta"), &[0.1], 1e-6, "beta");
        let expected: Vec<f64> = t.iter().map(|t| t + 2.0).collect();
        check(&values(&fit, 0, "t"), &expected, 1e-6, "t");
    }
    let truth =
        |h: &[f64], tokens: f64, _: f64| vec![h[1].powf(-0.07) * (20.0 / tokens.powf(0.2) + 2.1)];
    let design = Design::new(3, 40, 6).scales(&[1e8, 1e9, 1e10, 1e11], &[]);
    let rows = design.rows(&truth);
    let names = crate::world::names("d", 3);
    let table = mixmake_fit::mixing::Observations::new(names, vec!["d01".into()], rows)
        .expect("a usable table");
    let fit = fit(&table, LawName::Bimix, &options()).expect("a fit");
    check(&values(&fit, 0, "alpha"), &[0.07], 1e-5, "alpha");
    check(&values(&fit, 0, "beta"), &[0.2], 1e-3, "beta");
    check(&values(&fit, 0, "C"), &[2.1], 1e-3, "C");
}

/// Shapes of nearly straight laws are not identifiable; the optimum is.
#[test]
fn additive_and_ddo_worlds_give_the_optimum() {
    for (domains, law) in [(3, LawName::Additive), (3, LawName::Ddo), (7, LawName::Ddo)] {
        let mut random = Random::new(30 + domains as u64);
        let a: Vec<f64> = (0..domains).map(|_| random.between(0.5, 3.0)).collect();
        let b: Vec<f64> = (0..domains).map(|_| random.between(0.6, 2.0)).collect();
        let m = domains as f64;
        let part = |j: usize, h: f64| (h * m + a[j]).powf(-b[j]);
        let base: f64 = (0..domains).map(|j| part(j, 1.0 / m)).sum();
        let value =
            |h: &[f64]| 3.0 * (1.0 - base + (0..domains).map(|j| part(j, h[j])).sum::<f64>());
        let truth = |h: &[f64], _: f64, _: f64| vec![value(h)];
        let table = Design::new(domains, 14 * domains, 7).table(&truth);
        let reference = Some(vec![1.0 / m; domains]);
        let fit = fit(&table, law, &FitOptions { reference, ..options() }).expect("a fit");
        let problem = problem(domains);
        let found = optimise(&fit, &problem).expect("an optimum");
        // The truth's own optimum, by its stationarity.
        let amount = |j: usize, l: f64| ((b[j] / l).powf(1.0 / (b[j] + 1.0)) - a[j]).max(0.0) / m;
        let (mut low, mut high) = (1e-6_f64, 1e3_f64);
        for _ in 0..200 {
            let l = (low * high).sqrt();
            if (0..domains).map(|j| amount(j, l)).sum::<f64>() > 1.0 { low = l } else { high = l }
        }
        let optimum: Vec<f64> = (0..domains).map(|j| amount(j, low)).collect();
        let target = &fit.targets[0];
        let what = format!("{law} {domains} rms {} agree {}", target.rms, target.agreeing_starts);
        check(&found.weights, &optimum, 2e-3, &what);
    }
}

fn problem(domains: usize) -> Problem {
    Problem {
        goal: Goal::new(GoalKind::MeanLoss),
        bounds: Bounds::free(domains),
        tokens: None,
        size: None,
    }
}

/// With noise the proposed mixture is within a share of what there is to gain of the best one.
#[test]
fn noisy_worlds_lose_little_of_the_gain() {
    let domains = 4;
    for (noise, law) in [
        (0.005, LawName::InverseSum),
        (0.02, LawName::InverseSum),
        (0.005, LawName::Exponential),
        (0.02, LawName::Exponential),
    ] {
        let mut kept = 0.0;
        let worlds = 8;
        for world in 0..worlds {
            let mut random = Random::new(40 + world);
            let c: Vec<f64> = (0..domains).map(|_| random.between(0.1, 1.5)).collect();
            let g: Vec<f64> = (0..domains).map(|_| random.between(0.2, 0.8)).collect();
            // Two validation domains that pull apart.
            let value = |h: &[f64]| -> Vec<f64> {
                let sum = |j: usize| c[j] * h[j].powf(g[j]);
                match law {
                    LawName::InverseSum => {
                        vec![
                            1.0 + 1.0 / (sum(0) + sum(1) + 0.1),
                            1.0 + 1.0 / (sum(2) + sum(3) + 0.1),
                        ]
                    }
                    _ => vec![
                        1.5 + (1.0 - 3.0 * c[0] * h[0] - 2.0 * h[1]).exp(),
                        1.5 + (1.0 - 3.0 * c[2] * h[2] - 2.0 * h[3]).exp(),
                    ],
                }
            };
            let truth = |h: &[f64], _: f64, _: f64| value(h);
            let design = Design::new(domains, 64, 50 + world).noise(noise);
            let fit = fitted(&design, law, &truth);
            let found = optimise(&fit, &problem(domains)).expect("an optimum");
            let mean = |h: &[f64]| value(h).iter().sum::<f64>() / 2.0;
            let mut best = f64::INFINITY;
            for _ in 0..20_000 {
                best = best.min(mean(&random.mixture(domains)));
            }
            let reference = mean(&[0.25; 4]);
            kept +=
                (reference - mean(&found.weights)) / (reference - best).max(1e-9) / worlds as f64;
        }
        assert!(kept > if noise > 0.01 { 0.6 } else { 0.9 }, "{law} {noise}: {kept}");
    }
}

#[test]
fn equal_domains_get_equal_weights() {
    for domains in [3, 12] {
        let truth = |h: &[f64], _: f64, _: f64| {
            vec![1.0 + 1.0 / h.iter().map(|h| 0.7 * h.powf(0.4)).sum::<f64>()]
        };
        let fit = fitted(&Design::new(domains, 6 * domains, 8), LawName::InverseSum, &truth);
        let found = optimise(&fit, &problem(domains)).expect("an optimum");
        let equal = vec![1.0 / domains as f64; domains];
        check(&found.weights, &equal, 1e-3, "equal");
    }
}
