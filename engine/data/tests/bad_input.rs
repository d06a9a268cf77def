//! Malformed input is located and counted, `on-error` decides, nothing is silently lost and nothing panics.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use common::{Corpus, everything, gzip, json_lines, source, texts, xz, zstd};
use mixmake_data::DataError;
use mixmake_data::corpus::{Format, OnError, SamplesSpec, SamplesStats};
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

fn skip() -> SamplesSpec {
    SamplesSpec { on_error: OnError::Skip, ..everything() }
}

/// The file has one problem, said to be at `row` with words `expected`; the other documents survive a skip.
fn check(name: &str, content: impl AsRef<[u8]>, row: Option<u64>, expected: &str, kept: &[&str]) {
    let mut corpus = Corpus::with(name, content);
    let refusal = corpus.refusal(&everything());
    let place = match row {
        Some(row) => format!("{name}:{row}: "),
        None => format!("{name}: "),
    };
    assert!(
        refusal.contains(&place) && refusal.contains(expected),
        "`{refusal}` is not `{place}{expected}`"
    );
    assert!(refusal.contains("1 row could not be read"), "{refusal}");
    corpus.add("good.jsonl", json_lines(["good"]));
    let stats = corpus.extract(&skip()).expect("skipped");
    assert_eq!(stats.problems, 1, "{name}");
    assert_eq!(stats.problem_examples[0].row, row, "{name}");
    assert_eq!(stats.problem_examples[0].source, corpus.sources[0].digest);
    let mut kept: Vec<&str> = kept.iter().copied().chain(["good"]).collect();
    kept.sort_unstable();
    assert_eq!(texts(&corpus.train()), kept, "{name}");
    assert_eq!(stats.rows, stats.problems + stats.dropped.total() + stats.documents_train);
}

#[test]
fn malformed_lines() {
    let around = |bad: &[u8]| [b"{\"text\": \"a\"}\n", bad, b"\n{\"text\": \"b\"}\n"].concat();
    for (bad, expected) in [
        (&b"{\"text\": "[..], "not JSON: EOF while parsing a value"),
        (b"{\"text\": \"x\"} trailing", "not JSON: trailing characters (column 15)"),
        (b"[1]", "an array where a JSON object is expected"),
        (b"12", "a number where a JSON object is expected"),
        (b"{}", "no column `text`"),
        (b"{\"text\": 12}", "column `text` is a number where text is expected"),
        (b"{\"text\": null}", "column `text` is null where text is expected"),
        (b"{\"text\": {\"a\": \"b\"}}", "column `text` is an object"),
        (b"{\"text\": [\"a\", 1]}", "column `text` is a number"),
        (b"{\"text\": \"\xff\"}", "invalid UTF-8 at byte 11 of the line"),
        (b"{\"text\": \"\\ud800\"}", "not JSON: unexpected end of hex escape"),
        (b"{\"text\": NaN}", "not JSON: expected"),
        (b"\0", "not JSON: expected value"),
    ] {
        check("bad.jsonl", around(bad), Some(2), expected, &["a", "b"]);
    }
    let deep = "[".repeat(100_000);
    check(
        "deep.jsonl",
        around(deep.as_bytes()),
        Some(2),
        "not JSON: recursion limit exceeded",
        &["a", "b"],
    );
}

#[test]
fn truncated_and_corrupt_compression() {
    let lines = json_lines((0..2000).map(|i| ["one", "two", "three"][i % 3]));
    let bytes = lines.as_bytes();
    for (name, whole) in
        [("t.jsonl.zst", zstd(bytes)), ("t.jsonl.gz", gzip(bytes)), ("t.jsonl.xz", xz(bytes))]
    {
        let corpus = Corpus::with(name, &whole[..whole.len() - 9]);
        let refusal = corpus.refusal(&everything());
        assert!(
            refusal.contains(&format!("{name}:")) && refusal.contains("truncated"),
            "{refusal}"
        );
        let mut corrupt = whole.clone();
        corrupt[whole.len() / 2] ^= 0x55;
        let refusal = Corpus::with(name, corrupt).refusal(&everything());
        assert!(refusal.contains(&format!("{name}:")), "{refusal}");
        let refusal = Corpus::with(name, "").refusal(&everything());
        assert!(refusal.contains("truncated"), "{refusal}");
    }
}

