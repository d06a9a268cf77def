//! The rules of the split: what decides it, and what must not.

mod common;

use std::collections::BTreeSet;

use common::{Corpus, everything, json_lines, rows};
use mixmake_data::corpus::{Block, HeldOut, SamplesSpec, extract};
use mixmake_data::{DataError, Progress};
use proptest::prelude::*;

fn numbered(range: std::ops::Range<u32>) -> String {
    let texts: Vec<String> =
        range.map(|i| format!("document {i} {}", "é".repeat(i as usize % 40))).collect();
    json_lines(texts.iter().map(String::as_str))
}

fn small_blocks() -> SamplesSpec {
    SamplesSpec {
        block: Block::Random,
        block_chars: 8,
        held_out: HeldOut::Documents(7),
        ..everything()
    }
}

#[test]
fn file_order_names_places_and_threads_change_no_byte() {
    let mut one = Corpus::new();
    one.add("a.jsonl", numbered(0..50));
    one.add("b.jsonl", numbered(50..90));
    one.add("c.jsonl", numbered(90..100));
    let mut other = Corpus::new();
    other.add("x.jsonl", numbered(90..100));
    other.add("y.jsonl", numbered(0..50));
    other.add("z.jsonl", numbered(50..90));
    let expected = one.output(&small_blocks());
    assert_eq!(other.output(&small_blocks()), expected);
    other.sources.reverse();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        assert_eq!(pool.install(|| other.output(&small_blocks())), expected, "{threads} threads");
    }
    let stats = String::from_utf8(expected.stats).expect("text");
    assert!(!stats.contains(".jsonl") && !stats.contains("tmp"), "no path in {stats}");
}

#[test]
fn how_documents_lie_in_files_changes_no_text() {
    let together = Corpus::with("a.jsonl", numbered(0..100));
    let mut apart = Corpus::new();
    apart.add("a.jsonl", numbered(60..100));
    apart.add("b.jsonl", numbered(0..60));
    let of = |corpus: &Corpus| {
        corpus.output(&small_blocks());
        let only_text =
            |rows: Vec<common::Row>| rows.into_iter().map(|row| (row.0, row.3)).collect::<Vec<_>>();
        (only_text(corpus.train()), only_text(corpus.held_out()))
    };
    assert_eq!(of(&together), of(&apart));
}

#[test]
fn the_held_out_set_does_not_move_with_max_documents() {
    let corpus = Corpus::with("a.jsonl", numbered(0..60));
    let of = |max_documents| {
        corpus.output(&SamplesSpec { max_documents, ..small_blocks() });
        (corpus.held_out(), corpus.train())
    };
    let (held_out, all) = of(None);
    assert_eq!((held_out.len(), all.len()), (7, 53));
    for max in [1, 20, 53, 1000] {
        let (held, train) = of(Some(max));
        assert_eq!(held, held_out);
        assert_eq!(
            train,
            all[..all.len().min(max as usize)],
            "a larger limit extends a smaller one"
        );
    }
}

#[test]
fn identical_documents_stay_on_one_side() {
    let mut texts: Vec<String> = (0..30).map(|i| format!("document {i}")).collect();
    texts.extend(texts.clone());
    texts.extend(texts.clone());
    let corpus = Corpus::with("a.jsonl", json_lines(texts.iter().map(String::as_str)));
    for n in 1..30 {
        let spec = SamplesSpec { held_out: HeldOut::Documents(n), ..everything() };
        let stats = corpus.extract(&spec).expect("extracted");
        assert_eq!(
            stats.documents_held_out,
            n.div_ceil(4) * 4,
            "the limit moves behind the whole group"
        );
        assert_eq!((stats.duplicates, stats.dropped.duplicates), (90, 0));
        let held_out: BTreeSet<String> = corpus.held_out().into_iter().map(|row| row.0).collect();
        assert!(corpus.train().iter().all(|row| !held_out.contains(&row.0)));
    }
    let spec =
        SamplesSpec { held_out: HeldOut::Documents(3), drop_duplicates: true, ..everything() };
    let stats = corpus.extract(&spec).expect("extracted");
    assert_eq!(
        (stats.documents_held_out, stats.documents_train, stats.dropped.duplicates),
        (3, 27, 90)
    );
}

