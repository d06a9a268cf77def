//! `fit`: DDO's laws and the optimal weights, of a manifest's targets or of a table of losses.
//!
//! With a table nothing else is needed: no manifest, no store, no corpus.

mod show;

use std::path::Path;

use mixmake_fit::ddo::{self, Measure, Objective};
use serde_json::json;

use crate::artifact::{self, FitArtifact};
use crate::cli::{Fit, Global, MeasureArg, Run, TableOptions, Targets};
use crate::error::{Error, Exit, Result};
use crate::stage::ddo::FIT;
use crate::table::losses::{self, LossTable, Reading};
use crate::table::names::DomainNames;
use crate::table::{Table, values};
use crate::ui::print;
use crate::workspace::Workspace;
use show::Shown;

pub fn run(global: &Global, args: &Fit) -> Result<Exit> {
    match &args.table {
        Some(path) => of_table(global, path, &args.options),
        None => of_targets(global, &args.targets),
    }
}

fn of_table(global: &Global, path: &Path, options: &TableOptions) -> Result<Exit> {
    let table = Table::read(path)?;
    let tokens = options.tokens.as_deref();
    let tokens = tokens.map(|text| values::flag("--tokens", text, values::tokens)).transpose()?;
    let weights = options.weights.as_deref();
    let weights =
        weights.map(|text| values::flag("--weights", text, values::weights)).transpose()?;
    let reading = Reading {
        columns: &options.columns,
        measure: measure(options.measure),
        objective: objective(options.objective),
        tokens,
        weights: weights.as_deref(),
    };
    let read = losses::read(&table, &reading)?;
    let fit = solve(&read, options)?;
    let shown = Shown {
        name: table.path.clone(),
        objective: losses::objective_in_words(fit.objective, &read.columns),
        notes: read.notes.iter().cloned().chain(fit.in_words(&read.domains)).collect(),
        order: (0..read.domains.len()).collect(),
        names: read.domains.clone(),
        in_tokens: tokens.is_some(),
        fit,
    };
    if global.json {
        let mut object = shown.to_json();
        object["table"] = json!({
            "path": table.path,
            "rows": table.rows(),
            "columns": read.columns,
            "factors": read.factors,
        });
        print(&json!({ "fits": [object] }).to_string());
    } else {
        print(&shown.text());
    }
    Ok(Exit::Success)
}

fn solve(table: &LossTable, options: &TableOptions) -> Result<ddo::DdoFit> {
    let factors =
        options.factors.iter().map(|text| values::flag("--factors", text, values::factor));
    let factors = factors.collect::<std::result::Result<Vec<_>, _>>()?;
    losses::check_factors(table, &factors)?;
    check_range("--floor", options.floor, (0.0..=1.0).contains(&options.floor), "from 0 to 1")?;
    if let Some(noise) = options.noise {
        check_range("--noise", noise, noise >= 0.0 && noise.is_finite(), "finite and at least 0")?;
    }
    let options = ddo::Options {
        objective: objective(options.objective),
        floor: options.floor,
        factors: (!factors.is_empty()).then_some(factors),
        noise: options.noise,
        ..ddo::Options::default()
    };
    ddo::solve(&table.evidence, &options).map_err(|error| {
        let message = format!("the losses give no fit: {}", error.with_names(&table.domains));
        Error::new(Exit::ActionFailed, message)
    })
}

fn check_range(flag: &str, value: f64, inside: bool, requirement: &str) -> Result<()> {
    if inside {
        Ok(())
    } else {
        Err(Error::usage(format!("`{flag} {value}`: it must be {requirement}")))
    }
}

fn measure(measure: MeasureArg) -> Measure {
    match measure {
        MeasureArg::Perplexity => Measure::Perplexity,
        MeasureArg::CrossEntropy => Measure::CrossEntropy,
    }
}

fn objective(objective: MeasureArg) -> Objective {
    match objective {
        MeasureArg::Perplexity => Objective::MeanPerplexity,
        MeasureArg::CrossEntropy => Objective::MeanCrossEntropy,
    }
}

fn of_targets(global: &Global, targets: &[String]) -> Result<Exit> {
    let patterns = of_family("ddo", targets);
    let workspace = Workspace::open(global)?;
    if workspace.staged.ddos.is_empty() {
        return Err(Error::usage("the manifest has no `[ddo]`")
            .hint("add one, or fit a table of losses: `mixmake fit --table losses.csv`"));
    }
    let selected = workspace.select(&patterns)?;
    let fits = workspace.staged.ddos.iter().filter(|(_, ddo)| selected.contains(&ddo.fit));
    let names: Vec<String> = fits.map(|(name, _)| name.clone()).collect();
    if names.is_empty() {
        return Err(Error::usage("no target of `[ddo]` matches")
            .hint("`mixmake status 'ddo/*'` lists them"));
    }
    drop(workspace);
    let wanted = names.iter().map(|name| format!("ddo/{name}")).collect();
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
        let fit = workspace.staged.ddos.get(name).and_then(|ddo| plan.results[ddo.fit.0].as_ref());
        let Some(record) = fit.and_then(|result| result.output(FIT)) else { continue };
        let artifact: FitArtifact = artifact::read(&workspace.store.object_path(record.digest))?;
        let names = domains.all(&artifact.shards);
        shown.push(Shown {
            name: format!("ddo/{name}"),
            objective: losses::objective_in_words(artifact.fit.objective, &[]),
            notes: artifact.fit.in_words(&names),
            order: domains.order(&artifact.shards),
            names,
            in_tokens: true,
            fit: artifact.fit,
        });
    }
    // Smaller scales first, whatever their names.
    shown.sort_by(|left, right| left.fit.total.total_cmp(&right.fit.total));
    if global.json {
        let fits: Vec<_> = shown.iter().map(Shown::to_json).collect();
        print(&json!({ "fits": fits }).to_string());
    } else {
        let texts: Vec<_> = shown.iter().map(Shown::text).collect();
        print(&texts.join("\n"));
    }
    Ok(())
}

/// Targets of one family: `small` and `ddo/small` are the same, none is all.
pub(super) fn of_family(family: &str, targets: &[String]) -> Vec<String> {
    let prefix = format!("{family}/");
    if targets.is_empty() {
        return vec![format!("{prefix}*")];
    }
    let whole = |target: &String| {
        let target = target.strip_prefix("out/").unwrap_or(target);
        if target.starts_with(&prefix) { target.to_owned() } else { format!("{prefix}{target}") }
    };
    targets.iter().map(whole).collect()
}

/// Runs what is pending, as `run` does; its words and bars go to standard error.
pub(super) fn bring_up_to_date(global: &Global, targets: Vec<String>) -> Result<Exit> {
    let args = Run {
        targets: Targets { targets },
        jobs: None,
        keep_going: false,
        dry_run: false,
        locked: false,
    };
    super::run::run(&Global { json: false, ..global.clone() }, &args)
}
