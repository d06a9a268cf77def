//! Published chains and weights, floors, more scales and refusals.

use super::*;

fn scale(amounts: &[f64]) -> Scale {
    Scale { amounts: amounts.to_vec(), ..Scale::default() }
}

/// A published optimum of the reference code: multiples of the uniform amount at a scale in billions of tokens.
fn published(billions: f64, multiples: [f64; 7]) -> Scale {
    Scale {
        amounts: multiples.iter().map(|multiple| multiple * billions * 1e9 / 7.0).collect(),
        at_floor: multiples.iter().map(|multiple| *multiple == 0.2).collect(),
        ..Scale::default()
    }
}

fn reference() -> [Scale; 3] {
    [
        published(
            0.3,
            [1.55818971, 0.2, 1.1645966, 1.42333261, 1.49550525, 0.68184781, 0.47652801],
        ),
        published(0.6, [1.6537299, 0.2, 1.1988018, 1.27792191, 1.62120831, 0.7912898, 0.25704828]),
        published(1.2, [1.63121445, 0.2, 1.30180479, 1.21425702, 1.83266187, 0.62006189, 0.2]),
    ]
}

fn outer() -> [Scale; 2] {
    let [first, _, last] = reference();
    [first, last]
}

/// The reading of the published figures: every domain extrapolated.
fn as_published(mode: Mode) -> Options {
    Options { mode, carry_floor: false, ..Options::default() }
}

fn assert_rounded(found: &[f64], expected: &[f64], unit: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 0.5001 * unit, "{found} for {expected}");
    }
}

#[test]
fn remark_1() {
    let scales = [scale(&[100.0, 100.0]), scale(&[300.0, 200.0])];
    let found = predict(&scales, 600_000.0, &as_published(Mode::Stepping)).unwrap();
    let amounts: Vec<Vec<f64>> = found.chain.iter().map(|step| step.amounts.clone()).collect();
    let expected: [[f64; 2]; 7] = [
        [900.0, 400.0],
        [2700.0, 800.0],
        [8100.0, 1600.0],
        [24300.0, 3200.0],
        [72900.0, 6400.0],
        [218_700.0, 12_800.0],
        [656_100.0, 25_600.0],
    ];
    assert_eq!(amounts, expected);
    let percent =
        |step: &Amounts| [(100.0 * step.weights[0]).round(), (100.0 * step.weights[1]).round()];
    let percents: Vec<[f64; 2]> = found.chain.iter().map(percent).collect();
    let expected =
        [[69., 31.], [77., 23.], [84., 16.], [88., 12.], [92., 8.], [94., 6.], [96., 4.]];
    assert_eq!(percents, expected);
    assert_eq!(found.predicted, found.chain[6]);
    assert!(found.notes.iter().any(|note| matches!(note, Note::Overshoot { .. })));
}

#[test]
fn published_stepping() {
    let found = predict(&outer(), 400e9, &as_published(Mode::Stepping)).unwrap();
    let totals: Vec<f64> = found.chain.iter().map(|step| step.total / 1e9).collect();
    assert_rounded(&totals[..2], &[5.000487, 21.38933], 1e-6 * 10.0);
    assert_rounded(&totals, &[5.000487, 21.38933, 93.22815, 412.44003], 1e-5);
    let weights = [0.2342, 0.0274, 0.1995, 0.1421, 0.3080, 0.0773, 0.0115];
    assert_rounded(&found.chain[0].weights, &weights, 1e-4);
    // A target of 3B returns the weights of 5.0B.
    let three = predict(&outer(), 3e9, &as_published(Mode::Stepping)).unwrap();
    assert_eq!(three.predicted, found.chain[0]);
}

