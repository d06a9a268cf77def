//! RegMix's published table, where this checkout has it: two files joined, and every law on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::place::{Place, assert_close};

/// RegMix's 512 runs, where this checkout has the folder beside it.
fn regmix() -> Option<[PathBuf; 2]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/regmix_1m");
    let files = ["mixtures.csv", "losses.csv"].map(|name| folder.join(name));
    if files.iter().all(|file| file.exists()) {
        return Some(files);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

/// RegMix's two files as they were published: joined, rounded, recognised; trees rank the held-out runs.
#[test]
fn regmix_as_published() {
    let Some([mixtures, losses]) = regmix() else { return };
    let place = Place::new();
    let arguments = [
        "fit",
        "--table",
        mixtures.to_str().expect("text"),
        "--join",
        losses.to_str().expect("text"),
        "--law",
        "trees",
        "--bootstrap",
        "0",
    ];
    let answer = place.json(&arguments);
    assert_eq!(answer["source"]["runs"], 512);
    assert_eq!(answer["source"]["domains"].as_array().map(Vec::len), Some(17));
    assert_eq!(answer["source"]["validation"].as_array().map(Vec::len), Some(13));
    assert!(answer["source"]["validation"].to_string().contains("\"the_pile_arxiv\""), "{answer}");
    let spearman = answer["cross-validation"]["spearman"].as_f64().expect("a correlation");
    assert!(spearman >= 0.985, "{spearman}");
    let sum: f64 =
        answer["weights"].as_object().expect("weights").values().filter_map(Value::as_f64).sum();
    assert_close(&[sum], &[1.0], 1e-9);
    assert!(answer["notes"].to_string().contains("within the rounding"), "{}", answer["notes"]);
}

/// The laws that one joined table is fitted with: all of them listed with their errors, the best first, and the same bytes on one
/// core as on two.
#[test]
fn regmix_lists_every_law() {
    let Some([mixtures, losses]) = regmix() else { return };
    let place = Place::new();
    let run = |threads: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_mixmake"))
            .current_dir(place.folder.path())
            .env("RAYON_NUM_THREADS", threads)
            .args(["fit", "--table"])
            .arg(&mixtures)
            .arg("--join")
            .arg(&losses)
            .args(["--law", "auto", "--bootstrap", "4", "--folds", "3"])
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let text = run("2");
    assert!(run("1") == text, "the number of cores changes the answer");
    for law in mixmake_fit::mixing::LawName::ALL {
        // With its errors, or with the reason why there are none.
        let first =
            |line: &str| line.split_whitespace().next().map(|w| w.trim_end_matches(':').to_owned());
        let line = text.lines().find(|line| first(line).as_deref() == Some(law.as_str()));
        assert!(line.is_some(), "no line of {law}: {text}");
    }
    assert!(text.contains("\nlaw: inverse-sum"), "{text}");
}
