//! Broken text: `run` fails with the file and the row, keeps what is whole, and counts what it was
//! told to leave out.

use crate::corpus::{documents, json_lines, parquet, zstd};
use crate::harness::{Outcome, Workspace};

const MANIFEST: &str = r#"
[corpus]
min-chars = 5
block = "whole"
held-out = 2
[domain.good]
files = "good.jsonl"
[domain.bad]
files = "bad.*"
[tokenizer]
train = "bpe"
vocabulary = 300
"#;

fn workspace(file: &str, content: impl AsRef<[u8]>) -> Workspace {
    let workspace = Workspace::with_manifest(MANIFEST);
    workspace.write("good.jsonl", json_lines(&documents("abcde", 10)));
    workspace.write(file, content);
    workspace
}

fn failures(outcome: &Outcome) -> Vec<(String, String)> {
    let events = outcome.events();
    let failed = events.iter().filter(|event| event["event"] == "action-failed");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    failed.map(|event| (text(&event["target"]), text(&event["message"]))).collect()
}

/// Runs and expects one failure, of the bad domain, with `words` in its message.
fn check(what: &str, file: &str, content: impl AsRef<[u8]>, words: &[&str]) {
    let workspace = workspace(file, content);
    let outcome = workspace.run_any(&["-k", "samples/*"]).expect(1);
    let failures = failures(&outcome);
    assert_eq!(failures.len(), 1, "{what}: {failures:?}");
    let (target, message) = &failures[0];
    assert_eq!(target, "documents/bad", "{what}");
    for word in words {
        assert!(message.contains(word), "{what}: no `{word}` in {message}");
    }
    let good = ["documents/good".to_owned(), "samples/good".to_owned()];
    assert_eq!(outcome.ran(), good.into(), "{what}: the other is kept");
    assert!(workspace.path("out/samples/good/train.arrow").exists(), "{what}");
    assert!(!workspace.path("out/samples/bad/train.arrow").exists(), "{what}");
    assert!(workspace.results().keys().all(|name| !name.starts_with("samples/bad")), "{what}");
    // Nothing that failed is remembered as done.
    let again = workspace.run_any(&["samples/*"]).expect(1);
    assert!(again.ran().is_empty(), "{what}");
}

fn good_rows(count: usize) -> Vec<String> {
    documents("fghij", count as u64).iter().map(|text| json_lines([text])).collect()
}

#[test]
fn failures_name_the_file_and_the_row() {
    let rows = good_rows(6);
    let with = |row: &str| [rows[..3].concat(), format!("{row}\n"), rows[3..].concat()].concat();
    check(
        "malformed JSON",
        "bad.jsonl",
        with("{\"text\": \"never clo"),
        &["bad.jsonl:4", "JSON", "on-error"],
    );
    check("no object", "bad.jsonl", with("[1, 2]"), &["bad.jsonl:4"]);
    check("another type", "bad.jsonl", with("{\"text\": 7}"), &["bad.jsonl:4", "text"]);
    check(
        "no text column in a row",
        "bad.jsonl",
        with("{\"body\": \"words\"}"),
        &["bad.jsonl:4", "`text`"],
    );
    check("two bad rows", "bad.jsonl", with("{}\n{}"), &["2 rows", "bad.jsonl:4", "bad.jsonl:5"]);
    let mut bytes = with("{\"text\": \"words ? words\"}").into_bytes();
    let place = bytes.iter().position(|byte| *byte == b'?').expect("there");
    bytes[place] = 0xff;
    check("invalid UTF-8", "bad.jsonl", &bytes, &["bad.jsonl:4", "UTF-8"]);
    check(
        "invalid UTF-8 in a plain file",
        "bad.txt",
        b"words \xff\xfe words",
        &["bad.txt", "UTF-8"],
    );
}

#[test]
fn failures_of_whole_files_name_them() {
    let rows = good_rows(30).concat();
    let whole = zstd(&rows);
    check(
        "a truncated .zst",
        "bad.jsonl.zst",
        &whole[..whole.len() / 2],
        &["bad.jsonl.zst", "truncated"],
    );
    check("not zstd at all", "bad.jsonl.zst", "words", &["bad.jsonl.zst"]);
    let table = parquet(&documents("fghij", 5));
    check("a truncated Parquet file", "bad.parquet", &table[..table.len() - 9], &["bad.parquet"]);
}

