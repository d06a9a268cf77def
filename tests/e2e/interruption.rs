//! Ctrl-C: exit 130 (143 by SIGTERM), what is finished is kept, and the next run goes on from there.

use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::harness::Workspace;
use crate::{serving, study};

#[test]
fn an_interrupted_run_keeps_what_is_finished() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let workspace = study::fresh();
        let mut running = workspace.start(&["run", "--json", "-j", "1"]);
        running.wait_for_event(|event| {
            event["event"] == "action-started" && event["target"] == "tokenizer"
        });
        // So that an action is under way when the signal comes, or at least not all are done.
        let child = serving::the_one(&workspace);
        kill_process(child, Signal::STOP).expect("stopped");
        running.signal(signal);
        std::thread::sleep(Duration::from_millis(200));
        // Where it was between two actions, it has ended with the run.
        let _ = kill_process(child, Signal::CONT);
        let outcome = running.wait().expect(code);
        assert!(!outcome.ran().contains("train/uniform"));

        let samples = ["samples/alpha", "samples/beta", "samples/gamma"];
        let later = ["tokenizer", "shards/alpha", "shards/beta", "shards/gamma"];
        let is_linked = |target: &&str| workspace.path("out").join(target).exists();
        assert!(samples.iter().all(|target| is_linked(target)), "what is finished is in `out`");
        let (finished, open): (Vec<_>, Vec<_>) = later.into_iter().partition(is_linked);
        let ran = workspace.run(&["shards/*"]).ran();
        let again = |target: &&str| ran.contains(*target);
        assert!(!samples.iter().chain(&finished).any(again), "{ran:?} ran again");
        assert!(!open.is_empty() && open.iter().all(again), "{ran:?}");
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
    crate::harness::eventually("its children end", || {
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
