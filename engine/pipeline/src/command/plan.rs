//! `plan`: what would run, why and at what price; also the announcement before a run.

use mixmake_core::cause::{Cause, Change};
use mixmake_core::graph::ActionId;
use mixmake_core::plan::{Plan as CorePlan, State};
use mixmake_manifest::diagnostic::Diagnostics;
use serde_json::{Value, json};

use crate::cli::{Global, Plan};
use crate::error::{Exit, Result};
use crate::stage::capacity;
use crate::ui::{print, seconds};
use crate::workspace::Workspace;

pub fn run(global: &Global, args: &Plan) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&args.targets.targets)?;
    let exit = show(&workspace, &selected, global, args.all)?;
    let pending = !workspace.plan(&selected)?.is_up_to_date();
    Ok(if args.exit_code && pending { Exit::Pending } else { exit })
}

/// Prints the plan.
pub fn show(
    workspace: &Workspace,
    selected: &[ActionId],
    global: &Global,
    all: bool,
) -> Result<Exit> {
    let plan = workspace.plan(selected)?;
    check_capacity(workspace, &plan, selected)?;
    if global.json {
        print(&to_json(workspace, &plan).to_string());
        return Ok(Exit::Success);
    }
    for id in workspace.staged.graph.ids() {
        if let Some(line) = line(workspace, &plan, id, all) {
            print(&line);
        }
    }
    print(&total(&plan));
    if let Some(missing) = workspace.missing_files(&plan) {
        eprintln!("{}", missing.render(crate::ui::color(false)));
        eprintln!("note: with these files missing, `mixmake run` stops before any work");
    }
    Ok(Exit::Success)
}

/// Fails where a mixture that `selected` needs asks for more than the shards known so far hold.
pub fn check_capacity(workspace: &Workspace, plan: &CorePlan, selected: &[ActionId]) -> Result<()> {
    let needed = workspace.staged.graph.closure(selected);
    let Workspace { manifest, staged, store, .. } = workspace;
    let items = capacity::check(manifest, staged, store, &plan.results, &needed);
    if items.is_empty() { Ok(()) } else { Err(Diagnostics { items }.into()) }
}

fn line(workspace: &Workspace, plan: &CorePlan, id: ActionId, all: bool) -> Option<String> {
    let target = workspace.target(id);
    let price =
        plan.prices[id.0].map(|price| format!(" (about {})", seconds(price))).unwrap_or_default();
    match &plan.states[id.0] {
        State::NotNeeded => None,
        State::UpToDate { .. } => all.then(|| format!("  {target}: up to date")),
        state => Some(format!("+ {target}: {}{price}", reason(workspace, state))),
    }
}

/// Why an action would run, in a few words.
#[must_use]
pub fn reason(workspace: &Workspace, state: &State) -> String {
    match state {
        State::NotNeeded => "not needed".into(),
        State::UpToDate { .. } => "up to date".into(),
        State::FilesMissing { files } => format!("{} missing", count(files.len(), "file")),
        State::Waits { on } => format!("after {}", names(workspace, on)),
        State::Runs { cause, .. } => cause_words(cause),
    }
}

fn cause_words(cause: &Cause) -> String {
    match cause {
        Cause::New => "new".into(),
        Cause::ResultLost => "its result is gone from the store".into(),
        Cause::ObjectLost { output } => format!("its `{output}` is gone from the store"),
        Cause::Waits { on } => format!("after {}", on.join(", ")),
        Cause::Changed { changes } => match changes.as_slice() {
            [] => "what it is made of changed".into(),
            [only] => only.to_string(),
            [first, rest @ ..] => format!("{first}; and {} more", rest.len()),
        },
    }
}

fn names(workspace: &Workspace, ids: &[ActionId]) -> String {
    match ids {
        [only] => workspace.target(*only).to_owned(),
        [first, rest @ ..] => format!("{} and {} more", workspace.target(*first), rest.len()),
        [] => "others".into(),
    }
}

#[must_use]
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn total(plan: &CorePlan) -> String {
    let pending = plan.pending().len();
    if pending == 0 {
        return "up to date: nothing would run".into();
    }
    let (known, unknown) = plan.total_price();
    let price = match (known > 0.0, unknown) {
        (true, 0) => format!(", about {} of work by their last receipts", seconds(known)),
        (true, _) => format!(", about {} by receipts and {unknown} without one", seconds(known)),
        (false, _) => String::new(),
    };
    format!("{} would run{price}", count(pending, "action"))
}

/// What is said before a run: how many actions, at what price, and the fields that cause it.
#[must_use]
pub fn announce(workspace: &Workspace, plan: &CorePlan) -> String {
    let text = total(plan).replace(" would run", " to run");
    let mut causes: Vec<String> = Vec::new();
    for state in &plan.states {
        let State::Runs { cause: Cause::Changed { changes }, .. } = state else { continue };
        for change in changes {
            let text = match change {
                Change::Parameter { .. } | Change::Attribute { .. } => change.to_string(),
                Change::Input { label, .. }
                    if workspace
                        .staged
                        .graph
                        .find(label.rsplit_once('/').map_or("", |(target, _)| target))
                        .is_none() =>
                {
                    change.to_string()
                }
                Change::Input { .. } | Change::Kind { .. } => continue,
            };
            if !causes.contains(&text) {
                causes.push(text);
            }
        }
    }
    let shown: Vec<_> = causes.iter().take(5).map(|cause| format!("\n  because {cause}")).collect();
    let more = causes.len().saturating_sub(shown.len());
    let more = if more > 0 {
        format!("\n  and {more} more changes (`mixmake plan`)")
    } else {
        String::new()
    };
    format!("{text}{}{more}", shown.concat())
}

fn to_json(workspace: &Workspace, plan: &CorePlan) -> Value {
    let action = |id: ActionId| {
        let state = &plan.states[id.0];
        let (name, key, cause) = match state {
            State::NotNeeded => return None,
            State::UpToDate { key } => ("up-to-date", Some(key), None),
            State::Runs { key, cause } => ("runs", Some(key), serde_json::to_value(cause).ok()),
            State::FilesMissing { .. } => ("files-missing", None, None),
            State::Waits { on } => {
                let on: Vec<_> = on.iter().map(|id| workspace.target(*id)).collect();
                ("waits", None, Some(json!({"cause": "waits", "on": on})))
            }
        };
        Some(json!({
            "target": workspace.target(id),
            "kind": workspace.staged.graph.action(id).kind.name,
            "state": name,
            "key": key,
            "cause": cause,
            "expected-seconds": plan.prices[id.0],
        }))
    };
    let actions: Vec<_> = workspace.staged.graph.ids().filter_map(action).collect();
    let (expected_seconds, unpriced) = plan.total_price();
    json!({
        "pending": plan.pending().len(),
        "expected-seconds": expected_seconds,
        "without-price": unpriced,
        "actions": actions,
    })
}
