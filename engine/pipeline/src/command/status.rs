//! `status`: where every target stands, in one screen; also while another process runs.

use std::collections::BTreeMap;

use mixmake_core::graph::ActionId;
use mixmake_core::lease;
use mixmake_core::plan::{Plan, State};
use serde_json::json;

use crate::cli::{Global, Targets};
use crate::error::{Exit, Result};
use crate::ui::{print, seconds};
use crate::workspace::Workspace;

pub fn run(global: &Global, targets: &Targets) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&targets.targets)?;
    let plan = workspace.plan(&selected)?;
    let rows = rows(&workspace, &plan, &selected)?;
    if global.json {
        print(&json!(rows).to_string());
        return Ok(Exit::Success);
    }
    let groups = if targets.targets.is_empty() { grouped(&rows) } else { rows };
    let width = groups.iter().map(|row| row.target.chars().count()).max().unwrap_or(0);
    for row in &groups {
        print(&format!("{:width$}  {}", row.target, row.state));
    }
    Ok(Exit::Success)
}

#[derive(Debug, Clone, serde::Serialize)]
struct Row {
    target: String,
    state: String,
}

fn rows(workspace: &Workspace, plan: &Plan, selected: &[ActionId]) -> Result<Vec<Row>> {
    let mut rows = Vec::with_capacity(selected.len());
    for &id in selected {
        let target = workspace.target(id).to_owned();
        rows.push(Row { target, state: state(workspace, plan, id)? });
    }
    Ok(rows)
}

fn state(workspace: &Workspace, plan: &Plan, id: ActionId) -> Result<String> {
    let running = |key| -> Result<Option<String>> {
        let holder = lease::is_held(&workspace.store.lease_path(key))?;
        Ok(holder.map(|holder| format!("running on {} (process {})", holder.host, holder.pid)))
    };
    Ok(match &plan.states[id.0] {
        State::UpToDate { .. } => match &plan.results[id.0] {
            Some(result) => format!("up to date, took {}", seconds(result.receipt.wall_seconds)),
            None => "up to date".into(),
        },
        State::Runs { key, .. } => match running(*key)? {
            Some(running) => running,
            None if workspace.store.log_path(*key).exists() => {
                "failed or stopped (`mixmake log`)".into()
            }
            None => "to run".into(),
        },
        State::Waits { .. } => "waits".into(),
        State::FilesMissing { .. } => "files missing".into(),
        State::NotNeeded => "not needed".into(),
    })
}

/// One row a family (`ddo/small/…`), with how many are in which state.
fn grouped(rows: &[Row]) -> Vec<Row> {
    let mut families: Vec<(String, BTreeMap<String, usize>)> = Vec::new();
    for row in rows {
        let family = family(&row.target);
        let state = row.state.split(',').next().unwrap_or_default().to_owned();
        let place = families.iter().position(|(name, _)| *name == family).unwrap_or_else(|| {
            families.push((family, BTreeMap::new()));
            families.len() - 1
        });
        *families[place].1.entry(state).or_default() += 1;
    }
    let row = |(target, states): (String, BTreeMap<String, usize>)| {
        let states: Vec<_> =
            states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        Row { target, state: states.join(", ") }
    };
    families.into_iter().map(row).collect()
}

fn family(target: &str) -> String {
    match target.rsplit_once('/') {
        Some((family, _)) => format!("{family}/*"),
        None => target.to_owned(),
    }
}
