//! Laws per validation domain: chosen, fitted, optimised, bootstrapped; or refused with the rows that would help.

use mixmake_fit::mixing::{
    self, Choice, CrossValidation, Goal, Interval, LawError, LawFit, LawName, Observations,
    Optimum, Outcome, Point, Problem, Suggestion, Uncertainty,
};
use serde_json::json;

use super::answer::first_suggested;
use super::best::Best;
use super::settings::Settings;
use super::{page, write_page};
use crate::cli::{Fit, Global};
use crate::error::{Error, Exit, Result};
use crate::table::text::tokens;
use crate::table::wide::WideTable;
use crate::ui::print;

/// Mixtures proposed where the rows identify no law.
const HELPFUL_ROWS: usize = 4;

/// Everything that `fit` found out. Lists over domains are in the order of `fit.domains`, over validation domains in that of
/// `fit.targets`.
pub(super) struct Answer {
    pub table: WideTable,
    pub observations: Observations,
    pub goal: Goal,
    /// The laws by their errors, where they were to choose from.
    pub choice: Option<Choice>,
    /// Errors of the law that was taken; none where the rows are too few to leave some out.
    pub validation: Option<CrossValidation>,
    pub fit: LawFit,
    pub problem: Problem,
    pub optimum: Optimum,
    pub uncertainty: Option<Uncertainty>,
    /// Intervals of every target's loss at the reference and at the optimum.
    pub forecasts: Option<[Vec<Interval>; 2]>,
    /// Losses predicted for the reference at the optimum's scale.
    pub reference_losses: Vec<f64>,
    pub suggestions: Vec<Suggestion>,
    /// The best row of the optimum's scale.
    pub best: Option<Best>,
    pub notes: Vec<String>,
}

pub(super) fn run(global: &Global, args: &Fit, table: WideTable) -> Result<Exit> {
    let answer = answer(args, table)?;
    if let Some(path) = &args.page {
        write_page(path, &mixmake_report::evidence_html(&page::of_answer(&answer)))?;
    }
    if global.json {
        print(&answer.to_json().to_string());
    } else {
        let mut text = answer.text();
        if let Some(path) = &args.page {
            text.push_str(&format!("\npage: {}\n", path.display()));
        }
        print(&text);
    }
    Ok(Exit::Success)
}

fn answer(args: &Fit, table: WideTable) -> Result<Answer> {
    let observations = table.observations().map_err(|error| usage(&table, &error))?;
    let settings = Settings::new(args, &table, &observations)?;
    let law = Chosen::new(&table, &observations, &settings)?;
    let fit = mixing::fit(&observations, law.name, &settings.options)
        .map_err(|error| refused(&table, &observations, &settings, &error))?;
    let problem = problem(&fit, &settings)?;
    let optimum = mixing::optimise(&fit, &problem).map_err(|error| usage(&table, &error))?;
    let mut notes = table.notes.clone();
    notes.extend(law.notes);
    let uncertainty = uncertainty(&observations, &fit, &problem, &settings, &mut notes)?;
    let reference = Point {
        weights: fit.reference.weights.clone(),
        tokens: problem.tokens,
        size: problem.size,
    };
    let best_point = Point { weights: optimum.weights.clone(), ..reference.clone() };
    let forecasts = uncertainty.as_ref().and_then(|uncertainty| {
        Some([uncertainty.forecast(&reference).ok()?, uncertainty.forecast(&best_point).ok()?])
    });
    let suggestions = match settings.suggest {
        0 => Vec::new(),
        count => mixing::suggest(&observations, &fit, &problem, count, settings.seed)
            .map_err(|error| usage(&table, &error))?,
    };
    Ok(Answer {
        reference_losses: fit.predict(&reference).map_err(|error| usage(&table, &error))?,
        best: Best::new(&observations, &problem),
        goal: settings.goal,
        choice: law.choice,
        validation: law.validation,
        observations,
        table,
        fit,
        problem,
        optimum,
        uncertainty,
        forecasts,
        suggestions,
        notes,
    })
}

