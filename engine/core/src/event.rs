//! What a run tells while it runs; displays consume it, the engine never prints.

use serde::{Deserialize, Serialize};

use crate::digest::Key;

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
    /// What is counted: `tokens`, `documents`, `bytes`.
    pub unit: String,
    /// A few words more: `loss 4.21`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// One step of a run. As JSON, an object with the name under `event`.
///
/// The scheduler tells what becomes of actions; whoever runs it (perhaps more than once for one
/// command) tells when the run starts and how it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "event")]
pub enum Event {
    /// The first event: `actions` are needed, `pending` of them run or may have to.
    RunStarted {
        actions: usize,
        pending: usize,
        /// Work by the receipts of earlier runs, the sum over actions.
        expected_seconds: f64,
        /// The same on the clock, with `jobs` threads.
        expected_clock_seconds: f64,
        /// Pending actions of which no receipt gives a price.
        without_price: usize,
        /// Threads that may be busy at once.
        jobs: usize,
    },
    ActionStarted {
        target: String,
        kind: String,
        key: Key,
    },
    ActionProgress {
        target: String,
        progress: Progress,
    },
    /// Nothing to do after all: its inputs came out as before, or another target or run with the
    /// same key made the result meanwhile.
    ActionCutOff {
        target: String,
        key: Key,
    },
    ActionFinished {
        target: String,
        key: Key,
        seconds: f64,
    },
    /// Another run on the same store does it; waiting for that.
    ActionHeld {
        target: String,
        holder: String,
    },
    ActionFailed {
        target: String,
        key: Key,
        message: String,
        /// What to do about it.
        hint: Option<String>,
        /// Path of what its process wrote to standard error.
        log: String,
    },
    /// A signal came: nothing new is started, and what runs is asked to stop.
    RunStopping {
        /// Actions under way.
        running: usize,
    },
    /// The last event of a run that started, however it ended.
    RunFinished {
        ran: usize,
        cut_off: usize,
        up_to_date: usize,
        failed: usize,
        /// Actions that could have run and did not.
        not_run: usize,
        /// A signal ended it.
        interrupted: bool,
        seconds: f64,
    },
}
