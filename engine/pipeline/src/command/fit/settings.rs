//! What the flags of `fit` ask of the laws, checked against the table's names.

use std::collections::BTreeMap;

use mixmake_fit::mixing::{
    Bootstrap, Bounds, FitOptions, Folds, Goal, GoalKind, LawName, Observations, Row,
};
use mixmake_manifest::suggest::nearest;

use super::best;
use super::experiment::check_range;
use crate::cli::{Fit, LawArgs, ObjectiveArg};
use crate::error::{Error, Result};
use crate::table::bounds::{BoundList, by_name};
use crate::table::wide::WideTable;
use crate::table::{TableError, values};

/// Draws of laws whose fits take no time, and of trees, whose every draw grows forests.
const DRAWS: usize = 400;
const DRAWS_OF_TREES: usize = 24;

/// Everything that is asked of the laws. Lists over domains are in the order of the observations.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// One law, or those to choose from.
    pub laws: Vec<LawName>,
    pub goal: Goal,
    pub options: FitOptions,
    pub folds: Folds,
    pub floor: Option<BoundList>,
    pub cap: Option<BoundList>,
    pub available: Option<Vec<Option<f64>>>,
    pub max_repeats: f64,
    /// Weights may leave what rows had.
    pub beyond: bool,
    pub tokens: Option<f64>,
    pub size: Option<f64>,
    pub suggest: usize,
    draws: Option<usize>,
    pub level: f64,
    pub seed: u64,
}

impl Settings {
    pub fn new(args: &Fit, table: &WideTable, observations: &Observations) -> Result<Self> {
        let laws = &args.laws;
        let goal = goal(laws, table, observations)?;
        let domains = observations.domains();
        let bounds = |flag, text: &Option<String>| {
            text.as_deref().map(|text| values::flag(flag, text, BoundList::new)).transpose()
        };
        let number = |flag, text: &Option<String>| {
            text.as_deref().map(|text| values::flag(flag, text, values::tokens)).transpose()
        };
        let available = laws.available.as_deref().map(|text| {
            values::flag("--available", text, |text| by_name(text, domains, None, values::tokens))
        });
        let level = laws.level;
        check_range("--level", level, level > 0.0 && level < 1.0, "above 0 and below 1")?;
        check_range("--max-repeats", laws.max_repeats, laws.max_repeats > 0.0, "above 0")?;
        let tokens = number("--at", &laws.at)?;
        let size = number("--at-size", &laws.at_size)?;
        scales_are_known(table, tokens, size)?;
        Ok(Self {
            laws: wanted(laws.law.as_deref())?,
            options: FitOptions {
                seed: laws.seed,
                reference: reference(
                    laws.reference.as_deref(),
                    observations,
                    &goal,
                    (tokens, size),
                )?,
                ..FitOptions::default()
            },
            goal,
            folds: Folds { count: laws.folds, seed: laws.seed },
            floor: bounds("--floor", &laws.floor)?,
            cap: bounds("--cap", &laws.cap)?,
            available: available.transpose()?,
            max_repeats: laws.max_repeats,
            beyond: laws.beyond_trained,
            tokens,
            size,
            suggest: laws.suggest,
            draws: laws.bootstrap,
            level,
            seed: laws.seed,
        })
    }

    pub fn bootstrap(&self, law: LawName) -> Bootstrap {
        let default = if law == LawName::Trees { DRAWS_OF_TREES } else { DRAWS };
        Bootstrap {
            draws: self.draws.unwrap_or(default),
            level: self.level,
            seed: self.seed,
            ..Bootstrap::default()
        }
    }

    /// Floors and caps as weights, at `tokens` in all. What is not bounded stays within what rows had, unless the
    /// flags let it go beyond.
    pub fn bounds(
        &self,
        domains: &[String],
        reference: &[f64],
        trained: &[[f64; 2]],
        tokens: Option<f64>,
    ) -> Result<Bounds> {
        let weights = |flag, list: &Option<BoundList>| match list {
            None => Ok(vec![None; domains.len()]),
            Some(list) => list
                .weights(domains, reference)
                .map_err(|problem| Error::usage(format!("`{flag}`: {problem}"))),
        };
        let (floors, caps) = (weights("--floor", &self.floor)?, weights("--cap", &self.cap)?);
        let mut bounds = Bounds::free(domains.len());
        for (place, [least, most]) in trained.iter().enumerate() {
            let (least, most) = if self.beyond { (0.0, 1.0) } else { (*least, *most) };
            let floor = floors[place].unwrap_or(least);
            let cap = caps[place].unwrap_or(most);
            // A bound that was asked for wins over what was trained.
            bounds.floor[place] = if floors[place].is_none() { floor.min(cap) } else { floor };
            bounds.cap[place] = if caps[place].is_none() { cap.max(floor) } else { cap };
        }
        let Some(available) = &self.available else { return Ok(bounds) };
        let Some(tokens) = tokens else {
            return Err(Error::usage("`--available` bounds shares of a total, and none is known")
                .hint("add `--at 3B`, the tokens that the mixture is for"));
        };
        let mut bounds = bounds.with_available(available, self.max_repeats, tokens);
        let own = bounds.floor.iter_mut().zip(&bounds.cap).zip(&floors);
        for ((floor, cap), _) in own.filter(|(_, asked)| asked.is_none()) {
            *floor = floor.min(*cap);
        }
        Ok(bounds)
    }
}