/// The law that is taken, and why.
struct Chosen {
    name: LawName,
    choice: Option<Choice>,
    validation: Option<CrossValidation>,
    notes: Vec<String>,
}

impl Chosen {
    fn new(table: &WideTable, observations: &Observations, settings: &Settings) -> Result<Self> {
        if let [law] = settings.laws[..] {
            let scored =
                mixing::cross_validate(observations, law, &settings.options, &settings.folds);
            let (validation, notes) = match scored {
                Ok(scored) => (Some(scored), Vec::new()),
                // The fit itself may still stand on all rows.
                Err(error) => (None, vec![format!("not cross-validated: {error}")]),
            };
            return Ok(Self { name: law, choice: None, validation, notes });
        }
        let choice =
            mixing::choose(observations, &settings.laws, &settings.options, &settings.folds);
        let choice = choice.map_err(|error| refused(table, observations, settings, &error))?;
        let best = choice.table.iter().find(|line| line.law == choice.best);
        let validation = best.and_then(|line| match &line.outcome {
            Outcome::Scored(scored) => Some(scored.clone()),
            Outcome::Refused(_) => None,
        });
        Ok(Self { name: choice.best, validation, choice: Some(choice), notes: Vec::new() })
    }
}

/// The scale asked for, else the reference's.
fn problem(fit: &LawFit, settings: &Settings) -> Result<Problem> {
    let tokens = settings.tokens.or(fit.reference.tokens);
    let reference = &fit.reference.weights;
    Ok(Problem {
        goal: settings.goal.clone(),
        bounds: settings.bounds(&fit.domains, reference, &fit.trained, tokens)?,
        tokens,
        size: settings.size.or(fit.reference.size),
    })
}

/// Intervals; rows that leave nothing to judge the noise by give none, which is said.
fn uncertainty(
    observations: &Observations,
    fit: &LawFit,
    problem: &Problem,
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Result<Option<Uncertainty>> {
    let bootstrap = settings.bootstrap(fit.law);
    if bootstrap.draws == 0 {
        return Ok(None);
    }
    match mixing::bootstrap(observations, fit, &settings.options, problem, &bootstrap) {
        Ok(found) => Ok(Some(found)),
        Err(error @ LawError::Option { .. }) => {
            notes.push(format!("no intervals: {error}"));
            Ok(None)
        }
        Err(error) => Err(Error::new(Exit::ActionFailed, format!("no intervals: {error}"))),
    }
}

fn usage(table: &WideTable, error: &LawError) -> Error {
    Error::usage(format!("{}: {error}", table.title))
}

/// No law: why not, and the mixtures whose training would help.
fn refused(
    table: &WideTable,
    observations: &Observations,
    settings: &Settings,
    error: &LawError,
) -> Error {
    let domains = observations.domains();
    let mut rows = error.would_identify().to_vec();
    if rows.is_empty() && matches!(error, LawError::NotIdentified { .. } | LawError::Option { .. })
    {
        let reference = vec![1.0 / domains.len() as f64; domains.len()];
        let anywhere = vec![[0.0, 1.0]; domains.len()];
        if let Ok(bounds) = settings.bounds(domains, &reference, &anywhere, settings.tokens) {
            let count = settings.suggest.max(HELPFUL_ROWS);
            rows = mixing::suggest_without_fit(observations, &bounds, count, settings.seed);
        }
    }
    let message = format!("{}: {error}", table.title);
    let mut refusal = Error::new(Exit::ActionFailed, message);
    if !rows.is_empty() {
        let mixtures = first_suggested(domains, &rows);
        refusal = refusal.hint(format!("these mixtures would help most:\n{mixtures}"));
    }
    refusal.details(json!({
        "reasons": error.reasons(),
        "domains": domains,
        "suggestions": rows,
    }))
}

/// The scale of a point in words, ` at 3B tokens and 350M parameters`; nothing where it has none.
pub(super) fn scale_in_words(amount: Option<f64>, size: Option<f64>) -> String {
    let parts = [
        amount.map(|amount| format!("{} tokens", tokens(amount))),
        size.map(|size| format!("{} parameters", tokens(size))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" at {}", parts.join(" and ")) }
}
