//! `status`: where every target stands, in one screen; also while another process runs.

mod page;

pub use page::words;

use mixmake_core::graph::ActionId;
use mixmake_core::plan::Plan;
use serde_json::{Value, json};

use super::standing::{Standing, Watch};
use crate::cli::{Global, Targets};
use crate::error::{Exit, Result};
use crate::ui::print;
use crate::ui::text::Page;
use crate::workspace::Workspace;

pub fn run(global: &Global, targets: &Targets) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&targets.targets)?;
    let plan = workspace.plan(&selected)?;
    let watch = Watch::of(&workspace);
    let rows = rows(&workspace, &plan, &watch, &selected)?;
    let page = Page::stdout();
    if global.json {
        let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
        print(&Value::Array(rows).to_string());
    } else if targets.targets.is_empty() {
        print(&page::overview(&rows, &watch, &page));
    } else {
        print(&page::list(&rows, &page));
    }
    Ok(Exit::Success)
}

/// One target.
struct Row {
    target: String,
    standing: Standing,
}

fn rows(
    workspace: &Workspace,
    plan: &Plan,
    watch: &Watch,
    selected: &[ActionId],
) -> Result<Vec<Row>> {
    let row = |&id: &ActionId| {
        let standing = watch.standing(workspace, plan, id)?;
        Ok(Row { target: workspace.target(id).to_owned(), standing })
    };
    selected.iter().map(row).collect()
}

impl Row {
    /// `target` and `words` beside what the standing itself is made of.
    fn to_json(&self) -> Value {
        let mut value = json!({"target": self.target, "words": page::words(&self.standing)});
        if let (Value::Object(row), Ok(Value::Object(standing))) =
            (&mut value, serde_json::to_value(&self.standing))
        {
            row.extend(standing);
        }
        value
    }
}
