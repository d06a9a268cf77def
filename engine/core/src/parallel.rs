//! The same small question of many things, on several threads.

/// Below this many, starting threads costs more than it saves.
const WORTH_A_THREAD: usize = 256;

/// `ask` of every item, in order.
pub fn map<T: Sync, R: Send>(items: &[T], threads: usize, ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(items.len() / WORTH_A_THREAD);
    if threads < 2 {
        return items.iter().map(ask).collect();
    }
    let ask = &ask;
    let answers = std::thread::scope(|scope| {
        let chunks = items.chunks(items.len().div_ceil(threads));
        let started: Vec<_> = chunks
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
        for count in [0, 1, 600, 5000] {
            let items: Vec<usize> = (0..count).collect();
            let expected: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(map(&items, 7, |item| item * 2), expected);
        }
    }
}
