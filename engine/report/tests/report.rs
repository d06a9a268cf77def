//! The reports of made-up studies, whole and odd: what they say, and that nothing a study can hold
//! breaks them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod made_up;
mod odd;

use insta::assert_snapshot;
use mixmake_report::data::*;
use mixmake_report::{html, json, markdown, table};
use unicode_width::UnicodeWidthStr;

fn check(name: &str, study: &Study) {
    assert_snapshot!(format!("{name}-80"), table(study, 80, false));
    assert_snapshot!(format!("{name}-markdown"), markdown(study));
}

#[test]
fn a_realistic_study() {
    check("realistic", &made_up::realistic());
}

#[test]
fn a_prediction_that_is_not_better_is_called_so() {
    let study = made_up::not_better();
    let text = table(&study, 80, false);
    assert!(text.contains("The predicted mixture is NOT better than `uniform` here"), "{text}");
    assert!(!text.contains("is better than"), "{text}");
    assert!(html(&study).contains("<b>not</b> better than"));
    assert!(markdown(&study).starts_with("# demo"));
    assert_eq!(json(&study)["verdicts"][0]["better"], false);
}

#[test]
fn equal_is_not_better() {
    let mut study = made_up::realistic();
    study.trainings[1].evaluations = study.trainings[0].evaluations.clone();
    assert!(table(&study, 80, false).contains("is NOT better than"));
}

#[test]
fn odd_studies() {
    for (name, study) in odd::named() {
        check(name, &study);
    }
}

#[test]
fn narrow_terminals_get_columns_below_each_other() {
    assert_snapshot!("realistic-40", table(&made_up::realistic(), 40, false));
    let mut study = made_up::realistic();
    let weights = study.fits[0].weights.clone();
    study.fits[0].weight_intervals = Some(weights.iter().map(|w| (w - 0.02, w + 0.02)).collect());
    for (at, mixture) in ["llama-weights", "data-mixing-laws", "doremi", "uniform-30-percent-more"]
        .into_iter()
        .enumerate()
    {
        let mut training = study.trainings[0].clone();
        (training.name, training.mixture) = (mixture.into(), mixture.into());
        training.evaluations.iter_mut().flat_map(|e| &mut e.losses).for_each(|l| {
            *l += 0.01 * at as f64;
        });
        study.trainings.push(training);
    }
    assert_snapshot!("methods-80", table(&study, 80, false));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, study) in odd::all() {
        for width in [40, 57, 80, 120] {
            for line in table(&study, width, false).lines() {
                assert!(line.width() <= width, "{name} at {width}: {line}");
            }
        }
    }
}

#[test]
fn colour_changes_no_text() {
    for (name, study) in odd::all() {
        let plain = table(&study, 80, false);
        assert!(!plain.contains('\u{1b}'), "{name}: a name moved the cursor");
        let mut stripped = String::new();
        for (at, part) in table(&study, 80, true).split("\u{1b}[").enumerate() {
            stripped += if at == 0 { part } else { part.split_once('m').expect("ends in m").1 };
        }
        assert_eq!(stripped, plain, "{name}");
    }
}

#[test]
fn nothing_prints_what_is_not_a_number() {
    for (name, study) in odd::all() {
        for (kind, text) in [
            ("text", table(&study, 80, true)),
            ("markdown", markdown(&study)),
            ("json", json(&study).to_string()),
            ("html", html(&study)),
        ] {
            for word in text.split(|c: char| !c.is_alphanumeric()) {
                assert!(!["NaN", "inf", "nan", "Infinity"].contains(&word), "{name}, {kind}");
            }
        }
    }
}

#[test]
fn the_same_study_gives_the_same_bytes() {
    for (name, study) in odd::all() {
        assert_eq!(html(&study), html(&study.clone()), "{name}");
    }
}

#[test]
fn json_has_the_derived_values() {
    let study = made_up::realistic();
    let value = json(&study);
    let end = &value["trainings"][0]["end"];
    let rust = study.trainings[0].evaluations.last().unwrap().losses[0].exp();
    assert_eq!(end["perplexities"]["rust"], rust);
    let all: Vec<f64> =
        made_up::NAMES.iter().map(|n| end["perplexities"][n].as_f64().unwrap()).collect();
    let mean = all.iter().sum::<f64>() / 5.0;
    assert!((end["mean-perplexity"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert_eq!(end["worst-perplexity"], all.iter().copied().fold(0.0, f64::max));
    assert_eq!(end["worst-domain"], "config");
    assert_eq!(value["fits"][0]["reference-weights"][0], 0.25);
    assert_eq!(value["verdicts"][0]["better"], true);
    let mut without = value.clone();
    for training in without["trainings"].as_array_mut().unwrap() {
        training.as_object_mut().unwrap().remove("end");
    }
    let back: Study = serde_json::from_value(without).unwrap();
    assert_eq!(back.title, study.title);
}

#[test]
fn json_of_unknown_values_is_null() {
    let mut study = made_up::realistic();
    study.trainings[0].evaluations.last_mut().unwrap().losses[0] = f64::NAN;
    let value = json(&study);
    let end = &value["trainings"][0]["end"];
    assert!(end["perplexities"]["rust"].is_null() && end["mean-perplexity"].is_null());
    assert!(end["worst-domain"].is_null() && value["verdicts"][0]["better"].is_null());
}
