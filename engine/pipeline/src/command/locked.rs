//! `run --locked`: refuses what would change the lock file, as early as it is known.
//!
//! The lock file holds digests, no keys, so a key that changed is held against it only where this
//! workspace remembers that the key before it gave what is pinned.

use mixmake_core::cause::{Cause, Change};
use mixmake_core::digest::Digest;
use mixmake_core::graph::ActionId;
use mixmake_core::lock::Lock;
use mixmake_core::plan::{Plan, State};

use crate::error::{Error, Exit, Result};
use crate::workspace::Workspace;

/// Fails with all that a plan shows the lock file would have to change by.
pub fn check_plan(
    workspace: &Workspace,
    plan: &Plan,
    selected: &[ActionId],
    pinned: &Lock,
) -> Result<()> {
    if pinned.is_empty() {
        let message =
            format!("`--locked`, but there is no lock file `{}`", workspace.lock_path().display());
        return Err(
            Error::new(Exit::Pending, message).hint("run once without `--locked` and commit it")
        );
    }
    let now = workspace.lock(&plan.results);
    let mut lines = inputs(pinned, &now);
    lines.extend(results(pinned, &now));
    lines.extend(strangers(workspace, pinned));
    let needed = workspace.staged.graph.closure(selected);
    for id in workspace.staged.graph.ids().filter(|id| needed[id.0]) {
        lines.extend(unpinned(workspace, plan, id, pinned));
        lines.extend(changed_key(workspace, plan, id, pinned)?);
    }
    refuse(lines)
}

/// Fails where a result is not what is pinned; a pinned result that was not asked for is fine.
pub fn check_results(pinned: &Lock, now: &Lock) -> Result<()> {
    refuse(results(pinned, now))
}

fn inputs(pinned: &Lock, now: &Lock) -> Vec<String> {
    let differences = pinned.differences(now);
    let inputs = differences.iter().filter(|each| each.fact.starts_with("input "));
    inputs.map(|each| describe(&each.fact, each.pinned, each.now)).collect()
}

fn results(pinned: &Lock, now: &Lock) -> Vec<String> {
    let differences = pinned.differences(now);
    let results = differences.iter().filter(|each| each.fact.starts_with("result "));
    let known = results.filter(|each| each.now.is_some());
    known.map(|each| describe(&each.fact, each.pinned, each.now)).collect()
}

fn describe(fact: &str, pinned: Option<Digest>, now: Option<Digest>) -> String {
    match (pinned, now) {
        (Some(_), Some(_)) => format!("{fact} is not what is pinned"),
        (None, _) => format!("{fact} is not pinned"),
        (_, None) => format!("{fact} is pinned but not there"),
    }
}

/// Pinned results of targets that the manifest does not have.
fn strangers(workspace: &Workspace, pinned: &Lock) -> Vec<String> {
    let is_known = |name: &str| workspace.find_output(name).is_some();
    let results = pinned.facts().filter_map(|(fact, _)| fact.strip_prefix("result "));
    results
        .filter(|name| !is_known(name))
        .map(|name| format!("result {name} is pinned but not in the manifest"))
        .collect()
}

/// Outputs to be made that are not pinned; those that are there are among the results.
fn unpinned(workspace: &Workspace, plan: &Plan, id: ActionId, pinned: &Lock) -> Vec<String> {
    if plan.results[id.0].is_some() {
        return Vec::new();
    }
    let action = workspace.staged.graph.action(id);
    let outputs = action.outputs.iter();
    outputs
        .filter(|output| pinned.result(&action.target, &output.name).is_none())
        .map(|output| format!("result {}/{} is not pinned", action.target, output.name))
        .collect()
}

/// A target whose pinned results are those of the key it had before a field changed.
fn changed_key(
    workspace: &Workspace,
    plan: &Plan,
    id: ActionId,
    pinned: &Lock,
) -> Result<Option<String>> {
    let State::Runs { cause: Cause::Changed { changes }, .. } = &plan.states[id.0] else {
        return Ok(None);
    };
    let is_field =
        |change: &&Change| matches!(change, Change::Parameter { .. } | Change::Attribute { .. });
    let Some(field) = changes.iter().find(is_field) else { return Ok(None) };
    let target = workspace.target(id);
    let Some(keys) = workspace.memory.keys(target) else { return Ok(None) };
    let Some(before) = workspace.store.result(keys.current)? else { return Ok(None) };
    let mut outputs = before.outputs.iter();
    let is_pinned =
        outputs.all(|output| pinned.result(target, &output.name) == Some(output.digest));
    let name = before.outputs.first().map_or("", |output| output.name.as_str());
    Ok(is_pinned.then(|| format!("result {target}/{name} is pinned as before {field}")))
}

fn refuse(lines: Vec<String>) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let shown: String = lines.iter().take(10).map(|line| format!("\n  {line}")).collect();
    let more = lines.len().saturating_sub(10);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let message = format!("the lock file would change:{shown}{more}");
    Err(Error::new(Exit::Pending, message).hint("run without `--locked` to accept the change"))
}
