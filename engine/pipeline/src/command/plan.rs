//! `plan`: what would run, why and at what price.

pub mod announce;
pub mod estimate;

use mixmake_core::cause::Cause;
use mixmake_core::files::amount;
use mixmake_core::graph::ActionId;
use mixmake_core::plan::{Plan as CorePlan, State};
use mixmake_core::scheduler::RunOptions;
use mixmake_manifest::diagnostic::Diagnostics;
use serde_json::{Value, json};

use super::causes::{self, words};
use super::run::options;
use crate::cli::{Global, Plan};
use crate::error::{Exit, Result};
use crate::stage::capacity;
use crate::ui::text::{Page, Tone};
use crate::ui::{print, seconds};
use crate::workspace::Workspace;

pub fn run(global: &Global, args: &Plan) -> Result<Exit> {
    let workspace = Workspace::open_as(global, args.update_remote)?;
    let selected = workspace.select(&args.targets.targets)?;
    let plan = workspace.plan(&selected)?;
    let options = options(args.jobs, false, workspace.manifest.runtime.runs_per_gpu);
    let exit = show(&workspace, &plan, &selected, &options, global, args.all)?;
    Ok(if args.exit_code && !plan.is_up_to_date() { Exit::Pending } else { exit })
}

/// Prints the plan.
pub fn show(
    workspace: &Workspace,
    plan: &CorePlan,
    selected: &[ActionId],
    options: &RunOptions,
    global: &Global,
    all: bool,
) -> Result<Exit> {
    check_capacity(workspace, plan, selected)?;
    if global.json {
        print(&to_json(workspace, plan, options).to_string());
        return Ok(Exit::Success);
    }
    let page = Page::stdout();
    let shown: Vec<_> =
        workspace.staged.graph.ids().filter(|id| is_shown(&plan.states[id.0], all)).collect();
    let width = |text: &dyn Fn(ActionId) -> usize| shown.iter().map(|id| text(*id)).max();
    let names = width(&|id| workspace.target(id).chars().count()).unwrap_or(0);
    let prices = width(&|id| price(plan, id).chars().count()).unwrap_or(0);
    for &id in &shown {
        print(&line(workspace, plan, id, (names.min(page.columns / 2), prices), &page));
    }
    for line in total(workspace, plan, options).lines() {
        print(&page.paragraph(line, 0));
    }
    if let Some(missing) = workspace.missing_files(plan) {
        let color = Page::stderr().color;
        eprintln!("{}", missing.render(color));
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

fn is_shown(state: &State, all: bool) -> bool {
    match state {
        State::NotNeeded => false,
        State::UpToDate { .. } => all,
        State::Runs { .. } | State::Waits { .. } | State::FilesMissing { .. } => true,
    }
}

fn price(plan: &CorePlan, id: ActionId) -> String {
    plan.prices[id.0].map(seconds).unwrap_or_default()
}

/// Name, price and cause, the cause cut to what fits.
fn line(
    workspace: &Workspace,
    plan: &CorePlan,
    id: ActionId,
    (names, prices): (usize, usize),
    page: &Page,
) -> String {
    let state = &plan.states[id.0];
    let (mark, tone) = match state {
        State::UpToDate { .. } | State::NotNeeded => (" ", Tone::Good),
        State::Runs { .. } => ("+", Tone::Pending),
        State::Waits { .. } => ("?", Tone::Quiet),
        State::FilesMissing { .. } => ("!", Tone::Bad),
    };
    let price = price(plan, id);
    let start = format!("{mark} {:names$}  {price:>prices$}  ", workspace.target(id));
    let reason = page.cut(&reason(workspace, plan, id), start.chars().count());
    format!("{}{reason}", page.paint(tone, &start)).trim_end().to_owned()
}

/// Why an action would run, in a few words.
fn reason(workspace: &Workspace, plan: &CorePlan, id: ActionId) -> String {
    match &plan.states[id.0] {
        State::NotNeeded => "not needed".into(),
        State::UpToDate { .. } => "up to date".into(),
        State::FilesMissing { files } => format!("{} missing", count(files.len(), "file")),
        State::Waits { on } => format!("after {}", names(workspace, on)),
        State::Runs { cause: Cause::New, .. } => "new".into(),
        State::Runs { cause: Cause::ResultLost, .. } => "its result is gone from the store".into(),
        State::Runs { cause: Cause::ObjectLost { output }, .. } => {
            format!("its `{output}` is gone from the store")
        }
        State::Runs { .. } => match causes::of_action(workspace, plan, id).as_slice() {
            [] => "what it is made of changed".into(),
            [only] => words::short(only),
            [first, rest @ ..] => format!("{}; and {} more", words::short(first), rest.len()),
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

fn total(workspace: &Workspace, plan: &CorePlan, options: &RunOptions) -> String {
    let pending = plan.pending().len();
    if pending == 0 {
        let targets = count(estimate::needed(plan), "action");
        return format!("up to date: {targets}, nothing would run");
    }
    let maybe = plan.states.iter().filter(|state| matches!(state, State::Waits { .. })).count();
    let maybe = match maybe {
        0 => String::new(),
        _ => format!(", {maybe} of them (?) only if what they read comes out otherwise"),
    };
    let downloads = downloads(workspace, plan);
    format!(
        "{} would run{maybe}{downloads}{}",
        count(pending, "action"),
        cost(workspace, plan, options)
    )
}

/// `; 3 files to download, 1.20 GB`, if there are any.
#[must_use]
pub fn downloads(workspace: &Workspace, plan: &CorePlan) -> String {
    match workspace.downloads(plan) {
        (0, _) => String::new(),
        (files, bytes) => format!("; {} to download, {}", count(files, "file"), amount(bytes)),
    }
}

/// `: about 12 min of work, 6 min on the clock with -j 2`, as far as receipts tell.
#[must_use]
pub fn cost(workspace: &Workspace, plan: &CorePlan, options: &RunOptions) -> String {
    let (known, unknown) = plan.total_price();
    let pending = plan.pending();
    let clock = estimate::clock(&workspace.staged.graph, &pending, &plan.prices, options);
    let (work, clock, jobs) = (seconds(known), seconds(clock), options.jobs);
    match (known > 0.0, unknown) {
        (true, 0) => format!(
            "\nprice by their last receipts: {work} of work, {clock} on the clock with -j {jobs}"
        ),
        (true, _) => format!(
            "\nprice by receipts: {work} of work, {clock} on the clock with -j {jobs}, and {} without a receipt",
            count(unknown, "action")
        ),
        (false, _) => "\nno receipt tells a price yet".to_owned(),
    }
}

fn to_json(workspace: &Workspace, plan: &CorePlan, options: &RunOptions) -> Value {
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
    let (download_files, download_bytes) = workspace.downloads(plan);
    let pending = plan.pending();
    json!({
        "pending": pending.len(),
        "expected-seconds": expected_seconds,
        "expected-clock-seconds":
            estimate::clock(&workspace.staged.graph, &pending, &plan.prices, options),
        "jobs": options.jobs,
        "without-price": unpriced,
        "download-files": download_files,
        "download-bytes": download_bytes,
        "actions": actions,
    })
}
