//! What the last runs of a workspace did, kept beside its memory as the lines of their event
//! streams: written while a run goes on, so that `status` and `log` can look over its shoulder.
//!
//! Losing it loses explanations, never results.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use mixmake_core::Key;
use mixmake_core::event::{Event, Progress};
use mixmake_core::lease::Holder;

use crate::stream::{Timed, now};

/// Runs that are remembered.
const KEPT: usize = 8;
/// Seconds between two lines about the progress of one action.
const PROGRESS_EVERY: f64 = 1.0;

/// Writes the lines of a run that goes on.
pub struct Recorder {
    file: File,
    last_progress: HashMap<String, f64>,
}

impl Recorder {
    /// Begins the record of this process's run; none where it cannot be written.
    #[must_use]
    pub fn start(workspace: &Path) -> Option<Self> {
        let folder = folder(workspace);
        let me = Holder::this_process("");
        let name = format!("{:.0}-{}-{}.jsonl", now() * 1e3, me.pid, me.process_start);
        let open = || {
            fs::create_dir_all(&folder)?;
            OpenOptions::new().create(true).append(true).open(folder.join(name))
        };
        let file = open().map_err(|error| tracing::warn!("this run is not recorded: {error}"));
        forget_old(&folder);
        Some(Self { file: file.ok()?, last_progress: HashMap::new() })
    }

    /// Keeps an event; of progress, one a second is enough.
    pub fn write(&mut self, event: &Event) {
        if let Event::ActionProgress { target, .. } = event {
            let (now, last) = (now(), self.last_progress.get(target).copied());
            if last.is_some_and(|last| now - last < PROGRESS_EVERY) {
                return;
            }
            self.last_progress.insert(target.clone(), now);
        }
        let line = format!("{}\n", Timed::now(event.clone()).to_text());
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            tracing::debug!("an event is not recorded: {error}");
        }
    }
}

fn folder(workspace: &Path) -> PathBuf {
    workspace.join("runs")
}

/// Removes the records of the oldest runs that are over.
fn forget_old(folder: &Path) {
    let over = names(folder).into_iter().rev().filter(|name| !name.is_live()).skip(KEPT - 1);
    for name in over {
        let _ = fs::remove_file(folder.join(&name.file));
    }
}

/// The name of a record: when the run started and which process it is.
struct Name {
    file: String,
    process: Holder,
}

impl Name {
    fn parse(file: String) -> Option<Self> {
        let mut parts = file.strip_suffix(".jsonl")?.split('-');
        let _started = parts.next()?;
        let (pid, process_start) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let process = Holder { pid, process_start, ..Holder::this_process("") };
        Some(Self { file, process })
    }

    fn is_live(&self) -> bool {
        !self.process.is_gone()
    }
}

/// Oldest first.
fn names(folder: &Path) -> Vec<Name> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: fs::DirEntry| Name::parse(entry.file_name().into_string().ok()?);
    let mut names: Vec<_> = entries.filter_map(Result::ok).filter_map(name).collect();
    names.sort_by(|one, other| one.file.cmp(&other.file));
    names
}

/// A run, as far as it came.
#[derive(Debug)]
pub struct Record {
    pub pid: u32,
    /// Seconds since 1970.
    pub started: f64,
    /// The process that runs it is there.
    pub live: bool,
    pub pending: usize,
    pub jobs: usize,
    pub expected_clock_seconds: f64,
    pub without_price: usize,
    /// When its last event was `run-finished`.
    pub finished: Option<f64>,
    pub interrupted: bool,
    /// What last became of each target.
    pub actions: BTreeMap<String, Fate>,
}

/// What became of an action in one run.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    Running {
        key: Key,
        since: f64,
        progress: Option<Progress>,
    },
    /// Another run does it.
    Held {
        holder: String,
    },
    CutOff {
        at: f64,
    },
    Finished {
        at: f64,
    },
    Failed {
        at: f64,
        key: Key,
        message: String,
        hint: Option<String>,
    },
}

