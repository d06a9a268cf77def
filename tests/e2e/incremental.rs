//! Changing a manifest or a file: what runs again, what is cut off, and what `why` says.

use crate::study;

#[test]
fn a_second_run_does_nothing_and_says_so() {
    let workspace = study::built();
    let outcome = workspace.mixmake(&["run"]).expect(0);
    let outcome = outcome.says(&["up to date", "nothing to do"]);
    assert_eq!(outcome.stdout, "");
    workspace.mixmake(&["plan", "--exit-code"]).expect(0);
}

#[test]
fn a_rule_that_drops_nothing_is_cut_off() {
    let workspace = study::built();
    let before = workspace.results();
    workspace.edit("min-chars = 101", "min-chars = 102");
    let outcome = workspace.run(&[]);
    outcome.ran_exactly(&["documents/alpha", "samples/alpha"]);
    assert!(outcome.cut_off().contains("shards/alpha"), "{:?}", outcome.cut_off());
    assert_eq!(workspace.results(), before);

    workspace.edit("min-chars = 102", "min-chars = 101");
    let outcome = workspace.run(&[]);
    outcome.ran_exactly(&[]);
}

#[test]
fn a_rule_that_drops_documents_redoes_what_depends_on_them_only() {
    let workspace = study::built();
    let expected = workspace.results();
    workspace.edit("files = \"beta/*.jsonl.zst\"", "files = \"beta/*.jsonl.zst\"\nmin-chars = 400");
    // The tokenizer is trained on every domain that trains, so every shard is another one.
    workspace.run(&["train/uniform"]).ran_exactly(&[
        "documents/beta",
        "samples/beta",
        "tokenizer",
        "shards/alpha",
        "shards/beta",
        "shards/gamma",
        "mixture/train/uniform",
        "train/uniform",
    ]);
    workspace.edit("\nmin-chars = 400", "");
    workspace.run(&[]).ran_exactly(&[]);
    assert_eq!(workspace.results(), expected, "undone");
}

/// Gamma is only evaluated on, and its held-out documents are the same: nothing that trains runs.
#[test]
fn what_a_training_does_not_read_does_not_redo_it() {
    let workspace = study::built();
    let before = workspace.results();
    workspace.edit("files = \"gamma/*.parquet\"", "files = \"gamma/*.parquet\"\nmin-chars = 300");
    let outcome = workspace.run(&[]);
    outcome.ran_exactly(&["documents/gamma", "samples/gamma", "shards/gamma", "report"]);
    let after = workspace.results();
    assert_eq!(after["shards/gamma/held-out.bin"], before["shards/gamma/held-out.bin"]);
    assert_ne!(after["shards/gamma/train.bin"], before["shards/gamma/train.bin"]);
}

/// A weight of 0 is said, so that nothing is forgotten; it draws nothing, and so nothing of that domain is in the key.
#[test]
fn a_domain_of_weight_0_redoes_no_mixture_that_has_it() {
    let workspace = study::built();
    let tokenizer = workspace.read("out/tokenizer/tokenizer.json");
    workspace.write("tokenizer.json", tokenizer);
    workspace.edit("train = \"bpe\"\nvocabulary = 300", "file = \"tokenizer.json\"");
    let alone = r#"[mixture.alone]
weights = { alpha = 1, beta = 0 }

[train.alone]
mixture = "alone"
recipe = "quick"
tokens = "6k"

[report]"#;
    workspace.edit("[report]", alone);
    workspace.run(&["train/alone"]);
    let before = workspace.results();

    // The held-out documents stay: a training evaluates on them, whatever it draws.
    let beta = "files = \"beta/*.jsonl.zst\"";
    workspace.edit(beta, &format!("{beta}\nmax-documents = 9"));
    let outcome = workspace.run(&["train/alone"]);
    outcome.ran_exactly(&["samples/beta", "shards/beta"]);
    let after = workspace.results();
    assert_ne!(after["shards/beta/train.bin"], before["shards/beta/train.bin"]);
    assert_eq!(after["train/alone/losses.json"], before["train/alone/losses.json"]);

    workspace.edit("{ alpha = 1, beta = 0 }", "{ alpha = 0.9, beta = 0.1 }");
    workspace.run(&["train/alone"]).ran_exactly(&["mixture/train/alone", "train/alone"]);
}

