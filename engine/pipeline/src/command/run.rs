//! `run`: brings targets up to date. Data first, then, once it is clear that every mixture can be
//! had, everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mixmake_core::Store;
use mixmake_core::event::Event;
use mixmake_core::executor::{Cancel, LocalExecutor};
use mixmake_core::graph::ActionId;
use mixmake_core::lock::Lock;
use mixmake_core::plan::Plan;
use mixmake_core::scheduler::{self, RunOptions, RunOutcome};
use mixmake_manifest::diagnostic::Diagnostics;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::plan;
use crate::cli::{Global, Run};
use crate::error::{Error, Exit, Result};
use crate::runner::Stages;
use crate::stage::capacity;
use crate::ui::{self, Display};
use crate::workspace::{Workspace, gpu_count, threads};

/// Name and version, for receipts.
pub const VERSION: &str = concat!("mixmake ", env!("CARGO_PKG_VERSION"));

pub fn run(global: &Global, args: &Run) -> Result<Exit> {
    let mut workspace = Workspace::open(global)?;
    let selected = workspace.select(&args.targets.targets)?;
    if args.dry_run {
        return plan::show(&workspace, &selected, global, false);
    }
    let options = options(args.jobs, args.keep_going);
    let pinned = Lock::read(&workspace.lock_path())?;
    if args.locked {
        refuse_changed_inputs(&workspace, &pinned)?;
    }
    let outcome = up_to_date(&mut workspace, global, &selected, &options)?;
    let exit = conclude(global, &workspace, &outcome);
    settle(&workspace, &outcome, &pinned, args.locked)?;
    Ok(exit)
}

#[must_use]
pub fn options(jobs: Option<usize>, keep_going: bool) -> RunOptions {
    RunOptions {
        jobs: jobs.unwrap_or_else(threads).max(1),
        keep_going,
        pools: [("gpu", gpu_count())].into_iter().collect(),
    }
}

/// Runs what `selected` needs; errors of planning end it before any work.
pub fn up_to_date(
    workspace: &mut Workspace,
    global: &Global,
    selected: &[ActionId],
    options: &RunOptions,
) -> Result<RunOutcome> {
    let plan = workspace.plan(selected)?;
    if let Some(missing) = workspace.missing_files(&plan) {
        return Err(missing.into());
    }
    check_capacity(workspace, &plan)?;
    if !plan.is_up_to_date() && !global.quiet && !global.json {
        eprintln!("{}", plan::announce(workspace, &plan));
    }
    let mut display = ui::display(global);
    let cancel = cancel_on_signals()?;
    let needed = workspace.staged.graph.closure(selected);
    let data: Vec<_> = workspace.staged.shards.iter().copied().filter(|id| needed[id.0]).collect();
    let pending = plan.pending();
    let mut before = RunOutcome::default();
    if selected.iter().any(|id| !data.contains(id)) && data.iter().any(|id| pending.contains(id)) {
        before = schedule(workspace, &data, options, &cancel, display.as_mut())?;
        if !before.is_success() {
            return Ok(before);
        }
        let plan = workspace.plan(selected)?;
        check_capacity(workspace, &plan)?;
    }
    let outcome = schedule(workspace, selected, options, &cancel, display.as_mut())?;
    Ok(joined(before, outcome))
}

/// Two passes as one run: what the first one did is up to date for the second.
fn joined(first: RunOutcome, mut second: RunOutcome) -> RunOutcome {
    let done = first.ran.len() + first.cut_off.len();
    second.up_to_date = second.up_to_date.saturating_sub(done);
    second.ran.splice(0..0, first.ran);
    second.cut_off.splice(0..0, first.cut_off);
    second
}

fn check_capacity(workspace: &Workspace, plan: &Plan) -> Result<()> {
    let items =
        capacity::check(&workspace.manifest, &workspace.staged, &workspace.store, &plan.results);
    if items.is_empty() { Ok(()) } else { Err(Diagnostics { items }.into()) }
}

fn schedule(
    workspace: &mut Workspace,
    selected: &[ActionId],
    options: &RunOptions,
    cancel: &Cancel,
    display: &mut dyn Display,
) -> Result<RunOutcome> {
    let executor = local_executor(workspace.store.clone())?;
    let Workspace { staged, store, files, memory, .. } = workspace;
    let build = mixmake_core::resolve::Build { graph: &staged.graph, store, files };
    let mut observe = |event: Event| display.show(&event);
    Ok(scheduler::run(&build, memory, selected, &executor, options, cancel, &mut observe)?)
}

