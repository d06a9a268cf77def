//! Held-out text is never trained on, and is the same for every mixture.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::ipc::reader::FileReader;

use crate::corpus::{documents, json_lines};
use crate::harness::Workspace;
use crate::study;

/// The texts of a samples file.
fn texts(path: &Path) -> Vec<String> {
    let reader =
        FileReader::try_new(File::open(path).expect("opened"), None).expect("an Arrow file");
    let mut texts = Vec::new();
    for batch in reader {
        let batch = batch.expect("read");
        let column = batch.column_by_name("text").expect("a text column");
        let column = arrow_cast(column);
        texts.extend(column);
    }
    texts
}

fn arrow_cast(column: &dyn Array) -> Vec<String> {
    let owned = |text: Option<&str>| text.expect("no nulls").to_owned();
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().map(owned).collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().map(owned).collect(),
        DataType::Utf8View => column.as_string_view().iter().map(owned).collect(),
        other => panic!("text as {other}"),
    }
}

#[test]
fn the_splits_share_no_text() {
    let workspace = study::built();
    for (domain, _) in study::LETTERS {
        let of = |split: &str| -> BTreeSet<String> {
            texts(&workspace.path(&format!("out/samples/{domain}/{split}.arrow")))
                .into_iter()
                .collect()
        };
        let (train, held_out) = (of("train"), of("held-out"));
        assert!(
            train.len() > 50 && held_out.len() > 5,
            "{domain}: {} and {}",
            train.len(),
            held_out.len()
        );
        assert!(train.is_disjoint(&held_out), "{domain}");
    }
}

/// Whole documents that occur several times, in several files: all copies are on one side.
#[test]
fn copies_of_a_document_are_on_one_side() {
    let workspace = Workspace::with_manifest(
        "[corpus]\nmin-chars = 10\nblock = \"every\"\nblock-chars = 100\nheld-out = \"30%\"\n[domain.words]\nfiles = \"*.jsonl\"\n[tokenizer]\ntrain = \"bpe\"\nvocabulary = 300\n",
    );
    let documents = documents("abcde", 60);
    for copy in 0..3 {
        workspace.write(&format!("{copy}.jsonl"), json_lines(&documents[copy * 5..]));
    }
    workspace.run(&["samples/words"]);
    let of = |split: &str| texts(&workspace.path(&format!("out/samples/words/{split}.arrow")));
    let (train, held_out) = (of("train"), of("held-out"));
    let distinct: BTreeSet<_> = train.iter().collect();
    assert!(train.len() > 2 * distinct.len(), "the copies are there");
    assert!(!held_out.is_empty() && held_out.iter().all(|text| !distinct.contains(text)));
}

#[test]
fn no_mixture_changes_the_held_out_set() {
    let workspace = study::built();
    let held_out = |workspace: &Workspace| -> Vec<(String, String)> {
        let results = workspace.results();
        results.into_iter().filter(|(name, _)| name.contains("held-out")).collect()
    };
    let before = held_out(&workspace);
    assert_eq!(before.len(), 3 * 5, "samples, and four files of each shard: {before:?}");
    workspace.edit("mixture = \"uniform\"", "mixture = \"most-alpha\"");
    let manifest = workspace.read("mixmake.toml");
    workspace.write(
        "mixmake.toml",
        manifest + "[mixture.most-alpha]\nweights = { alpha = 0.9, beta = 0.1 }\n",
    );
    workspace.run(&["train/uniform"]).ran_exactly(&["mixture/train/uniform", "train/uniform"]);
    assert_eq!(held_out(&workspace), before);
}

/// More documents never move an old one from one side to the other, where a share is held out.
#[test]
fn more_text_moves_no_document_across() {
    let documents = documents("abcde", 80);
    let split = |count: usize| {
        let workspace = Workspace::with_manifest(
            "[corpus]\nmin-chars = 10\nblock = \"whole\"\nheld-out = \"25%\"\n[domain.words]\nfiles = \"*.jsonl\"\n[tokenizer]\ntrain = \"bpe\"\nvocabulary = 300\n",
        );
        workspace.write("words.jsonl", json_lines(&documents[..count]));
        workspace.run(&["samples/words"]);
        let of = |split: &str| -> BTreeSet<String> {
            texts(&workspace.path(&format!("out/samples/words/{split}.arrow")))
                .into_iter()
                .collect()
        };
        (of("train"), of("held-out"))
    };
    let (few, many) = (split(40), split(80));
    assert!(!few.1.is_empty() && few.0.is_subset(&many.0) && few.1.is_subset(&many.1));
}

#[test]
fn shards_hold_what_the_samples_say() {
    let workspace = study::built();
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(workspace.path(name)).expect("read")).expect("JSON")
    };
    for (domain, _) in study::LETTERS {
        let stats = read(&format!("out/samples/{domain}/stats.json"));
        for (split, count) in [("train", "samples-train"), ("held-out", "samples-held-out")] {
            let facts = read(&format!("out/shards/{domain}/{split}.json"));
            assert_eq!(facts["sequences"], stats[count], "{domain} {split}");
            let bytes = fs::metadata(workspace.path(&format!("out/shards/{domain}/{split}.bin")))
                .expect("there")
                .len();
            assert_eq!(facts["tokens"].as_u64(), Some(bytes / 2), "u16 tokens of {domain} {split}");
        }
    }
}
