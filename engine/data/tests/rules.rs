//! The rules that compare documents, and the list of what every rule left out.

mod common;

use std::collections::BTreeMap;

use common::{Corpus, everything, json_lines, source, texts};
use mixmake_data::corpus::dropped::{self, DroppedRow};
use mixmake_data::corpus::{
    Block, Compare, DocumentFiles, Format, HeldOut, OnError, SampleFiles, SamplesSpec,
    SamplesStats, Selection, read_documents, select,
};
use proptest::prelude::*;

/// Reads every source of the corpus on its own, then selects: the way of a run.
fn in_parts(
    corpus: &Corpus,
    spec: &SamplesSpec,
    more: Selection,
    name: &str,
) -> (SamplesStats, SampleFiles, Vec<DroppedRow>) {
    let mut selection = more;
    let mut lists = Vec::new();
    for (index, source) in corpus.sources.iter().enumerate() {
        let path = |what: &str| corpus.path(&format!("{name}-{index}.{what}"));
        let files = DocumentFiles {
            documents: path("documents"),
            account: path("account"),
            dropped: path("dropped"),
        };
        let sources = std::slice::from_ref(source);
        let scratch = corpus.folder.path();
        read_documents(sources, &spec.reading(), &files, scratch, &mut |_| {}).expect("read");
        selection.documents.push(files.documents);
        selection.accounts.push(files.account);
        lists.push(files.dropped);
    }
    let path = |what: &str| corpus.path(&format!("{name}.{what}"));
    let out = SampleFiles {
        train: path("train"),
        held_out: path("held-out"),
        stats: path("stats"),
        dropped: path("dropped"),
        hashes: Some(path("hashes")),
    };
    let stats = select(&selection, &spec.selection(), &out, &mut |_| {}).expect("selected");
    lists.push(out.dropped.clone());
    (stats, out, lists.iter().flat_map(|list| rows(list)).collect())
}

fn rows(list: &std::path::Path) -> Vec<DroppedRow> {
    let mut rows = Vec::new();
    dropped::read(list, &mut |row| {
        rows.push(row);
        true
    })
    .expect("a list");
    rows
}

fn plain(corpus: &Corpus, spec: &SamplesSpec) -> (SamplesStats, Vec<DroppedRow>) {
    let (stats, out, rows) = in_parts(corpus, spec, Selection::default(), "all");
    assert_eq!(
        stats.rows,
        stats.problems + stats.dropped.total() + stats.documents_train + stats.documents_held_out
    );
    assert!(common::rows(&out.train).len() as u64 == stats.samples_train);
    (stats, rows)
}

fn of_rule(rows: &[DroppedRow], rule: &str) -> Vec<u64> {
    rows.iter().filter(|row| row.reason == rule).map(|row| row.row).collect()
}

#[test]
fn every_dropped_row_is_listed_with_its_reason() {
    let lines = [
        r#"{"text": "long enough", "lang": "en"}"#,
        r#"{"text": "short", "lang": "en"}"#,
        r#"{"text": "long enough", "lang": "en"}"#,
        r#"{"text": "lang enough", "lang": "de"}"#,
        r#"{"text": "much longer than is permitted here", "lang": "en"}"#,
        r#"{"text": 7, "lang": "en"}"#,
        r#"{"text": "another text", "lang": "en"}"#,
    ];
    let corpus = Corpus::with("a.jsonl", lines.join("\n"));
    let spec = SamplesSpec {
        filters: [("lang".into(), "en".into())].into(),
        min_chars: 6,
        max_chars: Some(20),
        drop_duplicates: true,
        on_error: OnError::Skip,
        ..everything()
    };
    let (stats, rows) = plain(&corpus, &spec);
    let found: BTreeMap<u64, (&str, &str)> =
        rows.iter().map(|row| (row.row, (row.reason.as_str(), row.detail.as_str()))).collect();
    let expected = [
        (2, ("min-chars", "5")),
        (3, ("duplicates", "of the whole text")),
        (4, ("where", "lang")),
        (5, ("max-chars", "34")),
        (6, ("malformed", "column `text` is a number where text is expected")),
    ];
    assert_eq!(found, expected.into());
    assert!(rows.iter().all(|row| row.source == corpus.sources[0].digest));
    assert_eq!((stats.dropped.max_chars, stats.documents_train), (1, 2));
    // Seven texts but one that is none and one that the filter took before its text was read.
    assert_eq!(stats.lengths.0.iter().sum::<u64>(), 5);
    assert_eq!(stats.lengths.0[3], 1, "one text of 4 to 7 characters");
}

