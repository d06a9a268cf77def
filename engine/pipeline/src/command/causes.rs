//! Root causes: what somebody changed (a field, files, the set of things that are read) or what the store
//! lost, and which actions would run because of it.
//!
//! [`words`] says them. Built from the differences of keys alone, so that it cannot say what is not so.

pub mod words;

use std::collections::{BTreeSet, HashMap, HashSet};

use mixmake_core::cause::{Cause, Change, differences};
use mixmake_core::graph::ActionId;
use mixmake_core::key::facts_of;
use mixmake_core::memory::Snapshot;
use mixmake_core::plan::{Plan, State};
use mixmake_manifest::is_remote;
use serde::Serialize;

use crate::workspace::Workspace;

/// What is at the bottom of a chain of causes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "what")]
pub enum Origin {
    /// A value of the manifest.
    Field {
        /// Its dotted path in the manifest, or what it is in the action.
        field: String,
        old: Option<String>,
        new: Option<String>,
        /// `demo.toml:12`, or `--set 1`.
        place: Option<String>,
    },
    /// Files that a target reads.
    Files { target: String, changes: Vec<Change> },
    /// Other targets than before are read.
    Reads { role: String, target: String, added: bool },
    /// Another version of what the action does.
    Kind { old: String, new: String },
    /// A target gave other bytes than when these last ran, and nothing says why.
    Remade { target: String },
    /// The store has lost a result or its bytes.
    Lost,
    /// Files that are not there.
    Missing,
    /// Never made in this workspace.
    New,
}

/// A root cause and what follows.
#[derive(Debug)]
pub struct Root {
    pub origin: Origin,
    /// Actions whose own key it changed.
    pub direct: Vec<ActionId>,
    /// Actions after those: they run unless what they read comes out as before.
    pub then: Vec<ActionId>,
}

impl Root {
    pub fn all(&self) -> impl Iterator<Item = ActionId> {
        self.direct.iter().chain(&self.then).copied()
    }
}

/// Every root cause of a plan, in the order of the first action it changes.
#[must_use]
pub fn roots(workspace: &Workspace, plan: &Plan) -> Vec<Root> {
    let pending = plan.pending();
    let mut roots: Vec<Root> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for &id in &pending {
        for origin in of_action(workspace, plan, id) {
            let name = format!("{origin:?}");
            let place = *places.entry(name).or_insert_with(|| {
                roots.push(Root { origin, direct: Vec::new(), then: Vec::new() });
                roots.len() - 1
            });
            roots[place].direct.push(id);
        }
    }
    let pending: HashSet<_> = pending.into_iter().collect();
    let dependents = workspace.staged.graph.dependents();
    for root in &mut roots {
        root.then = after(&root.direct, &pending, &dependents);
    }
    roots
}

/// Pending actions that read from `direct`, directly or not.
fn after(
    direct: &[ActionId],
    pending: &HashSet<ActionId>,
    dependents: &[Vec<ActionId>],
) -> Vec<ActionId> {
    let mut found = BTreeSet::new();
    let mut open: Vec<_> = direct.to_vec();
    while let Some(id) = open.pop() {
        for &next in &dependents[id.0] {
            if pending.contains(&next) && found.insert(next) {
                open.push(next);
            }
        }
    }
    found.into_iter().filter(|id| !direct.contains(id)).collect()
}

/// The causes that an action has of its own, not through others that would run.
#[must_use]
pub fn of_action(workspace: &Workspace, plan: &Plan, id: ActionId) -> Vec<Origin> {
    match &plan.states[id.0] {
        State::NotNeeded | State::UpToDate { .. } => Vec::new(),
        State::Waits { .. } => {
            let changes = own_changes(workspace, id).unwrap_or_default();
            of_changes(workspace, plan, workspace.target(id), &changes)
        }
        State::FilesMissing { .. } => vec![Origin::Missing],
        State::Runs { cause, .. } => match cause {
            Cause::New => vec![Origin::New],
            Cause::ResultLost | Cause::ObjectLost { .. } => vec![Origin::Lost],
            Cause::Waits { .. } => Vec::new(),
            Cause::Changed { changes } => {
                of_changes(workspace, plan, workspace.target(id), changes)
            }
        },
    }
}