#[test]
fn what_was_read_before_a_truncation_is_kept_on_skip() {
    let frames =
        [zstd(json_lines(["a", "b"]).as_bytes()), zstd(json_lines(["c"]).as_bytes())].concat();
    check("t.jsonl.zst", &frames[..frames.len() - 3], Some(3), "truncated", &["a", "b"]);
}

#[test]
fn csv_problems() {
    check(
        "a.csv",
        "text,n\na,1\nb\nc,3\n",
        Some(3),
        "1 fields where the header has 2",
        &["a", "c"],
    );
    check(
        "a.csv",
        "title,n\na,1\n",
        Some(1),
        "no column `text` in the header, which has `title`, `n`",
        &[],
    );
    check("a.csv", b"text\na\n\xff\n", Some(3), "invalid UTF-8 at byte 1 of field 1", &["a"]);
    check("a.csv", "", Some(1), "there is no header line", &[]);
    check("a.csv", "\n\n", Some(1), "there is no header line", &[]);
    // A quote that is open where the file ends.
    let open = "the file ends inside of a quoted field";
    check("a.csv", "text,n\n\"a\nb\",1\nc,\"2", Some(4), open, &["a\nb"]);
    check("a.csv", "n,text\n1,a\n2,\"b\n3,c\n", Some(3), open, &["a"]);
    check("a.csv", "text\na\n\"", Some(3), open, &["a"]);
    check("a.csv", "text\na\n\"b\"\"", Some(3), open, &["a"]);
    check("a.tsv", "text\tn\na\t\"1", Some(2), open, &[]);
    check("a.csv", "id,\"text", Some(1), open, &[]);
}

#[test]
fn csv_that_ends_well() {
    for end in ["", "\n", "\r\n", "\n\n\n", "\n\r\n"] {
        for last in ["b", "\"b\"", "\"\nb\"", "\"b \"\"\""] {
            let corpus = Corpus::with("a.csv", format!("text,n\na,1\n{last},2{end}"));
            let stats = corpus.extract(&everything()).expect("read");
            assert_eq!((stats.rows, stats.problems), (2, 0), "{last:?} {end:?}");
            let corpus = Corpus::with("a.csv", format!("n,text\n1,a\n2,{last}{end}"));
            let stats = corpus.extract(&everything()).expect("read");
            assert_eq!((stats.rows, stats.problems), (2, 0), "{last:?} {end:?}");
        }
    }
}

#[test]
fn plain_file_problems() {
    check("a.txt", b"one\ntwo \xff", Some(1), "invalid UTF-8 at byte 9 (line 2)", &[]);
    let mut corpus = Corpus::with("a.txt", "good");
    let missing = corpus.path("missing.txt");
    corpus.sources.push(source(&missing, Format::Plain));
    assert!(corpus.refusal(&everything()).contains("missing.txt: cannot open"));
    corpus.sources[1] = source(corpus.folder.path(), Format::Plain);
    assert!(corpus.refusal(&everything()).contains("not a regular file"));
    corpus.sources[1] = source(corpus.folder.path(), Format::Parquet);
    let refusal = corpus.refusal(&everything());
    assert!(refusal.contains("1 row could not be read"), "{refusal}");
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
            .expect("a batch");
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    bytes
}

fn texts_column() -> ArrayRef {
    Arc::new(StringArray::from(vec![Some("a"), None, Some("b")]))
}

