//! `fit` of what a store holds: losses that trainings of this program measured, and a table imported beside them.

use serde_json::Value;

use crate::harness::Workspace;
use crate::study;

/// Both scales of DDO in the study: five runs each of two training domains.
const FIT: [&str; 8] =
    ["fit", "--from-store", "--where", "target=ddo/*", "--law", "linear", "--bootstrap", "0"];

fn fit(workspace: &Workspace, more: &[&str]) -> Value {
    let flags = [&FIT[..], &["--json"], more].concat();
    workspace.mixmake(&flags).expect(0).json()
}

/// Observed losses of one validation domain, by the row's name.
fn observed(answer: &Value, domain: &str) -> Vec<(String, f64)> {
    let targets = answer["law"]["targets"].as_array().expect("targets");
    let target = targets.iter().find(|target| target["target"] == domain).expect("the domain");
    let points = target["points"].as_array().expect("points").iter();
    let mut rows: Vec<(String, f64)> = points
        .map(|point| {
            let name = point["row"].as_str().expect("a name").to_owned();
            (name, point["observed"].as_f64().expect("a loss"))
        })
        .collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows
}

/// Every final loss that the store lists of a domain is a point of its law, and no other is.
#[test]
fn losses_that_trainings_measured_are_what_is_fitted() {
    let workspace = study::built();
    let answer = fit(&workspace, &[]);
    assert_eq!(answer["source"]["title"], "the store");
    assert_eq!(answer["source"]["domains"], serde_json::json!(["alpha", "beta"]));
    assert_eq!(answer["source"]["validation"], serde_json::json!(["alpha", "beta", "gamma"]));
    let listed = workspace
        .mixmake(&["losses", "--json", "--all", "--last", "--where", "target=ddo/*"])
        .expect(0)
        .json();
    let trainings = listed["trainings"].as_array().expect("trainings");
    assert_eq!(trainings.len(), 10, "{listed}");
    for domain in ["alpha", "beta", "gamma"] {
        let of = |training: &Value| {
            let rows = training["rows"].as_array().expect("rows");
            let row = rows.iter().find(|row| row["domain"] == domain).expect("a row");
            let target = training["target"].as_str().expect("a target").to_owned();
            (target, row["loss"].as_f64().expect("a loss"))
        };
        let mut expected: Vec<(String, f64)> = trainings.iter().map(of).collect();
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(observed(&answer, domain), expected, "{domain}");
    }
    // Two scales: the best row is one of the scale that is asked for.
    let small = fit(&workspace, &["--where", "target=ddo/small/*"]);
    assert_eq!(small["source"]["runs"], 5);
    let best = answer["best-measured"]["among"].as_u64().expect("rows of the scale");
    assert!((1..10).contains(&best), "{answer}");
}

/// An outside table stays beside what was measured until it is asked for by name.
#[test]
fn an_imported_table_never_mixes_unasked() {
    let workspace = study::built();
    let alone = fit(&workspace, &[]);
    let line = |step: u64| {
        let alpha = step as f64 / 10.0;
        let loss = |own: f64| 5.0 - own;
        format!("{alpha},{},{},{},4.5,2000\n", 1.0 - alpha, loss(alpha), loss(1.0 - alpha))
    };
    let lines: String = (1..10).map(line).collect();
    let head = "weight_alpha,weight_beta,alpha_loss,beta_loss,gamma_loss,tokens";
    workspace.write("paper.csv", format!("{head}\n{lines}"));
    workspace.mixmake(&["losses", "import", "paper.csv"]).expect(0);
    assert_eq!(fit(&workspace, &[]), alone, "an import changed what was not asked of it");
    let measured = workspace.mixmake(&["losses", "--all"]).expect(0);
    assert!(!measured.stdout.contains("paper"), "{}", measured.stdout);
    workspace.mixmake(&["gc"]).expect(0);

    let outside = ["fit", "--imported", "paper", "--law", "linear", "--bootstrap", "0", "--json"];
    let outside = workspace.mixmake(&outside).expect(0).json();
    assert_eq!(outside["source"]["runs"], 9);
    assert_eq!(outside["source"]["title"], "imported `paper`");
    let both = fit(&workspace, &["--imported", "paper"]);
    assert_eq!(both["source"]["runs"], 19);
    let notes = both["notes"].to_string();
    assert!(
        notes.contains("pools 10 rows of the store with 9 of imported `paper`, as asked"),
        "{notes}"
    );
    let mut pooled = observed(&alone, "gamma");
    pooled.extend(observed(&outside, "gamma"));
    pooled.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(observed(&both, "gamma"), pooled);
}

/// A domain is its bytes: under another name its rows pool with those from before.
#[test]
fn a_renamed_domain_keeps_its_rows() {
    let workspace = study::built();
    let before = fit(&workspace, &[]);
    workspace.edit("[domain.beta]", "[domain.prose]");
    let answer = fit(&workspace, &[]);
    assert_eq!(answer["source"]["runs"], 10);
    let domains = answer["source"]["domains"].to_string();
    assert!(domains.contains("prose") && !domains.contains("beta"), "{domains}");
    // Targets have the domain's name too.
    let renamed = |(name, loss): (String, f64)| (name.replace("beta", "prose"), loss);
    let expected: Vec<(String, f64)> = observed(&before, "beta").into_iter().map(renamed).collect();
    assert_eq!(observed(&answer, "prose"), expected);
    let nothing = workspace.mixmake(&["fit", "--from-store", "--where", "target=none/*"]);
    nothing.expect(2).says(&["no training with losses is meant"]);
}

/// What most people try first, with or without a manifest.
#[test]
fn a_table_in_the_place_of_a_target_is_told_from_one() {
    let workspace = Workspace::new();
    workspace.write("losses.csv", "weight_a,x_loss\n1,2\n");
    for arguments in [
        &["fit", "losses.csv"][..],
        &["fit", "losses.csv", "--law", "auto"],
        &["predict", "losses.csv"],
    ] {
        workspace
            .mixmake(arguments)
            .expect(2)
            .says(&["`losses.csv` is a file", "--table losses.csv"]);
    }
}
