//! `dropped`: every row of a domain that a rule left out, with its place and the reason.

use std::path::PathBuf;

use mixmake_core::ActionId;
use mixmake_core::plan::Plan;
use mixmake_data::corpus::dropped::{self, DroppedRow};
use serde_json::json;

use crate::cli::{Dropped, Global};
use crate::error::{Error, Exit, Result};
use crate::stage::{documents, samples};
use crate::ui::print;
use crate::workspace::Workspace;

pub fn run(global: &Global, args: &Dropped) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let index = find(&workspace, &args.domain)?;
    let all: Vec<_> = workspace.staged.graph.ids().collect();
    let plan = workspace.plan(&all)?;
    let paths = workspace.names_of(index, &plan.results);
    let mut shown = Vec::new();
    let mut left = args.limit.unwrap_or(u64::MAX);
    for list in lists(&workspace, index, &plan)? {
        let mut take = |row: DroppedRow| {
            if args.rule.as_ref().is_some_and(|rule| *rule != row.reason) {
                return true;
            }
            if left == 0 {
                return false;
            }
            left -= 1;
            let path = paths.get(&row.source).cloned();
            if global.json {
                shown.push(json!({
                    "file": path, "digest": row.source, "row": row.row, "rule": row.reason, "detail": row.detail,
                }));
            } else {
                print(&line(&row, path));
            }
            true
        };
        dropped::read(&list, &mut take).map_err(|error| Error::internal(error.to_string()))?;
    }
    if global.json {
        print(&json!({ "domain": args.domain, "dropped": shown }).to_string());
    }
    Ok(Exit::Success)
}

/// `file:row: rule (detail)`.
fn line(row: &DroppedRow, path: Option<String>) -> String {
    let file = path.unwrap_or_else(|| row.source.clone());
    let place = if row.row == 0 { file } else { format!("{file}:{}", row.row) };
    let detail = if row.detail.is_empty() { String::new() } else { format!(" ({})", row.detail) };
    format!("{place}: {}{detail}", row.reason)
}

fn find(workspace: &Workspace, name: &str) -> Result<usize> {
    let name = name.strip_prefix("samples/").unwrap_or(name);
    let domains = &workspace.manifest.domains;
    domains.iter().position(|domain| domain.name == name).ok_or_else(|| {
        let names: Vec<_> = domains.iter().map(|domain| format!("`{}`", domain.name)).collect();
        Error::usage(format!("there is no domain `{name}`"))
            .hint(format!("the domains are {}", names.join(", ")))
    })
}

/// The lists of the domain's actions: first by the rules for one document, then by those that compare.
fn lists(workspace: &Workspace, index: usize, plan: &Plan) -> Result<Vec<PathBuf>> {
    let parts = workspace.staged.documents[index].iter().map(|&part| (part, documents::DROPPED));
    let whole = (workspace.staged.samples[index], samples::DROPPED);
    let path = |(action, output): (ActionId, &str)| {
        let record = plan.results[action.0].as_ref().and_then(|result| result.output(output));
        record.map(|record| workspace.store.object_path(record.digest)).ok_or_else(|| {
            let target = workspace.target(action);
            Error::new(Exit::ActionFailed, format!("not built yet: `{target}`"))
                .hint(format!("`mixmake run {}` builds it", workspace.target(whole.0)))
        })
    };
    parts.chain([whole]).map(path).collect()
}