#[test]
fn a_domain_without_documents_says_what_dropped_them() {
    for (what, content, words) in [
        ("an empty file", "", &["no document"][..]),
        (
            "only short documents",
            "{\"text\":\"hi\"}\n",
            &["no document is left of 1 rows", "1 by `min-chars`"],
        ),
    ] {
        let workspace = workspace("bad.jsonl", content);
        let outcome = workspace.run_any(&["-k", "samples/*"]).expect(1);
        let failures = failures(&outcome);
        assert_eq!(failures.len(), 1, "{what}: {failures:?}");
        let (target, message) = &failures[0];
        assert_eq!(target, "samples/bad", "{what}");
        assert!(words.iter().all(|word| message.contains(word)), "{what}: {message}");
    }
}

#[test]
fn a_parquet_file_without_the_column_says_so() {
    let workspace = workspace("bad.parquet", parquet(&documents("fghij", 9)));
    let outcome = workspace.run_any(&["samples/bad", "--set", "domain.bad.text=body"]).expect(1);
    let failures = failures(&outcome);
    assert!(
        failures[0].1.contains("bad.parquet") && failures[0].1.contains("`body`"),
        "{failures:?}"
    );
}

#[test]
fn skipped_rows_are_counted_and_located() {
    let rows = good_rows(8);
    let content = [rows[..3].concat(), "{\"text\":\n{}\n".into(), rows[3..].concat()].concat();
    let workspace = workspace("bad.jsonl", content);
    workspace.edit("files = \"bad.*\"", "files = \"bad.*\"\non-error = \"skip\"");
    workspace.run(&["samples/*"]);
    let stats: serde_json::Value =
        serde_json::from_str(&workspace.read("out/samples/bad/stats.json")).expect("JSON");
    assert_eq!(
        (stats["rows"].as_u64(), stats["problems"].as_u64()),
        (Some(10), Some(2)),
        "{stats}"
    );
    let kept = stats["documents-train"].as_u64().zip(stats["documents-held-out"].as_u64());
    assert_eq!(kept, Some((6, 2)), "{stats}");
    let located = stats["problem-examples"].as_array().expect("a list");
    assert_eq!(
        located.iter().map(|each| each["row"].as_u64()).collect::<Vec<_>>(),
        [Some(4), Some(5)]
    );

    let log = workspace.mixmake(&["log", "samples/bad"]).expect(0).stdout;
    assert!(log.contains("malformed rows: 2"), "{log}");
    let lengths = stats["lengths"].as_array().expect("a list");
    let place = lengths.iter().rposition(|count| count.as_u64() > Some(0)).expect("documents");
    let range = format!("{}-{}: {}", (1 << place) / 2, (1 << place) - 1, lengths[place]);
    assert!(log.contains("document lengths: ") && log.contains(&range), "no {range}: {log}");
    let log = workspace.mixmake(&["log", "samples/good"]).expect(0).stdout;
    assert!(log.contains("malformed rows: 0"), "{log}");
}

/// A glob takes links to files; one to nothing is missed by whoever needs its text, so it is said and not passed over.
#[test]
fn a_link_to_nothing_is_said() {
    let workspace = workspace("bad.1.jsonl", good_rows(6).concat());
    std::os::unix::fs::symlink("nowhere", workspace.path("bad.2.jsonl")).expect("linked");
    workspace.run_any(&["samples/*"]).expect(2).says(&["bad.2.jsonl", "No such file", "`bad`"]);
    std::fs::remove_file(workspace.path("bad.2.jsonl")).expect("removed");
    workspace.run(&["samples/*"]);
}

/// A folder is no file, whatever its name.
#[test]
fn a_folder_that_matches_is_no_file() {
    let workspace = workspace("bad.1.jsonl", good_rows(6).concat());
    workspace.write("bad.2.jsonl/text.jsonl", good_rows(9).concat());
    workspace.run(&["samples/bad"]);
    let stats: serde_json::Value =
        serde_json::from_str(&workspace.read("out/samples/bad/stats.json")).expect("JSON");
    assert_eq!((stats["sources"].as_u64(), stats["rows"].as_u64()), (Some(1), Some(6)), "{stats}");
    workspace.edit("files = \"bad.*\"", "files = \"bad.2.jsonl\"");
    workspace.run_any(&["samples/bad"]).expect(2).says(&["no file matches", "bad.2.jsonl"]);
}

