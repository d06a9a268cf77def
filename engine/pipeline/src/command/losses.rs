//! `losses`: what trainings measured, of this manifest or of the whole store, and what was imported beside it. Runs
//! nothing.

mod frame;
mod imports;
mod rows;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use mixmake_core::Store;
use mixmake_core::digest::Key;
use mixmake_core::graph::ActionId;
use mixmake_manifest::schema::{Manifest, MixtureRef};
use mixmake_manifest::suggest::nearest;
use serde_json::{Value, json};

use crate::cli::{Global, Losses as Args, LossesVerb};
use crate::error::{Error, Exit, Result};
use crate::evidence::filter::Condition;
use crate::evidence::imported;
use crate::evidence::measured::{self, Training};
use crate::stage::train::KIND;
use crate::table::TableError;
use crate::table::names::DomainNames;
use crate::table::text::Grid;
use crate::ui::{amount, print};
use crate::workspace::{Workspace, existing_store};
use rows::Row;

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    match &args.verb {
        Some(LossesVerb::Import(import)) => return imports::import(global, import),
        Some(LossesVerb::Imports) => return imports::list(global),
        Some(LossesVerb::Remove { name }) => return imports::remove(global, name),
        None => {}
    }
    let conditions = conditions(&args.conditions)?;
    let found = Found::gather(global, &args.targets.targets, args.all)?;
    let kinds = kinds(&conditions);
    let mut shown = Shown { measured: Vec::new(), imported: Vec::new(), names: found.names };
    if kinds.measured {
        for training in found.trainings {
            let rows = rows::of_training(&training, &shown.names, args.last);
            let rows: Vec<Row> = rows.into_iter().filter(|row| admits(&conditions, row)).collect();
            if !rows.is_empty() {
                shown.measured.push((training, rows));
            }
        }
    }
    let imports = imported::all(&found.store)?;
    if kinds.imported {
        for entry in &imports {
            let rows = rows::of_import(entry).into_iter().filter(|row| admits(&conditions, row));
            shown.imported.extend(rows);
        }
    }
    if !global.quiet {
        found.report.iter().for_each(|line| eprintln!("{line}"));
        if !kinds.imported && !imports.is_empty() {
            let count = imports.len();
            eprintln!("{count} imported tables are not shown; `--where 'kind=*'` shows both kinds");
        }
    }
    show(global, args, &shown)?;
    Ok(Exit::Success)
}

/// Reads `--where`.
pub(super) fn conditions(texts: &[String]) -> Result<Vec<Condition>> {
    let read = |text: &String| {
        let condition = Condition::new(text);
        let condition =
            condition.and_then(|condition| known(&condition.column).map(|()| condition));
        condition.map_err(|problem| {
            TableError::Flag { flag: "--where", value: text.clone(), problem }.into()
        })
    };
    texts.iter().map(read).collect()
}

fn known(column: &str) -> std::result::Result<(), String> {
    let of_domain = column.starts_with("tokens:") || column.starts_with("weight:");
    if rows::COLUMNS.contains(&column) || of_domain || column == "size" {
        return Ok(());
    }
    let near = nearest(column, rows::COLUMNS).map(|name| format!("; is `{name}` it?"));
    Err(format!("loss rows have no column `{column}`{}", near.unwrap_or_default()))
}

fn admits(conditions: &[Condition], row: &Row) -> bool {
    conditions.iter().all(|condition| condition.admits(row.text(&condition.column).as_deref()))
}

/// The trainings that conditions on their own columns leave; conditions on rows do not speak of them.
pub(super) fn meant(
    trainings: Vec<Training>,
    names: &DomainNames,
    conditions: &[Condition],
) -> Vec<Training> {
    let is_meant = |training: &Training| {
        rows::of_training(training, names, true).iter().any(|row| admits(conditions, row))
    };
    trainings.into_iter().filter(is_meant).collect()
}

struct Kinds {
    measured: bool,
    imported: bool,
}

/// Measured rows alone unless a condition speaks of kinds: the two never mix unasked.
fn kinds(conditions: &[Condition]) -> Kinds {
    let about: Vec<&Condition> =
        conditions.iter().filter(|condition| condition.column == "kind").collect();
    let wanted = |kind: &str| about.iter().all(|condition| condition.admits(Some(kind)));
    Kinds { measured: wanted("measured"), imported: !about.is_empty() && wanted("imported") }
}

/// Trainings with losses, and where they come from.
pub(super) struct Found {
    pub store: Store,
    pub trainings: Vec<Training>,
    pub names: DomainNames,
    /// What to tell about those that have none.
    pub report: Vec<String>,
}

