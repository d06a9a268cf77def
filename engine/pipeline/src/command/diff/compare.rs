//! Target by target: only on one side, other values, other bytes, would run.

use std::collections::BTreeSet;

use mixmake_core::graph::ActionId;
use mixmake_core::plan::State;
use mixmake_core::{Input, Key, Source};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::side::Side;
use super::values::{self, ValueChange};

/// All that differs from the old side to the new one.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    pub only_old: Vec<String>,
    pub only_new: Vec<String>,
    /// Targets that are built on both sides, with other outputs.
    pub results: Vec<ResultChange>,
    /// Targets whose key is another and whose outputs are the same bytes.
    pub same_results: Vec<String>,
    /// Targets that would run, or may, and whose key on the other side is another as far as is known.
    pub runs_old: Vec<String>,
    pub runs_new: Vec<String>,
}

/// How the outputs of a target differ.
#[derive(Debug, Serialize)]
pub struct ResultChange {
    pub target: String,
    pub outputs: Vec<OutputChange>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutputChange {
    pub output: String,
    pub old: mixmake_core::Digest,
    pub new: mixmake_core::Digest,
    /// Empty where the output has no values to compare, or its bytes are gone.
    pub values: Vec<ValueChange>,
}

impl Difference {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { only_old, only_new, results, same_results, runs_old, runs_new } = self;
        let lists = [only_old, only_new, same_results, runs_old, runs_new];
        lists.iter().all(|list| list.is_empty()) && results.is_empty()
    }
}

#[must_use]
pub fn compare(old: &Side, new: &Side) -> Difference {
    let same = same_questions(old, new);
    let mut difference = Difference::default();
    for target in targets(old).union(&targets(new)) {
        let target = (*target).to_owned();
        match (old.find(&target), new.find(&target)) {
            (Some(before), Some(after)) => {
                compare_one(old, new, (before, after), same[after.0], &mut difference);
            }
            (Some(_), None) => difference.only_old.push(target),
            _ => difference.only_new.push(target),
        }
    }
    difference
}

fn targets(side: &Side) -> BTreeSet<&str> {
    side.workspace.staged.graph.ids().map(|id| side.workspace.target(id)).collect()
}

fn compare_one(
    old: &Side,
    new: &Side,
    (before, after): (ActionId, ActionId),
    same: bool,
    difference: &mut Difference,
) {
    let target = new.workspace.target(after).to_owned();
    let outputs = changed_outputs(old, new, (before, after));
    let keys = (key(old, before), key(new, after));
    let is_built = !old.is_pending(before) && !new.is_pending(after);
    if !outputs.is_empty() {
        difference.results.push(ResultChange { target: target.clone(), outputs });
    } else if is_built && keys.0 != keys.1 {
        difference.same_results.push(target.clone());
    }
    if same {
        return;
    }
    if old.is_pending(before) {
        difference.runs_old.push(target.clone());
    }
    if new.is_pending(after) {
        difference.runs_new.push(target);
    }
}

fn changed_outputs(
    old: &Side,
    new: &Side,
    (before, after): (ActionId, ActionId),
) -> Vec<OutputChange> {
    let specs = &new.workspace.staged.graph.action(after).outputs;
    let change = |name: &str| {
        let (before, after) = (old.output(before, name)?, new.output(after, name)?);
        (before != after).then(|| OutputChange {
            output: name.to_owned(),
            old: before,
            new: after,
            values: values::changes((old, before), (new, after), name),
        })
    };
    specs.iter().filter_map(|spec| change(&spec.name)).collect()
}

fn key(side: &Side, id: ActionId) -> Option<Key> {
    match side.plan.states[id.0] {
        State::UpToDate { key } | State::Runs { key, .. } => Some(key),
        State::NotNeeded | State::FilesMissing { .. } | State::Waits { .. } => None,
    }
}

/// For every action of the new side, whether the old one has it with the same outputs as far as is known:
/// by its results, else by its key, else by what a key would be made of.
fn same_questions(old: &Side, new: &Side) -> Vec<bool> {
    let graph = &new.workspace.staged.graph;
    let mut same = vec![false; graph.len()];
    for after in graph.ids() {
        let Some(before) = old.find(new.workspace.target(after)) else { continue };
        let results = (&old.plan.results[before.0], &new.plan.results[after.0]);
        same[after.0] = match (results, key(old, before), key(new, after)) {
            ((Some(old), Some(new)), ..) => old.outputs == new.outputs,
            (_, None, None) => {
                question(&old.workspace, before) == question(&new.workspace, after)
                    && graph.producers(after).iter().all(|producer| same[producer.0])
            }
            (_, old, new) => old == new,
        };
    }
    same
}

/// What a key would be made of, with the names of other targets' outputs for their bytes.
fn question(
    workspace: &crate::workspace::Workspace,
    id: ActionId,
) -> (String, Map<String, Value>, Vec<String>) {
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
