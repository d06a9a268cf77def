//! The process that does the heavy actions of a run one after the other: one for many, and what it is doing when it is killed
//! is all that is lost.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Workspace, eventually};
use crate::study;

/// Processes that serve this workspace's runs.
fn serving(workspace: &Workspace) -> Vec<i32> {
    let store = workspace.store().to_string_lossy().into_owned();
    let serves = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains(&store) && line.contains("--serve")
    };
    let processes = fs::read_dir("/proc").expect("a process table").filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(serves).collect()
}

/// The one process that serves this workspace's run, or will soon.
pub fn the_one(workspace: &Workspace) -> Pid {
    eventually("a process serves", || !serving(workspace).is_empty());
    let found = serving(workspace);
    assert_eq!(found.len(), 1);
    Pid::from_raw(found[0]).expect("a process")
}

#[test]
fn one_process_does_many_actions() {
    let workspace = study::fresh();
    let mut running = workspace.start(&["run", "--json", "-j", "1", "shards/*"]);
    let started = |target: &'static str| {
        move |event: &serde_json::Value| {
            event["event"] == "action-started" && event["target"] == target
        }
    };
    running.wait_for_event(started("documents/alpha"));
    let first = the_one(&workspace);
    running.wait_for_event(started("tokenizer"));
    assert_eq!(the_one(&workspace), first);
    running.wait().expect(0);
    assert_eq!(serving(&workspace), [0; 0], "it ends with the run");
}

#[test]
fn a_killed_process_costs_the_action_that_it_was_doing() {
    let undisturbed = study::fresh();
    undisturbed.run(&["shards/*"]);
    let workspace = study::fresh();
    let mut running = workspace.start(&["run", "--json", "-k", "-j", "1", "shards/*"]);
    running.wait_for_event(|event| {
        event["event"] == "action-started" && event["target"] == "documents/alpha"
    });
    let pid = the_one(&workspace);
    kill_process(pid, Signal::STOP).expect("stopped");
    // Where it was between two actions, it is asked for the next one by then.
    std::thread::sleep(Duration::from_millis(200));
    kill_process(pid, Signal::KILL).expect("killed");
    let events = running.wait().expect(1).events();
    let failed: Vec<_> = events.iter().filter(|event| event["event"] == "action-failed").collect();
    assert_eq!(failed.len(), 1);
    let said = failed[0].to_string();
    assert!(said.contains("ended without a word") && said.contains("signal: 9"), "{said}");
    workspace.run(&["shards/*"]);
    assert_eq!(workspace.results(), undisturbed.results());
}
