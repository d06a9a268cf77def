//! `graph`: the actions and what they read from, with where each stands: as a tree, for Graphviz, or
//! as a picture.

mod dot;
mod layers;
mod svg;
mod tree;

use mixmake_core::graph::ActionId;
use mixmake_core::plan::Plan;
use serde_json::json;

use super::standing::{Standing, Watch};
use crate::cli::{Global, Graph, GraphFormat};
use crate::error::{Exit, Result};
use crate::ui::print;
use crate::ui::text::{Page, Tone};
use crate::workspace::Workspace;

pub fn run(global: &Global, args: &Graph) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&args.targets.targets)?;
    let plan = workspace.plan(&selected)?;
    let picture = Picture::of(&workspace, &plan, &selected)?;
    let text = match (global.json, args.format) {
        (true, _) => as_json(&workspace, &picture),
        (false, GraphFormat::Tree) => {
            // Of the whole graph, the roots are what nothing reads from.
            let all = args.targets.targets.is_empty();
            tree::text(&picture, &picture.roots(&selected, all), &Page::stdout())
        }
        (false, GraphFormat::Dot) => dot::text(&picture),
        (false, GraphFormat::Svg) => svg::text(&picture),
    };
    print(&text);
    Ok(Exit::Success)
}

/// What is drawn: the selected actions and all they need, in topological order.
struct Picture {
    nodes: Vec<Node>,
    /// Place in `nodes` of each action that is there.
    places: Vec<Option<usize>>,
}

struct Node {
    id: ActionId,
    target: String,
    standing: Standing,
    /// Places of the nodes it reads from.
    reads: Vec<usize>,
}

impl Picture {
    fn of(workspace: &Workspace, plan: &Plan, selected: &[ActionId]) -> Result<Self> {
        let graph = &workspace.staged.graph;
        let needed = graph.closure(selected);
        let watch = Watch::of(workspace);
        let mut picture = Self { nodes: Vec::new(), places: vec![None; graph.len()] };
        for id in graph.ids().filter(|id| needed[id.0]) {
            let reads = graph.producers(id);
            let reads = reads.iter().filter_map(|producer| picture.places[producer.0]).collect();
            let standing = watch.standing(workspace, plan, id)?;
            let target = workspace.target(id).to_owned();
            picture.places[id.0] = Some(picture.nodes.len());
            picture.nodes.push(Node { id, target, standing, reads });
        }
        Ok(picture)
    }

    /// Places of what the tree starts from.
    fn roots(&self, selected: &[ActionId], all: bool) -> Vec<usize> {
        let mut is_read = vec![false; self.nodes.len()];
        for node in &self.nodes {
            node.reads.iter().for_each(|&read| is_read[read] = true);
        }
        let places = selected.iter().filter_map(|id| self.places[id.0]);
        places.filter(|place| !all || !is_read[*place]).collect()
    }
}

/// The colour of a standing in a picture: of its box and of its edge.
fn colors(standing: &Standing) -> (&'static str, &'static str) {
    match standing.tone() {
        Tone::Good => ("#d9f2dd", "#2c8a43"),
        Tone::Bad => ("#fbdcdc", "#c0312f"),
        Tone::Busy => ("#d5eaf8", "#1f78b4"),
        Tone::Pending => ("#fdeccb", "#c77f0a"),
        Tone::Quiet | Tone::Strong => ("#f1f1f1", "#8a8a8a"),
    }
}

fn as_json(workspace: &Workspace, picture: &Picture) -> String {
    let node = |node: &Node| {
        let reads: Vec<_> = node.reads.iter().map(|&read| &picture.nodes[read].target).collect();
        json!({
            "target": node.target,
            "kind": workspace.staged.graph.action(node.id).kind.name,
            "state": node.standing.word(),
            "reads": reads,
        })
    };
    let nodes: Vec<_> = picture.nodes.iter().map(node).collect();
    json!(nodes).to_string()
}
