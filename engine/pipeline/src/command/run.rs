//! `run`: brings targets up to date. Data first, then, once it is clear that every mixture can be
//! had, everything else.

mod observer;

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use mixmake_core::Store;
use mixmake_core::event::Event;
use mixmake_core::executor::{Cancel, GRACE, Idle, LocalExecutor};
use mixmake_core::files::At;
use mixmake_core::graph::ActionId;
use mixmake_core::holder::Holder;
use mixmake_core::lease::Lease;
use mixmake_core::lock::Lock;
use mixmake_core::plan::Plan;
use mixmake_core::scheduler::{self, RunOptions, RunOutcome};
use signal_hook::consts::{SIGINT, SIGTERM};

use self::observer::Observer;
use super::locked;
use super::plan::{self, announce};
use crate::cli::{Global, Run};
use crate::error::{Error, Exit, Result};
use crate::runner::Stages;
use crate::timeline;
use crate::ui;
use crate::workspace::{Workspace, gpu_count, threads};

/// Name and version, for receipts.
pub const VERSION: &str = concat!("mixmake ", env!("CARGO_PKG_VERSION"));

pub fn run(global: &Global, args: &Run) -> Result<Exit> {
    // Never freed: the process ends with this verb, and to free thousands of actions takes as long as to plan them.
    let mut workspace = ManuallyDrop::new(Workspace::open_as(global, args.update_remote)?);
    let selected = workspace.select(&args.targets.targets)?;
    let pinned = Lock::read(&workspace.lock_path())?;
    let locked = args.locked.then_some(&pinned);
    let runs_per_gpu = workspace.manifest.runtime.runs_per_gpu;
    let options = options(args.jobs, args.keep_going, runs_per_gpu);
    if args.dry_run {
        let plan = workspace.plan(&selected)?;
        if let Some(pinned) = locked {
            locked::check_plan(&workspace, &plan, &selected, pinned)?;
        }
        return plan::show(&workspace, &plan, &selected, &options, global, false);
    }
    let Attempt { outcome, exit, refusal } =
        up_to_date(&mut workspace, global, &selected, &options, locked)?;
    tell_times(&mut workspace, args)?;
    let exit = settle(global, &workspace, &outcome, &pinned, args.locked, exit);
    refusal.map_or(exit, Err)
}

/// What `--trace` and `--timings` ask for, also of a run that failed.
fn tell_times(workspace: &mut Workspace, args: &Run) -> Result<()> {
    let Workspace { timeline, staged, .. } = workspace;
    timeline.close();
    if let Some(path) = &args.trace {
        let trace = timeline::trace(timeline, &staged.graph).to_string();
        std::fs::write(path, trace).at("write", path)?;
    }
    if args.timings {
        ui::print(&timeline::summary(timeline, &staged.graph));
    }
    Ok(())
}

/// How far a run came.
struct Attempt {
    outcome: RunOutcome,
    exit: Exit,
    /// Why it ended after the data, before anything else: what is built is to be kept all the same.
    refusal: Option<Error>,
}

#[must_use]
pub fn options(jobs: Option<usize>, keep_going: bool, runs_per_gpu: u32) -> RunOptions {
    RunOptions {
        jobs: jobs.unwrap_or_else(threads).max(1),
        keep_going,
        pools: [("gpu", gpu_count() * runs_per_gpu as usize)].into_iter().collect(),
    }
}

/// Runs what `selected` needs; errors of planning end it before any work.
fn up_to_date(
    workspace: &mut Workspace,
    global: &Global,
    selected: &[ActionId],
    options: &RunOptions,
    locked: Option<&Lock>,
) -> Result<Attempt> {
    let plan = workspace.plan(selected)?;
    check(workspace, &plan, selected, locked)?;
    if let Some(missing) = workspace.missing_files(&plan) {
        return Err(missing.into());
    }
    if !plan.is_up_to_date() && !global.quiet && !global.json {
        eprintln!("{}", announce::text(workspace, &plan, options));
    }
    workspace.make_store()?;
    let signals = Signals::watch()?;
    let mut observer = Observer::start(workspace, &plan, options, global);
    let passes = passes(workspace, selected, &plan, options, locked, &signals, &mut observer);
    observer.finish(signals.cancel.is_set());
    drop(observer);
    let (outcome, refusal) = passes?;
    let exit = conclude(global, workspace, &outcome, &signals);
    Ok(Attempt { outcome, exit, refusal })
}

/// First the data that is to be made, then, unless that shows that something cannot be had, the rest.
fn passes(
    workspace: &mut Workspace,
    selected: &[ActionId],
    plan: &Plan,
    options: &RunOptions,
    locked: Option<&Lock>,
    signals: &Signals,
    observer: &mut Observer,
) -> Result<(RunOutcome, Option<Error>)> {
    let needed = workspace.staged.graph.closure(selected);
    let data: Vec<_> = workspace.staged.shards.iter().copied().filter(|id| needed[id.0]).collect();
    let is_only_data = selected.iter().all(|id| data.contains(id));
    let mut before = RunOutcome::default();
    let after_data;
    let mut plan = plan;
    if !is_only_data && data.iter().any(|id| plan.is_pending(*id)) {
        let first = workspace.plan(&data)?;
        before = schedule(workspace, &first, options, &signals.cancel, observer)?;
        if !before.is_success() {
            return Ok((before, None));
        }
        after_data = workspace.plan(selected)?;
        if let Err(refusal) = check(workspace, &after_data, selected, locked) {
            return Ok((before, Some(refusal)));
        }
        plan = &after_data;
    }
    let outcome = schedule(workspace, plan, options, &signals.cancel, observer)?;
    Ok((joined(before, outcome), None))
}

