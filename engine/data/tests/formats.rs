//! Every format and compression gives the same documents; filters and nested columns work in each.

mod common;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder, StringViewArray, StructArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use common::{Corpus, everything, gzip, json_lines, texts, xz, zstd};
use mixmake_data::corpus::{Format, SamplesSpec};

const TEXTS: [&str; 3] = ["plain", "two\nlines, \"quoted\"", "日本語 🦀"];

fn sorted() -> Vec<&'static str> {
    let mut texts = TEXTS.to_vec();
    texts.sort_unstable();
    texts
}

fn check(name: &str, content: impl AsRef<[u8]>) {
    let corpus = Corpus::with(name, content);
    corpus.extract(&everything()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(texts(&corpus.train()), sorted(), "{name}");
}

#[test]
fn compression_is_told_by_content() {
    let lines = json_lines(TEXTS);
    let bytes = lines.as_bytes();
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    check("a.jsonl", bytes);
    check("a.jsonl.gz", gzip(bytes));
    check("a.jsonl.zst", zstd(bytes));
    check("a.jsonl.xz", xz(bytes));
    check("zstd-without-suffix.jsonl", zstd(bytes));
    check("gzip-members.jsonl.gz", [gzip(first), gzip(rest)].concat());
    check("zstd-frames.jsonl.zst", [zstd(first), zstd(rest)].concat());
    check(
        "zstd-skippable.jsonl.zst",
        [&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9], zstd(bytes).as_slice()].concat(),
    );
    check("xz-streams.jsonl.xz", [xz(first), xz(rest)].concat());
    check("a.ndjson", format!("\u{feff}\n  \n{}", lines.trim_end()).replace('\n', "\r\n"));
}

#[test]
fn csv_fields_hold_newlines_and_separators() {
    check("a.csv", "id,text\n1,plain\n2,\"two\nlines, \"\"quoted\"\"\"\n3,日本語 🦀\n");
    check("a.tsv", "id\ttext\r\n1\tplain\r\n2\t\"two\nlines, \"\"quoted\"\"\"\r\n3\t日本語 🦀");
    let corpus = Corpus::with("a.csv", "text\n\"a\nb\"\nc\n");
    corpus.extract(&everything()).expect("extracted");
    let mut rows: Vec<u64> = corpus.train().into_iter().map(|row| row.2).collect();
    rows.sort_unstable();
    assert_eq!(rows, [2, 4], "records are named by the line they start on");
}

#[test]
fn plain_files_are_one_document_each() {
    let mut corpus = Corpus::new();
    for (i, text) in TEXTS.into_iter().enumerate() {
        corpus.add(&format!("{i}.rs"), text);
    }
    corpus.extract(&everything()).expect("extracted");
    assert_eq!(texts(&corpus.train()), sorted());
}

fn text_columns() -> Vec<(&'static str, ArrayRef)> {
    let keys = arrow::array::Int32Array::from(vec![2, 0, 1]);
    let values = Arc::new(StringArray::from(vec![TEXTS[0], TEXTS[1], TEXTS[2]]));
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("plain")]);
    list.append_value([Some("two"), Some("lines, \"quoted\"")]);
    list.append_value([Some(TEXTS[2])]);
    vec![
        ("utf8", Arc::new(StringArray::from(TEXTS.to_vec()))),
        ("large", Arc::new(arrow::array::LargeStringArray::from(TEXTS.to_vec()))),
        ("view", Arc::new(StringViewArray::from(TEXTS.to_vec()))),
        (
            "binary",
            Arc::new(arrow::array::BinaryArray::from_vec(
                TEXTS.iter().map(|t| t.as_bytes()).collect(),
            )),
        ),
        ("dictionary", Arc::new(DictionaryArray::<Int32Type>::new(keys, values))),
        ("list", Arc::new(list.finish())),
    ]
}

fn batch(text: ArrayRef) -> RecordBatch {
    let language: ArrayRef = Arc::new(StringArray::from(vec![Some("en"), Some("de"), None]));
    let year: ArrayRef = Arc::new(Int64Array::from(vec![2001, 2002, 2001]));
    let kept: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, false]));
    let fields = [("language", language), ("year", year), ("kept", kept)];
    let meta = StructArray::from(
        fields
            .map(|(name, array)| {
                (Arc::new(Field::new(name, array.data_type().clone(), true)), array)
            })
            .to_vec(),
    );
    let inner = StructArray::from(vec![(
        Arc::new(Field::new("text", text.data_type().clone(), true)),
        text.clone(),
    )]);
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("text", text.data_type().clone(), true),
        Field::new("meta", meta.data_type().clone(), true),
        Field::new("nested", inner.data_type().clone(), true),
    ]);
    let id = Arc::new(Int64Array::from(vec![1, 2, 3]));
    RecordBatch::try_new(Arc::new(schema), vec![id, text, Arc::new(meta), Arc::new(inner)])
        .expect("a batch")
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(batch).expect("written");
    writer.close().expect("closed");
    bytes
}

