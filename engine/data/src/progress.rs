//! What a long data step says about itself while it runs. Knows numbers; displays are the caller's.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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

    /// Runs `work` on other threads, those of rayon's global pool or as many as the caller's pool has, and reports from this
    /// one, whose observer need not be `Send`.
    pub fn watch<T: Send>(
        &self,
        observer: &mut dyn FnMut(Progress),
        work: impl FnOnce() -> T + Send,
    ) -> T {
        let watcher = std::thread::current();
        // A thread of a pool that waited here would be missing in it, so such a caller's work gets a pool as large. Other
        // callers share the global one: its threads keep their memory from step to step.
        let threads = rayon::current_thread_index().map(|_| rayon::current_num_threads());
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let _wake = WakeOnDrop { meter: self, watcher };
                let pool = threads.map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build());
                match pool {
                    Some(Ok(pool)) => pool.install(work),
                    // Or there are no threads left to the process.
                    Some(Err(_)) | None => rayon::scope(|_| work()),
                }
            });
            while !self.finished.load(Ordering::Acquire) {
                observer(self.read());
                std::thread::park_timeout(Duration::from_millis(100));
            }
            let result = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            observer(self.read());
            result
        })
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
