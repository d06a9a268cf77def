//! What must never enter a key: each change here redoes no work and changes no digest.

use std::collections::BTreeMap;
use std::fs;

use crate::harness::{Workspace, copy_folder};
use crate::study;

/// Digests of all results, without the names that `renames` changes and without the report, which
/// shows names.
fn digests(workspace: &Workspace) -> Vec<String> {
    let results = workspace.results();
    let kept = results.iter().filter(|(name, _)| !name.starts_with("report/"));
    let mut digests: Vec<_> = kept.map(|(_, digest)| digest.clone()).collect();
    digests.sort();
    digests
}

fn is_table(line: &str) -> bool {
    line.starts_with('[')
}

#[test]
fn names_of_domains_recipes_and_trainings() {
    let renames: [(&str, &[(&str, &str)]); 5] = [
        ("a domain", &[("[domain.alpha]", "[domain.zeta]")]),
        (
            "a recipe",
            &[("[recipe.quick]", "[recipe.slow]"), ("recipe = \"quick\"", "recipe = \"slow\"")],
        ),
        (
            "a model",
            &[("[model.tiny]", "[model.small]"), ("model = \"tiny\"", "model = \"small\"")],
        ),
        (
            "a training",
            &[
                ("[train.uniform]", "[train.flat]"),
                ("[\"predicted\", \"uniform\"]", "[\"predicted\", \"flat\"]"),
                ("baseline = \"uniform\"", "baseline = \"flat\""),
            ],
        ),
        (
            "a DDO",
            &[
                ("[ddo.small]", "[ddo.little]"),
                ("[\"small\", \"medium\"]", "[\"little\", \"medium\"]"),
            ],
        ),
    ];
    let workspace = study::built();
    let expected = digests(&workspace);
    let manifest = workspace.read("mixmake.toml");
    for (what, edits) in renames {
        let renamed = edits.iter().fold(manifest.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        workspace.write("mixmake.toml", renamed);
        let outcome = workspace.run(&[]);
        let ran = outcome.ran();
        assert!(ran.iter().all(|target| target == "report"), "{what}: {ran:?} ran");
        assert_eq!(digests(&workspace), expected, "{what}");
    }
}

#[test]
fn the_place_of_the_workspace_and_of_the_store() {
    let mut moved = study::built();
    let lock = moved.read("mixmake.lock");

    let place = moved.folder.with_file_name("moved");
    fs::rename(&moved.folder, &place).expect("moved");
    moved.folder = place;
    moved.run(&[]).ran_exactly(&[]);
    assert_eq!(moved.read("mixmake.lock"), lock, "moved");

    copy_folder(&moved.store(), &moved.path("elsewhere/store"), &[]);
    fs::remove_dir_all(moved.store()).expect("removed");
    moved.run(&["--store", "elsewhere/store"]).ran_exactly(&[]);
    assert_eq!(moved.read("mixmake.lock"), lock, "another store");
}

#[test]
fn names_and_order_of_files() {
    let workspace = study::built();
    let expected = workspace.results();
    // What sorted first sorts last, in two formats.
    for (from, to) in [("alpha/00.txt", "alpha/zz.txt"), ("beta/0.jsonl.zst", "beta/9.jsonl.zst")] {
        fs::rename(workspace.path(from), workspace.path(to)).expect("renamed");
    }
    workspace.run(&[]).ran_exactly(&[]);
    assert_eq!(workspace.results(), expected);
    assert!(workspace.inputs().contains_key("beta/9.jsonl.zst"), "the lock has the new names");
}

/// The same documents in other files are other inputs, but the same tokens: it stops there.
#[test]
fn how_documents_are_divided_into_files() {
    use crate::corpus::{documents, json_lines, zstd};
    let workspace = study::built();
    let before = workspace.results();
    let mut beta = documents(study::LETTERS[1].1, 40);
    beta.reverse();
    fs::remove_file(workspace.path("beta/1.jsonl.zst")).expect("removed");
    workspace.write("beta/0.jsonl.zst", zstd(json_lines(&beta)));
    let ran = workspace.run(&[]).ran();
    let trained =
        ran.iter().filter(|target| target.starts_with("train/") || target.starts_with("ddo/"));
    assert_eq!(trained.count(), 0, "{ran:?}");
    let is_tokens = |name: &str| {
        name.starts_with("shards/") && (name.ends_with(".bin") || name.ends_with(".idx"))
    };
    let tokens = |results: &BTreeMap<String, String>| {
        let tokens = results.iter().filter(|(name, _)| is_tokens(name));
        tokens.map(|(name, digest)| (name.clone(), digest.clone())).collect::<Vec<_>>()
    };
    assert_eq!(tokens(&workspace.results()), tokens(&before));
}

#[test]
fn comments_spaces_and_the_order_of_tables_and_keys() {
    let workspace = study::built();
    let lock = workspace.read("mixmake.lock");
    let manifest = workspace.read("mixmake.toml");
    let mut tables: Vec<Vec<&str>> = Vec::new();
    for line in manifest.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if is_table(line) {
            tables.push(Vec::new());
        }
        tables.last_mut().expect("a table").push(line);
    }
    // Domains stay in their order, which is that of the report's rows; all else is turned around.
    let (domains, mut others): (Vec<_>, Vec<_>) =
        tables.into_iter().partition(|table| table[0].starts_with("[domain."));
    others.reverse();
    let mut text = String::from("# Written anew.\n");
    for table in others.iter().chain(&domains) {
        text.push_str(&format!("\n  {}  # a table\n", table[0]));
        for line in table[1..].iter().rev() {
            text.push_str(&format!("    {}   # a key\n", line.replace(" = ", "=")));
        }
    }
    workspace.write("mixmake.toml", text);
    workspace.run(&[]).ran_exactly(&[]);
    assert_eq!(workspace.read("mixmake.lock"), lock);
}

/// Other ways of writing the same values.
#[test]
fn units_and_defaults() {
    let workspace = study::built();
    for (from, to) in [
        ("tokens = \"2k\"", "tokens = 2_000"),
        ("learning-rate = 3e-3", "learning-rate = 0.003\nschedule = \"linear\"\nclip = 1"),
        (
            "factors = [2, \"1/2\"]\n\n[ddo.medium]",
            "factors = [\"2\", 0.5]\nfloor = 0.2\n\n[ddo.medium]",
        ),
        (
            "files = \"alpha/*.txt\"\nmin-chars = 101",
            "files = [\"./alpha/*.txt\"]\nformat = \"plain\"\nmin-chars = 101",
        ),
    ] {
        workspace.edit(from, to);
    }
    workspace.run(&[]).ran_exactly(&[]);
}

#[test]
fn how_much_is_said_and_how_much_runs_at_once() {
    let workspace = study::built();
    for flags in [["-q"], ["-v"], ["-vv"], ["-j1"], ["-j7"], ["-k"]] {
        workspace.run(&flags).ran_exactly(&[]);
    }
}
