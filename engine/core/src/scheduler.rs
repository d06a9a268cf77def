//! Runs what a selection needs: as many actions at once as there are slots, light ones first.
//!
//! Keys are computed as results arrive, so an action whose inputs came out as before is cut off.
//! A failure stops what has not started (unless `keep_going`); what runs is finished and kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::action::Cost;
use crate::digest::{Digest, Key};
use crate::event::{Event, Progress};
use crate::exec::{ExecError, Executed, Failure};
use crate::executor::{Cancel, Ended, Executor, Work};
use crate::files;
use crate::graph::ActionId;
use crate::holder::Holder;
use crate::lease::{self, Lease};
use crate::memory::Memory;
use crate::plan::{Plan, PlanError, State};
use crate::record::ActionResult;
use crate::resolve::{Build, Resolved};
use crate::share::{self, Claim, Threads};
use crate::turn::Turn;

/// How long to wait before asking again for an action that another run holds.
const HELD_POLL: Duration = Duration::from_millis(200);
/// How much of what is remembered a killed run may lose.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How often one input of an action may be found damaged and made again in one run.
const MOST_REMADE: usize = 3;

/// How to run; nothing here enters a key.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Threads in use at once.
    pub jobs: usize,
    /// Go on with what does not depend on a failure.
    pub keep_going: bool,
    /// Devices of each pool.
    pub pools: HashMap<&'static str, usize>,
}

/// How a run ended.
#[derive(Debug, Default)]
pub struct RunOutcome {
    pub ran: Vec<ActionId>,
    pub cut_off: Vec<ActionId>,
    pub up_to_date: usize,
    pub failed: Vec<(ActionId, Failure)>,
    pub not_run: Vec<ActionId>,
    pub interrupted: bool,
    /// The result of every action that has one now.
    pub results: Vec<Option<Arc<ActionResult>>>,
}

impl RunOutcome {
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.failed.is_empty() && !self.interrupted && self.not_run.is_empty()
    }
}

/// Runs what `plan`, made of the same build and memory, says must run, telling `observe` what becomes of
/// every action.
pub fn run(
    build: &Build<'_>,
    memory: &mut Memory,
    plan: &Plan,
    executor: &dyn Executor,
    options: &RunOptions,
    cancel: &Cancel,
    observe: &mut dyn FnMut(Event),
) -> Result<RunOutcome, PlanError> {
    let mark = Holder::this_process("run");
    // From here on `gc` leaves what this run makes or uses; what it took since the plan is made again.
    let _mark = Lease::acquire(&build.store.run_path(&mark), &mark)?;
    let selected = &plan.selected;
    let (sender, receiver) = mpsc::channel();
    let outcome = std::thread::scope(|scope| -> Result<RunOutcome, PlanError> {
        let mut scheduler = Scheduler::new(build, memory, plan, options, observe);
        let start = |scheduler: &mut Scheduler<'_>| {
            while let Some(task) = scheduler.next_task(cancel) {
                let sender = sender.clone();
                scope.spawn(move || perform(&task, executor, cancel, &sender));
            }
        };
        scheduler.attempt(|scheduler| scheduler.begin(selected));
        start(&mut scheduler);
        while scheduler.is_busy(cancel) {
            scheduler.attempt(|scheduler| scheduler.receive(&receiver, cancel));
            scheduler.attempt(Scheduler::save_now_and_then);
            start(&mut scheduler);
        }
        scheduler.finish(cancel)
    });
    build.store.remove_spares();
    let outcome = outcome?;
    memory.save()?;
    Ok(outcome)
}

/// What a running action holds.
struct Running {
    /// Threads that others do without.
    threads: usize,
    /// Threads that it may keep busy.
    granted: usize,
    device: Option<(&'static str, usize)>,
    started: Instant,
}

struct Task {
    id: ActionId,
    key: Key,
    work: Work,
}

enum Report {
    Progress(ActionId, Progress),
    Ended(ActionId, Box<Result<Executed, Ended>>),
}

fn perform(task: &Task, executor: &dyn Executor, cancel: &Cancel, sender: &Sender<Report>) {
    let mut progress = |step| {
        let _ = sender.send(Report::Progress(task.id, step));
    };
    let work = || executor.execute(task.key, &task.work, &mut progress, cancel);
    // A panic must end the action, not leave the run waiting for it.
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
        let failure = Failure::new(format!("it panicked: {said}"));
        Err(Ended::Exec(failure.hint("this is a defect of mixmake, please report it").into()))
    });
    let _ = sender.send(Report::Ended(task.id, Box::new(result)));
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    NotNeeded,
    /// Some input is unknown.
    Waiting,
    /// Its key is known; it must run.
    Ready,
    Running,
    /// Another run on the same store makes it.
    Held,
    Done,
    Failed,
}

