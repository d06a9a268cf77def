//! What the tests share: a corpus in a temporary folder, and its samples read back.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};

use mixmake_data::corpus::{
    Block, Compare, Format, HeldOut, OnError, SampleFiles, SamplesSpec, SamplesStats, Source,
    extract,
};
use mixmake_data::samples::SamplesReader;
use mixmake_data::{DataError, Progress};
use tempfile::TempDir;

/// A folder of sources and outputs.
pub struct Corpus {
    pub folder: TempDir,
    pub sources: Vec<Source>,
}

/// The bytes of the two sample files and of the statistics.
#[derive(PartialEq, Eq, Debug, Clone)]
pub struct Output {
    pub train: Vec<u8>,
    pub held_out: Vec<u8>,
    pub stats: Vec<u8>,
}

/// A sample: text, source, row, start.
pub type Row = (String, String, u64, u64);

impl Corpus {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), sources: Vec::new() }
    }

    pub fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let mut corpus = Self::new();
        corpus.add(name, content);
        corpus
    }

    pub fn add(&mut self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::write(&path, content).expect("written");
        let format = Format::guess(&path).unwrap_or(Format::Plain);
        self.sources.push(source(&path, format));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn files(&self) -> SampleFiles {
        SampleFiles {
            train: self.path("train.arrow"),
            held_out: self.path("held-out.arrow"),
            stats: self.path("stats.json"),
            dropped: self.path("dropped"),
            hashes: None,
        }
    }

    pub fn extract(&self, spec: &SamplesSpec) -> Result<SamplesStats, DataError> {
        extract(&self.sources, spec, &self.files(), self.folder.path(), &mut |_: Progress| {})
    }

    pub fn output(&self, spec: &SamplesSpec) -> Output {
        self.extract(spec).expect("extracted");
        let files = self.files();
        let read = |path| std::fs::read(path).expect("an output");
        Output {
            train: read(files.train),
            held_out: read(files.held_out),
            stats: read(files.stats),
        }
    }

    pub fn train(&self) -> Vec<Row> {
        rows(&self.files().train)
    }

    pub fn held_out(&self) -> Vec<Row> {
        rows(&self.files().held_out)
    }

    /// The error's message, which must exist.
    pub fn refusal(&self, spec: &SamplesSpec) -> String {
        match self.extract(spec) {
            Ok(stats) => panic!("accepted: {stats:?}"),
            Err(error) => error.to_string(),
        }
    }
}

pub fn source(path: &Path, format: Format) -> Source {
    let digest = std::fs::read(path).map(|bytes| blake3::hash(&bytes)).unwrap_or(blake3::hash(b""));
    let digest = digest.to_hex().to_string();
    Source { path: path.to_path_buf(), digest, format, stored: false }
}

pub fn rows(path: &Path) -> Vec<Row> {
    let mut reader = SamplesReader::open(path).expect("a samples file");
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch() {
        for sample in batch.expect("a batch").iter() {
            rows.push((
                sample.text.to_string(),
                sample.source.to_string(),
                sample.row,
                sample.start,
            ));
        }
    }
    rows
}

pub fn texts(rows: &[Row]) -> Vec<&str> {
    let mut texts: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    texts.sort_unstable();
    texts
}

/// Everything kept whole, nothing held out, errors fail.
pub fn everything() -> SamplesSpec {
    SamplesSpec {
        text: vec!["text".into()],
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
    }
}

pub fn json_lines<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(|text| format!("{}\n", serde_json::json!({ "text": text }))).collect()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("compressed")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = xz2::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// The repository's `shared` folder beside the checkout, where there is one.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent", path.display());
    None
}