#[test]
fn parquet_problems() {
    let good = parquet(vec![("text", texts_column())]);
    check("a.parquet", &good, Some(2), "column `text` is null where text is expected", &["a", "b"]);
    check("a.parquet", &good[..good.len() / 2], None, "not a Parquet file", &[]);
    check("a.parquet", b"no", None, "not a Parquet file", &[]);
    check("a.parquet", parquet(vec![("body", texts_column())]), None, "no column `text`", &[]);
    let numbers = parquet(vec![("text", Arc::new(Int64Array::from(vec![1, 2])))]);
    check("a.parquet", numbers, None, "column `text` is Int64 where text is expected", &[]);
    check("a.arrow", b"ARROW1 and then nothing", None, "not an Arrow IPC file", &[]);
    check("a.arrow", b"", None, "not an Arrow IPC file", &[]);
}

/// Three row groups of 256 texts, which is also how many are read at a time, in pages of this compression.
fn parquet_pages(compression: Compression) -> Vec<u8> {
    let text = |i: u64| format!("text {i} {:x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..768).map(text)));
    let batch = RecordBatch::try_from_iter([("text", texts)]).expect("a batch");
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(256))
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))
            .expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    bytes
}

#[test]
fn a_corrupt_parquet_page_is_located_and_what_is_before_it_kept() {
    let levels = [
        Compression::ZSTD(ZstdLevel::default()),
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4_RAW,
        Compression::UNCOMPRESSED,
    ];
    for compression in levels {
        let good = parquet_pages(compression);
        let corpus = Corpus::with("a.parquet", &good);
        assert_eq!(corpus.extract(&everything()).expect("whole").rows, 768);
        // The second row group's page lies around a third of the file; its bytes end in the middle of a value.
        let mut damaged = good.clone();
        let page = good.len() * 4 / 10..good.len() / 2;
        damaged[page].fill(0xff);
        let corpus = Corpus::with("a.parquet", damaged);
        let refusal = corpus.refusal(&everything());
        assert!(refusal.contains("a.parquet:257: "), "{compression}: {refusal}");
        let stats = corpus.extract(&skip()).expect("skipped");
        assert_eq!((stats.rows, stats.problems), (257, 1), "{compression}");
        assert_eq!(corpus.train().len(), 256, "{compression}");
    }
}

