//! `predict`: weights at a larger scale, of a manifest's targets, a table of optima, or tables of losses.
//!
//! With a table nothing else is needed: no manifest, no store, no corpus.

mod show;
mod tables;

use mixmake_fit::FitError;
use mixmake_fit::autoscale::{Law, Mode, Options};
use serde_json::json;

use super::family::{Family, refuse_files};
use crate::artifact::PredictionArtifact;
use crate::cli::{Global, Predict, ScaleLawArg};
use crate::error::{Error, Exit, Result};
use crate::stage::autoscale::PREDICTION;
use crate::table::values;
use crate::ui::print;

pub fn run(global: &Global, args: &Predict) -> Result<Exit> {
    if args.table.is_empty() { of_targets(global, &args.targets) } else { of_tables(global, args) }
}

fn of_tables(global: &Global, args: &Predict) -> Result<Exit> {
    let mut targets = Vec::with_capacity(args.tokens.len());
    for text in &args.tokens {
        targets.push(values::flag("--tokens", text, values::tokens)?);
    }
    if targets.is_empty() {
        return Err(Error::usage("for how many tokens is not said")
            .hint("add `--tokens 3B` or `--tokens 3B,10B`"));
    }
    targets.sort_by(f64::total_cmp);
    if let Some(floor) = args.floor.filter(|floor| !(floor.is_finite() && *floor >= 0.0)) {
        return Err(Error::usage(format!("`--floor {floor}`: it must be at least 0")));
    }
    let basis = tables::read(args)?;
    let predictions = tables::predict(&basis, &targets, &options(args), args.level)?;
    if global.json {
        print(&show::table_json(&basis, &predictions).to_string());
    } else {
        print(&show::table_text(&basis, &predictions));
    }
    Ok(Exit::Success)
}

fn options(args: &Predict) -> Options {
    Options {
        mode: if args.stepping { Mode::Stepping } else { Mode::Continuous },
        law: match args.law {
            ScaleLawArg::Power => Law::Power,
            ScaleLawArg::Shifted => Law::Shifted,
        },
        carry_floor: !args.no_carry,
    }
}

fn refused(error: &FitError, domains: &[String]) -> Error {
    let exit = match error {
        FitError::Unreachable { .. } | FitError::TooManySteps { .. } => Exit::ActionFailed,
        _ => Exit::Usage,
    };
    let refusal = Error::new(exit, format!("no prediction: {}", error.with_names(domains)));
    match error {
        FitError::NoShift { .. } => {
            refusal.hint("tables of losses know the shifts, tables of optima do not: `--law power`")
        }
        _ => refusal,
    }
}

fn of_targets(global: &Global, targets: &[String]) -> Result<Exit> {
    refuse_files(targets)?;
    let family = Family {
        name: "autoscale",
        output: PREDICTION,
        actions: |staged| staged.autoscales.iter().map(|(name, id)| (name.clone(), *id)).collect(),
        none: "add one, or predict from a table of optima: `mixmake predict --table optima.csv --tokens 3B`",
    };
    let found = match family.show::<PredictionArtifact>(global, targets)? {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let shown = found.artifacts.into_iter().map(|(name, artifact)| show::Named {
        name,
        domains: found.names.all(&artifact.shards),
        order: found.names.order(&artifact.shards),
        prediction: artifact.prediction,
        intervals: artifact.intervals,
    });
    let shown: Vec<show::Named> = shown.collect();
    if global.json {
        let objects: Vec<_> = shown.iter().map(show::Named::to_json).collect();
        print(&json!({ "predictions": objects }).to_string());
    } else {
        let texts: Vec<_> = shown.iter().map(show::Named::text).collect();
        print(&texts.join("\n"));
    }
    Ok(Exit::Success)
}