/// What can be refused by what is known so far.
fn check(
    workspace: &Workspace,
    plan: &Plan,
    selected: &[ActionId],
    locked: Option<&Lock>,
) -> Result<()> {
    if let Some(pinned) = locked {
        locked::check_plan(workspace, plan, selected, pinned)?;
    }
    // What is there was checked when it was made.
    if plan.is_up_to_date() { Ok(()) } else { plan::check_capacity(workspace, plan, selected) }
}

/// Two passes as one run: what the first one did is up to date for the second.
fn joined(first: RunOutcome, mut second: RunOutcome) -> RunOutcome {
    let done = first.ran.len() + first.cut_off.len();
    second.up_to_date = second.up_to_date.saturating_sub(done);
    second.ran.splice(0..0, first.ran);
    second.cut_off.splice(0..0, first.cut_off);
    second
}

fn schedule(
    workspace: &mut Workspace,
    plan: &Plan,
    options: &RunOptions,
    cancel: &Cancel,
    observer: &mut Observer,
) -> Result<RunOutcome> {
    let executor = local_executor(workspace.store.clone(), workspace.environment())?;
    let Workspace { staged, store, files, memory, timeline, .. } = workspace;
    let build = mixmake_core::resolve::Build { graph: &staged.graph, store, files };
    let (started, before) = (Instant::now(), timeline.end);
    let mut observe = |event: Event| {
        timeline.see(before + started.elapsed(), &event);
        observer.see(&event);
    };
    Ok(scheduler::run(&build, memory, plan, &executor, options, cancel, &mut observe)?)
}

/// Light actions here, others by `exec` of this program.
pub fn local_executor(
    store: Store,
    environment: Vec<(String, String)>,
) -> Result<LocalExecutor<'static>> {
    let program = std::env::current_exe()
        .map_err(|error| Error::internal(format!("cannot find this program: {error}")))?;
    let runner = &Stages { train: None };
    let version = VERSION.to_owned();
    let (grace, idle) = (GRACE, Idle::default());
    Ok(LocalExecutor { store, runner, program, version, environment, grace, idle })
}

/// What stops a run from outside.
struct Signals {
    cancel: Arc<Cancel>,
    /// The first signal that came; 0 while there is none.
    first: Arc<AtomicI32>,
}

impl Signals {
    /// The first Ctrl-C stops children and keeps what is finished; the second stops at once.
    fn watch() -> Result<Self> {
        let signals = Self { cancel: Arc::default(), first: Arc::default() };
        let mut watched = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
            .map_err(|error| Error::internal(format!("cannot watch signals: {error}")))?;
        let (cancel, first) = (Arc::clone(&signals.cancel), Arc::clone(&signals.first));
        std::thread::spawn(move || {
            for signal in watched.forever() {
                // The number first: whoever sees the flag asks for it.
                if first.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                    std::process::exit(stopped_by(signal) as i32);
                }
                cancel.set();
            }
        });
        Ok(signals)
    }
}

/// The exit code that shells expect: 128 and the signal's number.
fn stopped_by(signal: i32) -> Exit {
    if signal == SIGTERM { Exit::Terminated } else { Exit::Interrupted }
}

/// Says how the run ended, in a line.
fn conclude(
    global: &Global,
    workspace: &Workspace,
    outcome: &RunOutcome,
    signals: &Signals,
) -> Exit {
    let exit = if outcome.interrupted {
        stopped_by(signals.first.load(Ordering::SeqCst))
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

/// Waits for this run's turn to change the lock file; none if others do not let go of it, whose facts the
/// next run pins.
fn turn(workspace: &Workspace) -> Result<Option<Lease>> {
    let lock = std::path::absolute(workspace.lock_path()).at("find", &workspace.lock_path())?;
    let path = workspace.store.turn_path(&lock);
    let turn = Lease::wait_for(&path, &Holder::this_process("the lock file"))?;
    if turn.is_none() {
        tracing::warn!("another run keeps `{}` for itself", lock.display());
    }
    Ok(turn)
}

/// Pins and points at what there is now, also after a failure: what is built is kept.
fn settle(
    global: &Global,
    workspace: &Workspace,
    outcome: &RunOutcome,
    pinned: &Lock,
    locked: bool,
    exit: Exit,
) -> Result<Exit> {
    let mut now = workspace.lock(&outcome.results);
    if now == *pinned {
        workspace.point(&outcome.results)?;
        return Ok(exit);
    }
    if locked && let Err(refusal) = locked::check_results(pinned, &now) {
        if exit == Exit::Success {
            return Err(refusal);
        }
        // What failed is the graver news, and its exit code stands.
        eprintln!("{}", refusal.render(false));
        return Ok(exit);
    }
    workspace.point(&outcome.results)?;
    // One at a time, and read again: another run may have pinned its own targets meanwhile.
    let is_written = !locked && global.overrides.is_empty();
    let _turn = if is_written { turn(workspace)? } else { None };
    let latest = Lock::read(&workspace.lock_path())?;
    workspace.inherit(&mut now, &latest);
    // The lock file goes with the manifest in git, which does not say what `--set` says.
    if locked {
        return Ok(exit);
    }
    if global.overrides.is_empty() {
        now.write(&workspace.lock_path())?;
    } else if now != latest && !global.quiet && !global.json {
        eprintln!("note: `{}` stays as it is, because of `--set`", workspace.lock_path().display());
    }
    Ok(exit)
}