impl Record {
    fn of(name: &Name, text: &str) -> Option<Self> {
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Timed>(line).ok());
        let first = lines.next()?;
        let Event::RunStarted { pending, jobs, expected_clock_seconds, without_price, .. } =
            first.event
        else {
            return None;
        };
        let mut record = Self {
            pid: name.process.pid,
            started: first.time,
            live: false,
            pending,
            jobs,
            expected_clock_seconds,
            without_price,
            finished: None,
            interrupted: false,
            actions: BTreeMap::new(),
        };
        lines.for_each(|line| record.learn(line));
        record.live = record.finished.is_none() && name.is_live();
        Some(record)
    }

    fn learn(&mut self, line: Timed) {
        let at = line.time;
        let (target, fate) = match line.event {
            Event::RunStarted { .. } | Event::RunStopping { .. } => return,
            Event::RunFinished { interrupted, .. } => {
                self.finished = Some(at);
                self.interrupted = interrupted;
                return;
            }
            Event::ActionProgress { target, progress: step } => {
                if let Some(Fate::Running { progress, .. }) = self.actions.get_mut(&target) {
                    *progress = Some(step);
                }
                return;
            }
            Event::ActionStarted { target, key, .. } => {
                (target, Fate::Running { key, since: at, progress: None })
            }
            Event::ActionHeld { target, holder } => (target, Fate::Held { holder }),
            Event::ActionCutOff { target, .. } => (target, Fate::CutOff { at }),
            Event::ActionFinished { target, .. } => (target, Fate::Finished { at }),
            Event::ActionFailed { target, key, message, hint, .. } => {
                (target, Fate::Failed { at, key, message, hint })
            }
        };
        self.actions.insert(target, fate);
    }

    /// Actions that are over: made, found or failed.
    #[must_use]
    pub fn ended(&self) -> usize {
        let is_over = |fate: &&Fate| !matches!(fate, Fate::Running { .. } | Fate::Held { .. });
        self.actions.values().filter(is_over).count()
    }
}

/// The last runs of the workspace whose state is in the folder, newest first.
#[must_use]
pub fn read(workspace: &Path) -> Vec<Record> {
    let folder = folder(workspace);
    let record = |name: &Name| {
        let bytes = fs::read(folder.join(&name.file)).ok()?;
        Record::of(name, &String::from_utf8_lossy(&bytes))
    };
    names(&folder).iter().rev().filter_map(record).collect()
}

/// What became of `target` in the newest run that had to do with it, and that run.
#[must_use]
pub fn fate<'a>(records: &'a [Record], target: &str) -> Option<(&'a Record, &'a Fate)> {
    records.iter().find_map(|record| Some((record, record.actions.get(target)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_bytes([byte; 32])
    }

    fn started(pending: usize) -> Event {
        Event::RunStarted {
            actions: pending,
            pending,
            expected_seconds: 0.0,
            expected_clock_seconds: 0.0,
            without_price: 0,
            jobs: 1,
        }
    }

    fn running(target: &str) -> Event {
        Event::ActionStarted { target: target.into(), kind: "k".into(), key: key(1) }
    }

    #[test]
    fn a_run_that_goes_on_can_be_watched() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let mut recorder = Recorder::start(place.path()).expect("recorded");
        recorder.write(&started(2));
        recorder.write(&running("a"));
        let step = |done| Event::ActionProgress {
            target: "a".into(),
            progress: Progress { done, total: 9, unit: "tokens".into(), note: String::new() },
        };
        recorder.write(&step(3));
        recorder.write(&step(4));
        let records = read(place.path());
        assert!(records[0].live && records[0].finished.is_none());
        let Some((_, Fate::Running { progress: Some(progress), .. })) = fate(&records, "a") else {
            panic!("{records:?}");
        };
        assert_eq!(progress.done, 3, "one line a second");
        assert!(fate(&records, "b").is_none());
    }

    #[test]
    fn a_torn_line_and_a_dead_process_are_no_trouble() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let mut recorder = Recorder::start(place.path()).expect("recorded");
        recorder.write(&started(1));
        recorder.write(&running("a"));
        let file = names(&folder(place.path())).remove(0).file;
        let text = fs::read_to_string(folder(place.path()).join(&file)).expect("read");
        fs::remove_file(folder(place.path()).join(&file)).expect("removed");
        let dead = folder(place.path()).join("1-1-1.jsonl");
        fs::write(&dead, format!("{text}{{\"time\": 1, \"eve")).expect("written");
        let records = read(place.path());
        assert_eq!(records.len(), 1);
        assert!(!records[0].live, "process 1 did not start at tick 1");
        assert!(matches!(records[0].actions["a"], Fate::Running { .. }));
    }

    #[test]
    fn old_runs_are_forgotten() {
        let place = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder(place.path())).expect("made");
        for run in 100..120 {
            let path = folder(place.path()).join(format!("{run}-1-1.jsonl"));
            fs::write(path, Timed::now(started(run)).to_text()).expect("written");
        }
        drop(Recorder::start(place.path()));
        let pending: Vec<_> = read(place.path()).iter().map(|record| record.pending).collect();
        assert_eq!(pending, [119, 118, 117, 116, 115, 114, 113]);
    }
}