#[test]
fn a_glob_that_matches_nothing_is_said() {
    let workspace = workspace("bad.jsonl", "");
    workspace.edit("files = \"bad.*\"", "files = \"bed.*\"");
    let outcome = workspace.run_any(&["-k", "samples/*"]).expect(2);
    outcome.says(&["no file matches", "bed.*", "`bad`", "mixmake.toml:"]);
}

/// A file in two domains would be trained on under two weights, and held out of one alone.
#[test]
fn two_domains_of_one_file_are_refused() {
    let workspace = workspace("bad.jsonl", good_rows(9).concat());
    workspace.edit("files = \"good.jsonl\"", "files = \"bad.jsonl\"");
    let outcome = workspace.run_any(&["samples/*"]).expect(2);
    outcome.says(&["`good` and `bad` share the file `", "bad.jsonl", "exclude", "mixmake.toml:"]);
}

/// Runs as a user who may not read the file: root may read everything, so where the tests run as root, as nobody.
#[test]
fn a_file_that_may_not_be_read_is_said() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    let workspace = workspace("bad.jsonl", good_rows(6).concat());
    let locked = |path: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(workspace.path(path), mode).expect("set");
    };
    // Nobody may not look into the folder of the build.
    std::fs::copy(env!("CARGO_BIN_EXE_mixmake"), workspace.path("mixmake")).expect("copied");
    let above = workspace.folder.parent().expect("a parent");
    std::fs::set_permissions(above, std::fs::Permissions::from_mode(0o755)).expect("set");
    let root = rustix::process::geteuid().is_root();
    let run = || {
        let mut command = std::process::Command::new(workspace.path("mixmake"));
        command.args(["run", "samples/*"]).current_dir(&workspace.folder);
        if root {
            chown(&workspace.folder, Some(NOBODY), None).expect("given");
            command.uid(NOBODY);
        }
        Outcome::of(command.output().expect("started"))
    };
    locked("bad.jsonl", 0o000);
    run().expect(2).says(&["bad.jsonl", "Permission denied", "`bad`"]);
    locked("bad.jsonl", 0o644);

    // A folder that cannot be listed may hold files that match.
    workspace.write("more/bad.jsonl", good_rows(7).concat());
    workspace.edit("files = \"bad.*\"", "files = \"**/bad.*\"");
    locked("more", 0o000);
    run().expect(2).says(&["cannot list", "more", "Permission denied"]);
    locked("more", 0o755);
    run().expect(0);
}

/// Without `-k` nothing more starts after a failure; what depends on it never does.
#[test]
fn what_depends_on_a_failure_does_not_run() {
    let workspace = workspace("bad.jsonl", "{");
    for flags in [&[][..], &["-k"]] {
        let outcome = workspace.run_any(flags).expect(1);
        assert!(!outcome.ran().contains("tokenizer") && !outcome.ran().contains("shards/bad"));
        let log = workspace.mixmake(&["log", "documents/bad"]).expect(0).stdout;
        assert!(log.contains("bad.jsonl:1"), "{log}");
    }
    workspace.write("bad.jsonl", good_rows(9).concat());
    let ran = workspace.run(&[]).ran();
    assert!(!ran.contains("samples/good") && ran.contains("shards/bad"), "mended: {ran:?}");
}

/// What failed keeps its log, what does not depend on it goes on with `-k`, and the next run tries only it.
#[test]
fn only_what_failed_is_tried_again() {
    let workspace = workspace("bad.jsonl", "{");
    let first = workspace.run_any(&["-k", "samples/*"]).expect(1);
    assert_eq!(first.ran(), crate::harness::set(&["documents/good", "samples/good"]));
    for _ in 0..2 {
        let log = workspace.mixmake(&["log", "documents/bad"]).expect(0).stdout;
        assert!(log.contains("bad.jsonl:1"), "{log}");
        let again = workspace.run_any(&["-k", "samples/*"]).expect(1);
        assert_eq!(again.targets("action-started"), ["documents/bad"]);
    }
}
