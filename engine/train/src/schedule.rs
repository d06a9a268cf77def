//! Learning rate and evaluation points as functions of the step alone.

use crate::config::{Schedule, TrainConfig, WarmUp};

/// The learning rate of 0-based `step` of `steps`: it rises linearly from 0 over the warm-up (so the
/// first step of a warm-up moves nothing, as in the `transformers` trainer), then falls to 0 after the
/// last step (linear, cosine) or stays.
#[must_use]
pub fn learning_rate(config: &TrainConfig, step: u64, steps: u64) -> f64 {
    let warm_up = warm_up_steps(config.warm_up, steps);
    if step < warm_up {
        return config.learning_rate * (step as f64 / warm_up as f64);
    }
    let left = steps.saturating_sub(step) as f64 / (steps.saturating_sub(warm_up)).max(1) as f64;
    let factor = match config.schedule {
        Schedule::Linear => left,
        Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * (1.0 - left)).cos()),
        Schedule::Constant => 1.0,
    };
    config.learning_rate * factor
}

fn warm_up_steps(warm_up: WarmUp, steps: u64) -> u64 {
    match warm_up {
        WarmUp::Steps(count) => count,
        WarmUp::Fraction(fraction) => (fraction * steps as f64).ceil() as u64,
    }
}

/// Whether an evaluation follows once `done` of `steps` are done: at `floor(k steps / evaluations)`
/// for k = 1 … `evaluations`, at least one step apart.
pub(crate) fn is_evaluation(done: u64, steps: u64, evaluations: u32) -> bool {
    let count = u64::from(evaluations).min(steps).max(1);
    let point = |k: u64| (u128::from(k) * u128::from(steps) / u128::from(count)) as u64;
    let k = (u128::from(done) * u128::from(count)).div_ceil(u128::from(steps.max(1))) as u64;
    done > 0 && (point(k) == done || (k < count && point(k + 1) == done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_evenly_spaced_and_end_with_the_run() {
        let points = |steps, evaluations| -> Vec<u64> {
            (0..=steps).filter(|&s| is_evaluation(s, steps, evaluations)).collect()
        };
        let check = |steps, evaluations, expected: &[u64]| {
            assert_eq!(points(steps, evaluations), expected, "{evaluations} of {steps}");
        };
        check(10, 1, &[10]);
        check(10, 2, &[5, 10]);
        check(10, 3, &[3, 6, 10]);
        check(10, 4, &[2, 5, 7, 10]);
        check(3, 8, &[1, 2, 3]);
        for steps in 1..60 {
            for evaluations in 1..60 {
                let found = points(steps, evaluations);
                assert_eq!(found.len() as u64, steps.min(u64::from(evaluations)));
                assert_eq!(found.last(), Some(&steps));
            }
        }
    }

    #[test]
    fn learning_rates_follow_the_reference_schedules() {
        let text = |schedule: &str, warm_up: &str| {
            format!(
                r#"{{"model":{{"architecture":"gpt2","vocabulary":8,"context":4,"layers":1,"hidden":4,"heads":1,"dropout":0.0}},
                "learning-rate":2.0,"schedule":"{schedule}","warm-up":{warm_up},"weight-decay":0.0,"clip":0.0,"batch-sequences":1,
                "precision":"auto","threads":1,"seed":0,"evaluations":1}}"#
            )
        };
        let check = |schedule, warm_up, expected: [f64; 5]| {
            let config: TrainConfig =
                serde_json::from_str(&text(schedule, warm_up)).expect("valid");
            let rates: Vec<f64> = [0, 1, 2, 6, 9].map(|s| learning_rate(&config, s, 10)).to_vec();
            for (rate, wanted) in rates.iter().zip(expected) {
                assert!((rate - wanted).abs() < 1e-15, "{schedule} {warm_up}: {rates:?}");
            }
        };
        check("linear", r#"{"steps":2}"#, [0.0, 1.0, 2.0, 1.0, 0.25]);
        check("linear", r#"{"fraction":0.2}"#, [0.0, 1.0, 2.0, 1.0, 0.25]);
        check("linear", r#"{"steps":0}"#, [2.0, 1.8, 1.6, 0.8, 0.2]);
        check(
            "cosine",
            r#"{"steps":2}"#,
            [0.0, 1.0, 2.0, 1.0, 1.0 + (7.0 * std::f64::consts::PI / 8.0).cos()],
        );
        check("constant", r#"{"fraction":0.11}"#, [0.0, 1.0, 2.0, 2.0, 2.0]);
    }
}
