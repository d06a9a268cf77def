//! What a run would do, and why, without doing it.
//!
//! Keys are known as far as results are: below an action that must run, they depend on the bytes
//! it will make (which may turn out to be the old ones: then everything below is a hit).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::cause::{self, Cause};
use crate::digest::Key;
use crate::files::FileError;
use crate::graph::{ActionId, FileId};
use crate::key::NoEncoding;
use crate::memory::{Memory, Snapshot};
use crate::parallel;
use crate::record::ActionResult;
use crate::resolve::{Build, Resolved};

/// Why a plan or run cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error("`{target}`: {source}")]
    Encoding { target: String, source: NoEncoding },
}

/// What is known of one action before a run.
#[derive(Debug, Clone)]
pub enum State {
    /// Nothing selected needs it.
    NotNeeded,
    /// Its result is in the store.
    UpToDate { key: Key },
    /// It must run.
    Runs { key: Key, cause: Cause },
    /// It cannot run: files it reads are not there.
    FilesMissing { files: Vec<FileId> },
    /// It waits for others, and then runs unless they make the same bytes as before.
    Waits { on: Vec<ActionId> },
}

/// The states of every action of a graph for one selection.
#[derive(Debug)]
pub struct Plan {
    pub states: Vec<State>,
    pub results: Vec<Option<Arc<ActionResult>>>,
    /// Seconds each action that may run took when it or its like last ran.
    pub prices: Vec<Option<f64>>,
    /// What was asked for.
    pub selected: Vec<ActionId>,
    snapshots: Vec<Option<Snapshot>>,
}

impl Plan {
    /// Plans `selected` and all they need.
    pub fn make(
        build: &Build<'_>,
        memory: &Memory,
        selected: &[ActionId],
    ) -> Result<Self, PlanError> {
        let needed = build.graph.closure(selected);
        let mut planner = Planner::new(build, memory);
        planner.look_ahead(&needed)?;
        for id in build.graph.ids().filter(|id| needed[id.0]) {
            planner.visit(id)?;
        }
        planner.demand_bytes(&selected.iter().copied().collect());
        let prices = planner.prices()?;
        let Planner { states, results, snapshots, .. } = planner;
        Ok(Self { states, results, prices, selected: selected.to_vec(), snapshots })
    }

    /// Actions that must run or may have to.
    #[must_use]
    pub fn pending(&self) -> Vec<ActionId> {
        (0..self.states.len()).map(ActionId).filter(|id| self.is_pending(*id)).collect()
    }

    /// Whether the action must run or may have to.
    #[must_use]
    pub fn is_pending(&self, id: ActionId) -> bool {
        !matches!(self.states[id.0], State::NotNeeded | State::UpToDate { .. })
    }

    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        !(0..self.states.len()).any(|id| self.is_pending(ActionId(id)))
    }

    /// What an action's key is made of, where it is known and not the one that is remembered.
    #[must_use]
    pub fn snapshot(&self, id: ActionId) -> Option<&Snapshot> {
        self.snapshots[id.0].as_ref()
    }

    /// Sum of the known prices, and how many pending actions have none.
    #[must_use]
    pub fn total_price(&self) -> (f64, usize) {
        let pending = self.pending();
        let known: Vec<_> = pending.iter().filter_map(|id| self.prices[id.0]).collect();
        // The empty sum of floats is -0, which prints as such.
        (known.iter().sum::<f64>() + 0.0, pending.len() - known.len())
    }
}

struct Planner<'a> {
    build: &'a Build<'a>,
    memory: &'a Memory,
    states: Vec<State>,
    results: Vec<Option<Arc<ActionResult>>>,
    /// Results that were looked for before their keys were known.
    read: HashMap<Key, Option<Arc<ActionResult>>>,
    snapshots: Vec<Option<Snapshot>>,
}

impl<'a> Planner<'a> {
    fn new(build: &'a Build<'a>, memory: &'a Memory) -> Self {
        let count = build.graph.len();
        Self {
            build,
            memory,
            states: vec![State::NotNeeded; count],
            results: vec![None; count],
            read: HashMap::new(),
            snapshots: vec![None; count],
        }
    }

    /// Reads the results that the keys of the last run have: most keys are still the same.
    fn look_ahead(&mut self, needed: &[bool]) -> Result<(), PlanError> {
        let ids = self.build.graph.ids().filter(|id| needed[id.0]);
        let key = |id| self.memory.keys(&self.build.graph.action(id).target);
        let keys: Vec<Key> = ids.filter_map(|id| Some(key(id)?.current)).collect();
        let store = self.build.store;
        let results = parallel::map(&keys, parallel::threads(), |key| store.result(*key));
        for (key, result) in keys.into_iter().zip(results) {
            self.read.insert(key, result?.map(Arc::new));
        }
        Ok(())
    }

    fn result(&self, key: Key) -> Result<Option<Arc<ActionResult>>, FileError> {
        match self.read.get(&key) {
            Some(known) => Ok(known.clone()),
            None => Ok(self.build.store.result(key)?.map(Arc::new)),
        }
    }

    fn encoding<T>(&self, id: ActionId, result: Result<T, NoEncoding>) -> Result<T, PlanError> {
        let target = || self.build.graph.action(id).target.clone();
        result.map_err(|source| PlanError::Encoding { target: target(), source })
    }

