//! The shortest way through the graph from the action where a cause is to the one that is asked about.

use std::collections::{HashMap, VecDeque};

use mixmake_core::graph::{ActionId, Graph};

/// Actions from one of `from` to `to`, both included, each read by the next; none where no way leads there.
#[must_use]
pub fn shortest(graph: &Graph, from: &[ActionId], to: ActionId) -> Option<Vec<ActionId>> {
    // Backwards from the end, so that the links lead forwards.
    let mut next: HashMap<ActionId, ActionId> = HashMap::new();
    let mut open = VecDeque::from([to]);
    while let Some(id) = open.pop_front() {
        if from.contains(&id) {
            let way = std::iter::successors(Some(id), |id| (*id != to).then(|| next[id]));
            return Some(way.collect());
        }
        for producer in graph.producers(id) {
            if producer != to && !next.contains_key(&producer) {
                next.insert(producer, id);
                open.push_back(producer);
            }
        }
    }
    None
}