#[test]
fn no_damaged_byte_of_a_parquet_file_panics_or_loses_rows_in_silence() {
    let good = parquet_pages(Compression::SNAPPY);
    let mut refused = 0;
    for at in (0..good.len()).step_by(101) {
        let mut damaged = good.clone();
        damaged[at] ^= 0x41;
        let corpus = Corpus::with("a.parquet", damaged);
        match corpus.extract(&everything()) {
            // Pages have no checksums here: a letter may have become another.
            Ok(stats) => assert_eq!((stats.rows, stats.problems), (768, 0), "byte {at}"),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("a.parquet"), "byte {at}: {error}");
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn problems_are_listed_first_ones_first_and_counted() {
    let mut corpus = Corpus::new();
    corpus.add("b.jsonl", "oops\n".repeat(30));
    corpus.add("a.jsonl", "{\"text\": \"fine\"}\noops\n");
    let refusal = corpus.refusal(&everything());
    assert!(refusal.starts_with("31 rows could not be read\n"), "{refusal}");
    assert!(
        refusal.contains("b.jsonl:1: not JSON") && refusal.contains("and 21 more"),
        "{refusal}"
    );
    assert!(refusal.contains("set `on-error = \"skip\"`"), "{refusal}");
    let stats = corpus.extract(&skip()).expect("skipped");
    assert_eq!((stats.rows, stats.problems, stats.problem_examples.len()), (32, 31, 10));
}

#[test]
fn an_empty_domain_names_what_was_dropped() {
    let corpus = Corpus::with(
        "a.jsonl",
        "{\"text\": \"a\", \"l\": \"en\"}\n{\"text\": \"long enough\", \"l\": \"de\"}\n\noops\n",
    );
    let filters = [("l".to_string(), "en".to_string())].into();
    let refusal = corpus.refusal(&SamplesSpec { filters, min_chars: 5, ..skip() });
    let expected =
        "no document is left of 3 rows: 1 by the filter on `l`, 1 by `min-chars`, 1 malformed";
    assert!(refusal.starts_with(expected), "{refusal}");
    let none = Corpus::new().refusal(&everything());
    assert!(none.contains("no document is left of 0 rows"), "{none}");
    let blank = Corpus::with("a.jsonl", "\n\n").refusal(&everything());
    assert!(blank.contains("no document is left of 0 rows"), "{blank}");
    let empty = Corpus::with("a.jsonl", json_lines([""])).refusal(&everything());
    assert!(empty.contains("1 by `min-chars`"), "{empty}");
}

#[test]
fn a_filter_on_a_column_nobody_has_is_an_error() {
    let corpus = Corpus::with("a.jsonl", json_lines(["a", "b"]));
    let filters = [("meta.language".to_string(), "en".to_string())].into();
    let refusal = corpus.refusal(&SamplesSpec { filters, ..everything() });
    assert!(
        refusal.contains("filter's column `meta.language` is in none of the 2 rows"),
        "{refusal}"
    );
}

#[test]
fn a_senseless_spec_is_refused() {
    let corpus = Corpus::with("a.jsonl", json_lines(["a"]));
    let check = |spec: SamplesSpec, field: &str| {
        let refusal = corpus.refusal(&spec);
        assert!(refusal.starts_with(&format!("`{field}` must")), "{refusal}");
    };
    check(SamplesSpec { text: vec![], ..everything() }, "text");
    check(SamplesSpec { block: mixmake_data::corpus::Block::First, ..everything() }, "block-chars");
    check(SamplesSpec { max_documents: Some(0), ..everything() }, "max-documents");
}

/// Reads a long file whose time of change is set all the while.
fn extract_while_touched(stored: bool) -> Result<SamplesStats, DataError> {
    let mut corpus =
        Corpus::with("a.jsonl", json_lines((0..200_000).map(|_| "some text of a long file")));
    corpus.sources[0].stored = stored;
    let file = std::fs::File::options().write(true).open(corpus.path("a.jsonl")).expect("opened");
    let (touches, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let n = touches.fetch_add(1, Ordering::Relaxed);
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(n))
                    .expect("touched");
            }
        });
        while touches.load(Ordering::Relaxed) < 2 {
            std::thread::yield_now();
        }
        let result = corpus.extract(&skip());
        done.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn a_source_that_changes_while_read_is_an_error_even_on_skip() {
    let refusal = extract_while_touched(false).expect_err("a changed source").to_string();
    assert!(refusal.contains("a.jsonl` changed while it was read"), "{refusal}");
}

/// Another action may use it too, which is noted in its times.
#[test]
fn an_object_of_a_store_is_read_though_its_times_change() {
    assert_eq!(extract_while_touched(true).expect("read").rows, 200_000);
}

/// Cuts a file as soon as this process has read some of it; says whether it came to that before `done`.
fn cut_once_read(path: &std::path::Path, done: &AtomicBool) -> bool {
    let file = std::fs::File::options().write(true).open(path).expect("opened");
    while !done.load(Ordering::Relaxed) {
        for entry in std::fs::read_dir("/proc/self/fd").expect("Linux") {
            let Ok(entry) = entry else { continue };
            if std::fs::read_link(entry.path()).is_ok_and(|target| target == path) {
                let facts = format!("/proc/self/fdinfo/{}", entry.file_name().to_string_lossy());
                let facts = std::fs::read_to_string(facts).unwrap_or_default();
                let place = facts.lines().find_map(|line| line.strip_prefix("pos:"));
                let place: u64 = place.and_then(|place| place.trim().parse().ok()).unwrap_or(0);
                if place > 0 {
                    file.set_len(place / 2).expect("cut");
                    return true;
                }
            }
        }
    }
    false
}