#[test]
fn a_learning_rate_redoes_trainings_and_what_reads_them() {
    let workspace = study::built();
    let before = workspace.results();
    workspace.edit("learning-rate = 3e-3", "learning-rate = 2e-3");
    workspace.mixmake(&["plan", "--exit-code"]).expect(4);
    workspace.run(&["train/uniform"]).ran_exactly(&["train/uniform"]);
    let after = workspace.results();
    let name = "train/uniform/losses.json";
    assert_ne!(after[name], before[name]);

    workspace.edit("learning-rate = 2e-3", "learning-rate = 3e-3");
    workspace.run(&[]).ran_exactly(&[]);
    assert_eq!(workspace.results(), before, "undone");
}

#[test]
fn a_file_that_changes_redoes_its_domain() {
    let workspace = study::built();
    let text = workspace.read("alpha/05.txt");
    workspace.write("alpha/05.txt", text.replacen(' ', "  ", 1));
    let outcome = workspace.run(&["samples/*"]);
    outcome.ran_exactly(&["documents/alpha", "samples/alpha"]);
    // Touching a file changes nothing: its content is what counts.
    workspace.write("alpha/06.txt", workspace.read("alpha/06.txt"));
    workspace.run(&["samples/*"]).ran_exactly(&[]);
    let why = workspace.mixmake(&["why", "documents/alpha"]).expect(0);
    assert!(why.stdout.contains("alpha/05.txt"), "{}", why.stdout);
    assert!(!why.stdout.contains("alpha/06.txt"), "{}", why.stdout);
}

#[test]
fn why_names_the_field_its_values_and_its_line() {
    let workspace = study::built();
    workspace.edit("learning-rate = 3e-3", "learning-rate = 2e-3");
    let manifest = workspace.read("mixmake.toml");
    let line =
        1 + manifest.lines().position(|line| line.starts_with("learning-rate")).expect("there");
    for target in ["train/uniform", "report"] {
        let why = workspace.mixmake(&["why", target]).expect(0).stdout;
        for words in
            ["0.003", "0.002", "recipe.quick.learning-rate", &format!("mixmake.toml:{line}")]
        {
            assert!(why.contains(words), "{target}: no `{words}` in\n{why}");
        }
    }
    let why = workspace.mixmake(&["why", "--json", "train/uniform"]).expect(0).json();
    let change = &why[0]["causes"][0]["cause"];
    assert_eq!(why[0]["causes"].as_array().map(Vec::len), Some(1), "{why}");
    assert_eq!(change["field"], "recipe.quick.learning-rate");
    assert_eq!((change["old"].as_str(), change["new"].as_str()), (Some("0.003"), Some("0.002")));

    // What it last ran for is known after the run, too.
    workspace.run(&["train/uniform"]);
    let why = workspace.mixmake(&["why", "train/uniform"]).expect(0).stdout;
    assert!(why.contains("up to date") && why.contains("0.003 -> 0.002"), "{why}");
}

#[test]
fn the_announcement_says_how_much_and_why_before_any_work() {
    let workspace = study::built();
    workspace.edit("learning-rate = 3e-3", "learning-rate = 2e-3");
    let outcome = workspace.mixmake(&["run", "-n"]).expect(0);
    assert!(outcome.stdout.contains("recipe.quick.learning-rate"), "{}", outcome.stdout);
    let outcome = workspace.mixmake(&["run", "train/uniform"]).expect(0);
    outcome.says(&["1 action to run", "learning-rate: 0.003 -> 0.002", "1 action ran"]);
}
