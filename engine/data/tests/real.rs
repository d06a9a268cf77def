//! Real text in the schemas of RedPajama and of the BERT study, where `shared/data/corpora` is present.

mod common;

use std::path::Path;

use common::{Corpus, everything, shared, source};
use mixmake_data::corpus::{Block, Format, HeldOut, SamplesSpec};
use mixmake_data::tokenizer::{ShardFiles, ShardSpec, tokenize};
use mixmake_shards::Shard;

fn corpus(files: &[&str]) -> Option<Corpus> {
    let mut corpus = Corpus::new();
    for file in files {
        let path = shared(&format!("data/corpora/{file}"))?;
        let format = Format::guess(&path).expect("a known name");
        corpus.sources.push(source(&path, format));
    }
    Some(corpus)
}

/// Appendix D.1: documents of at least 1,000 characters, a block of 1,000.
fn appendix_d(text: &str, block: Block) -> SamplesSpec {
    SamplesSpec {
        text: vec![text.into()],
        min_chars: 1000,
        block,
        block_chars: 1000,
        held_out: HeldOut::Documents(50),
        drop_duplicates: true,
        ..everything()
    }
}

fn check(corpus: &Corpus, spec: &SamplesSpec) {
    let stats =
        corpus.extract(spec).unwrap_or_else(|e| panic!("{:?}: {e}", corpus.sources[0].path));
    assert_eq!(stats.problems, 0);
    assert_eq!(
        stats.rows,
        stats.dropped.total() + stats.documents_train + stats.documents_held_out
    );
    assert_eq!((stats.documents_held_out, stats.chars_held_out), (50, 50_000));
    assert_eq!(stats.chars_train, 1000 * stats.samples_train);
    assert!(stats.documents_train > 100 && stats.dropped.min_chars > 0, "{stats:?}");
}

#[test]
fn json_lines_in_zstd_and_a_filter_on_nested_metadata() {
    let Some(wikipedia) = corpus(&["redpajama/wikipedia/part-000.jsonl.zst"]) else { return };
    let english = [("meta.language".to_string(), "en".to_string())].into();
    let spec = SamplesSpec { filters: english, ..appendix_d("text", Block::First) };
    check(&wikipedia, &spec);
    let stats = wikipedia.extract(&spec).expect("extracted");
    assert!(stats.dropped.filters["meta.language"] > 50, "{stats:?}");
}

#[test]
fn json_lines_in_gzip() {
    let Some(news) = corpus(&["bert/news/part-000.jsonl.gz"]) else { return };
    check(&news, &appendix_d("text", Block::First));
}

#[test]
fn parquet() {
    let Some(reviews) = corpus(&["bert/reviews/part-000.parquet", "bert/reviews/part-001.parquet"])
    else {
        return;
    };
    check(&reviews, &appendix_d("review_body", Block::Random));
    let Some(arxiv) = corpus(&["bert/arxiv/part-000.parquet"]) else { return };
    check(&arxiv, &appendix_d("article", Block::First));
}

#[test]
fn from_files_to_gpt2_tokens() {
    let Some(github) =
        corpus(&["redpajama/github/part-001.jsonl.zst", "redpajama/github/part-000.jsonl.zst"])
    else {
        return;
    };
    let Some(gpt2) = shared("data/corpora/tokenizers/gpt2/tokenizer.json") else { return };
    check(&github, &appendix_d("text", Block::Random));
    let files =
        ShardFiles { bin: github.path("b"), idx: github.path("i"), sidecar: github.path("s") };
    let spec = ShardSpec { end_of_text: false, add_special_tokens: false, max_tokens: None };
    let stats =
        tokenize(&github.files().held_out, &gpt2, &spec, &files, &mut |_| {}).expect("tokenized");
    let shard = Shard::open(&files.bin, &files.idx).expect("a shard");
    let verified = shard.verify(Some(50257)).expect("verified");
    assert_eq!((verified.tokens, verified.documents), (stats.tokens, 50));
    let decoder = tokenizers::Tokenizer::from_file(Path::new(&gpt2)).expect("a tokenizer");
    for (i, row) in github.held_out().iter().enumerate() {
        let tokens = shard.sequence(i as u64).expect("a sequence").to_vec();
        assert_eq!(decoder.decode(&tokens, false).expect("decoded"), row.0);
    }
}
