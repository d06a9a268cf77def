//! Corpora of many files, rules between domains, where a token comes from, and what was left out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::corpus::{documents, json_lines};
use crate::harness::Workspace;
use crate::study;

const MANY: &str = r#"
[corpus]
min-chars = 1
block = "whole"
held-out = 3
[domain.many]
files = "many/*.txt"
train = false
[domain.few]
files = "few/*.jsonl"
[tokenizer]
train = "bpe"
vocabulary = 260
[model.tiny]
architecture = "gpt2"
layers = 1
hidden = 16
heads = 2
context = 32
[recipe.quick]
model = "tiny"
learning-rate = 3e-3
batch-tokens = 256
[train.few]
mixture = "uniform"
recipe = "quick"
tokens = "1k"
"#;

/// More small files than one action reads.
fn many_files() -> Workspace {
    let workspace = Workspace::with_manifest(MANY);
    for index in 0..1500 {
        workspace.write(&format!("many/{index}.txt"), format!("document {index} of many"));
    }
    workspace.write("few/0.jsonl", json_lines(&documents("abcde", 40)));
    workspace
}

fn groups(ran: impl IntoIterator<Item = String>) -> Vec<String> {
    ran.into_iter().filter(|target| target.starts_with("documents/many")).collect()
}

#[test]
fn a_file_costs_what_is_read_with_it() {
    let workspace = many_files();
    let outcome = workspace.run(&["samples/*"]);
    let all = groups(outcome.ran());
    assert!(all.len() >= 2, "{all:?}");
    let texts = |workspace: &Workspace| -> u64 {
        let stats: Value =
            serde_json::from_str(&workspace.read("out/samples/many/stats.json")).expect("JSON");
        stats["rows"].as_u64().expect("a count")
    };
    assert_eq!(texts(&workspace), 1500);
    // (what is done, rows afterwards)
    let added = |workspace: &Workspace| workspace.write("many/new.txt", "a new document");
    let changed = |workspace: &Workspace| workspace.write("many/7.txt", "another document 7");
    let removed = |workspace: &Workspace| {
        std::fs::remove_file(workspace.path("many/8.txt")).expect("removed")
    };
    type Step<'a> = (&'a str, &'a dyn Fn(&Workspace), u64);
    let steps: [Step<'_>; 3] =
        [("added", &added, 1501), ("changed", &changed, 1501), ("removed", &removed, 1500)];
    for (what, step, rows) in steps {
        step(&workspace);
        let ran = workspace.run(&["samples/*"]).ran();
        assert_eq!(groups(ran.clone()).len(), 1, "{what}: {ran:?}");
        assert!(ran.contains("samples/many") && ran.len() == 2, "{what}: {ran:?}");
        assert_eq!(texts(&workspace), rows, "{what}");
    }
    workspace.run(&["samples/*"]).ran_exactly(&[]);
}

#[test]
fn a_mixture_that_draws_nothing_from_what_changed_stays() {
    let workspace = many_files();
    workspace.run(&["tokenizer"]);
    let tokenizer = std::fs::read(workspace.path("out/tokenizer/tokenizer.json")).expect("trained");
    workspace.write("tokenizer.json", tokenizer);
    workspace.edit("train = \"bpe\"\nvocabulary = 260", "file = \"tokenizer.json\"");
    workspace.run(&["mixture/train/few", "shards/*"]);
    workspace.write("many/new.txt", "a new document");
    let ran = workspace.run(&["mixture/train/few", "shards/*"]).ran();
    assert!(ran.contains("shards/many"), "{ran:?}");
    let other = ran.iter().find(|target| !target.contains("many"));
    assert_eq!(other, None, "{ran:?}");
}

/// The characters that `show` gives are those of the file.
fn check_show(
    workspace: &Workspace,
    arguments: &[&str],
    documents: &BTreeMap<(String, u64), String>,
) {
    let shown = workspace.mixmake(&[&["show", "--json"], arguments].concat()).expect(0).json();
    let file =
        shown["file"].as_str().expect("a file").rsplit('/').next().expect("a name").to_owned();
    let row = shown["row"].as_u64().expect("a row");
    let document = documents.get(&(file, row)).unwrap_or_else(|| panic!("{shown}"));
    let text = shown["text"].as_str().expect("a text");
    let start = shown["character"].as_u64().expect("a character") as usize;
    let found: String = document.chars().skip(start).take(text.chars().count()).collect();
    assert!(!text.is_empty() && found == text, "{shown}");
    let before = shown["before"].as_str().expect("a text");
    assert!(document.chars().take(start).collect::<String>().ends_with(before), "{shown}");
}

#[test]
fn every_token_leads_back_to_its_characters() {
    let workspace = study::built();
    let alpha = documents(study::LETTERS[0].1, 40);
    let mut texts: BTreeMap<(String, u64), String> = alpha
        .into_iter()
        .enumerate()
        .map(|(index, text)| ((format!("{index:02}.txt"), 1), text))
        .collect();
    for position in ["0", "1", "40", "777", "1500"] {
        check_show(&workspace, &["alpha", position], &texts);
        check_show(&workspace, &["shards/alpha", position], &texts);
    }
    check_show(&workspace, &["alpha", "33", "--held-out"], &texts);
    let beta = documents(study::LETTERS[1].1, 40);
    for (index, text) in beta.into_iter().enumerate() {
        texts.insert((format!("{}.jsonl.zst", index / 20), index as u64 % 20 + 1), text);
    }
    for position in ["3", "1000"] {
        check_show(&workspace, &["beta", position], &texts);
    }
    let shown = workspace.mixmake(&["show", "alpha", "40"]).expect(0).stdout;
    assert!(shown.contains(".txt:1, character ") && shown.contains("token 40 is"), "{shown}");

    let plain = workspace.mixmake(&["show", "out/shards/alpha/train.bin", "40"]).expect(0).stdout;
    assert!(plain.contains("alpha/") && plain.contains(".txt:1"), "{plain}");
    let _ = workspace
        .mixmake(&["show", "alpha", "99999999"])
        .expect(2)
        .says(&["token 100000000 was asked for"]);
    let _ = workspace
        .mixmake(&["show", "omega", "0"])
        .expect(2)
        .says(&["no domain `omega`", "`alpha`"]);
}

#[test]
fn what_was_left_out_is_listed_with_its_place() {
    let manifest = r#"
[corpus]
min-chars = 9
block = "whole"
held-out = 1
duplicates = "drop"
[domain.first]
files = "first.jsonl"
[domain.second]
files = "second.jsonl"
duplicates = "drop-across"
where = { lang = "en" }
decontaminate = "exam.jsonl"
decontaminate-words = 4
[tokenizer]
train = "bpe"
vocabulary = 260
"#;
    let workspace = Workspace::with_manifest(manifest);
    let line =
        |text: &str, lang: &str| format!("{}\n", serde_json::json!({"text": text, "lang": lang}));
    let first = ["one document", "two documents", "one document", "short"];
    workspace.write("first.jsonl", first.map(|text| line(text, "en")).concat());
    let second = [
        line("two documents", "en"),
        line("a third document", "de"),
        line("says that the answer is seven", "en"),
        line("a fifth document", "en"),
        line("a sixth document", "en"),
    ];
    workspace.write("second.jsonl", second.concat());
    workspace.write(
        "exam.jsonl",
        "{\"question\": \"What is it?\", \"text\": [\"The answer is seven.\"]}\n",
    );
    workspace.run(&["samples/*"]);
    let dropped = |domain: &str| -> Vec<(u64, String)> {
        let listed = workspace.mixmake(&["dropped", domain, "--json"]).expect(0).json();
        let rows = listed["dropped"].as_array().expect("a list").iter();
        let mut rows: Vec<_> = rows
            .map(|row| {
                (
                    row["row"].as_u64().expect("a row"),
                    row["rule"].as_str().expect("a rule").to_owned(),
                )
            })
            .collect();
        rows.sort();
        rows
    };
    let rules = |rows: &[(u64, &str)]| {
        rows.iter().map(|(row, rule)| (*row, rule.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(dropped("first"), rules(&[(3, "duplicates"), (4, "min-chars")]));
    assert_eq!(
        dropped("second"),
        rules(&[(1, "duplicates-across"), (2, "where"), (3, "decontaminate")])
    );
    let text = workspace.mixmake(&["dropped", "second", "--rule", "where"]).expect(0).stdout;
    assert_eq!(text, "second.jsonl:2: where (lang)\n");
    let log = workspace.mixmake(&["log", "samples/second"]).expect(0).stdout;
    assert!(log.contains("dropped by duplicates-across: 1"), "{log}");

    // What the first domain holds decides the second's, and its bytes decide whether.
    workspace.write(
        "first.jsonl",
        first[..1].iter().map(|text| line(text, "en")).collect::<String>()
            + &line("four documents", "en"),
    );
    workspace.run(&["samples/*"]).ran_exactly(&[
        "documents/first",
        "samples/first",
        "samples/second",
    ]);
    assert!(!dropped("second").iter().any(|(_, rule)| rule == "duplicates-across"));
    workspace.edit("exam.jsonl", "exams.jsonl");
    let _ = workspace.run_any(&[]).expect(2).says(&["no evaluation text matches `exams.jsonl`"]);
}
