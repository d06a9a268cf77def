//! Loss curves: steps saved at equal perplexity, and perplexity itself.
//!
//! Knows (step, value) pairs of which less is better; not what was trained. "x % faster" is
//! `1 - steps_ours / steps_baseline` at equal perplexity (AutoScale, arXiv 2407.20177v1, section 5).

use serde::{Deserialize, Serialize};

use crate::error::FitError;

/// One evaluation: training steps done and the value then (perplexity or cross-entropy).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    pub step: f64,
    pub value: f64,
}

/// How much earlier one training reaches another's final value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepsSaved {
    /// The value to reach: the baseline's last.
    pub value: f64,
    /// The baseline's last step.
    pub steps_baseline: f64,
    /// Interpolated step at which ours first has that value; `None` if never.
    pub steps_ours: Option<f64>,
    /// `1 - steps_ours / steps_baseline`; negative when ours is later.
    pub saved: Option<f64>,
    /// Ours had the value at its first evaluation already, so that the true step is smaller still.
    pub at_first_point: bool,
    /// The reverse, where ours never gets there: the baseline against our final value.
    pub behind: Option<Behind>,
}

/// How far ours is behind a baseline whose final value it never reaches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Behind {
    /// Our last value.
    pub value: f64,
    /// Our last step.
    pub steps_ours: f64,
    /// Interpolated step at which the baseline first had our last value.
    pub steps_baseline: f64,
    /// `1 - steps_baseline / steps_ours`: what the baseline saves against ours.
    pub saved_by_baseline: f64,
    /// Our last value relative to the baseline's, less 1.
    pub excess: f64,
}

/// Steps that ours saves against the baseline at the baseline's final value.
///
/// # Errors
/// [`FitError::Curve`] for an empty curve, a value or step that is not finite and positive (the first step may be 0),
/// or steps that do not increase.
pub fn steps_saved(ours: &[CurvePoint], baseline: &[CurvePoint]) -> Result<StepsSaved, FitError> {
    let (_, our_last) = check("first", ours)?;
    let (_, last) = check("baseline", baseline)?;
    let reached = first_at_or_below(ours, last.value);
    let behind = match reached {
        Some(_) => None,
        None => first_at_or_below(baseline, our_last.value)
            .map(|crossing| behind(our_last, last, crossing)),
    };
    Ok(StepsSaved {
        value: last.value,
        steps_baseline: last.step,
        steps_ours: reached.map(|crossing| crossing.step),
        saved: reached.map(|crossing| 1.0 - crossing.step / last.step),
        at_first_point: reached.is_some_and(|crossing| crossing.at_first_point),
        behind,
    })
}

fn behind(ours: CurvePoint, baseline: CurvePoint, crossing: Crossing) -> Behind {
    Behind {
        value: ours.value,
        steps_ours: ours.step,
        steps_baseline: crossing.step,
        saved_by_baseline: 1.0 - crossing.step / ours.step,
        excess: ours.value / baseline.value - 1.0,
    }
}

/// First and last point of a checked curve.
fn check(which: &'static str, curve: &[CurvePoint]) -> Result<(CurvePoint, CurvePoint), FitError> {
    let problem = |problem| Err(FitError::Curve { which, problem });
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return problem("has no points");
    };
    let usable = |p: &CurvePoint| {
        p.step.is_finite() && p.step >= 0.0 && p.value.is_finite() && p.value > 0.0
    };
    if !curve.iter().all(usable) {
        return problem("has a step or value that is not finite and positive");
    }
    if curve.windows(2).any(|pair| pair[1].step <= pair[0].step) {
        return problem("has steps that do not increase");
    }
    if last.step == 0.0 {
        return problem("ends at step 0");
    }
    Ok((*first, *last))
}

#[derive(Debug, Clone, Copy)]
struct Crossing {
    step: f64,
    at_first_point: bool,
}

/// Where a curve first is at or below a value, linear between evaluations.
fn first_at_or_below(curve: &[CurvePoint], value: f64) -> Option<Crossing> {
    let index = curve.iter().position(|p| p.value <= value)?;
    let after = curve[index];
    let Some(before) = index.checked_sub(1).map(|before| curve[before]) else {
        return Some(Crossing { step: after.step, at_first_point: true });
    };
    let share = (before.value - value) / (before.value - after.value);
    Some(Crossing { step: before.step + share * (after.step - before.step), at_first_point: false })
}

