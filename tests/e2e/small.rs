//! The smallest manifest whose actions are processes of their own: three languages, a tokenizer, shards and a mixture's
//! worth of nothing trained. Cheap enough to be killed hundreds of times.

use crate::corpus::{documents, json_lines};
use crate::harness::Workspace;
use crate::study::LETTERS;

const MANIFEST: &str = r#"
[corpus]
min-chars = 100
block = "every"
block-chars = 100
held-out = 4

[domain.alpha]
files = "alpha.jsonl"

[domain.beta]
files = "beta.jsonl"

[domain.gamma]
files = "gamma.jsonl"

[tokenizer]
train = "bpe"
vocabulary = 300
"#;

/// Every target of it.
pub const TARGETS: [&str; 10] = [
    "documents/alpha",
    "documents/beta",
    "documents/gamma",
    "samples/alpha",
    "samples/beta",
    "samples/gamma",
    "shards/alpha",
    "shards/beta",
    "shards/gamma",
    "tokenizer",
];

pub fn fresh() -> Workspace {
    let workspace = Workspace::with_manifest(MANIFEST);
    for (name, letters) in LETTERS {
        workspace.write(&format!("{name}.jsonl"), json_lines(&documents(letters, 40)));
    }
    workspace
}

/// Another text in one of the languages, or the first one again.
pub fn write_beta(workspace: &Workspace, version: usize) {
    let text = documents(LETTERS[1].1, 40 + 8 * version as u64);
    workspace.write("beta.jsonl", json_lines(&text));
}
