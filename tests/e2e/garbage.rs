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
