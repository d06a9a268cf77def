//! How fast training reads: opening many shards, batches of random samples, the order of a huge mixture. Prints JSON.
//!
//! `cargo run --release --locked -p mixmake-data --example reading`

use std::hint::black_box;
use std::time::Instant;

use mixmake_data::mixture::{Mixture, Order, Part, Unit};
use mixmake_shards::{Shard, ShardWriter};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

const SHARDS: usize = 10_000;
const BLOCK: usize = 1024;
const TOKENS: usize = 128 << 20;
const DRAWN: u64 = 2_000_000;

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    opening(folder.path())?;
    batches(folder.path())?;
    order()
}

fn opening(folder: &std::path::Path) -> Result<(), Failure> {
    for i in 0..SHARDS {
        let mut writer = ShardWriter::create(folder.join(i.to_string()), 50_257)?;
        writer.push_document(&[i as u32 % 50_257; 32])?;
        writer.push_document(&[1; 7])?;
        writer.finish()?;
    }
    let seconds = best(|| {
        let shards: Result<Vec<_>, _> = (0..SHARDS)
            .map(|i| Shard::open(folder.join(format!("{i}.bin")), folder.join(format!("{i}.idx"))))
            .collect();
        Ok(shards?.iter().map(Shard::tokens).sum())
    })?;
    println!("{}", json!({"open": SHARDS, "seconds": seconds}));
    Ok(())
}

/// Blocks at random places, copied into one batch of `i64` as the trainer wants them; memcpy of as many bytes beside.
fn batches(folder: &std::path::Path) -> Result<(), Failure> {
    let mut writer = ShardWriter::create(folder.join("large"), 50_257)?;
    let document: Vec<u32> = (0..1 << 20).map(|i| i % 50_257).collect();
    for _ in 0..TOKENS >> 20 {
        writer.push_document(&document)?;
    }
    writer.finish()?;
    let shard = Shard::open(folder.join("large.bin"), folder.join("large.idx"))?;
    let blocks = (TOKENS / BLOCK) as u64;
    let mut batch = vec![0i64; 64 * BLOCK];
    let rounds = 2000;
    let seconds = best(|| {
        let mut place = 1u64;
        for _ in 0..rounds {
            for row in batch.chunks_exact_mut(BLOCK) {
                place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shard.copy_range((place >> 33) % blocks * BLOCK as u64, row)?;
            }
            black_box(&batch);
        }
        Ok(batch[0] as u64)
    })?;
    let source = vec![1i64; batch.len()];
    let memcpy = best(|| {
        for _ in 0..rounds {
            batch.copy_from_slice(black_box(&source));
            black_box(&batch);
        }
        Ok(0)
    })?;
    let tokens = (rounds * batch.len()) as f64;
    println!(
        "{}",
        json!({"random-batches-tokens-per-second": tokens / seconds, "gigabytes-per-second-written": 8.0 * tokens / seconds / 1e9,
            "memcpy-gigabytes-per-second": 8.0 * tokens / memcpy / 1e9})
    );
    Ok(())
}

/// Seven domains of 1e9 documents each.
fn order() -> Result<(), Failure> {
    let part = |i: u64| Part {
        shard: format!("{i:064x}"),
        weight_requested: 1.0 / 7.0,
        weight_achieved: 1.0 / 7.0,
        units: 1_000_000_000,
        units_available: 1_000_000_000,
        tokens: 0,
    };
    let mixture = Mixture { seed: 1, unit: Unit::Sample, parts: (0..7).map(part).collect() };
    let before = resident_kb();
    let seconds = best(|| {
        let order = Order::new(&mixture)?;
        let epoch = order.epoch(3);
        Ok((0..DRAWN).map(|i| epoch.locate(i * 3491).1).fold(0, u64::wrapping_add))
    })?;
    println!(
        "{}",
        json!({"documents": 7e9, "located-per-second": DRAWN as f64 / seconds, "memory-kb": resident_kb() - before})
    );
    Ok(())
}

/// The fastest of five, in seconds.
fn best(mut work: impl FnMut() -> Result<u64, Failure>) -> Result<f64, Failure> {
    let mut seconds = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(work()?);
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    Ok(seconds)
}

fn resident_kb() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
