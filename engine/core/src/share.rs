//! How many of a run's threads an action takes. Knows numbers; who decides when is the scheduler, and the estimate of a run's
//! time does the same.

use crate::action::{Action, Cost};

/// An action that can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Threads that must be free for it.
    pub needs: usize,
    /// How much work it is beside others, in any unit.
    pub work: u64,
}

/// Threads of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// All that may be in use.
    pub jobs: usize,
    /// Those that running actions have taken.
    pub busy: usize,
}

/// Threads that must be free for an action to start: a heavy one makes do with one, unless it is to have them all, since two of
/// its kind need too much memory.
#[must_use]
pub fn needs(action: &Action, jobs: usize) -> usize {
    match action.cost {
        Cost::Heavy if action.threads < usize::MAX => 1,
        Cost::Heavy => jobs.max(1),
        Cost::Light | Cost::Command | Cost::Alone => action.threads.clamp(1, jobs.max(1)),
    }
}

/// Threads that it takes, where `waiting` can start too. A heavy one gets its part of the free ones by its work, or those
/// that nothing else needs if these are more: two actions beside each other get more done than one after the other on two
/// threads each, but a large one must not be left with one thread when all small ones are done.
#[must_use]
pub fn takes(
    action: &Action,
    work: u64,
    threads: Threads,
    waiting: impl Iterator<Item = Claim> + Clone,
) -> usize {
    let needs = needs(action, threads.jobs);
    if action.cost != Cost::Heavy {
        return needs;
    }
    let free = threads.jobs.saturating_sub(threads.busy).max(needs);
    // Of very many the first, which are the largest, are enough to leave it no more than it needs.
    let others = waiting.clone().take(threads.jobs.saturating_mul(4));
    let all: u128 = others.map(|claim| u128::from(claim.work)).sum();
    let part = free as u128 * u128::from(work) / (all + u128::from(work)).max(1);
    let part = usize::try_from(part).unwrap_or(free);
    let rest = needs + spare(Threads { busy: threads.busy + needs, ..threads }, waiting);
    part.max(rest).min(action.threads.max(1)).min(free)
}

/// Threads that nobody has a use for now.
#[must_use]
pub fn spare(threads: Threads, waiting: impl Iterator<Item = Claim>) -> usize {
    let mut spare = threads.jobs.saturating_sub(threads.busy);
    for claim in waiting {
        if spare == 0 {
            break;
        }
        spare = spare.saturating_sub(claim.needs);
    }
    spare
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Kind;

    fn action(cost: Cost, threads: usize) -> Action {
        Action {
            target: "a".into(),
            kind: Kind { name: "test", version: 1 },
            params: serde_json::Map::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            cost,
            threads,
            pool: None,
            origins: std::collections::BTreeMap::new(),
        }
    }

    /// Of a heavy action worth four threads, with work 10 beside others that need one each.
    fn taken(jobs: usize, busy: usize, others: &[u64]) -> usize {
        let waiting = others.iter().map(|&work| Claim { needs: 1, work });
        takes(&action(Cost::Heavy, 4), 10, Threads { jobs, busy }, waiting)
    }

    #[test]
    fn a_heavy_action_takes_what_is_spare_and_it_is_worth() {
        assert_eq!(needs(&action(Cost::Heavy, 4), 8), 1);
        assert_eq!(taken(8, 0, &[]), 4, "all that it is worth");
        assert_eq!(taken(8, 6, &[]), 2, "all that there are");
        assert_eq!(taken(8, 0, &[10; 6]), 2, "what others leave");
        assert_eq!(taken(2, 0, &[10; 6]), 1);
        assert_eq!(taken(1, 0, &[]), 1);
        assert_eq!(taken(2, 5, &[]), 1, "more are taken than there are");
    }

    #[test]
    fn a_large_one_takes_its_part_of_the_work() {
        assert_eq!(taken(4, 0, &[1; 3]), 3);
        assert_eq!(taken(4, 2, &[1; 3]), 1);
        assert_eq!(taken(8, 0, &[10]), 4);
        assert_eq!(taken(4, 0, &[0; 9]), 4, "others are hardly any work");
        assert_eq!(taken(4, 0, &[1000, 1000]), 2, "two others leave two");
    }

    #[test]
    fn odd_numbers_are_no_matter() {
        let none = || std::iter::empty();
        let threads = Threads { jobs: 8, busy: 1 };
        assert_eq!(takes(&action(Cost::Heavy, usize::MAX - 1), u64::MAX, threads, none()), 7);
        let most_threads = Threads { jobs: usize::MAX, busy: 1 };
        assert_eq!(takes(&action(Cost::Heavy, 3), 1, most_threads, none()), 3);
        assert_eq!(takes(&action(Cost::Heavy, 0), 0, threads, none()), 1);
        let most = [Claim { needs: usize::MAX, work: u64::MAX }; 3];
        assert_eq!(takes(&action(Cost::Heavy, 9), 1, threads, most.into_iter()), 1);
    }

    #[test]
    fn one_that_is_to_have_all_waits_for_them() {
        let all = action(Cost::Heavy, usize::MAX);
        assert_eq!((needs(&all, 8), needs(&all, 0)), (8, 1));
        let others = [Claim { needs: 1, work: 99 }; 3].into_iter();
        assert_eq!(takes(&all, 1, Threads { jobs: 8, busy: 0 }, others), 8);
    }

    #[test]
    fn others_take_what_they_say() {
        for cost in [Cost::Command, Cost::Alone, Cost::Light] {
            let four = action(cost, 4);
            assert_eq!((needs(&four, 8), needs(&four, 2)), (4, 2));
            let waiting = [Claim { needs: 5, work: 9 }].into_iter();
            assert_eq!(takes(&four, 1, Threads { jobs: 8, busy: 6 }, waiting), 4);
        }
    }
}
