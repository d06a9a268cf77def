//! `predict`: weights at a larger scale, of a manifest's targets or of a table of optima.
//!
//! With a table nothing else is needed: no manifest, no store, no corpus.

mod show;

use std::path::Path;

use mixmake_fit::FitError;
use mixmake_fit::autoscale::{self, Mode, Options, Prediction};
use serde_json::json;

use super::fit::{bring_up_to_date, of_family};
use crate::artifact::{self, PredictionArtifact};
use crate::cli::{Global, Predict};
use crate::error::{Error, Exit, Result};
use crate::stage::autoscale::PREDICTION;
use crate::table::names::DomainNames;
use crate::table::optima::{self, Optima};
use crate::table::{Table, values};
use crate::ui::print;
use crate::workspace::Workspace;

pub fn run(global: &Global, args: &Predict) -> Result<Exit> {
    match &args.table {
        Some(path) => of_table(global, path, args),
        None => of_targets(global, &args.targets),
    }
}

fn of_table(global: &Global, path: &Path, args: &Predict) -> Result<Exit> {
    let mut targets = Vec::with_capacity(args.tokens.len());
    for text in &args.tokens {
        targets.push(values::flag("--tokens", text, values::tokens)?);
    }
    if targets.is_empty() {
        return Err(Error::usage("for how many tokens is not said")
            .hint("add `--tokens 3B` or `--tokens 3B,10B`"));
    }
    if let Some(floor) = args.floor.filter(|floor| !(floor.is_finite() && *floor > 0.0)) {
        return Err(Error::usage(format!("`--floor {floor}`: it must be above 0")));
    }
    targets.sort_by(f64::total_cmp);
    let table = Table::read(path)?;
    let optima = optima::read(&table, args.floor)?;
    let predictions = predict(&optima, &targets, args.stepping)?;
    if global.json {
        print(&show::table_json(&table.path, &optima, &predictions).to_string());
    } else {
        print(&show::table_text(&table.path, &optima, &predictions));
    }
    Ok(Exit::Success)
}

/// One prediction a target, in increasing order of targets.
fn predict(optima: &Optima, targets: &[f64], stepping: bool) -> Result<Vec<Prediction>> {
    let mode = if stepping { Mode::Stepping } else { Mode::Continuous };
    let options = Options { mode, ..Options::default() };
    let one = |target: &f64| autoscale::predict(&optima.scales, *target, &options);
    targets
        .iter()
        .map(|target| one(target).map_err(|error| refused(&error, &optima.domains)))
        .collect()
}

fn refused(error: &FitError, domains: &[String]) -> Error {
    let exit = match error {
        FitError::Unreachable { .. } | FitError::TooManySteps { .. } => Exit::ActionFailed,
        _ => Exit::Usage,
    };
    Error::new(exit, format!("no prediction: {}", error.with_names(domains)))
}

fn of_targets(global: &Global, targets: &[String]) -> Result<Exit> {
    let patterns = of_family("autoscale", targets);
    let workspace = Workspace::open(global)?;
    if workspace.staged.autoscales.is_empty() {
        return Err(Error::usage("the manifest has no `[autoscale]`")
            .hint("add one, or predict from a table of optima: `mixmake predict --table optima.csv --tokens 3B`"));
    }
    let selected = workspace.select(&patterns)?;
    let wanted = workspace.staged.autoscales.iter().filter(|(_, action)| selected.contains(action));
    let names: Vec<String> = wanted.map(|(name, _)| name.clone()).collect();
    drop(workspace);
    let wanted = names.iter().map(|name| format!("autoscale/{name}")).collect();
    let exit = bring_up_to_date(global, wanted)?;
    if exit == Exit::Success {
        show_targets(global, &names)?;
    }
    Ok(exit)
}

fn show_targets(global: &Global, names: &[String]) -> Result<()> {
    let workspace = Workspace::open(global)?;
    let all: Vec<_> = workspace.staged.graph.ids().collect();
    let plan = workspace.plan(&all)?;
    let domains = DomainNames::of(&workspace, &plan.results);
    let mut shown = Vec::with_capacity(names.len());
    for name in names {
        let action = workspace.staged.autoscales.get(name);
        let result = action.and_then(|action| plan.results[action.0].as_ref());
        let Some(record) = result.and_then(|result| result.output(PREDICTION)) else { continue };
        let artifact: PredictionArtifact =
            artifact::read(&workspace.store.object_path(record.digest))?;
        shown.push(show::Named {
            name: format!("autoscale/{name}"),
            domains: domains.all(&artifact.shards),
            order: domains.order(&artifact.shards),
            prediction: artifact.prediction,
        });
    }
    if global.json {
        let objects: Vec<_> = shown
            .iter()
            .map(|each| show::json(&each.name, &each.domains, &each.prediction))
            .collect();
        print(&json!({ "predictions": objects }).to_string());
    } else {
        let texts: Vec<_> = shown.iter().map(show::Named::text).collect();
        print(&texts.join("\n"));
    }
    Ok(())
}
