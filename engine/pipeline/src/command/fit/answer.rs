//! An answer as text. Knows what was found; not how.

mod json;
mod words;

use mixmake_fit::mixing::{Interval, Note, Outcome, Proof, Suggestion};

use self::words::resampled;
pub(super) use self::words::why;
use super::best::Best;
use super::laws::{Answer, scale_in_words};
use crate::table::text::{Grid, MISSING, tokens};

/// Parameters that the text still lists; more are in `--json` and on the page.
const MOST_PARAMETERS: usize = 40;

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

    /// Rows whose mixture the reference is, or that it was named.
    fn reference(&self) -> String {
        let same = |row: &&mixmake_fit::mixing::Row| {
            let pairs = row.weights.iter().zip(&self.fit.reference.weights);
            pairs.into_iter().all(|(one, other)| (one - other).abs() < 1e-9)
        };
        let rows: Vec<&str> =
            self.observations.rows().iter().filter(same).map(|row| row.name.as_str()).collect();
        match rows[..] {
            [] if self.fit.notes.contains(&Note::MeanReference) => {
                "reference: the mean of all mixtures\n".into()
            }
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
                "gain: {} with probability {:.0} %, median {:.5} ({} draws of {}{})\n",
                range(&found.gain, 5),
                100.0 * found.level,
                found.gain_median,
                found.draws,
                resampled(found.resample),
                if found.failed > 0 {
                    format!(", {} more failed", found.failed)
                } else {
                    String::new()
                }
            ));
        }
        text.push_str(&self.best());
        text.push_str(&self.proof());
        if let Some(verdict) = self.verdict() {
            text.push_str(&format!("{verdict}\n"));
        }
        text
    }

    /// The best row that was trained at the scale that the answer is for.
    fn best(&self) -> String {
        let scale = scale_in_words(self.problem.tokens, self.problem.size);
        let all = self.observations.rows().len();
        match &self.best {
            Some(Best { row, value, among }) if *among < all => {
                format!("best measured: {value:.5} ({row}, of {among} runs{scale})\n")
            }
            Some(Best { row, value, .. }) => format!("best measured: {value:.5} ({row})\n"),
            None => format!("best measured: none, no run{scale} has every loss\n"),
        }
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
}

/// Folds of fewer than three rows have none.
fn correlation(value: Option<f64>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| format!("{value:.4}"))
}

fn range(interval: &Interval, digits: usize) -> String {
    format!("{:.digits$} to {:.digits$}", interval.low, interval.high)
}

/// Six significant digits.
fn significant(value: f64) -> String {
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

/// Mixtures that one grid has room for beside each other.
const ABREAST: usize = 8;

/// Mixtures to train, as tables: a column a mixture.
fn suggested(domains: &[String], rows: &[Suggestion]) -> String {
    let all: Vec<usize> = (0..domains.len()).collect();
    let blocks = rows.chunks(ABREAST).enumerate();
    let blocks: Vec<String> = blocks
        .map(|(place, block)| abreast(domains, &all, block, place * ABREAST).render())
        .collect();
    blocks.join("\n") + &reasons(rows)
}

/// The first mixtures to train, and of many domains those that they have most of: for a message, where `--json` tells all.
pub(super) fn first_suggested(domains: &[String], rows: &[Suggestion]) -> String {
    const MOST_DOMAINS: usize = 30;
    let shown = &rows[..rows.len().min(ABREAST)];
    let most = |j: &usize| shown.iter().map(|row| row.weights[*j]).fold(0.0, f64::max);
    let mut places: Vec<usize> = (0..domains.len()).collect();
    places.sort_by(|p, q| most(q).total_cmp(&most(p)));
    places.truncate(MOST_DOMAINS);
    places.sort_unstable();
    let mut text = abreast(domains, &places, shown, 0).render() + &reasons(shown);
    let missing = [
        (rows.len() - shown.len(), "more mixtures"),
        (domains.len() - places.len(), "domains of smaller shares"),
    ];
    let missing = missing.iter().filter(|(count, _)| *count > 0);
    let missing: Vec<String> = missing.map(|(count, what)| format!("{count} {what}")).collect();
    if !missing.is_empty() {
        text.push_str(&format!("and {}: `--json` gives all\n", missing.join(" and ")));
    }
    text
}

/// A grid of mixtures, the first of which is number `before + 1`.
fn abreast(domains: &[String], places: &[usize], rows: &[Suggestion], before: usize) -> Grid {
    let mut header: Vec<String> = vec!["domain".into()];
    header.extend((1..=rows.len()).map(|place| format!("next {}", before + place)));
    let mut grid = Grid::new(1, header);
    for &place in places {
        let weights = rows.iter().map(|row| format!("{:.4}", row.weights[place]));
        grid.row(std::iter::once(domains[place].clone()).chain(weights));
    }
    type Scale = fn(&Suggestion) -> Option<f64>;
    let scales: [(&str, Scale); 2] = [("(tokens)", |row| row.tokens), ("(size)", |row| row.size)];
    for (name, scale) in scales {
        if rows.iter().any(|row| scale(row).is_some()) {
            let amount = |row| scale(row).map_or_else(|| MISSING.to_owned(), tokens);
            grid.row(std::iter::once(name.to_owned()).chain(rows.iter().map(amount)));
        }
    }
    grid
}

fn reasons(rows: &[Suggestion]) -> String {
    let line =
        |(place, row): (usize, &Suggestion)| format!("next {}: {}\n", place + 1, why(&row.why));
    rows.iter().enumerate().map(line).collect()
}