/// Light actions here, heavy ones as `exec` of this program.
pub fn local_executor(store: Store) -> Result<LocalExecutor<'static>> {
    let program = std::env::current_exe()
        .map_err(|error| Error::internal(format!("cannot find this program: {error}")))?;
    let runner = &Stages { train: None };
    Ok(LocalExecutor { store, runner, program, version: VERSION.to_owned() })
}

/// The first Ctrl-C stops children and keeps what is finished; the second stops at once.
fn cancel_on_signals() -> Result<Arc<Cancel>> {
    let cancel = Arc::new(Cancel::default());
    let signals = Arc::new(AtomicUsize::new(0));
    let mut watched = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Error::internal(format!("cannot watch signals: {error}")))?;
    let flag = Arc::clone(&cancel);
    std::thread::spawn(move || {
        for _ in watched.forever() {
            flag.set();
            if signals.fetch_add(1, Ordering::SeqCst) > 0 {
                std::process::exit(Exit::Interrupted as i32);
            }
        }
    });
    Ok(cancel)
}

/// Says how the run ended, in a line.
fn conclude(global: &Global, workspace: &Workspace, outcome: &RunOutcome) -> Exit {
    let exit = if outcome.interrupted {
        Exit::Interrupted
    } else if outcome.failed.is_empty() {
        Exit::Success
    } else {
        Exit::ActionFailed
    };
    if !global.quiet && !global.json {
        eprintln!("{}", summary(workspace, outcome));
    }
    exit
}

fn summary(workspace: &Workspace, outcome: &RunOutcome) -> String {
    let (ran, cut_off) = (outcome.ran.len(), outcome.cut_off.len());
    if outcome.interrupted {
        return format!(
            "interrupted: {ran} done and kept; run again to go on",
            ran = plan::count(ran, "action")
        );
    }
    if outcome.is_success() && ran == 0 && cut_off == 0 {
        return format!("up to date: {}, nothing to do", plan::count(outcome.up_to_date, "action"));
    }
    let mut text =
        format!("{} ran, {} up to date", plan::count(ran, "action"), outcome.up_to_date + cut_off);
    if !outcome.failed.is_empty() {
        let names: Vec<_> = outcome.failed.iter().map(|(id, _)| workspace.target(*id)).collect();
        text.push_str(&format!(", {} failed ({})", names.len(), names.join(", ")));
        text.push_str(&format!(", {} did not run", outcome.not_run.len()));
    }
    text
}

/// Pins and points at what there is now, also after a failure: what is built is kept.
fn settle(workspace: &Workspace, outcome: &RunOutcome, pinned: &Lock, locked: bool) -> Result<()> {
    workspace.point(&outcome.results)?;
    let mut now = workspace.lock(&outcome.results);
    if locked {
        return refuse_changed_results(pinned, &now);
    }
    workspace.inherit(&mut now, pinned);
    Ok(now.write(&workspace.lock_path())?)
}

fn refuse_changed_inputs(workspace: &Workspace, pinned: &Lock) -> Result<()> {
    if pinned.is_empty() {
        let message =
            format!("`--locked`, but there is no lock file `{}`", workspace.lock_path().display());
        return Err(
            Error::new(Exit::Pending, message).hint("run once without `--locked` and commit it")
        );
    }
    let now = workspace.lock(&vec![None; workspace.staged.graph.len()]);
    refuse(pinned, &now, "input ")
}

fn refuse_changed_results(pinned: &Lock, now: &Lock) -> Result<()> {
    refuse(pinned, now, "result ")
}

fn refuse(pinned: &Lock, now: &Lock, kind: &str) -> Result<()> {
    let differences = pinned.differences(now);
    // A pinned result that this run did not ask for is no difference.
    let changed: Vec<_> = differences
        .iter()
        .filter(|each| each.fact.starts_with(kind))
        .filter(|each| kind == "input " || each.now.is_some())
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let describe = |each: &&mixmake_core::lock::Difference| match (each.pinned, each.now) {
        (Some(_), Some(_)) => format!("  {} is not what is pinned", each.fact),
        (None, _) => format!("  {} is not pinned", each.fact),
        (_, None) => format!("  {} is pinned but not there", each.fact),
    };
    let lines: Vec<_> = changed.iter().take(10).map(describe).collect();
    let more = changed.len().saturating_sub(lines.len());
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    let message = format!("the lock file would change:\n{}{more}", lines.join("\n"));
    Err(Error::new(Exit::Pending, message).hint("run without `--locked` to accept the change"))
}