impl Found {
    /// Of the manifest's targets, or of the whole store where that is asked for or there is no manifest.
    pub fn gather(global: &Global, targets: &[String], all: bool) -> Result<Self> {
        if !global.manifest.exists() && targets.is_empty() {
            let store = existing_store(global, None)?;
            return Self::of_store(store, DomainNames::default(), &HashMap::new());
        }
        let workspace = Workspace::open(global)?;
        let every: Vec<_> = workspace.staged.graph.ids().collect();
        let plan = workspace.plan(&every)?;
        let names = DomainNames::of(&workspace, &plan.results);
        let selected = trainings_of(&workspace, &workspace.select(targets)?);
        if selected.is_empty() && !all {
            return Err(Error::usage("none of these targets is a training or reads one")
                .hint("`mixmake status 'train/*' 'ddo/*'` lists trainings"));
        }
        let labels = labels(&workspace.manifest);
        let (mut trainings, mut current) = (Vec::new(), HashMap::new());
        for id in &selected {
            let Some(result) = &plan.results[id.0] else { continue };
            let target = workspace.target(*id).to_owned();
            let (mixture, recipe) = label_of(&labels, &target);
            current.insert(result.key, (target.clone(), mixture.clone(), recipe.clone()));
            let Some(losses) = measured::read(&workspace.store, result) else { continue };
            let receipt = result.receipt.clone();
            trainings.push(Training { target, key: result.key, losses, receipt, recipe, mixture });
        }
        if all {
            return Self::of_store(workspace.store, names, &current);
        }
        let mut report = Vec::new();
        if trainings.len() < selected.len() {
            report.push(format!(
                "{} of {} trainings have losses; `mixmake run` makes the others",
                trainings.len(),
                selected.len()
            ));
        }
        Ok(Self { store: workspace.store, trainings, names, report })
    }

    fn of_store(
        store: Store,
        names: DomainNames,
        current: &HashMap<Key, (String, Option<String>, Option<String>)>,
    ) -> Result<Self> {
        let names = measured::names(&store, names)?;
        let (mut trainings, lost) = measured::all(&store)?;
        measured::rename(&mut trainings, current);
        let lost = (lost > 0).then(|| {
            format!(
                "the losses of {lost} trainings are damaged or gone; `mixmake verify` says more"
            )
        });
        Ok(Self { store, trainings, names, report: lost.into_iter().collect() })
    }
}

/// Selected trainings, and those whose losses a selected fit or report reads.
fn trainings_of(workspace: &Workspace, selected: &[ActionId]) -> BTreeSet<ActionId> {
    let graph = &workspace.staged.graph;
    let trains = |id: &ActionId| graph.action(*id).kind == KIND;
    let mut trainings = BTreeSet::new();
    for &id in selected {
        if trains(&id) {
            trainings.insert(id);
        } else {
            trainings.extend(graph.producers(id).into_iter().filter(trains));
        }
    }
    trainings
}

/// Mixture and recipe by the start of a target's name.
fn labels(manifest: &Manifest) -> Vec<(String, String, String)> {
    let mixture = |mixture: &MixtureRef| match mixture {
        MixtureRef::Uniform => "uniform".to_owned(),
        MixtureRef::Named(name) => name.clone(),
        MixtureRef::Ddo(name) => format!("ddo.{name}"),
        MixtureRef::AutoScale(name) => format!("autoscale.{name}"),
    };
    let trains = manifest.trains.iter();
    let trains =
        trains.map(|t| (format!("train/{}", t.name), mixture(&t.mixture), t.recipe.clone()));
    let ddos = manifest.ddos.iter();
    let ddos = ddos.map(|d| (format!("ddo/{}/", d.name), mixture(&d.reference), d.recipe.clone()));
    trains.chain(ddos).collect()
}

fn label_of(labels: &[(String, String, String)], target: &str) -> (Option<String>, Option<String>) {
    let is_it = |name: &str| name == target || (name.ends_with('/') && target.starts_with(name));
    let found = labels.iter().find(|(name, ..)| is_it(name));
    found.map_or((None, None), |(_, mixture, recipe)| (Some(mixture.clone()), Some(recipe.clone())))
}

/// What passed the conditions.
struct Shown {
    measured: Vec<(Training, Vec<Row>)>,
    imported: Vec<Row>,
    names: DomainNames,
}

impl Shown {
    fn rows(&self) -> Vec<Row> {
        let measured = self.measured.iter().flat_map(|(_, rows)| rows);
        measured.chain(&self.imported).cloned().collect()
    }