/// Perplexity of a mean token cross-entropy in nats.
#[must_use]
pub fn perplexity(cross_entropy: f64) -> f64 {
    cross_entropy.exp()
}

/// Mean token cross-entropy, in nats, of a perplexity.
#[must_use]
pub fn cross_entropy(perplexity: f64) -> f64 {
    perplexity.ln()
}

/// Mean over domains of the perplexities of their cross-entropies; `None` of nothing.
#[must_use]
pub fn mean_perplexity(cross_entropies: &[f64]) -> Option<f64> {
    let sum: f64 = cross_entropies.iter().map(|loss| loss.exp()).sum();
    (!cross_entropies.is_empty()).then(|| sum / cross_entropies.len() as f64)
}

/// Largest perplexity of the domains' cross-entropies; `None` of nothing.
#[must_use]
pub fn worst_perplexity(cross_entropies: &[f64]) -> Option<f64> {
    cross_entropies.iter().map(|loss| loss.exp()).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[(f64, f64)]) -> Vec<CurvePoint> {
        values.iter().map(|&(step, value)| CurvePoint { step, value }).collect()
    }

    #[test]
    fn saved_steps_at_equal_value() {
        let check = |ours: &[(f64, f64)],
                     baseline: &[(f64, f64)],
                     steps: Option<f64>,
                     saved: Option<f64>| {
            let found = steps_saved(&curve(ours), &curve(baseline)).unwrap();
            assert_eq!((found.steps_ours, found.saved), (steps, saved), "{ours:?}");
            assert_eq!(found.behind.is_some(), saved.is_none());
        };
        let baseline = [(10.0, 40.0), (20.0, 30.0), (40.0, 20.0)];
        check(&[(10.0, 30.0), (20.0, 20.0), (40.0, 10.0)], &baseline, Some(20.0), Some(0.5));
        check(&[(10.0, 30.0), (30.0, 10.0)], &baseline, Some(20.0), Some(0.5));
        check(&baseline, &baseline, Some(40.0), Some(0.0));
        check(&[(10.0, 40.0), (80.0, 20.0)], &baseline, Some(80.0), Some(-1.0));
        check(&[(10.0, 40.0), (40.0, 25.0)], &baseline, None, None);
        check(&[(10.0, 20.0)], &baseline, Some(10.0), Some(0.75));
    }

    #[test]
    fn a_value_never_reached_is_compared_in_reverse() {
        let baseline = curve(&[(10.0, 40.0), (20.0, 30.0), (40.0, 20.0)]);
        let behind =
            steps_saved(&curve(&[(10.0, 40.0), (40.0, 25.0)]), &baseline).unwrap().behind.unwrap();
        assert_eq!(
            (behind.steps_baseline, behind.saved_by_baseline, behind.excess),
            (30.0, 0.25, 0.25)
        );
    }

    #[test]
    fn the_first_evaluation_is_only_a_bound() {
        let baseline = curve(&[(10.0, 40.0), (40.0, 20.0)]);
        assert!(steps_saved(&curve(&[(10.0, 15.0)]), &baseline).unwrap().at_first_point);
        assert!(!steps_saved(&baseline, &baseline).unwrap().at_first_point);
    }

    #[test]
    fn unusable_curves_are_refused() {
        let good = [(1.0, 2.0)];
        let check = |ours: &[(f64, f64)], expected: &str| {
            let error = steps_saved(&curve(ours), &curve(&good)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&[], "has no points");
        check(&[(1.0, f64::NAN)], "not finite");
        check(&[(2.0, 3.0), (2.0, 2.0)], "do not increase");
        check(&[(0.0, 3.0)], "ends at step 0");
    }

    #[test]
    fn perplexities() {
        assert_eq!(perplexity(0.0), 1.0);
        assert!((cross_entropy(perplexity(3.3)) - 3.3).abs() < 1e-15);
        assert_eq!(mean_perplexity(&[0.0, 3.0_f64.ln()]).map(|p| (p * 1e12).round()), Some(2e12));
        assert_eq!(worst_perplexity(&[0.0, -1.0]), Some(1.0));
        assert_eq!((mean_perplexity(&[]), worst_perplexity(&[])), (None, None));
    }
}
