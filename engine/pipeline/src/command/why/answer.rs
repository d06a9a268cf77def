//! The answer to `why TARGET`.

use mixmake_core::graph::ActionId;
use mixmake_core::plan::{Plan, State};
use mixmake_core::record::ActionResult;
use mixmake_core::{Key, Source};
use serde_json::{Value, json};

use super::path;
use crate::command::causes::{self, Origin, words};
use crate::command::families::summary;
use crate::command::plan::count;
use crate::ui::seconds;
use crate::ui::text::{Page, Tone, ago};
use crate::workspace::Workspace;

/// Causes that are shown for one target.
const SHOWN: usize = 12;

pub struct Answer {
    target: String,
    state: &'static str,
    key: Option<Key>,
    /// The result that is there.
    made: Option<Made>,
    reads: Reads,
    /// Why it would run: root causes, and the way from each.
    causes: Vec<Chain>,
    /// Why its key is another than the one before.
    last: Vec<Origin>,
    /// Actions before it that changed and gave the same bytes.
    cut_off: Vec<Chain>,
}

/// When and where a result was made.
struct Made {
    at: f64,
    seconds: f64,
    host: String,
}

/// A root cause and the actions from where it is to the target.
struct Chain {
    origin: Origin,
    way: Vec<String>,
}

/// Everything that decides a target, counted.
struct Reads {
    targets: Vec<String>,
    files: usize,
}

#[must_use]
pub fn of(workspace: &Workspace, plan: &Plan, id: ActionId) -> Answer {
    let state = &plan.states[id.0];
    let is_done = matches!(state, State::UpToDate { .. });
    Answer {
        target: workspace.target(id).to_owned(),
        state: match state {
            State::NotNeeded | State::UpToDate { .. } => "up-to-date",
            State::Runs { .. } => "runs",
            State::Waits { .. } => "waits",
            State::FilesMissing { .. } => "files-missing",
        },
        key: match state {
            State::UpToDate { key } | State::Runs { key, .. } => Some(*key),
            _ => None,
        },
        made: plan.results[id.0].as_deref().filter(|_| is_done).map(made),
        reads: reads(workspace, id),
        causes: if is_done { Vec::new() } else { chains(workspace, plan, id) },
        last: if is_done { last(workspace, plan, id) } else { Vec::new() },
        cut_off: if is_done { cut_off(workspace, plan, id) } else { Vec::new() },
    }
}

fn made(result: &ActionResult) -> Made {
    let receipt = &result.receipt;
    Made {
        at: receipt.started_unix_seconds as f64 + receipt.wall_seconds,
        seconds: receipt.wall_seconds,
        host: receipt.host.clone(),
    }
}

fn reads(workspace: &Workspace, id: ActionId) -> Reads {
    let graph = &workspace.staged.graph;
    let needed = graph.closure(&[id]);
    let before: Vec<_> = graph.ids().filter(|other| needed[other.0] && *other != id).collect();
    let inputs = before.iter().chain([&id]).flat_map(|id| &graph.action(*id).inputs);
    Reads {
        files: inputs.filter(|input| matches!(input.source, Source::File(_))).count(),
        targets: before.iter().map(|id| workspace.target(*id).to_owned()).collect(),
    }
}

fn chains(workspace: &Workspace, plan: &Plan, id: ActionId) -> Vec<Chain> {
    let needed = workspace.staged.graph.closure(&[id]);
    let roots = causes::roots(workspace, plan);
    let chain = |root: causes::Root| {
        let direct: Vec<_> = root.direct.into_iter().filter(|id| needed[id.0]).collect();
        let way = path::shortest(&workspace.staged.graph, &direct, id)?;
        Some(Chain { origin: root.origin, way: names(workspace, &way) })
    };
    let mut chains: Vec<_> = roots.into_iter().filter_map(chain).collect();
    // Its own causes first.
    chains.sort_by_key(|chain| chain.way.len());
    chains
}

fn names(workspace: &Workspace, ids: &[ActionId]) -> Vec<String> {
    ids.iter().map(|id| workspace.target(*id).to_owned()).collect()
}

fn last(workspace: &Workspace, plan: &Plan, id: ActionId) -> Vec<Origin> {
    let changes = causes::last_changes(workspace, plan, id);
    causes::of_changes(workspace, plan, workspace.target(id), &changes)
}

