//! A samples file to a shard: encoded on all threads, written in the samples' order.

use std::path::Path;

use mixmake_shards::{ShardWriter, SidecarHeader, SidecarWriter};
use rayon::prelude::*;

use super::encode::{Encoded, Encoder};
use super::spec::{ShardFiles, ShardSpec, ShardStats};
use crate::progress::Meter;
use crate::samples::{self, SampleBatch, SamplesReader};
use crate::{DataError, Progress, Work};

/// Writes one document (which is one sequence) a sample, in order. Memory holds one batch of samples. What a literal
/// special token in a text becomes is said in `encode`: its characters' ordinary tokens.
///
/// Errors: a file that cannot be read or written, a tokenizer without the end-of-text token asked for, or
/// `max-tokens` that leaves no room for text.
pub fn tokenize(
    samples: &Path,
    tokenizer_json: &Path,
    spec: &ShardSpec,
    out: &ShardFiles,
    progress: &mut dyn FnMut(Progress),
) -> Result<ShardStats, DataError> {
    let encoder = Encoder::load(tokenizer_json, spec)?;
    let meter = Meter::new(samples::count(samples)?, Work::Samples);
    meter.watch(progress, || run(samples, &encoder, out, &meter))
}

fn run(
    samples: &Path,
    encoder: &Encoder,
    out: &ShardFiles,
    meter: &Meter,
) -> Result<ShardStats, DataError> {
    let mut reader = SamplesReader::open(samples)?;
    let mut shard = ShardWriter::create_at(&out.bin, &out.idx, encoder.vocabulary)?;
    let mut sidecar = SidecarWriter::create(&out.sidecar)?;
    let mut stats = ShardStats { vocabulary: encoder.vocabulary, ..Default::default() };
    while let Some(batch) = reader.next_batch() {
        let batch = batch?;
        for (sample, encoded) in batch.iter().zip(encode(&batch, encoder, meter)?) {
            shard.push_document(&encoded.tokens)?;
            sidecar.push(sample.source, sample.row, sample.start)?;
            count(&mut stats, &encoded);
        }
    }
    shard.finish()?;
    sidecar.finish(SidecarHeader {
        tokenizer: encoder.digest.clone(),
        vocabulary: encoder.vocabulary,
        documents: stats.documents,
        tokens: stats.tokens,
        chars: stats.chars,
        end_of_text: encoder.end_of_text(),
        ..Default::default()
    })?;
    Ok(stats)
}

fn encode(
    batch: &SampleBatch,
    encoder: &Encoder,
    meter: &Meter,
) -> Result<Vec<Encoded>, DataError> {
    let encode = |text: &&str| {
        let encoded = encoder.encode(text);
        meter.add(1);
        encoded
    };
    batch.texts().par_iter().map(encode).collect()
}

fn count(stats: &mut ShardStats, encoded: &Encoded) {
    stats.documents += 1;
    stats.tokens += encoded.tokens.len() as u64;
    stats.chars += encoded.chars;
    stats.longest = stats.longest.max(encoded.tokens.len() as u64);
    stats.truncated += u64::from(encoded.truncated);
}