struct Scheduler<'a> {
    build: &'a Build<'a>,
    memory: &'a mut Memory,
    options: &'a RunOptions,
    observe: &'a mut dyn FnMut(Event),
    phases: Vec<Phase>,
    results: Vec<Option<Arc<ActionResult>>>,
    resolved: Vec<Option<Resolved>>,
    /// Must run although a result is there, since its bytes are not.
    forced: Vec<bool>,
    dependents: Vec<Vec<ActionId>>,
    selected: BTreeSet<ActionId>,
    ready: BTreeSet<Turn>,
    devices: BTreeMap<&'static str, Vec<bool>>,
    running: HashMap<ActionId, Running>,
    /// Waiting for another run, which makes the result.
    held: BTreeSet<ActionId>,
    saved: Instant,
    /// How often each action found an input damaged.
    remade: BTreeMap<(ActionId, Digest), usize>,
    outcome: RunOutcome,
    /// Why the run itself cannot go on.
    broken: Option<PlanError>,
    said_stopping: bool,
}

impl<'a> Scheduler<'a> {
    fn new(
        build: &'a Build<'a>,
        memory: &'a mut Memory,
        plan: &Plan,
        options: &'a RunOptions,
        observe: &'a mut dyn FnMut(Event),
    ) -> Self {
        let phase = |state: &State| match state {
            State::NotNeeded => Phase::NotNeeded,
            State::UpToDate { .. } => Phase::Done,
            State::Runs { .. } | State::Waits { .. } | State::FilesMissing { .. } => Phase::Waiting,
        };
        let phases: Vec<_> = plan.states.iter().map(phase).collect();
        let forced = |(state, result): (&State, &Option<_>)| {
            matches!(state, State::Runs { .. }) && result.is_some()
        };
        let count = build.graph.len();
        let up_to_date = phases.iter().filter(|phase| **phase == Phase::Done).count();
        Self {
            build,
            memory,
            options,
            observe,
            forced: plan.states.iter().zip(&plan.results).map(forced).collect(),
            phases,
            results: plan.results.clone(),
            resolved: vec![None; count],
            dependents: build.graph.dependents(),
            selected: BTreeSet::new(),
            ready: BTreeSet::new(),
            devices: options.pools.iter().map(|(name, size)| (*name, vec![false; *size])).collect(),
            running: HashMap::new(),
            held: BTreeSet::new(),
            saved: Instant::now(),
            remade: BTreeMap::new(),
            broken: None,
            said_stopping: false,
            outcome: RunOutcome { up_to_date, ..RunOutcome::default() },
        }
    }

    /// An error of the engine itself (a full disk, say) ends the run as a failure does: nothing new is
    /// started, and what runs is finished and kept.
    fn attempt(&mut self, step: impl FnOnce(&mut Self) -> Result<(), PlanError>) {
        if let Err(error) = step(self) {
            tracing::debug!("the run cannot go on: {error}");
            self.broken.get_or_insert(error);
        }
    }

    fn begin(&mut self, selected: &[ActionId]) -> Result<(), PlanError> {
        self.selected = selected.iter().copied().collect();
        for id in self.build.graph.ids() {
            match self.phases[id.0] {
                Phase::Done => self.adopt(id)?,
                Phase::Waiting => self.consider(id)?,
                _ => {}
            }
        }
        Ok(self.memory.save()?)
    }

    fn save_now_and_then(&mut self) -> Result<(), PlanError> {
        if self.saved.elapsed() >= SAVE_EVERY {
            self.memory.save()?;
            self.saved = Instant::now();
        }
        Ok(())
    }

    fn remember(&mut self, id: ActionId) -> Result<(), PlanError> {
        let Some(resolved) = self.resolve(id)? else { return Ok(()) };
        let target = &self.build.graph.action(id).target;
        if !self.memory.knows(target, resolved.key) {
            let snapshot = self.encoding(id, self.build.snapshot(id, &resolved))?;
            self.memory.remember(target, &snapshot)?;
        }
        Ok(())
    }

    /// Takes an up-to-date result as this run's; one that a `gc` beside has just taken is made again.
    fn adopt(&mut self, id: ActionId) -> Result<(), PlanError> {
        let Some(result) = self.results[id.0].clone() else { return Ok(()) };
        if self.memory.knows(&self.build.graph.action(id).target, result.key) {
            return Ok(());
        }
        if self.build.store.use_result(&result)? {
            return self.remember(id);
        }
        self.results[id.0] = None;
        self.phases[id.0] = Phase::Waiting;
        self.outcome.up_to_date = self.outcome.up_to_date.saturating_sub(1);
        self.consider(id)
    }