#[test]
fn published_continuous() {
    let check = |target: f64, weights: [f64; 7]| {
        let found = predict(&outer(), target, &as_published(Mode::Continuous)).unwrap();
        assert_rounded(&found.predicted.weights, &weights, 1e-4);
        assert!((found.predicted.total / target - 1.0).abs() < 1e-14);
        assert!(found.chain.is_empty() && found.rms_log == 0.0);
    };
    check(3e9, [0.2346, 0.0279, 0.1953, 0.1530, 0.2917, 0.0814, 0.0160]);
    check(10e9, [0.2324, 0.0266, 0.2044, 0.1278, 0.3296, 0.0717, 0.0074]);
}

#[test]
fn published_geometric_mean_check() {
    let [first, middle, last] = reference();
    let misses = middle_check(&first, &middle, &last).unwrap();
    assert_rounded(&[misses[5], misses[6]], &[-0.178, 0.201], 1e-3);
    assert!(misses[..5].iter().all(|miss| miss.abs() < 0.04), "{misses:?}");
}

#[test]
fn a_domain_floored_at_every_scale_is_carried() {
    let check = |mode: Mode| {
        let options = Options { mode, ..Options::default() };
        let found = predict(&outer(), 3e9, &options).unwrap();
        assert_eq!(found.carried, [Domain(1)]);
        assert!(
            (found.predicted.weights[1] - 0.2 / 7.0).abs() < 1e-8,
            "{:?}",
            found.predicted.weights
        );
        assert!((found.predicted.weights.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        // Its carried share leaves the others' ratios alone at the same position.
        assert!(matches!(
            found.notes[..],
            [
                Note::Carried { domain: Domain(1), .. },
                Note::PartlyFloored { domain: Domain(6), scales: 1 },
                ..
            ]
        ));
        let names: Vec<String> = ["cc", "github"].map(String::from).to_vec();
        assert!(found.in_words(&names)[0].contains("`github` is at its floor"));
    };
    check(Mode::Continuous);
    check(Mode::Stepping);
    let plain = predict(&outer(), 3e9, &as_published(Mode::Continuous)).unwrap();
    assert!(plain.carried.is_empty());
    assert_eq!(plain.notes[0], Note::FloorExtrapolated { domain: Domain(1) });
}

#[test]
fn all_floored_keeps_the_shares() {
    let floored = |total: f64| Scale {
        at_floor: vec![true, true, false],
        ..scale(&[0.25 * total, 0.75 * total, 0.0])
    };
    let found = predict(&[floored(1e9), floored(2e9)], 8e9, &Options::default()).unwrap();
    assert_rounded(&found.predicted.weights, &[0.25, 0.75, 0.0], 1e-12);
    assert!((found.position - 3.0).abs() < 1e-12);
}

#[test]
fn measured_scales_are_their_own_prediction() {
    for scale in &outer() {
        let found = predict(&outer(), scale.total(), &as_published(Mode::Continuous)).unwrap();
        assert_rounded(&found.predicted.amounts, &scale.amounts, 1e-3);
    }
}

/// Three scales on one power law give what two of them give; off it, the misfit shows.
#[test]
fn more_than_two_scales() {
    let on = |n: f64| scale(&[n * n, 3.0 * n]);
    let two = predict(&[on(10.0), on(1000.0)], 1e8, &Options::default()).unwrap();
    let three = predict(&[on(10.0), on(100.0), on(1000.0)], 1e8, &Options::default()).unwrap();
    assert!(two.rms_log == 0.0 && three.rms_log < 1e-12, "{}", three.rms_log);
    assert_rounded(&three.predicted.weights, &two.predicted.weights, 1e-9);
    let stepping = predict(&reference(), 3e9, &as_published(Mode::Stepping)).unwrap();
    // Steps are about as long as the last two scales are apart: 1.2B doubles, twice.
    assert_eq!(stepping.chain.len(), 2);
    assert!(stepping.rms_log > 0.01);
}

/// Amounts that are stationary points of (N0 + N)^-b at two multipliers give those at a third.
#[test]
fn the_shifted_law_is_exact_for_ddo_optima() {
    let laws = [(2.0e8, 0.6), (5.0e8, 1.1), (1.0e8, 0.3)];
    let at = |log_multiplier: f64| {
        let amount =
            |(shift, b): (f64, f64)| (20.0 + (-log_multiplier) / (b + 1.0)).exp() * 5.0 - shift;
        Scale {
            amounts: laws.map(amount).to_vec(),
            held: Vec::new(),
            at_floor: Vec::new(),
            shifts: Some(laws.map(|(shift, _)| shift).to_vec()),
        }
    };
    let expected = at(-3.0);
    let options = |law| Options { law, ..Options::default() };
    let found = predict(&[at(0.0), at(-1.0)], expected.total(), &options(Law::Shifted)).unwrap();
    assert_rounded(&found.predicted.amounts, &expected.amounts, 1.0);
    assert!((found.position - 3.0).abs() < 1e-9);
    let power = predict(&[at(0.0), at(-1.0)], expected.total(), &options(Law::Power)).unwrap();
    assert!((power.predicted.amounts[0] / expected.amounts[0] - 1.0).abs() > 1e-3);
}

#[test]
fn unusable_scales_are_refused() {
    let check = |scales: &[Scale], target: f64, options: Options, expected: &str| {
        let error = predict(scales, target, &options).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let (small, large) = (scale(&[1.0, 1.0]), scale(&[3.0, 2.0]));
    let plain = Options::default();
    let stepping = as_published(Mode::Stepping);
    let shifted = Options { law: Law::Shifted, ..plain };
    check(&[], 9.0, plain, "has no scales");
    check(std::slice::from_ref(&small), 9.0, plain, "has one scale;");
    check(&[large.clone(), small.clone()], 9.0, plain, "scale 1 has no more tokens");
    check(&[small.clone(), scale(&[3.0])], 9.0, plain, "has 1 values where 2");
    check(&[scale(&[]), scale(&[])], 9.0, plain, "no domains");
    check(&[small.clone(), scale(&[3.0, 0.0])], 9.0, plain, "domain 1 has no tokens at scale 1");
    check(&[small.clone(), scale(&[3.0, f64::NAN])], 9.0, plain, "finite");
    check(&[small.clone(), scale(&[3.0, -1.0])], 9.0, plain, "at least 0");
    check(&[small.clone(), large.clone()], f64::NAN, plain, "target");
    check(&[small.clone(), large.clone()], 5.0, stepping, "already reaches");
    check(&[small.clone(), large.clone()], 9.0, shifted, "no `shifts`");
    check(&[scale(&[4.0, 1.0]), scale(&[1.0, 9.0])], 1e-3, plain, "no amounts on the law");
    let short = Scale { at_floor: vec![true], ..large };
    check(&[small, short], 9.0, plain, "`at_floor` of scale 1");
}

#[test]
fn a_domain_held_at_one_scale_keeps_its_share_of_the_largest() {
    // Held means "no law": 5 % at one scale and 25 % at the next is no growth to extrapolate.
    let small = Scale { held: vec![false, false, true], ..scale(&[60.0, 35.0, 5.0]) };
    let large = scale(&[300.0, 200.0, 500.0 / 3.0]);
    let found = predict(&[small.clone(), large.clone()], 5000.0, &Options::default()).unwrap();
    assert_eq!(found.carried, [Domain(2)]);
    assert!((found.predicted.weights[2] - 0.25).abs() < 1e-12, "{:?}", found.predicted.weights);
    assert!((found.predicted.total - 5000.0).abs() < 1e-9);
    let note = found.in_words(&["a".into(), "b".into(), "config".into()]).join("\n");
    assert!(note.contains("`config` has no law at 1 of the scales"), "{note}");

    // Not held, the same amounts are extrapolated.
    let free = Scale { held: vec![], ..small };
    let found = predict(&[free, large], 5000.0, &Options::default()).unwrap();
    assert!(found.predicted.weights[2] > 0.4, "{:?}", found.predicted.weights);
}
