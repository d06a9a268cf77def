//! From files to shards of both splits, without a store: the whole data path of a domain, timed by step.
//!
//! `fastpass [--whole|--random] [--library] [--held-out=N] TOKENIZER.json DOMAIN_FOLDER…` prints one line of JSON a domain; `bench/data` runs it beside others.
#![expect(clippy::print_stdout, reason = "what it prints is its result")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use mixmake_data::corpus::{
    Block, Compare, Format, HeldOut, OnError, SampleFiles, SamplesSpec, Source, extract,
};
use mixmake_data::tokenizer::{Builtin, Encoder, ShardFiles, ShardSpec, builtin, tokenize_with};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let (flags, paths): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let flag = |name: &str| flags.iter().any(|f| f == name);
    if let ([path], true) = (&paths[..], flag("--write-gpt2")) {
        return Ok(std::fs::write(path, builtin(Builtin::Gpt2)?)?);
    }
    let [tokenizer, domains @ ..] = &paths[..] else {
        return Err("a tokenizer.json and folders".into());
    };
    let spec = ShardSpec { end_of_text: false, add_special_tokens: false, max_tokens: None };
    let start = Instant::now();
    let tokenizer = Path::new(tokenizer);
    let encoder = if flag("--library") {
        Encoder::load_library(tokenizer, &spec)?
    } else {
        Encoder::load(tokenizer, &spec)?
    };
    println!("{}", serde_json::json!({"step": "load", "seconds": start.elapsed().as_secs_f64()}));
    let held_out = flags.iter().find_map(|flag| flag.strip_prefix("--held-out="));
    let held_out = held_out.map_or(Ok(100), str::parse)?;
    for domain in domains {
        one(Path::new(domain), &encoder, held_out, &flag)?;
    }
    Ok(())
}

fn one(
    folder: &Path,
    encoder: &Encoder,
    held_out: u64,
    flag: &dyn Fn(&str) -> bool,
) -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let path = |name: &str| scratch.path().join(name);
    let sources = sources(folder)?;
    let samples = SampleFiles {
        train: path("t"),
        held_out: path("h"),
        stats: path("s"),
        dropped: path("d"),
        hashes: None,
    };
    let spec = SamplesSpec {
        text: vec!["text".into()],
        join: "\n".into(),
        quotes: true,
        filters: Default::default(),
        min_chars: 0,
        max_chars: None,
        block: if flag("--whole") {
            Block::Whole
        } else if flag("--random") {
            Block::Random
        } else {
            Block::First
        },
        block_chars: 1000,
        held_out: HeldOut::Documents(held_out),
        drop_duplicates: false,
        duplicates_of: Compare::Document,
        near_duplicates: None,
        decontaminate: None,
        on_error: OnError::Fail,
        max_documents: None,
    };
    let start = Instant::now();
    let stats = extract(&sources, &spec, &samples, scratch.path(), &mut |_| {})?;
    let read = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut tokens = 0;
    for (name, samples) in [("train", &samples.train), ("held-out", &samples.held_out)] {
        let out = ShardFiles {
            bin: path(&format!("{name}.bin")),
            idx: path(&format!("{name}.idx")),
            sidecar: path(&format!("{name}.provenance")),
        };
        tokens += tokenize_with(samples, encoder, &out, &mut |_| {})?.tokens;
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    println!(
        "{}",
        serde_json::json!({"domain": name, "documents": stats.rows, "chars-kept": stats.chars_train + stats.chars_held_out,
            "tokens": tokens, "read-seconds": read, "tokenize-seconds": start.elapsed().as_secs_f64()})
    );
    Ok(())
}

fn sources(folder: &Path) -> Result<Vec<Source>, Failure> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|f| f.map(|f| f.path())).collect::<Result<_, _>>()?;
    files.retain(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("part-")));
    files.sort();
    let source = |(i, path): (usize, &PathBuf)| {
        let format = Format::guess(path).ok_or("an unknown format")?;
        // Any names that differ: the real ones are computed once a file ever, not once a run.
        let digest = format!("{i:064x}");
        Ok(Source { path: path.clone(), digest, format, stored: false })
    };
    files.iter().enumerate().map(source).collect()
}
