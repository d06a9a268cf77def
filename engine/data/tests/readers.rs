//! Corpora as people have them: compressed in every way, archives, metadata stored as text, rows without end.

mod common;

use std::io::{Read, Write};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{Field, Int32Type};
use common::{Corpus, everything, gzip, json_lines, texts, xz, zstd};
use mixmake_data::corpus::{Format, OnError, SamplesSpec};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

fn check(name: &str, content: impl AsRef<[u8]>, expected: &[&str]) {
    let corpus = Corpus::with(name, content);
    corpus.extract(&everything()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(texts(&corpus.train()), expected, "{name}");
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// A frame whose decoder must look back `2^log` bytes.
fn zstd_long(bytes: &[u8], log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder
        .long_distance_matching(true)
        .and_then(|()| encoder.window_log(log))
        .expect("a long window");
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

#[test]
fn every_compression_in_several_pieces() {
    let (one, two) = (json_lines(["a", "b"]), json_lines(["c"]));
    for (suffix, compress) in
        [("gz", gzip as fn(&[u8]) -> Vec<u8>), ("zst", zstd), ("xz", xz), ("bz2", bzip2)]
    {
        let pieces = [compress(one.as_bytes()), compress(b""), compress(two.as_bytes())].concat();
        check(&format!("x.jsonl.{suffix}"), &pieces, &["a", "b", "c"]);
        // A line may be cut by the end of a piece.
        let (head, tail) = one.as_bytes().split_at(5);
        check(&format!("y.jsonl.{suffix}"), [compress(head), compress(tail)].concat(), &["a", "b"]);
        // What the first bytes say counts, not the name.
        check("z.jsonl", compress(one.as_bytes()), &["a", "b"]);
    }
}

#[test]
fn zstd_with_a_long_window() {
    let long = json_lines(["a", &"x".repeat(9 << 20), "b"]);
    let corpus = Corpus::with("x.jsonl.zst", zstd_long(long.as_bytes(), 28));
    assert_eq!(corpus.extract(&everything()).expect("read").documents_train, 3);
}

#[test]
fn truncated_and_corrupt_bzip2_is_located() {
    let whole = bzip2(json_lines(["a", "b"]).as_bytes());
    for content in [whole[..whole.len() - 4].to_vec(), {
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        bytes
    }] {
        let corpus = Corpus::with("x.jsonl.bz2", content);
        let refusal = corpus.refusal(&everything());
        assert!(refusal.contains("x.jsonl.bz2"), "{refusal}");
        assert!(refusal.contains("truncated") || refusal.contains("cannot read on"), "{refusal}");
    }
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).expect("appended");
    }
    let mut folder = tar::Header::new_gnu();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_size(0);
    archive.append_data(&mut folder, "a/", &b""[..]).expect("appended");
    archive.into_inner().expect("an archive")
}

#[test]
fn archives_of_plain_files() {
    let long = format!("a/{}.txt", "n".repeat(180));
    let whole =
        archive(&[("a/one.txt", b"one"), (&long, "zw\u{f6}".as_bytes()), ("b.md", b"three\n")]);
    check("x.tar", &whole, &["one", "three\n", "zwö"]);
    check("x.tar.gz", gzip(&whole), &["one", "three\n", "zwö"]);
    check("x.tgz", gzip(&whole), &["one", "three\n", "zwö"]);
    check("x.tar.zst", zstd(&whole), &["one", "three\n", "zwö"]);

    let corpus = Corpus::with("x.tar", &whole);
    let spec = SamplesSpec { filters: [("path".into(), "b.md".into())].into(), ..everything() };
    let stats = corpus.extract(&spec).expect("read");
    assert_eq!((stats.rows, stats.documents_train), (3, 1));
    assert_eq!(corpus.train()[0].2, 3, "its place among the files");
}

#[test]
fn bad_archives_are_located() {
    let whole = archive(&[("one.txt", b"one"), ("bad.txt", b"\xff\xfe"), ("three.txt", b"three")]);
    let corpus = Corpus::with("x.tar", &whole);
    let refusal = corpus.refusal(&everything());
    assert!(refusal.contains("x.tar:2: `bad.txt`: invalid UTF-8"), "{refusal}");
    let skip = SamplesSpec { on_error: OnError::Skip, ..everything() };
    corpus.extract(&skip).expect("skipped");
    assert_eq!(texts(&corpus.train()), ["one", "three"]);
    // The header of the third file is at 2048.
    let mut broken = whole.clone();
    broken[2048 + 150] ^= 0x7f;
    for (content, words) in [(&broken[..], "after file 2"), (&whole[..2600], "truncated")] {
        let refusal = Corpus::with("x.tar", content).refusal(&everything());
        assert!(refusal.contains(words) || refusal.contains("cannot read on"), "{refusal}");
    }
}

#[test]
fn metadata_stored_as_a_python_literal_is_read() {
    let meta = [
        "{'title': \"Don't\", 'language': 'en', 'url': 'https://e.org'}",
        "{'title': 'Nein', 'language': 'de'}",
        "{'title': None}",
    ];
    let spec = |on_error| SamplesSpec {
        filters: [("meta.language".into(), "en".into())].into(),
        on_error,
        ..everything()
    };
    let rows: Vec<_> = meta.iter().zip(["one", "two", "three"]).collect();
    let jsonl: String = rows
        .iter()
        .map(|(meta, text)| format!("{}\n", serde_json::json!({"text": text, "meta": meta})))
        .collect();
    let csv: String = rows
        .iter()
        .map(|(meta, text)| format!("{text},\"{}\"\n", meta.replace('"', "\"\"")))
        .collect();
    let columns: [(&str, ArrayRef); 2] = [
        ("text", Arc::new(StringArray::from(vec!["one", "two", "three"]))),
        ("meta", Arc::new(StringArray::from(meta.to_vec()))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    for (name, content) in [
        ("x.jsonl", jsonl.clone().into_bytes()),
        ("x.csv", format!("text,meta\n{csv}").into_bytes()),
        ("x.parquet", parquet_of(&batch, Compression::SNAPPY)),
    ] {
        let corpus = Corpus::with(name, content);
        let stats = corpus.extract(&spec(OnError::Fail)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(texts(&corpus.train()), ["one"], "{name}");
        assert_eq!(stats.dropped.filters["meta.language"], 2, "{name}");
    }
    // What cannot be understood is malformed: nothing is dropped in silence.
    let broken = format!("{jsonl}{}\n", r#"{"text": "four", "meta": "{'language': "}"#);
    let corpus = Corpus::with("x.jsonl", broken);
    let refusal = corpus.refusal(&spec(OnError::Fail));
    assert!(refusal.contains("x.jsonl:4: column `meta` holds no Python literal"), "{refusal}");
}

#[test]
fn joins_are_what_the_spec_says() {
    let corpus = Corpus::with("x.jsonl", r#"{"title": "T", "body": ["b", "c"]}"#);
    let spec = SamplesSpec {
        text: vec!["title".into(), "body".into()],
        join: " — ".into(),
        ..everything()
    };
    corpus.extract(&spec).expect("read");
    assert_eq!(texts(&corpus.train()), ["T — b — c"]);
}

fn parquet_of(batch: &RecordBatch, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(2))
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))
            .expect("a writer");
    writer.write(batch).expect("written");
    writer.close().expect("closed");
    bytes
}

#[test]
fn parquet_of_every_compression_with_nested_columns() {
    let body: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d", "e"]));
    let numbers = (0..5).map(|i| Some(vec![Some(i)]));
    let other: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(numbers));
    let field =
        |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
    let doc =
        StructArray::from(vec![(field("body", &body), body.clone()), (field("n", &other), other)]);
    let batch = RecordBatch::try_from_iter([("doc", Arc::new(doc) as ArrayRef)]).expect("a batch");
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
    ] {
        let corpus = Corpus::with("x.parquet", parquet_of(&batch, compression));
        let spec = SamplesSpec { text: vec!["doc.body".into()], ..everything() };
        corpus.extract(&spec).unwrap_or_else(|e| panic!("{compression:?}: {e}"));
        assert_eq!(texts(&corpus.train()), ["a", "b", "c", "d", "e"], "{compression:?}");
        let rows: std::collections::BTreeSet<u64> =
            corpus.train().iter().map(|row| row.2).collect();
        assert_eq!(rows, (1..=5).collect(), "rows go on over row groups");
    }
}

#[test]
fn tsv_that_does_not_quote() {
    let content = "id\ttext\n1\tsay \"hi\n2\t\"so\" he said\n";
    let corpus = Corpus::with("x.tsv", content);
    corpus.extract(&SamplesSpec { quotes: false, ..everything() }).expect("read");
    assert_eq!(texts(&corpus.train()), ["\"so\" he said", "say \"hi"]);
}

/// A stream of `bytes` of one letter inside a row, compressed as it is made.
fn endless_row(before: &str, bytes: u64, after: &str) -> Vec<u8> {
    let row = before.as_bytes().chain(std::io::repeat(b'x').take(bytes)).chain(after.as_bytes());
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
    std::io::copy(&mut std::io::BufReader::with_capacity(1 << 20, row), &mut encoder)
        .expect("compressed");
    encoder.finish().expect("compressed")
}

const ROW: &str = "MIXMAKE_TEST_ENDLESS_ROW";

/// What the test below measures, in a process of its own: its peak of memory is nobody else's.
#[test]
fn one_endless_row_in_this_process() {
    let Ok(name) = std::env::var(ROW) else { return };
    let mut corpus = Corpus::new();
    let path = std::path::Path::new(&name);
    corpus.sources.push(common::source(path, Format::guess(path).expect("known")));
    let skip = SamplesSpec { on_error: OnError::Skip, ..everything() };
    let stats = corpus.extract(&skip).expect("skipped");
    let csv = name.contains(".csv");
    assert_eq!((stats.problems, stats.documents_train), (1, if csv { 1 } else { 2 }), "{stats:?}");
    assert!(stats.problem_examples[0].message.contains("longer than"), "{stats:?}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 =
        peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    assert!(kilobytes < 300_000, "{kilobytes} kB at the most");
}

#[test]
fn rows_of_two_gigabytes_are_refused_in_bounded_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let size = 2 << 30;
    for (name, content) in [
        (
            "x.jsonl.zst",
            endless_row("{\"text\": \"a\"}\n{\"text\": \"", size, "\"}\n{\"text\": \"b\"}\n"),
        ),
        ("x.csv.zst", endless_row("text\na\n\"", size, "\"\nb\n")),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        let program = std::env::current_exe().expect("this test");
        let output = Command::new(program)
            .args(["--exact", "one_endless_row_in_this_process"])
            .env(ROW, &path)
            .output()
            .expect("started");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn what_is_no_file_is_located() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    for name in ["x.jsonl", "x.parquet", "x.arrow", "x.csv", "x.txt", "x.tar"] {
        let format = Format::guess(std::path::Path::new(name)).expect("known");
        let refusal = |make: &dyn Fn(&std::path::Path)| {
            let mut corpus = Corpus::with("good.jsonl", json_lines(["good"]));
            make(&corpus.path(name));
            corpus.sources.push(common::source(&corpus.path(name), format));
            let refusal = corpus.refusal(&everything());
            assert!(
                refusal.contains(name) && refusal.contains("1 row could not be read"),
                "{refusal}"
            );
            let skip = SamplesSpec { on_error: OnError::Skip, ..everything() };
            let stats = corpus.extract(&skip).expect("skipped");
            assert_eq!((stats.problems, stats.documents_train, stats.rows), (1, 1, 2), "{name}");
            refusal
        };
        refusal(&|path| std::fs::create_dir(path).expect("made"));
        let dangling = refusal(&|path| symlink("nowhere", path).expect("linked"));
        assert!(dangling.contains("cannot open"), "{dangling}");
        let forbidden = |path: &std::path::Path| {
            std::fs::write(path, "text\nx\n").expect("written");
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o0)).expect("forbidden");
        };
        let probe = tempfile::tempdir().expect("a folder");
        forbidden(&probe.path().join("probe"));
        // Root may read everything.
        if std::fs::read(probe.path().join("probe")).is_err() {
            let refused = refusal(&forbidden);
            assert!(refused.contains("ermission denied"), "{refused}");
        }
    }
}

