//! Two runs at once on one store: each action runs once, and both end well.

use std::collections::BTreeSet;

use crate::harness::Workspace;
use crate::{small, study};

#[test]
fn two_runs_of_one_workspace_share_the_work() {
    let expected = study::built().results();
    let workspace = study::fresh();
    let both =
        [(); 2].map(|()| workspace.start(&["run", "--json", "train/uniform", "ddo/small/base"]));
    let [one, other] = both.map(|running| running.wait().expect(0));
    check_shared(&one.targets("action-finished"), &other.targets("action-finished"));
    for (name, digest) in workspace.results() {
        assert_eq!(digest, expected[&name], "{name}");
    }
    workspace.run(&["train/uniform", "ddo/small/base"]).ran_exactly(&[]);
}

/// Another folder, other names, the same text and store.
#[test]
fn two_workspaces_share_a_store() {
    let (here, there) = (study::fresh(), study::fresh());
    there.edit("[train.uniform]", "[train.flat]");
    there.edit("[\"predicted\", \"uniform\"]", "[\"predicted\", \"flat\"]");
    there.edit("baseline = \"uniform\"", "baseline = \"flat\"");
    let store = here.store();
    let start = |workspace: &Workspace, target: &str| {
        workspace.start(&["run", "--json", target, "--store", &store.to_string_lossy()])
    };
    let both = [start(&here, "train/uniform"), start(&there, "train/flat")];
    let [one, other] = both.map(|running| running.wait().expect(0));
    let there_ran = other.targets("action-finished");
    let there_ran: Vec<_> =
        there_ran.iter().map(|name| name.replace("train/flat", "train/uniform")).collect();
    check_shared(&one.targets("action-finished"), &there_ran);
    let losses = |workspace: &Workspace, name: &str| workspace.results()[name].clone();
    assert_eq!(
        losses(&here, "train/uniform/losses.json"),
        losses(&there, "train/flat/losses.json")
    );
}

/// Eight at once, of the same targets and of different ones: each action runs once among all of them.
#[test]
fn eight_runs_share_the_work() {
    let expected = {
        let alone = small::fresh();
        alone.run(&[]);
        alone.results()
    };
    for same in [true, false] {
        let workspace = small::fresh();
        let start = |index: usize| {
            let target = if same { "shards/*" } else { small::TARGETS[3 + index % 7] };
            workspace.start(&["run", "--json", target])
        };
        let all = [0, 1, 2, 3, 4, 5, 6, 7].map(start);
        let finished: Vec<_> = all
            .into_iter()
            .flat_map(|running| running.wait().expect(0).targets("action-finished"))
            .collect();
        let distinct: BTreeSet<_> = finished.iter().map(String::as_str).collect();
        assert_eq!(distinct.len(), finished.len(), "something ran twice: {finished:?}");
        assert_eq!(distinct, BTreeSet::from(small::TARGETS), "same: {same}");
        assert_eq!(workspace.results(), expected);
        workspace.run(&[]).ran_exactly(&[]);
    }
}

/// Two share the work; one is killed in the middle, and the other takes over what it held.
#[test]
fn a_killed_holder_is_replaced() {
    let workspace = small::fresh();
    let mut killed = workspace.start(&["run", "--json", "-j", "2"]);
    killed.wait_for_event(|event| event["event"] == "action-started");
    let other = workspace.start(&["run", "--json"]);
    killed.kill_group();
    killed.wait();
    other.wait().expect(0);
    workspace.run(&[]).ran_exactly(&[]);
    workspace.mixmake(&["verify"]).expect(0);
}

fn check_shared(one: &[String], other: &[String]) {
    let both: Vec<_> = one.iter().chain(other).collect();
    let distinct: BTreeSet<_> = both.iter().collect();
    assert_eq!(both.len(), distinct.len(), "something ran twice: {one:?} and {other:?}");
    assert!(distinct.iter().any(|target| target.as_str() == "train/uniform"), "{distinct:?}");
    assert!(distinct.len() >= 9, "{distinct:?}");
}
