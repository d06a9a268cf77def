//! The process that does the heavy actions of a run one after the other: one for many, and what it is doing when it is killed
//! is all that is lost.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::corpus::{documents, json_lines};
use crate::harness::{Workspace, eventually};

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
    let workspace = with_a_waiting_step();
    let mut running = workspace.start(&["run", "--json", "-j", "1", "samples/*"]);
    running.wait_for_event(|event| event["event"] == "action-started");
    let first = the_one(&workspace);
    eventually("the step runs", || workspace.path("started").exists());
    assert_eq!(the_one(&workspace), first, "two actions later");
    workspace.write("go", "");
    running.wait().expect(0);
    assert_eq!(serving(&workspace), [0; 0], "it ends with the run");
}

#[test]
fn a_killed_process_costs_the_action_that_it_was_doing() {
    // Long enough to be met while it is read.
    let long = json_lines(&documents("abc", 20_000));
    let [undisturbed, workspace] = [with_a_waiting_step(), with_a_waiting_step()];
    for each in [&undisturbed, &workspace] {
        each.write("alpha.jsonl", &long);
        each.write("go", "");
    }
    undisturbed.run(&["shards/*"]);
    let mut running = workspace.start(&["run", "--json", "-k", "-j", "1", "shards/*"]);
    running.wait_for_event(|event| event["event"] == "action-started");
    let pid = the_one(&workspace);
    kill_process(pid, Signal::STOP).expect("stopped");
    // Where it was between two actions, it is asked for the next one by then.
    std::thread::sleep(Duration::from_millis(200));
    kill_process(pid, Signal::KILL).expect("killed");
    let outcome = running.wait();
    let events = outcome.events();
    let failed: Vec<_> = events.iter().filter(|event| event["event"] == "action-failed").collect();
    match failed[..] {
        // It had not looked at the next order yet, so another process did.
        [] => drop(outcome.expect(0)),
        [failed] => {
            let said = failed.to_string();
            assert!(said.contains("ended without a word") && said.contains("signal: 9"), "{said}");
            outcome.expect(1);
        }
        _ => panic!("{failed:?}"),
    }
    workspace.run(&["shards/*"]);
    // Where the step ran is not what it made.
    assert_eq!(workspace.results().len(), undisturbed.results().len());
    let made = |workspace: &Workspace, name: &str| workspace.results()[name].clone();
    for name in ["shards/alpha/train.bin", "shards/beta/train.bin", "tokenizer/tokenizer.json"] {
        assert_eq!(made(&workspace, name), made(&undisturbed, name), "{name}");
    }
}

/// A workspace with a domain, and another whose file a step makes once `go` is there; the step says by `started` that it runs.
/// With one thread the first one's samples are made before.
pub fn with_a_waiting_step() -> Workspace {
    let workspace = Workspace::new();
    let manifest = r#"
[corpus]
min-chars = 1
held-out = 2

[domain.alpha]
files = "alpha.jsonl"

[domain.beta]
files = "step.make/out.jsonl"

[tokenizer]
train = "bpe"
vocabulary = 300

[step.make]
run = "touch FOLDER/started; until test -e FOLDER/go; do sleep 0.01; done; cat beta.jsonl > out.jsonl"
inputs = "beta.jsonl"
outputs = "out.jsonl"
"#;
    let folder = workspace.path(".").display().to_string();
    workspace.write("mixmake.toml", manifest.replace("FOLDER", &folder));
    // What reads most starts first.
    workspace.write("alpha.jsonl", json_lines(&documents("abc", 200)));
    workspace.write("beta.jsonl", json_lines(&documents("abc", 20)));
    workspace
}

#[test]
fn a_process_that_is_killed_while_it_waits_costs_nothing() {
    let workspace = with_a_waiting_step();
    let running = workspace.start(&["run", "--json", "-j", "1", "samples/*"]);
    eventually("the step runs", || workspace.path("started").exists());
    kill_process(the_one(&workspace), Signal::KILL).expect("killed");
    workspace.write("go", "");
    running.wait().expect(0);
    let results = workspace.results();
    assert!(results.contains_key("samples/beta/train.arrow"), "{results:?}");
}
