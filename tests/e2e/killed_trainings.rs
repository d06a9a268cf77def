//! `kill -9` and Ctrl-C of a real training: the next run goes on from its last checkpoint, to the bits of one that
//! nothing disturbed.

use std::fs;

use rustix::process::Signal;

use crate::corpus::{documents, json_lines};
use crate::harness::{Workspace, eventually};
use crate::study::LETTERS;

fn manifest(architecture: &str, tokenizer: &str) -> String {
    format!(
        r#"
[runtime]
checkpoint-every = 0

[corpus]
min-chars = 100
block = "every"
block-chars = 100
held-out = 4

[domain.alpha]
files = "alpha.jsonl"

[domain.beta]
files = "beta.jsonl"

[tokenizer]
train = "{tokenizer}"
vocabulary = 300

[model.tiny]
architecture = "{architecture}"
layers = 2
hidden = 64
heads = 2
context = 128
dropout = 0.1

[recipe.long]
model = "tiny"
learning-rate = 1e-3
batch-tokens = 512
evaluations = 4
epochs = 4

[train.long]
mixture = "uniform"
recipe = "long"
tokens = "16k"
"#
    )
}

fn fresh(architecture: &str, tokenizer: &str) -> Workspace {
    let workspace = Workspace::with_manifest(&manifest(architecture, tokenizer));
    for (name, letters) in &LETTERS[..2] {
        workspace.write(&format!("{name}.jsonl"), json_lines(&documents(letters, 120)));
    }
    workspace
}

/// Lines of all logs of the store that are about `event`.
fn logged(workspace: &Workspace, event: &str) -> Vec<serde_json::Value> {
    let Ok(logs) = fs::read_dir(workspace.store().join("logs")) else { return Vec::new() };
    let texts = logs.filter_map(|log| fs::read_to_string(log.ok()?.path()).ok());
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let values = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
    values.filter(|value| value["event"] == event).collect()
}

fn check(architecture: &str, tokenizer: &str) {
    let undisturbed = fresh(architecture, tokenizer);
    undisturbed.run(&[]);
    let expected = undisturbed.results();
    assert!(expected.contains_key("train/long/model.safetensors"), "{expected:?}");
    let workspace = fresh(architecture, tokenizer);
    let mut went_on_at = Vec::new();
    for checkpoints in [2, 5, 3] {
        // What the run before said must not be taken for what this one says.
        let _ = fs::remove_dir_all(workspace.store().join("logs"));
        let running = workspace.start(&["run", "-q"]);
        eventually("checkpoints", || logged(&workspace, "checkpoint").len() >= checkpoints);
        running.kill_group();
        running.wait();
        went_on_at
            .extend(logged(&workspace, "started").first().and_then(|line| line["step"].as_u64()));
    }
    workspace.run(&[]);
    assert_eq!(workspace.results(), expected, "{architecture}");
    went_on_at.extend(logged(&workspace, "started").first().and_then(|line| line["step"].as_u64()));
    assert_eq!(went_on_at.len(), 4, "{went_on_at:?}");
    assert!(went_on_at[0] == 0 && went_on_at.is_sorted_by(|a, b| a < b), "{went_on_at:?}");
}

#[test]
fn a_killed_gpt2_goes_on_from_its_checkpoint() {
    check("gpt2", "bpe");
}

#[test]
fn a_killed_bert_goes_on_from_its_checkpoint() {
    check("bert", "wordpiece");
}

/// A terminal's Ctrl-C reaches the run and its trainings. However long the next checkpoint is away, one is written,
/// and the next run goes on from it.
#[test]
fn an_interrupted_training_goes_on_from_where_it_was() {
    let undisturbed = fresh("gpt2", "bpe");
    undisturbed.run(&[]);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let workspace = fresh("gpt2", "bpe");
        workspace.edit("checkpoint-every = 0", "checkpoint-every = 3600");
        let mut running = workspace.start(&["run", "--json", "train/long"]);
        let is_training = |event: &serde_json::Value| {
            event["event"] == "action-progress" && event["target"] == "train/long"
        };
        running.wait_for_event(is_training);
        running.signal_group(signal);
        let outcome = running.wait().expect(code);
        let stopping = |event: &serde_json::Value| event["event"] == "run-stopping";
        assert!(outcome.events().iter().any(stopping), "{}", outcome.stdout);
        let at = logged(&workspace, "checkpoint").first().and_then(|line| line["step"].as_u64());
        let at = at.expect("it wrote a checkpoint");
        assert!(at > 0);
        workspace.edit("checkpoint-every = 3600", "checkpoint-every = 0");
        workspace.run(&[]);
        let went_on = logged(&workspace, "started").first().and_then(|line| line["step"].as_u64());
        assert_eq!(went_on, Some(at));
        assert_eq!(workspace.results(), undisturbed.results());
    }
}