/// `auto`, which is all of them, or one.
fn wanted(law: Option<&str>) -> Result<Vec<LawName>> {
    let Some(name) = law.filter(|name| *name != "auto") else { return Ok(LawName::ALL.to_vec()) };
    name.parse().map(|law| vec![law]).map_err(|problem: String| {
        let near = nearest(name, LawName::ALL.map(LawName::as_str).into_iter().chain(["auto"]));
        let error = Error::usage(format!("`--law {name}`: {problem}"));
        match near {
            Some(near) => error.hint(format!("is `{near}` it?")),
            None => error.hint("`--law auto` chooses by cross-validated error"),
        }
    })
}

fn goal(laws: &LawArgs, table: &WideTable, observations: &Observations) -> Result<Goal> {
    // A table of perplexities alone is of those who average perplexities.
    let kind = match laws.objective {
        Some(ObjectiveArg::MeanPerplexity) => GoalKind::MeanPerplexity,
        Some(ObjectiveArg::Worst) => GoalKind::WorstLoss,
        Some(ObjectiveArg::MeanLoss) | None => GoalKind::MeanLoss,
    };
    let Some(text) = &laws.importance else { return Ok(Goal::new(kind)) };
    let names = observations.validation();
    let read = |text: &str| {
        let weights = by_name(text, names, Some(1.0), values::number)?;
        match weights.iter().flatten().find(|weight| **weight < 0.0) {
            Some(weight) => Err(format!("{weight} is below 0")),
            None => Ok(weights),
        }
    };
    let weights = values::flag("--importance", text, read).map_err(|error| {
        Error::from(error).hint(format!(
            "the validation domains of {} are {}",
            table.title,
            list(names)
        ))
    })?;
    let named = names.iter().zip(weights);
    let importance: BTreeMap<String, f64> =
        named.filter_map(|(name, weight)| Some((name.clone(), weight?))).collect();
    Ok(Goal { kind, importance })
}

pub(super) fn list(names: &[String]) -> String {
    mixmake_manifest::suggest::list(names.iter().map(String::as_str), "and")
}

/// `uniform`, `best`, or weights by name.
fn reference(
    text: Option<&str>,
    observations: &Observations,
    goal: &Goal,
    (tokens, size): (Option<f64>, Option<f64>),
) -> Result<Option<Vec<f64>>> {
    let domains = observations.domains();
    match text {
        None => Ok(None),
        Some("uniform") => Ok(Some(vec![1.0 / domains.len() as f64; domains.len()])),
        Some("best") => {
            let rows = observations.rows();
            let meant: Vec<&Row> =
                rows.iter().filter(|row| best::is_at(row, tokens, size)).collect();
            if meant.iter().any(|row| !best::is_at(row, meant[0].tokens, meant[0].size)) {
                return Err(Error::usage("`--reference best`: the rows are of several scales, whose losses do not compare")
                    .hint("say at which scale: `--at 3B`, `--at-size 1B`"));
            }
            let best = best::of(&meant, goal, observations.validation());
            best.map(|(row, _)| Some(row.weights.clone())).ok_or_else(|| {
                let which = if meant.len() < rows.len() { " of that scale" } else { "" };
                Error::usage(format!("`--reference best`: no row{which} has every loss"))
                    .hint("name the mixture: `--reference uniform`, `--reference c4=0.5,books=0.5`")
            })
        }
        Some(text) => {
            let read = |text: &str| {
                let weights = by_name(text, domains, None, values::factor)?;
                let weights: Vec<f64> =
                    weights.into_iter().map(Option::unwrap_or_default).collect();
                let sum: f64 = weights.iter().sum();
                // Published weights are rounded.
                if (sum - 1.0).abs() > 0.02 {
                    return Err(format!("the weights sum to {sum:.6}, not to 1"));
                }
                Ok(weights.into_iter().map(|weight| weight / sum).collect())
            };
            Ok(Some(values::flag("--reference", text, read)?))
        }
    }
}

/// A scale to forecast for must be one that the table has.
fn scales_are_known(
    table: &WideTable,
    tokens: Option<f64>,
    size: Option<f64>,
) -> std::result::Result<(), TableError> {
    let missing = [
        ("--at", tokens.filter(|_| !table.has_tokens), "tokens"),
        ("--at-size", size.filter(|_| !table.has_size), "model sizes"),
    ];
    match missing.into_iter().find_map(|(flag, value, what)| Some((flag, value?, what))) {
        None => Ok(()),
        Some((flag, value, what)) => Err(TableError::Flag {
            flag,
            value: value.to_string(),
            problem: format!(
                "{} says nothing of {what}, so nothing can be said of others",
                table.title
            ),
        }),
    }
}
