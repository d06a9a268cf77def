//! The pair: what is written is read, what is wrong is refused, and nothing panics.

use mixmake_shards::{
    Dtype, Shard, ShardError, ShardWriter, Sidecar, SidecarHeader, SidecarWriter, Verified,
};
use proptest::prelude::*;

fn write(documents: &[Vec<u32>], vocabulary: u32) -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let prefix = folder.path().join("shard");
    let mut writer = ShardWriter::create(&prefix, vocabulary).expect("created");
    for document in documents {
        writer.push_document(document).expect("pushed");
    }
    let written = writer.finish().expect("finished");
    assert_eq!(written.documents, documents.len() as u64);
    assert_eq!(written.tokens, documents.iter().map(|d| d.len() as u64).sum::<u64>());
    let read = |extension| std::fs::read(prefix.with_extension(extension)).expect("a file");
    (read("bin"), read("idx"))
}

fn documents(vocabulary: u32) -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(0..vocabulary, 0..20), 0..20)
}

fn any_shard() -> impl Strategy<Value = (u32, Vec<Vec<u32>>)> {
    prop_oneof![Just(2u32), Just(65_499), Just(65_500), Just(1 << 31)]
        .prop_flat_map(|vocabulary| (Just(vocabulary), documents(vocabulary)))
}

proptest! {
    #[test]
    fn what_is_written_is_read((vocabulary, documents) in any_shard()) {
        let (bin, idx) = write(&documents, vocabulary);
        let shard = Shard::from_bytes(bin, idx).expect("opens");
        prop_assert_eq!(shard.dtype(), Dtype::for_vocabulary(vocabulary));
        prop_assert_eq!(shard.sequences(), documents.len() as u64);
        let all: Vec<u32> = documents.concat();
        let verified = Verified {
            tokens: all.len() as u64,
            sequences: documents.len() as u64,
            documents: documents.len() as u64,
            largest_token: all.iter().copied().max(),
        };
        prop_assert_eq!(shard.verify(Some(vocabulary)).expect("verifies"), verified);
        let mut start = 0;
        for (i, document) in documents.iter().enumerate() {
            prop_assert_eq!(&shard.sequence(i as u64).expect("a sequence").to_vec(), document);
            let range = shard.sequence_range(i as u64).expect("a range");
            prop_assert_eq!(range.clone(), start..start + document.len() as u64);
            for position in range {
                prop_assert_eq!(shard.sequence_at(position).expect("found"), i as u64);
            }
            start += document.len() as u64;
        }
        for start in 0..all.len() {
            let mut out = vec![0; (all.len() - start).min(7)];
            shard.copy_range(start as u64, &mut out).expect("in range");
            let expected: Vec<i64> = all[start..start + out.len()].iter().map(|&t| i64::from(t)).collect();
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn flipped_and_cut_bytes_are_refused_or_read_but_never_panic(
        (vocabulary, documents) in any_shard(), at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<bool>(), in_idx in any::<bool>()
    ) {
        let (mut bin, mut idx) = write(&documents, vocabulary);
        let victim = if in_idx || bin.is_empty() { &mut idx } else { &mut bin };
        let at = at.index(victim.len());
        if cut { victim.truncate(at) } else { victim[at] ^= 1u8 << bit }
        use_all(&bin, &idx);
        if cut {
            prop_assert!(Shard::from_bytes(bin, idx).and_then(|shard| shard.verify(None)).is_err());
        }
    }

    #[test]
    fn garbage_never_panics(bin in prop::collection::vec(any::<u8>(), 0..64), tail in prop::collection::vec(any::<u8>(), 0..128)) {
        let mut idx = b"MMIDIDX\0\0\x01\0\0\0\0\0\0\0\x08".to_vec();
        idx.extend(&tail);
        use_all(&bin, &idx);
        use_all(&bin, &tail);
        let _ = Sidecar::from_bytes(&tail).map(|sidecar| sidecar.provenance(0).is_ok());
    }
}

/// Calls everything a reader offers; results do not matter here.
fn use_all(bin: &[u8], idx: &[u8]) {
    let Ok(shard) = Shard::from_bytes(bin, idx) else { return };
    let _ = shard.verify(None);
    for i in (0..shard.sequences().min(50)).chain([u64::MAX]) {
        let _ = shard.sequence(i).map(|tokens| tokens.to_vec());
        let _ = shard.sequence_at(i);
        let _ = shard.slice(i..0);
        let _ = shard.copy_range(i, &mut [0; 3]);
    }
}

fn check_refused(bin: &[u8], idx: &[u8], expected: &str) {
    let error = match Shard::from_bytes(bin, idx).and_then(|shard| shard.verify(Some(100))) {
        Ok(verified) => panic!("accepted as {verified:?}, expected `{expected}`"),
        Err(error) => error.to_string(),
    };
    assert!(error.contains(expected), "`{error}` does not say `{expected}`");
}

#[test]
fn each_defect_is_named() {
    let (bin, idx) = write(&[vec![1, 2, 3], vec![4]], 100);
    let with = |at: usize, bytes: &[u8]| {
        let mut idx = idx.clone();
        idx[at..at + bytes.len()].copy_from_slice(bytes);
        idx
    };
    check_refused(&bin, &idx[..20], "fewer than the header's 34");
    check_refused(&bin, &with(0, b"X"), "does not start with `MMIDIDX`");
    check_refused(&bin, &with(9, &[2]), "its version is 2");
    check_refused(&bin, &with(17, &[5]), "type code is 5");
    check_refused(&bin, &with(18, &[3]), "bytes, it has");
    check_refused(&bin, &with(26, &[0]), "document table is empty");
    check_refused(&bin, &with(26, &u64::MAX.to_le_bytes()), "bytes, it has");
    check_refused(&bin[..7], &idx, "not whole tokens");
    check_refused(&bin[..6], &idx, "do not belong together");
    check_refused(&bin, &with(34, &[2]), "the one before ends at 2");
    check_refused(&bin, &with(34, &(-1i32).to_le_bytes()), "sequence 0 is impossible");
    check_refused(&bin, &with(42, &[1]), "sequence 0 is impossible");
    check_refused(&bin, &with(58, &[1]), "document boundary 0 is 1");
    check_refused(&bin, &with(74, &[9]), "last document ends at sequence 9 of 2");
    check_refused(&[1, 0, 2, 0, 3, 0, 200, 0], &idx, "token 200 is outside the vocabulary of 100");
}

#[test]
fn the_writer_refuses_what_the_format_cannot_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let prefix = folder.path().join("s.x");
    let mut writer = ShardWriter::create(&prefix, 10).expect("created");
    assert!(matches!(
        writer.push_document(&[10]),
        Err(ShardError::Vocabulary { token: 10, vocabulary: 10 })
    ));
    assert!(folder.path().join("s.x.bin").exists(), "a dot in the prefix is part of the name");
    assert!(matches!(ShardWriter::create(&prefix, 0), Err(ShardError::VocabularySize(0))));
    assert!(matches!(
        ShardWriter::create(folder.path().join("no/such"), 9),
        Err(ShardError::Io { .. })
    ));
}

#[test]
fn files_with_unrelated_names_and_empty_ones_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bin, idx) = (folder.path().join("0a1b"), folder.path().join("ffee"));
    ShardWriter::create_at(&bin, &idx, 10).expect("created").finish().expect("finished");
    let shard = Shard::open(&bin, &idx).expect("opens");
    assert_eq!((shard.tokens(), shard.sequences(), shard.documents()), (0, 0, 0));
    assert!(shard.verify(Some(10)).is_ok());
    assert!(matches!(Shard::open(folder.path(), &idx), Err(ShardError::Io { .. })));
    assert!(matches!(Shard::open(folder.path().join("none"), &idx), Err(ShardError::Io { .. })));
}

