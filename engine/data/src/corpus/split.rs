//! Which documents train and which are held out. Knows hashes and counts, not text.

use super::spec::{HeldOut, SamplesSpec};
use super::spool::Entry;
use crate::DataError;
use crate::hash::leading;

/// The documents of both sides, each in increasing order of hash, and what was left out.
#[derive(Debug)]
pub(crate) struct Split {
    pub held_out: Vec<Entry>,
    pub train: Vec<Entry>,
    pub duplicates: u64,
    pub duplicates_dropped: u64,
    pub beyond_max: u64,
}

/// Sorts and splits. Identical documents have one hash and so fall on one side.
pub(crate) fn split(mut entries: Vec<Entry>, spec: &SamplesSpec) -> Result<Split, DataError> {
    entries.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
    let duplicates = entries.windows(2).filter(|pair| pair[0].hash == pair[1].hash).count() as u64;
    if spec.drop_duplicates {
        entries.dedup_by(|later, earlier| later.hash == earlier.hash);
    }
    let documents = entries.len();
    let held = held_out_count(&entries, spec.held_out);
    let evaluation_only = spec.held_out == HeldOut::Fraction(1.0);
    if held == documents && !evaluation_only {
        return Err(DataError::HeldOutTakesAll {
            held_out: held as u64,
            documents: documents as u64,
        });
    }
    let mut train = entries.split_off(held);
    let limit =
        spec.max_documents.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let beyond_max = train.len().saturating_sub(limit) as u64;
    train.truncate(limit);
    let duplicates_dropped = if spec.drop_duplicates { duplicates } else { 0 };
    Ok(Split { held_out: entries, train, duplicates, duplicates_dropped, beyond_max })
}

fn held_out_count(sorted: &[Entry], rule: HeldOut) -> usize {
    match rule {
        HeldOut::Documents(0) => 0,
        HeldOut::Documents(n) => {
            let n = usize::try_from(n).unwrap_or(usize::MAX).min(sorted.len());
            let Some(last) = n.checked_sub(1).and_then(|i| sorted.get(i)) else { return 0 };
            n + sorted[n..].iter().take_while(|entry| entry.hash == last.hash).count()
        }
        HeldOut::Fraction(fraction) if fraction >= 1.0 => sorted.len(),
        // 2^64 times the fraction, exactly; below 2^64 because the fraction is below 1.
        HeldOut::Fraction(fraction) => {
            let limit = (fraction * 18_446_744_073_709_551_616.0) as u64;
            sorted.partition_point(|entry| leading(&entry.hash) < limit)
        }
    }
}
