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

    /// Said of an optimum in a corner of the bounds that redrawn losses often leave for another.
    fn rival_corners(&self) -> Option<String> {
        const MUCH: f64 = 0.8;
        let (optimum, found) = (&self.optimum, self.uncertainty.as_ref()?);
        let between = |place: &usize| !optimum.at_floor[*place] && !optimum.at_cap[*place];
        let between = (0..optimum.weights.len()).filter(between).count();
        (between <= 1 && found.overlap < MUCH).then(|| {
            format!(
                "the optimum is a corner of the bounds, and redrawn losses lead to others, which have only {:.0} % of its tokens in common with it on average: noise decides which, so the intervals of weights may miss the best; train the rivals or choose a law that bends",
                100.0 * found.overlap
            )
        })
    }

    /// Of the table, and of the fit.
    pub fn all_notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        let (mut saturated, mut few) = (Vec::new(), Vec::new());
        let (mut left_out, mut harmless) = (Vec::new(), Vec::new());
        for note in &self.fit.notes {
            match note {
                Note::Saturated { target } => saturated.push(target.clone()),
                Note::FewAgree { target, .. } => few.push(target.clone()),
                Note::LeftOut { target, rows } => left_out.push((target.clone(), *rows)),
                Note::Harmless { target, parameters } => {
                    harmless.push((target.clone(), &parameters[..]));
                }
                Note::MeanReference => notes.push(
                    "no row has a share of every domain that the law needs one of, so the reference is the mean of all mixtures; `--reference` names another".into(),
                ),
            }
        }
        notes.extend(rows_left_out(&left_out, self.observations.rows().len()));
        notes.extend(not_determined(&harmless));
        if let Some(scored) = self.validation.as_ref().filter(|scored| scored.r2 <= 0.0) {
            notes.push(format!(
                "the law predicts rows it has not seen no better than their mean does (R2 {:.2}): do not rely on its optimum",
                scored.r2
            ));
        }
        notes.extend(self.rival_corners());
        if !saturated.is_empty() {
            notes.push(format!(
                "the law of {} has as many parameters as rows: nothing is left to judge its noise by",
                some(&saturated)
            ));
        }
        if !few.is_empty() {
            notes.push(format!(
                "few searches agree on the law of {}: a better one may exist",
                some(&few)
            ));
        }
        notes
    }
}

/// "2 of 8 rows are left out of the law of `a`", or the range of several laws.
fn rows_left_out(laws: &[(String, usize)], of: usize) -> Option<String> {
    let rows = laws.iter().map(|(_, rows)| *rows);
    let (least, most) = (rows.clone().min()?, rows.max()?);
    let count = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let names: Vec<String> = laws.iter().map(|(name, _)| name.clone()).collect();
    let each = if laws.len() == 1 { "law" } else { "laws" };
    Some(format!(
        "{count} of {of} rows are left out of the {each} of {}: without this loss, or outside the law",
        some(&names)
    ))
}

/// What no prediction depends on: parameter by parameter of one law, counted of several.
fn not_determined(laws: &[(String, &[String])]) -> Option<String> {
    const HARMLESS: &str = "not determined, and nothing predicted depends on them";
    match laws {
        [] => None,
        [(name, parameters)] => {
            Some(format!("in the law of `{name}` {} are {HARMLESS}", some(parameters)))
        }
        several => {
            let names: Vec<String> = several.iter().map(|(name, _)| name.clone()).collect();
            let count: usize = several.iter().map(|(_, parameters)| parameters.len()).sum();
            Some(format!("in the laws of {} {count} parameters are {HARMLESS}", some(&names)))
        }
    }
}

/// "`a`, `b`, `c`, `d` and 9 more".
fn some(names: &[String]) -> String {
    match names.len().saturating_sub(MOST_NAMED) {
        0 => list(names),
        more => {
            let shown: Vec<String> =
                names[..MOST_NAMED].iter().map(|name| format!("`{name}`")).collect();
            format!("{} and {more} more", shown.join(", "))
        }
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
