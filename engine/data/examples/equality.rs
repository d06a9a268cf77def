//! Compares the fast encoders with the `tokenizers` library on every document of `shared/data/corpora`, whole, and on the
//! hostile strings, and prints how many documents and tokens there were and how fast each was.
//!
//! `cargo run --release --locked -p mixmake-data --example equality [DOMAIN…]`
#![expect(clippy::print_stdout, reason = "what it prints is its result")]

#[path = "../tests/common/hostile.rs"]
mod hostile;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mixmake_data::corpus::{
    Block, Compare, Format, HeldOut, OnError, SampleFiles, SamplesSpec, Source, extract,
};
use mixmake_data::samples::SamplesReader;
use mixmake_data::tokenizer::{Encoder, ShardSpec};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/corpora");
    let only: Vec<String> = std::env::args().skip(1).collect();
    for (set, name) in [("redpajama", "gpt2"), ("bert", "bert-base-uncased")] {
        let tokenizer = shared.join("tokenizers").join(name).join("tokenizer.json");
        let spec = ShardSpec { end_of_text: false, add_special_tokens: false, max_tokens: None };
        let mut pair = Pair {
            fast: Encoder::load(&tokenizer, &spec)?,
            oracle: Encoder::load_library(&tokenizer, &spec)?,
            total: Count::default(),
        };
        print(name, "hostile strings", &pair.compare(&hostile::hostile())?);
        let mut domains = Vec::new();
        for other in ["redpajama", "bert"] {
            for domain in std::fs::read_dir(shared.join(other))? {
                domains.push((other, domain?.path()));
            }
        }
        domains.sort();
        for (other, domain) in domains {
            let label =
                format!("{other}/{}", domain.file_name().unwrap_or_default().to_string_lossy());
            if (other == set || only.is_empty()) && (only.is_empty() || only.contains(&label)) {
                print(name, &label, &pair.domain(&domain)?);
            }
        }
        print(name, "all", &pair.total);
    }
    Ok(())
}

fn print(name: &str, label: &str, count: &Count) {
    let rate = |time: Duration| count.bytes as f64 / 1e6 / time.as_secs_f64();
    println!(
        "{name:18} {label:26} {:7} documents {:10} tokens, {} differ; ours {:6.1} MB/s, tokenizers 0.22.2 {:5.2} MB/s",
        count.documents,
        count.tokens,
        count.differ,
        rate(count.fast),
        rate(count.oracle)
    );
}

#[derive(Default, Clone, Copy)]
struct Count {
    documents: u64,
    tokens: u64,
    bytes: u64,
    differ: u64,
    fast: Duration,
    oracle: Duration,
}

struct Pair {
    fast: Encoder,
    oracle: Encoder,
    total: Count,
}

impl Pair {
    fn compare(&mut self, texts: &[String]) -> Result<Count, Failure> {
        let mut count = Count::default();
        for text in texts {
            let start = Instant::now();
            let fast = self.fast.encode(&[text])?.tokens;
            count.fast += start.elapsed();
            let start = Instant::now();
            let slow = self.oracle.encode(&[text])?.tokens;
            count.oracle += start.elapsed();
            count.documents += 1;
            count.tokens += slow.len() as u64;
            count.bytes += text.len() as u64;
            count.differ += u64::from(fast != slow);
        }
        self.total.add(&count);
        Ok(count)
    }

    fn domain(&mut self, folder: &Path) -> Result<Count, Failure> {
        let mut count = Count::default();
        let scratch = tempfile::tempdir()?;
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder)?.map(|f| f.map(|f| f.path())).collect::<Result<_, _>>()?;
        files.retain(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("part-")));
        files.sort();
        for file in files {
            let samples = documents(&file, scratch.path())?;
            let mut reader = SamplesReader::open(&samples)?;
            while let Some(batch) = reader.next_batch() {
                let texts: Vec<String> = batch?.texts().into_iter().map(String::from).collect();
                count.add(&self.compare(&texts)?);
            }
        }
        Ok(count)
    }
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        self.tokens += other.tokens;
        self.bytes += other.bytes;
        self.differ += other.differ;
        self.fast += other.fast;
        self.oracle += other.oracle;
    }
}

/// All whole documents of a file.
fn documents(file: &Path, scratch: &Path) -> Result<PathBuf, Failure> {
    let format = Format::guess(file).ok_or("an unknown format")?;
    let source = Source { path: file.into(), digest: "00".into(), format, stored: false };
    let out = SampleFiles {
        train: scratch.join("train"),
        held_out: scratch.join("held-out"),
        stats: scratch.join("stats"),
        dropped: scratch.join("dropped"),
        hashes: None,
    };
    let mut failure = None;
    for column in ["text", "article", "review_body"] {
        let spec = SamplesSpec {
            text: vec![column.into()],
            join: "\n".into(),
            quotes: true,
            filters: Default::default(),
            min_chars: 0,
            max_chars: None,
            block: Block::Whole,
            block_chars: 0,
            held_out: HeldOut::Documents(0),
            drop_duplicates: false,
            duplicates_of: Compare::Document,
            near_duplicates: None,
            decontaminate: None,
            on_error: OnError::Fail,
            max_documents: None,
        };
        match extract(std::slice::from_ref(&source), &spec, &out, scratch, &mut |_| {}) {
            Ok(_) => return Ok(out.train),
            Err(e) => failure = Some(e),
        }
    }
    Err(failure.map_or("no column".into(), Into::into))
}