    fn encoding<T>(
        &self,
        id: ActionId,
        result: Result<T, crate::key::NoEncoding>,
    ) -> Result<T, PlanError> {
        let target = || self.build.graph.action(id).target.clone();
        result.map_err(|source| PlanError::Encoding { target: target(), source })
    }

    fn resolve(&self, id: ActionId) -> Result<Option<Resolved>, PlanError> {
        self.encoding(id, self.build.resolve(id, &self.results))
    }

    /// Moves a waiting action on as far as what it reads allows: with the results of that its own may be known, with its
    /// bytes it may run.
    fn consider(&mut self, id: ActionId) -> Result<(), PlanError> {
        let Some(resolved) = self.resolve(id)? else { return Ok(()) };
        let result = self.build.store.result(resolved.key)?;
        let needs_bytes = self.forced[id.0] || self.selected.contains(&id);
        if let Some(result) = result {
            let is_whole = !needs_bytes || self.build.lost_output(&result).is_none();
            if is_whole && self.build.store.use_result(&result)? {
                return self.cut_off(id, result);
            }
            self.know(id, result)?;
        }
        let producers = self.build.graph.producers(id);
        if producers.iter().any(|producer| self.phases[producer.0] != Phase::Done) {
            return Ok(());
        }
        let lost = self.build.producers_without_bytes(id, &self.results);
        if !lost.is_empty() {
            return lost.into_iter().try_for_each(|producer| self.force(producer));
        }
        self.build.store.put_request(&self.build.request(id, &resolved))?;
        self.memory.want(resolved.key);
        self.resolved[id.0] = Some(resolved);
        self.phases[id.0] = Phase::Ready;
        let action = self.build.graph.action(id);
        let bytes = || self.build.input_bytes(id, &self.results);
        self.ready.insert(Turn::of(action, id, bytes));
        Ok(())
    }

    /// Keeps a result whose bytes are gone: what reads from it may be up to date, even if they cannot be had again.
    fn know(&mut self, id: ActionId, result: ActionResult) -> Result<(), PlanError> {
        if self.results[id.0].as_ref().is_some_and(|known| known.key == result.key) {
            return Ok(());
        }
        self.results[id.0] = Some(Arc::new(result));
        self.consider_dependents(id)
    }

    fn consider_dependents(&mut self, id: ActionId) -> Result<(), PlanError> {
        for dependent in self.dependents[id.0].clone() {
            if self.phases[dependent.0] == Phase::Waiting {
                self.consider(dependent)?;
            }
        }
        Ok(())
    }

    /// A done action whose bytes are gone is made again.
    fn force(&mut self, id: ActionId) -> Result<(), PlanError> {
        if self.phases[id.0] == Phase::Done {
            self.phases[id.0] = Phase::Waiting;
            self.forced[id.0] = true;
            self.consider(id)?;
        }
        Ok(())
    }

    fn cut_off(&mut self, id: ActionId, result: ActionResult) -> Result<(), PlanError> {
        let (target, key) = (self.build.graph.action(id).target.clone(), result.key);
        (self.observe)(Event::ActionCutOff { target, key });
        self.outcome.cut_off.push(id);
        self.done(id, result)
    }

    fn done(&mut self, id: ActionId, result: ActionResult) -> Result<(), PlanError> {
        self.phases[id.0] = Phase::Done;
        self.forced[id.0] = false;
        self.results[id.0] = Some(Arc::new(result));
        self.remember(id)?;
        self.consider_dependents(id)
    }

    fn is_busy(&self, cancel: &Cancel) -> bool {
        let waiting = !self.held.is_empty() && !self.is_stopping() && !cancel.is_set();
        !self.running.is_empty() || waiting
    }

    fn say_once_if_stopping(&mut self, cancel: &Cancel) {
        if cancel.is_set() && !self.said_stopping && !self.running.is_empty() {
            self.said_stopping = true;
            (self.observe)(Event::RunStopping { running: self.running.len() });
        }
    }

    fn is_stopping(&self) -> bool {
        self.broken.is_some() || (!self.outcome.failed.is_empty() && !self.options.keep_going)
    }

