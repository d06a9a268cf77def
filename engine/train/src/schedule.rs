//! Learning rate and evaluation points as functions of the step alone.

use crate::config::{Schedule, TrainConfig, WarmUp};

/// The learning rate of 0-based `step` of `steps`: it rises linearly over the warm-up (from 0, so that
/// the first step moves nothing, as in the `transformers` trainer; or so that the last step of the
/// warm-up has the peak), then falls to 0 after the last step, or stays.
#[must_use]
pub fn learning_rate(config: &TrainConfig, step: u64, steps: u64) -> f64 {
    let warm_up = warm_up_steps(config.warm_up, steps);
    if step < warm_up {
        let risen = if config.warm_up_from_zero { step } else { step + 1 };
        return config.learning_rate * (risen as f64 / warm_up as f64);
    }
    let left = steps.saturating_sub(step) as f64;
    let share = left / steps.saturating_sub(warm_up).max(1) as f64;
    let factor = match config.schedule {
        Schedule::Linear => share,
        Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * (1.0 - share)).cos()),
        Schedule::Constant => 1.0,
        Schedule::Wsd => (left / decay_steps(config, steps).max(1) as f64).min(1.0),
    };
    config.learning_rate * factor
}

fn decay_steps(config: &TrainConfig, steps: u64) -> u64 {
    (config.decay.unwrap_or(0.0) * steps as f64).ceil() as u64
}

pub(crate) fn warm_up_steps(warm_up: WarmUp, steps: u64) -> u64 {
    match warm_up {
        WarmUp::Steps(count) => count,
        WarmUp::Fraction(fraction) => (fraction * steps as f64).ceil() as u64,
    }
}

/// Whether an evaluation follows once `done` of `steps` are done and the tokens seen have gone from
/// `before` to `seen`: at the evenly spaced points, at chosen steps and at chosen counts of tokens.
pub(crate) fn is_evaluation(
    config: &TrainConfig,
    done: u64,
    steps: u64,
    before: u64,
    seen: u64,
) -> bool {
    is_even_point(done, steps, config.evaluations)
        || config.evaluate_at_steps.contains(&done)
        || !config.has_branches()
            && config.evaluate_at_tokens.iter().any(|&count| before < count && count <= seen)
}

/// The evenly spaced points lie at `floor(k steps / evaluations)` for k = 1 … `evaluations`, at least
/// one step apart.
fn is_even_point(done: u64, steps: u64, evaluations: u32) -> bool {
    let count = u64::from(evaluations).min(steps).max(1);
    let point = |k: u64| (u128::from(k) * u128::from(steps) / u128::from(count)) as u64;
    let k = (u128::from(done) * u128::from(count)).div_ceil(u128::from(steps.max(1))) as u64;
    done > 0 && (point(k) == done || (k < count && point(k + 1) == done))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn evaluations_are_evenly_spaced_and_end_with_the_run() {
        let points = |steps, evaluations| -> Vec<u64> {
            (0..=steps).filter(|&s| is_even_point(s, steps, evaluations)).collect()
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

    /// A small configuration with `changes` in its JSON.
    pub(crate) fn config(changes: &str) -> TrainConfig {
        let text = format!(
            r#"{{"model":{{"architecture":"gpt2","vocabulary":8,"context":4,"layers":1,"hidden":4,"heads":1,"dropout":0.0}},
            "learning-rate":2.0,"weight-decay":0.0,"clip":0.0,"batch-sequences":1,
            "precision":"auto","threads":1,"seed":0,"evaluations":1,{changes}}}"#
        );
        serde_json::from_str(&text).expect("valid")
    }

    #[test]
    fn chosen_steps_and_token_counts_are_evaluated_once() {
        let config = config(
            r#""schedule":"constant","warm-up":{"steps":0},"evaluate-at-steps":[2],"evaluate-at-tokens":[10,25,1000]"#,
        );
        // Ten tokens a step.
        let due = |done: &u64| is_evaluation(&config, *done, 6, 10 * done - 10, 10 * done);
        assert_eq!((1..=6).filter(due).collect::<Vec<_>>(), [1, 2, 3, 6]);
    }

    #[test]
    fn learning_rates_follow_the_reference_schedules() {
        let check = |schedule, warm_up, expected: [f64; 5]| {
            let config = config(&format!(r#""schedule":{schedule},"warm-up":{warm_up}"#));
            let rates: Vec<f64> = [0, 1, 2, 6, 9].map(|s| learning_rate(&config, s, 10)).to_vec();
            for (rate, wanted) in rates.iter().zip(expected) {
                assert!((rate - wanted).abs() < 1e-15, "{schedule} {warm_up}: {rates:?}");
            }
        };
        let linear = r#""linear""#;
        check(linear, r#"{"steps":2}"#, [0.0, 1.0, 2.0, 1.0, 0.25]);
        check(linear, r#"{"fraction":0.2}"#, [0.0, 1.0, 2.0, 1.0, 0.25]);
        check(linear, r#"{"steps":0}"#, [2.0, 1.8, 1.6, 0.8, 0.2]);
        check(linear, r#"{"steps":2},"warm-up-from-zero":false"#, [1.0, 2.0, 2.0, 1.0, 0.25]);
        check(
            r#""cosine""#,
            r#"{"steps":2}"#,
            [0.0, 1.0, 2.0, 1.0, 1.0 + (7.0 * std::f64::consts::PI / 8.0).cos()],
        );
        check(r#""constant""#, r#"{"fraction":0.11}"#, [0.0, 1.0, 2.0, 2.0, 2.0]);
        check(r#""wsd","decay":0.5"#, r#"{"steps":2}"#, [0.0, 1.0, 2.0, 1.6, 0.4]);
        check(r#""wsd","decay":0.25"#, r#"{"steps":0}"#, [2.0, 2.0, 2.0, 2.0, 2.0 / 3.0]);
    }
}
