//! Outside tables in a store: a kind of their own, kept, listed, removed, and pooled only when asked.

use std::fs;

use serde_json::json;

use crate::store::Place;

fn csv(rows: usize) -> String {
    let line = |row: usize| {
        let web = row as f64 / 10.0;
        let loss = |own: f64| 2.0 + (-2.0 * own).exp();
        format!("{row},{web},{},{},{}\n", 1.0 - web, loss(web), loss(1.0 - web))
    };
    let lines: String = (1..=rows).map(line).collect();
    format!("run,weight_web,weight_code,web_loss,code_loss\n{lines}")
}

fn place() -> Place {
    let place = Place::new();
    place.shards("web", "web bytes");
    place.shards("code", "code bytes");
    for part in 1..6_u64 {
        let amounts = [("web bytes", 1000 * part), ("code bytes", 1000 * (6 - part))];
        place.training(&format!("ddo/small/r{part}"), &amounts, 64, |place, weights| {
            2.0 + (-2.0 * weights[place]).exp()
        });
    }
    fs::write(place.path("paper.csv"), csv(9)).expect("a table");
    place
}

#[test]
fn a_table_comes_in_once_and_goes_when_asked() {
    let place = place();
    let text = place.text(&["losses", "import", "paper.csv"]);
    assert!(text.contains("paper imported: 9 runs, 2 domains, 2 validation domains"), "{text}");
    let again = place.json(&["losses", "import", "paper.csv"]);
    assert_eq!(again["new"], false);
    let listed = place.json(&["losses", "imports"]);
    assert_eq!(listed["imported"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["imported"][0]["name"], "paper");
    assert_eq!(listed["imported"][0]["files"][0]["name"], "paper.csv");
    assert!(place.text(&["losses", "imports"]).contains("paper.csv"));
    // Another table wants another name.
    fs::write(place.path("paper.csv"), csv(8)).expect("a table");
    let (code, stderr) = place.refused(&["losses", "import", "paper.csv"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("another table is imported under the name `paper`"), "{stderr}");
    place.text(&["losses", "import", "paper.csv", "--name", "second"]);
    assert!(place.text(&["losses", "remove", "paper"]).contains("paper is removed"));
    let (code, stderr) = place.refused(&["losses", "remove", "paper"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("no table is imported as `paper`") && stderr.contains("`second`"),
        "{stderr}"
    );
}

/// Imported rows leave as they came: a wide table of theirs is fitted like the one they were read from.
#[test]
fn imported_runs_are_written_wide() {
    let place = place();
    place.text(&["losses", "import", "paper.csv"]);
    let wide = ["losses", "--all", "--where", "kind=imported", "--wide", "-o", "wide.csv"];
    assert!(place.text(&wide).contains("18 loss rows of 9 imported runs"));
    let law = |table: &str| {
        let fit = ["fit", "--table", table, "--law", "linear", "--bootstrap", "0"];
        place.json(&fit)["law"]["targets"][0]["parameters"].clone()
    };
    assert_eq!(law("wide.csv"), law("paper.csv"));
}

/// Neither `gc` nor `verify` takes it for garbage.
#[test]
fn imports_survive_gc_and_verify() {
    let place = place();
    place.text(&["losses", "import", "paper.csv"]);
    place.text(&["gc"]);
    place.text(&["verify"]);
    let fitted =
        place.json(&["fit", "--imported", "paper", "--law", "exponential", "--bootstrap", "0"]);
    assert_eq!(fitted["source"]["runs"], 9);
    assert_eq!(fitted["source"]["title"], "imported `paper`");
    place.text(&["losses", "remove", "paper"]);
    let objects = || fs::read_dir(place.path("store/objects")).expect("objects").count();
    let before = objects();
    place.text(&["gc"]);
    assert!(objects() <= before);
    assert_eq!(place.json(&["losses", "imports"]), json!({ "imported": [] }));
}

#[test]
fn kinds_never_mix_unasked() {
    let place = place();
    place.text(&["losses", "import", "paper.csv"]);
    let text = place.text(&["losses"]);
    assert!(!text.contains("paper/run"), "{text}");
    assert!(text.contains("1 imported tables are not shown; `--where 'kind=*'`"), "{text}");
    let both = place.text(&["losses", "--where", "kind=*"]);
    assert!(
        both.contains("imported  paper/run 1") && both.contains("measured  ddo/small/r1"),
        "{both}"
    );
    let only = place.json(&["losses", "--where", "kind=imported"]);
    assert_eq!(only["trainings"], json!([]));
    assert_eq!(only["imported"].as_array().map(Vec::len), Some(18));
    assert_eq!(only["imported"][0]["kind"], "imported");

    let fit = ["fit", "--from-store", "--law", "linear", "--bootstrap", "0"];
    let alone = place.json(&fit);
    assert_eq!(alone["source"]["runs"], 5);
    let pooled = place.json(&[&fit[..], &["--imported", "paper"]].concat());
    assert_eq!(pooled["source"]["runs"], 14);
    assert_eq!(pooled["source"]["domains"], json!(["code", "web"]));
    let notes = pooled["notes"].to_string();
    assert!(
        notes.contains("pools 5 rows of the store with 9 of imported `paper`, as asked"),
        "{notes}"
    );
}

#[test]
fn a_bad_table_does_not_come_in() {
    let place = place();
    fs::write(place.path("bad.csv"), "weight_a,weight_b,a_loss\n0.5,0.7,3\n").expect("a table");
    let (code, stderr) = place.refused(&["losses", "import", "bad.csv"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("line 2: the weights sum to 1.2"), "{stderr}");
    let (code, stderr) = place.refused(&["fit", "--imported", "bad"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("nothing is imported"), "{stderr}");
}
