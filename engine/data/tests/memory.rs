//! Memory stays bounded whatever a file holds. A process of its own, since its peak is measured.

mod common;

use std::io::Write;

use common::{Corpus, everything, json_lines, texts};
use mixmake_data::corpus::{OnError, SamplesSpec};

/// Bytes of a line that no memory should hold.
const LONG: u64 = 2 << 30;
const PEAK_MAX: u64 = 300 << 20;

/// Largest resident memory of this process so far, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kib << 10
}

/// A row, a line of 2 GiB, a row; in zstd, which makes little of it.
fn long_line() -> Vec<u8> {
    let mut out = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
    let piece = vec![b'x'; 1 << 20];
    out.write_all(json_lines(["before"]).as_bytes()).expect("written");
    out.write_all(b"{\"text\":\"").expect("written");
    for _ in 0..LONG / piece.len() as u64 {
        out.write_all(&piece).expect("written");
    }
    out.write_all(b"\"}\n").expect("written");
    out.write_all(json_lines(["after"]).as_bytes()).expect("written");
    out.finish().expect("finished")
}

#[test]
fn a_line_of_2_gib_is_a_problem_and_no_memory() {
    let corpus = Corpus::with("long.jsonl.zst", long_line());
    let refusal = corpus.refusal(&everything());
    let expected = "long.jsonl.zst:2: the line is longer than 67108864 bytes";
    assert!(refusal.contains(expected), "{refusal}");
    let skip = SamplesSpec { on_error: OnError::Skip, ..everything() };
    let stats = corpus.extract(&skip).expect("skipped");
    assert_eq!((stats.rows, stats.problems), (3, 1));
    assert_eq!(texts(&corpus.train()), ["after", "before"]);
    assert!(peak() < PEAK_MAX, "{} MiB", peak() >> 20);
}