#[test]
fn parts_give_the_bytes_of_the_whole() {
    let texts: Vec<String> =
        (0..300).map(|i| format!("text {} {}", i % 250, "x".repeat(i % 50))).collect();
    let mut corpus = Corpus::new();
    for (index, part) in texts.chunks(70).enumerate() {
        corpus.add(&format!("{index}.jsonl"), json_lines(part.iter().map(String::as_str)));
    }
    for block in [Block::First, Block::Random, Block::Every, Block::Whole] {
        let spec = SamplesSpec {
            block,
            block_chars: 11,
            held_out: HeldOut::Documents(20),
            drop_duplicates: true,
            near_duplicates: Some(0.9),
            max_documents: Some(100),
            ..everything()
        };
        let whole = corpus.output(&spec);
        let (_, out, _) = in_parts(&corpus, &spec, Selection::default(), "parts");
        let read = |path| std::fs::read(path).expect("an output");
        assert!(read(&out.train) == whole.train, "{block:?}");
        assert!(read(&out.held_out) == whole.held_out, "{block:?}");
        assert!(read(&out.stats) == whole.stats, "{block:?}");
    }
}

#[test]
fn duplicates_may_be_of_blocks() {
    let lines = json_lines(["same start, one end", "same start, other end", "another start"]);
    let corpus = Corpus::with("a.jsonl", lines);
    let spec = |block, duplicates_of| SamplesSpec {
        block,
        block_chars: 10,
        drop_duplicates: true,
        duplicates_of,
        ..everything()
    };
    let (stats, rows) = plain(&corpus, &spec(Block::First, Compare::Document));
    assert_eq!((stats.documents_train, rows.len()), (3, 0));
    let (stats, rows) = plain(&corpus, &spec(Block::First, Compare::Block));
    assert_eq!((stats.documents_train, stats.dropped.duplicates), (2, 1));
    assert_eq!(rows[0].detail, "of the block");
    // Of every block, samples go and documents stay.
    let (stats, rows) = plain(&corpus, &spec(Block::Every, Compare::Block));
    assert_eq!((stats.documents_train, stats.duplicate_blocks), (3, 1));
    assert_eq!(of_rule(&rows, "duplicate-blocks").len(), 1);
    assert_eq!(stats.samples_train, 6);
}

#[test]
fn documents_of_earlier_domains_are_dropped() {
    let first = Corpus::with("a.jsonl", json_lines(["one", "two", "three", "four"]));
    let spec =
        SamplesSpec { held_out: HeldOut::Documents(2), drop_duplicates: true, ..everything() };
    let (_, out, _) = in_parts(&first, &spec, Selection::default(), "first");
    let second = Corpus::with("b.jsonl", json_lines(["two", "five", "four", "six", "one"]));
    let more = Selection { earlier: out.hashes.into_iter().collect(), ..Default::default() };
    let spec = SamplesSpec { held_out: HeldOut::Documents(1), ..spec };
    let (stats, out, rows) = in_parts(&second, &spec, more, "second");
    assert_eq!(stats.dropped.duplicates_across, 3);
    assert_eq!(of_rule(&rows, "duplicates-across"), [1, 3, 5]);
    let (train, held) = (common::rows(&out.train), common::rows(&out.held_out));
    assert_eq!(texts(&[train, held].concat()), ["five", "six"]);
    let hashes = std::fs::read(out.hashes.expect("asked for")).expect("written");
    assert_eq!(hashes.len(), 2 * 32, "what a third domain would be compared with");
}