#[test]
fn a_fraction_holds_out_a_part_of_the_hash_range() {
    let corpus = Corpus::with("a.jsonl", numbered(0..400));
    let of = |fraction| {
        corpus.extract(&SamplesSpec { held_out: HeldOut::Fraction(fraction), ..everything() })
    };
    let held = of(0.25).expect("extracted").documents_held_out;
    assert!((70..130).contains(&held), "{held} of 400");
    assert_eq!(of(0.0).expect("extracted").documents_held_out, 0);
    let all = of(1.0).expect("a domain for evaluation only");
    assert_eq!((all.documents_held_out, all.documents_train), (400, 0));
    assert!(rows(&corpus.files().train).is_empty());
    assert!(matches!(of(1.5), Err(DataError::Spec { field: "held-out", .. })));
    assert!(matches!(of(f64::NAN), Err(DataError::Spec { field: "held-out", .. })));
}

#[test]
fn something_must_be_left_to_train_on() {
    let corpus = Corpus::with("a.jsonl", numbered(0..5));
    for n in [5, 6, u64::MAX] {
        let refusal =
            corpus.refusal(&SamplesSpec { held_out: HeldOut::Documents(n), ..everything() });
        assert!(refusal.contains("holding out 5 of 5 documents leaves none"), "{refusal}");
    }
}

#[test]
fn progress_reaches_the_whole() {
    let corpus = Corpus::with("a.jsonl", numbered(0..50));
    let mut last = None;
    extract(&corpus.sources, &everything(), &corpus.files(), corpus.folder.path(), &mut |p| {
        last = Some(p)
    })
    .expect("extracted");
    let Progress { done, total, .. } = last.expect("reported");
    assert!(done == total && total > 0, "{done} of {total}");
}

#[test]
fn every_block_of_a_document_is_on_its_side() {
    let corpus = Corpus::with("a.jsonl", numbered(0..40));
    let spec = SamplesSpec {
        block: Block::Every,
        block_chars: 5,
        min_chars: 3,
        held_out: HeldOut::Documents(10),
        ..everything()
    };
    let stats = corpus.extract(&spec).expect("extracted");
    let row_of =
        |rows: Vec<common::Row>| rows.into_iter().map(|row| row.2).collect::<BTreeSet<u64>>();
    let (held_out, train) = (row_of(corpus.held_out()), row_of(corpus.train()));
    assert!(held_out.is_disjoint(&train));
    assert_eq!(
        (held_out.len() as u64, train.len() as u64),
        (stats.documents_held_out, stats.documents_train)
    );
    assert!(stats.samples_train > stats.documents_train);
    assert!(
        corpus.train().iter().all(|row| (3..=5).contains(&row.0.chars().count()) && row.3 % 5 == 0)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..Default::default() })]
    #[test]
    fn every_row_is_accounted_for_and_every_kept_text_is_a_piece_of_its_document(
        documents in prop::collection::vec("\\PC{0,30}", 2..40),
        min_chars in 0u64..8, block_chars in 1u64..12, held in 0u64..4,
        block in prop_oneof![Just(Block::First), Just(Block::Random), Just(Block::Every), Just(Block::Whole)],
        drop_duplicates in any::<bool>(), max_documents in prop::option::of(1u64..20)
    ) {
        let corpus = Corpus::with("a.jsonl", json_lines(documents.iter().map(String::as_str)));
        let held_out = HeldOut::Documents(held);
        let spec = SamplesSpec { min_chars, block, block_chars, held_out, drop_duplicates, max_documents, ..everything() };
        let stats = match corpus.extract(&spec) {
            Ok(stats) => stats,
            Err(DataError::Empty { .. } | DataError::HeldOutTakesAll { .. }) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        prop_assert_eq!(stats.rows, documents.len() as u64);
        prop_assert_eq!(stats.rows, stats.dropped.total() + stats.problems + stats.documents_train + stats.documents_held_out);
        let (train, held_out) = (corpus.train(), corpus.held_out());
        prop_assert_eq!(stats.samples_train, train.len() as u64);
        for (text, _, row, start) in train.iter().chain(&held_out) {
            let document = &documents[*row as usize - 1];
            let piece: String = document.chars().skip(*start as usize).take(text.chars().count()).collect();
            prop_assert_eq!(text, &piece);
            prop_assert!(!text.is_empty());
        }
        let of = |rows: &[common::Row]| rows.iter().map(|row| documents[row.2 as usize - 1].clone()).collect::<BTreeSet<_>>();
        prop_assert!(of(&train).is_disjoint(&of(&held_out)), "a document is on both sides");
    }
}
