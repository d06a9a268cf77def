//! What a reader of a prediction must know, as data and in words. Changes nothing of the prediction.

use super::path::Path;
use super::{Amounts, Mode, Note, Options, Prediction, Scale};
use crate::error::Domain;

pub(super) fn notes(
    scales: &[Scale],
    options: &Options,
    target: f64,
    predicted: &Amounts,
    path: &Path,
    position: f64,
) -> Vec<Note> {
    let mut notes: Vec<Note> =
        (0..predicted.amounts.len()).filter_map(|j| share_note(scales, j, path)).collect();
    let emptied = (0..predicted.amounts.len()).filter(|&j| path.emptied(j, position));
    notes.extend(emptied.map(|j| Note::Emptied { domain: Domain(j) }));
    let smallest = scales.first().map_or(0.0, Scale::total);
    // More than rounding.
    if target < smallest * (1.0 - 1e-9) {
        notes.push(Note::Below { target, smallest });
    }
    if options.mode == Mode::Stepping && predicted.total > target {
        notes.push(Note::Overshoot { target, total: predicted.total });
    }
    notes
}

fn share_note(scales: &[Scale], j: usize, path: &Path) -> Option<Note> {
    let domain = Domain(j);
    let held = scales.iter().filter(|scale| scale.held.get(j) == Some(&true)).count();
    if let (1.., Some(weight)) = (held, path.carried[j]) {
        return Some(Note::Held { domain, scales: held, weight });
    }
    let floored = scales.iter().filter(|scale| scale.at_floor.get(j) == Some(&true)).count();
    match (floored, path.carried[j]) {
        (0, _) => None,
        (_, Some(weight)) => Some(Note::Carried { domain, weight }),
        (all, None) if all == scales.len() => Some(Note::FloorExtrapolated { domain }),
        (scales, None) => Some(Note::PartlyFloored { domain, scales }),
    }
}

impl Note {
    /// The note as a sentence with domains called by `names`.
    #[must_use]
    pub fn in_words(&self, names: &[String]) -> String {
        match self {
            Self::Carried { domain, weight } => format!(
                "{} is at its floor at every scale and is carried at it, {:.2} % of the tokens, instead of extrapolated",
                domain.label(names),
                100.0 * weight
            ),
            Self::Held { domain, scales, weight } => format!(
                "{} has no law at {scales} of the scales, which says nothing of its growth, so it keeps its share of the largest, {:.2} % of the tokens",
                domain.label(names),
                100.0 * weight
            ),
            Self::FloorExtrapolated { domain } => format!(
                "{} is at its floor at every scale, which says nothing of its growth, but was extrapolated as asked",
                domain.label(names)
            ),
            Self::PartlyFloored { domain, scales } => format!(
                "{} is at its floor at {scales} of the scales, so its growth between them is uncertain",
                domain.label(names)
            ),
            Self::Emptied { domain } => {
                format!("the shifted law leaves no tokens to {}", domain.label(names))
            }
            Self::Below { target, smallest } => format!(
                "{target} tokens are fewer than the {smallest} of the smallest scale; the method is for larger scales, and shares below can be far off"
            ),
            Self::Overshoot { target, total } => format!(
                "stepping ends at {total:.6e} tokens, {:.1} % beyond the target of {target:.6e}; the continuous mode gives the target's own weights",
                100.0 * (total / target - 1.0)
            ),
        }
    }
}

impl Prediction {
    /// Every note as a sentence with domains called by `names`.
    #[must_use]
    pub fn in_words(&self, names: &[String]) -> Vec<String> {
        self.notes.iter().map(|note| note.in_words(names)).collect()
    }
}
