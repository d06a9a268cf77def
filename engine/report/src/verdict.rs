//! The plain verdict: is a mixture better than the baseline on this corpus, or not.
//!
//! Compares final mean perplexities only. Knows nothing of noise between seeds, and says so where
//! it is shown.

use crate::data::{Comparison, Study};
use crate::number;
use crate::outcome::{self, Outcome};
use crate::prose::quoted;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Better,
    NotBetter,
    Unknown,
}

/// One training against the baseline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub training: usize,
    pub standing: Standing,
    /// A sentence with a capital and a full stop.
    pub sentence: String,
}

/// One verdict for every training that is not the baseline, predicted mixtures first.
pub(crate) fn verdicts(study: &Study) -> Vec<Verdict> {
    let Some(baseline) = outcome::baseline(study) else { return Vec::new() };
    let mut order: Vec<usize> = (0..study.trainings.len()).filter(|&t| t != baseline).collect();
    order.sort_by_key(|&t| !outcome::is_predicted(study, &study.trainings[t]));
    order.into_iter().map(|t| verdict(study, baseline, t)).collect()
}

/// What to say where nothing can be compared.
pub(crate) fn nothing_compared(study: &Study) -> &'static str {
    match (study.trainings.is_empty(), outcome::baseline(study)) {
        (true, _) => "No training is compared in this study, so it has no verdict.",
        (false, None) => "The study names no baseline, so it has no verdict.",
        (false, Some(_)) => "Only the baseline was trained, so the study has no verdict.",
    }
}

/// The comparison of a training, where the study has one.
pub(crate) fn comparison(study: &Study, training: usize) -> Option<&Comparison> {
    study.comparisons.iter().find(|c| c.training == training)
}

/// Steps saved in words, by training; the baseline is not compared with itself.
pub(crate) fn steps_saved(study: &Study) -> Vec<(&str, &str)> {
    let baseline = outcome::baseline(study);
    let others = study.comparisons.iter().filter(|c| Some(c.training) != baseline);
    let named = others.filter_map(|c| Some((study.trainings.get(c.training)?, c)));
    named.map(|(training, c)| (training.name.as_str(), c.words.as_str())).collect()
}

fn verdict(study: &Study, baseline: usize, training: usize) -> Verdict {
    let ours = outcome::end(study, &study.trainings[training]);
    let theirs = outcome::end(study, &study.trainings[baseline]);
    let base = quoted(&study.trainings[baseline].name);
    let subject = subject(study, training);
    let (standing, sentence) = match (ours.mean, theirs.mean) {
        (Some(our), Some(their)) => {
            let standing = if our < their { Standing::Better } else { Standing::NotBetter };
            let is = if our < their { "is better than" } else { "is NOT better than" };
            let (our_text, their_text) = number::pair(our, their);
            let sentence = format!(
                "{subject} {is} {base} here: mean perplexity {our_text} against {their_text} \
                 ({}){}.",
                number::change(our / their - 1.0),
                detail(study, &ours, &theirs),
            );
            (standing, sentence)
        }
        _ => (
            Standing::Unknown,
            format!(
                "{subject} cannot be compared with {base}: a held-out loss at the end is missing \
                 or not finite."
            ),
        ),
    };
    Verdict { training, standing, sentence }
}

/// `The predicted mixture`, with its name where there are several.
fn subject(study: &Study, training: usize) -> String {
    let one = &study.trainings[training];
    let predicted = study.trainings.iter().filter(|t| outcome::is_predicted(study, t)).count();
    match (outcome::is_predicted(study, one), predicted) {
        (true, 1) => "The predicted mixture".to_string(),
        (true, _) => format!("The predicted mixture {}", quoted(&one.name)),
        (false, _) => format!("The mixture {}", quoted(&one.name)),
    }
}

fn detail(study: &Study, ours: &Outcome, theirs: &Outcome) -> String {
    let total = study.domains.len();
    let (Some((d, our)), Some((_, their))) = (ours.worst, theirs.worst) else {
        return String::new();
    };
    if total < 2 {
        return String::new();
    }
    let pairs = ours.perplexities.iter().zip(&theirs.perplexities);
    let lower = pairs.filter(|(o, t)| o < t).count();
    let (our, their) = number::pair(our, their);
    let worst = quoted(&study.domains[d].name);
    format!("; lower on {lower} of {total} domains; worst domain {worst}, {our} against {their}")
}
