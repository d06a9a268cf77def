//! What is said of an answer, in the text, in JSON and on the page alike.

use mixmake_fit::mixing::{GoalKind, Note, Resample, Verdict, Why};

use super::super::laws::Answer;
use super::super::settings::list;

/// Validation domains that a sentence names.
const MOST_NAMED: usize = 4;

impl Answer {
    /// `mean cross-entropy over 13 validation domains`.
    pub fn objective(&self) -> String {
        let what = match self.goal.kind {
            GoalKind::MeanLoss => "mean cross-entropy",
            GoalKind::MeanPerplexity => "mean perplexity",
            GoalKind::WorstLoss => "highest cross-entropy",
        };
        let importance = &self.goal.importance;
        let over = if importance.is_empty() {
            let names = self.observations.validation();
            if names.len() <= MOST_NAMED {
                list(names)
            } else {
                format!("{} validation domains", names.len())
            }
        } else {
            let parts = importance.iter().filter(|(_, weight)| **weight > 0.0);
            let parts: Vec<String> =
                parts.map(|(name, weight)| format!("`{name}` ({weight})")).collect();
            parts.join(", ")
        };
        format!("{what} over {over}")
    }

    /// What is to be said of a domain's weight.
    pub fn mark(&self, place: usize) -> &'static str {
        let (optimum, bounds) = (&self.optimum, &self.problem.bounds);
        let [least, most] = self.fit.trained[place];
        match () {
            () if optimum.at_cap[place] && bounds.cap[place] == most && most < 1.0 => {
                "the most that was trained"
            }
            () if optimum.at_floor[place] && bounds.floor[place] == least && least > 0.0 => {
                "the least that was trained"
            }
            () if optimum.at_cap[place] && bounds.cap[place] < 1.0 => "cap",
            () if optimum.at_floor[place] && bounds.floor[place] > 0.0 => "floor",
            () if optimum.extrapolated[place] => "beyond what was trained",
            () => "",
        }
    }

    /// Whether the optimum is better than the reference, in a sentence.
    pub fn verdict(&self) -> Option<&'static str> {
        Some(match self.uncertainty.as_ref()?.verdict {
            Verdict::Better => "the optimum is better than the reference beyond noise",
            Verdict::NotBetterBeyondNoise => {
                "the optimum is not better than the reference beyond noise: more runs, or runs further apart, would tell"
            }
            Verdict::Worse => {
                "within these bounds the optimum is worse than the reference: the bounds cost more than it gains"
            }
        })
    }

    /// Of the table, and of the fit.
    pub fn all_notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        let (mut saturated, mut few) = (Vec::new(), Vec::new());
        for note in &self.fit.notes {
            match note {
                Note::Saturated { target } => saturated.push(target.clone()),
                Note::FewAgree { target, .. } => few.push(target.clone()),
                other => notes.extend(words(other)),
            }
        }
        if let Some(scored) = self.validation.as_ref().filter(|scored| scored.r2 <= 0.0) {
            notes.push(format!(
                "the law predicts rows it has not seen no better than their mean does (R2 {:.2}): do not rely on its optimum",
                scored.r2
            ));
        }
        if !saturated.is_empty() {
            notes.push(format!(
                "the law of {} has as many parameters as rows: nothing is left to judge its noise by",
                list(&saturated)
            ));
        }
        if !few.is_empty() {
            notes.push(format!(
                "few searches agree on the law of {}: a better one may exist",
                list(&few)
            ));
        }
        notes
    }
}

/// What a note says that is of one law alone.
fn words(note: &Note) -> Option<String> {
    match note {
        Note::Saturated { .. } | Note::FewAgree { .. } => None,
        Note::LeftOut { target, rows } => Some(format!(
            "{rows} rows are left out of the law of `{target}`: without this loss, or outside the law"
        )),
        Note::Harmless { target, parameters } => Some(format!(
            "in the law of `{target}` {} are not determined, and nothing predicted depends on them",
            list(parameters)
        )),
    }
}

pub(in super::super) fn resampled(resample: Resample) -> &'static str {
    match resample {
        Resample::Auto => "the rows",
        Resample::Residuals => "residuals",
        Resample::WildClusters => "whole seeds' residuals",
        Resample::Rows => "rows",
    }
}

pub(in super::super) fn why(why: &Why) -> String {
    match why {
        Why::Optimum => "the predicted optimum, which tests the prediction".into(),
        Why::Uncertainty { sd_before, sd_after } => format!(
            "makes differences around the optimum surer, from sd {sd_before:.2e} to {sd_after:.2e}"
        ),
        Why::Varies { domain } => format!("moves `{domain}` furthest from the others"),
    }
}