    fn visit(&mut self, id: ActionId) -> Result<(), PlanError> {
        let Some(resolved) = self.encoding(id, self.build.resolve(id, &self.results))? else {
            let files = self.build.missing_files(id);
            if !files.is_empty() {
                self.states[id.0] = State::FilesMissing { files };
                return Ok(());
            }
            let unknown = |producer: &ActionId| self.results[producer.0].is_none();
            let on = self.build.graph.producers(id).into_iter().filter(unknown).collect();
            self.states[id.0] = State::Waits { on };
            return Ok(());
        };
        let key = resolved.key;
        let result = self.result(key)?;
        self.states[id.0] = match &result {
            Some(_) => State::UpToDate { key },
            None => State::Runs { key, cause: self.cause(id, &resolved)? },
        };
        self.results[id.0] = result;
        // Explanations cost more than keys, so they are made where something is to be explained.
        let remembered = self.memory.keys(&self.build.graph.action(id).target);
        if remembered.is_none_or(|keys| keys.current != key) {
            self.snapshots[id.0] = Some(self.encoding(id, self.build.snapshot(id, &resolved))?);
        }
        Ok(())
    }

    fn cause(&mut self, id: ActionId, resolved: &Resolved) -> Result<Cause, PlanError> {
        let action = self.build.graph.action(id);
        let Some(before) = self.memory.snapshot(&action.target) else { return Ok(Cause::New) };
        let now = self.encoding(id, self.build.snapshot(id, resolved))?;
        Ok(if before.key == now.key {
            Cause::ResultLost
        } else {
            Cause::Changed { changes: cause::differences(&before, &now, &action.origins) }
        })
    }

    /// An up-to-date action must run after all if its bytes are asked for and gone.
    fn demand_bytes(&mut self, selected: &HashSet<ActionId>) {
        let lost = self.lost_outputs(selected);
        for id in self.build.graph.ids().rev() {
            match self.states[id.0] {
                State::NotNeeded => {}
                State::UpToDate { .. } => {
                    if let Some(output) = lost.get(&id) {
                        self.run_again(id, output.clone());
                        self.demand_inputs(id);
                    }
                }
                // One that waits may be cut off, or what it waits for may fail: the scheduler asks for the
                // bytes it reads once it is certain to run.
                State::FilesMissing { .. } | State::Waits { .. } => {}
                State::Runs { .. } => self.demand_inputs(id),
            }
        }
    }

    /// Of the selected actions that are up to date, those with an output whose bytes are gone.
    fn lost_outputs(&self, selected: &HashSet<ActionId>) -> HashMap<ActionId, String> {
        let is_done = |id: &ActionId| matches!(self.states[id.0], State::UpToDate { .. });
        let done: Vec<_> = selected.iter().copied().filter(is_done).collect();
        let (build, results) = (self.build, &self.results);
        let lost = parallel::map(&done, parallel::threads(), |id| {
            let result = results[id.0].as_ref()?;
            build.lost_output(result).map(ToOwned::to_owned)
        });
        done.into_iter().zip(lost).filter_map(|(id, lost)| Some((id, lost?))).collect()
    }

    fn demand_inputs(&mut self, id: ActionId) {
        for producer in self.build.producers_without_bytes(id, &self.results) {
            let lost =
                self.results[producer.0].as_ref().and_then(|result| self.build.lost_output(result));
            if let Some(output) = lost.map(ToOwned::to_owned) {
                self.run_again(producer, output);
            }
        }
    }

    fn run_again(&mut self, id: ActionId, output: String) {
        if let State::UpToDate { key } = self.states[id.0] {
            self.states[id.0] = State::Runs { key, cause: Cause::ObjectLost { output } };
        }
    }

    /// Seconds by the last receipt of the same target, else the mean of its kind.
    fn prices(&self) -> Result<Vec<Option<f64>>, PlanError> {
        let mut prices = vec![None; self.states.len()];
        let mut by_kind: HashMap<&str, Vec<f64>> = HashMap::new();
        for id in self.build.graph.ids() {
            if let Some(seconds) = self.last_seconds(id)? {
                by_kind.entry(self.build.graph.action(id).kind.name).or_default().push(seconds);
                prices[id.0] = Some(seconds);
            }
        }
        for id in self.build.graph.ids() {
            match self.states[id.0] {
                State::Runs { .. } | State::Waits { .. } | State::FilesMissing { .. } => {
                    let like = by_kind.get(self.build.graph.action(id).kind.name);
                    let mean = like.map(|all| all.iter().sum::<f64>() / all.len() as f64);
                    prices[id.0] = prices[id.0].or(mean);
                }
                State::NotNeeded | State::UpToDate { .. } => prices[id.0] = None,
            }
        }
        Ok(prices)
    }

    fn last_seconds(&self, id: ActionId) -> Result<Option<f64>, PlanError> {
        if let Some(result) = &self.results[id.0] {
            return Ok(Some(result.receipt.wall_seconds));
        }
        if matches!(self.states[id.0], State::NotNeeded) {
            return Ok(None);
        }
        let Some(keys) = self.memory.keys(&self.build.graph.action(id).target) else {
            return Ok(None);
        };
        let result = self.result(keys.current)?;
        Ok(result.map(|result| result.receipt.wall_seconds))
    }
}
