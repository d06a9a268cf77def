//! An independent reader, written from FORMAT.md in another language, reads what this crate writes.

use std::path::{Path, PathBuf};
use std::process::Command;

use mixmake_shards::{Shard, ShardWriter, SidecarHeader, SidecarWriter};
use serde_json::{Value, json};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read_shard.py")
}

/// The script's answer, or `None` where there is no Python.
fn ask(arguments: &[&Path]) -> Option<Value> {
    let output = match Command::new("python3").arg(script()).args(arguments).output() {
        Ok(output) => output,
        Err(e) => {
            eprintln!("skipped: no python3 ({e})");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("the script prints JSON"))
}

fn check_read(documents: &[Vec<u32>], vocabulary: u32, dtype: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let (bin, idx) = (folder.path().join("tokens"), folder.path().join("index"));
    let mut writer = ShardWriter::create_at(&bin, &idx, vocabulary).expect("created");
    for document in documents {
        writer.push_document(document).expect("pushed");
    }
    writer.finish().expect("finished");
    let boundaries: Vec<usize> = (0..=documents.len()).collect();
    let expected = json!({"dtype": dtype, "documents": boundaries, "sequences": documents});
    if let Some(found) = ask(&[Path::new("shard"), &bin, &idx]) {
        assert_eq!(found, expected);
    }
}

#[test]
fn python_reads_the_pair() {
    check_read(&[vec![1, 2, 3], vec![], vec![65_498]], 65_499, "u16");
    check_read(&[vec![1, 2, 3], vec![65_499, 65_536]], 65_537, "i32");
    check_read(&[], 10, "u16");
    check_read(&(0..500).map(|i| (0..i % 7).collect()).collect::<Vec<_>>(), 50_257, "u16");
}

#[test]
fn python_reads_the_sidecar() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sidecar");
    let mut writer = SidecarWriter::create(&path).expect("created");
    writer.push("aa", 1, 2).expect("pushed");
    writer.push("bb", 1 << 40, 0).expect("pushed");
    let header = SidecarHeader {
        tokenizer: "cc".into(),
        documents: 2,
        end_of_text: Some(9),
        ..Default::default()
    };
    writer.finish(header).expect("finished");
    let Some(found) = ask(&[Path::new("sidecar"), &path]) else { return };
    assert_eq!(found["samples"], json!([["aa", 1, 2], ["bb", 1u64 << 40, 0]]));
    assert_eq!(found["header"]["end-of-text"], 9);
}

/// The text of the first block of FORMAT.md that starts with a fence of this name.
fn format_block(name: &str) -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("FORMAT.md"))
        .expect("FORMAT.md");
    let fence = format!("```{name}\n");
    let after = page.split_once(&fence).unwrap_or_else(|| panic!("no block `{name}`")).1;
    after.split_once("```").expect("a closing fence").0.to_string()
}

#[test]
fn the_vectors_of_the_page_are_the_scripts() {
    let Some(found) = ask(&[Path::new("vectors")]) else { return };
    let page: Value = serde_json::from_str(&format_block("json")).expect("JSON");
    assert_eq!(found, page);
}

#[test]
fn the_index_of_the_page_is_what_is_written() {
    let digits: Vec<u8> = format_block("hex").bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |d: u8| (d as char).to_digit(16).expect("a digit") as u8;
    let expected: Vec<u8> =
        digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let (bin, idx) = (folder.path().join("bin"), folder.path().join("idx"));
    let mut writer = ShardWriter::create_at(&bin, &idx, 65_500).expect("created");
    writer.push_document(&[1, 2, 3]).expect("pushed");
    writer.push_document(&[65_499]).expect("pushed");
    writer.finish().expect("finished");
    assert_eq!(std::fs::read(&idx).expect("a file"), expected);
    assert_eq!(
        std::fs::read(&bin).expect("a file"),
        [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xdb, 0xff, 0, 0]
    );
    assert_eq!(Shard::open(&bin, &idx).expect("opens").tokens(), 4);
}
