//! Two runs at once on one store: each action runs once, and both end well.

use std::collections::BTreeSet;

use crate::harness::Workspace;
use crate::study;

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

fn check_shared(one: &[String], other: &[String]) {
    let both: Vec<_> = one.iter().chain(other).collect();
    let distinct: BTreeSet<_> = both.iter().collect();
    assert_eq!(both.len(), distinct.len(), "something ran twice: {one:?} and {other:?}");
    assert!(distinct.iter().any(|target| target.as_str() == "train/uniform"), "{distinct:?}");
    assert!(distinct.len() >= 9, "{distinct:?}");
}
