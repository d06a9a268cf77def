//! Ctrl-C: exit 130 (143 by SIGTERM), what is finished is kept, and the next run goes on from there.

use rustix::process::Signal;

use crate::harness::{Workspace, eventually};
use crate::{serving, study};

#[test]
fn an_interrupted_run_keeps_what_is_finished() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let workspace = serving::with_a_waiting_step();
        let running = workspace.start(&["run", "--json", "-j", "1"]);
        eventually("the step runs", || workspace.path("started").exists());
        running.signal(signal);
        let outcome = running.wait().expect(code);
        assert!(!outcome.ran().contains("samples/beta"));

        let is_linked = |target: &str| workspace.path("out").join(target).exists();
        assert!(is_linked("samples/alpha"), "what is finished is shown in `out`");
        workspace.write("go", "");
        let ran = workspace.run(&[]).ran();
        let again = ["documents/alpha", "samples/alpha"];
        assert!(again.iter().all(|target| !ran.contains(*target)), "{ran:?} ran again");
        let open = ["step/make", "documents/beta", "samples/beta", "tokenizer", "shards/beta"];
        assert!(open.iter().all(|target| ran.contains(*target)), "{ran:?}");
    }
}

/// No child goes on alone when its run is killed.
#[test]
fn a_killed_run_leaves_no_child_behind() {
    let workspace = study::fresh();
    let mut running = workspace.start(&["run", "--json"]);
    running.wait_for_event(|event| {
        event["event"] == "action-started" && event["target"] == "documents/alpha"
    });
    running.signal(Signal::KILL);
    running.wait();
    no_child_is_left(&workspace);
}

fn no_child_is_left(workspace: &Workspace) {
    let store = workspace.store().to_string_lossy().into_owned();
    eventually("its children end", || {
        let processes = std::fs::read_dir("/proc").expect("a process table").filter_map(Result::ok);
        let mut lines =
            processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        !lines.any(|line| String::from_utf8_lossy(&line).contains(&store))
    });
}

/// The second Ctrl-C does not wait for anything, and leaves no child behind either.
#[test]
fn a_second_signal_stops_at_once() {
    let workspace = study::fresh();
    let mut running = workspace.start(&["run", "--json"]);
    running.wait_for_event(|event| {
        event["event"] == "action-started" && event["target"] == "samples/alpha"
    });
    running.signal(Signal::INT);
    running.signal_if_there(Signal::INT);
    running.wait().expect(130);
    no_child_is_left(&workspace);
    workspace.run(&["samples/*"]);
}
