//! Ctrl-C and the children of a run: asked first, made to after a while, and never left behind.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job, Runner};
use mixmake_core::executor::{Cancel, Ended, Executor, LocalExecutor, Work};
use mixmake_core::{Cost, Key, Store};

const GRACE: Duration = Duration::from_secs(2);

struct Nothing;

impl Runner for Nothing {
    fn run(
        &self,
        _: &Job,
        _: &mut dyn FnMut(Progress),
    ) -> Result<BTreeMap<String, String>, Failure> {
        Ok(BTreeMap::new())
    }
}

/// Runs `script` as the program of an action, cancels once it is there, and says how it ended.
fn cancelled(folder: &Path, cost: Cost, script: &str) -> (Ended, Duration) {
    let program = folder.join("program");
    let ready = folder.join("ready");
    let text = format!(
        "#!/bin/sh\n{script}\necho $$ > {0}.new; mv {0}.new {0}\nwhile :; do sleep 0.02; done\n",
        ready.display()
    );
    fs::write(&program, text).expect("written");
    fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("made a program");
    let store = Store::open(&folder.join("store")).expect("opened");
    let version = "test".into();
    let (environment, grace) = (Vec::new(), GRACE);
    let idle = Default::default();
    let executor =
        LocalExecutor { store, runner: &Nothing, program, version, environment, grace, idle };
    let cancel = Cancel::default();
    let work = Work { cost, force: false, device: None, more: false, threads: 1 };
    let key = Key::from_bytes([1; 32]);
    std::thread::scope(|scope| {
        let action = scope.spawn(|| executor.execute(key, &work, &mut |_| {}, &cancel));
        while !ready.exists() {
            assert!(!action.is_finished(), "it ended before it was cancelled");
            std::thread::sleep(Duration::from_millis(5));
        }
        let asked = Instant::now();
        cancel.set();
        let ended = action.join().expect("no panic").expect_err("it gave no result");
        (ended, asked.elapsed())
    })
}

fn is_gone(folder: &Path) -> bool {
    let pid = fs::read_to_string(folder.join("ready")).expect("a pid");
    !Path::new("/proc").join(pid.trim()).exists()
}

#[test]
fn a_child_is_asked_to_stop_first() {
    for cost in [Cost::Alone, Cost::Heavy] {
        let folder = tempfile::tempdir().expect("a folder");
        let tidy = folder.path().join("tidied");
        let script = format!("trap 'touch {}; exit 1' TERM", tidy.display());
        let (ended, _) = cancelled(folder.path(), cost, &script);
        assert!(matches!(ended, Ended::Interrupted), "{ended}");
        assert!(tidy.exists(), "it had no time to tidy up");
        assert!(is_gone(folder.path()));
    }
}

#[test]
fn a_child_that_does_not_listen_is_made_to_stop() {
    for cost in [Cost::Alone, Cost::Heavy] {
        let folder = tempfile::tempdir().expect("a folder");
        let (ended, after) = cancelled(folder.path(), cost, "trap '' TERM INT HUP");
        assert!(matches!(ended, Ended::Interrupted), "{ended}");
        assert!(after >= GRACE, "it had only {after:?}");
        assert!(is_gone(folder.path()));
    }
}
