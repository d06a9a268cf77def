//! What is said before a run does anything: how many actions, at what price, and which fields and
//! files cause them.

use mixmake_core::plan::Plan;
use mixmake_core::scheduler::RunOptions;

use super::{cost, count, downloads};
use crate::command::causes::{self, Origin, Root, words};
use crate::ui::seconds;
use crate::ui::text::Page;
use crate::workspace::Workspace;

/// Causes that are named.
const NAMED: usize = 5;

#[must_use]
pub fn text(workspace: &Workspace, plan: &Plan, options: &RunOptions) -> String {
    let page = Page::stderr();
    let cost = cost(workspace, plan, options).replace('\n', "; ");
    let downloads = downloads(workspace, plan);
    let mut text = format!("{} to run{downloads}{cost}", count(plan.pending().len(), "action"));
    // What was never made needs no explanation.
    let mut roots = causes::roots(workspace, plan);
    roots.retain(|root| root.origin != Origin::New);
    for root in roots.iter().take(NAMED) {
        let line = format!("  because {}", words::short(&root.origin));
        text.push_str(&format!("\n{}", page.cut(&line, 0)));
        text.push_str(&format!("\n    {}", page.cut(&extent(root, plan), 4)));
    }
    if roots.len() > NAMED {
        text.push_str(&format!("\n  and {} more changes (`mixmake why`)", roots.len() - NAMED));
    }
    text
}

/// `3 actions, up to 12 more after them: 5 min of work`.
#[must_use]
pub fn extent(root: &Root, plan: &Plan) -> String {
    let mut text = count(root.direct.len(), "action");
    if !root.then.is_empty() {
        text.push_str(&format!(", up to {} more after", root.then.len()));
    }
    let prices: Vec<_> = root.all().filter_map(|id| plan.prices[id.0]).collect();
    if !prices.is_empty() {
        text.push_str(&format!(": {} of work", seconds(prices.iter().sum())));
    }
    text
}
