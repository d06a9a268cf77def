//! `why`: the chain of causes from a target down to the fields and files that changed; for a
//! target that is up to date, why it last ran.

use std::collections::BTreeSet;

use mixmake_core::cause::{Cause, Change, differences};
use mixmake_core::graph::ActionId;
use mixmake_core::plan::{Plan, State};
use serde_json::{Value, json};

use super::plan::reason;
use crate::cli::{Global, Targets};
use crate::error::{Exit, Result};
use crate::ui::print;
use crate::workspace::Workspace;

pub fn run(global: &Global, targets: &Targets) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&targets.targets)?;
    let plan = workspace.plan(&selected)?;
    let why = Why { workspace: &workspace, plan: &plan };
    let explained: Vec<_> = selected.iter().map(|&id| why.explain(id)).collect();
    if global.json {
        let list: Vec<_> = explained.iter().map(Explanation::to_json).collect();
        print(&Value::Array(list).to_string());
    } else {
        for explanation in &explained {
            print(&explanation.text(0));
        }
    }
    Ok(Exit::Success)
}

/// A statement about a target and those that explain it.
struct Explanation {
    target: String,
    statement: String,
    changes: Vec<Change>,
    because: Vec<Explanation>,
}

impl Explanation {
    fn text(&self, depth: usize) -> String {
        let indent = "  ".repeat(depth);
        let mut text = format!("{indent}{}: {}\n", self.target, self.statement);
        for change in &self.changes {
            text.push_str(&format!("{indent}  {change}\n"));
        }
        for because in &self.because {
            text.push_str(&because.text(depth + 1));
        }
        text
    }

    fn to_json(&self) -> Value {
        json!({
            "target": self.target,
            "statement": self.statement,
            "changes": self.changes,
            "because": self.because.iter().map(Self::to_json).collect::<Vec<_>>(),
        })
    }
}

struct Why<'a> {
    workspace: &'a Workspace,
    plan: &'a Plan,
}

impl Why<'_> {
    fn explain(&self, id: ActionId) -> Explanation {
        self.explain_once(id, &mut BTreeSet::new())
    }

    /// Each target is explained where it first comes up.
    fn explain_once(&self, id: ActionId, seen: &mut BTreeSet<ActionId>) -> Explanation {
        let target = self.workspace.target(id).to_owned();
        if !seen.insert(id) {
            let statement = "see above".to_owned();
            return Explanation { target, statement, changes: vec![], because: vec![] };
        }
        match &self.plan.states[id.0] {
            State::UpToDate { .. } | State::NotNeeded => self.last_change(id, target, seen),
            State::Runs { cause: Cause::Changed { changes }, .. } => {
                self.changed(target, "would run: its key changed".into(), changes.clone(), seen)
            }
            State::Waits { on } => {
                let because = on.iter().map(|&on| self.explain_once(on, seen)).collect();
                let statement = "would run unless its inputs come out as before".to_owned();
                Explanation { target, statement, changes: vec![], because }
            }
            state => {
                let statement = format!("would run: {}", reason(self.workspace, state));
                Explanation { target, statement, changes: vec![], because: vec![] }
            }
        }
    }

    /// Fields and files are said as they are; other targets' outputs are explained in turn.
    fn changed(
        &self,
        target: String,
        statement: String,
        changes: Vec<Change>,
        seen: &mut BTreeSet<ActionId>,
    ) -> Explanation {
        let mut because: Vec<Explanation> = Vec::new();
        let mut own = Vec::new();
        for change in changes {
            match self.producer(&change) {
                Some(producer) if seen.contains(&producer) => {}
                Some(producer) => because.push(self.explain_once(producer, seen)),
                None => own.push(change),
            }
        }
        Explanation { target, statement, changes: own, because }
    }

    /// The action whose output the change is about.
    fn producer(&self, change: &Change) -> Option<ActionId> {
        let Change::Input { label, old: Some(_), new: Some(_), .. } = change else { return None };
        self.workspace.staged.graph.find(label.rsplit_once('/')?.0)
    }

    fn last_change(
        &self,
        id: ActionId,
        target: String,
        seen: &mut BTreeSet<ActionId>,
    ) -> Explanation {
        let memory = &self.workspace.memory;
        let up_to_date = |what: &str| format!("up to date; {what}");
        let none = |statement| Explanation {
            target: target.clone(),
            statement,
            changes: vec![],
            because: vec![],
        };
        let Some(known) = memory.snapshot(&target) else {
            return none(up_to_date("this workspace found its result in the store"));
        };
        let origins = &self.workspace.staged.graph.action(id).origins;
        // Changed since the last run, to something that was built before.
        if let Some(now) = self.plan.snapshot(id).filter(|now| now.key != known.key) {
            let changes = differences(&known, now, origins);
            let statement = up_to_date("its result was in the store; since the last run:");
            return self.changed(target, statement, changes, seen);
        }
        let Some(before) = memory.previous_snapshot(&target) else {
            return none(up_to_date("its key never changed here"));
        };
        let changes = differences(&before, &known, origins);
        self.changed(target, up_to_date("its key last changed by:"), changes, seen)
    }
}
