//! A store on a file system that is full: exit 1, the bytes, what to do; what is built is kept, and the next run
//! with room completes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::Workspace;
use crate::small;

/// A small file system in memory, gone when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// None, with a message, where this user may not mount one.
    fn mount(folder: PathBuf, bytes: u64) -> Option<Self> {
        fs::create_dir_all(&folder).expect("made");
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "mixmake-test"]).arg(&folder);
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => {
                eprintln!("skipped: this user may not mount a tmpfs");
                None
            }
        }
    }

    /// Takes all room but `left` bytes.
    fn fill(&self, left: u64) {
        self.empty();
        let room = rustix::fs::statvfs(&self.0).expect("a file system");
        let free = (room.f_bavail * room.f_frsize).saturating_sub(left);
        fs::write(self.0.join(".ballast"), vec![1; free as usize]).expect("written");
    }

    fn empty(&self) {
        let _ = fs::remove_file(self.0.join(".ballast"));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn on_tmpfs() -> Option<(Workspace, Tmpfs)> {
    let workspace = small::fresh();
    let disk = Tmpfs::mount(workspace.store(), 4 << 20)?;
    Some((workspace, disk))
}

#[test]
fn a_full_disk_is_said_with_its_bytes_and_keeps_what_is_built() {
    let Some((workspace, disk)) = on_tmpfs() else { return };
    let expected = {
        let elsewhere = small::fresh();
        elsewhere.run(&[]);
        elsewhere.results()
    };
    workspace.run(&["samples/alpha"]).ran_exactly(&["documents/alpha", "samples/alpha"]);
    // Wherever it gets full: in an action's output, in the store's own small files, in the memory of the workspace.
    let mut failures = 0;
    for left in [0, 4, 8, 12, 16, 24, 32, 48, 64, 96].map(|pages| pages * 1024) {
        disk.fill(left);
        let outcome = workspace.run_any(&["-k"]);
        if outcome.code == Some(0) {
            break;
        }
        failures += 1;
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert_eq!(outcome.code, Some(1), "{left} bytes left: {said}");
        for words in ["No space left on device", "free on its file system", "gc --dry-run"] {
            assert!(said.contains(words), "{left} bytes left, no `{words}` in {said}");
        }
        assert!(!outcome.ran().contains("samples/alpha"), "it was built before");
        disk.empty();
        workspace.mixmake(&["verify"]).expect(0);
    }
    assert!(failures > 3, "only {failures} runs met the full disk");
    disk.empty();
    let built = workspace.run(&[]).ran();
    assert!(!built.contains("samples/alpha"), "{built:?}");
    assert_eq!(workspace.results(), expected);
    workspace.mixmake(&["verify"]).expect(0);
}

/// Fails unless, at some fill level, the action itself meets the full disk and says `words`.
fn fails_saying(workspace: &Workspace, disk: &Tmpfs, target: &str, words: &str) {
    let mut said = Vec::new();
    for left in (2..64).map(|pages| pages * 4096) {
        disk.fill(left);
        let outcome = workspace.run_any(&[target]);
        let events = outcome.events();
        let failed = events.iter().find(|event| event["event"] == "action-failed");
        let message = failed.and_then(|event| event["message"].as_str()).unwrap_or_default();
        if message.contains(words) {
            return;
        }
        assert_eq!(outcome.code, Some(1), "{left} bytes were enough, after {said:#?}");
        said.push(message.to_owned());
    }
    panic!("no `{words}` in {said:#?}");
}

/// What an action had written when it failed is said, and removed: it would only take the room of what is to come.
#[test]
fn the_bytes_of_a_failed_action_are_said_and_given_back() {
    let Some((workspace, disk)) = on_tmpfs() else { return };
    fails_saying(&workspace, &disk, "samples/beta", "the action needs more than the");
    let work = crate::harness::files_below(&workspace.store().join("work"));
    assert_eq!(work, Vec::<PathBuf>::new(), "partial outputs stay");
    disk.empty();
    workspace.run(&[]);
    // The next time, the size of the last result says what is likely to be needed.
    small::write_beta(&workspace, 1);
    fails_saying(&workspace, &disk, "samples/beta", "its last result took");
}