fn arrow_file(batch: &RecordBatch) -> Vec<u8> {
    let mut writer =
        arrow::ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).expect("a writer");
    writer.write(batch).expect("written");
    writer.into_inner().expect("closed")
}

fn arrow_stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer =
        arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a writer");
    writer.write(batch).expect("written");
    writer.into_inner().expect("closed")
}

#[test]
fn columnar_files_of_every_text_type() {
    for (name, column) in text_columns() {
        let batch = batch(column);
        for (file, bytes) in [
            (format!("{name}.parquet"), parquet(&batch)),
            (format!("{name}.arrow"), arrow_file(&batch)),
            (format!("{name}-stream.arrow"), arrow_stream(&batch)),
        ] {
            let corpus = Corpus::with(&file, &bytes);
            for text in ["text", "nested.text"] {
                let spec = SamplesSpec { text: vec![text.into()], ..everything() };
                corpus.extract(&spec).unwrap_or_else(|e| panic!("{file} {text}: {e}"));
                assert_eq!(texts(&corpus.train()), sorted(), "{file} {text}");
            }
        }
    }
}

#[test]
fn filters_compare_as_text_in_every_format() {
    let lines = concat!(
        r#"{"text": "plain", "meta": {"language": "en", "year": 2001, "kept": true}}"#,
        "\n",
        r#"{"text": "two\nlines, \"quoted\"", "meta": {"language": "de", "year": 2002, "kept": true}}"#,
        "\n",
        r#"{"text": "日本語 🦀", "meta": {"language": null, "year": 2001, "kept": false}}"#,
        "\n",
    );
    let batch = batch(text_columns().remove(0).1);
    let files: [(&str, Vec<u8>); 3] = [
        ("a.jsonl", lines.into()),
        ("a.parquet", parquet(&batch)),
        ("a.arrow", arrow_file(&batch)),
    ];
    for (file, content) in files {
        let corpus = Corpus::with(file, &content);
        let check = |filters: &[(&str, &str)], expected: &[&str], dropped: u64| {
            let filters = filters
                .iter()
                .map(|(column, value)| (column.to_string(), value.to_string()))
                .collect();
            let stats =
                corpus.extract(&SamplesSpec { filters, ..everything() }).expect("extracted");
            assert_eq!(texts(&corpus.train()), expected, "{file}");
            assert_eq!(stats.dropped.filters.values().sum::<u64>(), dropped);
        };
        check(&[("meta.language", "en")], &["plain"], 2);
        check(&[("meta.year", "2001")], &["plain", "日本語 🦀"], 1);
        check(&[("meta.kept", "true"), ("meta.year", "2002")], &["two\nlines, \"quoted\""], 2);
    }
}

#[test]
fn several_text_columns_are_joined() {
    let spec = SamplesSpec { text: vec!["title".into(), "body".into()], ..everything() };
    for (file, content) in [
        ("a.jsonl", "{\"body\": [\"b\", \"c\"], \"title\": \"a\"}"),
        ("a.csv", "body,title\n\"b\nc\",a\n"),
    ] {
        let corpus = Corpus::with(file, content);
        corpus.extract(&spec).expect("extracted");
        assert_eq!(texts(&corpus.train()), ["a\nb\nc"], "{file}");
    }
}

#[test]
fn a_column_whose_name_has_a_dot_is_found_first() {
    let corpus =
        Corpus::with("a.jsonl", r#"{"a.b": "dotted", "a": {"b": "nested", "c.d": "both"}}"#);
    for (column, expected) in [("a.b", "dotted"), ("a.c.d", "both")] {
        corpus
            .extract(&SamplesSpec { text: vec![column.into()], ..everything() })
            .expect("extracted");
        assert_eq!(texts(&corpus.train()), [expected]);
    }
}

#[test]
fn formats_are_guessed_from_names() {
    let check = |name: &str, expected| assert_eq!(Format::guess(name.as_ref()), expected, "{name}");
    check("a/part-000.jsonl.zst", Some(Format::JsonLines));
    check("A.JSONL.GZ", Some(Format::JsonLines));
    check("x.parquet", Some(Format::Parquet));
    check("x.feather", Some(Format::Arrow));
    check("x.tsv.xz", Some(Format::Tsv));
    check("x.csv", Some(Format::Csv));
    check("README.md", Some(Format::Plain));
    check("lib.rs", None);
    check("Makefile", None);
    check("..", None);
}

#[test]
fn the_spec_is_written_and_read_in_kebab_case() {
    let spec = SamplesSpec { max_documents: Some(3), ..everything() };
    let json = serde_json::to_string(&spec).expect("JSON");
    assert!(
        json.contains(r#""held-out":{"documents":0}"#) && json.contains(r#""on-error":"fail""#),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<SamplesSpec>(&json).expect("read"), spec);
    assert!(!serde_json::to_string(&everything()).expect("JSON").contains("max-documents"));
}
