//! Any bytes as a shard: refused or read to the end, without a panic. `make fuzz` and the test of the seeds share this.

use mixmake_shards::{Shard, Sidecar};

/// `data` is the length of the `.idx` (4 bytes, little-endian), the `.idx`, then the `.bin`.
pub fn pair(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<4>() else { return };
    let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
    let (idx, bin) = rest.split_at(length);
    let Ok(shard) = Shard::from_bytes(bin, idx) else { return };
    let _ = shard.verify(Some(65_499));
    let _ = shard.verify(None);
    // An index of a few bytes must not claim more than it holds.
    assert!(shard.sequences() <= idx.len() as u64 && shard.tokens() <= bin.len() as u64);
    for i in (0..shard.sequences()).chain([u64::MAX]) {
        if let Ok(tokens) = shard.sequence(i) {
            assert_eq!(tokens.iter().count(), tokens.len());
        }
        let _ = shard.sequence_range(i);
    }
    for position in [0, shard.tokens() / 2, shard.tokens(), u64::MAX] {
        let _ = shard.sequence_at(position);
        let _ = shard.copy_range(position, &mut [0; 3]);
        let _ = shard.slice(position..u64::MAX);
    }
}

/// `data` is a sidecar's file.
pub fn sidecar(data: &[u8]) {
    let Ok(sidecar) = Sidecar::from_bytes(data) else { return };
    let documents = sidecar.header().documents;
    for i in [0, documents / 2, documents.wrapping_sub(1), documents, u64::MAX] {
        let _ = sidecar.provenance(i);
    }
}
