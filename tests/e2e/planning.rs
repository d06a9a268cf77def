//! Errors that are found before any work: exit 2, the place in the manifest, what was expected.

use crate::harness::{Workspace, files_below};
use crate::study;

/// What is wrong, the change of the study that makes it so, and what must be said.
struct Case {
    what: &'static str,
    from: &'static str,
    to: &'static str,
    /// The text of the manifest that the first span starts at.
    at: &'static str,
    says: &'static [&'static str],
}

const CASES: [Case; 9] = [
    Case {
        what: "weights whose sum is not 1",
        from: "[report]",
        to: "[mixture.most]\nweights = { alpha = 0.9, beta = 0.2 }\n[report]",
        at: "{ alpha = 0.9, beta = 0.2 }",
        says: &["weights of `most` don't sum to 1", "1.1", "normalise = true"],
    },
    Case {
        what: "a mixture of a domain that does not exist",
        from: "[report]",
        to: "[mixture.most]\nweights = { alpha = 0.9, bet = 0.1 }\n[report]",
        at: "{ alpha = 0.9, bet = 0.1 }",
        says: &["no domain `bet`", "did you mean `beta`?", "`beta` has no weight"],
    },
    Case {
        what: "a prediction that does not exist",
        from: "mixture = \"autoscale.large\"",
        to: "mixture = \"autoscale.larg\"",
        at: "\"autoscale.larg\"",
        says: &["no mixture `autoscale.larg`", "did you mean `autoscale.large`?"],
    },
    Case {
        what: "a cycle",
        from: "tokens = \"2k\"",
        to: "tokens = \"2k\"\nreference = \"autoscale.large\"",
        at: "\"autoscale.large\"\nfactors",
        says: &["a cycle: ddo.small -> autoscale.large -> ddo.small"],
    },
    Case {
        what: "an unknown key",
        from: "learning-rate = 3e-3",
        to: "learning-rat = 3e-3",
        at: "learning-rat = ",
        says: &["unknown key `learning-rat`", "did you mean `learning-rate`?"],
    },
    Case {
        what: "a number out of range",
        from: "hidden = 16",
        to: "hidden = -16",
        at: "-16",
        says: &["-16"],
    },
    Case {
        what: "no TOML",
        from: "[tokenizer]",
        to: "[tokenizer",
        at: "\ntrain = \"bpe\"",
        says: &["this is not TOML", "expected `]`"],
    },
    Case {
        what: "one file in two domains",
        from: "files = \"beta/*.jsonl.zst\"",
        to: "files = [\"beta/*.jsonl.zst\", \"alpha/0*.txt\"]",
        at: "[\"beta",
        says: &["domains `alpha` and `beta` share 10 files"],
    },
    Case {
        what: "files that are not there",
        from: "files = \"alpha/*.txt\"",
        to: "files = \"omega/*.txt\"\norigin = \"the library of Babel\"",
        at: "\"omega",
        says: &["no file matches", "omega/*.txt", "it comes from: the library of Babel"],
    },
];

/// `mixmake.toml:LINE:COLUMN` of the first place that says `text`.
fn place_of(text: &str, manifest: &str) -> String {
    let offset =
        manifest.find(text).unwrap_or_else(|| panic!("the manifest does not say `{text}`"));
    let before = &manifest[..offset];
    let line = 1 + before.matches('\n').count();
    let column = 1 + offset - before.rfind('\n').map_or(0, |end| end + 1);
    format!("mixmake.toml:{line}:{column}")
}

