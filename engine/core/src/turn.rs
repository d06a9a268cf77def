//! In what order actions that can start do so; the scheduler and the estimate of a run's time ask the same.

use std::cmp::Reverse;

use crate::action::{Action, Cost};
use crate::graph::ActionId;

/// An action that can start, by its turn, then as in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(Class, Reverse<u64>, ActionId);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Light,
    /// It waits for a network or a command, and others wait for what it makes of nothing.
    WithoutInputs,
    /// The most work first, so that no long one is left for the end.
    ByWork,
}

impl Turn {
    /// `work` is how much work it is beside others, in any unit, asked where it matters.
    pub fn of(action: &Action, id: ActionId, work: impl FnOnce() -> u64) -> Self {
        match action.cost {
            Cost::Light => Self(Class::Light, Reverse(0), id),
            _ if action.inputs.is_empty() => Self(Class::WithoutInputs, Reverse(0), id),
            _ => Self(Class::ByWork, Reverse(work()), id),
        }
    }

    #[must_use]
    pub fn id(&self) -> ActionId {
        self.2
    }

    /// 0 where the turn does not go by it.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{Input, Kind, Source};

    #[test]
    fn light_ones_then_those_without_inputs_then_the_most_work() {
        let turn = |cost, reads: bool, work, id| {
            let input = Input {
                role: "input",
                source: Source::output(ActionId(0), "out"),
                attributes: serde_json::Map::new(),
            };
            let action = Action {
                target: "a".into(),
                kind: Kind { name: "test", version: 1 },
                params: serde_json::Map::new(),
                inputs: if reads { vec![input] } else { Vec::new() },
                outputs: Vec::new(),
                cost,
                threads: 1,
                pool: None,
                origins: std::collections::BTreeMap::new(),
            };
            Turn::of(&action, ActionId(id), || work)
        };
        let mut turns = [
            turn(Cost::Heavy, true, 5, 1),
            turn(Cost::Alone, true, 9, 5),
            turn(Cost::Heavy, true, 9, 2),
            turn(Cost::Heavy, false, 0, 3),
            turn(Cost::Light, true, 99, 4),
        ];
        turns.sort();
        assert_eq!(turns.map(|turn| turn.id().0), [4, 3, 2, 5, 1]);
        assert_eq!(turns.map(|turn| turn.work()), [0, 0, 9, 9, 5]);
    }
}