    /// The next action to start, if there is a slot and a device for it.
    fn next_task(&mut self, cancel: &Cancel) -> Option<Task> {
        if self.is_stopping() || cancel.is_set() {
            return None;
        }
        let busy = self.busy();
        let fits = |id: ActionId| busy == 0 || busy + self.needs(id) <= self.options.jobs;
        let can = |turn: &&Turn| fits(turn.id()) && self.has_device(turn.id());
        let chosen = *self.ready.iter().find(can)?;
        self.ready.remove(&chosen);
        self.start(chosen)
    }

    /// Whether a heavy action but `id` is still to start.
    fn has_more(&self, id: ActionId) -> bool {
        let to_start = |phase: &Phase| matches!(phase, Phase::Waiting | Phase::Ready);
        // From the end, where one is mostly found at once.
        self.build.graph.ids().rev().any(|other| {
            other != id
                && to_start(&self.phases[other.0])
                && self.build.graph.action(other).cost == Cost::Heavy
        })
    }

    /// Threads that a heavy action which takes so many may keep busy: also those that nothing else has a use for now, as far as
    /// none was given them before. The last one gets all, since whatever still runs leaves its own soon.
    fn granted(&self, id: ActionId, takes: usize) -> usize {
        if self.ready.is_empty() && !self.has_more(id) {
            return self.options.jobs;
        }
        let threads = Threads { jobs: self.options.jobs, busy: self.busy() + takes };
        let given: usize = self.running.values().map(|running| running.granted).sum();
        let ungiven = self.options.jobs.saturating_sub(given + takes);
        takes + share::spare(threads, self.waiting()).min(ungiven)
    }

    /// Threads that are taken.
    fn busy(&self) -> usize {
        self.running.values().map(|running| running.threads).sum()
    }

    fn needs(&self, id: ActionId) -> usize {
        share::needs(self.build.graph.action(id), self.options.jobs)
    }

    /// Actions that can start.
    fn waiting(&self) -> impl Iterator<Item = Claim> + Clone {
        let claim = |turn: &Turn| Claim { needs: self.needs(turn.id()), work: turn.work() };
        self.ready.iter().filter(|turn| self.has_device(turn.id())).map(claim)
    }

    fn has_device(&self, id: ActionId) -> bool {
        let pool = self.build.graph.action(id).pool.and_then(|pool| self.devices.get(pool));
        pool.is_none_or(|devices| devices.contains(&false))
    }

    fn take_device(&mut self, id: ActionId) -> Option<(&'static str, usize)> {
        let pool = self.build.graph.action(id).pool?;
        let devices = self.devices.get_mut(pool)?;
        let free = devices.iter().position(|taken| !taken)?;
        devices[free] = true;
        Some((pool, free))
    }

    fn start(&mut self, turn: Turn) -> Option<Task> {
        let id = turn.id();
        let action = self.build.graph.action(id);
        let key = self.resolved[id.0].as_ref()?.key;
        let device = self.take_device(id);
        let threads = Threads { jobs: self.options.jobs, busy: self.busy() };
        let threads = share::takes(action, turn.work(), threads, self.waiting());
        let heavy = action.cost == Cost::Heavy;
        let granted = if heavy { self.granted(id, threads) } else { threads };
        let work = Work {
            cost: action.cost,
            // An action whose bytes are gone runs without being forced, and once only.
            force: false,
            device: device.map(|(_, place)| place),
            more: heavy && self.has_more(id),
            threads: granted,
        };
        let running = Running { threads, granted, device, started: Instant::now() };
        self.running.insert(id, running);
        self.phases[id.0] = Phase::Running;
        let (target, kind) = (action.target.clone(), action.kind.name.to_owned());
        (self.observe)(Event::ActionStarted { target, kind, key });
        Some(Task { id, key, work })
    }

    fn receive(&mut self, receiver: &Receiver<Report>, cancel: &Cancel) -> Result<(), PlanError> {
        let report = receiver.recv_timeout(HELD_POLL);
        // Before what comes of it.
        self.say_once_if_stopping(cancel);
        let report = match report {
            Ok(report) => report,
            Err(RecvTimeoutError::Timeout) => return self.poll_held(),
            Err(RecvTimeoutError::Disconnected) => {
                self.running.clear();
                return Ok(());
            }
        };
        match report {
            Report::Progress(id, progress) => {
                let target = self.build.graph.action(id).target.clone();
                (self.observe)(Event::ActionProgress { target, progress });
            }
            Report::Ended(id, result) => self.ended(id, *result)?,
        }
        self.poll_held()
    }

    /// Looks again at what another run was doing: made, or given up.
    fn poll_held(&mut self) -> Result<(), PlanError> {
        for id in self.held.clone() {
            let Some(key) = self.resolved[id.0].as_ref().map(|resolved| resolved.key) else {
                continue;
            };
            if lease::is_held(&self.build.store.lease_path(key))?.is_none() {
                self.held.remove(&id);
                self.phases[id.0] = Phase::Waiting;
                self.consider(id)?;
            }
        }
        Ok(())
    }