/// What changed of an action's parameters while what it reads is not known yet.
fn own_changes(workspace: &Workspace, id: ActionId) -> Option<Vec<Change>> {
    let action = workspace.staged.graph.action(id);
    let known = workspace.memory.snapshot(&action.target)?;
    let params = facts_of(&action.params).ok()?;
    let now = Snapshot { params, kind: action.kind.label(), ..known.clone() };
    Some(differences(&known, &now, &action.origins))
}

/// The root causes of a key's changes; those of inputs that another target made lead to that target.
#[must_use]
pub fn of_changes(
    workspace: &Workspace,
    plan: &Plan,
    target: &str,
    changes: &[Change],
) -> Vec<Origin> {
    Finder { workspace, plan, seen: HashSet::new() }.find(target, changes)
}

struct Finder<'a> {
    workspace: &'a Workspace,
    plan: &'a Plan,
    seen: HashSet<ActionId>,
}

impl Finder<'_> {
    fn find(&mut self, target: &str, changes: &[Change]) -> Vec<Origin> {
        let mut origins = Vec::new();
        let mut files = Vec::new();
        for change in changes {
            let Change::Input { role, label, old, new, old_file, new_file } = change else {
                origins.extend(field(change));
                continue;
            };
            // A download is the file that it brings.
            if old_file.is_some() || new_file.is_some() || is_remote(label) {
                files.push(change.clone());
                continue;
            }
            let producer = self.workspace.find_output(label);
            // Of one that is gone, the output is what follows the last slash.
            let read = match producer {
                Some(producer) => self.workspace.target(producer),
                None => label.rsplit_once('/').map_or(label.as_str(), |(target, _)| target),
            };
            match (producer, old.is_some() && new.is_some()) {
                (Some(producer), true) => self.behind(producer, &mut origins),
                _ => {
                    let added = old.is_none();
                    let target = read.to_owned();
                    origins.push(Origin::Reads { role: role.clone(), target, added });
                }
            }
        }
        if !files.is_empty() {
            origins.push(Origin::Files { target: target.to_owned(), changes: files });
        }
        origins.dedup();
        origins
    }

    /// The causes of other bytes from an action that is done; one that would run has its own.
    fn behind(&mut self, producer: ActionId, origins: &mut Vec<Origin>) {
        let is_done = matches!(self.plan.states[producer.0], State::UpToDate { .. });
        if !is_done || !self.seen.insert(producer) {
            return;
        }
        let target = self.workspace.target(producer).to_owned();
        let changes = last_changes(self.workspace, self.plan, producer);
        let found = self.find(&target, &changes);
        if found.is_empty() && changes.is_empty() {
            origins.push(Origin::Remade { target });
        }
        origins.extend(found);
    }
}

/// What differs between a target's key and the one it had before; nothing where it had none.
#[must_use]
pub fn last_changes(workspace: &Workspace, plan: &Plan, id: ActionId) -> Vec<Change> {
    let target = workspace.target(id);
    let origins = &workspace.staged.graph.action(id).origins;
    let Some(known) = workspace.memory.snapshot(target) else { return Vec::new() };
    // Changed since the last run, to something that was built before.
    if let Some(now) = plan.snapshot(id).filter(|now| now.key != known.key) {
        return differences(&known, now, origins);
    }
    match workspace.memory.previous_snapshot(target) {
        Some(before) => differences(&before, &known, origins),
        None => Vec::new(),
    }
}

/// A change of a value of the manifest or of the program; none of an input.
fn field(change: &Change) -> Option<Origin> {
    let located = |path: &str, origin: &Option<String>| match origin.as_deref() {
        Some(origin) => match origin.rsplit_once(", ") {
            Some((field, place)) => (field.to_owned(), Some(place.to_owned())),
            None => (origin.to_owned(), None),
        },
        None => (path.to_owned(), None),
    };
    match change {
        Change::Parameter { path, old, new, origin }
        | Change::Attribute { path, old, new, origin, .. } => {
            let (field, place) = located(path, origin);
            Some(Origin::Field { field, old: old.clone(), new: new.clone(), place })
        }
        Change::Kind { old, new } => Some(Origin::Kind { old: old.clone(), new: new.clone() }),
        Change::Input { .. } => None,
    }
}
