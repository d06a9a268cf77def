//! `diff`: what differs between this manifest and another one, or a git revision of it: which
//! targets have other keys, and which results.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use mixmake_core::graph::ActionId;
use mixmake_core::plan::{Plan, State};
use mixmake_core::{Input, Key, Source};
use mixmake_manifest::schema::Manifest;
use serde_json::{Map, Value, json};

use crate::cli::{Diff, Global};
use crate::error::{Error, Exit, Result};
use crate::ui::print;
use crate::workspace::{Workspace, load};

pub fn run(global: &Global, args: &Diff) -> Result<Exit> {
    let ours = load(global)?;
    let theirs = other_manifest(global, &ours, &args.other)?;
    let ours = Workspace::of_manifest(global, ours)?;
    // The same store and memory: only the manifest is another.
    let mut other_global = global.clone();
    other_global.store = Some(ours.store.root().to_owned());
    let theirs = Workspace::of_manifest(&other_global, theirs)?;
    let rows = compare(&ours, &theirs)?;
    if global.json {
        print(&json!(rows).to_string());
        return Ok(Exit::Success);
    }
    if rows.is_empty() {
        print("no difference in any key");
    }
    for row in &rows {
        print(&format!("{} {}: {}", row.mark, row.target, row.words));
    }
    Ok(Exit::Success)
}

fn other_manifest(global: &Global, ours: &Manifest, other: &str) -> Result<Manifest> {
    let path = Path::new(other);
    if path.is_file() {
        return Ok(mixmake_manifest::load(path, &global.overrides)?);
    }
    let source = at_revision(&ours.path, other)?;
    Ok(mixmake_manifest::parse(&ours.path, &source, &global.overrides)?)
}

fn at_revision(path: &Path, revision: &str) -> Result<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let output = Command::new("git")
        .current_dir(folder)
        .args(["show", "--end-of-options", &format!("{revision}:./{name}")])
        .output()
        .map_err(|error| Error::internal(format!("cannot run git: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::usage(format!(
        "`{revision}` is neither a file nor a git revision with this manifest: {said}"
    )))
}

#[derive(Debug, serde::Serialize)]
struct Row {
    mark: &'static str,
    target: String,
    words: String,
}

fn compare(ours: &Workspace, theirs: &Workspace) -> Result<Vec<Row>> {
    let plans = (plan(ours)?, plan(theirs)?);
    let same = same_questions(ours, theirs, &plans);
    let names = |workspace: &Workspace| -> Vec<String> {
        workspace.staged.graph.ids().map(|id| workspace.target(id).to_owned()).collect()
    };
    let targets: BTreeSet<_> = names(ours).into_iter().chain(names(theirs)).collect();
    Ok(targets
        .into_iter()
        .filter_map(|target| compare_one(ours, theirs, &plans, &same, target))
        .collect())
}

fn plan(workspace: &Workspace) -> Result<Plan> {
    workspace.plan(&workspace.select(&[])?)
}

fn key(plan: &Plan, id: ActionId) -> Option<Key> {
    match plan.states[id.0] {
        State::UpToDate { key } | State::Runs { key, .. } => Some(key),
        State::NotNeeded | State::FilesMissing { .. } | State::Waits { .. } => None,
    }
}

/// For every action of `ours`, whether `theirs` has it with the same outputs as far as is known:
/// by its results, else by its key, else by what a key would be made of.
fn same_questions(ours: &Workspace, theirs: &Workspace, plans: &(Plan, Plan)) -> Vec<bool> {
    let mut same = vec![false; ours.staged.graph.len()];
    for here in ours.staged.graph.ids() {
        let Some(there) = theirs.staged.graph.find(ours.target(here)) else { continue };
        let results = (&plans.0.results[here.0], &plans.1.results[there.0]);
        let keys = (key(&plans.0, here), key(&plans.1, there));
        same[here.0] = match (results, keys) {
            ((Some(ours), Some(theirs)), _) => ours.outputs == theirs.outputs,
            (_, (None, None)) => {
                let producers = ours.staged.graph.producers(here);
                question(ours, here) == question(theirs, there)
                    && producers.iter().all(|producer| same[producer.0])
            }
            (_, (ours, theirs)) => ours == theirs,
        };
    }
    same
}

/// What a key would be made of, with the names of other targets' outputs for their bytes.
fn question(workspace: &Workspace, id: ActionId) -> (String, Map<String, Value>, Vec<String>) {
    let graph = &workspace.staged.graph;
    let action = graph.action(id);
    let content = |source: &Source| match source {
        Source::File(file) => workspace.files[file.0].map(|facts| facts.digest.to_hex()),
        Source::Output(..) => None,
    };
    let input = |input: &Input| {
        let content = content(&input.source).unwrap_or_else(|| graph.source_label(&input.source));
        json!([input.role, content, input.attributes]).to_string()
    };
    let mut inputs: Vec<_> = action.inputs.iter().map(input).collect();
    inputs.sort();
    (action.kind.label(), action.params.clone(), inputs)
}

fn compare_one(
    ours: &Workspace,
    theirs: &Workspace,
    plans: &(Plan, Plan),
    same: &[bool],
    target: String,
) -> Option<Row> {
    let (here, there) = (ours.staged.graph.find(&target), theirs.staged.graph.find(&target));
    let (here, there) = match (here, there) {
        (Some(here), Some(there)) => (here, there),
        (Some(_), None) => return Some(Row { mark: "+", target, words: "only here".into() }),
        _ => return Some(Row { mark: "-", target, words: "only there".into() }),
    };
    if same[here.0] && key(&plans.0, here).is_none() && key(&plans.1, there).is_none() {
        return None;
    }
    let words = match (&plans.0.states[here.0], &plans.1.states[there.0]) {
        (State::UpToDate { key: ours }, State::UpToDate { key: theirs }) if ours == theirs => {
            return None;
        }
        (State::UpToDate { .. }, State::UpToDate { .. }) => {
            let digests = |plan: &Plan, place: usize| -> Vec<_> {
                plan.results[place]
                    .iter()
                    .flat_map(|result| result.outputs.iter().map(|output| output.digest))
                    .collect()
            };
            let same = digests(&plans.0, here.0) == digests(&plans.1, there.0);
            if same { "other key, the same results" } else { "other results" }
        }
        (State::Runs { key: ours, .. }, State::Runs { key: theirs, .. }) if ours == theirs => {
            return None;
        }
        (State::UpToDate { .. }, _) => "is built here, would run there",
        (_, State::UpToDate { .. }) => "would run here, is built there",
        (State::Waits { .. }, State::Waits { .. }) => "depends on what would run",
        _ => "would run on both sides, with other keys",
    };
    Some(Row { mark: "~", target, words: words.into() })
}
