//! What an evaluation amounts to: perplexities, their mean and the worst of them.
//!
//! Perplexity of a domain = exp(mean token cross-entropy over its held-out set); the mean is over
//! the domains of the study. A domain without a finite loss leaves mean and worst unknown: a mean
//! over fewer domains would be a different quantity under the same name.

use crate::data::{Evaluation, Study, Training};

/// Perplexities of one evaluation, over all domains of the study.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub perplexities: Vec<Option<f64>>,
    pub mean: Option<f64>,
    /// Domain index and perplexity.
    pub worst: Option<(usize, f64)>,
}

/// The outcome of a training at its last evaluation; all unknown where it has none.
pub(crate) fn end(study: &Study, training: &Training) -> Outcome {
    let losses = training.evaluations.last().map_or(&[][..], |e| &e.losses);
    from_losses(study.domains.len(), losses)
}

/// The outcome of one evaluation.
pub(crate) fn at(study: &Study, evaluation: &Evaluation) -> Outcome {
    from_losses(study.domains.len(), &evaluation.losses)
}

fn from_losses(domains: usize, losses: &[f64]) -> Outcome {
    let perplexities: Vec<_> = (0..domains).map(|d| perplexity(losses.get(d))).collect();
    let known: Vec<f64> = perplexities.iter().flatten().copied().collect();
    let complete = domains > 0 && known.len() == domains;
    let mean = complete.then(|| known.iter().sum::<f64>() / domains as f64);
    let worst = complete.then(|| {
        known.iter().enumerate().fold((0, known[0]), |worst, (d, &p)| match p > worst.1 {
            true => (d, p),
            false => worst,
        })
    });
    Outcome { perplexities, mean: mean.filter(|m| m.is_finite()), worst }
}

fn perplexity(loss: Option<&f64>) -> Option<f64> {
    loss.map(|l| l.exp()).filter(|p| p.is_finite() && *p > 0.0)
}

/// The baseline, where the study names one that exists.
pub(crate) fn baseline(study: &Study) -> Option<usize> {
    study.baseline.filter(|&b| b < study.trainings.len())
}

/// Names of the domains that carry weights, with their place among all domains.
pub(crate) fn trained(study: &Study) -> Vec<(usize, &str)> {
    let domains = study.domains.iter().enumerate();
    domains.filter(|(_, d)| d.trains).map(|(at, d)| (at, d.name.as_str())).collect()
}

/// Whether a training drew from a mixture that this study predicts.
pub(crate) fn is_predicted(study: &Study, training: &Training) -> bool {
    study.predictions.iter().any(|p| {
        !p.name.is_empty()
            && training
                .mixture
                .strip_suffix(&p.name)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_worst() {
        let outcome = from_losses(2, &[2f64.ln(), 4f64.ln()]);
        assert!(outcome.mean.is_some_and(|mean| (mean - 3.0).abs() < 1e-12));
        assert_eq!(outcome.worst.map(|worst| worst.0), Some(1));
    }

    #[test]
    fn an_unknown_domain_leaves_the_mean_unknown() {
        for losses in [&[1.0][..], &[1.0, f64::NAN], &[1.0, 1e6], &[]] {
            let outcome = from_losses(2, losses);
            assert_eq!((outcome.mean, outcome.worst), (None, None), "{losses:?}");
        }
        assert_eq!(from_losses(0, &[1.0]).mean, None);
    }
}
