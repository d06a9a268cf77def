//! An answer as text and as JSON. Knows what was found; not how.

use mixmake_fit::mixing::{
    GoalKind, Interval, Note, Outcome, Proof, Resample, Suggestion, Verdict, Why,
};
use serde_json::{Map, Value, json};

use super::laws::{Answer, scale_in_words};
use super::settings::list;
use crate::table::text::{Grid, MISSING, tokens};

/// Parameters that the text still lists; more are in `--json` and on the page.
const MOST_PARAMETERS: usize = 40;
/// Validation domains that a sentence names.
const MOST_NAMED: usize = 4;

impl Answer {
    pub fn text(&self) -> String {
        let mut parts = vec![self.head()];
        parts.extend(self.choice_table());
        parts.push(self.law());
        parts.push(self.weights().render());
        parts.push(self.outcome());
        parts.push(self.losses().render());
        if !self.suggestions.is_empty() {
            let rows = suggested(&self.fit.domains, &self.suggestions);
            parts.push(format!("worth training next\n{rows}"));
        }
        let notes: String = self.all_notes().iter().map(|note| format!("note: {note}\n")).collect();
        parts.push(notes);
        parts.retain(|part| !part.is_empty());
        parts.join("\n")
    }

    fn head(&self) -> String {
        format!(
            "{}: {} runs, {} domains, {} validation domains\nobjective: {}{}\n",
            self.table.title,
            self.observations.rows().len(),
            self.fit.domains.len(),
            self.observations.validation().len(),
            self.objective(),
            scale_in_words(self.problem.tokens, self.problem.size)
        )
    }

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

    /// Every law with its errors on rows it had not seen.
    fn choice_table(&self) -> Option<String> {
        let choice = self.choice.as_ref()?;
        let mut grid = Grid::new(1, ["law", "rmse", "mae", "relative", "Spearman", "R2", ""]);
        let mut refused = String::new();
        for line in &choice.table {
            match &line.outcome {
                Outcome::Scored(scored) => grid.row([
                    line.law.to_string(),
                    format!("{:.5}", scored.rmse),
                    format!("{:.5}", scored.mae),
                    format!("{:.3} %", 100.0 * scored.relative_error),
                    correlation(scored.spearman),
                    format!("{:.4}", scored.r2),
                    if line.law == choice.best { "taken".into() } else { String::new() },
                ]),
                Outcome::Refused(words) => {
                    // What to train instead is said where the law is asked for by name.
                    let reason = words.split("; train the").next().unwrap_or(words);
                    refused.push_str(&format!("{}: {reason}\n", line.law));
                }
            }
        }
        let folds = self.validation.as_ref().map_or(0, |scored| scored.folds);
        Some(format!("cross-validated errors, {folds} folds\n{}{refused}", grid.render()))
    }

    fn law(&self) -> String {
        let fit = &self.fit;
        let mut text = format!("law: {}, {}\n({})\n", fit.law, fit.law.formula(), fit.law.source());
        if let (Some(scored), None) = (&self.validation, &self.choice) {
            text.push_str(&format!(
                "cross-validated, {} folds: rmse {:.5}, Spearman {}, R2 {:.4}\n",
                scored.folds,
                scored.rmse,
                correlation(scored.spearman),
                scored.r2
            ));
        }
        let count: usize = fit.targets.iter().map(|target| target.parameters.len()).sum();
        if count == 0 {
            return text;
        }
        if count > MOST_PARAMETERS {
            text.push_str(&format!("{count} parameters: `--json` and `--page` show them\n"));
            return text;
        }
        text.push_str(&format!("\n{}", self.parameters().render()));
        text
    }

    fn parameters(&self) -> Grid {
        let level = self.uncertainty.as_ref().map(|found| 100.0 * found.level);
        let interval = level.map_or(String::new(), |level| format!("{level:.0} % interval"));
        let mut grid = Grid::new(3, ["law of", "parameter", "domain", "value", &interval, ""]);
        for (place, target) in self.fit.targets.iter().enumerate() {
            for (index, parameter) in target.parameters.iter().enumerate() {
                let known = self
                    .uncertainty
                    .as_ref()
                    .and_then(|found| found.parameters.get(place)?.get(index));
                grid.row([
                    target.target.clone(),
                    parameter.name.clone(),
                    parameter.domain.clone().unwrap_or_default(),
                    significant(parameter.value),
                    known.map_or(String::new(), |i| {
                        format!("{} to {}", significant(i.low), significant(i.high))
                    }),
                    if parameter.at_bound { "at its bound".into() } else { String::new() },
                ]);
            }
        }
        grid
    }

