//! Published fits, round trips, gradients and refusals of the law.

use proptest::prelude::*;

use super::*;

/// AutoScale's published fits of GPT-2 Large at 1.2B tokens: a, b, c of each domain.
pub(crate) const PUBLISHED: [[f64; 3]; 7] = [
    [2.6658731959, 1.2492023890, 0.8026540600],
    [6.6161755919, 1.4360012484, 0.9458217913],
    [2.6736027595, 1.5362602612, 0.8645212064],
    [2.4631072680, 1.8287307259, 0.8968517052],
    [2.5183840995, 1.1858721474, 0.7750392467],
    [2.8899578930, 1.9536275988, 0.9296170670],
    [3.3191739234, 1.9266710006, 0.9403250708],
];

fn points(law: PowerLaw, x: &[f64]) -> Vec<Point> {
    x.iter().map(|&x| Point::new(x, law.value(x))).collect()
}

fn relative(found: f64, expected: f64) -> f64 {
    (found / expected - 1.0).abs()
}

#[test]
fn interpolation_recovers_the_published_laws() {
    for [a, b, c] in PUBLISHED {
        let law = PowerLaw::new(a, b, c).unwrap();
        let fit = fit(&points(law, &[0.2, 1.0, 3.0]), &FitOptions::default()).unwrap();
        assert!(fit.exact);
        // y has 16 digits and the fit's condition number is about 1e4.
        assert!(relative(fit.law.a, a) < 1e-10, "{:?} for {law:?}", fit.law);
        assert!(relative(fit.law.b, b) < 1e-10, "{:?} for {law:?}", fit.law);
        assert!(fit.rms < 4e-16, "rms {}", fit.rms);
    }
}

#[test]
fn two_laws_pass_through_three_points() {
    let [a, b, c] = PUBLISHED[0];
    let through = points(PowerLaw::new(a, b, c).unwrap(), &[0.2, 1.0, 3.0]);
    let upper = fit(&through, &FitOptions::default()).unwrap();
    let lower = FitOptions { root: Root::Lower, ..FitOptions::default() };
    let lower = fit(&through, &lower).unwrap();
    assert_eq!(upper.alternative.map(|law| differ(law, lower.law)), Some(false));
    // Found apart from this code, by bisection in Python.
    assert!(relative(lower.law.a, 0.789_257_55) < 1e-7);
    assert!(relative(lower.law.b, 0.124_214_186) < 1e-7);
    assert!(lower.rms < 4e-16);
}

#[test]
fn order_of_points_does_not_matter() {
    let [a, b, c] = PUBLISHED[3];
    let mut through = points(PowerLaw::new(a, b, c).unwrap(), &[0.2, 1.0, 3.0]);
    let first = fit(&through, &FitOptions::default()).unwrap();
    through.reverse();
    let reversed = fit(&through, &FitOptions::default()).unwrap();
    assert_eq!(first.law, reversed.law);
    assert_eq!(first.residuals[0], reversed.residuals[2]);
}

#[test]
fn more_points_are_fitted_by_least_squares() {
    for [a, b, c] in PUBLISHED {
        let law = PowerLaw::new(a, b, c).unwrap();
        let through = points(law, &[0.2, 0.5, 1.0, 2.0, 3.0]);
        let fit = fit(&through, &FitOptions::default()).unwrap();
        assert!(!fit.exact);
        assert!(relative(fit.law.a, a) < 1e-4, "{:?} for {law:?}", fit.law);
        assert!(fit.rms < 1e-9, "rms {} for {law:?}", fit.rms);
    }
}

