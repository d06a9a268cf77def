//! Every verb: its help, its exit codes, and that what `--json` prints parses.

use crate::study;

const VERBS: [&str; 18] = [
    "run",
    "plan",
    "status",
    "why",
    "graph",
    "diff",
    "log",
    "losses",
    "fit",
    "predict",
    "report",
    "export",
    "verify",
    "gc",
    "init",
    "schema",
    "completions",
    "man",
];

#[test]
fn every_verb_has_help() {
    let workspace = crate::harness::Workspace::new();
    let help = workspace.mixmake(&["--help"]).expect(0).stdout;
    for verb in VERBS {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} in\n{help}");
        let own = workspace.mixmake(&[verb, "--help"]).expect(0).stdout;
        assert!(own.contains(&format!("Usage: mixmake {verb}")), "{own}");
    }
    workspace.mixmake(&[]).expect(2);
    workspace.mixmake(&["bake"]).expect(2);
    workspace.mixmake(&["run", "--frobnicate"]).expect(2);
    workspace.mixmake(&["--version"]).expect(0);
}

#[test]
fn questions_answer_in_json_and_change_nothing() {
    let workspace = study::built();
    let lock = workspace.read("mixmake.lock");
    let questions: [&[&str]; 14] = [
        &["plan", "--json"],
        &["run", "-n", "--json"],
        &["status", "--json"],
        &["why", "--json", "report"],
        &["graph", "--json"],
        &["diff", "--json", "mixmake.toml"],
        &["log", "--json", "train/*"],
        &["losses", "--json"],
        &["fit", "--json"],
        &["predict", "--json"],
        &["report", "--json"],
        &["verify", "--json"],
        &["gc", "--json", "--dry-run"],
        &["schema"],
    ];
    for question in questions {
        let outcome = workspace.mixmake(question).expect(0);
        let answer = outcome.json();
        assert!(answer.is_object() || answer.is_array(), "{question:?}");
        let without: Vec<_> = question.iter().copied().filter(|word| *word != "--json").collect();
        let text = workspace.mixmake(&without).expect(0).stdout;
        assert!(!text.trim().is_empty(), "{without:?} says nothing");
    }
    assert_eq!(workspace.read("mixmake.lock"), lock);
    workspace.run(&[]).ran_exactly(&[]);
}

#[test]
fn errors_are_json_too() {
    let workspace = study::built();
    for (arguments, code) in [
        (&["why", "--json", "nothing"][..], 2),
        (&["run", "--json", "-m", "nothing.toml"], 2),
        (&["plan", "--json", "--set", "corpus.min-chars=x"], 2),
        (&["fit", "--json", "--table", "nothing.csv"], 2),
        (&["verify", "--json", "--store", "mixmake.toml"], 3),
    ] {
        let outcome = workspace.mixmake(arguments).expect(code);
        let answer = outcome.json();
        assert_eq!(answer["exit"], code, "{arguments:?}: {answer}");
        assert!(
            answer["error"].as_str().is_some_and(|text| !text.is_empty()),
            "{arguments:?}: {answer}"
        );
        assert!(!outcome.stderr.is_empty(), "{arguments:?}");
    }
}

/// 0 done, 1 an action failed, 2 usage or manifest, 3 environment, 4 changes pending; 130 is in
/// `interruption`.
#[test]
fn exit_codes_are_those_published() {
    let workspace = study::built();
    workspace.mixmake(&["run"]).expect(0);
    workspace.mixmake(&["plan", "--exit-code"]).expect(0);
    workspace.mixmake(&["plan", "--set", "report.title=T"]).expect(0);
    workspace.mixmake(&["plan", "--exit-code", "--set", "report.title=T"]).expect(4);
    workspace.mixmake(&["run", "--locked", "--set", "report.title=T"]).expect(4);
    workspace.mixmake(&["run", "--set", "report.titel=T"]).expect(2);
    workspace.mixmake(&["run", "--store", "mixmake.toml"]).expect(3);
    workspace.mixmake(&["run", "samples/alpha", "--set", "domain.alpha.min-chars=9000"]).expect(1);
}

#[test]
fn results_go_to_stdout_and_all_else_to_stderr() {
    let workspace = study::built();
    workspace.edit("title = \"Languages\"", "title = \"Tongues\"");
    let outcome = workspace.mixmake(&["run"]).expect(0);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.contains("report"), "{}", outcome.stderr);
    workspace.edit("title = \"Tongues\"", "title = \"Speech\"");
    let outcome = workspace.mixmake(&["run", "-q"]).expect(0);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    let outcome = workspace.mixmake(&["report"]).expect(0);
    assert!(
        outcome.stdout.contains("report.html") && outcome.stdout.contains("uniform"),
        "{}",
        outcome.stdout
    );
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.contains('\x1b'), "no colour where there is no terminal");
    }
}

#[test]
fn a_first_manifest_can_be_written_and_planned() {
    let workspace = crate::harness::Workspace::new();
    workspace.mixmake(&["init"]).expect(0);
    workspace.mixmake(&["plan"]).expect(0);
    workspace.mixmake(&["init"]).expect(2).says(&["is there already", "--force"]);
    workspace.mixmake(&["init", "--force"]).expect(0);
}

#[test]
fn the_graph_shows_every_target_once() {
    let workspace = study::built();
    let plan = workspace.mixmake(&["plan", "--json"]).expect(0).json();
    let targets: Vec<_> = plan["actions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|action| action["target"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(targets.len(), 3 + 3 + 1 + 3 + 2 * (5 * 2 + 1) + 1 + 2 * 2 + 1, "{targets:?}");
    let dot = workspace.mixmake(&["graph", "--format", "dot"]).expect(0).stdout;
    for target in &targets {
        assert!(dot.contains(&format!("\"{target}\"")), "{target} in\n{dot}");
        // Every target is under a readable path.
        assert!(workspace.path("out").join(target).is_dir(), "out/{target}");
    }
}

#[test]
fn diff_says_what_another_manifest_would_change() {
    let workspace = study::built();
    workspace.write(
        "other.toml",
        study::MANIFEST
            .replace("tokens = \"4k\"", "tokens = \"3k\"")
            .replace("[train.uniform]", "[train.flat]")
            .replace("\"uniform\"]", "\"flat\"]")
            .replace("baseline = \"uniform\"", "baseline = \"flat\""),
    );
    let diff = workspace.mixmake(&["diff", "--json", "other.toml"]).expect(0).json();
    let difference = &diff["difference"];
    assert_eq!(
        difference["only-new"],
        serde_json::json!(["mixture/train/uniform", "train/uniform"])
    );
    assert_eq!(difference["only-old"], serde_json::json!(["mixture/train/flat", "train/flat"]));
    let runs = difference["runs-old"].as_array().expect("a list");
    for target in ["mixture/ddo/medium/base", "ddo/medium", "autoscale/large"] {
        assert!(runs.iter().any(|row| row == target), "no `{target}` in {diff}");
    }
    assert!(runs.iter().all(|row| row != "ddo/small"), "{diff}");
    assert_eq!(difference["runs-new"], serde_json::json!([]));
    let same = workspace.mixmake(&["diff", "mixmake.toml"]).expect(0).stdout;
    assert!(same.contains("no difference"), "{same}");
}
