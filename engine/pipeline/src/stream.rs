//! The event stream of a run: the lines that `run --json` prints and that the store keeps of the
//! last runs. [`schema`] describes them.

pub mod schema;

use std::time::{SystemTime, UNIX_EPOCH};

use mixmake_core::event::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// An event, and when it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    /// Seconds since 1970.
    pub time: f64,
    #[serde(flatten)]
    pub event: Event,
}

/// Why a run did not start, or did not go on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    pub event: RefusalTag,
    /// Seconds since 1970.
    pub time: f64,
    /// What happened.
    pub error: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The exit code.
    pub exit: u8,
    /// Located errors of the manifest, each with a message and labels of file, line and column.
    pub diagnostics: Option<Vec<Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalTag {
    Error,
}

impl Timed {
    #[must_use]
    pub fn now(event: Event) -> Self {
        Self { time: now(), event }
    }

    /// The line without its end.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Refusal {
    #[must_use]
    pub fn now(error: &Error) -> Self {
        let located = error.diagnostics.as_ref().map(|found| found.to_json());
        let diagnostics = match located {
            Some(Value::Array(items)) => Some(items),
            _ => None,
        };
        let (error, hint, exit) = (error.message.clone(), error.hint.clone(), error.exit as u8);
        Self { event: RefusalTag::Error, time: now(), error, hint, exit, diagnostics }
    }
}

/// Seconds since 1970, to the millisecond.
#[must_use]
pub fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1e3).round() / 1e3
}
