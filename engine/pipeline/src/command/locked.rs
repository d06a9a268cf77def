//! `run --locked`: refuses what would change the lock file, before any work.
//!
//! The lock file pins the key of every result, so what a target is made of can be compared on a machine
//! that has never seen it: the keys of now are computed as if every pinned input and result were there.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use mixmake_core::Key;
use mixmake_core::digest::Digest;
use mixmake_core::file_index::FileFacts;
use mixmake_core::graph::ActionId;
use mixmake_core::lock::Lock;
use mixmake_core::plan::Plan;
use mixmake_core::record::{ActionResult, OutputRecord, Receipt};
use mixmake_core::resolve::Build;

use super::causes::{self, words};
use crate::error::{Error, Exit, Result};
use crate::workspace::Workspace;

/// Facts that are named.
const NAMED: usize = 10;

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
    lines.extend(elsewhere(pinned, &now));
    lines.extend(strangers(workspace, pinned));
    let needed = workspace.staged.graph.closure(selected);
    let needed: Vec<_> = workspace.staged.graph.ids().filter(|id| needed[id.0]).collect();
    let changed = changed_keys(workspace, &needed, pinned)?;
    for &id in &needed {
        lines.extend(unpinned(workspace, plan, id, pinned));
        if changed.contains(&id) {
            lines.push(changed_key(workspace, plan, id));
        }
    }
    // Where the key is another, so are the results: one line a target.
    let known = results(pinned, &now);
    lines.extend(
        known.into_iter().filter(|fact| !changed.iter().any(|id| is_of(workspace, *id, fact))),
    );
    refuse(lines)
}

/// Fails where a result is not what is pinned; a pinned result that was not asked for is fine.
pub fn check_results(pinned: &Lock, now: &Lock) -> Result<()> {
    refuse(results(pinned, now))
}

/// The actions whose keys are not those pinned, with pinned results for what they read.
fn changed_keys(
    workspace: &Workspace,
    needed: &[ActionId],
    pinned: &Lock,
) -> Result<BTreeSet<ActionId>> {
    let graph = &workspace.staged.graph;
    let as_pinned: Vec<_> = graph.ids().map(|id| pinned_result(workspace, id, pinned)).collect();
    let files = pinned_files(workspace, pinned);
    let build = Build { files: &files, ..workspace.build() };
    let mut changed = BTreeSet::new();
    for &id in needed {
        let Some(key) = pinned.key(workspace.target(id)) else { continue };
        let resolved = build
            .resolve(id, &as_pinned)
            .map_err(|error| Error::internal(format!("`{}`: {error}", workspace.target(id))))?;
        if resolved.is_some_and(|resolved| resolved.key != key) {
            changed.insert(id);
        }
    }
    Ok(changed)
}

/// The files with the digests they are pinned to: one that changed has a line of its own.
fn pinned_files(workspace: &Workspace, pinned: &Lock) -> Vec<Option<FileFacts>> {
    let inputs: HashMap<_, _> = pinned
        .facts()
        .filter_map(|(fact, digest)| Some((fact.strip_prefix("input ")?, digest)))
        .collect();
    let files = workspace.files.iter().zip(workspace.staged.graph.files());
    let as_pinned = |(facts, path): (&Option<FileFacts>, &PathBuf)| {
        let digest = inputs.get(workspace.portable(path).as_str());
        facts.map(|facts| FileFacts { digest: digest.copied().unwrap_or(facts.digest), ..facts })
    };
    files.map(as_pinned).collect()
}

/// What the lock file knows of a result; none where an output is not pinned.
fn pinned_result(workspace: &Workspace, id: ActionId, pinned: &Lock) -> Option<Arc<ActionResult>> {
    let action = workspace.staged.graph.action(id);
    let output = |output: &mixmake_core::OutputSpec| {
        let digest = pinned.result(&action.target, &output.name)?;
        Some(OutputRecord { name: output.name.to_string(), digest, bytes: 0, keep: output.keep })
    };
    Some(Arc::new(ActionResult {
        key: pinned.key(&action.target).unwrap_or(Key::from_bytes([0; 32])),
        kind: action.kind.name.to_owned(),
        version: action.kind.version,
        outputs: action.outputs.iter().map(output).collect::<Option<_>>()?,
        receipt: Receipt::default(),
    }))
}

/// Which field it was, where this workspace remembers the key before.
fn changed_key(workspace: &Workspace, plan: &Plan, id: ActionId) -> String {
    let target = workspace.target(id);
    let mut origins = causes::of_action(workspace, plan, id);
    if origins.is_empty() {
        let changes = causes::last_changes(workspace, plan, id);
        origins = causes::of_changes(workspace, plan, target, &changes);
    }
    let said = origins.iter().find(|origin| matches!(origin, causes::Origin::Field { .. }));
    match said {
        Some(origin) => format!("key {target}: {}", words::short(origin)),
        None => format!("key {target}: it is made of other parameters or files than is pinned"),
    }
}

fn is_of(workspace: &Workspace, id: ActionId, fact: &str) -> bool {
    let target = workspace.target(id);
    let name = fact.split(' ').nth(1).unwrap_or_default();
    name.strip_prefix(target).is_some_and(|rest| rest.starts_with('/') && !rest[1..].contains('/'))
}

fn inputs(pinned: &Lock, now: &Lock) -> Vec<String> {
    let differences = pinned.differences(now);
    let inputs = differences.iter().filter(|each| each.fact.starts_with("input "));
    inputs.map(|each| describe(&each.fact, each.pinned, each.now)).collect()
}

/// What URLs stand for.
fn elsewhere(pinned: &Lock, now: &Lock) -> Vec<String> {
    let lines = pinned.differences_elsewhere(now).into_iter();
    let told = lines.map(|(fact, is_pinned)| match is_pinned {
        true => format!("{fact} is not what is pinned"),
        false => format!("{fact} is not pinned"),
    });
    told.collect()
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

fn refuse(lines: Vec<String>) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let shown: String = lines.iter().take(NAMED).map(|line| format!("\n  {line}")).collect();
    let more = lines.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let message = format!("the lock file would change:{shown}{more}");
    let hint = "run without `--locked` to accept the change; `mixmake diff HEAD` shows what it is";
    Err(Error::new(Exit::Pending, message).hint(hint))
}