/// The least squares end where no nearby law within bounds is better.
#[test]
fn least_squares_end_at_a_minimum() {
    let y = [1.075, 1.031, 1.0, 0.958, 0.921];
    let noisy: Vec<Point> =
        [0.2, 0.5, 1.0, 2.0, 3.0].iter().zip(y).map(|(x, y)| Point::new(*x, y)).collect();
    let law = least_squares(&noisy).unwrap();
    let problem = Problem::new(&noisy);
    let at = [law.a.ln(), law.b.ln()];
    let best = problem.cost(at);
    assert!(best > 1e-8, "the points must not lie on a law");
    for (da, db) in
        [(0.01, 0.0), (-0.01, 0.0), (0.0, 0.01), (0.0, -0.01), (0.01, 0.01), (-0.01, -0.01)]
    {
        assert!(problem.cost([at[0] + da, at[1] + db]) >= best);
    }
}

/// Convex and falling, but too far for so little curvature: no law passes through them.
#[test]
fn an_amplitude_the_law_lacks_is_fitted_not_interpolated() {
    let straight = [Point::new(0.2, 1.4), Point::new(1.0, 1.0), Point::new(3.0, 0.05)];
    assert_eq!(interpolate(straight, Root::Upper), None);
    let fit = fit(&straight, &FitOptions::default()).unwrap();
    assert!(!fit.exact && fit.rms > 1e-3 && fit.alternative.is_none());
    assert!(fit.law.c >= 0.0 && fit.law.c <= 0.05);
}

#[test]
fn what_does_not_fall_and_flatten_is_refused() {
    let check = |x: &[f64], y: &[f64], noise: Option<f64>, expected: &str| {
        let points: Vec<Point> = x.iter().zip(y).map(|(x, y)| Point::new(*x, *y)).collect();
        let options = FitOptions { noise, ..FitOptions::default() };
        let found = match fit(&points, &options) {
            Ok(_) => "fitted".to_string(),
            Err(reason) => format!("{reason:?}").split([' ', '{']).next().unwrap().to_string(),
        };
        assert_eq!(found, expected, "{y:?}");
    };
    let x = [0.2, 1.0, 3.0];
    check(&x, &[1.07, 1.0, 0.93], None, "fitted");
    check(&x, &[1.00, 1.0, 0.93], None, "NotDecreasing");
    check(&x, &[0.99, 1.0, 0.93], None, "NotDecreasing");
    check(&x, &[1.07, 1.0, 1.001], None, "NotDecreasing");
    check(&x, &[0.98, 1.0, 1.001], None, "NotDecreasing");
    check(&x, &[1.02, 1.0, 0.93], None, "NotConvex");
    check(&x, &[1.07, 1.0, 0.93], Some(0.01), "fitted");
    check(&x, &[1.07, 1.0, 0.93], Some(0.06), "WithinNoise");
    check(&x[..2], &[1.07, 1.0], None, "TooFewPoints");
    check(&[], &[], None, "TooFewPoints");
    check(&x, &[1.07, f64::NAN, 0.93], None, "BadPoint");
    check(&[0.2, 1.0, 1.0], &[1.07, 1.0, 0.93], None, "BadPoint");
    let x = [0.2, 0.5, 1.0, 2.0, 3.0];
    check(&x, &[1.075, 1.031, 1.0, 0.958, 0.921], None, "fitted");
    check(&x, &[1.075, 1.031, 1.0, 1.02, 0.921], None, "NotDecreasing");
    check(&x, &[1.075, 1.031, 1.0, 1.004, 0.921], None, "NotConvex");
    check(&x, &[1.075, 1.031, 1.0, 0.98, 0.921], Some(0.01), "fitted");
}

