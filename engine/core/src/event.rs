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

/// One step of a run. As JSON, one object a line with the name under `event`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// `actions` are needed, `pending` of them run or may have to.
    RunStarted {
        actions: usize,
        pending: usize,
        expected_seconds: f64,
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
        hint: Option<String>,
        log: String,
    },
    RunFinished {
        ran: usize,
        cut_off: usize,
        up_to_date: usize,
        failed: usize,
        not_run: usize,
        seconds: f64,
    },
}
