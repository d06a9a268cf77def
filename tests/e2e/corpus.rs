//! Text to train on: words of small made-up languages, the same on every machine, in the formats
//! that users bring.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

/// A linear congruential generator (Knuth's MMIX constants); the high bits are used.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
}

/// Documents of one language, whose words use only `letters`: the `index`-th has
/// `50 + 7 * index % 60` words, some 250 to 650 characters.
pub fn documents(letters: &str, count: u64) -> Vec<String> {
    let letters: Vec<char> = letters.chars().collect();
    let mut random = Random::new(letters[0] as u64);
    let words: Vec<String> = (0..60)
        .map(|_| {
            let length = 2 + random.below(6);
            (0..length).map(|_| letters[random.below(letters.len() as u64) as usize]).collect()
        })
        .collect();
    let document = |index: u64, random: &mut Random| {
        let count = 50 + 7 * index % 60;
        // Squaring the draw makes some words common, as in languages.
        let word = |random: &mut Random| {
            let draw = random.below(60);
            &words[(draw * draw / 60) as usize]
        };
        (0..count).map(|_| word(random).as_str()).collect::<Vec<_>>().join(" ")
    };
    (0..count).map(|index| document(index, &mut random)).collect()
}

/// One JSON object a line, with the text under `text`.
pub fn json_lines<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let line = |text| format!("{}\n", serde_json::json!({ "text": text }));
    texts.into_iter().map(line).collect()
}

pub fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(bytes.as_ref(), 3).expect("compressed")
}

/// A Parquet file with one column `text`.
pub fn parquet(texts: &[String]) -> Vec<u8> {
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let batch = RecordBatch::try_from_iter([("text", column)]).expect("one column");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    bytes
}
