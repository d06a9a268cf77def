//! `fit`: laws of losses and the optimal weights: of a manifest's targets, a table, the store, or an import.
//!
//! With a table nothing else is needed: no manifest, no store, no corpus.

mod answer;
mod best;
mod experiment;
mod laws;
mod page;
mod settings;
mod show;

use std::path::Path;

use serde_json::json;

use super::family::{Family, refuse_files};
use super::losses::{Found, conditions, meant};
use crate::artifact::FitArtifact;
use crate::cli::{Fit, Global};
use crate::error::{Error, Exit, Result};
use crate::evidence::{imported, pool};
use crate::stage::ddo::FIT;
use crate::table::losses::objective_in_words;
use crate::table::wide::WideTable;
use crate::table::{Table, tables};
use crate::ui::print;
use crate::workspace::{existing_store, load};
pub(super) use experiment::objective;
use show::Shown;

pub fn run(global: &Global, args: &Fit) -> Result<Exit> {
    if let Some(path) = &args.source.table {
        let table = Table::read(path)?;
        // DDO's own law on the aggregate, unless another is asked for.
        let law = args.laws.law.as_deref().unwrap_or("ddo");
        if tables::is_experiment(&table, &args.roles)
            && law == "ddo"
            && args.source.imported.is_empty()
        {
            let shown = experiment::solve(&table, args)?;
            return output(global, args, &[shown]);
        }
    }
    match evidence(global, args)? {
        Some(table) => laws::run(global, args, table),
        None => of_targets(global, args),
    }
}

/// The rows that the flags mean, pooled where there are several sources; none where they mean targets.
fn evidence(global: &Global, args: &Fit) -> Result<Option<WideTable>> {
    let source = &args.source;
    let mut found = Vec::new();
    if let Some(path) = &source.table {
        found.push(tables::read(path, &args.roles, &args.experiment)?);
    }
    if source.from_store {
        let conditions = conditions(&source.conditions)?;
        let Found { trainings, names, .. } = Found::gather(global, &[], true)?;
        found.push(pool::table(&meant(trainings, &names, &conditions), &names)?);
    }
    for name in &source.imported {
        let manifest = if global.manifest.exists() { Some(load(global)?) } else { None };
        let store = existing_store(global, manifest.as_ref())?;
        found.push(imported::find(&store, name)?.table.table());
    }
    Ok(found.into_iter().reduce(pool::union))
}

fn of_targets(global: &Global, args: &Fit) -> Result<Exit> {
    refuse_files(&args.targets)?;
    if args.laws.law.as_deref().is_some_and(|law| law != "ddo") {
        return Err(Error::usage("the targets of `[ddo]` are fitted with DDO's law").hint(
            "fit another to their losses: `mixmake fit --from-store --where 'target=ddo/small/*' --law auto`",
        ));
    }
    let family = Family {
        name: "ddo",
        output: FIT,
        actions: |staged| staged.ddos.iter().map(|(name, ddo)| (name.clone(), ddo.fit)).collect(),
        none: "add one, or fit a table of losses: `mixmake fit --table losses.csv`",
    };
    let found = match family.show::<FitArtifact>(global, &args.targets)? {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let shown = found.artifacts.into_iter().map(|(name, artifact)| {
        let names = found.names.all(&artifact.shards);
        Shown {
            name,
            objective: objective_in_words(artifact.fit.objective, &[]),
            notes: artifact.fit.in_words(&names),
            order: found.names.order(&artifact.shards),
            names,
            in_tokens: true,
            table: None,
            fit: artifact.fit,
        }
    });
    let mut shown: Vec<Shown> = shown.collect();
    // Smaller scales first, whatever their names.
    shown.sort_by(|left, right| left.fit.total.total_cmp(&right.fit.total));
    output(global, args, &shown)
}

/// DDO fits as text or JSON, and as a page where one is asked for.
fn output(global: &Global, args: &Fit, shown: &[Shown]) -> Result<Exit> {
    if let Some(path) = &args.page {
        write_page(path, &mixmake_report::html(&page::of_fits(shown)))?;
    }
    if global.json {
        let fits: Vec<_> = shown.iter().map(Shown::to_json).collect();
        print(&json!({ "fits": fits }).to_string());
    } else {
        let mut texts: Vec<_> = shown.iter().map(Shown::text).collect();
        texts.extend(args.page.as_ref().map(|path| format!("page: {}\n", path.display())));
        print(&texts.join("\n"));
    }
    Ok(Exit::Success)
}

fn write_page(path: &Path, page: &str) -> Result<()> {
    Ok(crate::table::write_text(path, page)?)
}