#[test]
fn parameters_out_of_range_are_named() {
    let check = |a, b, c, expected: &str| {
        let error = PowerLaw::new(a, b, c).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(0.0, 1.0, 0.0, "`a`");
    check(1.0, -1.0, 0.0, "`b`");
    check(1.0, 1.0, -0.1, "`c`");
    check(1.0, f64::NAN, 0.1, "`b`");
}

fn central(value: impl Fn(f64) -> f64, at: f64) -> f64 {
    let step = 1e-5 * at.abs().max(1.0);
    (value(at + step) - value(at - step)) / (2.0 * step)
}

proptest! {
    #[test]
    fn gradients_match_finite_differences(a in 0.2..8.0, b in 0.1..4.0, x in 0.0..5.0) {
        let law = PowerLaw { a, b, c: 0.3 };
        let [by_a, by_b, by_c] = law.gradient(x);
        let near_a = central(|a| PowerLaw { a, ..law }.value(x), a);
        let near_b = central(|b| PowerLaw { b, ..law }.value(x), b);
        prop_assert!((by_a - near_a).abs() < 1e-6 * (1.0 + by_a.abs()));
        prop_assert!((by_b - near_b).abs() < 1e-6 * (1.0 + by_b.abs()));
        prop_assert!((by_c - 1.0).abs() < 1e-12);
        let slope = law.slope(x + 0.1);
        prop_assert!((slope - central(|x| law.value(x), x + 0.1)).abs() < 1e-6 * (1.0 + slope.abs()));
        let change = law.change(1.0, x);
        prop_assert!((change - (law.value(x) - law.value(1.0))).abs() < 1e-13 * (1.0 + law.value(x)));
    }

    /// The least-squares gradient, with c free and with c at either bound.
    #[test]
    fn cost_gradient_matches_finite_differences(log_a in -2.0..2.0, log_b in -2.0..1.0) {
        let points: Vec<Point> = [(0.2, 1.07), (0.5, 1.03), (1.0, 1.0), (2.0, 0.96), (3.0, 0.92)]
            .iter().map(|&(x, y)| Point { x, y, weight: 1.0 + x }).collect();
        let problem = Problem::new(&points);
        let c = problem.law([log_a, log_b]).c;
        prop_assume!(c == 0.0 || c > 1e-3);
        let [by_a, by_b] = problem.gradient([log_a, log_b]);
        let near_a = central(|u| problem.cost([u, log_b]), log_a);
        let near_b = central(|v| problem.cost([log_a, v]), log_b);
        prop_assert!((by_a - near_a).abs() < 1e-6 * (1.0 + by_a.abs()), "{by_a} {near_a}");
        prop_assert!((by_b - near_b).abs() < 1e-6 * (1.0 + by_b.abs()), "{by_b} {near_b}");
    }

    /// Whatever law made the points, one of the two found is it, and both pass through the points.
    #[test]
    fn interpolation_finds_the_law_that_made_the_points(
        a in 0.1..8.0, b in 0.05..4.0, c in 0.0..1.0, low in 0.1..0.6, high in 1.5..5.0,
    ) {
        let law = PowerLaw { a, b, c };
        let through = points(law, &[low, 1.0, high]);
        prop_assume!(through[0].y - through[2].y > 1e-3);
        let fit = fit(&through, &FitOptions::default()).unwrap();
        prop_assert!(fit.exact);
        prop_assert!(fit.rms < 1e-12, "rms {} of {:?}", fit.rms, fit.law);
        let near = |found: PowerLaw| relative(found.a, a) < 1e-3 && relative(found.b, b) < 1e-3;
        prop_assert!(near(fit.law) || fit.alternative.is_some_and(near), "{fit:?}");
        if let Some(other) = fit.alternative {
            prop_assert!(other.b < fit.law.b);
            let worst = through.iter().map(|p| (other.value(p.x) - p.y).abs()).fold(0.0, f64::max);
            prop_assert!(worst < 1e-9, "alternative {other:?} misses by {worst}");
        }
    }

    /// A search from anywhere nearby ends at the same law.
    #[test]
    fn hints_do_not_change_the_answer(which in 0..7_usize, da in -0.5..0.5, db in -0.5..0.5) {
        let [a, b, c] = PUBLISHED[which];
        let through = points(PowerLaw { a, b, c }, &[0.2, 1.0, 3.0]);
        let hint = PowerLaw { a: a * f64::exp(da), b: b * f64::exp(db), c };
        let law = nearest(&through, Root::Upper, Some(hint)).unwrap();
        prop_assert!(relative(law.a, a) < 1e-9 && relative(law.b, b) < 1e-9, "{law:?}");
    }
}