#[test]
fn a_source_that_shrinks_while_read_is_an_error_in_every_format() {
    let texts: Vec<_> = (0..400_000).map(|i| format!("document {i} of a long file")).collect();
    let lines = json_lines(texts.iter().map(String::as_str));
    let table: ArrayRef = Arc::new(StringArray::from_iter_values(&texts));
    let batch = RecordBatch::try_from_iter([("text", table)]).expect("a batch");
    let mut arrow = Vec::new();
    let mut writer =
        arrow::ipc::writer::FileWriter::try_new(&mut arrow, &batch.schema()).expect("a writer");
    for start in (0..400_000).step_by(1000) {
        writer.write(&batch.slice(start, 1000)).expect("written");
    }
    writer.finish().expect("finished");
    drop(writer);
    let csv: String =
        std::iter::once("text\n".into()).chain((0..400_000).map(|i| format!("d {i}\n"))).collect();
    let sources: [(&str, Vec<u8>); 5] = [
        ("a.jsonl", lines.clone().into()),
        ("a.jsonl.gz", gzip(lines.as_ref())),
        ("a.csv", csv.into()),
        ("a.parquet", parquet(vec![("text", Arc::clone(batch.column(0)))])),
        ("a.arrow", arrow),
    ];
    for (name, content) in sources {
        // A reader may be through before it is seen reading; then it is tried again.
        let caught = (0..20).any(|_| {
            let corpus = Corpus::with(name, &content);
            let path = corpus.path(name).canonicalize().expect("there");
            let done = AtomicBool::new(false);
            let (cut, result) = std::thread::scope(|scope| {
                let cutter = scope.spawn(|| cut_once_read(&path, &done));
                let result = corpus.extract(&skip());
                done.store(true, Ordering::Relaxed);
                (cutter.join().expect("ended"), result)
            });
            match result {
                Ok(_) => false,
                Err(error) => {
                    let expected = format!("{name}` changed while it was read");
                    assert!(cut && error.to_string().contains(&expected), "{error}");
                    true
                }
            }
        });
        assert!(caught, "{name} was never seen being read");
    }
}

#[test]
fn outputs_that_cannot_be_written_are_named() {
    let corpus = Corpus::with("a.jsonl", json_lines(["a"]));
    let mut files = corpus.files();
    files.train = corpus.path("no/such/folder/train.arrow");
    let result = mixmake_data::corpus::extract(
        &corpus.sources,
        &everything(),
        &files,
        corpus.folder.path(),
        &mut |_| {},
    );
    let refusal = result.expect_err("no folder").to_string();
    assert!(
        refusal.contains("cannot create") && refusal.contains("no/such/folder/train.arrow"),
        "{refusal}"
    );
}

/// One valid file of each kind, to be damaged.
fn victims() -> Vec<(&'static str, Vec<u8>)> {
    let lines = json_lines(["one", "two", "three"]);
    let column: ArrayRef = Arc::new(StringArray::from(vec!["one", "two", "three"]));
    let batch = RecordBatch::try_from_iter([("text", Arc::clone(&column))]).expect("a batch");
    let mut arrow =
        arrow::ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).expect("a writer");
    arrow.write(&batch).expect("written");
    vec![
        ("v.jsonl", lines.clone().into_bytes()),
        ("v.jsonl.zst", zstd(lines.as_bytes())),
        ("v.jsonl.gz", gzip(lines.as_bytes())),
        ("v.jsonl.xz", xz(lines.as_bytes())),
        ("v.csv", b"text,n\n\"a\nb\",1\nc,2\n".to_vec()),
        ("v.parquet", parquet(vec![("text", column)])),
        ("v.arrow", arrow.into_inner().expect("closed")),
        ("v.txt", lines.into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..Default::default() })]
    #[test]
    fn damage_never_panics_and_rows_add_up(
        victim in 0usize..8, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let (name, mut bytes) = victims().swap_remove(victim);
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let corpus = Corpus::with(name, bytes);
        if let Ok(stats) = corpus.extract(&skip()) {
            prop_assert_eq!(stats.rows, stats.problems + stats.dropped.total() + stats.documents_train);
        }
    }
}
