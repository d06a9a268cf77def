//! A samples file to a shard: encoded on all threads, written in the samples' order while the next are encoded.

use std::path::Path;

use mixmake_shards::{ShardWriter, SidecarHeader, SidecarWriter};
use rayon::prelude::*;

use super::encode::{Encoded, Encoder};
use super::spec::{ShardFiles, ShardSpec, ShardStats};
use crate::progress::Meter;
use crate::samples::{SampleBatch, SamplesReader};
use crate::{DataError, Progress, Work};

/// Samples that one task encodes, at most and at least: enough to make a task worth its start.
const CHUNK_MAX: usize = 256;
const CHUNK_MIN: usize = 16;
/// Tasks a thread, of each batch: enough that all end at about the same time.
const TASKS: usize = 4;

/// Writes one document (which is one sequence) a sample, in order. Memory holds two batches of samples. What a literal
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
    tokenize_with(samples, &Encoder::load(tokenizer_json, spec)?, out, progress)
}

/// As [`tokenize`], with a tokenizer that is loaded already: its caches serve several shards.
pub fn tokenize_with(
    samples: &Path,
    encoder: &Encoder,
    out: &ShardFiles,
    progress: &mut dyn FnMut(Progress),
) -> Result<ShardStats, DataError> {
    // The file's size stands for the text's: knowing more would mean reading it twice.
    let total = std::fs::metadata(samples).map_err(DataError::io("read", samples))?.len();
    let meter = Meter::new(total, Work::Bytes);
    meter.watch(progress, || run(samples, encoder, out, &meter))
}

fn run(
    samples: &Path,
    encoder: &Encoder,
    out: &ShardFiles,
    meter: &Meter,
) -> Result<ShardStats, DataError> {
    let mut reader = SamplesReader::open(samples)?;
    let mut output = Output::create(encoder, out)?;
    // Each batch is written while the next one is encoded.
    let mut written = Ok(());
    let mut ready: Option<(SampleBatch, Vec<Encoded>)> = None;
    while let Some(batch) = reader.next_batch() {
        written?;
        let batch = batch?;
        let encoded;
        (encoded, written) = rayon::join(
            || encode(&batch, encoder, meter),
            || ready.take().map_or(Ok(()), |(batch, encoded)| output.write(&batch, &encoded)),
        );
        ready = Some((batch, encoded?));
    }
    written?;
    if let Some((batch, encoded)) = ready {
        output.write(&batch, &encoded)?;
    }
    output.finish(encoder)
}

fn encode(
    batch: &SampleBatch,
    encoder: &Encoder,
    meter: &Meter,
) -> Result<Vec<Encoded>, DataError> {
    let encode = |texts: &[&str]| {
        let encoded = encoder.encode(texts);
        meter.add(texts.iter().map(|text| text.len() as u64).sum());
        encoded
    };
    let tasks = TASKS * rayon::current_num_threads();
    let chunk = batch.len().div_ceil(tasks).clamp(CHUNK_MIN, CHUNK_MAX);
    batch.texts().par_chunks(chunk).map(encode).collect()
}

/// A shard being written, and what is counted on the way.
struct Output {
    shard: ShardWriter,
    sidecar: SidecarWriter,
    stats: ShardStats,
}

impl Output {
    fn create(encoder: &Encoder, out: &ShardFiles) -> Result<Self, DataError> {
        Ok(Self {
            shard: ShardWriter::create_at(&out.bin, &out.idx, encoder.vocabulary)?,
            sidecar: SidecarWriter::create(&out.sidecar)?,
            stats: ShardStats { vocabulary: encoder.vocabulary, ..Default::default() },
        })
    }

    fn write(&mut self, batch: &SampleBatch, encoded: &[Encoded]) -> Result<(), DataError> {
        let mut samples = batch.iter();
        for chunk in encoded {
            let mut start = 0;
            for text in &chunk.texts {
                let tokens = &chunk.tokens[start..text.end];
                start = text.end;
                self.shard.push_document(tokens)?;
                if let Some(sample) = samples.next() {
                    self.sidecar.push(sample.source, sample.row, sample.start)?;
                }
                let stats = &mut self.stats;
                stats.documents += 1;
                stats.tokens += tokens.len() as u64;
                stats.chars += text.chars;
                stats.longest = stats.longest.max(tokens.len() as u64);
                stats.truncated += u64::from(text.truncated);
            }
        }
        Ok(())
    }

    fn finish(self, encoder: &Encoder) -> Result<ShardStats, DataError> {
        self.shard.finish()?;
        self.sidecar.finish(SidecarHeader {
            tokenizer: encoder.digest.clone(),
            vocabulary: encoder.vocabulary,
            documents: self.stats.documents,
            tokens: self.stats.tokens,
            chars: self.stats.chars,
            end_of_text: encoder.end_of_text(),
            ..Default::default()
        })?;
        Ok(self.stats)
    }
}
