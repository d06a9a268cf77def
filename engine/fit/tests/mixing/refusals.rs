//! Tables that can't identify a law are refused, with the reason and mixtures that would.

use mixmake_fit::mixing::{
    Bounds, FitOptions, Folds, LawName, Observations, Reason, Row, cross_validate, fit,
    suggest_without_fit,
};

use crate::world::{Design, names};

fn truth(h: &[f64], _: f64, _: f64) -> Vec<f64> {
    vec![2.0 + (-2.0 * h[0] - h[1]).exp()]
}

#[test]
fn too_few_rows_say_how_many_and_which() {
    let table = Design::new(4, 4, 1).table(&truth);
    let error = fit(&table, LawName::Exponential, &FitOptions::default()).expect_err("refused");
    assert_eq!(error.reasons(), [Reason::TooFewRows { rows: 4, parameters: 5 }]);
    assert_eq!(error.would_identify().len(), 2);
    let words = error.to_string();
    assert!(
        words.contains("4 different mixtures") && words.contains("train the 2 suggested"),
        "{words}"
    );
}

/// Rows that were refused, with the suggested ones added, are not refused.
#[test]
fn suggested_rows_identify_the_law() {
    let domains = 4;
    let mut rows = Design::new(domains, 6, 2).rows(&truth);
    for row in &mut rows {
        // The last domain is never varied.
        let rest = 0.8 / (1.0 - row.weights[3]);
        row.weights.iter_mut().for_each(|w| *w *= rest);
        row.weights[3] = 0.2;
    }
    let table = |rows: Vec<Row>| {
        Observations::new(names("d", domains), names("v", 1), rows).expect("a usable table")
    };
    let refused = table(rows.clone());
    for law in [LawName::Exponential, LawName::Linear, LawName::LogLinear, LawName::InverseSum] {
        let error = fit(&refused, law, &FitOptions::default()).expect_err("refused");
        let never = Reason::NeverVaried { domain: "d03".into() };
        assert!(error.reasons().contains(&never), "{error}");
        let more = error.would_identify().iter().enumerate().map(|(k, suggestion)| {
            let losses = truth(&suggestion.weights, 1.0, 1.0);
            Row::new(format!("suggested {k}"), suggestion.weights.clone(), &losses)
        });
        let all: Vec<Row> = rows.iter().cloned().chain(more).collect();
        let fitted = fit(&table(all), law, &FitOptions::default());
        assert!(fitted.is_ok(), "{law}: {:?}", fitted.err());
    }
}

#[test]
fn domains_that_move_together_are_named() {
    let rows = Design::new(3, 12, 3).rows(&truth).into_iter().map(|mut row| {
        let both = row.weights[1] + row.weights[2];
        row.weights = vec![row.weights[0], 0.5 * both, 0.5 * both];
        row
    });
    let table = Observations::new(names("d", 3), names("v", 1), rows.collect()).expect("usable");
    let error = fit(&table, LawName::Linear, &FitOptions::default()).expect_err("refused");
    let expected = Reason::Dependent { domains: vec!["d01".into(), "d02".into()] };
    assert_eq!(error.reasons(), [expected]);
}

#[test]
fn bimix_needs_the_domain_itself_and_ddo_a_falling_curve() {
    let table = Design::new(3, 20, 4).table(&truth);
    let error = fit(&table, LawName::Bimix, &FitOptions::default()).expect_err("refused");
    assert_eq!(error.reasons(), [Reason::NoOwnDomain { validation: "v00".into() }]);
    let rising = |h: &[f64], _: f64, _: f64| {
        vec![2.0 + h[0] + (0.3 + h[1]).powf(-0.5) + (0.2 + h[2]).powf(-0.4)]
    };
    let table = Design::new(3, 40, 5).table(&rising);
    let error = fit(&table, LawName::Ddo, &FitOptions::default()).expect_err("refused");
    let expected = Reason::NotConvexDecreasing { domain: "d00".into() };
    assert!(error.reasons().contains(&expected), "{error}");
}

#[test]
fn suggestions_without_a_fit_stay_within_bounds_and_repeat() {
    let table = Design::new(5, 3, 6).table(&truth);
    let bounds = Bounds::free(5).with_floor(0.05);
    let first = suggest_without_fit(&table, &bounds, 4, 9);
    assert_eq!(first, suggest_without_fit(&table, &bounds, 4, 9));
    assert_eq!(first.len(), 4);
    for suggestion in &first {
        assert!(suggestion.weights.iter().all(|w| *w >= 0.05 - 1e-12));
        assert!((suggestion.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}

/// What keeps a fold from being fitted is said of the fold, what keeps the table from it of the table; folds of one row have no ranks.
#[test]
fn cross_validation_speaks_of_the_table_or_of_a_fold() {
    let refused = |rows: usize| {
        let table = Design::new(3, rows, 7).table(&truth);
        let folds = Folds::default();
        cross_validate(&table, LawName::Exponential, &FitOptions::default(), &folds)
            .expect_err("refused")
    };
    let whole = refused(3);
    assert!(!whole.to_string().contains("cross-validation"), "{whole}");
    assert!(
        whole.to_string().contains("3 different mixtures and scales are too few for 4"),
        "{whole}"
    );
    let fold = refused(4);
    let words = "cross-validation fits 3 of 4 rows at a time: the rows do not identify";
    assert!(fold.to_string().starts_with(words), "{fold}");
    assert_eq!(fold.reasons(), [Reason::TooFewRows { rows: 3, parameters: 4 }]);
    assert!(!fold.would_identify().is_empty());

    let scored = |rows: usize| {
        let table = Design::new(3, rows, 8).noise(0.01).table(&truth);
        cross_validate(&table, LawName::Linear, &FitOptions::default(), &Folds::default())
            .expect("errors")
    };
    let (few, many) = (scored(6), scored(20));
    assert_eq!((few.spearman, few.targets[0].spearman), (None, None));
    assert!(many.spearman.is_some_and(|rank| rank > 0.0 && rank <= 1.0), "{:?}", many.spearman);
}
