//! Optima against grids: convex ones with their residual, others with their gap, within floors and caps.

use mixmake_fit::mixing::{
    Bounds, FitOptions, Goal, GoalKind, LawFit, LawName, Point, Problem, Proof, fit, optimise,
};

use crate::world::{Design, Random, grid_of_three};

fn three_domain_fit(law: LawName, powers: [f64; 3]) -> LawFit {
    let truth = move |h: &[f64], _: f64, _: f64| {
        let part = |v: usize| -> f64 {
            (0..3).map(|j| (0.4 + f64::from(u8::from(j == v))) * h[j].powf(powers[j])).sum()
        };
        (0..3).map(|v| 1.0 + 0.3 * v as f64 + 1.0 / part(v)).collect()
    };
    let options = FitOptions { starts: 24, ..FitOptions::default() };
    fit(&Design::new(3, 60, 11).table(&truth), law, &options).expect("a fit")
}

fn problem(kind: GoalKind, bounds: Bounds) -> Problem {
    Problem { goal: Goal::new(kind), bounds, tokens: None, size: None }
}

const KINDS: [GoalKind; 3] = [GoalKind::MeanLoss, GoalKind::MeanPerplexity, GoalKind::WorstLoss];

#[test]
fn convex_optima_satisfy_kkt_and_no_grid_point_is_better() {
    let laws = [
        LawName::InverseSum,
        LawName::Exponential,
        LawName::LogLinear,
        LawName::Linear,
        LawName::Additive,
    ];
    for law in laws {
        let fit = three_domain_fit(law, [0.3, 0.5, 0.8]);
        for kind in KINDS {
            for floor in [0.0, 0.1] {
                let problem = problem(kind, Bounds::free(3).with_floor(floor));
                let found = optimise(&fit, &problem).expect("an optimum");
                let Proof::Convex { kkt_residual } = found.proof else {
                    panic!("{law} {kind:?} is not convex: {:?}", found.proof);
                };
                assert!(kkt_residual < 1e-8, "{law} {kind:?} {floor}: {kkt_residual}");
                let value = |h: &[f64]| {
                    let point = Point { weights: h.to_vec(), ..Point::default() };
                    fit.goal_value(&problem.goal, &point).expect("a value")
                };
                let (least, at) = grid_of_three(value, floor);
                assert!(
                    found.value <= least + 1e-9,
                    "{law} {kind:?}: {} {least} {at:?}",
                    found.value
                );
                assert!((found.weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                assert!(found.weights.iter().all(|w| *w >= floor));
            }
        }
    }
}

#[test]
fn optima_that_are_not_convex_come_with_a_bound() {
    let fit = three_domain_fit(LawName::InverseSum, [1.6, 0.5, 1.3]);
    for kind in KINDS {
        let problem = problem(kind, Bounds::free(3));
        let found = optimise(&fit, &problem).expect("an optimum");
        let Proof::Global { lower_bound, gap, starts, .. } = found.proof else {
            panic!("{:?}", found.proof);
        };
        let value = |h: &[f64]| {
            let point = Point { weights: h.to_vec(), ..Point::default() };
            fit.goal_value(&problem.goal, &point).expect("a value")
        };
        let (least, _) = grid_of_three(value, 0.0);
        assert!(lower_bound <= least && found.value <= least + 1e-7, "{} {least}", found.value);
        assert!((found.value - lower_bound - gap).abs() < 1e-12 && starts > 1);
        assert!(gap < 1e-3 * found.value, "{kind:?}: gap {gap}");
    }
}

#[test]
fn scarce_and_floored_domains_keep_their_bounds() {
    let fit = three_domain_fit(LawName::InverseSum, [0.3, 0.5, 0.8]);
    let goal = Goal { importance: [("v00".to_string(), 1.0)].into(), ..Goal::default() };
    let scarce = Bounds::free(3).with_floors(&[0.0, 0.5, 0.0]).with_available(
        &[Some(2e9), None, None],
        4.0,
        1e11,
    );
    assert!((scarce.cap[0] - 0.08).abs() < 1e-15);
    let problem = Problem { goal, bounds: scarce, tokens: Some(1e11), size: None };
    let found = optimise(&fit, &problem).expect("an optimum");
    assert!(found.at_cap[0] && found.at_floor[1], "{found:?}");
    assert!(found.weights[0] <= 0.08 && found.weights[1] >= 0.5);
    assert_eq!(found.amounts.as_ref().map(|n| n.iter().sum::<f64>().round()), Some(1e11));
    let refused = optimise(&fit, &Problem { bounds: Bounds::free(3).with_floor(0.4), ..problem });
    let words = refused.expect_err("floors above 1").to_string();
    assert!(words.contains("no mixture of sum 1; lower the floors"), "{words}");
}

#[test]
fn a_single_domain_and_bounds_without_room_have_one_answer() {
    let fit = three_domain_fit(LawName::InverseSum, [0.3, 0.5, 0.8]);
    let only = Bounds { floor: vec![0.2, 0.3, 0.5], cap: vec![0.2, 0.3, 0.5] };
    let found = optimise(&fit, &problem(GoalKind::WorstLoss, only)).expect("an optimum");
    assert_eq!(found.weights, [0.2, 0.3, 0.5]);
}

#[test]
fn trees_find_what_a_search_finds_and_no_less_than_their_bound() {
    let truth = |h: &[f64], _: f64, _: f64| vec![2.0 + (h[0] - 0.6).powi(2) + (h[1] - 0.3).powi(2)];
    let table = Design::new(3, 200, 12).table(&truth);
    let fit = fit(&table, LawName::Trees, &FitOptions::default()).expect("a fit");
    let problem = problem(GoalKind::MeanLoss, Bounds::free(3));
    let found = optimise(&fit, &problem).expect("an optimum");
    let Proof::Global { lower_bound, .. } = found.proof else { panic!("{:?}", found.proof) };
    let mut random = Random::new(13);
    for _ in 0..2000 {
        let point = Point { weights: random.mixture(3), ..Point::default() };
        let value = fit.goal_value(&problem.goal, &point).expect("a value");
        assert!(lower_bound <= value && found.value <= value + 1e-12, "{value} {found:?}");
    }
    assert!((found.weights[0] - 0.6).abs() < 0.15, "{:?}", found.weights);
}