    fn ended(&mut self, id: ActionId, result: Result<Executed, Ended>) -> Result<(), PlanError> {
        let running = self.running.remove(&id);
        if let Some((pool, place)) = running.as_ref().and_then(|running| running.device) {
            self.devices.entry(pool).and_modify(|devices| devices[place] = false);
        }
        let seconds = running.map_or(0.0, |running| running.started.elapsed().as_secs_f64());
        match result {
            Ok(Executed { result, ran: true }) => self.finished(id, result, seconds),
            Ok(Executed { result, ran: false }) => self.cut_off(id, result),
            Err(Ended::Interrupted) => {
                self.phases[id.0] = Phase::Failed;
                Ok(())
            }
            Err(Ended::Exec(ExecError::Held(holder))) => {
                self.wait_for_holder(id, &format!("{} (process {})", holder.host, holder.pid));
                Ok(())
            }
            Err(Ended::Exec(ExecError::DamagedInput(digest))) => self.remake_input(id, digest),
            Err(Ended::Exec(error)) => {
                self.failed(id, error);
                Ok(())
            }
        }
    }

    fn finished(
        &mut self,
        id: ActionId,
        result: ActionResult,
        seconds: f64,
    ) -> Result<(), PlanError> {
        let (target, key) = (self.build.graph.action(id).target.clone(), result.key);
        (self.observe)(Event::ActionFinished { target, key, seconds });
        self.outcome.ran.push(id);
        self.done(id, result)
    }

    /// Waits without a slot or a process of its own.
    fn wait_for_holder(&mut self, id: ActionId, holder: &str) {
        let target = self.build.graph.action(id).target.clone();
        (self.observe)(Event::ActionHeld { target, holder: holder.to_owned() });
        self.held.insert(id);
        self.phases[id.0] = Phase::Held;
    }

    /// The process found an input damaged and moved it aside; its maker runs again first.
    fn remake_input(&mut self, id: ActionId, digest: Digest) -> Result<(), PlanError> {
        let times = self.remade.entry((id, digest)).or_default();
        *times += 1;
        if *times > MOST_REMADE {
            let message = format!("object `{digest}` is damaged again each time it is made");
            let hint = "the disk or memory of this machine may be failing: check them before anything else";
            self.failed(id, ExecError::Failed(Failure::new(message).hint(hint)));
            return Ok(());
        }
        tracing::warn!("object {digest} was damaged; making it again");
        self.phases[id.0] = Phase::Waiting;
        self.consider(id)
    }

    fn failed(&mut self, id: ActionId, error: ExecError) {
        self.phases[id.0] = Phase::Failed;
        let failure = match error {
            ExecError::Failed(failure) => failure,
            other => Failure::new(other.to_string()),
        };
        let failure = self.with_earlier_size(id, failure);
        let key =
            self.resolved[id.0].as_ref().map_or(Key::from_bytes([0; 32]), |resolved| resolved.key);
        (self.observe)(Event::ActionFailed {
            target: self.build.graph.action(id).target.clone(),
            key,
            message: failure.message.clone(),
            hint: failure.hint.clone(),
            log: self.build.store.log_path(key).display().to_string(),
        });
        self.outcome.failed.push((id, failure));
    }

    /// On a full disk, what the target took the last time: what it is likely to need.
    fn with_earlier_size(&self, id: ActionId, mut failure: Failure) -> Failure {
        let keys = self.memory.keys(&self.build.graph.action(id).target);
        if let Some(keys) = keys.filter(|_| failure.is_full())
            && let Ok(Some(result)) = self.build.store.result(keys.current)
        {
            let bytes = result.outputs.iter().map(|output| output.bytes).sum();
            failure.message += &format!("; its last result took {}", files::amount(bytes));
        }
        failure
    }

    fn finish(mut self, cancel: &Cancel) -> Result<RunOutcome, PlanError> {
        if let Some(broken) = self.broken {
            // What was done is remembered where that is still possible.
            let _ = self.memory.save();
            return Err(broken);
        }

        let undone = |id: &ActionId| {
            matches!(
                self.phases[id.0],
                Phase::Waiting | Phase::Ready | Phase::Running | Phase::Held
            )
        };
        self.outcome.not_run = self.build.graph.ids().filter(undone).collect();
        self.outcome.interrupted = cancel.is_set();
        self.outcome.results = self.results;
        Ok(self.outcome)
    }
}
