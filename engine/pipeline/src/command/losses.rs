//! `losses`: every loss row that trainings have in the store now. Runs nothing.

mod frame;

use std::collections::BTreeSet;
use std::sync::Arc;

use mixmake_core::graph::ActionId;
use mixmake_core::record::ActionResult;
use serde_json::{Value, json};

use crate::artifact::{self, LossRow, Losses};
use crate::cli::{Global, Losses as Args};
use crate::error::{Error, Exit, Result};
use crate::stage::train::{KIND, LOSSES};
use crate::table::names::DomainNames;
use crate::table::text::Grid;
use crate::ui::{amount, print};
use crate::workspace::Workspace;

/// The losses of one training, with names.
struct Trained {
    target: String,
    key: String,
    losses: Losses,
    /// Rows to show, with the domain of each.
    rows: Vec<(String, LossRow)>,
    /// Tokens of an epoch by domain.
    amounts: Vec<(String, u64)>,
}

pub fn run(global: &Global, args: &Args) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&args.targets.targets)?;
    let trainings = trainings(&workspace, &selected);
    if trainings.is_empty() {
        return Err(Error::usage("none of these targets is a training or reads one")
            .hint("`mixmake status 'train/*' 'ddo/*'` lists trainings"));
    }
    // The names of domains need the shards' results, whatever is selected.
    let all: Vec<_> = workspace.staged.graph.ids().collect();
    let plan = workspace.plan(&all)?;
    let names = DomainNames::of(&workspace, &plan.results);
    let mut found = Vec::new();
    for &id in &trainings {
        if let Some(result) = &plan.results[id.0] {
            found.extend(read(&workspace, &names, id, result, args.last)?);
        }
    }
    if !global.quiet && found.len() < trainings.len() {
        eprintln!(
            "{} of {} trainings have losses; `mixmake run` makes the others",
            found.len(),
            trainings.len()
        );
    }
    show(global, args, &found)?;
    Ok(Exit::Success)
}

/// Selected trainings, and those whose losses a selected fit or report reads.
fn trainings(workspace: &Workspace, selected: &[ActionId]) -> BTreeSet<ActionId> {
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

fn read(
    workspace: &Workspace,
    names: &DomainNames,
    id: ActionId,
    result: &Arc<ActionResult>,
    only_last: bool,
) -> Result<Option<Trained>> {
    let Some(record) = result.output(LOSSES) else { return Ok(None) };
    let losses: Losses = artifact::read(&workspace.store.object_path(record.digest))?;
    let row = |row: &LossRow| (names.name(&row.held_out), row.clone());
    let mut rows: Vec<_> = if only_last {
        losses.last().map(row).collect()
    } else {
        losses.rows.iter().map(row).collect()
    };
    rows.sort_by_key(|(_, row)| (row.step, names.place(&row.held_out)));
    let mut parts: Vec<_> = losses.parts.iter().collect();
    parts.sort_by_key(|part| names.place(&part.shard));
    let amounts = parts.into_iter().map(|part| (names.name(&part.shard), part.tokens)).collect();
    Ok(Some(Trained {
        target: workspace.target(id).to_owned(),
        key: result.key.to_hex(),
        rows,
        amounts,
        losses,
    }))
}

fn show(global: &Global, args: &Args, found: &[Trained]) -> Result<()> {
    if let Some(path) = &args.output {
        let mut frame = frame::of(found)?;
        crate::table::write(path, &mut frame)?;
    }
    if global.json {
        let trainings: Vec<_> = found.iter().map(Trained::to_json).collect();
        print(&json!({ "trainings": trainings }).to_string());
    } else if let Some(path) = &args.output {
        let rows: usize = found.iter().map(|training| training.rows.len()).sum();
        print(&format!("{rows} loss rows of {} trainings: {}", found.len(), path.display()));
    } else if !found.is_empty() {
        print(&text(found));
    }
    Ok(())
}

fn text(found: &[Trained]) -> String {
    let header = ["target", "domain", "step", "tokens", "loss", "perplexity", "held-out tokens"];
    let mut grid = Grid::new(2, header);
    for training in found {
        for (domain, row) in &training.rows {
            grid.row([
                training.target.clone(),
                domain.clone(),
                row.step.to_string(),
                amount(row.tokens as f64),
                format!("{:.5}", row.loss),
                format!("{:.3}", row.loss.exp()),
                row.held_out_tokens.to_string(),
            ]);
        }
    }
    grid.render()
}

impl Trained {
    fn to_json(&self) -> Value {
        let row = |(domain, row): &(String, LossRow)| {
            json!({
                "step": row.step,
                "tokens": row.tokens,
                "domain": domain,
                "held-out": row.held_out,
                "loss": row.loss,
                "perplexity": row.loss.exp(),
                "held-out-tokens": row.held_out_tokens,
            })
        };
        let amounts: serde_json::Map<String, Value> =
            self.amounts.iter().map(|(name, tokens)| (name.clone(), (*tokens).into())).collect();
        json!({
            "target": self.target,
            "key": self.key,
            "tokens": self.losses.tokens,
            "steps": self.losses.steps,
            "tokens-by-domain": amounts,
            "parts": self.losses.parts,
            "tokenizer": self.losses.tokenizer,
            "mixture-seed": self.losses.mixture_seed,
            "configuration": self.losses.configuration,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}