    /// `3 trainings`, `60 imported runs`, or both.
    fn sources(&self) -> String {
        let (trainings, runs) = (self.measured.len(), rows::wide_imported(&self.imported).len());
        match (trainings, runs) {
            (_, 0) => format!("{trainings} trainings"),
            (0, _) => format!("{runs} imported runs"),
            _ => format!("{trainings} trainings and {runs} imported runs"),
        }
    }
}

fn show(global: &Global, args: &Args, shown: &Shown) -> Result<()> {
    let count = match &args.output {
        Some(path) => Some((export(args, shown, path)?, path)),
        None => None,
    };
    if global.json {
        print(&json(shown).to_string());
    } else if let Some((rows, path)) = count {
        print(&format!("{rows} loss rows of {}: {}", shown.sources(), path.display()));
    } else if !(shown.measured.is_empty() && shown.imported.is_empty()) {
        print(&text(shown));
    }
    Ok(())
}

/// Writes the rows, one a measurement or one a training; how many measurements that were.
fn export(args: &Args, shown: &Shown, path: &Path) -> Result<usize> {
    if !args.wide {
        let rows = shown.rows();
        frame::write(path, &rows)?;
        return Ok(rows.len());
    }
    let wide = |(training, _): &(Training, Vec<Row>)| rows::wide(training, &shown.names);
    let mut rows: Vec<Row> = shown.measured.iter().flat_map(wide).collect();
    rows.extend(rows::wide_imported(&shown.imported));
    frame::write(path, &rows)?;
    let ends = shown.measured.iter().flat_map(|(training, _)| training.losses.ends());
    Ok(ends.map(|end| end.rows().count()).sum::<usize>() + shown.imported.len())
}

fn text(shown: &Shown) -> String {
    let kind = !shown.imported.is_empty();
    let header = ["target", "domain", "step", "tokens", "loss", "perplexity", "held-out tokens"];
    let mut grid =
        Grid::new(2 + usize::from(kind), kind.then_some("kind").into_iter().chain(header));
    let number = |value: &Value, show: &dyn Fn(f64) -> String| {
        value.as_f64().map_or_else(|| crate::table::text::MISSING.to_owned(), show)
    };
    for row in shown.rows() {
        let mut words =
            ["kind", "target", "domain"].map(|column| row.text(column).unwrap_or_default());
        if is_decayed(&row) {
            words[1] += " (decayed)";
        }
        let cells = [
            number(row.get("step"), &|step| format!("{step}")),
            number(row.get("tokens"), &amount),
            number(row.get("loss"), &|loss| format!("{loss:.5}")),
            number(row.get("perplexity"), &|perplexity| format!("{perplexity:.3}")),
            number(row.get("held-out-tokens"), &|tokens| format!("{tokens}")),
        ];
        grid.row(words.into_iter().skip(usize::from(!kind)).chain(cells));
    }
    grid.render()
}

fn json(shown: &Shown) -> Value {
    let trainings: Vec<Value> = shown
        .measured
        .iter()
        .map(|(training, rows)| of_training(training, rows, &shown.names))
        .collect();
    let imported: Vec<Value> = shown.imported.iter().map(object).collect();
    let mut object = json!({ "trainings": trainings });
    if !imported.is_empty() {
        object["imported"] = imported.into();
    }
    object
}

/// Whether it is of a branch of a `wsd` run.
fn is_decayed(row: &Row) -> bool {
    row.get("decayed").as_bool() == Some(true)
}

/// The values that a row has.
fn object(row: &Row) -> Value {
    Value::Object(row.0.iter().filter(|(_, value)| !value.is_null()).cloned().collect())
}

fn of_training(training: &Training, rows: &[Row], names: &DomainNames) -> Value {
    let amounts: serde_json::Map<String, Value> =
        rows::amounts(training, names, |part| part.tokens)
            .into_iter()
            .map(|(name, tokens)| (name, tokens.into()))
            .collect();
    let row = |row: &Row| {
        let columns =
            ["step", "tokens", "domain", "held-out", "loss", "perplexity", "held-out-tokens"];
        let mut fields: serde_json::Map<String, Value> = columns
            .map(|column| (column.to_owned(), row.get(column).clone()))
            .into_iter()
            .collect();
        if is_decayed(row) {
            fields.insert("decayed".into(), true.into());
        }
        Value::Object(fields)
    };
    json!({
        "kind": "measured",
        "target": training.target,
        "key": training.key.to_hex(),
        "mixture": training.mixture,
        "recipe": training.recipe,
        "tokens": training.losses.tokens,
        "steps": training.losses.steps,
        "tokens-by-domain": amounts,
        "parts": training.losses.parts,
        "tokenizer": training.losses.tokenizer,
        "mixture-seed": training.losses.mixture_seed,
        "configuration": training.losses.configuration,
        "receipt": training.receipt,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}
