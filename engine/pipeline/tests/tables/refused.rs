//! Answers that are refused over many domains, and laws that have no value at some mixtures.

use serde_json::Value;

use crate::mixtures::{HEADER, Run, fit, table};
use crate::place::Place;

/// A refusal over many domains names the first of them and counts the rest; programs get all.
#[test]
fn a_long_refusal_is_shortened_for_people() {
    let place = Place::new();
    let names: Vec<String> = (0..60).map(|j| format!("domain{j:02}")).collect();
    let header: Vec<String> = names.iter().map(|name| format!("weight_{name}")).collect();
    let mut text = format!("{},domain00_loss\n", header.join(","));
    for row in 0..20 {
        let share = |j: usize| 1.0 + f64::from(((7 * j + 11 * row * (j + 3)) % 13) as u8);
        let sum: f64 = (0..60).map(share).sum();
        let weights: Vec<String> = (0..60).map(|j| (share(j) / sum).to_string()).collect();
        text.push_str(&format!("{},{}\n", weights.join(","), 3.0 + 0.01 * row as f64));
    }
    place.write("t.csv", text);
    let (code, stderr) = place.refused(&fit(&["--law", "linear"]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.len() < 6000 && stderr.lines().count() < 50, "{stderr}");
    for expected in ["more move together", "more reasons like these", "`--json` gives all"] {
        assert!(stderr.contains(expected), "no `{expected}` in: {stderr}");
    }
    let output = place.run(&fit(&["--law", "linear", "--json"]));
    let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let reasons = object["details"]["reasons"].as_array().expect("reasons");
    assert!(reasons.len() > 3, "{reasons:?}");
    let longest = reasons.iter().filter_map(|reason| reason["domains"].as_array().map(Vec::len));
    assert!(longest.max() > Some(8), "{reasons:?}");
    assert!(object["details"]["suggestions"].as_array().map(Vec::len) > Some(8), "{object}");
}

/// BiMix needs a share of every validation domain: where no row has one of all, the reference is the mean of the rows, and numbers stay finite.
#[test]
fn a_law_has_a_value_at_its_reference() {
    let place = Place::new();
    let row = |place: usize, share: f64| {
        let mut weights = [0.0; 3];
        (weights[place % 3], weights[(place + 1) % 3]) = (share, 1.0 - share);
        Run { weights, losses: weights.map(|w| 2.0 * (w + 0.05_f64).powf(-0.1)) }
    };
    let rows: Vec<Run> = (0..24).map(|k| row(k, 0.1 + 0.03 * k as f64)).collect();
    place.write("t.csv", table(HEADER, &rows, |w| w.to_string(), |l| l.to_string()));
    let answer = place.json(&fit(&["--law", "bimix", "--bootstrap", "40"]));
    assert!(answer["optimum"]["gain"].as_f64().is_some_and(f64::is_finite), "{answer}");
    assert!(answer["uncertainty"]["gain"]["low"].is_number(), "{answer}");
    let notes = answer["notes"].to_string();
    assert!(notes.contains("the reference is the mean of all mixtures"), "{notes}");
    assert!(notes.contains("8 of 24 rows are left out of the laws of"), "{notes}");
    let (code, stderr) =
        place.refused(&fit(&["--law", "bimix", "--reference", "books=0.5,code=0.5"]));
    assert!(code == Some(1) && stderr.contains("has nothing of `web`"), "{code:?} {stderr}");
}