#[test]
fn a_full_disk_says_so() {
    use mixmake_data::corpus::{DocumentFiles, read_documents};
    let corpus = Corpus::with("x.jsonl", json_lines(["one", "two"]));
    let full = std::path::PathBuf::from("/dev/full");
    for which in 0..3 {
        let place =
            |own: usize, name: &str| if own == which { full.clone() } else { corpus.path(name) };
        let out = DocumentFiles {
            documents: place(0, "documents"),
            account: place(1, "account"),
            dropped: place(2, "dropped"),
        };
        let spec = everything().reading();
        let refused =
            read_documents(&corpus.sources, &spec, &out, corpus.folder.path(), &mut |_| {});
        let refused = refused.expect_err("no space").to_string();
        assert!(
            refused.contains("/dev/full") && refused.contains("No space left"),
            "{which}: {refused}"
        );
    }
}

/// Kept texts of more than 48 MiB a thread wait in files before they are chosen from; fewer do not.
#[test]
fn texts_that_fill_memory_come_out_whole() {
    let long: Vec<String> =
        (b'a'..=b'l').map(|c| char::from(c).to_string().repeat(5 << 20)).collect();
    let mut corpus = Corpus::new();
    corpus.add("long.jsonl", json_lines(long.iter().map(String::as_str)));
    let stats = corpus.extract(&everything()).expect("extracted");
    assert_eq!(stats.documents_train, 12);
    let samples = corpus.train();
    let mut found = texts(&samples);
    found.sort_unstable();
    assert!(found == long, "the texts are the same");
}
