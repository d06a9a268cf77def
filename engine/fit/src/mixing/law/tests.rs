//! Every law's derivatives against finite differences, its convexity and its bounds from below.

use super::*;

const DOMAINS: usize = 4;

fn form(law: LawName, scale: ScaleTerms) -> Form {
    let units = Units { tokens: Some(2e9), size: Some(1e8), reference: vec![5e8; DOMAINS] };
    Form { law, domains: DOMAINS, scale, own: Some(1), units }
}

/// Every law with every set of scale terms.
fn forms() -> Vec<Form> {
    let smooth = LawName::ALL.into_iter().filter(|law| *law != LawName::Trees);
    let scales = [ScaleTerms::None, ScaleTerms::Tokens, ScaleTerms::Size, ScaleTerms::Both];
    smooth.flat_map(|law| scales.map(|scale| form(law, scale))).collect()
}

/// Parameters of usual size, drawn.
fn parameters(model: &Model, stream: &mut Stream) -> Vec<f64> {
    let draw = |slot: &Slot, z: f64| match slot.log {
        true => (0.4 * z).clamp(slot.lower, slot.upper),
        false => (1.0 + z).clamp(slot.lower.max(-3.0), slot.upper.min(3.0)),
    };
    model.slots.iter().map(|slot| draw(slot, stream.normal())).collect()
}

fn mixture(stream: &mut Stream) -> Vec<f64> {
    let draws: Vec<f64> = (0..DOMAINS).map(|_| 0.1 + stream.exponential()).collect();
    let sum: f64 = draws.iter().sum();
    draws.iter().map(|d| d / sum).collect()
}

fn at<T>(h: &[f64], use_it: impl FnOnce(&Input<'_>) -> T) -> T {
    let ln_h: Vec<f64> = h.iter().map(|h| h.ln()).collect();
    let tokens: f64 = 1.7;
    use_it(&Input { h, ln_h: &ln_h, tokens, ln_tokens: tokens.ln(), ln_size: 0.4 })
}

/// The derivative of `value` in direction k, by Richardson's central differences.
fn difference(at: &[f64], k: usize, value: impl Fn(&[f64]) -> f64) -> f64 {
    let central = |step: f64| {
        let moved = |by: f64| {
            let mut at = at.to_vec();
            at[k] += by;
            value(&at)
        };
        (moved(step) - moved(-step)) / (2.0 * step)
    };
    let step = 1e-3;
    (4.0 * central(step / 2.0) - central(step)) / 3.0
}

fn near(found: f64, expected: f64, scale: f64) -> bool {
    (found - expected).abs() <= 2e-7 * (scale + expected.abs())
}

#[test]
fn gradients_match_finite_differences() {
    let mut stream = Stream::new(1, 1);
    for form in forms() {
        let model = Model::new(&form, 10.0);
        for _ in 0..20 {
            let (p, h) = (parameters(&model, &mut stream), mixture(&mut stream));
            let mut gradient = vec![0.0; p.len()];
            let value = at(&h, |x| model.gradient(&p, x, &mut gradient));
            assert!(near(value, at(&h, |x| model.value(&p, x)), 1.0), "{form:?}");
            for (k, found) in gradient.iter().enumerate() {
                let expected = difference(&p, k, |p| at(&h, |x| model.value(p, x)));
                let name = model.slots[k].name;
                assert!(
                    near(*found, expected, value.abs()),
                    "{form:?} {name} {} {expected}",
                    found
                );
            }
        }
    }
}

#[test]
fn slopes_and_curvatures_match_finite_differences() {
    let mut stream = Stream::new(2, 2);
    for form in forms() {
        let model = Model::new(&form, 10.0);
        for _ in 0..10 {
            let (p, h) = (parameters(&model, &mut stream), mixture(&mut stream));
            let slope_at = |h: &[f64]| {
                let mut slope = vec![0.0; DOMAINS];
                at(h, |x| model.slope(&p, x, &mut slope));
                slope
            };
            let mut curvature = vec![0.0; DOMAINS * DOMAINS];
            at(&h, |x| model.curvature(&p, x, &mut curvature));
            let size = at(&h, |x| model.value(&p, x)).abs();
            let (slope, steep) =
                (slope_at(&h), slope_at(&h).iter().fold(size, |s, d| s.max(d.abs())));
            for i in 0..DOMAINS {
                let expected = difference(&h, i, |h| at(h, |x| model.value(&p, x)));
                assert!(near(slope[i], expected, 1e2 * steep), "{form:?} {} {expected}", slope[i]);
                for j in 0..DOMAINS {
                    let expected = difference(&h, j, |h| slope_at(h)[i]);
                    let found = curvature[i * DOMAINS + j];
                    assert!(
                        near(found, expected, 1e4 * steep),
                        "{form:?} {i}{j} {found} {expected}"
                    );
                }
            }
        }
    }
}

/// Where a law says it is convex, no chord lies below it; where not, its convex bound lies nowhere above it.
#[test]
fn convexity_and_bounds_from_below_hold() {
    let mut stream = Stream::new(3, 3);
    let (lower, upper) = ([0.0; DOMAINS], [1.0; DOMAINS]);
    let (mut convex, mut bounded) = (0, 0);
    for form in forms() {
        let model = Model::new(&form, 10.0);
        for _ in 0..40 {
            let p = parameters(&model, &mut stream);
            let (h, g) = (mixture(&mut stream), mixture(&mut stream));
            let middle: Vec<f64> = h.iter().zip(&g).map(|(h, g)| 0.5 * (h + g)).collect();
            let below;
            let tested = if model.is_convex(&p) {
                convex += 1;
                &model
            } else {
                bounded += 1;
                below = model.below(&form, &p, &lower, &upper).unwrap();
                &below
            };
            let value = |of: &Model, h: &[f64]| at(h, |x| of.value(&p, x));
            let chord = 0.5 * (value(tested, &h) + value(tested, &g));
            assert!(value(tested, &middle) <= chord + 1e-12 * chord.abs(), "{form:?}");
            let whole = value(&model, &middle);
            assert!(value(tested, &middle) <= whole + 1e-12 * whole.abs(), "{form:?}");
        }
    }
    assert!(convex > 300 && bounded > 100, "{convex} {bounded}");
}

/// The report of a law in tokens and parameters has the value of the law.
#[test]
fn reports_are_in_tokens_and_parameters() {
    let mut stream = Stream::new(4, 4);
    let both = form(LawName::InverseSum, ScaleTerms::Both);
    let model = Model::new(&both, 10.0);
    let (p, h) = (parameters(&model, &mut stream), mixture(&mut stream));
    let named = model.report(&p, &both.units);
    let of = |name: &str| named.iter().find(|n| n.name == name).unwrap().value;
    let (tokens, size) = (1.7 * 2e9_f64, 0.4_f64.exp() * 1e8);
    let parts = named.iter().filter(|n| n.name == "C").zip(named.iter().filter(|n| n.name == "g"));
    let sum: f64 = parts.zip(&h).map(|((c, g), h)| c.value * h.powf(g.value)).sum();
    let expected =
        of("E") + 1.0 / sum + of("A") / size.powf(of("alpha")) + of("B") / tokens.powf(of("beta"));
    assert!(near(at(&h, |x| model.value(&p, x)), expected, 1.0));
}
