//! `log`: what the processes of targets wrote, and the receipts of their results.

use mixmake_core::graph::ActionId;
use mixmake_core::plan::{Plan, State};
use mixmake_core::record::Receipt;
use serde_json::{Value, json};

use crate::cli::{Global, Targets};
use crate::error::{Error, Exit, Result};
use crate::ui::{print, seconds};
use crate::workspace::Workspace;

pub fn run(global: &Global, targets: &Targets) -> Result<Exit> {
    if targets.targets.is_empty() {
        return Err(
            Error::usage("`log` needs a target or a glob").hint("`mixmake status` lists them")
        );
    }
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&targets.targets)?;
    let plan = workspace.plan(&selected)?;
    let entries: Vec<_> = selected.iter().map(|&id| entry(&workspace, &plan, id)).collect();
    if global.json {
        print(&Value::Array(entries.iter().map(Entry::to_json).collect()).to_string());
    } else {
        entries.iter().for_each(|entry| print(&entry.text()));
    }
    Ok(Exit::Success)
}

struct Entry {
    target: String,
    key: Option<String>,
    receipt: Option<Receipt>,
    log: Option<String>,
}

fn entry(workspace: &Workspace, plan: &Plan, id: ActionId) -> Entry {
    let key = match &plan.states[id.0] {
        State::UpToDate { key } | State::Runs { key, .. } => Some(*key),
        _ => None,
    };
    let log = key.and_then(|key| std::fs::read(workspace.store.log_path(key)).ok());
    Entry {
        target: workspace.target(id).to_owned(),
        key: key.map(|key| key.to_hex()),
        receipt: plan.results[id.0].as_ref().map(|result| result.receipt.clone()),
        log: log.map(|log| String::from_utf8_lossy(&log).into_owned()),
    }
}

impl Entry {
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.target);
        match (&self.key, &self.receipt) {
            (None, _) => text.push_str("  its key is not known yet\n"),
            (Some(key), None) => text.push_str(&format!("  no result yet, key {key}\n")),
            (Some(key), Some(receipt)) => {
                let Receipt { host, program, wall_seconds, .. } = receipt;
                text.push_str(&format!(
                    "  ran in {} on {host} by {program}, key {key}\n",
                    seconds(*wall_seconds)
                ));
                for (name, value) in &receipt.facts {
                    text.push_str(&format!("  {name}: {value}\n"));
                }
            }
        }
        for line in self.log.iter().flat_map(|log| log.lines()) {
            text.push_str(&format!("  | {line}\n"));
        }
        text
    }

    fn to_json(&self) -> Value {
        json!({"target": self.target, "key": self.key, "receipt": self.receipt, "log": self.log})
    }
}