/// Actions before `id` whose key is another than the one they had, and whose outputs are the same.
fn cut_off(workspace: &Workspace, plan: &Plan, id: ActionId) -> Vec<Chain> {
    let graph = &workspace.staged.graph;
    let needed = graph.closure(&[id]);
    let mut found = Vec::new();
    for before in graph.ids().filter(|before| needed[before.0] && *before != id) {
        if !gave_the_same(workspace, plan, before) {
            continue;
        }
        let origins = last(workspace, plan, before);
        let way = path::shortest(graph, &[before], id).unwrap_or_default();
        let way = names(workspace, &way);
        found.extend(origins.into_iter().map(|origin| Chain { origin, way: way.clone() }));
    }
    found
}

fn gave_the_same(workspace: &Workspace, plan: &Plan, id: ActionId) -> bool {
    let Some(now) = &plan.results[id.0] else { return false };
    let Some(keys) = workspace.memory.keys(workspace.target(id)) else { return false };
    let before = if keys.current == now.key { keys.previous } else { Some(keys.current) };
    let before = before.and_then(|key| workspace.store.result(key).ok().flatten());
    before.is_some_and(|before| before.outputs == now.outputs)
}

impl Answer {
    #[must_use]
    pub fn text(&self, page: &Page) -> String {
        let mut text = self.statement(page);
        for chain in self.causes.iter().take(SHOWN) {
            text.push_str(&chain.text(page));
        }
        if self.causes.len() > SHOWN {
            let more = count(self.causes.len() - SHOWN, "more cause");
            text.push_str(&format!("  and {more} (`--json` has all)\n"));
        }
        if self.made.is_none() {
            return text;
        }
        text.push_str(&self.unchanged(page));
        for chain in self.cut_off.iter().take(SHOWN) {
            let words = words::short(&chain.origin);
            text.push_str(&format!("  {}\n", page.cut(&format!("cut off: {words}"), 2)));
            let first = chain.way.first().map_or("", String::as_str);
            let what =
                format!("{first} was made again and gave the same bytes, so nothing after it ran");
            text.push_str(&format!("    {}\n", page.wrap(&what, 4, 4)));
        }
        match self.last.as_slice() {
            [] => text.push_str("  its key never changed here\n"),
            origins => {
                for origin in origins.iter().take(SHOWN) {
                    let line = format!("its key last changed by {}", words::short(origin));
                    text.push_str(&format!("  {}\n", page.cut(&line, 2)));
                }
            }
        }
        text
    }

    fn statement(&self, page: &Page) -> String {
        let (tone, words) = match (&self.made, self.state) {
            (Some(made), _) => (
                Tone::Good,
                format!(
                    "is up to date: made {} on {} in {}",
                    ago(made.at),
                    made.host,
                    seconds(made.seconds)
                ),
            ),
            (None, "waits") => {
                (Tone::Pending, "would run, unless what it reads comes out as before".to_owned())
            }
            (None, "files-missing") => (Tone::Bad, "cannot run".to_owned()),
            _ => (Tone::Pending, "would run".to_owned()),
        };
        let target = page.paint(Tone::Strong, &self.target);
        format!("{target} {}\n", page.paint(tone, &words))
    }

    fn unchanged(&self, page: &Page) -> String {
        let Reads { targets, files } = &self.reads;
        let targets = if targets.is_empty() {
            String::new()
        } else {
            format!(" {};", summary(targets.iter().map(String::as_str)))
        };
        let words =
            format!("nothing it depends on changed since:{targets} {}", count(*files, "file"));
        format!("  {}\n", page.wrap(&words, 2, 4))
    }

    #[must_use]
    pub fn to_json(&self) -> Value {
        let chain = |chain: &Chain| json!({"cause": chain.origin, "way": chain.way});
        json!({
            "target": self.target,
            "state": self.state,
            "key": self.key,
            "made-unix-seconds": self.made.as_ref().map(|made| made.at),
            "depends-on": {"targets": self.reads.targets, "files": self.reads.files},
            "causes": self.causes.iter().map(chain).collect::<Vec<_>>(),
            "cut-off": self.cut_off.iter().map(chain).collect::<Vec<_>>(),
            "last-change": self.last,
        })
    }
}

impl Chain {
    fn text(&self, page: &Page) -> String {
        let mut text = String::new();
        for line in words::lines(&self.origin) {
            text.push_str(&page.paragraph(&line, 2));
        }
        if let [_, _, ..] = self.way.as_slice() {
            let way = self.way.join(" -> ");
            let way = page.wrap(&way, 4, 6);
            text.push_str(&page.paint(Tone::Quiet, &format!("    {way}\n")));
        }
        text
    }
}
