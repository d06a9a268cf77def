//! Where an action stands: what the plan says of its result, and what leases and the records of the last
//! runs say of the work on it.

use mixmake_core::graph::ActionId;
use mixmake_core::lease;
use mixmake_core::plan::{Plan, State};
use mixmake_core::{Key, event::Progress};
use serde::Serialize;

use crate::error::Result;
use crate::history::{self, Fate, Record};
use crate::ui::text::Tone;
use crate::workspace::Workspace;

/// Where one action stands now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "state")]
pub enum Standing {
    UpToDate {
        /// How long it took.
        seconds: f64,
    },
    Running {
        /// `HOST (process N)`.
        holder: String,
        /// Seconds since 1970, where it is known.
        since: Option<f64>,
        progress: Option<Progress>,
    },
    Failed {
        message: String,
        hint: Option<String>,
        at: f64,
    },
    /// A run ended while this ran.
    Stopped,
    FilesMissing,
    ToRun,
    /// Its key is known once others are done.
    Waits,
}

/// The questions that a run in progress and those before it answer.
pub struct Watch {
    pub records: Vec<Record>,
}

impl Watch {
    #[must_use]
    pub fn of(workspace: &Workspace) -> Self {
        Self { records: history::read(workspace.memory.folder()) }
    }

    /// The run that goes on now, in another process.
    #[must_use]
    pub fn live(&self) -> Option<&Record> {
        self.records.iter().find(|record| record.live)
    }

    /// Where `id` stands.
    pub fn standing(&self, workspace: &Workspace, plan: &Plan, id: ActionId) -> Result<Standing> {
        let target = workspace.target(id);
        Ok(match &plan.states[id.0] {
            State::UpToDate { .. } | State::NotNeeded => {
                let took = plan.results[id.0].as_ref().map(|result| result.receipt.wall_seconds);
                Standing::UpToDate { seconds: took.unwrap_or_default() }
            }
            State::FilesMissing { .. } => Standing::FilesMissing,
            State::Waits { .. } => self.waiting(target),
            State::Runs { key, .. } => match lease::is_held(&workspace.store.lease_path(*key))? {
                Some(holder) => {
                    let holder = format!("{} (process {})", holder.host, holder.pid);
                    self.running(target, *key, holder)
                }
                None => self.idle(target, *key),
            },
        })
    }

    /// One whose key is not known yet can still have failed with the key it had.
    fn waiting(&self, target: &str) -> Standing {
        match history::fate(&self.records, target) {
            Some((record, Fate::Running { since, progress, .. })) if record.live => {
                Standing::Running {
                    holder: format!("process {}", record.pid),
                    since: Some(*since),
                    progress: progress.clone(),
                }
            }
            _ => Standing::Waits,
        }
    }

    fn running(&self, target: &str, wanted: Key, holder: String) -> Standing {
        let known = match history::fate(&self.records, target) {
            Some((record, Fate::Running { key, since, progress }))
                if record.live && *key == wanted =>
            {
                Some((*since, progress.clone()))
            }
            _ => None,
        };
        let (since, progress) = known.map_or((None, None), |(since, step)| (Some(since), step));
        Standing::Running { holder, since, progress }
    }

    fn idle(&self, target: &str, wanted: Key) -> Standing {
        match history::fate(&self.records, target) {
            Some((_, Fate::Failed { at, key, message, hint })) if *key == wanted => {
                Standing::Failed { message: message.clone(), hint: hint.clone(), at: *at }
            }
            Some((record, Fate::Running { key, .. })) if *key == wanted => {
                // Its process may not have taken its lease yet, or just given it back.
                if record.live { self.waiting(target) } else { Standing::Stopped }
            }
            _ => Standing::ToRun,
        }
    }
}

impl Standing {
    /// In a word or two.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::UpToDate { .. } => "up to date",
            Self::Running { .. } => "running",
            Self::Failed { .. } => "failed",
            Self::Stopped => "stopped",
            Self::FilesMissing => "files missing",
            Self::ToRun => "to run",
            Self::Waits => "waiting",
        }
    }

    #[must_use]
    pub fn tone(&self) -> Tone {
        match self {
            Self::UpToDate { .. } => Tone::Good,
            Self::Running { .. } => Tone::Busy,
            Self::Failed { .. } | Self::Stopped | Self::FilesMissing => Tone::Bad,
            Self::ToRun => Tone::Pending,
            Self::Waits => Tone::Quiet,
        }
    }
}