#[test]
fn errors_are_located_and_end_the_run_before_any_work() {
    let workspace = study::fresh();
    for Case { what, from, to, at, says } in CASES {
        workspace.write("mixmake.toml", study::MANIFEST);
        workspace.edit(from, to);
        let outcome = workspace.mixmake(&["run"]);
        assert_eq!(outcome.code, Some(2), "{what}:\n{}{}", outcome.stdout, outcome.stderr);
        let place = place_of(at, &workspace.read("mixmake.toml"));
        for words in says.iter().copied().chain([place.as_str()]) {
            assert!(outcome.stderr.contains(words), "{what}: no `{words}` in\n{}", outcome.stderr);
        }
        let found = workspace.mixmake(&["run", "--json"]).expect(2);
        let object = found.json();
        assert_eq!(object["exit"], 2, "{what}");
        assert!(
            object["diagnostics"].as_array().is_some_and(|list| !list.is_empty()),
            "{what}: {object}"
        );
    }
    assert!(files_below(&workspace.store().join("results")).is_empty());
}

#[test]
fn all_errors_at_once() {
    let workspace = study::fresh();
    workspace.edit("learning-rate = 3e-3", "learning-rat = 3e-3");
    workspace.edit("vocabulary = 300", "vocabulary = \"many\"");
    workspace.edit("mixture = \"uniform\"", "mixture = \"uniforn\"");
    let outcome = workspace.mixmake(&["run"]).expect(2);
    let _ = outcome.says(&["`learning-rat`", "many", "`uniforn`", "errors in the manifest"]);
}

/// Only what is asked for must be there.
#[test]
fn missing_files_that_are_not_needed_do_not_matter() {
    let workspace = study::fresh();
    workspace.edit("files = \"alpha/*.txt\"", "files = \"omega/*.txt\"");
    let _ = workspace.run_any(&["tokenizer"]).expect(2).says(&["omega/*.txt"]);
    workspace.run(&["samples/beta"]).ran_exactly(&["documents/beta", "samples/beta"]);
}

#[test]
fn more_tokens_than_exist_are_refused_before_any_training() {
    let workspace = study::built();
    for (setting, what) in
        [("train.uniform.tokens=100k", "train/uniform"), ("ddo.medium.tokens=100k", "ddo/medium")]
    {
        let outcome = workspace.run_any(&["--set", setting]).expect(2);
        assert!(outcome.ran().is_empty(), "{setting}: {:?}", outcome.ran());
        let says = [what, "`alpha`", "`beta`", "max-repeats", "--set", "sequences"];
        outcome.says(&says);
    }
    // Nothing is known of the shards yet: they are made, and then it is refused.
    let workspace = study::fresh();
    workspace.edit("[autoscale.large]", "[train.huge]\nmixture = \"uniform\"\nrecipe = \"quick\"\ntokens = \"1B\"\n\n[autoscale.large]");
    let line = 1 + workspace
        .read("mixmake.toml")
        .lines()
        .position(|line| line.contains("1B"))
        .expect("there");
    let outcome = workspace.run_any(&[]).expect(2);
    let ran = outcome.ran();
    assert!(
        ran.iter().all(|target| !target.starts_with("train/") && !target.starts_with("ddo/")),
        "{ran:?}"
    );
    outcome.says(&["train/huge", &format!("mixmake.toml:{line}:10")]);

    // Repeating makes it possible.
    let plan = workspace.mixmake(&[
        "plan",
        "--set",
        "train.huge.tokens=30k",
        "--set",
        "train.huge.max-repeats=4",
    ]);
    plan.expect(0);
}

#[test]
fn targets_and_manifests_that_are_not_there() {
    let workspace = study::built();
    workspace
        .mixmake(&["run", "train/unifrom"])
        .expect(2)
        .says(&["no target matches `train/unifrom`", "train/uniform"]);
    workspace.mixmake(&["run", "[z-a]"]).expect(2).says(&["not a glob"]);
    workspace.mixmake(&["run", "-m", "other.toml"]).expect(2).says(&["other.toml", "mixmake init"]);
    workspace.mixmake(&["run", "-C", "nowhere"]).expect(2).says(&["nowhere"]);
    let empty = Workspace::new();
    empty.mixmake(&["run"]).expect(2).says(&["no manifest `mixmake.toml`", "mixmake init"]);
}
