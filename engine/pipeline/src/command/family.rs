//! Targets of one family, `ddo/*` or `autoscale/*`: brought up to date, and their artifacts read with names.

use std::path::Path;

use mixmake_core::ActionId;
use serde::de::DeserializeOwned;

use crate::artifact;
use crate::cli::{Global, Run, Targets};
use crate::error::{Error, Exit, Result};
use crate::stage::Staged;
use crate::table::names::DomainNames;
use crate::workspace::Workspace;

/// A family: its targets' actions by name, and the output that a verb shows.
pub(super) struct Family {
    pub name: &'static str,
    pub output: &'static str,
    pub actions: fn(&Staged) -> Vec<(String, ActionId)>,
    /// What to do where the manifest has none.
    pub none: &'static str,
}

/// Artifacts by target, and the names of the domains in them.
pub(super) struct Shown<T> {
    pub names: DomainNames,
    pub artifacts: Vec<(String, T)>,
}

/// A table where a target should stand is what most people try first.
pub(super) fn refuse_files(targets: &[String]) -> Result<()> {
    let is_file = |target: &&String| Path::new(target).is_file();
    match targets.iter().find(is_file) {
        Some(file) => Err(Error::usage(format!("`{file}` is a file, and arguments are targets"))
            .hint(format!("read a table with `--table {file}`"))),
        None => Ok(()),
    }
}

impl Family {
    /// Brings the targets that are meant up to date; the artifacts, or the exit code of a run that failed.
    pub fn show<T: DeserializeOwned>(
        &self,
        global: &Global,
        targets: &[String],
    ) -> Result<std::result::Result<Shown<T>, Exit>> {
        let names = self.meant(global, targets)?;
        let wanted = names.iter().map(|name| format!("{}/{name}", self.name)).collect();
        let exit = bring_up_to_date(global, wanted)?;
        if exit == Exit::Success { self.read(global, &names).map(Ok) } else { Ok(Err(exit)) }
    }

    /// Names of the targets that are meant; all where none is said.
    fn meant(&self, global: &Global, targets: &[String]) -> Result<Vec<String>> {
        let workspace = Workspace::open(global)?;
        let actions = (self.actions)(&workspace.staged);
        if actions.is_empty() {
            return Err(
                Error::usage(format!("the manifest has no `[{}]`", self.name)).hint(self.none)
            );
        }
        let selected = workspace.select(&self.patterns(targets))?;
        let meant = actions.into_iter().filter(|(_, action)| selected.contains(action));
        let names: Vec<String> = meant.map(|(name, _)| name).collect();
        if names.is_empty() {
            return Err(Error::usage(format!("no target of `[{}]` matches", self.name))
                .hint(format!("`mixmake status '{}/*'` lists them", self.name)));
        }
        Ok(names)
    }

    /// `small` and `ddo/small` are the same, none is all.
    fn patterns(&self, targets: &[String]) -> Vec<String> {
        let prefix = format!("{}/", self.name);
        if targets.is_empty() {
            return vec![format!("{prefix}*")];
        }
        let whole = |target: &String| {
            let target = target.strip_prefix("out/").unwrap_or(target);
            if target.starts_with(&prefix) {
                target.to_owned()
            } else {
                format!("{prefix}{target}")
            }
        };
        targets.iter().map(whole).collect()
    }

    fn read<T: DeserializeOwned>(&self, global: &Global, names: &[String]) -> Result<Shown<T>> {
        let workspace = Workspace::open(global)?;
        let all: Vec<_> = workspace.staged.graph.ids().collect();
        let plan = workspace.plan(&all)?;
        let actions = (self.actions)(&workspace.staged);
        let mut artifacts = Vec::with_capacity(names.len());
        for name in names {
            let action = actions.iter().find(|(known, _)| known == name);
            let result = action.and_then(|(_, action)| plan.results[action.0].as_ref());
            let Some(record) = result.and_then(|result| result.output(self.output)) else {
                continue;
            };
            let artifact = artifact::read_object(&workspace.store, record.digest)?;
            artifacts.push((format!("{}/{name}", self.name), artifact));
        }
        Ok(Shown { names: DomainNames::of(&workspace, &plan.results), artifacts })
    }
}

/// Runs what is pending, as `run` does; its words and bars go to standard error.
fn bring_up_to_date(global: &Global, targets: Vec<String>) -> Result<Exit> {
    let args = Run {
        targets: Targets { targets },
        jobs: None,
        keep_going: false,
        dry_run: false,
        locked: false,
        update_remote: false,
        trace: None,
        timings: false,
    };
    super::run::run(&Global { json: false, ..global.clone() }, &args)
}
