//! Decayed branches of a `wsd` run: what a run of fewer tokens would have ended with.
//!
//! A `wsd` run of S steps is, until its rate starts to fall, the start of every longer one. So a longer run (the
//! trunk) gives the end of a shorter one for the price of its decay: at the step where the shorter one's decay
//! would begin, decay from here, evaluate, and go back (Hu et al. 2024, arXiv 2404.06395, section 4.1).

use crate::config::{Schedule, TrainConfig, WarmUp};
use crate::schedule::warm_up_steps;

/// A shorter run within a longer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Steps of the trunk that it shares.
    pub from: u64,
    /// Steps of the whole shorter run.
    pub steps: u64,
}

impl TrainConfig {
    /// Whether losses at `evaluate_at_tokens` are those of decayed branches.
    pub(crate) fn has_branches(&self) -> bool {
        self.schedule == Schedule::Wsd && !self.evaluate_at_tokens.is_empty()
    }

    /// The configuration of a branch of a run of `steps`: the same but for its length, which must not move the end
    /// of the warm-up.
    pub(crate) fn of_branch(&self, steps: u64) -> TrainConfig {
        TrainConfig { warm_up: WarmUp::Steps(warm_up_steps(self.warm_up, steps)), ..self.clone() }
    }
}

/// The branch that leaves the trunk of `steps` steps once `done` of them are done and the tokens seen have gone from
/// `before` to `seen`; its end is as near to one of `evaluate_at_tokens` as its steps allow. None beyond the
/// trunk's end, which needs no branch.
pub(crate) fn branch_at(
    config: &TrainConfig,
    done: u64,
    steps: u64,
    before: u64,
    seen: u64,
) -> Option<Branch> {
    let stable = 1.0 - config.decay?;
    let begins = |&count: &u64| {
        let count = count as f64 * stable;
        (before as f64) < count && count <= seen as f64
    };
    if !config.has_branches() || !config.evaluate_at_tokens.iter().any(begins) {
        return None;
    }
    // The shortest run whose decay begins after `done` steps: those before it are `steps - ceil(decay steps)`.
    let before_decay =
        |steps: u64| steps - (config.decay.unwrap_or(0.0) * steps as f64).ceil() as u64;
    let mut length = (done as f64 / stable).floor() as u64;
    while before_decay(length) < done {
        length += 1;
    }
    (length < steps).then_some(Branch { from: done, steps: length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::learning_rate;
    use crate::schedule::tests::config;

    /// Ten tokens a step, 100 steps.
    fn branches(config: &TrainConfig) -> Vec<(u64, u64)> {
        let at = |done: u64| branch_at(config, done, 100, 10 * done - 10, 10 * done);
        (1..=100).filter_map(at).map(|branch| (branch.from, branch.steps)).collect()
    }

    #[test]
    fn branches_end_at_the_counts() {
        let wsd = r#""schedule":"wsd","warm-up":{"steps":5},"decay":0.2,"evaluate-at-tokens":[100,251,500,1000,5000]"#;
        assert_eq!(branches(&config(wsd)), [(8, 10), (21, 27), (40, 50)]);
        let linear = r#""schedule":"linear","warm-up":{"steps":5},"evaluate-at-tokens":[100]"#;
        assert_eq!(branches(&config(linear)), []);
        // All of it decays: no part is shared.
        let all =
            r#""schedule":"wsd","warm-up":{"steps":0},"decay":1.0,"evaluate-at-tokens":[100]"#;
        assert_eq!(branches(&config(all)), []);
    }

    /// Up to where a branch leaves, both have the same rates.
    #[test]
    fn a_branch_shares_its_start_with_the_trunk() {
        for decay in ["0.01", "0.1", "0.3333", "0.5", "0.9"] {
            for tokens in [20, 90, 333, 750, 980] {
                let config = config(&format!(
                    r#""schedule":"wsd","warm-up":{{"fraction":0.03}},"decay":{decay},"evaluate-at-tokens":[{tokens}]"#
                ));
                let at = |done: u64| branch_at(&config, done, 100, 10 * done - 10, 10 * done);
                let Some(branch) = (1..=100).find_map(at) else { continue };
                let short = config.of_branch(100);
                let falls = |step: u64| learning_rate(&short, step, branch.steps);
                for step in 0..=branch.from {
                    assert_eq!(falls(step), learning_rate(&config, step, 100), "{decay} {step}");
                }
                let beyond = branch.from + 1;
                assert!(
                    beyond >= branch.steps || falls(beyond) < falls(branch.from).max(2.0),
                    "{decay} {tokens}"
                );
                assert!(
                    (branch.steps as f64 * 10.0 - tokens as f64).abs()
                        <= 10.0 / (1.0 - decay.parse::<f64>().expect("a number")) + 10.0
                );
            }
        }
    }
}
