//! Real text in the schemas people have: RedPajama's JSON Lines and the BERT corpora's Parquet and
//! JSON Lines, where the checkout has a folder with them beside it.

use std::path::{Path, PathBuf};

use crate::harness::Workspace;

/// The folder of corpora, or a word that it is absent.
fn corpora() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/corpora");
    if let Ok(folder) = folder.canonicalize() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {}", folder.display());
    None
}

fn stats(workspace: &Workspace, domain: &str) -> serde_json::Value {
    serde_json::from_str(&workspace.read(&format!("out/samples/{domain}/stats.json")))
        .expect("JSON")
}

#[test]
fn redpajama_with_the_tokenizer_of_gpt2_to_a_report() {
    let Some(folder) = corpora() else { return };
    let data = folder.display();
    let workspace = Workspace::with_manifest(&format!(
        r#"
[corpus]
min-chars = 1000
block-chars = 1000
held-out = 3
max-documents = 100
[domain.wikipedia]
files = "{data}/redpajama/wikipedia/part-00[01].jsonl.zst"
where = {{ "meta.language" = "en" }}
[domain.stackexchange]
files = "{data}/redpajama/stackexchange/part-000.jsonl.zst"
[domain.github]
files = "{data}/redpajama/github/part-000.jsonl.zst"
block = "random"
train = false
[tokenizer]
file = "{data}/tokenizers/gpt2/tokenizer.json"
[model.tiny]
architecture = "gpt2"
layers = 1
hidden = 16
heads = 2
context = 32
[recipe.quick]
model = "tiny"
learning-rate = 3e-3
batch-tokens = 512
evaluations = 1
[ddo.small]
recipe = "quick"
tokens = "2k"
[ddo.medium]
recipe = "quick"
tokens = "4k"
[autoscale.large]
from = ["small", "medium"]
tokens = "6k"
[train.uniform]
mixture = "uniform"
recipe = "quick"
tokens = "6k"
[train.predicted]
mixture = "autoscale.large"
recipe = "quick"
tokens = "6k"
[report]
trains = ["predicted", "uniform"]
baseline = "uniform"
"#
    ));
    workspace.run(&["shards/*"]);
    let wikipedia = stats(&workspace, "wikipedia");
    let other_languages = &wikipedia["dropped"]["filters"]["meta.language"];
    assert!(other_languages.as_u64().is_some_and(|count| count > 0), "{wikipedia}");
    for domain in ["wikipedia", "stackexchange", "github"] {
        let stats = stats(&workspace, domain);
        assert_eq!(stats["problems"], 0, "{domain}: {stats}");
        assert_eq!(stats["samples-held-out"], 3, "{domain}: {stats}");
        assert!(stats["dropped"]["min-chars"].as_u64() > Some(0), "{domain}: {stats}");
    }
    workspace.run(&[]);
    let report = workspace.read("out/report/report.md");
    for domain in ["wikipedia", "stackexchange", "github"] {
        assert!(report.contains(domain), "{report}");
    }
    assert!(workspace.read("out/report/report.html").contains("<svg"));
    workspace.run(&[]).ran_exactly(&[]);
}

#[test]
fn the_bert_corpora_to_a_masked_training() {
    let Some(folder) = corpora() else { return };
    let data = folder.display();
    let workspace = Workspace::with_manifest(&format!(
        r#"
[corpus]
min-chars = 1000
block-chars = 1000
held-out = 10
max-documents = 120
[domain.reviews]
files = "{data}/bert/reviews/part-000.parquet"
text = "review_body"
[domain.arxiv]
files = "{data}/bert/arxiv/part-000.parquet"
text = "article"
[domain.wikipedia]
files = "{data}/bert/wikipedia/part-000.jsonl.gz"
[domain.books]
files = "{data}/bert/books/part-000.jsonl.zst"
train = false
[tokenizer]
file = "{data}/tokenizers/bert-base-uncased/tokenizer.json"
[model.tiny]
architecture = "bert"
layers = 1
hidden = 16
heads = 2
context = 512
[recipe.quick]
model = "tiny"
learning-rate = 1e-3
batch-tokens = 4096
evaluations = 1
[train.uniform]
mixture = "uniform"
recipe = "quick"
tokens = "24k"
"#
    ));
    workspace.run(&["shards/*"]);
    for domain in ["reviews", "arxiv", "wikipedia", "books"] {
        let stats = stats(&workspace, domain);
        assert_eq!(stats["problems"], 0, "{domain}: {stats}");
        assert_eq!(stats["samples-held-out"], 10, "{domain}: {stats}");
    }
    workspace.run(&[]).ran_exactly(&["mixture/train/uniform", "train/uniform"]);
    let losses = workspace.mixmake(&["losses", "--json", "--last"]).expect(0).json();
    let rows = losses["trainings"][0]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 4, "one a held-out set: {losses}");
    assert!(
        rows.iter().all(|row| row["loss"].as_f64().is_some_and(|loss| loss > 1.0 && loss < 15.0)),
        "{losses}"
    );
}
