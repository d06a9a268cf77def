//! Writes checkpoints by a thread of its own: training waits for the copy to host memory alone.

use crate::checkpoint::{self, Snapshot};
use crate::error::TrainError;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// The checkpoints of one run.
#[derive(Debug)]
pub(crate) struct Saver {
    folder: Option<PathBuf>,
    writing: Option<(u64, JoinHandle<Result<(), TrainError>>)>,
    /// The step of the last checkpoint that is whole.
    last: Option<u64>,
}

impl Saver {
    /// For a run that writes to `folder`, if anywhere, and continues from the checkpoint of step `last`.
    pub fn new(folder: Option<&Path>, last: Option<u64>) -> Saver {
        Saver { folder: folder.map(Path::to_path_buf), writing: None, last }
    }

    pub fn last(&self) -> Option<u64> {
        self.last
    }

    pub fn is_wanted(&self) -> bool {
        self.folder.is_some()
    }

    /// Whether nothing is being written, so that [`start`](Self::start) would not wait.
    pub fn is_idle(&self) -> bool {
        self.writing.as_ref().is_none_or(|(_, thread)| thread.is_finished())
    }

    /// Starts to write the snapshot of `step`, once the one before is written.
    pub fn start(&mut self, step: u64, snapshot: Snapshot) -> Result<(), TrainError> {
        self.finish()?;
        if let Some(folder) = self.folder.clone() {
            let thread = std::thread::spawn(move || checkpoint::write(&folder, &snapshot));
            self.writing = Some((step, thread));
        }
        Ok(())
    }

    /// The step whose checkpoint has become whole since the last call, if one has.
    pub fn poll(&mut self) -> Result<Option<u64>, TrainError> {
        if self.writing.is_some() && self.is_idle() { self.finish() } else { Ok(None) }
    }

    /// Waits for what is being written; its step.
    pub fn finish(&mut self) -> Result<Option<u64>, TrainError> {
        let Some((step, thread)) = self.writing.take() else { return Ok(None) };
        let crashed = |_| Err(TrainError::Torch { detail: "writing a checkpoint crashed".into() });
        thread.join().unwrap_or_else(crashed)?;
        self.last = Some(step);
        Ok(Some(step))
    }
}
