//! `graph`: the actions and what they read from, as a tree or for Graphviz.

use std::collections::BTreeSet;

use mixmake_core::graph::ActionId;
use serde_json::json;

use crate::cli::{Global, Graph, GraphFormat};
use crate::error::{Exit, Result};
use crate::ui::print;
use crate::workspace::Workspace;

pub fn run(global: &Global, args: &Graph) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&args.targets.targets)?;
    let text = match (global.json, args.format) {
        (true, _) => as_json(&workspace, &selected),
        (false, GraphFormat::Tree) => tree(&workspace, &selected, args.targets.targets.is_empty()),
        (false, GraphFormat::Dot) => dot(&workspace, &selected),
    };
    print(&text);
    Ok(Exit::Success)
}

fn tree(workspace: &Workspace, selected: &[ActionId], all: bool) -> String {
    let dependents = workspace.staged.graph.dependents();
    // Of the whole graph, the roots are what nothing reads from.
    let roots = selected.iter().filter(|id| !all || dependents[id.0].is_empty());
    let mut text = String::new();
    let mut seen = BTreeSet::new();
    for &root in roots {
        branch(workspace, root, "", &mut seen, &mut text);
    }
    text
}

fn branch(
    workspace: &Workspace,
    id: ActionId,
    indent: &str,
    seen: &mut BTreeSet<ActionId>,
    text: &mut String,
) {
    let producers = workspace.staged.graph.producers(id);
    let repeated = !seen.insert(id) && !producers.is_empty();
    let mark = if repeated { " …" } else { "" };
    text.push_str(&format!("{indent}{}{mark}\n", workspace.target(id)));
    if !repeated {
        for producer in producers {
            branch(workspace, producer, &format!("{indent}  "), seen, text);
        }
    }
}

fn dot(workspace: &Workspace, selected: &[ActionId]) -> String {
    let graph = &workspace.staged.graph;
    let needed = graph.closure(selected);
    let mut text = "digraph mixmake {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for id in graph.ids().filter(|id| needed[id.0]) {
        text.push_str(&format!("  {:?};\n", workspace.target(id)));
        for producer in graph.producers(id) {
            text.push_str(&format!(
                "  {:?} -> {:?};\n",
                workspace.target(producer),
                workspace.target(id)
            ));
        }
    }
    text.push_str("}\n");
    text
}

fn as_json(workspace: &Workspace, selected: &[ActionId]) -> String {
    let graph = &workspace.staged.graph;
    let needed = graph.closure(selected);
    let action = |id: ActionId| {
        let producers = graph.producers(id);
        let reads: Vec<_> = producers.iter().map(|producer| workspace.target(*producer)).collect();
        json!({"target": workspace.target(id), "kind": graph.action(id).kind.name, "reads": reads})
    };
    let actions: Vec<_> = graph.ids().filter(|id| needed[id.0]).map(action).collect();
    json!(actions).to_string()
}
