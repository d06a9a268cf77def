//! `why`: the chain of causes from a target down to the fields and files that changed, or why it
//! would not run; without a target, every root cause and what it would make run.

mod answer;
mod overview;
mod path;

use serde_json::Value;

use crate::cli::{Global, Targets};
use crate::error::{Exit, Result};
use crate::ui::print;
use crate::ui::text::Page;
use crate::workspace::Workspace;

/// Targets that are answered one by one; more get the overview.
const ONE_BY_ONE: usize = 3;

pub fn run(global: &Global, targets: &Targets) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&targets.targets)?;
    let plan = workspace.plan(&selected)?;
    let page = Page::stdout();
    if targets.targets.is_empty() || selected.len() > ONE_BY_ONE {
        let overview = overview::of(&workspace, &plan);
        print(&if global.json { overview.to_json().to_string() } else { overview.text(&page) });
        return Ok(Exit::Success);
    }
    let answers: Vec<_> = selected.iter().map(|&id| answer::of(&workspace, &plan, id)).collect();
    if global.json {
        let list: Vec<_> = answers.iter().map(answer::Answer::to_json).collect();
        print(&Value::Array(list).to_string());
    } else {
        let texts: Vec<_> = answers.iter().map(|answer| answer.text(&page)).collect();
        print(&texts.join("\n"));
    }
    Ok(Exit::Success)
}
