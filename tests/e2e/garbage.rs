//! `gc`: what it lists, what it removes, and that it never removes a loss row.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Workspace, files_below};
use crate::study;

fn listed(outcome: &Value) -> BTreeSet<PathBuf> {
    let items = outcome["items"].as_array().expect("a list").iter();
    items.map(|item| PathBuf::from(item["path"].as_str().expect("a path"))).collect()
}

fn objects(workspace: &Workspace, output: &str) -> PathBuf {
    let digest = workspace.results()[output].clone();
    let store = std::fs::canonicalize(workspace.store()).expect("there");
    store.join("objects").join(&digest[..2]).join(digest)
}

/// A training under three learning rates: two are remembered (the current one and the one
/// before), the third is stale.
#[test]
fn stale_objects_go_and_losses_stay() {
    let workspace = study::built();
    let mut losses = BTreeSet::from([objects(&workspace, "train/uniform/losses.json")]);
    let mut models = Vec::new();
    for (from, to) in [("3e-3", "1e-3"), ("1e-3", "2e-3"), ("2e-3", "4e-3")] {
        workspace.edit(&format!("learning-rate = {from}"), &format!("learning-rate = {to}"));
        workspace.run(&["train/uniform"]);
        losses.insert(objects(&workspace, "train/uniform/losses.json"));
        models.push(objects(&workspace, "train/uniform/model.safetensors"));
    }
    workspace.edit("learning-rate = 4e-3", "learning-rate = 3e-3");
    workspace.run(&[]).ran_exactly(&[]);

    let before = files_below(&workspace.store());
    let dry = workspace.mixmake(&["gc", "--dry-run", "--json"]).expect(0).json();
    assert_eq!(files_below(&workspace.store()), before, "a dry run removes nothing");
    assert_eq!(dry["removed"], false);
    let garbage = listed(&dry);
    assert!(garbage.contains(&models[0]) && garbage.contains(&models[1]), "{garbage:#?}");
    assert!(!garbage.contains(&models[2]), "the key before this one is remembered");
    let text = workspace.mixmake(&["gc", "--dry-run"]).expect(0).stdout;
    assert!(text.contains(&*models[0].to_string_lossy()) && text.contains("would go"), "{text}");

    let done = workspace.mixmake(&["gc", "--json"]).expect(0).json();
    assert_eq!(listed(&done), garbage, "what was said is what went");
    assert!(garbage.iter().all(|path| !path.exists()));
    assert_eq!(losses.len(), 4);
    for path in &losses {
        assert!(path.is_file(), "{} is a loss row", path.display());
    }
    workspace.mixmake(&["verify"]).expect(0);
    workspace.run(&[]).ran_exactly(&[]);
    let again = workspace.mixmake(&["gc", "--json"]).expect(0).json();
    assert_eq!(listed(&again), BTreeSet::new());

    // A model that is gone is trained again when it is asked for: to the same losses.
    workspace.edit("learning-rate = 3e-3", "learning-rate = 1e-3");
    workspace.run(&["train/uniform"]).ran_exactly(&["train/uniform"]);
    assert!(losses.contains(&objects(&workspace, "train/uniform/losses.json")));
}

/// A store may serve several workspaces: what any of them needs stays.
#[test]
fn what_another_workspace_needs_stays() {
    let (here, there) = (study::built(), study::fresh());
    let store = here.store().to_string_lossy().into_owned();
    there.edit("learning-rate = 3e-3", "learning-rate = 1e-3");
    there.run(&["train/uniform", "--store", &store]).ran_exactly(&["train/uniform"]);
    here.mixmake(&["gc"]).expect(0);
    there.run(&["train/uniform", "--store", &store]).ran_exactly(&[]);
    here.run(&[]).ran_exactly(&[]);
}

/// A `gc` beside a run, again and again: what the run makes, or took from an older manifest, stays, and it ends as
/// it would alone.
#[test]
fn what_a_run_under_way_uses_stays() {
    let workspace = study::built();
    let expected = workspace.results();
    for rate in ["1e-3", "2e-3", "4e-3"] {
        let now = workspace.read("mixmake.toml");
        let from = now.lines().find(|line| line.starts_with("learning-rate")).expect("a rate");
        workspace.edit(from, &format!("learning-rate = {rate}"));
        workspace.run(&["train/uniform"]);
    }
    // The first results are remembered by nobody now; the run goes back to them.
    workspace.edit("learning-rate = 4e-3", "learning-rate = 3e-3");
    workspace
        .edit("factors = [2, \"1/2\"]\n\n[ddo.medium]", "factors = [3, \"1/3\"]\n\n[ddo.medium]");
    let mut running = workspace.start(&["run", "--json", "train/uniform", "ddo/small"]);
    running.wait_for_event(|event| event["event"] == "action-started");
    let mut beside = 0;
    while !running.ended_before(std::time::Instant::now() + std::time::Duration::from_millis(5)) {
        workspace.mixmake(&["gc"]).expect(0);
        beside += 1;
    }
    let outcome = running.wait().expect(0);
    assert!(beside > 2, "only {beside} collections beside the run");
    assert!(
        !outcome.ran().contains("train/uniform"),
        "its old result was there: {:?}",
        outcome.ran()
    );
    let finished = outcome.targets("action-finished");
    let distinct: BTreeSet<_> = finished.iter().collect();
    assert_eq!(distinct.len(), finished.len(), "something ran twice: {finished:?}");
    let losses = "train/uniform/losses.json";
    assert_eq!(workspace.results()[losses], expected[losses]);
    workspace.mixmake(&["verify"]).expect(0);
    workspace.run(&["train/uniform", "ddo/small"]).ran_exactly(&[]);
}

/// Where a measurement's result is lost, the measurement itself stays.
#[test]
fn a_loss_row_outlives_its_result() {
    let workspace = study::built();
    let losses = objects(&workspace, "train/uniform/losses.json");
    let _ = std::fs::remove_dir_all(workspace.store().join("results"));
    let _ = std::fs::remove_dir_all(workspace.store().join("state"));
    let garbage = workspace.mixmake(&["gc", "--json"]).expect(0).json();
    assert!(listed(&garbage).len() > 5, "{garbage}");
    assert!(losses.is_file(), "a loss row is gone");
}

/// What says what is needed cannot be read: nothing of it goes.
#[test]
fn a_damaged_memory_or_result_makes_gc_careful() {
    for kind in ["state", "results"] {
        let workspace = study::built();
        workspace.edit("learning-rate = 3e-3", "learning-rate = 1e-3");
        workspace.run(&["train/uniform"]);
        let files = files_below(&workspace.store().join(kind));
        let wanted = |path: &&PathBuf| kind == "results" || path.ends_with("targets");
        let path = files.iter().find(wanted).expect("one");
        let mut bytes = std::fs::read(path).expect("read");
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).expect("flipped");
        let before = files_below(&workspace.store().join("objects"));
        let said = workspace.mixmake(&["gc"]).expect(0).says(&["note:", "damaged"]);
        assert_eq!(files_below(&workspace.store().join("objects")), before, "{}", said.stdout);
    }
}
