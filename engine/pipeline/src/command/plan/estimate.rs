//! How long a plan takes on the clock: its prices played through with the threads and devices that a
//! run has, in the order in which the scheduler starts actions.

use std::collections::{BTreeSet, HashMap};

use mixmake_core::plan::{Plan, State};
use mixmake_core::scheduler::RunOptions;
use mixmake_core::share::{self, Claim, Threads};
use mixmake_core::turn::Turn;
use mixmake_core::{ActionId, Graph};

/// Actions that the plan's selection needs.
#[must_use]
pub fn needed(plan: &Plan) -> usize {
    plan.states.iter().filter(|state| !matches!(state, State::NotNeeded)).count()
}

/// Seconds until the `pending` actions are done, at `prices` by action; those without one count as
/// nothing.
#[must_use]
pub fn clock(
    graph: &Graph,
    pending: &[ActionId],
    prices: &[Option<f64>],
    options: &RunOptions,
) -> f64 {
    let mut play = Play::new(graph, pending, prices, options);
    play.start();
    while play.end_first() {
        play.start();
    }
    play.now
}

/// A running action.
struct Running {
    end: f64,
    id: ActionId,
    threads: usize,
}

struct Play<'a> {
    graph: &'a Graph,
    prices: &'a [Option<f64>],
    jobs: usize,
    free: HashMap<&'static str, usize>,
    dependents: Vec<Vec<ActionId>>,
    /// Pending actions that each pending action still waits for.
    waits: Vec<usize>,
    ready: BTreeSet<Turn>,
    running: Vec<Running>,
    busy: usize,
    now: f64,
}

impl<'a> Play<'a> {
    fn new(
        graph: &'a Graph,
        pending: &[ActionId],
        prices: &'a [Option<f64>],
        options: &RunOptions,
    ) -> Self {
        let pending: BTreeSet<_> = pending.iter().copied().collect();
        let mut waits = vec![0; graph.len()];
        let mut ready = BTreeSet::new();
        for &id in &pending {
            let producers = graph.producers(id);
            waits[id.0] = producers.iter().filter(|producer| pending.contains(producer)).count();
            if waits[id.0] == 0 {
                ready.insert(turn(graph, prices, id));
            }
        }
        Self {
            graph,
            prices,
            jobs: options.jobs.max(1),
            free: options.pools.clone(),
            dependents: graph.dependents(),
            waits,
            ready,
            running: Vec::new(),
            busy: 0,
            now: 0.0,
        }
    }

    fn needs(&self, id: ActionId) -> usize {
        share::needs(self.graph.action(id), self.jobs)
    }

    fn fits(&self, id: ActionId) -> bool {
        let pool = self.graph.action(id).pool.and_then(|pool| self.free.get(pool));
        let threads = self.busy == 0 || self.busy + self.needs(id) <= self.jobs;
        threads && pool.is_none_or(|free| *free > 0)
    }

    fn start(&mut self) {
        while let Some(&chosen) = self.ready.iter().find(|turn| self.fits(turn.id())) {
            self.ready.remove(&chosen);
            let id = chosen.id();
            let threads = self.takes(chosen);
            self.busy += threads;
            self.give(id, false);
            let end = self.now + self.prices[id.0].unwrap_or(0.0);
            self.running.push(Running { end, id, threads });
        }
    }

    /// As the scheduler, which goes by bytes; here the price says how much work it is.
    fn takes(&self, turn: Turn) -> usize {
        let claim = |turn: &Turn| Claim { needs: self.needs(turn.id()), work: turn.work() };
        let threads = Threads { jobs: self.jobs, busy: self.busy };
        let waiting = self.ready.iter().map(claim);
        share::takes(self.graph.action(turn.id()), turn.work(), threads, waiting)
    }

    fn give(&mut self, id: ActionId, back: bool) {
        let pool = self.graph.action(id).pool.and_then(|pool| self.free.get_mut(pool));
        if let Some(free) = pool {
            *free = if back { *free + 1 } else { free.saturating_sub(1) };
        }
    }

