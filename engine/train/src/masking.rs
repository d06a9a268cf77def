//! What each position of a sequence has to predict: the next token (causal), or the token that was
//! hidden from it (masked). Masks are functions of a key, the sequence's number and the position, so
//! batch size, resume and device change nothing.

use crate::config::{Architecture, TrainConfig};
use crate::random::{below, derive, fraction, mix};

/// A position that predicts nothing.
pub(crate) const IGNORED: i64 = -100;

#[derive(Clone, Debug)]
pub(crate) enum Objective {
    Causal,
    Masked(Masking),
}

#[derive(Clone, Debug)]
pub(crate) struct Masking {
    key: u64,
    fraction: f64,
    mask_token: i64,
    vocabulary: u64,
    /// Never masked.
    special: Vec<i64>,
}

impl Objective {
    /// The training objective: masks change with the seed and from epoch to epoch.
    pub fn training(config: &TrainConfig) -> Objective {
        Objective::new(config, derive("training masks", config.seed))
    }

    /// The held-out objective: masks are the same for every run ever, so that losses compare.
    pub fn held_out(config: &TrainConfig) -> Objective {
        Objective::new(config, derive("held-out masks", 0))
    }

    fn new(config: &TrainConfig, key: u64) -> Objective {
        match (config.model.architecture, config.mask_token, config.pad_token) {
            (Architecture::Bert, Some(mask), Some(pad)) => Objective::Masked(Masking {
                key,
                fraction: config.masking,
                mask_token: mask.into(),
                vocabulary: config.model.vocabulary.into(),
                special: config
                    .special_tokens
                    .iter()
                    .copied()
                    .chain([pad])
                    .map(i64::from)
                    .collect(),
            }),
            _ => Objective::Causal,
        }
    }

    /// Sets `targets` for sequence number `index` and hides in `tokens` what has to be predicted.
    pub fn apply(&self, index: u64, tokens: &mut [i64], targets: &mut Vec<i64>) {
        targets.clear();
        match self {
            Objective::Causal => {
                targets.extend(tokens.iter().skip(1));
                targets.resize(tokens.len(), IGNORED);
            }
            Objective::Masked(masking) => masking.apply(index, tokens, targets),
        }
    }
}

impl Masking {
    /// Each token is chosen with probability `fraction`; where that chooses none, the one nearest to
    /// being chosen is.
    fn apply(&self, index: u64, tokens: &mut [i64], targets: &mut Vec<i64>) {
        let sequence = mix(self.key ^ mix(index));
        let draws: Vec<(f64, u64)> = (0..tokens.len() as u64)
            .map(|position| mix(sequence ^ mix(position)))
            .map(|word| (fraction(word), mix(word)))
            .collect();
        let eligible = |position: &usize| !self.special.contains(&tokens[*position]);
        let least =
            (0..tokens.len()).filter(eligible).min_by(|&a, &b| draws[a].0.total_cmp(&draws[b].0));
        let limit =
            least.map_or(self.fraction, |position| self.fraction.max(draws[position].0.next_up()));
        targets.resize(tokens.len(), IGNORED);
        for position in 0..tokens.len() {
            let (chosen, word) = draws[position];
            if chosen < limit && !self.special.contains(&tokens[position]) {
                targets[position] = tokens[position];
                tokens[position] = self.replacement(word, tokens[position]);
            }
        }
    }

    /// 80 % the mask, 10 % any token, 10 % the token itself.
    fn replacement(&self, word: u64, token: i64) -> i64 {
        match below(word, 10) {
            0..8 => self.mask_token,
            8 => below(mix(word), self.vocabulary) as i64,
            _ => token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masking(fraction: f64) -> Objective {
        Objective::Masked(Masking {
            key: 5,
            fraction,
            mask_token: 4,
            vocabulary: 1000,
            special: vec![0, 2, 3],
        })
    }

    fn apply(objective: &Objective, index: u64, tokens: &[i64]) -> (Vec<i64>, Vec<i64>) {
        let (mut tokens, mut targets) = (tokens.to_vec(), vec![7]);
        objective.apply(index, &mut tokens, &mut targets);
        (tokens, targets)
    }

    #[test]
    fn causal_targets_are_the_next_tokens() {
        let check = |tokens: &[i64], expected: &[i64]| {
            assert_eq!(apply(&Objective::Causal, 0, tokens), (tokens.to_vec(), expected.to_vec()));
        };
        check(&[5, 6, 7], &[6, 7, IGNORED]);
        check(&[5], &[IGNORED]);
        check(&[], &[]);
    }

    #[test]
    fn masks_hide_the_right_share_and_leave_special_tokens() {
        let (mut chosen, mut masked, mut kept, total) = (0.0, 0.0, 0.0, 200_000.0);
        for index in 0..1000 {
            let tokens: Vec<i64> =
                [2].into_iter().chain((0..200).map(|i| 100 + i)).chain([3]).collect();
            let (inputs, targets) = apply(&masking(0.15), index, &tokens);
            assert_eq!(
                (inputs[0], targets[0], inputs[201], targets[201]),
                (2, IGNORED, 3, IGNORED)
            );
            for position in 1..201 {
                if targets[position] == IGNORED {
                    assert_eq!(inputs[position], tokens[position]);
                    continue;
                }
                assert_eq!(targets[position], tokens[position]);
                chosen += 1.0;
                masked += f64::from(u8::from(inputs[position] == 4));
                kept += f64::from(u8::from(inputs[position] == tokens[position]));
            }
        }
        let near = |value: f64, expected: f64| {
            assert!((value - expected).abs() < 0.01, "{value} {expected}")
        };
        near(chosen / total, 0.15);
        near(masked / chosen, 0.8);
        near(kept / chosen, 0.1);
    }

    #[test]
    fn masks_are_functions_of_sequence_and_position() {
        let tokens: Vec<i64> = (100..200).collect();
        assert_eq!(apply(&masking(0.15), 8, &tokens), apply(&masking(0.15), 8, &tokens));
        assert_ne!(apply(&masking(0.15), 8, &tokens).1, apply(&masking(0.15), 9, &tokens).1);
        // A prefix is masked as it is in the whole.
        assert_eq!(
            apply(&masking(0.15), 8, &tokens[..50]).1,
            apply(&masking(0.15), 8, &tokens).1[..50]
        );
    }

    #[test]
    fn a_sequence_always_predicts_something_if_it_can() {
        for index in 0..50 {
            let (_, targets) = apply(&masking(1e-9), index, &[2, 100, 101, 102, 3]);
            assert_eq!(targets.iter().filter(|&&t| t != IGNORED).count(), 1, "{targets:?}");
        }
        assert_eq!(apply(&masking(0.5), 0, &[2, 3]).1, [IGNORED, IGNORED]);
    }
}
