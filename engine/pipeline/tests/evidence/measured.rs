//! Rows that trainings left: by name, by shard, by condition, and as a table of their own.

use std::fs;

use serde_json::{Value, json};

use crate::store::{Amounts, Place, digest};

/// Losses that fall with their own domain's share.
fn loss(place: usize, weights: &[f64]) -> f64 {
    2.0 + 1.5 * (-[2.0, 3.0][place % 2] * weights[place]).exp()
}

/// Two domains, eight mixtures of them, and two trainings of a larger model.
fn place() -> Place {
    let place = Place::new();
    place.shards("prose", "prose bytes");
    place.shards("rust", "rust bytes");
    for part in 1..9_u64 {
        let amounts = [("prose bytes", 1000 * part), ("rust bytes", 1000 * (9 - part))];
        place.training(&format!("ddo/small/r{part}"), &amounts, 64, loss);
    }
    let amounts: &Amounts<'_> = &[("prose bytes", 5000), ("rust bytes", 4000)];
    place.training("train/uniform", amounts, 256, loss);
    place
}

fn rows(object: &Value) -> Vec<&Value> {
    let trainings = object["trainings"].as_array().expect("trainings");
    trainings.iter().flat_map(|training| training["rows"].as_array().expect("rows")).collect()
}

#[test]
fn every_row_of_the_store_is_listed_by_name() {
    let place = place();
    let object = place.json(&["losses", "--all"]);
    assert_eq!(object["trainings"].as_array().map(Vec::len), Some(9));
    assert_eq!(rows(&object).len(), 36, "nine trainings, two steps, two domains");
    let first = &object["trainings"][0];
    assert_eq!(first["target"], "ddo/small/r1");
    assert_eq!(first["kind"], "measured");
    assert_eq!(first["configuration"]["hidden"], 64);
    assert_eq!(first["tokens-by-domain"], json!({ "prose": 1000, "rust": 8000 }));
    assert_eq!(first["parts"][0]["shard"], digest("prose bytes train"));
    assert_eq!(first["rows"][0]["domain"], "prose");
    // Without a manifest the whole store is what there is.
    assert_eq!(place.json(&["losses"]), object);
    assert_eq!(rows(&place.json(&["losses", "--last"])).len(), 18);
}