fn sentence(from: u32, words: u32) -> String {
    (from..from + words).map(|word| format!("word{word}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn texts_that_share_words_with_evaluation_texts_are_dropped() {
    let held = sentence(100, 40);
    let shared = format!("{} Word110, WORD111! {} and more", sentence(0, 30), sentence(112, 11));
    let close = format!("{} word110 word111 {}", sentence(0, 30), sentence(112, 10));
    let corpus = Corpus::with("a.jsonl", json_lines([shared.as_str(), &close, &sentence(500, 50)]));
    let mut evaluation = Corpus::new();
    evaluation.add(
        "one.jsonl",
        format!("{{\"q\": {{\"passages\": [\"{held}\", 7]}}, \"short\": \"word0 word1\"}}\n"),
    );
    evaluation.add("two.txt", &held);
    evaluation.add("three.csv", format!("a,b\nx,{held}\n"));
    for one in &evaluation.sources {
        let more = Selection { evaluation: vec![one.clone()], ..Default::default() };
        let spec = SamplesSpec { decontaminate: Some(13), ..everything() };
        let (stats, _, rows) = in_parts(&corpus, &spec, more, "all");
        assert_eq!(stats.dropped.contaminated, 1, "{:?}", one.path);
        assert_eq!(
            of_rule(&rows, "decontaminate"),
            [1],
            "thirteen words, in any case, with any marks"
        );
        assert!(rows[0].detail.contains("words 31 to 43"), "{rows:?}");
    }
}

#[test]
fn evaluation_texts_that_cannot_be_read_are_an_error() {
    let corpus = Corpus::with("a.jsonl", json_lines(["text"]));
    let spec = SamplesSpec { decontaminate: Some(13), ..everything() };
    let (_, out, _) = in_parts(&corpus, &everything(), Selection::default(), "all");
    let refusal = |name: &str, content: &str| {
        let broken = Corpus::with(name, content);
        let selection = Selection {
            documents: vec![corpus.path("all-0.documents")],
            accounts: vec![corpus.path("all-0.account")],
            evaluation: broken.sources.clone(),
            ..Default::default()
        };
        let refused = select(&selection, &spec.selection(), &out, &mut |_| {});
        refused.expect_err("it must be read whole").to_string()
    };
    let found = refusal("bad.jsonl", "{\"a\": \"b\"}\n{");
    assert!(found.contains("bad.jsonl:2") && found.contains("decontaminate"), "{found}");
    assert!(refusal("bad.parquet", "no").contains("bad.parquet: not a Parquet file"));
}

#[test]
fn near_duplicates_are_dropped_and_say_of_what() {
    let base = sentence(0, 200);
    let edited = base.replace("word77 ", "changed ");
    let other = sentence(1000, 200);
    let corpus = Corpus::with("a.jsonl", json_lines([base.as_str(), &edited, &other]));
    let of = |least| {
        let spec = SamplesSpec { near_duplicates: Some(least), ..everything() };
        plain(&corpus, &spec)
    };
    let (stats, rows) = of(0.8);
    assert_eq!((stats.dropped.near_duplicates, stats.documents_train), (1, 2));
    let kept = if rows[0].row == 1 { 2 } else { 1 };
    assert!(
        rows[0].detail.ends_with(&format!("like {}:{kept}", corpus.sources[0].digest)),
        "{rows:?}"
    );
    assert_eq!(of(1.0).0.dropped.near_duplicates, 0);
}

#[test]
fn damaged_documents_files_are_refused() {
    let corpus = Corpus::with("a.jsonl", json_lines(["one", "two", "three"]));
    let (_, out, _) = in_parts(&corpus, &everything(), Selection::default(), "all");
    let path = corpus.path("all-0.documents");
    let whole = std::fs::read(&path).expect("written");
    let selection = Selection {
        documents: vec![path.clone()],
        accounts: vec![corpus.path("all-0.account")],
        ..Default::default()
    };
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).expect("cut");
        let error = select(&selection, &everything().selection(), &out, &mut |_| {});
        let error = error.expect_err("refused").to_string();
        assert!(error.contains("is not a documents file"), "{cut}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// However documents lie in files and parts, the same ones are chosen.
    #[test]
    fn spreading_documents_over_parts_changes_no_text(
        texts in prop::collection::vec("[ab ]{0,6}", 1..40),
        cut in 0usize..40,
        held in 0u64..4,
    ) {
        let spec = SamplesSpec {
            held_out: HeldOut::Documents(held),
            drop_duplicates: true,
            duplicates_of: Compare::Block,
            block: Block::First,
            block_chars: 4,
            ..everything()
        };
        let cut = cut.min(texts.len());
        let mut apart = Corpus::new();
        apart.add("a.jsonl", json_lines(texts[..cut].iter().map(String::as_str)));
        apart.add("b.jsonl", json_lines(texts[cut..].iter().map(String::as_str)));
        let together = Corpus::with("c.jsonl", json_lines(texts.iter().map(String::as_str)));
        let of = |corpus: &Corpus| corpus.extract(&spec).ok().map(|stats| {
            let only_text = |rows: Vec<common::Row>| rows.into_iter().map(|row| row.0).collect::<Vec<_>>();
            (only_text(corpus.train()), only_text(corpus.held_out()), stats.dropped)
        });
        prop_assert_eq!(of(&apart), of(&together));
    }
}

/// A source in two parts of one domain is read twice, and counted twice.
#[test]
fn equal_files_stay_two() {
    let mut corpus = Corpus::with("a.jsonl", json_lines(["one", "two"]));
    corpus.add("b.jsonl", json_lines(["one", "two"]));
    let (stats, _) = plain(&corpus, &everything());
    assert_eq!((stats.rows, stats.duplicates, stats.documents_train), (4, 2, 4));
    let again = source(&corpus.path("a.jsonl"), Format::JsonLines);
    assert_eq!(again.digest, corpus.sources[1].digest);
}
