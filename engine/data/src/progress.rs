//! What a long data step says about itself while it runs. Knows numbers; displays are the caller's.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rayon::ThreadPool;

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Work done so far.
    pub done: u64,
    /// All the work; may still grow a little.
    pub total: u64,
    /// What is counted.
    pub work: Work,
}

/// The unit of a [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Bytes of source files as stored (compressed where they are).
    Bytes,
    /// Documents.
    Documents,
    /// Samples.
    Samples,
}

/// Counts work done by other threads.
#[derive(Debug)]
pub(crate) struct Meter {
    done: AtomicU64,
    finished: AtomicBool,
    total: u64,
    work: Work,
}

impl Meter {
    pub fn new(total: u64, work: Work) -> Self {
        Self { done: AtomicU64::new(0), finished: AtomicBool::new(false), total, work }
    }

    pub fn add(&self, done: u64) {
        self.done.fetch_add(done, Ordering::Relaxed);
    }

    fn read(&self) -> Progress {
        let done = self.done.load(Ordering::Relaxed);
        Progress { done, total: self.total.max(done), work: self.work }
    }

    /// Runs `work` on other threads, as many as the caller's rayon pool has, and reports from this one, whose observer need
    /// not be `Send`.
    pub fn watch<T: Send>(
        &self,
        observer: &mut dyn FnMut(Progress),
        work: impl FnOnce() -> T + Send,
    ) -> T {
        let Some(pool) = spare_pool(rayon::current_num_threads()) else {
            // No threads left to the process but those there are.
            let result = work();
            observer(self.read());
            return result;
        };
        let watcher = std::thread::current();
        let mut result = None;
        pool.in_place_scope(|scope| {
            scope.spawn(|_| {
                let _wake = WakeOnDrop { meter: self, watcher };
                result = Some(work());
            });
            while !self.finished.load(Ordering::Acquire) {
                observer(self.read());
                std::thread::park_timeout(Duration::from_millis(100));
            }
        });
        keep(pool);
        observer(self.read());
        match result {
            Some(result) => result,
            None => unreachable!("a scope ends with its work, or panics as that did"),
        }
    }
}

/// Pools that worked and wait for the next step: their threads keep their memory. Mostly all steps of a process have as many
/// threads.
static SPARE: Mutex<Vec<ThreadPool>> = Mutex::new(Vec::new());
const SPARE_MAX: usize = 2;

/// A pool of so many threads, not the caller's: one of its threads waits. `None` where it cannot be made.
fn spare_pool(threads: usize) -> Option<ThreadPool> {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    match spare.iter().position(|pool| pool.current_num_threads() == threads) {
        Some(place) => Some(spare.swap_remove(place)),
        None => rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok(),
    }
}

fn keep(pool: ThreadPool) {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    spare.push(pool);
    if spare.len() > SPARE_MAX {
        spare.remove(0);
    }
}

/// Ends the watch even where the work panics, so that a defect is seen and not waited for.
struct WakeOnDrop<'a> {
    meter: &'a Meter,
    watcher: std::thread::Thread,
}

impl Drop for WakeOnDrop<'_> {
    fn drop(&mut self) {
        self.meter.finished.store(true, Ordering::Release);
        self.watcher.unpark();
    }
}