    /// Goes on to when the first running action ends; false where none runs.
    fn end_first(&mut self) -> bool {
        let ends = self.running.iter().enumerate();
        let first = ends.min_by(|(_, a), (_, b)| a.end.total_cmp(&b.end).then(a.id.cmp(&b.id)));
        let Some(place) = first.map(|(place, _)| place) else { return false };
        let Running { end, id, threads } = self.running.swap_remove(place);
        self.now = end;
        self.busy -= threads;
        self.give(id, true);
        for &dependent in &self.dependents[id.0] {
            if self.waits[dependent.0] > 0 {
                self.waits[dependent.0] -= 1;
                if self.waits[dependent.0] == 0 {
                    self.ready.insert(turn(self.graph, self.prices, dependent));
                }
            }
        }
        true
    }
}

/// As the scheduler, with the price for the bytes.
fn turn(graph: &Graph, prices: &[Option<f64>], id: ActionId) -> Turn {
    Turn::of(graph.action(id), id, || work(prices, id))
}

/// In microseconds.
fn work(prices: &[Option<f64>], id: ActionId) -> u64 {
    (prices[id.0].unwrap_or(0.0) * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use mixmake_core::{Action, Cost, Input, Kind, OutputSpec, Source};

    /// Actions by threads, pool and the actions they read from.
    fn graph(actions: &[(usize, Option<&'static str>, &[usize])]) -> Graph {
        let mut graph = Graph::default();
        for (place, (threads, pool, reads)) in actions.iter().enumerate() {
            let input = |from: &usize| Input {
                role: "input",
                source: Source::output(ActionId(*from), "out"),
                attributes: serde_json::Map::new(),
            };
            let action = Action {
                target: place.to_string(),
                kind: Kind { name: "test", version: 1 },
                params: serde_json::Map::new(),
                inputs: reads.iter().map(input).collect(),
                outputs: vec![OutputSpec::new("out")],
                cost: Cost::Heavy,
                threads: *threads,
                pool: *pool,
                origins: std::collections::BTreeMap::new(),
            };
            graph.add(action).expect("added");
        }
        graph
    }

    fn check(
        actions: &[(usize, Option<&'static str>, &[usize])],
        prices: &[f64],
        jobs: usize,
        gpus: usize,
        expected: f64,
    ) {
        let graph = graph(actions);
        let prices: Vec<_> = prices.iter().map(|price| Some(*price)).collect();
        let pending: Vec<_> = graph.ids().collect();
        let pools = [("gpu", gpus)].into_iter().collect();
        let options = RunOptions { jobs, keep_going: false, pools };
        let found = clock(&graph, &pending, &prices, &options);
        assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
    }

    #[test]
    fn threads_devices_and_order_bound_the_clock() {
        // Independent ones share the threads.
        check(&[(1, None, &[]), (1, None, &[]), (1, None, &[])], &[3.0, 2.0, 1.0], 2, 0, 3.0);
        check(&[(1, None, &[]), (1, None, &[]), (1, None, &[])], &[3.0, 2.0, 1.0], 1, 0, 6.0);
        // A chain is never faster than its sum.
        check(&[(1, None, &[]), (1, None, &[0]), (1, None, &[1])], &[1.0, 2.0, 3.0], 8, 0, 6.0);
        // One that wants all threads runs alone; one that is worth them leaves one to another.
        check(&[(usize::MAX, None, &[]), (1, None, &[])], &[2.0, 2.0], 4, 0, 4.0);
        check(&[(4, None, &[]), (1, None, &[])], &[2.0, 2.0], 4, 0, 2.0);
        // One device, whatever the threads.
        check(&[(1, Some("gpu"), &[]), (1, Some("gpu"), &[])], &[2.0, 2.0], 4, 1, 4.0);
        check(&[(1, Some("gpu"), &[]), (1, Some("gpu"), &[])], &[2.0, 2.0], 4, 2, 2.0);
    }
}
