//! The answer to `why` without a target: every root cause, and what would run because of it.

use mixmake_core::graph::ActionId;
use mixmake_core::plan::{Plan, State};
use serde_json::{Value, json};

use crate::command::causes::{self, Root, words};
use crate::command::families::summary;
use crate::command::plan::{announce, count, estimate};
use crate::ui::text::{Page, Tone, ago};
use crate::workspace::Workspace;

/// Root causes that are shown in full.
const SHOWN: usize = 20;

pub struct Overview<'a> {
    workspace: &'a Workspace,
    plan: &'a Plan,
    roots: Vec<Root>,
}

#[must_use]
pub fn of<'a>(workspace: &'a Workspace, plan: &'a Plan) -> Overview<'a> {
    Overview { workspace, plan, roots: causes::roots(workspace, plan) }
}

impl Overview<'_> {
    #[must_use]
    pub fn text(&self, page: &Page) -> String {
        let pending = self.plan.pending().len();
        let needed = estimate::needed(self.plan);
        if pending == 0 {
            return self.up_to_date(needed);
        }
        let mut text = format!(
            "{} would run, {} up to date. {}:\n",
            count(pending, "action"),
            needed - pending,
            if self.roots.len() == 1 {
                "The reason".into()
            } else {
                format!("{} reasons", self.roots.len())
            }
        );
        for root in self.roots.iter().take(SHOWN) {
            text.push_str(&self.one(root, page));
        }
        if self.roots.len() > SHOWN {
            text.push_str(&format!(
                "\nand {} more reasons (`--json` has all)\n",
                self.roots.len() - SHOWN
            ));
        }
        text + "\n`mixmake why TARGET` shows the way from a reason to a target.\n"
    }

    fn up_to_date(&self, needed: usize) -> String {
        let last =
            self.plan.results.iter().flatten().map(|result| {
                result.receipt.started_unix_seconds as f64 + result.receipt.wall_seconds
            });
        let last = last.fold(f64::NAN, f64::max);
        let since = if last.is_finite() {
            format!("; the last was made {}", ago(last))
        } else {
            String::new()
        };
        format!("nothing would run: {} up to date{since}\n", count(needed, "action"))
    }

    fn one(&self, root: &Root, page: &Page) -> String {
        let mut lines = words::lines(&root.origin);
        let first = page.paragraph(&lines.remove(0), 0);
        let mut text = format!("\n{}", page.paint(Tone::Strong, &first));
        for line in lines {
            text.push_str(&page.paragraph(&line, 0));
        }
        text.push_str(
            &page.paint(Tone::Quiet, &format!("  {}\n", announce::extent(root, self.plan))),
        );
        text.push_str(&self.members("runs", &root.direct, page));
        if !root.then.is_empty() {
            text.push_str(&self.members("then", &root.then, page));
        }
        text
    }

    fn members(&self, word: &str, ids: &[ActionId], page: &Page) -> String {
        let names = summary(ids.iter().map(|id| self.workspace.target(*id)));
        format!("  {word}  {}\n", page.wrap(&names, 8, 8))
    }

    #[must_use]
    pub fn to_json(&self) -> Value {
        let names = |ids: &[ActionId]| -> Vec<_> {
            ids.iter().map(|id| self.workspace.target(*id)).collect()
        };
        let seconds = |root: &Root| -> f64 {
            root.all().filter_map(|id| self.plan.prices[id.0]).sum::<f64>() + 0.0
        };
        let root = |root: &Root| {
            json!({
                "cause": root.origin,
                "runs": names(&root.direct),
                "then": names(&root.then),
                "expected-seconds": seconds(root),
            })
        };
        let up_to_date = self.plan.states.iter();
        let up_to_date = up_to_date.filter(|state| matches!(state, State::UpToDate { .. })).count();
        json!({
            "pending": self.plan.pending().len(),
            "up-to-date": up_to_date,
            "causes": self.roots.iter().map(root).collect::<Vec<_>>(),
        })
    }
}
