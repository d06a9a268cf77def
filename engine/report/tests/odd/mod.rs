//! Odd studies: parts missing, lists of wrong lengths, hostile names, numbers out of any range.

#![allow(dead_code, reason = "each test uses some of these")]

use mixmake_report::data::*;

use crate::made_up;

/// The odd studies that are worth reading.
pub fn named() -> Vec<(&'static str, Study)> {
    let base = made_up::realistic;
    let mut no_fits = base();
    no_fits.fits.clear();
    let mut no_predictions = base();
    no_predictions.predictions.clear();
    let mut no_trainings = base();
    no_trainings.trainings.clear();
    no_trainings.baseline = None;
    no_trainings.comparisons.clear();
    let mut no_baseline = base();
    no_baseline.baseline = None;
    no_baseline.comparisons.clear();
    vec![
        ("empty", made_up::empty()),
        ("no-fits", no_fits),
        ("no-predictions", no_predictions),
        ("no-trainings", no_trainings),
        ("no-baseline", no_baseline),
        ("one-domain", made_up::many_domains(1)),
        ("many-domains", made_up::many_domains(30)),
        ("hostile", hostile()),
        ("not-a-number", with_numbers(f64::NAN)),
        ("huge", with_numbers(1e300)),
        ("tiny", with_numbers(1e-300)),
        ("disordered", disordered()),
    ]
}

/// All odd studies, and the ordinary ones.
pub fn all() -> Vec<(String, Study)> {
    let mut all: Vec<(String, Study)> =
        named().into_iter().map(|(name, study)| (name.to_string(), study)).collect();
    all.push(("realistic".into(), made_up::realistic()));
    all.push(("not better".into(), made_up::not_better()));
    let odd = [f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, -1.0, 1.0, f64::MAX, f64::MIN, 709.0];
    all.extend(odd.map(|v| (format!("all numbers {v:e}"), with_numbers(v))));
    for (at, v) in [f64::NAN, f64::INFINITY, 0.0, -5.0, 1e300, 5e-324].into_iter().enumerate() {
        for every in [2, 3, 7] {
            all.push((format!("every {every} is odd {at}"), poisoned(every, v)));
        }
    }
    all
}

/// Names that are markup, control sequences, wide or very long.
pub fn hostile() -> Study {
    let mut study = made_up::realistic();
    let names = [
        "<script>alert(1)</script>",
        "a\"b' onload=x & </title>",
        "🦀 数据集 `tick` | pipe",
        "\u{1b}[2J\u{202e}line\nbreak",
        "a-very-long-name-of-a-domain-that-does-not-fit-into-any-column-whatsoever",
    ];
    for (domain, name) in study.domains.iter_mut().zip(names) {
        domain.name = name.into();
    }
    study.title = "</title><script>alert('t')</script> & \"co\"".into();
    study.trainings[0].name = "<img src=x onerror=alert(1)>".into();
    study.trainings[1].name = "a*b_c|d`e <b>".into();
    study.fits[0].name = "<i>\u{7}".into();
    study.fits[0].objective = "<u>perplexity</u>".into();
    study.fits[0].notes = vec!["note with `<b>` and | and <b>\n# not a heading".into()];
    study.predictions[0].notes = vec!["an odd ` backtick & <b>".into()];
    study.comparisons[0].words = "<b>saved</b> `<i>` \u{1b}[31m".into();
    study.domains[0].dropped[0].0 = "<rule>|x".into();
    study
}

/// Lists too short and too long, indices that point nowhere, scales out of order.
pub fn disordered() -> Study {
    let mut study = made_up::realistic();
    study.fits.swap(0, 1);
    study.fits[0].weights.truncate(1);
    study.fits[0].curves.truncate(1);
    study.fits[0].weight_intervals = Some(vec![]);
    study.fits[1].multiples.clear();
    study.fits[1].reference_weights.push(0.5);
    study.predictions[0].weights.clear();
    study.predictions[0].path = vec![(f64::NAN, vec![]), (1e6, vec![0.5])];
    study.trainings[0].evaluations.reverse();
    study.trainings[1].evaluations[3].losses.truncate(2);
    study.trainings[1].weights.extend([0.1, 0.2]);
    study.comparisons.push(Comparison { training: 99, ..study.comparisons[0].clone() });
    study.comparisons.push(Comparison { training: 0, ..study.comparisons[0].clone() });
    study
}

/// Every number replaced.
pub fn with_numbers(value: f64) -> Study {
    poisoned(1, value)
}

/// Every `every`-th number replaced.
pub fn poisoned(every: usize, value: f64) -> Study {
    let mut study = made_up::realistic();
    let mut seen = 0;
    visit(&mut study, &mut |number| {
        seen += 1;
        if seen % every == 0 {
            *number = value;
        }
    });
    study
}

fn visit(study: &mut Study, change: &mut impl FnMut(&mut f64)) {
    for fit in &mut study.fits {
        fit.weight_intervals = Some(fit.weights.iter().map(|w| (*w, *w)).collect());
        fit.objective_optimum_interval = Some((fit.objective_optimum, fit.objective_optimum));
        let lists = [&mut fit.reference_weights, &mut fit.weights, &mut fit.multiples];
        lists.into_iter().flatten().for_each(&mut *change);
        for (lo, hi) in fit.weight_intervals.iter_mut().flatten() {
            [lo, hi].into_iter().for_each(&mut *change);
        }
        for curve in &mut fit.curves {
            for (x, y) in &mut curve.points {
                [x, y].into_iter().for_each(&mut *change);
            }
            curve.law.iter_mut().flatten().for_each(&mut *change);
            curve.rms.iter_mut().for_each(&mut *change);
        }
        if let Some((lo, hi)) = &mut fit.objective_optimum_interval {
            [lo, hi].into_iter().for_each(&mut *change);
        }
        let rest = [&mut fit.tokens, &mut fit.objective_reference, &mut fit.objective_optimum];
        rest.into_iter().for_each(&mut *change);
    }
    for prediction in &mut study.predictions {
        change(&mut prediction.tokens);
        prediction.weights.iter_mut().for_each(&mut *change);
        for (tokens, weights) in &mut prediction.path {
            change(tokens);
            weights.iter_mut().for_each(&mut *change);
        }
    }
    for training in &mut study.trainings {
        training.weights.iter_mut().for_each(&mut *change);
        let losses = training.evaluations.iter_mut().flat_map(|e| &mut e.losses);
        losses.for_each(&mut *change);
    }
    for comparison in &mut study.comparisons {
        change(&mut comparison.mean_perplexity_difference);
        comparison.steps_saved.iter_mut().for_each(&mut *change);
    }
}