#[test]
fn conditions_choose_rows() {
    let place = place();
    let count = |conditions: &[&str]| {
        let flags: Vec<&str> = conditions.iter().flat_map(|text| ["--where", text]).collect();
        rows(&place.json(&[&["losses"], &flags[..]].concat())).len()
    };
    assert_eq!(count(&["domain=rust"]), 18);
    assert_eq!(count(&["domain=rust", "step>=100"]), 9);
    assert_eq!(count(&["target=ddo/*"]), 32);
    assert_eq!(count(&["target!=ddo/*"]), 4);
    assert_eq!(count(&["hidden=256", "step=50"]), 2);
    assert_eq!(count(&["tokens:rust>=8k"]), 4);
    assert_eq!(count(&["domain=nothing"]), 0);
    let (code, stderr) = place.refused(&["losses", "--where", "domian=c4"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no column `domian`; is `domain` it?"), "{stderr}");
    let (code, stderr) = place.refused(&["losses", "--where", "domain"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("write COLUMN=VALUE"), "{stderr}");
}

/// CSV, Parquet and JSON hold the same rows with their provenance; a wide one is a table that `fit` reads.
#[test]
fn exports_hold_the_rows_and_their_provenance() {
    let place = place();
    for name in ["out.csv", "out.parquet", "out.json"] {
        let text = place.text(&["losses", "-o", name]);
        assert!(text.contains("36 loss rows of 9 trainings"), "{text}");
    }
    let csv = fs::read_to_string(place.path("out.csv")).expect("a table");
    let header = csv.lines().next().expect("a header");
    for column in
        ["kind", "target", "key", "domain", "loss", "tokenizer", "learning-rate", "tokens:rust"]
    {
        assert!(header.split(',').any(|name| name == column), "no {column} in {header}");
    }
    assert_eq!(csv.lines().count(), 37);
    let json: Value =
        serde_json::from_slice(&fs::read(place.path("out.json")).expect("a file")).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(36));
    assert_eq!(json[0]["kind"], "measured");

    place.text(&["losses", "--wide", "-o", "wide.csv", "--where", "target=ddo/*"]);
    let fitted =
        place.json(&["fit", "--table", "wide.csv", "--law", "exponential", "--bootstrap", "0"]);
    assert_eq!(fitted["source"]["runs"], 8);
    assert_eq!(fitted["source"]["domains"], json!(["prose", "rust"]));
    let (code, stderr) = place.refused(&["losses", "-o", "rows.txt"]);
    assert_eq!(code, Some(2), "{stderr}");
}

#[test]
fn the_store_is_a_table_to_fit() {
    let place = place();
    let fitted = |flags: &[&str]| {
        let flags =
            [&["fit", "--from-store", "--law", "exponential", "--bootstrap", "0"], flags].concat();
        place.json(&flags)
    };
    let small = fitted(&["--where", "target=ddo/*"]);
    assert_eq!(small["source"]["runs"], 8);
    assert_eq!(small["source"]["title"], "the store");
    // Models of two sizes are two experiments.
    let (code, stderr) = place.refused(&["fit", "--from-store"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("not comparable: `hidden` is 64 in one and 256 in the other"),
        "{stderr}"
    );
    assert!(stderr.contains("--where"), "{stderr}");
    let (code, stderr) = place.refused(&["fit", "--from-store", "--where", "target=none"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no training with losses is meant"), "{stderr}");
}

/// A domain is its bytes: another manifest's name for them pools, other bytes under the same name do not.
#[test]
fn rows_pool_by_what_shards_are() {
    let place = place();
    // The same bytes under another name, in another manifest: the same action, and the same domain.
    let renamed: &Amounts<'_> = &[("rust bytes", 6000), ("prose bytes", 6000)];
    place.training("ddo/other/base", renamed, 64, |place, weights| {
        loss(1 - place, &[weights[1], weights[0]])
    });
    let fit =
        ["fit", "--from-store", "--where", "target=ddo/*", "--law", "linear", "--bootstrap", "0"];
    let pooled = place.json(&fit);
    assert_eq!(pooled["source"]["runs"], 9);
    assert_eq!(pooled["source"]["domains"], json!(["prose", "rust"]));
    // Its text changed: the rows before are of another domain, which is said.
    place.shards("rust", "newer rust bytes");
    let changed: &Amounts<'_> = &[("prose bytes", 5000), ("newer rust bytes", 4000)];
    place.training("ddo/small/again", changed, 64, loss);
    // One training of the new text says too little of it, and is not taken for one of the old.
    let (code, stderr) = place.refused(&fit);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("rust@") && stderr.contains("do not identify"), "{stderr}");
    let chosen = ["--where", "target!=ddo/small/again"];
    let chosen = place.json(&[&fit[..], &chosen].concat());
    assert_eq!(chosen["source"]["runs"], 9);
    assert_eq!(chosen["source"]["domains"], json!(["prose", "rust"]));
}

/// A `wsd` run yields the smaller scales: each branch is a row of its own, of what it had seen.
#[test]
fn branches_count_as_trainings_of_their_own() {
    let place = place();
    let ends = [(25, 2.0, true), (50, 1.5, false), (50, 0.5, true), (100, 0.0, false)];
    place.training_with(
        "train/wsd",
        &[("prose bytes", 6000), ("rust bytes", 2000)],
        512,
        &ends,
        loss,
    );
    let object = place.json(&["losses", "--where", "target=train/wsd"]);
    let decayed = |row: &&&Value| row["decayed"] == true;
    assert_eq!((rows(&object).len(), rows(&object).iter().filter(decayed).count()), (8, 4));
    assert!(place.text(&["losses"]).contains("train/wsd (decayed)"));
    assert_eq!(rows(&place.json(&["losses", "--where", "decayed=true"])).len(), 4);
    place.text(&["losses", "--where", "target=train/wsd", "--wide", "-o", "wide.csv"]);
    let text = fs::read_to_string(place.folder.path().join("wide.csv")).expect("written");
    let lines: Vec<&str> = text.lines().collect();
    let column = |name: &str| lines[0].split(',').position(|head| head == name).expect("a column");
    let cells = |name: &str| -> Vec<f64> {
        let column = column(name);
        lines[1..]
            .iter()
            .map(|line| line.split(',').nth(column).expect("a cell").parse().expect("a number"))
            .collect()
    };
    assert_eq!(cells("tokens"), [2000.0, 4000.0, 8000.0]);
    assert_eq!(cells("tokens:prose"), [1500.0, 3000.0, 6000.0]);
    let last = loss(0, &[0.75, 0.25]);
    assert_eq!(cells("prose_loss"), [last + 2.0, last + 0.5, last]);
}
