//! Nothing that a user can write makes the parser or its messages panic.

use std::path::Path;

use mixmake_manifest::parse;
use proptest::prelude::*;

const BASE: &str = include_str!("base.toml");

/// Parses, and uses everything that comes back.
fn survives(text: &str, overrides: &[String]) {
    match parse(Path::new("mix.toml"), text, overrides) {
        Ok(manifest) => {
            for (field, span) in &manifest.spans {
                assert!(manifest.source.text.get(span.clone()).is_some(), "{field} at {span:?}");
                assert!(manifest.origin(&[field]).is_some());
            }
        }
        Err(found) => {
            assert!(!found.items.is_empty());
            assert!(!found.render(false).is_empty() && !found.render(true).is_empty());
            assert!(found.to_json().is_array());
        }
    }
}

/// Pieces that mean something to TOML or to a manifest.
fn piece() -> impl Strategy<Value = String> {
    const FRAGMENTS: &[&str] = &[
        "[",
        "]",
        "[[",
        "{",
        "}",
        "=",
        "\"",
        "\"\"\"",
        "'",
        "#",
        "\n",
        "\r\n",
        "\r",
        "\t",
        ".",
        ",",
        "\0",
        "\u{feff}",
        "\u{202e}",
        "é",
        "🦀",
        "\\u",
        "-1",
        "1e999",
        "nan",
        "inf",
        "99999999999999999999",
        "0x",
        "true",
        "1979-05-27",
        "domain",
        "c4",
        "weights",
        "tokens",
        "[corpus]",
        "[domain.c4]",
        "factors = []",
        "\"30k\"",
        "\"1/3\"",
        "ddo.small",
        "a.b.c = 1",
        "where.x.y = {}",
        "{ a.b = 1 }",
        "[[1], [2]]",
    ];
    prop_oneof![
        proptest::sample::select(FRAGMENTS).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        ".{0,12}"
    ]
}

fn splice(text: &str, at: usize, length: usize, piece: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let start = at % (letters.len() + 1);
    let end = (start + length).min(letters.len());
    letters[..start]
        .iter()
        .copied()
        .chain(piece.chars())
        .chain(letters[end..].iter().copied())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_manifests(edits in prop::collection::vec((any::<usize>(), 0..30_usize, piece()), 1..8)) {
        let text = edits.iter().fold(BASE.to_owned(), |text, (at, length, piece)| splice(&text, *at, *length, piece));
        survives(&text, &[]);
    }

    #[test]
    fn arbitrary_text(pieces in prop::collection::vec(piece(), 0..40)) {
        survives(&pieces.concat(), &[]);
    }

    #[test]
    fn arbitrary_overrides(pieces in prop::collection::vec(prop::collection::vec(piece(), 0..6), 0..4)) {
        survives(BASE, &pieces.iter().map(|pieces| pieces.concat()).collect::<Vec<_>>());
    }

    #[test]
    fn overrides_of_real_keys(value in ".{0,20}", key in prop::sample::select(vec![
        "ddo.small.factors", "mixture.web.weights", "mixture.web.weights.c4", "domain.c4", "domain", "train.flat.tokens",
        "domain.c4.where", "recipe.short.warm-up", "report.trains", "corpus.held-out", "tokenizer",
    ])) {
        survives(BASE, &[format!("{key}={value}")]);
    }
}

#[test]
fn very_deep_nesting_is_refused() {
    let deep =
        |open: &str, close: &str| format!("x = {}1{}", open.repeat(50_000), close.repeat(50_000));
    survives(&deep("[", "]"), &[]);
    survives(&deep("{a=", "}"), &[]);
    survives(&format!("{}a = 1", "a.".repeat(100_000)), &[]);
    survives(&format!("[{}a]", "a.".repeat(100_000)), &[]);
    survives(&format!("x = {{ {}a = 1 }}", "a.".repeat(100_000)), &[]);
    survives(BASE, &[format!("{}a=1", "a.".repeat(100_000))]);
    survives(BASE, &[format!("x={{{}a=1}}", "a.".repeat(100_000))]);
}

#[test]
fn line_endings_and_marks() {
    let crlf = BASE.replace('\n', "\r\n");
    assert!(parse(Path::new("mix.toml"), &crlf, &[]).is_ok());
    assert!(parse(Path::new("mix.toml"), &format!("\u{feff}{BASE}"), &[]).is_ok());
    survives(&crlf.replace("layers = 2", "layers = \"2\u{1b}[31m\""), &[]);
}
