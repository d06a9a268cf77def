//! The same small question of many things, on several threads.

/// Below this many, starting threads costs more than it saves.
const WORTH_A_THREAD: usize = 256;

/// `ask` of every item, in order.
pub fn map<T: Sync, R: Send>(items: &[T], threads: usize, ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(items.len() / WORTH_A_THREAD);
    if threads < 2 {
        return items.iter().map(ask).collect();
    }
    in_chunks(items, items.len().div_ceil(threads), &ask)
}

/// A thread a chunk.
fn in_chunks<T: Sync, R: Send>(
    items: &[T],
    size: usize,
    ask: &(impl Fn(&T) -> R + Sync),
) -> Vec<R> {
    let answers = std::thread::scope(|scope| {
        let started: Vec<_> = items
            .chunks(size)
            .map(|chunk| scope.spawn(move || chunk.iter().map(ask).collect::<Vec<_>>()))
            .collect();
        started.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let whole = answers.into_iter().flat_map(|chunk| match chunk {
        Ok(chunk) => chunk,
        Err(panic) => std::panic::resume_unwind(panic),
    });
    whole.collect()
}

/// How many questions wait for a device at once.
const MOST_AT_ONCE: usize = 8;

/// `ask` of every item, in order, where an answer is waited for and not computed: a disk takes many syncs at once in little
/// more time than one.
pub fn at_once<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() < 2 {
        return items.iter().map(ask).collect();
    }
    in_chunks(items, items.len().div_ceil(MOST_AT_ONCE), &ask)
}

/// Threads of this machine.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order() {
        for count in [0, 1, 5, 600, 5000] {
            let items: Vec<usize> = (0..count).collect();
            let expected: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(map(&items, 7, |item| item * 2), expected);
            assert_eq!(at_once(&items, |item| item * 2), expected);
        }
    }
}