    fn weights(&self) -> Grid {
        let amounts = self.optimum.amounts.is_some() && self.in_tokens();
        let level = self.uncertainty.as_ref().map(|found| 100.0 * found.level);
        let mut header = vec!["domain".to_owned(), "reference".to_owned(), "optimum".to_owned()];
        header.extend(level.map(|level| format!("{level:.0} % interval")));
        header.extend(amounts.then(|| "tokens".to_owned()));
        header.extend(["trained".to_owned(), String::new()]);
        let mut grid = Grid::new(1, header);
        for (place, name) in self.fit.domains.iter().enumerate() {
            let mut row = vec![name.clone()];
            row.push(format!("{:.4}", self.fit.reference.weights[place]));
            row.push(format!("{:.4}", self.optimum.weights[place]));
            row.extend(self.uncertainty.as_ref().map(|found| range(&found.weights[place], 4)));
            if let (true, Some(amounts)) = (amounts, &self.optimum.amounts) {
                row.push(tokens(amounts[place].round()));
            }
            let [low, high] = self.fit.trained[place];
            row.push(format!("{low:.3} to {high:.3}"));
            row.push(self.mark(place).to_owned());
            grid.row(row);
        }
        grid
    }

    /// Whether amounts are tokens, not multiples of a base amount.
    fn in_tokens(&self) -> bool {
        const TOKENS: f64 = 1e4;
        self.problem.tokens.is_some_and(|tokens| tokens > TOKENS)
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

    /// Rows whose mixture the reference is, or that it was named.
    fn reference(&self) -> String {
        let same = |row: &&mixmake_fit::mixing::Row| {
            let pairs = row.weights.iter().zip(&self.fit.reference.weights);
            pairs.into_iter().all(|(one, other)| (one - other).abs() < 1e-9)
        };
        let rows: Vec<&str> =
            self.observations.rows().iter().filter(same).map(|row| row.name.as_str()).collect();
        match rows[..] {
            [] => "reference: as given, no row has it\n".into(),
            [only] => format!("reference: the mixture of {only}\n"),
            [first, ..] => format!("reference: the mixture of {} rows ({first}, …)\n", rows.len()),
        }
    }

    fn outcome(&self) -> String {
        let optimum = &self.optimum;
        let relative = 100.0 * optimum.gain / optimum.reference_value;
        let mut text = self.reference();
        text.push_str(&format!(
            "predicted objective: {:.5} at the reference, {:.5} at the optimum\npredicted gain: {:.5} ({relative:.2} %)\n",
            optimum.reference_value, optimum.value, optimum.gain
        ));
        if let Some(found) = &self.uncertainty {
            text.push_str(&format!(
                "gain: {} with probability {:.0} % ({} draws of {}{})\n",
                range(&found.gain, 5),
                100.0 * found.level,
                found.draws,
                resampled(found.resample),
                if found.failed > 0 {
                    format!(", {} more failed", found.failed)
                } else {
                    String::new()
                }
            ));
        }
        if let Some((name, value)) = &self.best {
            text.push_str(&format!("best measured: {value:.5} ({name})\n"));
        }
        text.push_str(&self.proof());
        if let Some(verdict) = self.verdict() {
            text.push_str(&format!("{verdict}\n"));
        }
        text
    }

    fn proof(&self) -> String {
        match &self.optimum.proof {
            Proof::Convex { kkt_residual } => {
                format!(
                    "the optimum is exact: the objective is convex, KKT residual {kkt_residual:.1e}\n"
                )
            }
            Proof::Global { lower_bound, gap, starts, .. } => format!(
                "no mixture within the bounds is predicted below {lower_bound:.5}: the optimum is within {gap:.1e} ({starts} searches)\n"
            ),
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

    /// What the law predicts for every target.
    fn losses(&self) -> Grid {
        let level = self.uncertainty.as_ref().map(|found| 100.0 * found.level);
        let mut header = vec!["validation domain".to_owned(), "reference".into(), "optimum".into()];
        header.extend(level.map(|level| format!("{level:.0} % interval")));
        header.extend(["change".to_owned(), "rms of fit".to_owned()]);
        let mut grid = Grid::new(1, header);
        for (place, target) in self.fit.targets.iter().enumerate() {
            let (reference, optimum) = (self.reference_losses[place], self.optimum.losses[place]);
            let mut row =
                vec![target.target.clone(), format!("{reference:.4}"), format!("{optimum:.4}")];
            if level.is_some() {
                let known =
                    self.forecasts.as_ref().map(|[_, at_optimum]| range(&at_optimum[place], 4));
                row.push(known.unwrap_or_else(|| MISSING.into()));
            }
            row.push(format!("{:+.4}", optimum - reference));
            row.push(format!("{:.4}", target.rms));
            grid.row(row);
        }
        grid
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

    pub fn to_json(&self) -> Value {
        let fit = &self.fit;
        let by_domain = |values: &[f64]| -> Map<String, Value> {
            fit.domains.iter().cloned().zip(values.iter().map(|value| json!(value))).collect()
        };
        json!({
            "source": {
                "title": self.table.title,
                "files": self.table.paths,
                "runs": self.observations.rows().len(),
                "domains": fit.domains,
                "validation": self.observations.validation(),
            },
            "objective": { "words": self.objective(), "goal": self.goal },
            "choice": self.choice.as_ref().map(|choice| json!({
                "best": choice.best,
                "table": choice.table,
            })),
            "cross-validation": self.validation,
            "law": {
                "name": fit.law,
                "formula": fit.law.formula(),
                "source": fit.law.source(),
                "scale": fit.scale,
                "units": fit.units,
                "targets": self.targets(),
            },
            "reference": { "weights": by_domain(&fit.reference.weights), "losses": self.reference_losses },
            "weights": by_domain(&self.optimum.weights),
            "optimum": self.optimum,
            "bounds": self.problem.bounds,
            "at": { "tokens": self.problem.tokens, "size": self.problem.size },
            "uncertainty": self.uncertainty,
            "forecasts": self.forecasts.as_ref().map(|[reference, optimum]| json!({
                "reference": reference,
                "optimum": optimum,
            })),
            "verdict": self.uncertainty.as_ref().map(|found| found.verdict),
            "best-measured": self.best.as_ref().map(|(row, value)| json!({ "row": row, "value": value })),
            "suggestions": self.suggestions,
            "notes": self.all_notes(),
        })
    }

    fn targets(&self) -> Vec<Value> {
        let target = |target: &mixmake_fit::mixing::TargetFit| {
            json!({
                "target": target.target,
                "parameters": target.parameters,
                "rows": target.rows,
                "left-out": target.left_out,
                "rms": target.rms,
                "r2": target.r2,
                "degrees-of-freedom": target.degrees_of_freedom,
                "noise-sd": target.noise_sd,
                "points": target.points,
            })
        };
        self.fit.targets.iter().map(target).collect()
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

pub(super) fn resampled(resample: Resample) -> &'static str {
    match resample {
        Resample::Auto => "the rows",
        Resample::Residuals => "residuals",
        Resample::WildClusters => "whole seeds' residuals",
        Resample::Rows => "rows",
    }
}

/// Folds of fewer than three rows have none.
fn correlation(value: Option<f64>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| format!("{value:.4}"))
}

fn range(interval: &Interval, digits: usize) -> String {
    format!("{:.digits$} to {:.digits$}", interval.low, interval.high)
}

/// Six significant digits.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 || (1e-4..1e6).contains(&value.abs()) {
        let digits = (5 - value.abs().max(1e-12).log10().floor() as i32).clamp(0, 9) as usize;
        let text = format!("{value:.digits$}");
        return if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        };
    }
    format!("{value:.4e}")
}

/// Mixtures to train, as a table: a row a mixture.
pub(super) fn suggested(domains: &[String], rows: &[Suggestion]) -> String {
    let scale = rows.iter().any(|row| row.tokens.is_some() || row.size.is_some());
    let mut header: Vec<String> = vec!["domain".into()];
    header.extend((1..=rows.len()).map(|place| format!("next {place}")));
    let mut grid = Grid::new(1, header);
    for (place, name) in domains.iter().enumerate() {
        let weights = rows.iter().map(|row| format!("{:.4}", row.weights[place]));
        grid.row(std::iter::once(name.clone()).chain(weights));
    }
    if scale {
        let amount = |value: Option<f64>| value.map_or_else(|| MISSING.to_owned(), tokens);
        if rows.iter().any(|row| row.tokens.is_some()) {
            grid.row(
                std::iter::once("(tokens)".into()).chain(rows.iter().map(|row| amount(row.tokens))),
            );
        }
        if rows.iter().any(|row| row.size.is_some()) {
            grid.row(
                std::iter::once("(size)".into()).chain(rows.iter().map(|row| amount(row.size))),
            );
        }
    }
    let why = rows
        .iter()
        .enumerate()
        .map(|(place, row)| format!("next {}: {}\n", place + 1, why(&row.why)));
    grid.render() + &why.collect::<String>()
}

pub(super) fn why(why: &Why) -> String {
    match why {
        Why::Optimum => "the predicted optimum, which tests the prediction".into(),
        Why::Uncertainty { sd_before, sd_after } => format!(
            "makes differences around the optimum surer, from sd {sd_before:.2e} to {sd_after:.2e}"
        ),
        Why::Varies { domain } => format!("moves `{domain}` furthest from the others"),
    }
}
