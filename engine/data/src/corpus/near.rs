//! Near duplicates by MinHash: texts whose sets of five-word runs overlap much. Knows texts and earlier texts.
//!
//! Our own because its numbers decide output bytes: the crates there are change their hashes with versions and platforms.
//! After A. Broder, "On the resemblance and containment of documents" (1997), banded as in Leskovec, Rajaraman and Ullman,
//! "Mining of Massive Datasets", 3.4. `shards/FORMAT.md` section 5 gives the numbers.

use std::collections::HashMap;

use super::words::{self, mix};

/// Words of a run.
const SHINGLE: usize = 5;
/// Hash functions of a signature.
const HASHES: usize = 128;

/// The least value of every hash function over a text's runs.
pub(crate) struct Signature([u32; HASHES]);

impl Signature {
    /// None of a text without words: such texts resemble nothing.
    pub fn of(text: &str) -> Option<Self> {
        let words = words::hashes(text);
        if words.is_empty() {
            return None;
        }
        let mut least = [u32::MAX; HASHES];
        for run in words.windows(SHINGLE.min(words.len())) {
            let run = words::run(run);
            for (function, least) in least.iter_mut().enumerate() {
                *least = (*least).min((mix(run ^ mix(function as u64 + 1)) >> 32) as u32);
            }
        }
        Some(Self(least))
    }

    /// The share of equal entries, which estimates the Jaccard resemblance (standard error below 0.045).
    fn resemblance(&self, other: &[u32]) -> f64 {
        let equal = self.0.iter().zip(other).filter(|(mine, theirs)| mine == theirs).count();
        equal as f64 / HASHES as f64
    }
}

/// The kept texts so far.
pub(crate) struct NearDuplicates {
    least: f64,
    bands: usize,
    rows: usize,
    signatures: Vec<u32>,
    places: Vec<String>,
    /// By band and its entries: the last text that has them.
    last: HashMap<u64, u32>,
    /// For every text and band, the text before that has the same entries there.
    earlier: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl NearDuplicates {
    /// Finds texts that resemble an earlier one at least so much, 0 to 1.
    pub fn new(least: f64) -> Self {
        let (bands, rows) = banding(least);
        Self {
            least,
            bands,
            rows,
            signatures: Vec::new(),
            places: Vec::new(),
            last: HashMap::new(),
            earlier: Vec::new(),
        }
    }

    /// What the text resembles, in words; otherwise it is one of the earlier texts from now on.
    pub fn find_or_add(&mut self, signature: &Signature, place: &str) -> Option<String> {
        let keys: Vec<u64> = (0..self.bands).map(|band| self.key(signature, band)).collect();
        if let Some((resemblance, text)) = self.find(signature, &keys) {
            return Some(format!("{resemblance:.2} like {}", self.places[text]));
        }
        let text = self.places.len() as u32;
        self.places.push(place.to_owned());
        self.signatures.extend(signature.0);
        for key in keys {
            let before = self.last.insert(key, text);
            self.earlier.push(before.unwrap_or(NONE));
        }
        None
    }

    fn key(&self, signature: &Signature, band: usize) -> u64 {
        let rows = &signature.0[band * self.rows..(band + 1) * self.rows];
        rows.iter().fold(mix(band as u64), |key, &row| mix(key ^ u64::from(row)))
    }

    /// The first text found, by bands, that resembles this one enough.
    fn find(&self, signature: &Signature, keys: &[u64]) -> Option<(f64, usize)> {
        for (band, key) in keys.iter().enumerate() {
            let mut text = self.last.get(key).copied().unwrap_or(NONE);
            while text != NONE {
                let index = text as usize;
                let other = &self.signatures[index * HASHES..(index + 1) * HASHES];
                let resemblance = signature.resemblance(other);
                if resemblance >= self.least {
                    return Some((resemblance, index));
                }
                text = self.earlier[index * self.bands + band];
            }
        }
        None
    }
}

/// Bands and rows: the most rows a band with which a text that resembles just enough is found 19 times in 20.
fn banding(least: f64) -> (usize, usize) {
    let found = |rows: usize| {
        let bands = HASHES / rows;
        1.0 - (1.0 - least.powi(rows as i32)).powi(bands as i32)
    };
    let rows = (1..=32).rev().find(|&rows| found(rows) >= 0.95).unwrap_or(1);
    (HASHES / rows, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(range: std::ops::Range<u32>) -> String {
        range.map(|word| format!("word{word} ")).collect()
    }

    #[test]
    fn signatures_estimate_the_resemblance() {
        // 196 and 196 runs of five words, 96 of them the same: 96 / 296.
        let (one, other) = (text(0..200), text(100..300));
        let (one, other) =
            (Signature::of(&one).expect("words"), Signature::of(&other).expect("words"));
        let estimate = one.resemblance(&other.0);
        assert!((estimate - 96.0 / 296.0).abs() < 0.14, "{estimate}");
        assert_eq!(one.resemblance(&one.0), 1.0);
        assert!(Signature::of(" \n!?").is_none());
    }

    #[test]
    fn what_resembles_enough_is_found_and_what_does_not_is_not() {
        let mut near = NearDuplicates::new(0.7);
        let add = |near: &mut NearDuplicates, text: &str, place: &str| {
            near.find_or_add(&Signature::of(text).expect("words"), place)
        };
        assert_eq!(add(&mut near, &text(0..300), "a:1"), None);
        assert_eq!(add(&mut near, &text(1000..1300), "a:2"), None);
        let edited = text(0..300).replace("word150 ", "another ");
        let found = add(&mut near, &edited, "a:3").expect("a near duplicate");
        assert!(found.ends_with("like a:1"), "{found}");
        assert_eq!(add(&mut near, &text(200..500), "a:4"), None, "a third is shared");
    }

    #[test]
    fn lower_thresholds_take_more_bands() {
        let (bands, rows) = banding(0.8);
        assert!(bands * rows <= HASHES && rows > banding(0.4).1, "{bands} x {rows}");
        assert_eq!(banding(1.0), (4, 32));
        assert_eq!(banding(0.001), (128, 1));
    }
}
