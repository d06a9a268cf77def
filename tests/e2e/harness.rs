//! A folder to work in, the binary to work with, and what it answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything awaited here may take: far longer than it does, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a manifest, its text and its store.
pub struct Workspace {
    /// Only kept so that the folder goes with it.
    _owner: TempDir,
    pub folder: PathBuf,
}

impl Workspace {
    pub fn new() -> Self {
        let owner = tempfile::tempdir().expect("a temporary folder");
        let folder = owner.path().join("study");
        fs::create_dir(&folder).expect("made");
        Self { _owner: owner, folder }
    }

    pub fn with_manifest(manifest: &str) -> Self {
        let workspace = Self::new();
        workspace.write("mixmake.toml", manifest);
        workspace
    }

    /// A copy of everything but `out`, whose links point at the original's store.
    pub fn copy_of(folder: &Path) -> Self {
        let copy = Self::new();
        copy_folder(folder, &copy.folder, &["out"]);
        copy
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path(".mixmake")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders made");
        fs::write(path, content).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Replaces the one place of the manifest that says `from`.
    pub fn edit(&self, from: &str, to: &str) {
        let manifest = self.read("mixmake.toml");
        assert_eq!(manifest.matches(from).count(), 1, "`{from}` in the manifest");
        self.write("mixmake.toml", manifest.replace(from, to));
    }

    pub fn command<I: AsRef<std::ffi::OsStr>>(&self, arguments: &[I]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mixmake"));
        command.args(arguments).current_dir(&self.folder);
        for variable in ["MIXMAKE_STORE", "MIXMAKE_LOG", "MIXMAKE_OFFLINE", "NO_COLOR"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the binary here.
    pub fn mixmake(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments).output().expect("started"))
    }

    /// `run --json`, which must succeed.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_any(arguments).expect(0)
    }

    /// `run --json`, however it ends.
    pub fn run_any(&self, arguments: &[&str]) -> Outcome {
        self.mixmake(&[&["run", "--json"], arguments].concat())
    }

    /// Starts the binary as the leader of a process group of its own.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments))
    }

    /// Digests of the lock file by `target/output`.
    pub fn results(&self) -> BTreeMap<String, String> {
        self.locked("result")
    }

    /// Digests of the lock file by path.
    pub fn inputs(&self) -> BTreeMap<String, String> {
        self.locked("input")
    }

    fn locked(&self, kind: &str) -> BTreeMap<String, String> {
        let lock = self.read("mixmake.lock");
        let facts = lock.lines().map(|line| line.splitn(3, ' ').collect::<Vec<_>>());
        facts
            .filter(|fact| fact[0] == kind)
            .map(|fact| (fact[2].to_owned(), fact[1].to_owned()))
            .collect()
    }
}

/// What a command answered.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Fails with all that was said unless the exit code is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless standard error has each of `words`.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in\n{}", self.stderr);
        }
        self
    }

    /// The lines of standard output, each of which must be JSON.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Targets of the events of that name, in their order.
    #[track_caller]
    pub fn targets(&self, event: &str) -> Vec<String> {
        let events = self.events();
        let of_that_name = events.iter().filter(|found| found["event"] == event);
        of_that_name.map(|found| found["target"].as_str().expect("a target").to_owned()).collect()
    }

    /// Targets whose work was done.
    #[track_caller]
    pub fn ran(&self) -> BTreeSet<String> {
        self.targets("action-finished").into_iter().collect()
    }

    /// Targets that turned out to have nothing to do.
    #[track_caller]
    pub fn cut_off(&self) -> BTreeSet<String> {
        self.targets("action-cut-off").into_iter().collect()
    }

    /// Fails unless exactly `targets` ran.
    #[track_caller]
    pub fn ran_exactly(&self, targets: &[&str]) {
        assert_eq!(self.ran(), set(targets), "what ran; events:\n{}", self.stdout);
    }
}

/// A command that is under way.
pub struct Running(Child);

impl Running {
    /// Starts a command as the leader of a process group of its own.
    pub fn of(mut command: Command) -> Self {
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("started"))
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).expect("a pid")).expect("not 0")
    }

    /// `kill -9` of it and of all its children, as a power cut would.
    pub fn kill_group(&self) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(self.group(), Signal::KILL);
    }

    /// Sends a signal to it and all of its children, as a terminal's Ctrl-C does.
    pub fn signal_group(&self, signal: Signal) {
        rustix::process::kill_process_group(self.group(), signal).expect("it is running");
    }

    /// Sends a signal to the process only, as `kill PID` does.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.group(), signal).expect("it is running");
    }

    /// As [`Running::signal`], to one that may have ended.
    pub fn signal_if_there(&self, signal: Signal) {
        let _ = rustix::process::kill_process(self.group(), signal);
    }

    /// Reads events until one satisfies `wanted`.
    pub fn wait_for_event(&mut self, wanted: impl Fn(&Value) -> bool) {
        self.collect_until(&mut Vec::new(), wanted);
    }

    /// Reads events into `seen` until one satisfies `wanted`.
    pub fn collect_until(&mut self, seen: &mut Vec<Value>, wanted: impl Fn(&Value) -> bool) {
        use std::io::Read;
        let stdout = self.0.stdout.as_mut().expect("piped");
        let mut line = Vec::new();
        let mut byte = [0];
        while stdout.read(&mut byte).expect("read") == 1 {
            if byte[0] != b'\n' {
                line.push(byte[0]);
                continue;
            }
            let event = serde_json::from_slice(&line).expect("an event");
            let is_wanted = wanted(&event);
            seen.push(event);
            if is_wanted {
                return;
            }
            line.clear();
        }
        panic!("it ended before the event");
    }

    /// Waits until it ends or `instant` has come; true if it ended.
    pub fn ended_before(&mut self, instant: Instant) -> bool {
        while Instant::now() < instant {
            if self.0.try_wait().expect("asked").is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    pub fn wait(self) -> Outcome {
        Outcome::of(self.0.wait_with_output().expect("ended"))
    }
}

/// Polls until `condition` holds.
#[track_caller]
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Every file below `folder`, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("listed").path())
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect();
    files.sort();
    files
}

pub fn copy_folder(from: &Path, to: &Path, without: &[&str]) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed");
        let (name, path) = (entry.file_name(), entry.path());
        if without.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if path.is_dir() {
            copy_folder(&path, &to.join(name), &[]);
        } else {
            fs::copy(&path, to.join(name)).expect("copied");
        }
    }
}