#[test]
fn many_open_in_order_and_the_first_that_cannot_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let pair = |i: u32| {
        let name = folder.path().join(i.to_string());
        (name.with_extension("bin"), name.with_extension("idx"))
    };
    let mut pairs = Vec::new();
    for i in 0..300 {
        let (bin, idx) = pair(i);
        let mut writer = ShardWriter::create_at(&bin, &idx, 1000).expect("created");
        writer.push_document(&[i]).expect("pushed");
        writer.finish().expect("finished");
        pairs.push((bin, idx));
    }
    for count in [0, 1, 300] {
        let shards = Shard::open_all(&pairs[..count]).expect("open");
        assert_eq!(shards.len(), count);
        for (i, shard) in shards.iter().enumerate() {
            assert_eq!(shard.sequence(0).expect("there").to_vec(), [i as u32]);
        }
    }
    for i in [290, 120] {
        std::fs::remove_file(&pairs[i].1).expect("removed");
    }
    let error = Shard::open_all(&pairs).expect_err("two are gone").to_string();
    assert!(error.contains("120.idx"), "{error}");
}

#[test]
fn the_sidecar_leads_back_to_the_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sidecar");
    let mut writer = SidecarWriter::create(&path).expect("created");
    let samples = [("bb", 3, 0), ("aa", 1, 1000), ("bb", 3, 1000)];
    for (source, row, start) in samples {
        writer.push(source, row, start).expect("pushed");
    }
    writer
        .finish(SidecarHeader { documents: 3, tokens: 7, ..Default::default() })
        .expect("finished");
    let sidecar = Sidecar::open(&path).expect("opens");
    assert_eq!(sidecar.header().sources, ["bb", "aa"]);
    assert_eq!(sidecar.header().tokens, 7);
    for (i, (source, row, start)) in samples.into_iter().enumerate() {
        let found = sidecar.provenance(i as u64).expect("found");
        assert_eq!((found.source.as_str(), found.row, found.start), (source, row, start));
    }
    assert!(matches!(sidecar.provenance(3), Err(ShardError::OutOfRange { .. })));
    let bytes = std::fs::read(&path).expect("a file");
    assert!(Sidecar::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    let miscounted = SidecarWriter::create(&path)
        .expect("created")
        .finish(SidecarHeader { documents: 1, ..Default::default() });
    assert!(matches!(miscounted, Err(ShardError::Sidecar(_))));
}
