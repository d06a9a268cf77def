//! How fast a training can read: batches of random sequences out of shards, opening many shards, and the order of more
//! documents than memory could list. Prints one line of JSON a figure; `bench/data` makes a table of them.
//!
//! `reading [FOLDER]`: shards of generated tokens (0.9 GB) are written to FOLDER, or to a temporary one.
#![expect(clippy::print_stdout, reason = "what it prints is its result")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use mixmake_data::mixture::{
    Mixture, MixtureRequest, Order, ShardFacts, Total, TotalRule, Unit, compose,
};
use mixmake_shards::{Map, Shard, ShardWriter};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

const DOMAINS: usize = 7;
const TOKENS: u64 = 64_000_000;
const SEQUENCE: u64 = 1024;
/// Sequences of a batch: 81,920 tokens.
const BATCH: usize = 80;
const SMALL_SHARDS: usize = 10_000;
const DOCUMENTS: u64 = 1_000_000_000;

fn main() -> Result<(), Failure> {
    let folder = match std::env::args().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    batches(folder.path())?;
    opening(folder.path())?;
    order()
}

fn mixture(unit: Unit, units: u64, facts: &[ShardFacts]) -> Result<Mixture, Failure> {
    let request = MixtureRequest {
        weights: vec![1.0; facts.len()],
        total: Total::Units(units),
        unit,
        factors: Vec::new(),
        total_rule: TotalRule::Free,
        max_repeats: 1,
        seed: 7,
    };
    Ok(compose(&request, facts)?)
}

/// Batches as the trainer assembles them: positions of an epoch, their sequences, one buffer of ids.
fn batches(folder: &Path) -> Result<(), Failure> {
    let shards: Vec<Shard<Map>> =
        (0..DOMAINS).map(|i| shard(folder, i)).collect::<Result<_, _>>()?;
    let facts: Vec<ShardFacts> = (0..DOMAINS)
        .map(|i| ShardFacts {
            digest: format!("{i:064x}"),
            tokens: shards[i].tokens(),
            sequences: shards[i].sequences(),
        })
        .collect();
    let bandwidth = copy_bandwidth();
    for (name, unit) in [("blocks", Unit::Block { tokens: SEQUENCE }), ("samples", Unit::Sample)] {
        let units = match unit {
            Unit::Block { tokens } => DOMAINS as u64 * (TOKENS / tokens),
            // A little less than all: the domains differ by a few, and are drawn from alike.
            Unit::Sample => shards.iter().map(Shard::sequences).sum::<u64>() * 99 / 100,
        };
        let mixture = mixture(unit, units, &facts)?;
        let order = Order::new(&mixture)?;
        // The first epoch brings the files' pages into this process's map.
        for epoch in 0..2 {
            let start = Instant::now();
            let tokens = read_epoch(&order, epoch, unit, &shards)?;
            let seconds = start.elapsed().as_secs_f64();
            // Two bytes are read and eight written a token.
            let moved = 10.0 * tokens as f64 / seconds / 1e9;
            println!(
                "{}",
                json!({"step": "batches", "unit": name, "epoch": epoch, "tokens": tokens, "seconds": seconds,
                    "tokens-per-second": tokens as f64 / seconds, "moved-gb-per-second": moved, "copy-gb-per-second": bandwidth})
            );
        }
    }
    Ok(())
}

fn read_epoch(
    order: &Order,
    epoch: u64,
    unit: Unit,
    shards: &[Shard<Map>],
) -> Result<u64, Failure> {
    let epoch = order.epoch(epoch);
    let mut batch: Vec<i64> = Vec::new();
    let (mut tokens, mut sum) = (0, 0i64);
    for first in (0..order.len()).step_by(BATCH) {
        batch.clear();
        for position in first..order.len().min(first + BATCH as u64) {
            let (part, index) = epoch.locate(position);
            let range = match unit {
                Unit::Block { tokens } => index * tokens..(index + 1) * tokens,
                Unit::Sample => shards[part].sequence_range(index)?,
            };
            let at = batch.len();
            batch.resize(at + (range.end - range.start) as usize, 0);
            shards[part].copy_range(range.start, &mut batch[at..])?;
        }
        tokens += batch.len() as u64;
        // So that no copy can be left out.
        sum = sum.wrapping_add(batch[batch.len() / 2]);
    }
    assert!(sum >= 0, "tokens are never negative");
    Ok(tokens)
}

