//! The manifests of the repository: each plans every action, and without its data says which files
//! are missing and where they come from.

use std::path::{Path, PathBuf};

use crate::harness::{Outcome, Workspace, files_below};

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests")
}

/// The store and `out` are in the workspace, not in the repository. The reference names servers, which no test reaches.
fn mixmake(workspace: &Workspace, verb: &str, name: &str, more: &[&str]) -> Outcome {
    let manifest = workspace.path(name).to_string_lossy().into_owned();
    workspace.mixmake(&[&[verb, "--offline", "-m", &manifest, "--store", "store"], more].concat())
}

fn copied(name: &str) -> Workspace {
    let workspace = Workspace::new();
    let manifest = std::fs::read(manifests().join(name)).expect("it is shipped");
    workspace.write(name, manifest);
    workspace
}

/// Manifest, its number of actions, and some of their names.
const PAPERS: [(&str, usize, &[&str]); 2] = [
    (
        "gpt2-large-redpajama.toml",
        7 + 7 + 7 + 2 * (15 * 2 + 1) + 3 + 10 * 2 + 1,
        &[
            "samples/common-crawl",
            "shards/arxiv",
            "ddo/small/base",
            "ddo/large/arxiv.x3",
            "ddo/large",
            "autoscale/at-10B",
            "train/autoscale",
            "train/doremi",
            "train/uniform-10B",
            "report",
        ],
    ),
    (
        "bert-base.toml",
        8 + 8 + 8 + 2 * (11 * 2 + 1) + 3 + 10 * 2 + 1,
        &[
            "samples/amazon-reviews",
            "ddo/at-18k",
            "autoscale/at-288k",
            "train/uniform-288k",
            "report",
        ],
    ),
];

#[test]
fn the_papers_experiments_plan_every_action() {
    for (name, count, some) in PAPERS {
        let workspace = copied(name);
        let plan = mixmake(&workspace, "plan", name, &["--json"]).expect(0).json();
        let actions = plan["actions"].as_array().expect("a list");
        let targets: Vec<_> =
            actions.iter().filter_map(|action| action["target"].as_str()).collect();
        assert_eq!(targets.len(), count, "{name}: {targets:#?}");
        for target in some {
            assert!(targets.contains(target), "{name}: no `{target}` in {targets:#?}");
        }
        let text = mixmake(&workspace, "plan", name, &[]).expect(0).stdout;
        for target in &targets {
            assert!(text.contains(&format!(" {target} ")), "{name}: no {target} in\n{text}");
        }
    }
}

#[test]
fn without_their_data_they_name_the_files_and_where_they_come_from() {
    for (name, _, _) in PAPERS.into_iter().chain([("reference.toml", 0, &[][..])]) {
        let workspace = copied(name);
        let outcome = mixmake(&workspace, "run", name, &[]).expect(2);
        let text = workspace.read(name);
        let origins: Vec<_> = text.lines().filter(|line| line.starts_with("origin = ")).collect();
        assert!(!origins.is_empty(), "{name}");
        for origin in origins {
            let origin = origin.split('"').nth(1).expect("a string");
            assert!(
                outcome.stderr.contains(origin),
                "{name}: no `{origin}` in\n{}",
                outcome.stderr
            );
        }
        assert!(files_below(&workspace.path("store/results")).is_empty());
    }
}

#[test]
fn every_shipped_manifest_is_valid() {
    let mut names: Vec<_> = std::fs::read_dir(manifests())
        .expect("listed")
        .map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    for name in &names {
        let workspace = copied(name);
        mixmake(&workspace, "plan", name, &[]).expect(0);
        mixmake(&workspace, "graph", name, &[]).expect(0);
        mixmake(&workspace, "status", name, &[]).expect(0);
    }
}
