//! Tables of several scales: what is measured at one says nothing of another.

use serde_json::Value;

use crate::mixtures::{HEADER, Run, fit, losses, runs};
use crate::place::{Place, assert_close};

/// The same mixtures at two scales; at the larger every loss is lower, so rows of the two do not compare.
fn of_two_scales() -> String {
    let at = |tokens: &str, lower: f64| -> String {
        let line = |run: Run| {
            let numbers = run.weights.into_iter().chain(run.losses.map(|loss| loss - lower));
            let cells: Vec<String> = numbers.map(|number| number.to_string()).collect();
            format!("{},{tokens}\n", cells.join(","))
        };
        runs().into_iter().map(line).collect()
    };
    format!("{HEADER},tokens\n{}{}", at("1B", 0.0), at("3B", 0.2))
}

#[test]
fn the_best_measured_row_is_one_of_the_scale_asked() {
    let place = Place::new();
    place.write("t.csv", of_two_scales());
    let least =
        runs().iter().map(|run| run.losses.iter().sum::<f64>() / 3.0).fold(f64::INFINITY, f64::min);
    let quick = ["--law", "exponential", "--bootstrap", "0"];
    for (at, value) in [("1B", least), ("3B", least - 0.2)] {
        let flags = fit(&[&quick[..], &["--at", at]].concat());
        let best = place.json(&flags)["best-measured"].clone();
        assert_close(&[best["value"].as_f64().expect("a value")], &[value], 1e-9);
        assert_eq!(best["among"], 28, "{best}");
        let text = place.text(&flags);
        assert!(text.contains(&format!("of 28 runs at {at} tokens)")), "{text}");
    }
    // Nothing was trained at 10B.
    let flags = fit(&[&quick[..], &["--at", "10B"]].concat());
    assert_eq!(place.json(&flags)["best-measured"], Value::Null);
    let text = place.text(&flags);
    assert!(text.contains("best measured: none, no run at 10B tokens has every loss"), "{text}");
}

#[test]
fn the_best_row_is_no_reference_over_several_scales() {
    let place = Place::new();
    place.write("t.csv", of_two_scales());
    let quick = ["--law", "exponential", "--bootstrap", "0", "--reference", "best"];
    let (code, stderr) = place.refused(&fit(&quick));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("several scales") && stderr.contains("--at 3B"), "{stderr}");
    let answer = place.json(&fit(&[&quick[..], &["--at", "3B"]].concat()));
    let reference = answer["reference"]["weights"].as_object().expect("weights");
    let reference: Vec<f64> = reference.values().map(|w| w.as_f64().expect("a weight")).collect();
    let mean = |weights: &[f64]| losses([weights[0], weights[1], weights[2]]).iter().sum::<f64>();
    let least = runs().iter().map(|run| mean(&run.weights)).fold(f64::INFINITY, f64::min);
    assert_close(&[mean(&reference)], &[least], 1e-9);
    let (code, stderr) = place.refused(&fit(&[&quick[..], &["--at", "9B"]].concat()));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("no row of that scale has every loss"), "{stderr}");
}
