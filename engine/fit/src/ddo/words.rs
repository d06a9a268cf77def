//! What a reader of a fit must know, as data and in words. Changes nothing of the fit.

use super::evidence::Observed;
use super::result::{DdoFit, DomainFit, Interval, Note, Uncertainty};
use crate::error::Domain;

pub(super) fn notes(fit: &DdoFit, observed: &Observed) -> Vec<Note> {
    let mut notes = Vec::new();
    if fit.identified() == 0 {
        notes.push(Note::NothingIdentified);
    }
    if fit.better_than_reference_beyond_noise == Some(false) {
        notes.push(Note::NotBetterBeyondNoise);
    }
    let held = |domain: &DomainFit| {
        let of = domain.domain;
        domain.not_identified.map(|reason| Note::Held { domain: of, reason })
    };
    notes.extend(fit.domains.iter().filter_map(held));
    notes.extend(fit.domains.iter().filter_map(not_exact));
    notes.extend(fit.domains.iter().filter_map(|domain| extrapolated(fit, domain)));
    if fit.uncertainty == Uncertainty::NotAvailable {
        notes.push(Note::NoIntervals);
    }
    if observed.others_changed > 0 {
        notes.push(Note::OthersChanged { runs: observed.others_changed });
    }
    if observed.left_out > 0 {
        notes.push(Note::LeftOut { runs: observed.left_out });
    }
    notes
}

fn not_exact(domain: &DomainFit) -> Option<Note> {
    let rms = domain.rms.filter(|_| !domain.exact)?;
    Some(Note::NotExact { domain: domain.domain, rms })
}

fn extrapolated(fit: &DdoFit, domain: &DomainFit) -> Option<Note> {
    let Domain(index) = domain.domain;
    let measured = Interval { low: domain.points.first()?.x, high: domain.points.last()?.x };
    let multiple = fit.optimum.multiples[index];
    // Factors realised in whole samples miss the round number by a little.
    let outside = multiple < measured.low * 0.99 || multiple > measured.high * 1.01;
    (domain.law.is_some() && outside).then_some(Note::Extrapolated {
        domain: domain.domain,
        multiple,
        measured,
    })
}

impl Note {
    /// The note as a sentence with domains called by `names`.
    #[must_use]
    pub fn in_words(&self, names: &[String]) -> String {
        match self {
            Self::NothingIdentified => {
                "no domain's runs identify a law, so there is no reason to leave the reference mixture".into()
            }
            Self::NotBetterBeyondNoise => {
                "the proposed mixture is not better than the reference beyond noise".into()
            }
            Self::Held { domain, reason } => format!(
                "{} is not identified and held at its reference amount: {reason}",
                domain.label(names)
            ),
            Self::NoIntervals => {
                "intervals are not available from single runs; repeat runs with other seeds, add factors or give the noise".into()
            }
            Self::NotExact { domain, rms } => format!(
                "the law of {} misses its points by {rms:.2e} of the loss (root mean square)",
                domain.label(names)
            ),
            Self::Extrapolated { domain, multiple, measured } => format!(
                "the optimum has {multiple:.3} times the base amount of {}, beyond the {:.3} to {:.3} that were measured",
                domain.label(names),
                measured.low,
                measured.high
            ),
            Self::OthersChanged { runs } => format!(
                "{runs} perturbed runs scale the other domains too, as with a fixed total; each law then contains their effect"
            ),
            Self::LeftOut { runs } => format!("{runs} runs have other factors than those asked for and are left out"),
        }
    }
}

impl DdoFit {
    /// Every note as a sentence with domains called by `names`.
    #[must_use]
    pub fn in_words(&self, names: &[String]) -> Vec<String> {
        self.notes.iter().map(|note| note.in_words(names)).collect()
    }
}