/// A shard of sequences of 200 to 327 tokens, which the generator makes up.
fn shard(folder: &Path, index: usize) -> Result<Shard<Map>, Failure> {
    let prefix = folder.join(format!("domain-{index}"));
    let mut writer = ShardWriter::create(&prefix, 50_257)?;
    let mut state = 1 + index as u64;
    let mut tokens = Vec::new();
    let mut left = TOKENS as usize;
    while left > 0 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        let length = (200 + (state >> 57) as usize).min(left);
        tokens.clear();
        tokens.extend(
            (0..length as u64).map(|i| ((state >> 40).wrapping_add(i * 31) % 50_257) as u32),
        );
        writer.push_document(&tokens)?;
        left -= length;
    }
    writer.finish()?;
    let file = |extension| prefix.with_extension(extension);
    Ok(Shard::open(file("bin"), file("idx"))?)
}

/// What a plain copy of memory moves, reads and writes together: the machine's own limit of one thread.
fn copy_bandwidth() -> f64 {
    let from = vec![1u8; 256 << 20];
    let mut to = vec![0u8; 256 << 20];
    let mut best = 0f64;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(&mut to).copy_from_slice(black_box(&from));
        best = best.max(2.0 * from.len() as f64 / start.elapsed().as_secs_f64() / 1e9);
    }
    assert!(to[to.len() - 1] == 1, "copied");
    best
}

/// A corpus of very many files.
fn opening(folder: &Path) -> Result<(), Failure> {
    let first = folder.join("first");
    let mut writer = ShardWriter::create(&first, 50_257)?;
    (0..64).try_for_each(|token| writer.push_document(&[token; 32]))?;
    writer.finish()?;
    let pair = |i| {
        let name = folder.join(format!("small-{i}"));
        (name.with_extension("bin"), name.with_extension("idx"))
    };
    let pairs: Vec<_> = (0..SMALL_SHARDS).map(pair).collect();
    for (bin, idx) in &pairs {
        std::fs::copy(first.with_extension("bin"), bin)?;
        std::fs::copy(first.with_extension("idx"), idx)?;
    }
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        let opened = Shard::open_all(&pairs)?;
        best = best.min(start.elapsed().as_secs_f64());
        assert!(opened.iter().all(|shard| shard.tokens() == 2048), "whole");
    }
    println!("{}", json!({"step": "opening", "shards": SMALL_SHARDS, "seconds": best}));
    Ok(())
}

/// An index of a thousand million documents a domain, which only its numbers make.
fn order() -> Result<(), Failure> {
    let facts: Vec<ShardFacts> = (0..DOMAINS)
        .map(|i| ShardFacts {
            digest: format!("{i:064x}"),
            tokens: 300 * DOCUMENTS,
            sequences: DOCUMENTS,
        })
        .collect();
    let before = resident()?;
    let start = Instant::now();
    let mixture = mixture(Unit::Sample, DOMAINS as u64 * DOCUMENTS, &facts)?;
    let order = Order::new(&mixture)?;
    let epoch = order.epoch(0);
    let made = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let (positions, mut sum) = (2_000_000u64, 0u64);
    for i in 0..positions {
        let (part, unit) = epoch.locate(i * (order.len() / positions));
        sum = sum.wrapping_add(unit ^ part as u64);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({"step": "order", "documents": order.len(), "make-seconds": made, "ns-per-position": seconds * 1e9 / positions as f64,
            "memory-bytes": resident()?.saturating_sub(before), "checksum": sum})
    );
    Ok(())
}

/// Bytes of this process in memory.
fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib * 1024)
}
